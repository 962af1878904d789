// Processes: making, replacing and ending them, waiting for them, and what they are numbered by.
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/times.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/fs/events.h"
#include "sandbox/loader/loader.h"
#include "sandbox/syscall/execute.h"
#include "sandbox/syscall/handlers.h"
#include "sandbox/syscall/seccomp.h"
#include "sandbox/vfs/locks.h"
#include "sandbox/vfs/permission.h"

namespace cella::sandbox::syscall {

using task::Task;
using task::ThreadGroup;

namespace {

// struct clone_args of clone3(2).
struct CloneArguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

SysResult<std::vector<std::string>> strings_from(Task& task, uint64_t address) {
  std::vector<std::string> list;
  constexpr size_t kMostString = 131072, kMostTotal = 6 << 20;
  size_t total = 0;
  for (uint64_t at = address; address != 0; at += sizeof(uint64_t)) {
    uint64_t pointer = TRY(task.memory().read<uint64_t>(at));
    if (pointer == 0) break;
    SysResult<std::string> text = task.memory().read_string(pointer, kMostString);
    if (!text) return fail(text.error().value == ENAMETOOLONG ? E2BIG : text.error().value);
    total += text->size() + sizeof(uint64_t) + 1;
    if (total > kMostTotal) return fail(E2BIG);
    list.push_back(std::move(*text));
  }
  return list;
}

// Other threads end before the program is replaced, and this one becomes the leader.
SysResult<void> become_only_thread(Task& task) {
  ThreadGroup& group = *task.group;
  if (group.executing != nullptr) return fail(core::kRestartNoIntr);
  if (group.tasks.size() == 1) return {};
  group.executing = &task;
  for (Task* other : std::vector<Task*>(group.tasks)) {
    if (other == &task) continue;
    other->request_exit(0);
    other->interrupt();
  }
  while (group.tasks.size() > 1 && !group.exiting) {
    // A signal changes nothing about it; the end of the process does.
    if (!task.sleep(core::kNever, /*interruptible=*/false) && group.exiting) break;
  }
  group.executing = nullptr;
  return group.exiting ? fail(EINTR) : SysResult<void>();
}

Outcome clone_with_pidfd(Task& task, task::CloneRequest request) {
  int fd = -1;
  if (request.flags & CLONE_PIDFD) {
    request.prepare = [&](Task& child) -> SysResult<void> {
      fd = TRY(task.files->add(fs::make_pidfd(child.group, 0), true, task.group->limit(RLIMIT_NOFILE)));
      return task.memory().write(request.pidfd, fd);
    };
  }
  SysResult<int> id = task::clone_task(task, request);
  if (!id && fd >= 0) (void)task.files->remove(fd);
  return static_cast<uint64_t>(TRY(id));
}

Outcome execute(Task& task, SysResult<vfs::Path> path, const std::string& name, uint64_t arguments,
                uint64_t environment) {
  if (!path) return std::unexpected(path.error());
  if (path->inode().has_type(S_IFLNK)) return fail(ELOOP);  // that was not to be followed
  loader::Program program;
  program.executable = *path;
  program.path = name;
  program.arguments = TRY(strings_from(task, arguments));
  program.environment = TRY(strings_from(task, environment));
  if (program.arguments.empty()) program.arguments.emplace_back();
  task::Image image = TRY(loader::load(task, std::move(program)));
  TRY(become_only_thread(task));
  const vfs::Path executable = image.executable;
  SysResult<void> became = task.become(std::move(image));
  if (!became) {
    task.group->exit(SIGKILL);
    return std::unexpected(became.error());
  }
  TRY(take_credentials(task, executable));
  if (task.files.use_count() > 1) task.files = std::make_shared<vfs::FdTable>(*task.files);
  for (const vfs::FilePtr& file : task.files->remove_close_on_exec()) {
    vfs::close_descriptor(task, task.files.get(), *file);
  }
  // A thread that was not the leader takes its number.
  ThreadGroup& group = *task.group;
  if (task.id != group.id) {
    task.kernel.tasks.erase(task.id);
    task.id = group.id;
    task.kernel.tasks[task.id] = &task;
  }
  return 0;
}

}  // namespace

SysResult<void> take_credentials(Task& task, const vfs::Path& executable) {
  vfs::Credentials& who = task.creds;
  vfs::Attributes attributes = TRY(executable.inode().attributes());
  const bool honoured = !who.no_new_privileges && !(executable.flags() & MS_NOSUID);
  const uint32_t old_uid = who.euid, old_gid = who.egid;
  if (honoured && (attributes.st_mode & S_ISUID)) who.euid = attributes.st_uid;
  if (honoured && (attributes.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) who.egid = attributes.st_gid;
  const bool privileged = who.euid != old_uid || who.egid != old_gid;
  who.suid = who.fsuid = who.euid;
  who.sgid = who.fsgid = who.egid;
  if (privileged) who.ambient = 0;
  if (!who.has_securebit(SECURE_NOROOT) && (who.euid == 0 || who.uid == 0)) {
    who.permitted = who.inheritable | who.bounding;
    who.effective = who.euid == 0 ? who.permitted : 0;
  } else {
    who.permitted = who.ambient;
    who.effective = who.ambient;
  }
  who.securebits &= ~vfs::Credentials::mask(SECURE_KEEP_CAPS);
  task.dumpable = !privileged;
  task.personality &= ~(privileged ? uint32_t{PER_CLEAR_ON_SETID} : uint32_t{READ_IMPLIES_EXEC});
  return {};
}

Outcome sys_fork(Task& task, const Arguments&) {
  task::CloneRequest request;
  request.exit_signal = SIGCHLD;
  return static_cast<uint64_t>(TRY(task::clone_task(task, request)));
}
Outcome sys_vfork(Task& task, const Arguments&) {
  task::CloneRequest request;
  request.flags = CLONE_VM | CLONE_VFORK;
  request.exit_signal = SIGCHLD;
  return static_cast<uint64_t>(TRY(task::clone_task(task, request)));
}
Outcome sys_clone(Task& task, const Arguments& a) {
  task::CloneRequest request;
  request.flags = a[0] & 0xffffffff & ~uint64_t{CSIGNAL};
  request.exit_signal = a.integer(0) & CSIGNAL;
  request.stack = a[1];
  request.parent_tid = a[2];
  request.child_tid = a[3];
  request.tls = a[4];
  // The word of the parent's number takes the descriptor.
  if ((request.flags & CLONE_PIDFD) && (request.flags & CLONE_PARENT_SETTID)) return fail(EINVAL);
  request.pidfd = a[2];
  return clone_with_pidfd(task, std::move(request));
}
Outcome sys_clone3(Task& task, const Arguments& a) {
  constexpr size_t kLeast = 64, kMost = 4096;
  constexpr uint64_t kMostLevels = 32;  // MAX_PID_NS_LEVEL
  if (a[1] < kLeast) return fail(EINVAL);
  if (a[1] > kMost) return fail(E2BIG);
  CloneArguments c = {};
  TRY(task.memory().copy_in(a[0], &c, std::min<size_t>(a[1], sizeof c)));
  for (size_t at = sizeof c; at < a[1]; ++at)
    if (TRY(task.memory().read<char>(a[0] + at)) != 0) return fail(E2BIG);
  if ((c.flags & CSIGNAL) || c.exit_signal > task::kSignals || (c.stack == 0) != (c.stack_size == 0))
    return fail(EINVAL);
  task::CloneRequest request;
  if ((c.set_tid == 0) != (c.set_tid_size == 0) || c.set_tid_size > kMostLevels) return fail(EINVAL);
  if (c.set_tid != 0) request.wanted_id = TRY(task.memory().read<int>(c.set_tid));
  if (c.set_tid_size > 1) return fail(EINVAL);  // of namespaces of process ids there is one
  request.flags = c.flags;
  request.exit_signal = static_cast<int>(c.exit_signal);
  request.stack = c.stack + c.stack_size;
  request.parent_tid = c.parent_tid;
  request.child_tid = c.child_tid;
  request.tls = c.tls;
  request.pidfd = c.pidfd;
  return clone_with_pidfd(task, std::move(request));
}

Outcome sys_execve(Task& task, const Arguments& a) {
  const std::string name = TRY(path_from(task, a[0]));
  return execute(task, locate(task, AT_FDCWD, name, 0), name, a[1], a[2]);
}
Outcome sys_execveat(Task& task, const Arguments& a) {
  const int flags = a.integer(4);
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return fail(EINVAL);
  std::string name = TRY(path_from(task, a[1]));
  SysResult<vfs::Path> path = locate(task, a.fd(0), name, flags);
  if (name.empty()) {
    name = fmt::format("/dev/fd/{}", a.fd(0));
  } else if (name[0] != '/' && a.fd(0) != AT_FDCWD) {
    name = fmt::format("/dev/fd/{}/{}", a.fd(0), name);
  }
  return execute(task, std::move(path), name, a[2], a[3]);
}

Outcome sys_exit(Task& task, const Arguments& a) {
  task.request_exit((a.integer(0) & 0xff) << 8);
  return 0;
}
Outcome sys_exit_group(Task& task, const Arguments& a) {
  task.group->exit((a.integer(0) & 0xff) << 8);
  return 0;
}

namespace {

SysResult<void> write_usage(Task& task, uint64_t address, const task::Usage& used) {
  if (address == 0) return {};
  auto convert = [](core::Nanoseconds t) { return timeval{t / core::kSecond, t % core::kSecond / 1000}; };
  rusage usage = {};
  usage.ru_utime = convert(used.user_time);
  usage.ru_stime = convert(used.system_time);
  usage.ru_maxrss = static_cast<long>(used.peak_memory >> 10);
  usage.ru_minflt = static_cast<long>(used.faults);
  usage.ru_nvcsw = static_cast<long>(used.sleeps);
  return task.memory().write(address, usage);
}

}  // namespace

Outcome sys_wait4(Task& task, const Arguments& a) {
  const int options = a.integer(2);
  constexpr int kKnown = WNOHANG | WUNTRACED | WCONTINUED | __WALL | __WCLONE | __WNOTHREAD;
  if (options & ~kKnown) return fail(EINVAL);
  if (a.integer(0) == INT32_MIN) return fail(ESRCH);
  task::WaitRequest request;
  request.pid = a.integer(0);
  request.stopped = options & WUNTRACED;
  request.continued = options & WCONTINUED;
  request.nohang = options & WNOHANG;
  request.all_children = options & __WALL;
  request.clone_children_only = options & __WCLONE;
  task::WaitResult result = TRY(task::wait_for_child(task, request));
  if (result.pid == 0) return 0;
  if (a[1] != 0) TRY(task.memory().write(a[1], result.status));
  TRY(write_usage(task, a[3], result.usage));
  return static_cast<uint64_t>(result.pid);
}

Outcome sys_waitid(Task& task, const Arguments& a) {
  const int options = a.integer(3);
  constexpr int kWhat = WEXITED | WSTOPPED | WCONTINUED;
  constexpr int kKnown = kWhat | WNOHANG | WNOWAIT | __WALL | __WCLONE | __WNOTHREAD;
  if ((options & ~kKnown) || !(options & kWhat)) return fail(EINVAL);
  task::WaitRequest request;
  bool nonblocking = false;
  switch (a.integer(0)) {
    case P_ALL:
      break;
    case P_PID:
      if (a.integer(1) <= 0) return fail(EINVAL);
      request.pid = a.integer(1);
      break;
    case P_PGID:
      if (a.integer(1) < 0) return fail(EINVAL);
      request.pid = a.integer(1) == 0 ? 0 : -a.integer(1);
      break;
    case P_PIDFD: {
      vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(1)));
      const auto target = fs::pidfd_target(*file);
      if (!target) return fail(target.error().value == ESRCH ? ECHILD : EBADF);
      request.pid = (*target)->id;
      nonblocking = file->is_nonblocking();
      break;
    }
    default:
      return fail(EINVAL);
  }
  request.exited = options & WEXITED;
  request.stopped = options & WSTOPPED;
  request.continued = options & WCONTINUED;
  request.nohang = (options & WNOHANG) || nonblocking;
  request.nowait = options & WNOWAIT;
  request.all_children = options & __WALL;
  request.clone_children_only = options & __WCLONE;
  task::WaitResult result = TRY(task::wait_for_child(task, request));
  if (nonblocking && result.pid == 0 && !(options & WNOHANG)) return fail(EAGAIN);
  if (a[2] != 0) {
    siginfo_t info = {};
    if (result.pid != 0) {
      info.si_signo = SIGCHLD;
      info.si_code = result.code;
      info.si_pid = result.pid;
      info.si_uid = result.uid;
      info.si_status = result.code == CLD_EXITED                                ? result.status >> 8 & 0xff
                       : result.code == CLD_KILLED || result.code == CLD_DUMPED ? result.status & 0x7f
                       : result.code == CLD_STOPPED                             ? result.status >> 8
                                                                                : SIGCONT;
    }
    TRY(task.memory().write(a[2], info));
  }
  TRY(write_usage(task, a[4], result.usage));
  return 0;
}

