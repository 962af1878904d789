// Processes by descriptor: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2); and looking into others:
// process_vm_readv(2), kcmp(2).
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sys/uio.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/events.h"
#include "sandbox/fs/proc/process_directory.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;
using task::ThreadGroup;

namespace {

// PTRACE_MODE_ATTACH_REALCREDS of ptrace(2).
bool may_look_into(const Task& task, const Task& other) {
  if (task.group == other.group || task.creds.has(CAP_SYS_PTRACE)) return true;
  const vfs::Credentials &from = task.creds, &to = other.creds;
  return other.dumpable && from.uid == to.euid && from.uid == to.suid && from.uid == to.uid && from.gid == to.egid &&
         from.gid == to.sgid && from.gid == to.gid;
}

SysResult<Task*> target_of(Task& task, int pid) {
  Task* other = task.kernel.task(pid);
  if (other == nullptr || other->memory_manager == nullptr) return fail(ESRCH);
  if (!may_look_into(task, *other)) return fail(EPERM);
  return other;
}

SysResult<std::vector<iovec>> vectors_from(Task& task, uint64_t address, uint64_t count) {
  if (count > IOV_MAX) return fail(EINVAL);
  std::vector<iovec> list(count);
  if (count > 0) TRY(task.memory().copy_in(address, list.data(), count * sizeof(iovec)));
  for (const iovec& one : list)
    if (static_cast<int64_t>(one.iov_len) < 0) return fail(EINVAL);
  return list;
}

// Goes through a list of buffers of which some lie in other memory than ours.
class Cursor {
 public:
  explicit Cursor(std::vector<iovec> list) : list_(std::move(list)) { skip_empty(); }
  bool at_end() const { return index_ == list_.size(); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(list_[index_].iov_base) + done_; }
  size_t left() const { return list_[index_].iov_len - done_; }
  void advance(size_t size) {
    done_ += size;
    skip_empty();
  }

 private:
  void skip_empty() {
    while (index_ < list_.size() && done_ == list_[index_].iov_len) ++index_, done_ = 0;
  }
  std::vector<iovec> list_;
  size_t index_ = 0, done_ = 0;
};

Outcome copy_between(Task& task, const Arguments& a, bool writes) {
  if (a[5] != 0) return fail(EINVAL);
  Cursor local(TRY(vectors_from(task, a[1], a[2]))), remote(TRY(vectors_from(task, a[3], a[4])));
  Task* other = TRY(target_of(task, a.integer(0)));
  mm::MemoryManager &from = writes ? task.memory() : other->memory(), &to = writes ? other->memory() : task.memory();
  std::vector<char> buffer(mm::kPageSize);
  uint64_t total = 0;
  while (!local.at_end() && !remote.at_end()) {
    const Cursor &source = writes ? local : remote, &target = writes ? remote : local;
    const size_t size = std::min({local.left(), remote.left(), buffer.size()});
    SysResult<size_t> n = from.copy_in_some(source.address(), buffer.data(), size);
    if (n) n = to.copy_out_some(target.address(), buffer.data(), *n);
    if (!n || *n == 0) return total > 0 ? Outcome(total) : Outcome(fail(EFAULT));
    total += *n;
    local.advance(*n);
    remote.advance(*n);
  }
  return total;
}

}  // namespace

Outcome sys_pidfd_open(Task& task, const Arguments& a) {
  if (a.word(1) & ~static_cast<uint32_t>(O_NONBLOCK) || a.integer(0) <= 0) return fail(EINVAL);
  auto found = task.kernel.groups.find(a.integer(0));
  if (found == task.kernel.groups.end()) return fail(task.kernel.task(a.integer(0)) != nullptr ? EINVAL : ESRCH);
  return static_cast<uint64_t>(
      TRY(task.files->add(fs::make_pidfd(found->second, a.integer(1)), true, task.group->limit(RLIMIT_NOFILE))));
}

Outcome sys_pidfd_send_signal(Task& task, const Arguments& a) {
  if (a.word(3) != 0) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  // /proc/PID is taken as well, from before there was pidfd_open(2).
  std::shared_ptr<ThreadGroup> target = TRY(fs::process_of_directory(file->path.inode()));
  if (target == nullptr) target = TRY(fs::pidfd_target(*file));
  const int signal = a.integer(1);
  if (signal < 0 || signal > task::kSignals) return fail(EINVAL);
  siginfo_t info = task::signal_info(signal, SI_USER, task.group->id, task.creds.uid);
  if (a[2] != 0) {
    info = TRY(task.memory().read<siginfo_t>(a[2]));
    if (info.si_signo != signal) return fail(EINVAL);
    if (target != task.group && (info.si_code >= 0 || info.si_code == SI_TKILL)) return fail(EPERM);
  }
  if (!task::may_signal(task, *target, signal)) return fail(EPERM);
  target->send(info);
  return 0;
}

Outcome sys_pidfd_getfd(Task& task, const Arguments& a) {
  if (a.word(2) != 0) return fail(EINVAL);
  vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(0)));
  std::shared_ptr<ThreadGroup> target = TRY(fs::pidfd_target(*file));
  Task* leader = target->leader();
  if (leader == nullptr || leader->files == nullptr) return fail(ESRCH);
  if (!may_look_into(task, *leader)) return fail(EPERM);
  vfs::FilePtr wanted = TRY(leader->files->get(a.fd(1)));
  return static_cast<uint64_t>(TRY(task.files->add(std::move(wanted), true, task.group->limit(RLIMIT_NOFILE))));
}

Outcome sys_process_vm_readv(Task& task, const Arguments& a) {
  return copy_between(task, a, false);
}
Outcome sys_process_vm_writev(Task& task, const Arguments& a) {
  return copy_between(task, a, true);
}

Outcome sys_kcmp(Task& task, const Arguments& a) {
  Task* one = TRY(target_of(task, a.integer(0)))
  , *two = TRY(target_of(task, a.integer(1)));
  auto compare = [](const void* x, const void* y) -> uint64_t { return x == y ? 0 : x < y ? 1 : 2; };
  switch (a.integer(2)) {
    case KCMP_FILE: {
      vfs::FilePtr x = TRY(one->files->get(a.fd(3)))
      , y = TRY(two->files->get(a.fd(4)));
      return compare(x.get(), y.get());
    }
    case KCMP_VM:
      return compare(one->memory_manager.get(), two->memory_manager.get());
    case KCMP_FILES:
      return compare(one->files.get(), two->files.get());
    case KCMP_FS:
      return compare(one->fs.get(), two->fs.get());
    case KCMP_SIGHAND:
      return compare(one->group->actions.get(), two->group->actions.get());
    default:
      return fail(EINVAL);
  }
}

}  // namespace cella::sandbox::syscall
