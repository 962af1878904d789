#include "sandbox/fs/proc/subject.h"

#include <linux/capability.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::fs {

using task::Task;

SysResult<std::shared_ptr<task::ThreadGroup>> Subject::process() const {
  auto group = group_.lock();
  if (group == nullptr || kernel.group(pid_) != group.get()) return std::unexpected(Errno{ESRCH});
  return group;
}

Task* Subject::find_task() const {
  auto group = process();
  if (!group) return nullptr;
  if (!is_thread()) return (*group)->leader();
  Task* found = kernel.task(thread_);
  return found != nullptr && found->group == *group ? found : nullptr;
}

SysResult<Task*> Subject::task() const {
  Task* found = find_task();
  // A thread that is on its way out has given its things back.
  if (found == nullptr || found->memory_manager == nullptr || found->fs == nullptr || found->files == nullptr)
    return std::unexpected(Errno{ESRCH});
  return found;
}

uint64_t Subject::inode_number(std::string_view name) const {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  auto mix = [&](uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (char c : name) mix(static_cast<uint8_t>(c));
  for (int shift = 0; shift < 32; shift += 8) mix(static_cast<uint8_t>(id() >> shift));
  mix(is_thread());
  constexpr uint64_t kAbove = uint64_t{1} << 33;  // what is not about a process has small ones
  return hash >> 32 | kAbove;
}

vfs::Attributes Subject::owned(vfs::Attributes attributes, std::string_view name) const {
  attributes.st_ino = inode_number(name);
  const Task* owner = find_task();
  const bool everybody = S_ISDIR(attributes.st_mode) && (attributes.st_mode & 07777) == 0555;
  if (owner != nullptr && (owner->dumpable || everybody)) {
    attributes.st_uid = owner->creds.euid;
    attributes.st_gid = owner->creds.egid;
  }
  return attributes;
}

Task* asking_task(task::Kernel& kernel, const vfs::Caller& caller) {
  return caller.thread_id() == 0 ? nullptr : kernel.task(caller.thread_id());
}

vfs::Path asking_root(task::Kernel& kernel, const vfs::Caller& caller) {
  const Task* task = asking_task(kernel, caller);
  if (task == nullptr || task->fs == nullptr) return kernel.mounts->covering(kernel.mounts->root());
  const vfs::Position& position = task->fs->position;
  return position.mounts->covering(position.root);
}

SysResult<void> check_inspect(vfs::Caller& caller, const Subject& subject) {
  Task* target = TRY(subject.task());
  const Task* task = asking_task(subject.kernel, caller);
  if (task != nullptr && task->group == target->group) return {};
  const vfs::Credentials &who = caller.credentials(), &whom = target->creds;
  if (who.has(CAP_SYS_PTRACE)) return {};
  const bool same = who.fsuid == whom.euid && who.fsuid == whom.suid && who.fsuid == whom.uid &&
                    who.fsgid == whom.egid && who.fsgid == whom.sgid && who.fsgid == whom.gid;
  if (!same || !target->dumpable || (whom.permitted & ~who.effective) != 0) return std::unexpected(Errno{EACCES});
  return {};
}

}  // namespace cella::sandbox::fs