// --- numbers

Outcome sys_getpid(Task& task, const Arguments&) {
  return static_cast<uint64_t>(task.group->id);
}
Outcome sys_gettid(Task& task, const Arguments&) {
  return static_cast<uint64_t>(task.id);
}
Outcome sys_getppid(Task& task, const Arguments&) {
  auto parent = task.group->parent.lock();
  return parent != nullptr ? static_cast<uint64_t>(parent->id) : 0;
}
Outcome sys_getpgrp(Task& task, const Arguments&) {
  return static_cast<uint64_t>(task.group->process_group);
}
Outcome sys_getpgid(Task& task, const Arguments& a) {
  ThreadGroup* group = a.integer(0) == 0 ? task.group.get() : task.kernel.group(a.integer(0));
  return group != nullptr ? Outcome(static_cast<uint64_t>(group->process_group)) : Outcome(fail(ESRCH));
}
Outcome sys_getsid(Task& task, const Arguments& a) {
  ThreadGroup* group = a.integer(0) == 0 ? task.group.get() : task.kernel.group(a.integer(0));
  return group != nullptr ? Outcome(static_cast<uint64_t>(group->session)) : Outcome(fail(ESRCH));
}
Outcome sys_setsid(Task& task, const Arguments&) {
  ThreadGroup& group = *task.group;
  for (const auto& [id, other] : task.kernel.groups)
    if (other->process_group == group.id) return fail(EPERM);
  group.session = group.process_group = group.id;
  group.terminal = nullptr;
  group.old_foreground = 0;
  return static_cast<uint64_t>(group.id);
}
Outcome sys_setpgid(Task& task, const Arguments& a) {
  int pid = a.integer(0), wanted = a.integer(1);
  if (pid == 0) pid = task.group->id;
  if (wanted == 0) wanted = pid;
  if (wanted < 0) return fail(EINVAL);
  ThreadGroup* target = task.kernel.group(pid);
  if (target == nullptr) return fail(ESRCH);
  if (target != task.group.get()) {
    if (target->parent.lock() != task.group) return fail(ESRCH);
    if (target->session != task.group->session) return fail(EPERM);
    if (target->has_executed) return fail(EACCES);
  }
  if (target->session == target->id) return fail(EPERM);
  if (wanted != pid) {
    bool there = false;
    for (const auto& [id, other] : task.kernel.groups)
      there |= other->process_group == wanted && other->session == task.group->session;
    if (!there) return fail(EPERM);
  }
  target->process_group = wanted;
  return 0;
}

