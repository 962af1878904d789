#include "sandbox/fs/proc/process_directory.h"

#include <dirent.h>

#include <charconv>

#include "base/result.h"
#include "sandbox/fs/proc/process_links.h"
#include "sandbox/fs/proc/process_text.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::InodePtr;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

class ProcessTextFile final : public GeneratedFile {
 public:
  ProcessTextFile(const GeneratedSuper& of, Subject subject, const ProcessFile& file)
      : GeneratedFile(of, S_IFREG | file.mode), subject_(std::move(subject)), file_(file) {}
  SysResult<vfs::Attributes> attributes() override {
    TRY(subject_.process());
    return subject_.owned(attributes_, file_.name);
  }
  SysResult<std::string> text(Caller& caller) override { return file_.text(caller, subject_); }
  SysResult<void> store(Caller& caller, std::string_view text) override {
    return file_.store != nullptr ? file_.store(caller, subject_, text) : fail(EINVAL);
  }
  SysResult<void> check_open(Caller& caller) override {
    return file_.guarded ? check_inspect(caller, subject_) : SysResult<void>();
  }

 private:
  Subject subject_;
  const ProcessFile& file_;
};

// /proc/PID/task.
class ThreadsDirectory final : public ProcessSubdirectory {
 public:
  ThreadsDirectory(const GeneratedSuper& of, const Subject& subject, InodePtr net)
      : ProcessSubdirectory(of, subject, "task", 0555), net_(std::move(net)) {}
  SysResult<InodePtr> lookup(const std::string& name) override {
    auto group = TRY(subject_.process());
    for (const task::Task* task : group->tasks) {
      if (std::to_string(task->id) != name) continue;
      return make_process_directory(super(), Subject(subject_.kernel, group, task->id), net_);
    }
    return fail(ENOENT);
  }
  SysResult<std::vector<Entry>> list(Caller&) override {
    auto group = TRY(subject_.process());
    std::vector<Entry> entries;
    for (const task::Task* task : group->tasks)
      entries.push_back({std::to_string(task->id), Subject(subject_.kernel, group, task->id).inode_number(""), DT_DIR});
    return entries;
  }

 private:
  InodePtr net_;
};

constexpr char kProcessDirectories = 0;  // its address says what an inode is

class ProcessDirectory final : public ProcessSubdirectory {
 public:
  ProcessDirectory(const GeneratedSuper& of, const Subject& subject, InodePtr net)
      : ProcessSubdirectory(of, subject, "", 0555), net_(std::move(net)) {}

  const void* filesystem() const override { return subject_.is_thread() ? nullptr : &kProcessDirectories; }
  SysResult<std::shared_ptr<task::ThreadGroup>> process() const { return subject_.process(); }

  SysResult<InodePtr> lookup(const std::string& name) override {
    TRY(subject_.process());
    if (const ProcessFile* file = file_named(name)) return std::make_shared<ProcessTextFile>(super(), subject_, *file);
    if (InodePtr link = make_process_link(super(), subject_, name)) return link;
    if (InodePtr directory = make_descriptors_directory(super(), subject_, name)) return directory;
    if (name == "task" && !subject_.is_thread()) return std::make_shared<ThreadsDirectory>(super(), subject_, net_);
    if (name == "net") return net_;
    return fail(ENOENT);
  }
  SysResult<std::vector<Entry>> list(Caller&) override {
    TRY(subject_.process());
    std::vector<Entry> entries;
    auto add = [&](const char* name, uint8_t type) { entries.push_back({name, subject_.inode_number(name), type}); };
    for (const ProcessFile& file : process_files())
      if (is_shown(file)) add(file.name, DT_REG);
    for (const char* name : {"cwd", "exe", "root"}) add(name, DT_LNK);
    for (const char* name : {"fd", "fdinfo", "net", "ns"}) add(name, DT_DIR);
    if (!subject_.is_thread()) add("task", DT_DIR);
    return entries;
  }

 private:
  // Children are those of a thread.
  bool is_shown(const ProcessFile& file) const {
    return subject_.is_thread() || std::string_view(file.name) != "children";
  }
  const ProcessFile* file_named(const std::string& name) const {
    for (const ProcessFile& file : process_files())
      if (name == file.name && is_shown(file)) return &file;
    return nullptr;
  }

  InodePtr net_;
};

}  // namespace

InodePtr make_process_directory(const GeneratedSuper& super, const Subject& subject, InodePtr net) {
  return std::make_shared<ProcessDirectory>(super, subject, std::move(net));
}

SysResult<std::shared_ptr<task::ThreadGroup>> process_of_directory(const vfs::Inode& inode) {
  if (inode.filesystem() != &kProcessDirectories) return nullptr;
  return static_cast<const ProcessDirectory&>(inode).process();
}

}  // namespace cella::sandbox::fs
