#include "cgroup/group.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

constexpr mode_t kGroupMode = 0755;

std::string parent_of(const std::string& path) {
  return path.substr(0, path.find_last_of('/'));
}

void sleep_microseconds(long microseconds) {
  timespec duration = {microseconds / 1000000, microseconds % 1000000 * 1000};
  ::nanosleep(&duration, nullptr);
}

bool is_missing(int error) {
  return error == ENOENT || error == ENODEV;
}

SysResult<void> append_processes(int directory, bool recursive, std::vector<pid_t>& result) {
  SysResult<std::string> text = sys::read_file_at(directory, "cgroup.procs");
  // A threaded v2 group answers EOPNOTSUPP; its processes are those of its domain, which is above.
  if (!text && !is_missing(text.error().value) && text.error().value != EOPNOTSUPP) {
    return std::unexpected(text.error());
  }
  if (text) {
    for_each_line(*text, [&](std::string_view line) {
      if (auto pid = parse_number<pid_t>(line); pid && *pid > 0) result.push_back(*pid);
    });
  }
  if (!recursive) return {};
  SysResult<std::vector<std::string>> names = sys::list_directory(directory);
  if (!names) return is_missing(names.error().value) ? SysResult<void>{} : std::unexpected(names.error());
  for (const std::string& name : *names) {
    SysResult<sys::FileDescriptor> child = sys::open_at(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (child) TRY(append_processes(child->get(), true, result));
  }
  return {};
}

// All groups below, deepest first. Best effort: the rmdir of the top one gives the verdict.
void remove_children(int directory) {
  SysResult<std::vector<std::string>> names = sys::list_directory(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    SysResult<sys::FileDescriptor> child = sys::open_at(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!child) continue;
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0) continue;
    remove_children(child->get());
    ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
  }
}

bool is_empty_value(std::string_view value) {
  return trim(value).empty();
}

// Fills cpuset.cpus and cpuset.mems of `path` from its parent, filling that one first when it is empty itself.
SysResult<void> fill_cpuset(const std::string& path, const std::string& mount_point) {
  if (path.size() <= mount_point.size()) return {};
  std::string parent = parent_of(path);
  for (std::string file : {"/cpuset.cpus", "/cpuset.mems"}) {
    std::string value = TRY(read_small_at(sys::kCurrentDirectory, (parent + file).c_str()));
    if (is_empty_value(value)) {
      TRY(fill_cpuset(parent, mount_point));
      value = TRY(read_small_at(sys::kCurrentDirectory, (parent + file).c_str()));
    }
    TRY(sys::write_file((path + file).c_str(), trim(value)));
  }
  return {};
}

}  // namespace

SysResult<std::string> read_small_at(int directory, const char* path) {
  sys::FileDescriptor fd = TRY(sys::open_at(directory, path, O_RDONLY));
  char buffer[4096];
  ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
  if (n < 0) return std::unexpected(Errno{errno});
  return std::string(buffer, static_cast<size_t>(n));
}

bool Group::has(std::string_view controller) const {
  return std::find(controllers_.begin(), controllers_.end(), controller) != controllers_.end();
}

SysResult<bool> Group::make() {
  if (::mkdir(path_.c_str(), kGroupMode) == 0) {
    made_.push_back(path_);
    fresh_ = true;
    return true;
  }
  if (errno == EEXIST) return false;
  if (errno != ENOENT) return std::unexpected(Errno{errno});
  // The parents, from the mount point down; without one, from the root, where the upper ones exist.
  for (size_t slash = path_.find('/', mount_point_.size() + 1); slash != std::string::npos;
       slash = path_.find('/', slash + 1)) {
    std::string parent = path_.substr(0, slash);
    if (::mkdir(parent.c_str(), kGroupMode) == 0) {
      made_.push_back(parent);
    } else if (errno != EEXIST && errno != EROFS && errno != EACCES && errno != EPERM) {
      return std::unexpected(Errno{errno});
    }
  }
  if (::mkdir(path_.c_str(), kGroupMode) < 0) {
    if (errno == EEXIST) return false;
    return std::unexpected(Errno{errno});
  }
  made_.push_back(path_);
  fresh_ = true;
  return true;
}

