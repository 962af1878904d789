#include "sandbox/fs/types.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include "base/result.h"
#include "sandbox/fs/tmpfs.h"
#include "sandbox/fs/tty/devpts.h"

namespace cella::sandbox::fs {
namespace {

using task::Kernel;
using vfs::DentryPtr;

SysResult<DentryPtr> mount_tmpfs(Kernel& kernel, const std::string& options) {
  return make_tmpfs(*kernel.memory, TRY(parse_tmpfs_options(options, kernel.memory_limit)));
}

// Of a filesystem that has no options here but what `harmless` says, which is how it is anyway.
SysResult<void> check_options(std::string_view options, std::initializer_list<std::string_view> harmless = {}) {
  while (!options.empty()) {
    const size_t comma = std::min(options.find(','), options.size());
    const std::string_view option = options.substr(0, comma);
    options.remove_prefix(std::min(comma + 1, options.size()));
    if (!option.empty() && std::ranges::find(harmless, option) == harmless.end()) return std::unexpected(Errno{EINVAL});
  }
  return {};
}

struct Type {
  const char* name;
  SysResult<DentryPtr> (*make)(Kernel& kernel, const FilesystemHooks& hooks, const std::string& options);
};
constexpr Type kTypes[] = {
    {"proc",
     [](Kernel& kernel, const FilesystemHooks& hooks, const std::string& options) -> SysResult<DentryPtr> {
       TRY(check_options(options, {"hidepid=0", "hidepid=off"}));
       return make_procfs(kernel, hooks.proc);
     }},
    {"sysfs",
     [](Kernel& kernel, const FilesystemHooks& hooks, const std::string& options) -> SysResult<DentryPtr> {
       TRY(check_options(options));
       return make_sysfs(kernel, hooks.sys);
     }},
    {"tmpfs",
     [](Kernel& kernel, const FilesystemHooks&, const std::string& options) { return mount_tmpfs(kernel, options); }},
    // Which knows one option, and passes the others over.
    {"ramfs",
     [](Kernel& kernel, const FilesystemHooks&, const std::string& options) -> SysResult<DentryPtr> {
       TmpfsOptions own;
       own.mode = has_option(options, "mode") ? TRY(parse_tmpfs_options(options, kernel.memory_limit))
       .mode : 0755;
       return make_tmpfs(*kernel.memory, own);
     }},
    {"devpts",
     [](Kernel& kernel, const FilesystemHooks&, const std::string& options) -> SysResult<DentryPtr> {
       return make_devpts(kernel, TRY(parse_devpts_options(options)));
     }},
    // Message queues are in no directory here: it stays empty.
    {"mqueue",
     [](Kernel& kernel, const FilesystemHooks&, const std::string& options) -> SysResult<DentryPtr> {
       TRY(check_options(options));
       return mount_tmpfs(kernel, "");
     }},
    {"cgroup",
     [](Kernel& kernel, const FilesystemHooks&, const std::string&) -> SysResult<DentryPtr> {
       return make_cgroup_filesystem(kernel);
     }},
    {"cgroup2",
     [](Kernel& kernel, const FilesystemHooks&, const std::string&) -> SysResult<DentryPtr> {
       return make_cgroup_filesystem(kernel);
     }},
};

static_assert(std::ranges::equal(kTypes, kMountTypes, {},
                                 [](const Type& type) { return std::string_view(type.name); }));

}  // namespace

SysResult<DentryPtr> make_filesystem(Kernel& kernel, const FilesystemHooks& hooks, const std::string& type,
                                     const std::string& options) {
  for (const Type& known : kTypes)
    if (type == known.name) return known.make(kernel, hooks, options);
  return std::unexpected(Errno{ENODEV});
}

bool has_option(std::string_view options, std::string_view key) {
  for (size_t at = options.find(key); at != options.npos; at = options.find(key, at + 1))
    if ((at == 0 || options[at - 1] == ',') && options.substr(at + key.size(), 1) == "=") return true;
  return false;
}

}  // namespace cella::sandbox::fs
