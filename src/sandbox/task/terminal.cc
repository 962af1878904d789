#include "sandbox/task/terminal.h"

#include <linux/capability.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::task {
namespace {

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

bool is_leader(const ThreadGroup& group) {
  return group.session == group.id;
}

void forget_terminal(Kernel& kernel, int session) {
  for (const auto& [id, group] : kernel.groups)
    if (group->session == session) group->terminal = nullptr;
}

void send_to_group(Kernel& kernel, int process_group, int signal) {
  if (process_group != 0) signal_process_group(kernel, process_group, signal_info(signal, SI_KERNEL));
}

}  // namespace

void Terminal::signal_foreground(int signal) {
  send_to_group(kernel, foreground, signal);
}

SysResult<void> Terminal::check_foreground(Task& task, int signal) {
  ThreadGroup& group = *task.group;
  if (group.terminal.get() != this || foreground == 0 || foreground == group.process_group) return {};
  const bool is_ignored =
      (task.blocked & bit(signal)) || group.actions->of(signal).handler == reinterpret_cast<uint64_t>(SIG_IGN);
  if (is_ignored) return signal == SIGTTIN ? SysResult<void>(fail(EIO)) : SysResult<void>();
  if (is_orphaned(kernel, group.process_group)) return fail(EIO);
  send_to_group(kernel, group.process_group, signal);
  return fail(core::kRestartSys);
}

void Terminal::control(ThreadGroup& leader) {
  session = leader.session;
  foreground = leader.process_group;
  leader.terminal = shared_from_this();
  leader.old_foreground = 0;
}

SysResult<void> Terminal::control(Task& task, bool steal, bool readable) {
  ThreadGroup& group = *task.group;
  if (is_leader(group) && session == group.session) return {};
  if (!is_leader(group) || group.terminal != nullptr) return fail(EPERM);
  if (session != 0) {
    if (!steal || !task.creds.has(CAP_SYS_ADMIN)) return fail(EPERM);
    forget_terminal(kernel, session);
  }
  if (!readable && !task.creds.has(CAP_SYS_ADMIN)) return fail(EPERM);
  control(group);
  return {};
}

void Terminal::control_if_wanted(Task& task) {
  ThreadGroup& group = *task.group;
  if (is_leader(group) && group.terminal == nullptr && session == 0) control(group);
}

SysResult<void> Terminal::set_foreground(Task& task, int process_group) {
  SysResult<void> checked = check_foreground(task, SIGTTOU);
  if (!checked) return checked.error().value == EIO ? SysResult<void>(fail(ENOTTY)) : checked;
  if (process_group < 0) return fail(EINVAL);
  if (task.group->terminal.get() != this || session != task.group->session) return fail(ENOTTY);
  bool is_there = false, is_ours = false;
  for (const auto& [id, group] : kernel.groups) {
    if (group->process_group != process_group) continue;
    is_there = true;
    is_ours |= group->session == session;
  }
  if (!is_there) return fail(ESRCH);
  if (!is_ours) return fail(EPERM);
  foreground = process_group;
  return {};
}

void Terminal::hang_up() {
  if (session == 0) return;
  const int left = session, old_foreground = foreground;
  session = foreground = 0;
  ThreadGroup* leader = kernel.group(left);
  forget_terminal(kernel, left);
  if (leader == nullptr || leader->is_zombie) return;
  leader->old_foreground = old_foreground;
  leader->send(signal_info(SIGHUP, SI_KERNEL));
  leader->send(signal_info(SIGCONT, SI_KERNEL));
}

void give_up_terminal(ThreadGroup& group, bool is_ending) {
  Kernel& kernel = group.kernel;
  if (!is_leader(group)) {
    group.terminal = nullptr;
    return;
  }
  const std::shared_ptr<Terminal> terminal = group.terminal;
  const int told = terminal != nullptr ? terminal->foreground : is_ending ? group.old_foreground : 0;
  group.old_foreground = 0;
  send_to_group(kernel, told, SIGHUP);
  // With its terminal an ending leader loses its stopped jobs as orphans, who are continued then.
  if (terminal == nullptr || !is_ending) send_to_group(kernel, told, SIGCONT);
  if (terminal == nullptr) return;
  terminal->session = terminal->foreground = 0;
  forget_terminal(kernel, group.session);
}

}  // namespace cella::sandbox::task
