// The end of tasks and processes, and those who wait for it: exit_group(2), wait4(2).
#include <linux/futex.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <set>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/task/task.h"
#include "sandbox/vfs/locks.h"

namespace cella::sandbox::task {
namespace {

// CLD_* and si_status of a wait status.
void describe(int status, siginfo_t& info) {
  const int signal = status & 0x7f;
  info.si_code = signal == 0 ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED;
  info.si_status = signal == 0 ? status >> 8 & 0xff : signal;
}

void reap(ThreadGroup& group) {
  Kernel& kernel = group.kernel;
  if (auto parent = group.parent.lock()) {
    std::erase_if(parent->children, [&](const auto& child) { return child.get() == &group; });
  }
  kernel.groups.erase(group.id);
}

// Children go to the nearest subreaper, or to process 1.
void give_children_away(ThreadGroup& group) {
  std::shared_ptr<ThreadGroup> heir = group.parent.lock();
  while (heir != nullptr && !heir->is_subreaper && heir->id != 1) heir = heir->parent.lock();
  if (heir == nullptr || heir->is_zombie) heir = group.kernel.init;
  auto children = std::move(group.children);
  group.children.clear();
  for (const auto& child : children) {
    if (heir == nullptr || heir.get() == &group) {
      child->parent.reset();
      continue;
    }
    child->parent = heir;
    heir->children.push_back(child);
    for (Task* task : child->tasks)
      if (task->parent_death_signal != 0) task->send(signal_info(task->parent_death_signal, SI_USER, group.id));
    if (child->is_zombie) {
      siginfo_t info = signal_info(SIGCHLD, CLD_EXITED, child->id);
      describe(child->status, info);
      heir->send(info);
      heir->child_events.notify(~0u);
    }
  }
}

// The process groups that lose a tie to their session with this process: its children's, and its own.
std::set<int> groups_tied_by(const ThreadGroup& group) {
  std::set<int> groups;
  for (const auto& child : group.children)
    if (child->process_group != group.process_group && child->session == group.session)
      groups.insert(child->process_group);
  auto parent = group.parent.lock();
  if (parent != nullptr && parent->process_group != group.process_group && parent->session == group.session)
    groups.insert(group.process_group);
  return groups;
}

void end_process(ThreadGroup& group) {
  Kernel& kernel = group.kernel;
  group.is_zombie = true;
  for (core::Timer* timer :
       {static_cast<core::Timer*>(&group.real_timer), static_cast<core::Timer*>(&group.virtual_timer),
        static_cast<core::Timer*>(&group.profile_timer), static_cast<core::Timer*>(&group.cpu_limit_timer)}) {
    timer->cancel();
  }
  group.timers.clear();
  if (group.session == group.id) give_up_terminal(group, /*is_ending=*/true);
  group.terminal = nullptr;
  const std::set<int> tied = groups_tied_by(group);
  if (group.id == 1 || &group == kernel.init.get()) {
    // Everything ends with the first process.
    for (const auto& [id, other] : kernel.groups)
      if (other.get() != &group) other->exit(SIGKILL);
  }
  give_children_away(group);
  for (int process_group : tied)
    if (is_orphaned(kernel, process_group)) tell_orphans(kernel, process_group);
  auto parent = group.parent.lock();
  bool wanted = parent != nullptr;
  if (parent != nullptr) {
    const SignalAction& action = parent->actions->of(SIGCHLD);
    if (group.exit_signal == SIGCHLD &&
        (action.handler == reinterpret_cast<uint64_t>(SIG_IGN) || (action.flags & SA_NOCLDWAIT))) {
      wanted = false;
    }
    if (group.exit_signal != 0) {
      siginfo_t info = signal_info(group.exit_signal, 0, group.id);
      describe(group.status, info);
      parent->send(info);
    }
  }
  auto keep = group.shared_from_this();
  if (!wanted && kernel.init.get() != &group) reap(group);
  group.exits.notify(~0u);
  if (parent != nullptr) parent->child_events.notify(~0u);
  kernel.process_events.notify(~0u);
}

}  // namespace

// set_robust_list(2): what the thread holds when it ends is marked and somebody is woken.
void Task::release_robust_futexes() {
  if (robust_list == 0 || memory_manager == nullptr) return;
  struct Head {
    uint64_t next;
    int64_t offset;
    uint64_t pending;
  };
  SysResult<Head> head = memory_manager->read<Head>(robust_list);
  if (!head) return;
  constexpr uint64_t kInheritsPriority = 1;
  auto release = [&](uint64_t entry) {
    const uint64_t address = (entry & ~kInheritsPriority) + static_cast<uint64_t>(head->offset);
    if (address % 4 != 0) return;
    SysResult<uint32_t*> word = memory_manager->futex_word(address, true);
    if (!word || (__atomic_load_n(*word, __ATOMIC_SEQ_CST) & FUTEX_TID_MASK) != static_cast<uint32_t>(id)) return;
    const uint32_t old = __atomic_load_n(*word, __ATOMIC_SEQ_CST);
    if (entry & kInheritsPriority) {
      // Who waits for it gets it in any case.
      __atomic_fetch_or(*word, FUTEX_OWNER_DIED, __ATOMIC_SEQ_CST);
      for (bool is_private : {false, true})
        if (auto key = memory_manager->futex_key(address, is_private); key && kernel.futexes.has_lock_waiters(*key))
          return void(kernel.futexes.hand_on(*key, *word, id, true));
    }
    __atomic_store_n(*word, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED, __ATOMIC_SEQ_CST);
    if (!(old & FUTEX_WAITERS)) return;
    for (bool is_private : {false, true}) {
      if (auto key = memory_manager->futex_key(address, is_private)) kernel.futexes.wake(*key, 1, ~0u);
    }
  };
  uint64_t entry = head->next;
  constexpr int kMost = 2048;  // ROBUST_LIST_LIMIT
  for (int i = 0; i < kMost && entry != robust_list && entry != 0; ++i) {
    SysResult<uint64_t> next = memory_manager->read<uint64_t>(entry & ~uint64_t{1});
    if (entry != head->pending) release(entry);
    if (!next) break;
    entry = *next;
  }
  if (head->pending != 0) release(head->pending);
  robust_list = 0;
}

void Task::finish() {
  // Somebody else may give the memory back as soon as it is known that this thread has ended.
  if (memory_manager.use_count() > 1) (void)set_rseq({});
  release_robust_futexes();
  kernel.futexes.hand_on_all(id);
  if (clear_child_tid != 0 && memory_manager.use_count() > 1) {
    // The word is in memory that others still have: a joiner waits at it.
    if (memory_manager->write<uint32_t>(clear_child_tid, 0)) {
      for (bool is_private : {false, true}) {
        if (auto key = memory_manager->futex_key(clear_child_tid, is_private)) kernel.futexes.wake(*key, 1, ~0u);
      }
    }
  }
  (void)memory_manager->flush(*context_);
  context_.reset();
  const bool was_vfork = in_vfork;
  in_vfork = false;
  // Descriptors first: whoever waits at a pipe sees its end before it sees ours.
  auto old_files = std::move(files);
  if (old_files.use_count() == 1) {
    for (const vfs::FdTable::Slot& slot : old_files->slots())
      if (slot.file != nullptr) vfs::close_descriptor(*this, old_files.get(), *slot.file);
  }
  old_files.reset();
  look_at_memory();
  memory_manager.reset();
  fs.reset();
  if (was_vfork) vfork_done.notify(~0u);
  group->ended_usage += usage();
  std::erase(group->tasks, this);
  kernel.tasks.erase(id);
  if (group->tasks.empty()) {
    if (!group->exiting) group->status = exit_status_;
    end_process(*group);
  } else {
    group->exits.notify(~0u);
    if (group->executing != nullptr) group->executing->wake();
  }
}

SysResult<WaitResult> wait_for_child(Task& task, const WaitRequest& request) {
  ThreadGroup& self = *task.group;
  for (;;) {
    bool any = false;
    for (const auto& child : self.children) {
      const bool matches = request.pid == -1  ? true
                           : request.pid == 0 ? child->process_group == self.process_group
                           : request.pid > 0  ? child->id == request.pid
                                              : child->process_group == -request.pid;
      if (!matches) continue;
      const bool is_clone = child->exit_signal != SIGCHLD;
      if (!request.all_children && is_clone != request.clone_children_only) continue;
      any = true;
      WaitResult result;
      result.pid = child->id;
      result.usage = child->usage();
      result.usage += child->children_usage;
      if (child->is_zombie && request.exited) {
        result.status = child->status;
        siginfo_t info = {};
        describe(child->status, info);
        result.code = info.si_code;
        if (!request.nowait) {
          self.children_usage += result.usage;
          auto keep = child;
          reap(*keep);
        }
        return result;
      }
      if (child->stopped && !child->stop_reported && request.stopped) {
        result.status = child->stop_signal << 8 | 0x7f;
        result.code = CLD_STOPPED;
        if (!request.nowait) child->stop_reported = true;
        return result;
      }
      if (!child->continue_reported && request.continued && !child->is_zombie) {
        result.status = 0xffff;
        result.code = CLD_CONTINUED;
        if (!request.nowait) child->continue_reported = true;
        return result;
      }
    }
    if (!any) return std::unexpected(Errno{ECHILD});
    if (request.nohang) return WaitResult{};
    TRY(task.sleep_on(self.child_events, ~0u));
  }
}

}  // namespace cella::sandbox::task