void Group::unmake() {
  directory_.reset();
  fresh_ = false;
  for (auto path = made_.rbegin(); path != made_.rend(); ++path) ::rmdir(path->c_str());
  made_.clear();
}

Result<void> Group::inherit_cpuset() {
  for (const std::string& path : made_) {
    TRY(fill_cpuset(path, mount_point_), "copying cpuset.cpus and cpuset.mems from the parent to {}", path);
  }
  return {};
}

void Group::enable_controllers(std::string_view controller) {
  std::string wanted;
  if (controller.empty()) {
    SysResult<std::string> available =
        read_small_at(sys::kCurrentDirectory, (mount_point_ + "/cgroup.controllers").c_str());
    SysResult<std::string> here = read("cgroup.controllers");
    if (!available || !here || *available == *here) return;
    wanted = trim(*available);
  } else {
    wanted = controller;
  }
  std::string all;
  for (std::string_view rest = wanted; !rest.empty();) all += fmt::format("+{} ", take_until(rest, ' '));

  for (size_t slash = mount_point_.size(); slash != std::string::npos; slash = path_.find('/', slash + 1)) {
    std::string file = path_.substr(0, slash) + "/cgroup.subtree_control";
    if (sys::write_file(file.c_str(), all)) continue;
    // One that is refused takes the others with it: one by one.
    for (std::string_view rest = wanted; !rest.empty();) {
      (void)sys::write_file(file.c_str(), fmt::format("+{}", take_until(rest, ' ')));
    }
  }
}

bool Group::enabled(std::string_view controller) {
  SysResult<std::string> text = read("cgroup.controllers");
  if (!text) return false;
  for (std::string_view rest = trim(*text); !rest.empty();) {
    if (take_until(rest, ' ') == controller) return true;
  }
  return false;
}

SysResult<int> Group::directory() {
  if (!directory_) directory_ = TRY(sys::open(path_.c_str(), O_PATH | O_DIRECTORY));
  return directory_.get();
}

SysResult<void> Group::write(const char* file, std::string_view value) {
  return sys::write_file_at(TRY(directory()), file, value);
}

SysResult<std::string> Group::read(const char* file) {
  return sys::read_file_at(TRY(directory()), file);
}

SysResult<sys::FileDescriptor> Group::open(const char* file, int flags) {
  return sys::open_at(TRY(directory()), file, flags);
}

Result<void> Group::set(const char* file, std::string_view value) {
  TRY(write(file, value), "writing {} to {}", value, file);
  return {};
}

Result<std::vector<pid_t>> Group::processes(bool recursive) {
  std::vector<pid_t> result;
  SysResult<int> fd = directory();
  if (!fd && is_missing(fd.error().value)) return result;
  TRY(fd, "opening {}", path_);
  TRY(append_processes(*fd, recursive, result), "reading cgroup.procs of {}", path_);
  return result;
}

SysResult<void> remove_group(const std::string& path) {
  constexpr long kFirstPause = 50;
  constexpr long kLongestPause = 100'000;
  constexpr long kTotal = 2'000'000;
  long pause = kFirstPause;
  for (long waited = 0;;) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
    int error = errno;
    if (error == EROFS || error == EACCES || error == EPERM) {
      // Said before existence is looked at: a missing one is still success.
      struct stat status;
      if (::stat(path.c_str(), &status) < 0 && errno == ENOENT) return {};
    }
    if (error == EINTR) continue;
    if (error != EBUSY && error != ENOTEMPTY) return std::unexpected(Errno{error});
    if (SysResult<sys::FileDescriptor> fd = sys::open(path.c_str(), O_PATH | O_DIRECTORY)) remove_children(fd->get());
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
    if (waited >= kTotal) return std::unexpected(Errno{error});
    sleep_microseconds(pause);
    waited += pause;
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace cella::cgroup
