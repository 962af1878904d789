// proc_pid_mounts(5), proc_pid_mountinfo(5), proc_pid_mountstats(5).
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "base/result.h"
#include "sandbox/fs/proc/process_text.h"

namespace cella::sandbox::fs {
namespace {

// What separates fields is written in octal, as getmntent(3) reads it.
std::string escape(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (std::string_view(" \t\n\\").find(c) != std::string_view::npos) {
      result += fmt::format("\\{:03o}", c);
    } else {
      result += c;
    }
  }
  return result;
}

struct Flag {
  uint64_t flag;
  const char* text;
};
constexpr Flag kFlags[] = {{MS_NOSUID, ",nosuid"},          {MS_NODEV, ",nodev"},           {MS_NOEXEC, ",noexec"},
                           {MS_NOATIME, ",noatime"},        {MS_NODIRATIME, ",nodiratime"}, {MS_RELATIME, ",relatime"},
                           {MS_NOSYMFOLLOW, ",nosymfollow"}};

std::string options_of(const vfs::Mount& mount) {
  const uint64_t flags = mount.flags | mount.root->inode->mount_flags();
  std::string text = flags & MS_RDONLY ? "ro" : "rw";
  for (const Flag& flag : kFlags)
    if (flags & flag.flag) text += flag.text;
  return text;
}

// Where in its filesystem a mount begins.
std::string root_of(const vfs::Mount& mount) {
  std::string text;
  for (const vfs::Dentry* at = mount.root.get(); at->parent != nullptr; at = at->parent.get())
    text.insert(0, "/" + at->name);
  return text.empty() ? "/" : text;
}

std::string source_of(const vfs::Mount& mount) {
  return mount.source.empty() ? "none" : escape(mount.source);
}

// Those that the process sees, each with its place.
template <typename Line>
SysResult<std::string> for_each_mount(const Subject& subject, Line line) {
  const task::Task* task = TRY(subject.task());
  const vfs::Position& position = task->fs->position;
  const vfs::Path root = position.mounts->covering(position.root);
  std::string text;
  for (const vfs::MountPtr& mount : position.mounts->mounts()) {
    const vfs::Path place = {mount, mount->root};
    if (!vfs::is_below(place, root)) continue;
    text += line(*mount, escape(vfs::path_text(place, root)));
  }
  return text;
}

}  // namespace

SysResult<std::string> mounts_text(vfs::Caller&, const Subject& subject) {
  return for_each_mount(subject, [](const vfs::Mount& mount, const std::string& place) {
    return fmt::format("{} {} {} {}{}{} 0 0\n", source_of(mount), place, mount.type, options_of(mount),
                       mount.options.empty() ? "" : ",", mount.options);
  });
}

SysResult<std::string> mount_info_text(vfs::Caller&, const Subject& subject) {
  return for_each_mount(subject, [](const vfs::Mount& mount, const std::string& place) {
    auto attributes = mount.root->inode->attributes();
    const dev_t device = attributes ? attributes->st_dev : 0;
    std::string groups;
    if (mount.peer_group != 0) groups += fmt::format(" shared:{}", mount.peer_group);
    if (mount.master != 0) groups += fmt::format(" master:{}", mount.master);
    if (mount.flags & MS_UNBINDABLE) groups += " unbindable";
    return fmt::format("{} {} {}:{} {} {} {}{} - {} {} {}{}{}\n", mount.id, mount.parent ? mount.parent->id : 0,
                       major(device), minor(device), escape(root_of(mount)), place, options_of(mount), groups,
                       mount.type, source_of(mount), mount.flags & MS_RDONLY ? "ro" : "rw",
                       mount.options.empty() ? "" : ",", mount.options);
  });
}

SysResult<std::string> mount_statistics_text(vfs::Caller&, const Subject& subject) {
  return for_each_mount(subject, [](const vfs::Mount& mount, const std::string& place) {
    return fmt::format("device {} mounted on {} with fstype {}\n", source_of(mount), place, mount.type);
  });
}

}  // namespace cella::sandbox::fs
