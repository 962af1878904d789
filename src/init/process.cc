#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <linux/stat.h>

#include "init/context.h"

namespace cella::init {

// keyctl(2): the caller's session keyring must not be reachable from inside. Kernels without keyrings, and seccomp
// filters around us that hide them, leave nothing to protect.
long do_keyring(Context& c, const Step& s) {
  long id = sys(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, c.string(s.args[0]));
  if (id == -ENOSYS || id == -EPERM || id == -EDQUOT) return 0;
  if (id < 0) return id;
  // Possessors may do all, the user may view, read, link and search: without the last an exec'd process would not find
  // this keyring by its name and get another. A joined one that is not ours to change has it already.
  constexpr long kPermissions = 0x3f1b0000;
  sys(SYS_keyctl, KEYCTL_SETPERM, id, kPermissions);
  return 0;
}

long do_new_session(Context&, const Step&) {
  long id = sys(SYS_setsid);
  return id < 0 && id != -EPERM ? id : 0;  // EPERM: we lead one already
}

long do_parent_death_signal(Context&, const Step& s) {
  return sys(SYS_prctl, PR_SET_PDEATHSIG, s.args[0], 0, 0, 0);
}

// What init inherited as standard streams becomes the process's, as far as it can: a pipe or a terminal of another user
// could not be opened through /proc/self/fd. The null device and read-only filesystems stay as they are.
long do_own_stdio(Context&, const Step& s) {
  for (int fd = 0; fd < 3; ++fd) {
    struct statx status;
    if (sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_UID | STATX_TYPE, &status) < 0) continue;
    if (status.stx_uid == s.args[0] || is_character_device(fd, 1, 3)) continue;
    long error = sys(SYS_fchown, fd, s.args[0], -1);
    if (error < 0 && error != -EINVAL && error != -EPERM && error != -EROFS && error != -ENOSYS) return error;
  }
  return 0;
}

long do_rlimit(Context&, const Step& s) {
  uint64_t limit[2] = {s.args[1], s.args[2]};
  return sys(SYS_prlimit64, 0, s.args[0], limit, 0);
}

long do_scheduler(Context& c, const Step& s) {
  return sys(SYS_sched_setattr, 0, c.blob(s.args[0]), 0);
}

long do_io_priority(Context&, const Step& s) {
  constexpr int kProcess = 1;  // IOPRIO_WHO_PROCESS
  return sys(SYS_ioprio_set, kProcess, 0, s.args[0]);
}

long do_affinity(Context& c, const Step& s) {
  return sys(SYS_sched_setaffinity, 0, c.range(s.args[0]).count, c.blob(s.args[0]));
}

long do_personality(Context&, const Step& s) {
  long old = sys(SYS_personality, s.args[0]);
  return old < 0 ? old : 0;
}

namespace {

// May the process have memory of one of these nodes? Those of its cpuset count, get_mempolicy(2).
bool may_use_one_of(const uint64_t* nodes, size_t words) {
  constexpr size_t kMaxNodes = 1024;  // that a kernel can be built for
  uint64_t allowed[kMaxNodes / 64] = {};
  if (sys(SYS_get_mempolicy, 0, allowed, kMaxNodes, 0, MPOL_F_MEMS_ALLOWED) < 0) return true;
  for (size_t i = 0; i < words && i < kMaxNodes / 64; ++i)
    if ((nodes[i] & allowed[i]) != 0) return true;
  return false;
}

}  // namespace

long do_memory_policy(Context& c, const Step& s) {
  plan::Range range = c.range(s.args[1]);
  auto* nodes = range.count > 0 ? reinterpret_cast<const uint64_t*>(c.blob(s.args[1])) : nullptr;
  // The kernel reads one bit less than it is told.
  long error = sys(SYS_set_mempolicy, s.args[0], nodes, nodes != nullptr ? range.count * 8ul + 1 : 0);
  if (error == -ENOSYS) c.detail.add("this kernel has no memory policies");
  if (error == -EINVAL) {
    // One errno for all that can be wrong. Relative nodes are counted within the allowed ones, so there is always one.
    bool none = nodes != nullptr && (s.args[0] & MPOL_F_RELATIVE_NODES) == 0 &&
                !may_use_one_of(nodes, range.count / sizeof(uint64_t));
    c.detail.add(none ? "none of the nodes is there for the container"
                      : "not on this kernel, or not in this combination");
  }
  return error;
}

long do_umask(Context&, const Step& s) {
  sys(SYS_umask, s.args[0]);
  return 0;
}

long do_no_new_privileges(Context&, const Step&) {
  return sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

long do_label(Context& c, const Step& s) {
  const char* value = c.string(s.args[1]);
  Path path;
  long error = write_proc(c, path.add("self/").add(c.string(s.args[0])).data, value, length(value));
  if (error == -ENOENT && equal(c.string(s.args[0]), "attr/apparmor/exec")) {
    // Before Linux 5.8 there was one attribute for all.
    error = write_proc(c, "self/attr/exec", value, length(value));
  }
  return error;
}

}  // namespace cella::init
