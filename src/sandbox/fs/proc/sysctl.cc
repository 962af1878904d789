// /proc/sys: proc_sys_kernel(5), proc_sys_vm(5), proc_sys_fs(5). What can be set here is what this kernel acts upon;
// the rest says what it does, and cannot be changed.
#include <linux/capability.h>
#include <sys/random.h>

#include "base/result.h"
#include "sandbox/fs/proc/system_text.h"

namespace cella::sandbox::fs {
namespace {

using task::Kernel;

struct Fixed {
  const char *path, *text;
};
constexpr Fixed kFixed[] = {
    {"fs/file-max", "9223372036854775807"},
    {"fs/file-nr", "0\t0\t9223372036854775807"},
    {"fs/inotify/max_queued_events", "16384"},
    {"fs/inotify/max_user_instances", "128"},
    {"fs/inotify/max_user_watches", "65536"},
    {"fs/mqueue/msg_max", "10"},
    {"fs/mqueue/msgsize_max", "8192"},
    {"fs/mqueue/queues_max", "256"},
    {"fs/nr_open", "1048576"},
    {"fs/overflowgid", "65534"},
    {"fs/overflowuid", "65534"},
    {"fs/pipe-max-size", "1048576"},
    {"fs/pipe-user-pages-soft", "16384"},
    {"fs/protected_hardlinks", "0"},
    {"fs/protected_symlinks", "0"},
    {"fs/suid_dumpable", "0"},
    {"kernel/cap_last_cap", "40"},
    {"kernel/core_pattern", "core"},
    {"kernel/core_uses_pid", "0"},
    {"kernel/msgmax", "8192"},
    {"kernel/msgmnb", "16384"},
    {"kernel/msgmni", "32000"},
    {"kernel/ngroups_max", "65536"},
    {"kernel/osrelease", task::kRelease},
    {"kernel/ostype", "Linux"},
    {"kernel/overflowgid", "65534"},
    {"kernel/overflowuid", "65534"},
    {"kernel/pid_max", "4194304"},
    {"kernel/random/entropy_avail", "256"},
    {"kernel/random/poolsize", "256"},
    {"kernel/randomize_va_space", "0"},
    {"kernel/sem", "32000\t1024000000\t500\t32000"},
    {"kernel/shmall", "18446744073692774399"},
    {"kernel/shmmax", "18446744073692774399"},
    {"kernel/shmmni", "4096"},
    {"kernel/tainted", "0"},
    {"kernel/version", task::kVersion},
    {"kernel/yama/ptrace_scope", "0"},
    {"net/core/rmem_default", "212992"},
    {"net/core/rmem_max", "212992"},
    {"net/core/somaxconn", "4096"},
    {"net/core/wmem_default", "212992"},
    {"net/core/wmem_max", "212992"},
    {"net/ipv4/ip_forward", "0"},
    {"net/ipv4/ip_unprivileged_port_start", "1024"},
    {"net/ipv4/ip_local_port_range", "32768\t60999"},
    {"net/ipv4/ping_group_range", "1\t0"},
    {"net/ipv4/tcp_available_congestion_control", "reno cubic"},
    {"net/ipv4/tcp_congestion_control", "cubic"},
    {"net/ipv6/bindv6only", "0"},
    {"net/ipv6/conf/all/disable_ipv6", "0"},
    {"net/unix/max_dgram_qlen", "10"},
    {"vm/max_map_count", "65530"},
    {"vm/mmap_min_addr", "65536"},
    {"vm/overcommit_memory", "1"},
    {"vm/overcommit_ratio", "50"},
    {"vm/swappiness", "0"},
};

std::string make_uuid() {
  uint8_t b[16] = {};
  (void)!::getrandom(b, sizeof b, 0);
  b[6] = static_cast<uint8_t>((b[6] & 0x0f) | 0x40);  // RFC 4122: version 4, variant 1
  b[8] = static_cast<uint8_t>((b[8] & 0x3f) | 0x80);
  std::string text;
  for (size_t i = 0; i < sizeof b; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", b[i]);
  }
  return text + '\n';
}

// A name of uname(2).
vfs::InodePtr make_name(const GeneratedSuper& super, std::string& name) {
  constexpr uint32_t kMode = 0644;
  constexpr size_t kMost = 64;
  return make_text_file(
      super, kMode, [&name](vfs::Caller&) { return name + '\n'; },
      [&name](vfs::Caller& caller, std::string_view text) -> SysResult<void> {
        if (!caller.credentials().has(CAP_SYS_ADMIN)) return std::unexpected(Errno{EPERM});
        name = text.substr(0, std::min({text.find_first_of(std::string_view("\n\0", 2)), text.size(), kMost}));
        return {};
      });
}

}  // namespace

void add_sysctls(FixedDirectory& directory, Kernel& kernel) {
  const GeneratedSuper& super = directory.super();
  constexpr uint32_t kReadOnly = 0444;
  std::map<std::string_view, std::string_view> texts;
  for (const Fixed& file : kFixed) texts[file.path] = file.text;
  for (const auto& [path, text] : kernel.sysctls) texts[path] = text;
  for (const auto& [path, text] : texts) {
    const size_t slash = path.rfind('/');
    directory.directory(path.substr(0, slash)).add_file(std::string(path.substr(slash + 1)), std::string(text) + '\n');
  }
  FixedDirectory& names = directory.directory("kernel");
  names.add("hostname", make_name(super, kernel.host_name.node));
  names.add("domainname", make_name(super, kernel.host_name.domain));
  names.add("threads-max", make_text_file(super, kReadOnly,
                                          [&kernel](vfs::Caller&) { return fmt::format("{}\n", kernel.task_limit); }));
  FixedDirectory& random = names.directory("random");
  random.add_file("boot_id", make_uuid());
  random.add("uuid", make_text_file(super, kReadOnly, [](vfs::Caller&) { return make_uuid(); }));
}

}  // namespace cella::sandbox::fs