Outcome sys_set_tid_address(Task& task, const Arguments& a) {
  task.clear_child_tid = a[0];
  return static_cast<uint64_t>(task.id);
}
Outcome sys_set_robust_list(Task& task, const Arguments& a) {
  constexpr size_t kHead = 24;
  if (a[1] != kHead) return fail(EINVAL);
  task.robust_list = a[0];
  task.robust_list_size = a[1];
  return 0;
}
Outcome sys_get_robust_list(Task& task, const Arguments& a) {
  Task* other = a.integer(0) == 0 ? &task : task.kernel.task(a.integer(0));
  if (other == nullptr) return fail(ESRCH);
  if (other->group != task.group && !task.creds.has(CAP_SYS_PTRACE)) return fail(EPERM);
  TRY(task.memory().write(a[1], other->robust_list));
  TRY(task.memory().write(a[2], uint64_t{24}));
  return 0;
}

Outcome sys_arch_prctl(Task& task, const Arguments& a) {
  platform::Registers& registers = task.registers();
  switch (a.integer(0)) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (a[1] >= task.memory().limit()) return fail(EPERM);
      (a.integer(0) == ARCH_SET_FS ? registers.fs_base : registers.gs_base) = a[1];
      return 0;
    case ARCH_GET_CPUID:
      return 1;
    case ARCH_SET_CPUID:
      return a[1] != 0 ? Outcome(0) : Outcome(fail(ENODEV));
    case ARCH_GET_FS:
      TRY(task.memory().write<uint64_t>(a[1], registers.fs_base));
      return 0;
    case ARCH_GET_GS:
      TRY(task.memory().write<uint64_t>(a[1], registers.gs_base));
      return 0;
    default:
      return fail(EINVAL);
  }
}

