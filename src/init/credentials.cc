#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/prctl.h>

#include "init/context.h"

namespace cella::init {
namespace {

long set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; ++half) {
    data[half].effective = static_cast<uint32_t>(effective >> (32 * half));
    data[half].permitted = static_cast<uint32_t>(permitted >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>(inheritable >> (32 * half));
  }
  return sys(SYS_capset, &header, data);
}

uint64_t permitted_now() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (sys(SYS_capget, &header, data) < 0) return 0;
  return data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
}

}  // namespace

long do_bounding_set(Context&, const Step& s) {
  for (long capability = 0; capability < 64; ++capability) {
    if (s.args[0] >> capability & 1) continue;
    long error = sys(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (error == -EINVAL) break;  // the kernel's last capability is behind us
    if (error < 0) return error;
  }
  return 0;
}

long do_groups(Context& c, const Step& s) {
  plan::Range gids = c.range(s.args[0]);
  auto* list = reinterpret_cast<const uint32_t*>(c.blob(s.args[0]));
  size_t count = gids.count / sizeof(uint32_t);
  long error = sys(SYS_setgroups, count, list);
  if (error == -EPERM && count > 0) c.detail.add("this user namespace does not allow groups to be set");
  for (size_t i = 0; error == -EINVAL && c.detail.used == 0 && i < count; ++i) {
    if (sys(SYS_setgroups, 1, list + i) == -EINVAL)
      c.detail.add("gid ").add_number(list[i]).add(" is not mapped in the user namespace");
  }
  // In a user namespace that may not set groups (user_namespaces(7), "setgroups") there are none to drop either.
  return error == -EPERM && gids.count == 0 ? 0 : error;
}

long do_ids(Context& c, const Step& s) {
  // The capabilities survive the change of user until they are set to what the process is to have.
  long error = sys(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (error < 0) return error;
  error = sys(SYS_setresgid, s.args[1], s.args[1], s.args[1]);
  if (error == -EINVAL) c.detail.add("gid ").add_number(s.args[1]).add(" is not mapped in the user namespace");
  if (error < 0) return error;
  error = sys(SYS_setresuid, s.args[0], s.args[0], s.args[0]);
  if (error == -EINVAL) c.detail.add("uid ").add_number(s.args[0]).add(" is not mapped in the user namespace");
  if (error < 0) return error;
  // The change has set it to what fs.suid_dumpable says, proc_sys_fs(5), which may be 1.
  error = sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (error < 0) return error;
  uint64_t permitted = permitted_now();
  return set_capabilities(permitted, permitted, 0);
}

long do_capabilities(Context& c, const Step& s) {
  long error = set_capabilities(s.args[0], s.args[1], s.args[2]);
  if (error == -EPERM) {
    uint64_t missing = (s.args[1] | s.args[2]) & ~permitted_now();
    for (unsigned capability = 0; capability < 64; ++capability) {
      if (missing >> capability & 1) {
        c.detail.add("the runtime itself lacks capability number ").add_number(capability);
        break;
      }
    }
  }
  return error;
}

long do_ambient_set(Context&, const Step& s) {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if ((s.args[0] >> capability & 1) == 0) continue;
    long error = sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    // One that is not both permitted and inheritable, capabilities(7): runc goes on without it, and configs count on
    // that.
    if (error < 0 && error != -EPERM) return error;
  }
  return 0;
}

}  // namespace cella::init
