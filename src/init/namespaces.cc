#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>

#include "init/context.h"

namespace cella::init {

using plan::InitMessage;
using plan::SyncPoint;

// Until the program is executed nobody in the container may trace us or look at our descriptors (CVE-2016-9962).
long do_no_dumpable(Context&, const Step&) {
  return sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// Writing "0" moves the writer itself, which on cgroup v1 needs no RCU grace period (another pid's would wait for one).
long do_join_cgroups(Context& c, const Step& s) {
  for (uint64_t i = s.args[0]; i < s.args[0] + s.args[1]; ++i) {
    int fd = c.slot(i);
    if (fd < 0) break;
    long n = sys(SYS_write, fd, "0", 1);
    if (n < 0) return n;
    close_fd(c.plan->slots[i]);
  }
  return 0;
}

long do_setns(Context& c, const Step& s) {
  return sys(SYS_setns, c.slot(s.args[0]), s.args[1]);
}

// The child becomes a child of the launcher's, like us. It waits until its pid has been told, so that the launcher
// hears of it before it hears from it.
long do_fork(Context& c, const Step& s) {
  int pipe[2];
  long error = sys(SYS_pipe2, pipe, O_CLOEXEC);
  if (error < 0) return error;
  clone_args args = {};
  args.flags = s.args[0] | CLONE_PARENT;
  long pid = sys(SYS_clone3, &args, sizeof args);
  if (pid < 0) return pid;
  if (pid == 0) {
    sys(SYS_close, pipe[1]);
    char byte;
    sys(SYS_read, pipe[0], &byte, 1);
    sys(SYS_close, pipe[0]);
    return 0;
  }
  InitMessage message = {};
  message.kind = InitMessage::kSync;
  message.point = SyncPoint::kForked;
  message.pid = static_cast<int32_t>(pid);
  sys(SYS_sendto, c.sync_fd, &message, sizeof message, 0x4000 /* MSG_NOSIGNAL */, 0, 0);
  leave(0);  // closes the pipe, which lets the child go on
}

long do_unshare(Context&, const Step& s) {
  return sys(SYS_unshare, s.args[0]);
}

long do_root_ids(Context&, const Step& s) {
  // Groups that the caller had are nobody's in here; where setgroups(2) is denied they stay, and are.
  long error = s.args[2] ? 0 : sys(SYS_setgroups, 0, nullptr);
  if (error < 0 && error != -EPERM) return error;
  error = sys(SYS_setresgid, s.args[1], s.args[1], s.args[1]);
  if (error < 0) return error;
  return sys(SYS_setresuid, s.args[0], s.args[0], s.args[0]);
}

// time_namespaces(7): the offsets are set before anyone is inside, then we enter what our children would.
long do_enter_time_namespace(Context& c, const Step& s) {
  long error = sys(SYS_unshare, CLONE_NEWTIME);
  if (error < 0) return error;
  const char* offsets = c.string(s.args[0]);
  if (*offsets != '\0') {
    error = write_proc(c, "self/timens_offsets", offsets, length(offsets));
    if (error < 0) return error;
  }
  error = private_proc(c);
  if (error < 0) return error;
  long fd = sys(SYS_openat, c.proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  error = sys(SYS_setns, fd, CLONE_NEWTIME);
  sys(SYS_close, fd);
  return error;
}

long do_loopback_up(Context&, const Step&) {
  constexpr int kInet = 2, kDatagram = 2;
  long fd = sys(SYS_socket, kInet, kDatagram | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  ifreq request = {};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  long error = sys(SYS_ioctl, fd, SIOCSIFFLAGS, &request);
  sys(SYS_close, fd);
  return error;
}

long do_hostname(Context& c, const Step& s) {
  const char* name = c.string(s.args[0]);
  return sys(SYS_sethostname, name, length(name));
}

long do_domainname(Context& c, const Step& s) {
  const char* name = c.string(s.args[0]);
  return sys(SYS_setdomainname, name, length(name));
}

long do_sysctl(Context& c, const Step& s) {
  Path path;
  path.add("sys/").add(c.string(s.args[0]));
  const char* value = c.string(s.args[1]);
  return write_proc(c, path.data, value, length(value));
}

}  // namespace cella::init
