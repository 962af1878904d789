#include "sandbox/fs/proc/procfs.h"

#include <dirent.h>

#include "base/result.h"
#include "sandbox/fs/proc/process_directory.h"
#include "sandbox/fs/proc/system_text.h"

namespace cella::sandbox::fs {
namespace {

using task::Kernel;
using vfs::Caller;
using vfs::InodePtr;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// Files that stay, and a directory for each process.
class ProcRoot final : public FixedDirectory {
 public:
  ProcRoot(const GeneratedSuper& of, Kernel& kernel, InodePtr net)
      : FixedDirectory(of), kernel_(kernel), net_(std::move(net)) {}
  bool keeps_names() const override { return false; }

  SysResult<InodePtr> lookup(const std::string& name) override {
    if (name[0] < '0' || name[0] > '9') return FixedDirectory::lookup(name);
    for (const auto& [id, group] : kernel_.groups)
      if (std::to_string(id) == name) return make_process_directory(super(), Subject(kernel_, group, 0), net_);
    // A thread that is not its process's first has a directory that is not listed.
    for (const auto& [id, task] : kernel_.tasks)
      if (std::to_string(id) == name) return make_process_directory(super(), Subject(kernel_, task->group, id), net_);
    return fail(ENOENT);
  }
  SysResult<std::vector<Entry>> list(Caller& caller) override {
    std::vector<Entry> entries = TRY(FixedDirectory::list(caller));
    for (const auto& [id, group] : kernel_.groups)
      entries.push_back({std::to_string(id), Subject(kernel_, group, 0).inode_number(""), DT_DIR});
    return entries;
  }

 private:
  Kernel& kernel_;
  InodePtr net_;
};

// ENOENT for one who is no process.
SysResult<const task::Task*> asking(Kernel& kernel, const Caller& caller) {
  const task::Task* task = asking_task(kernel, caller);
  return task != nullptr ? SysResult<const task::Task*>(task) : fail(ENOENT);
}

}  // namespace

vfs::DentryPtr make_procfs(Kernel& kernel, const ProcfsHooks& hooks) {
  const GeneratedSuper super = {new_device_number(), 0x9fa0};
  auto net = std::make_shared<FixedDirectory>(super);
  if (hooks.net) hooks.net(*net);
  auto inode = std::make_shared<ProcRoot>(super, kernel, net);
  add_system_files(*inode, kernel);
  auto link = [&](const char* name, MakeText target) { inode->add(name, make_text_link(super, std::move(target))); };
  link("self", [&kernel](Caller& caller) -> SysResult<std::string> {
    return std::to_string(TRY(asking(kernel, caller))->group->id);
  });
  link("thread-self", [&kernel](Caller& caller) -> SysResult<std::string> {
    const task::Task* task = TRY(asking(kernel, caller));
    return fmt::format("{}/task/{}", task->group->id, task->id);
  });
  link("mounts", [](Caller&) { return std::string("self/mounts"); });
  link("net", [](Caller&) { return std::string("self/net"); });
  auto root = std::make_shared<vfs::Dentry>();
  root->inode = std::move(inode);
  return root;
}

}  // namespace cella::sandbox::fs
