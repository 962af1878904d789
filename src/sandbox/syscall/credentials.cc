// credentials(7), capabilities(7): who a task is, and what it may become.
#include <linux/capability.h>
#include <linux/securebits.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;
using vfs::Credentials;

namespace {

constexpr auto kKeep = static_cast<uint32_t>(-1);
// Capabilities about files: they go and come with the filesystem uid.
constexpr uint64_t kFileCapabilities = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH |
                                       1ull << CAP_FOWNER | 1ull << CAP_FSETID | 1ull << CAP_LINUX_IMMUTABLE |
                                       1ull << CAP_MKNOD | 1ull << CAP_MAC_OVERRIDE;

// capabilities(7), "Effect of user ID changes on capabilities".
void fix_capabilities(const Credentials& old, Credentials& now) {
  if (now.has_securebit(SECURE_NO_SETUID_FIXUP)) return;
  const bool had_root = old.uid == 0 || old.euid == 0 || old.suid == 0;
  const bool has_root = now.uid == 0 || now.euid == 0 || now.suid == 0;
  if (had_root && !has_root) {
    if (!now.has_securebit(SECURE_KEEP_CAPS)) now.permitted = now.effective = 0;
    now.ambient = 0;
  }
  if (old.euid == 0 && now.euid != 0) now.effective = 0;
  if (old.euid != 0 && now.euid == 0) now.effective = now.permitted;
}

bool is_one_of(uint32_t id, std::initializer_list<uint32_t> ids) {
  for (uint32_t one : ids)
    if (one == id) return true;
  return false;
}

// May they be given, or kept?
bool are_known(const task::IdMap& map, std::initializer_list<uint32_t> ids) {
  for (uint32_t id : ids)
    if (id != kKeep && !map.contains(id)) return false;
  return true;
}

Outcome set_users(Task& task, uint32_t uid, uint32_t euid, uint32_t suid) {
  const Credentials old = task.creds;
  Credentials& now = task.creds;
  if (uid != kKeep) now.uid = uid;
  if (euid != kKeep) now.euid = euid;
  if (suid != kKeep) now.suid = suid;
  now.fsuid = now.euid;
  fix_capabilities(old, now);
  if (now.euid != old.euid) task.dumpable = false;
  return 0;
}

Outcome set_groups(Task& task, uint32_t gid, uint32_t egid, uint32_t sgid) {
  Credentials& now = task.creds;
  if (egid != kKeep && egid != now.egid) task.dumpable = false;
  if (gid != kKeep) now.gid = gid;
  if (egid != kKeep) now.egid = egid;
  if (sgid != kKeep) now.sgid = sgid;
  now.fsgid = now.egid;
  return 0;
}

}  // namespace

Outcome sys_getuid(Task& task, const Arguments&) {
  return task.creds.uid;
}
Outcome sys_geteuid(Task& task, const Arguments&) {
  return task.creds.euid;
}
Outcome sys_getgid(Task& task, const Arguments&) {
  return task.creds.gid;
}
Outcome sys_getegid(Task& task, const Arguments&) {
  return task.creds.egid;
}
Outcome sys_getresuid(Task& task, const Arguments& a) {
  TRY(task.memory().write(a[0], task.creds.uid));
  TRY(task.memory().write(a[1], task.creds.euid));
  TRY(task.memory().write(a[2], task.creds.suid));
  return 0;
}
Outcome sys_getresgid(Task& task, const Arguments& a) {
  TRY(task.memory().write(a[0], task.creds.gid));
  TRY(task.memory().write(a[1], task.creds.egid));
  TRY(task.memory().write(a[2], task.creds.sgid));
  return 0;
}