Outcome sys_personality(Task& task, const Arguments& a) {
  constexpr uint32_t kAsk = 0xffffffff;
  const uint32_t old = task.personality;
  if (a.word(0) != kAsk) task.personality = a.word(0);
  return old;
}

// Namespaces of their own are for nobody: EPERM, as without CAP_SYS_ADMIN.
Outcome sys_unshare(Task& task, const Arguments& a) {
  constexpr uint64_t kOwn = CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                   CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
  if (a[0] & ~(kOwn | kNamespaces)) return fail(EINVAL);
  if ((a[0] & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && task.group->tasks.size() > 1) return fail(EINVAL);
  if (a[0] & kNamespaces) return fail(EPERM);
  if (a[0] & CLONE_FILES) task.files = std::make_shared<vfs::FdTable>(*task.files);
  if (a[0] & CLONE_FS) task.fs = std::make_shared<task::FsState>(*task.fs);
  return 0;
}

// --- limits and times

namespace {

Outcome change_limit(Task& task, ThreadGroup& group, uint32_t resource, const rlimit& wanted) {
  if (resource >= RLIM_NLIMITS || wanted.rlim_cur > wanted.rlim_max) return fail(EINVAL);
  rlimit& limit = group.limits[resource];
  if (wanted.rlim_max > limit.rlim_max && !task.creds.has(CAP_SYS_RESOURCE)) return fail(EPERM);
  limit = wanted;
  group.limits_changed();
  return 0;
}

}  // namespace

Outcome sys_getrlimit(Task& task, const Arguments& a) {
  if (a.word(0) >= RLIM_NLIMITS) return fail(EINVAL);
  TRY(task.memory().write(a[1], task.group->limits[a.word(0)]));
  return 0;
}
Outcome sys_setrlimit(Task& task, const Arguments& a) {
  return change_limit(task, *task.group, a.word(0), TRY(task.memory().read<rlimit>(a[1])));
}
Outcome sys_prlimit64(Task& task, const Arguments& a) {
  if (a.word(1) >= RLIM_NLIMITS) return fail(EINVAL);
  ThreadGroup* group = a.integer(0) == 0 ? task.group.get() : task.kernel.group(a.integer(0));
  if (group == nullptr) return fail(ESRCH);
  if (group != task.group.get() && !task.creds.has(CAP_SYS_RESOURCE)) {
    const Task* leader = group->leader();
    if (leader == nullptr || leader->creds.uid != task.creds.uid) return fail(EPERM);
  }
  const rlimit old = group->limits[a.word(1)];
  if (a[2] != 0) {
    const auto wanted = TRY(task.memory().read<rlimit>(a[2]));
    TRY(change_limit(task, *group, a.word(1), wanted));
  }
  if (a[3] != 0) TRY(task.memory().write(a[3], old));
  return 0;
}

Outcome sys_getrusage(Task& task, const Arguments& a) {
  const ThreadGroup& group = *task.group;
  task::Usage usage;
  switch (a.integer(0)) {
    case RUSAGE_CHILDREN:
      usage = group.children_usage;
      break;
    case RUSAGE_SELF:
    case RUSAGE_THREAD:
      usage = a.integer(0) == RUSAGE_SELF ? group.usage() : task.usage();
      usage.peak_memory = std::max({usage.peak_memory, group.ended_usage.peak_memory, task.memory().peak()});
      break;
    default:
      return fail(EINVAL);
  }
  TRY(write_usage(task, a[1], usage));
  return 0;
}
Outcome sys_times(Task& task, const Arguments& a) {
  const ThreadGroup& group = *task.group;
  constexpr core::Nanoseconds kTick = core::kSecond / 100;
  tms result = {};
  const task::Usage usage = group.usage();
  result.tms_utime = usage.user_time / kTick;
  result.tms_stime = usage.system_time / kTick;
  result.tms_cutime = group.children_usage.user_time / kTick;
  result.tms_cstime = group.children_usage.system_time / kTick;
  if (a[0] != 0) TRY(task.memory().write(a[0], result));
  return static_cast<uint64_t>((core::now() - task.kernel.boot_time) / kTick);
}

}  // namespace cella::sandbox::syscall
