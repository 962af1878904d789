#include "sandbox/fs/proc/process_text.h"

#include <linux/capability.h>

#include <charconv>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using task::Task;
using vfs::Caller;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\0')) text.remove_suffix(1);
  return text;
}

// What is the same for every process.
template <const char* const& kText>
SysResult<std::string> fixed(Caller&, const Subject& subject) {
  TRY(subject.process());
  return std::string(kText);
}
constexpr const char* kNoAudit = "4294967295";
constexpr const char* kZero = "0";
constexpr const char* kCoreDumpFilter = "00000033\n";
constexpr const char* kCgroup = "0::/\n";
constexpr const char* kSetGroups = "allow\n";
constexpr const char* kTimeOffsets = "monotonic           0         0\nboottime            0         0\n";

// The same for every process, as there is one user namespace.
template <task::IdMap task::Kernel::* kMap>
SysResult<std::string> id_map_text(Caller&, const Subject& subject) {
  TRY(subject.process());
  return (subject.kernel.*kMap).text();
}

// The maps of the first user namespace are written, and stay.
SysResult<void> refuse(Caller&, const Subject&, std::string_view) {
  return fail(EPERM);
}

SysResult<std::string> comm_text(Caller&, const Subject& subject) {
  auto group = TRY(subject.process());
  const Task* task = subject.find_task();
  return (task != nullptr ? task->name : group->name) + "\n";
}
// Threads of one process may name each other.
SysResult<void> store_comm(Caller& caller, const Subject& subject, std::string_view text) {
  Task* target = TRY(subject.task());
  const Task* task = asking_task(subject.kernel, caller);
  if (task == nullptr || task->group != target->group) return fail(EINVAL);
  constexpr size_t kMost = 15;
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  target->name = text.substr(0, std::min({kMost, text.size(), text.find('\0')}));
  if (target == target->group->leader()) target->group->name = target->name;
  return {};
}

SysResult<std::string> limits_text(Caller&, const Subject& subject) {
  struct Line {
    int resource;
    const char *name, *unit;
  };
  constexpr Line kLines[] = {
      {RLIMIT_CPU, "Max cpu time", "seconds"},         {RLIMIT_FSIZE, "Max file size", "bytes"},
      {RLIMIT_DATA, "Max data size", "bytes"},         {RLIMIT_STACK, "Max stack size", "bytes"},
      {RLIMIT_CORE, "Max core file size", "bytes"},    {RLIMIT_RSS, "Max resident set", "bytes"},
      {RLIMIT_NPROC, "Max processes", "processes"},    {RLIMIT_NOFILE, "Max open files", "files"},
      {RLIMIT_MEMLOCK, "Max locked memory", "bytes"},  {RLIMIT_AS, "Max address space", "bytes"},
      {RLIMIT_LOCKS, "Max file locks", "locks"},       {RLIMIT_SIGPENDING, "Max pending signals", "signals"},
      {RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"}, {RLIMIT_NICE, "Max nice priority", ""},
      {RLIMIT_RTPRIO, "Max realtime priority", ""},    {RLIMIT_RTTIME, "Max realtime timeout", "us"}};
  auto group = TRY(subject.process());
  std::string text = fmt::format("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  auto value = [](rlim_t limit) {
    return limit == RLIM_INFINITY ? std::string("unlimited") : fmt::format("{}", limit);
  };
  for (const Line& line : kLines) {
    const rlimit& limit = group->limits[static_cast<size_t>(line.resource)];
    text += fmt::format("{:<25} {:<20} {:<20} ", line.name, value(limit.rlim_cur), value(limit.rlim_max));
    text += *line.unit == '\0' ? "\n" : fmt::format("{:<10}\n", line.unit);
  }
  return text;
}

SysResult<std::string> personality_text(Caller&, const Subject& subject) {
  const Task* task = subject.find_task();
  return fmt::format("{:08x}\n", task != nullptr ? task->personality : 0);
}

constexpr int kMostAdjustment = 1000;

SysResult<std::string> oom_score_text(Caller&, const Subject& subject) {
  auto group = TRY(subject.process());
  const Task* task = subject.find_task();
  uint64_t used = 0;
  if (task != nullptr && task->memory_manager != nullptr) used = task->memory_manager->resident().anonymous;
  const auto share = static_cast<int>(used * kMostAdjustment / std::max<uint64_t>(subject.kernel.memory_limit, 1));
  const int points = std::clamp(share + group->oom_score_adj, -kMostAdjustment, 2 * kMostAdjustment);
  return fmt::format("{}\n", (kMostAdjustment + points) * 2 / 3);
}
SysResult<std::string> oom_adjustment_text(Caller&, const Subject& subject) {
  return fmt::format("{}\n", TRY(subject.process())->oom_score_adj);
}
SysResult<void> store_oom_adjustment(Caller& caller, const Subject& subject, std::string_view text) {
  auto group = TRY(subject.process());
  text = trim(text);
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return fail(EINVAL);
  if (value < -kMostAdjustment || value > kMostAdjustment) return fail(EINVAL);
  if (value < group->oom_score_adj && !caller.credentials().has(CAP_SYS_RESOURCE)) return fail(EACCES);
  group->oom_score_adj = value;
  return {};
}

SysResult<std::string> children_text(Caller&, const Subject& subject) {
  auto group = TRY(subject.process());
  std::string text;
  if (subject.find_task() != group->leader()) return text;
  for (const auto& child : group->children) text += fmt::format("{} ", child->id);
  return text;
}

constexpr ProcessFile kFiles[] = {
    {"auxv", 0400, true, auxv_text},
    {"cgroup", 0444, false, fixed<kCgroup>},
    {"children", 0444, false, children_text},
    {"cmdline", 0444, false, command_line_text},
    {"comm", 0644, false, comm_text, store_comm},
    {"coredump_filter", 0444, false, fixed<kCoreDumpFilter>},
    {"environ", 0400, true, environment_text},
    {"gid_map", 0644, false, id_map_text<&task::Kernel::group_ids>, refuse},
    {"limits", 0444, false, limits_text},
    {"loginuid", 0644, false, fixed<kNoAudit>, refuse},
    {"maps", 0444, true, maps_text},
    {"mountinfo", 0444, false, mount_info_text},
    {"mounts", 0444, false, mounts_text},
    {"mountstats", 0400, false, mount_statistics_text},
    {"oom_score", 0444, false, oom_score_text},
    {"oom_score_adj", 0644, false, oom_adjustment_text, store_oom_adjustment},
    {"personality", 0400, true, personality_text},
    {"sessionid", 0444, false, fixed<kNoAudit>},
    {"setgroups", 0644, false, fixed<kSetGroups>, refuse},
    {"smaps", 0444, true, smaps_text},
    {"smaps_rollup", 0444, true, smaps_rollup_text},
    {"stat", 0444, false, stat_text},
    {"statm", 0444, false, statm_text},
    {"status", 0444, false, status_text},
    {"timens_offsets", 0444, false, fixed<kTimeOffsets>},
    {"uid_map", 0644, false, id_map_text<&task::Kernel::user_ids>, refuse},
    {"wchan", 0444, false, fixed<kZero>},
};

}  // namespace

std::span<const ProcessFile> process_files() {
  return kFiles;
}

}  // namespace cella::sandbox::fs
