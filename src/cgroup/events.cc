// Manager::notify_oom, notify_memory_pressure and oom_kill_count.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <cerrno>

#include "base/result.h"
#include "cgroup/manager.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

// cgroup-v1/memory.rst, section 9: the eventfd and an open control file are tied together by cgroup.event_control; the
// kernel keeps what it needs of the latter.
Result<sys::FileDescriptor> register_v1_event(Group& group, const char* file, std::string_view argument) {
  sys::FileDescriptor control = TRY(group.open(file, O_RDONLY), "opening {}", file);
  sys::FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return base::fail_errno(errno, "eventfd");
  std::string line = fmt::format("{} {} {}", event.get(), control.get(), argument);
  TRY(group.set("cgroup.event_control", line));
  return event;
}

Result<sys::FileDescriptor> watch_v2_events(Group& group) {
  sys::FileDescriptor watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch) return base::fail_errno(errno, "inotify_init1");
  // A group's end is no event of the directory: its last process's is one of cgroup.events.
  for (const char* file : {"/memory.events", "/cgroup.events"}) {
    std::string path = group.path() + file;
    if (::inotify_add_watch(watch.get(), path.c_str(), IN_MODIFY) < 0) {
      return base::fail_errno(errno, "watching {}", path);
    }
  }
  return watch;
}

}  // namespace

Result<sys::FileDescriptor> Manager::notify_oom() {
  if (Group* group = find("memory")) return register_v1_event(*group, "memory.oom_control", "");
  Group* group = unified();
  if (group == nullptr) return std::unexpected(no_group("memory"));
  Result<sys::FileDescriptor> watch = watch_v2_events(*group);
  // The group is there, without the controller.
  if (!watch && watch.error().errno_value == ENOENT && exists()) return std::unexpected(no_group("memory"));
  return watch;
}

Result<uint64_t> Manager::oom_kill_count() {
  Group* v1 = find("memory");
  Group* group = v1 != nullptr ? v1 : unified();
  if (group == nullptr) return std::unexpected(no_group("memory"));
  const char* file = v1 != nullptr ? "memory.oom_control" : "memory.events";
  SysResult<std::string> text = group->read(file);
  if (!text) {
    if (text.error().value == ENOENT && rootless_) return 0;
    return base::fail_errno(text.error().value, "reading {} of {}", file, group->path());
  }
  return find_key(*text, "oom_kill").value_or(0);
}

Result<sys::FileDescriptor> Manager::notify_memory_pressure(PressureLevel level) {
  Group* group = find("memory");
  if (group == nullptr) {
    return base::fail(ErrorCode::kUnsupported, "memory pressure levels are cgroup v1's; use memory.pressure on v2");
  }
  static constexpr const char* kLevels[] = {"low", "medium", "critical"};
  return register_v1_event(*group, "memory.pressure_level", kLevels[static_cast<int>(level)]);
}

}  // namespace cella::cgroup