Outcome sys_setuid(Task& task, const Arguments& a) {
  const uint32_t uid = a.word(0);
  if (uid == kKeep || !are_known(task.kernel.user_ids, {uid})) return fail(EINVAL);
  if (task.creds.has(CAP_SETUID)) return set_users(task, uid, uid, uid);
  if (!is_one_of(uid, {task.creds.uid, task.creds.suid})) return fail(EPERM);
  return set_users(task, kKeep, uid, kKeep);
}
Outcome sys_setgid(Task& task, const Arguments& a) {
  const uint32_t gid = a.word(0);
  if (gid == kKeep || !are_known(task.kernel.group_ids, {gid})) return fail(EINVAL);
  if (task.creds.has(CAP_SETGID)) return set_groups(task, gid, gid, gid);
  if (!is_one_of(gid, {task.creds.gid, task.creds.sgid})) return fail(EPERM);
  return set_groups(task, kKeep, gid, kKeep);
}
Outcome sys_setreuid(Task& task, const Arguments& a) {
  const Credentials& who = task.creds;
  const uint32_t uid = a.word(0), euid = a.word(1);
  if (!are_known(task.kernel.user_ids, {uid, euid})) return fail(EINVAL);
  if (!who.has(CAP_SETUID)) {
    if (uid != kKeep && !is_one_of(uid, {who.uid, who.euid})) return fail(EPERM);
    if (euid != kKeep && !is_one_of(euid, {who.uid, who.euid, who.suid})) return fail(EPERM);
  }
  const bool saves = uid != kKeep || (euid != kKeep && euid != who.uid);
  return set_users(task, uid, euid, saves ? (euid != kKeep ? euid : who.euid) : kKeep);
}
Outcome sys_setregid(Task& task, const Arguments& a) {
  const Credentials& who = task.creds;
  const uint32_t gid = a.word(0), egid = a.word(1);
  if (!are_known(task.kernel.group_ids, {gid, egid})) return fail(EINVAL);
  if (!who.has(CAP_SETGID)) {
    if (gid != kKeep && !is_one_of(gid, {who.gid, who.egid})) return fail(EPERM);
    if (egid != kKeep && !is_one_of(egid, {who.gid, who.egid, who.sgid})) return fail(EPERM);
  }
  const bool saves = gid != kKeep || (egid != kKeep && egid != who.gid);
  return set_groups(task, gid, egid, saves ? (egid != kKeep ? egid : who.egid) : kKeep);
}
Outcome sys_setresuid(Task& task, const Arguments& a) {
  const Credentials& who = task.creds;
  if (!are_known(task.kernel.user_ids, {a.word(0), a.word(1), a.word(2)})) return fail(EINVAL);
  for (size_t i = 0; i < 3; ++i) {
    if (a.word(i) != kKeep && !who.has(CAP_SETUID) && !is_one_of(a.word(i), {who.uid, who.euid, who.suid}))
      return fail(EPERM);
  }
  return set_users(task, a.word(0), a.word(1), a.word(2));
}
Outcome sys_setresgid(Task& task, const Arguments& a) {
  const Credentials& who = task.creds;
  if (!are_known(task.kernel.group_ids, {a.word(0), a.word(1), a.word(2)})) return fail(EINVAL);
  for (size_t i = 0; i < 3; ++i) {
    if (a.word(i) != kKeep && !who.has(CAP_SETGID) && !is_one_of(a.word(i), {who.gid, who.egid, who.sgid}))
      return fail(EPERM);
  }
  return set_groups(task, a.word(0), a.word(1), a.word(2));
}
// These two report no errors: the old id, always.
Outcome sys_setfsuid(Task& task, const Arguments& a) {
  Credentials& who = task.creds;
  const uint32_t old = who.fsuid, uid = a.word(0);
  if (!task.kernel.user_ids.contains(uid) ||
      !(who.has(CAP_SETUID) || is_one_of(uid, {who.uid, who.euid, who.suid, who.fsuid})))
    return old;
  who.fsuid = uid;
  if (who.has_securebit(SECURE_NO_SETUID_FIXUP)) return old;
  if (old == 0 && uid != 0) who.effective &= ~kFileCapabilities;
  if (old != 0 && uid == 0) who.effective |= who.permitted & kFileCapabilities;
  return old;
}
Outcome sys_setfsgid(Task& task, const Arguments& a) {
  Credentials& who = task.creds;
  const uint32_t old = who.fsgid, gid = a.word(0);
  if (task.kernel.group_ids.contains(gid) &&
      (who.has(CAP_SETGID) || is_one_of(gid, {who.gid, who.egid, who.sgid, who.fsgid})))
    who.fsgid = gid;
  return old;
}

