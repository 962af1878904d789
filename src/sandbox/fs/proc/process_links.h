// What in /proc/PID leads elsewhere: exe, cwd, root, fd/N, ns/…, proc_pid_fd(5), namespaces(7).
#pragma once

#include "sandbox/fs/generated/generated.h"
#include "sandbox/fs/proc/subject.h"

namespace cella::sandbox::fs {

// A directory that is a process's, and changes with it.
class ProcessSubdirectory : public GeneratedDirectory {
 public:
  ProcessSubdirectory(const GeneratedSuper& of, Subject subject, std::string name, uint32_t mode)
      : GeneratedDirectory(of, mode), subject_(std::move(subject)), name_(std::move(name)) {}
  bool keeps_names() const override { return false; }
  SysResult<vfs::Attributes> attributes() override;

 protected:
  Subject subject_;
  std::string name_;
};

// "exe", "cwd", "root"; null for another name.
vfs::InodePtr make_process_link(const GeneratedSuper& super, const Subject& subject, const std::string& name);
// "fd", "fdinfo", "ns"; null for another name.
vfs::InodePtr make_descriptors_directory(const GeneratedSuper& super, const Subject& subject, const std::string& name);

}  // namespace cella::sandbox::fs
