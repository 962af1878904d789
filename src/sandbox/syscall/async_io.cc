// Signals of readiness: O_ASYNC of open(2), and who gets them, fcntl(2) F_SETOWN, F_SETOWN_EX, F_SETSIG.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;
using vfs::File;

namespace {

// struct f_owner_ex.
struct OwnerArgument {
  int type, pid;
};

// Tells the owner of a file of what happens at its queue. Part of the file.
class Notice final : public core::Waiter {
 public:
  Notice(task::Kernel& kernel, File& file, int fd) : kernel_(kernel), file_(file), fd_(fd) {
    file.queue()->add(*this, ~0u);
  }

  void on_event(uint32_t events) override {
    // The other end of a pipe waits at the same queue.
    if (!file_.may_read()) events &= ~static_cast<uint32_t>(POLLIN | POLLRDNORM | POLLRDBAND | POLLPRI);
    if (!file_.may_write()) events &= ~static_cast<uint32_t>(POLLOUT | POLLWRNORM | POLLWRBAND);
    const siginfo_t info = information(events);
    if (events == 0 || file_.owner.id == 0) return;
    for (const auto& [id, group] : kernel_.groups) {
      const Task* leader = group->leader();
      if (group->is_zombie || leader == nullptr || !may_tell(*leader)) continue;
      if (file_.owner.kind == File::Owner::Kind::kThread) {
        for (Task* one : group->tasks)
          if (one->id == file_.owner.id) one->send(info);
      } else if (file_.owner.id == (file_.owner.kind == File::Owner::Kind::kGroup ? group->process_group : group->id)) {
        group->send(info);
      }
    }
  }

 private:
  siginfo_t information(uint32_t events) const {
    if (file_.owner.signal == 0) return task::signal_info(SIGIO, SI_KERNEL);
    siginfo_t info = {};
    info.si_signo = file_.owner.signal;
    info.si_code = events & (POLLIN | POLLRDNORM)    ? POLL_IN
                   : events & (POLLOUT | POLLWRNORM) ? POLL_OUT
                   : events & POLLPRI                ? POLL_PRI
                   : events & POLLERR                ? POLL_ERR
                                                     : POLL_HUP;
    info.si_band = static_cast<long>(events);
    info.si_fd = fd_;
    return info;
  }
  bool may_tell(const Task& target) const {
    const File::Owner& owner = file_.owner;
    const vfs::Credentials& who = target.creds;
    return owner.euid == 0 || owner.euid == who.suid || owner.euid == who.uid || owner.uid == who.suid ||
           owner.uid == who.uid;
  }

  task::Kernel& kernel_;
  File& file_;
  int fd_;
};

bool is_there(const task::Kernel& kernel, File::Owner::Kind kind, int id) {
  switch (kind) {
    case File::Owner::Kind::kThread:
      return kernel.task(id) != nullptr;
    case File::Owner::Kind::kProcess:
      return kernel.group(id) != nullptr;
    case File::Owner::Kind::kGroup:
      return std::ranges::any_of(kernel.groups, [&](const auto& one) { return one.second->process_group == id; });
  }
  return false;
}

// 0 is nobody, and always there.
SysResult<void> set_owner(Task& task, File& file, File::Owner::Kind kind, int id) {
  if (id != 0 && !is_there(task.kernel, kind, id)) return fail(ESRCH);
  file.owner = {id, kind, task.creds.uid, task.creds.euid, file.owner.signal};
  return {};
}

}  // namespace

Outcome control_owner(Task& task, File& file, int command, uint64_t argument) {
  using Kind = File::Owner::Kind;
  static_assert(F_OWNER_TID == 0 && F_OWNER_PID == 1 && F_OWNER_PGRP == 2);
  switch (command) {
    case F_SETOWN: {
      const auto id = static_cast<int>(argument);
      if (id == INT32_MIN) return fail(EINVAL);
      TRY(set_owner(task, file, id < 0 ? Kind::kGroup : Kind::kProcess, id < 0 ? -id : id));
      return 0;
    }
    case F_GETOWN:
      return static_cast<uint64_t>(file.owner.kind == Kind::kGroup ? -file.owner.id : file.owner.id);
    case F_SETOWN_EX: {
      const auto wanted = TRY(task.memory().read<OwnerArgument>(argument));
      if (wanted.type < F_OWNER_TID || wanted.type > F_OWNER_PGRP) return fail(EINVAL);
      TRY(set_owner(task, file, static_cast<Kind>(wanted.type), wanted.pid));
      return 0;
    }
    case F_GETOWN_EX:
      TRY(task.memory().write(argument, OwnerArgument{static_cast<int>(file.owner.kind), file.owner.id}));
      return 0;
    case F_SETSIG:
      if (argument > task::kSignals) return fail(EINVAL);
      file.owner.signal = static_cast<int>(argument);
      return 0;
    default:
      return static_cast<uint64_t>(file.owner.signal);
  }
}

void follow_async_flag(Task& task, File& file, int fd) {
  if (!(file.flags & O_ASYNC)) {
    file.notice.reset();
  } else if (file.notice == nullptr && file.queue() != nullptr) {
    file.notice = std::make_unique<Notice>(task.kernel, file, fd);
  }
}

}  // namespace cella::sandbox::syscall
