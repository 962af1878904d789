// New tasks: fork(2), vfork(2), clone(2), clone3(2).
#include <sched.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::task {
namespace {

// Of clone3(2) alone, and not in glibc 2.36.
constexpr uint64_t kClearSighand = uint64_t{1} << 32, kIntoCgroup = uint64_t{1} << 33;
constexpr uint64_t kUnsupported = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                  CLONE_NEWPID | CLONE_NEWNET | kIntoCgroup;

SysResult<void> check(uint64_t flags) {
  const bool thread = flags & CLONE_THREAD, handlers = flags & CLONE_SIGHAND, memory = flags & CLONE_VM;
  if ((thread && !handlers) || (handlers && !memory)) return std::unexpected(Errno{EINVAL});
  if ((flags & CLONE_FS) && (flags & CLONE_NEWNS)) return std::unexpected(Errno{EINVAL});
  if (thread && (flags & CLONE_PIDFD)) return std::unexpected(Errno{EINVAL});
  if (flags & kUnsupported) return std::unexpected(Errno{EPERM});
  return {};
}

std::shared_ptr<ThreadGroup> new_group(Task& parent, const CloneRequest& request) {
  Kernel& kernel = parent.kernel;
  const ThreadGroup& from = *parent.group;
  auto group = std::make_shared<ThreadGroup>(kernel);
  group->process_group = from.process_group;
  group->session = from.session;
  group->terminal = from.terminal;
  group->limits = from.limits;
  group->name = from.name;
  group->oom_score_adj = from.oom_score_adj;
  group->exit_signal = request.flags & CLONE_PARENT ? from.exit_signal : request.exit_signal;
  group->parent = request.flags & CLONE_PARENT ? from.parent : std::weak_ptr(parent.group);
  group->start_time = core::now();
  group->limits_changed();
  if (request.flags & CLONE_SIGHAND) {
    group->actions = from.actions;
  } else {
    *group->actions = *from.actions;
    if (request.flags & kClearSighand) group->actions->reset_handlers();
  }
  return group;
}

SysResult<int> id_as_wanted(const Task& parent, int id) {
  constexpr int kSysAdmin = 21, kCheckpointRestore = 40;  // CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE
  if (id < 1 || id >= Kernel::kMostIds) return std::unexpected(Errno{EINVAL});
  if (!parent.creds.has(kSysAdmin) && !parent.creds.has(kCheckpointRestore)) return std::unexpected(Errno{EPERM});
  return parent.kernel.take_id(id);
}

// RLIMIT_NPROC, setrlimit(2): of the user's threads.
bool is_over_limit(const Task& parent) {
  constexpr int kSysAdmin = 21, kSysResource = 24;  // CAP_SYS_ADMIN, CAP_SYS_RESOURCE
  const uint64_t limit = parent.group->limit(RLIMIT_NPROC);
  const vfs::Credentials& who = parent.creds;
  if (limit == RLIM_INFINITY || who.uid == 0 || who.has(kSysAdmin) || who.has(kSysResource)) return false;
  uint64_t count = 0;
  for (const auto& [id, task] : parent.kernel.tasks) count += task->creds.uid == who.uid;
  return count >= limit;
}

}  // namespace

SysResult<int> clone_task(Task& parent, const CloneRequest& request) {
  const uint64_t flags = request.flags;
  TRY(check(flags));
  Kernel& kernel = parent.kernel;
  if (kernel.tasks.size() >= kernel.task_limit || kernel.shutting_down) return std::unexpected(Errno{EAGAIN});
  if (is_over_limit(parent)) return std::unexpected(Errno{EAGAIN});
  const bool thread = flags & CLONE_THREAD;
  std::shared_ptr<ThreadGroup> group = thread ? parent.group : new_group(parent, request);
  auto child = std::make_unique<Task>(kernel, group);
  child->id = request.wanted_id ? TRY(id_as_wanted(parent, *request.wanted_id)) : kernel.next_id();
  child->name = parent.name;
  child->creds = parent.creds;
  child->seccomp = parent.seccomp;
  child->executable = parent.executable;
  child->execution = parent.execution;
  child->blocked = parent.blocked;
  child->nice = parent.nice;
  child->policy = parent.policy;
  child->io_priority = parent.io_priority;
  child->processors = parent.processors;
  child->personality = parent.personality;
  child->remembered = parent.remembered;
  child->remembered.default_timer_slack = parent.remembered.timer_slack;
  child->dumpable = parent.dumpable;
  child->files = flags & CLONE_FILES ? parent.files : std::make_shared<vfs::FdTable>(*parent.files);
  child->fs = flags & CLONE_FS ? parent.fs : std::make_shared<FsState>(*parent.fs);
  if (!(flags & CLONE_VM) || (flags & CLONE_VFORK)) {
    child->alternate_stack = parent.alternate_stack;
    child->alternate_stack_size = parent.alternate_stack_size;
    child->alternate_stack_flags = parent.alternate_stack_flags;
  }

  std::vector<std::byte> floating_point;
  if (flags & CLONE_VM) {
    child->memory_manager = parent.memory_manager;
  } else {
    auto space = TRY(kernel.platform->new_address_space());
    child->memory_manager = TRY(parent.memory_manager->fork(std::move(space)));
    floating_point = TRY(parent.context().floating_point());
    child->rseq = parent.rseq;
  }
  if (flags & CLONE_PARENT_SETTID) TRY(parent.memory_manager->write<int>(request.parent_tid, child->id));
  if (flags & CLONE_CHILD_SETTID) TRY(child->memory_manager->write<int>(request.child_tid, child->id));
  if (flags & CLONE_CHILD_CLEARTID) child->clear_child_tid = request.child_tid;

  platform::Registers registers = parent.registers();
  registers.rax = 0;
  registers.orig_rax = ~0ul;
  if (request.stack != 0) registers.rsp = request.stack;
  if (flags & CLONE_SETTLS) registers.fs_base = request.tls;

  if (request.prepare) TRY(request.prepare(*child));
  // What the parent may no longer write to must be so before the child looks at it.
  TRY(parent.memory_manager->flush(parent.context()));
  TRY(child->start(registers, flags & CLONE_VM ? &parent : nullptr, std::move(floating_point)));
  // From here on it exists: its host thread waits for the kernel lock.
  Task* task = child.release();
  kernel.tasks[task->id] = task;
  group->tasks.push_back(task);
  const int id = task->id;
  if (!thread) {
    group->id = id;
    kernel.groups[id] = group;
    if (auto adopter = group->parent.lock()) adopter->children.push_back(group);
  }
  if (flags & CLONE_VFORK) {
    task->in_vfork = true;
    // The parent sleeps through everything but its own end.
    while (true) {
      Task* now = kernel.task(id);
      if (now != task || !task->in_vfork) break;
      class Released final : public core::Waiter {
       public:
        explicit Released(Task& sleeper) : sleeper_(sleeper) {}
        void on_event(uint32_t) override { sleeper_.wake(); }

       private:
        Task& sleeper_;
      } waiter(parent);
      task->vfork_done.add(waiter, ~0u);
      if (!parent.sleep(core::kNever, /*interruptible=*/false)) break;
    }
  }
  return id;
}

}  // namespace cella::sandbox::task