Outcome sys_getgroups(Task& task, const Arguments& a) {
  const std::vector<uint32_t>& groups = task.creds.groups;
  if (a.integer(0) < 0) return fail(EINVAL);
  if (a.integer(0) == 0) return groups.size();
  if (a[0] < groups.size()) return fail(EINVAL);
  TRY(task.memory().copy_out(a[1], groups.data(), groups.size() * sizeof(uint32_t)));
  return groups.size();
}
Outcome sys_setgroups(Task& task, const Arguments& a) {
  constexpr uint64_t kMost = 65536;
  if (!task.creds.has(CAP_SETGID)) return fail(EPERM);
  if (a[0] > kMost) return fail(EINVAL);
  std::vector<uint32_t> groups(a[0]);
  TRY(task.memory().copy_in(a[1], groups.data(), groups.size() * sizeof(uint32_t)));
  for (uint32_t group : groups)
    if (!task.kernel.group_ids.contains(group)) return fail(EINVAL);
  task.creds.groups = std::move(groups);
  return 0;
}

namespace {

constexpr uint32_t kVersion = 0x20080522;  // _LINUX_CAPABILITY_VERSION_3
struct Header {
  uint32_t version;
  int pid;
};
struct Words {
  uint32_t effective, permitted, inheritable;
};

SysResult<Header> capability_header(Task& task, uint64_t address) {
  auto header = TRY(task.memory().read<Header>(address));
  if (header.version == kVersion || header.version == 0x20071026) return header;
  header.version = kVersion;
  TRY(task.memory().write(address, header));
  return fail(EINVAL);
}

}  // namespace

Outcome sys_capget(Task& task, const Arguments& a) {
  SysResult<Header> header = capability_header(task, a[0]);
  if (!header) return a[1] == 0 && header.error().value == EINVAL ? Outcome(0) : std::unexpected(header.error());
  if (header->pid < 0) return fail(EINVAL);
  const Task* target = header->pid == 0 ? &task : task.kernel.task(header->pid);
  if (target == nullptr) return fail(ESRCH);
  const Credentials& who = target->creds;
  const Words words[2] = {
      {static_cast<uint32_t>(who.effective), static_cast<uint32_t>(who.permitted),
       static_cast<uint32_t>(who.inheritable)},
      {static_cast<uint32_t>(who.effective >> 32), static_cast<uint32_t>(who.permitted >> 32),
       static_cast<uint32_t>(who.inheritable >> 32)},
  };
  TRY(task.memory().write(a[1], words));
  return 0;
}
Outcome sys_capset(Task& task, const Arguments& a) {
  Header header = TRY(capability_header(task, a[0]));
  if (header.pid != 0 && header.pid != task.id) return fail(EPERM);
  struct Pair {
    Words low, high;
  };
  const auto words = TRY(task.memory().read<Pair>(a[1]));
  auto join = [](uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; };
  const uint64_t effective = join(words.low.effective, words.high.effective),
                 permitted = join(words.low.permitted, words.high.permitted),
                 inheritable = join(words.low.inheritable, words.high.inheritable);
  Credentials& who = task.creds;
  if (permitted & ~who.permitted) return fail(EPERM);
  if (effective & ~permitted) return fail(EPERM);
  if (inheritable & ~(who.inheritable | who.permitted) && !who.has(CAP_SETPCAP)) return fail(EPERM);
  if (inheritable & ~(who.inheritable | who.bounding)) return fail(EPERM);
  who.permitted = permitted;
  who.effective = effective;
  who.inheritable = inheritable;
  who.ambient &= permitted & inheritable;
  return 0;
}

}  // namespace cella::sandbox::syscall
