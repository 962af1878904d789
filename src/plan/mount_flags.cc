#include "plan/mount_flags.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>

namespace cella::plan {
namespace {

using config::Mount;

constexpr uint64_t kNosymfollow = 256;  // MS_NOSYMFOLLOW, Linux 5.10; not in every libc

struct AttributeBit {
  uint64_t ms;
  uint64_t attribute;
};
constexpr AttributeBit kAttributeBits[] = {
    {MS_RDONLY, MOUNT_ATTR_RDONLY}, {MS_NOSUID, MOUNT_ATTR_NOSUID},         {MS_NODEV, MOUNT_ATTR_NODEV},
    {MS_NOEXEC, MOUNT_ATTR_NOEXEC}, {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {kNosymfollow, MOUNT_ATTR_NOSYMFOLLOW},
};
// A field of one value, the most preferred first. MOUNT_ATTR_RELATIME is 0.
constexpr AttributeBit kAccessTimes[] = {
    {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
    {MS_NOATIME, MOUNT_ATTR_NOATIME},
    {MS_RELATIME, MOUNT_ATTR_RELATIME},
};

uint64_t bits_of(uint64_t ms_flags) {
  uint64_t attributes = 0;
  for (const AttributeBit& bit : kAttributeBits)
    if (ms_flags & bit.ms) attributes |= bit.attribute;
  return attributes;
}

}  // namespace

Attributes changed_attributes(const Mount& mount) {
  Attributes attributes = {bits_of(mount.flags), bits_of(mount.cleared_flags)};
  // mount_setattr(2) wants the whole field cleared when it is set. "norelatime" says nothing of what is to be instead.
  if (mount.cleared_flags & (MS_NOATIME | MS_STRICTATIME)) attributes.clear |= MOUNT_ATTR__ATIME;
  for (const AttributeBit& time : kAccessTimes) {
    if ((mount.flags & time.ms) == 0) continue;
    attributes.set |= time.attribute;
    attributes.clear |= MOUNT_ATTR__ATIME;
    break;
  }
  return attributes;
}

Attributes recursive_attributes(const Mount& mount) {
  Attributes attributes = {mount.rec_attr_set, mount.rec_attr_clear};
  if ((attributes.set | attributes.clear) & MOUNT_ATTR__ATIME) attributes.clear |= MOUNT_ATTR__ATIME;
  return attributes;
}

uint64_t new_attributes(const Mount& mount) {
  Attributes recursive = recursive_attributes(mount);
  return (changed_attributes(mount).set & ~recursive.clear) | recursive.set;
}

uint64_t filesystem_flags(uint64_t ms_flags) {
  return ms_flags & (MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION | MS_SILENT);
}

bool read_only_late(const Mount& mount, const std::string& target) {
  return (new_attributes(mount) & MOUNT_ATTR_RDONLY) != 0 && (mount.device == "tmpfs" || target == "/dev");
}

Mount before_read_only(const Mount& mount, const std::string& target) {
  Mount early = mount;
  bool later = read_only_late(mount, target);
  bool taken_back = (new_attributes(mount) & MOUNT_ATTR_RDONLY) == 0;
  if (later || taken_back) early.flags &= ~static_cast<uint64_t>(MS_RDONLY);
  if (later) early.rec_attr_set &= ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY);
  return early;
}

std::vector<std::string> split_options(const std::string& data) {
  std::vector<std::string> options;
  std::string option;
  bool quoted = false;
  for (size_t i = 0; i < data.size(); ++i) {
    char c = data[i];
    if (c == '\\' && i + 1 < data.size()) {
      option += c;
      option += data[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      if (!option.empty()) options.push_back(std::move(option));
      option.clear();
    } else {
      option += c;
    }
  }
  if (!option.empty()) options.push_back(std::move(option));
  return options;
}

bool has_option(const std::vector<std::string>& options, std::string_view key) {
  return std::ranges::any_of(options, [&](const std::string& option) {
    return option.starts_with(key) && (option.size() == key.size() || option[key.size()] == '=');
  });
}

}  // namespace cella::plan
