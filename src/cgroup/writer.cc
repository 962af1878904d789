#include "cgroup/writer.h"

#include <cerrno>

#include "base/result.h"
#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

std::unexpected<Error> no_controller(const Setting& setting) {
  return refuse(setting, ErrorCode::kUnsupported,
                fmt::format("the cgroup controller {} is not available", setting.controller));
}

uint64_t number_in(Group& group, const char* file) {
  SysResult<std::string> text = group.read(file);
  return text ? parse_limit(*text) : 0;
}

// The kernel's refusal as a sentence: which value, which file, and what it was for.
std::unexpected<Error> explain(Group& group, const Setting& setting, int error) {
  constexpr const char* kMemory = "memory.limit_in_bytes";
  constexpr const char* kBoth = "memory.memsw.limit_in_bytes";
  if (error == EBUSY && setting.file == kMemory) {
    return refuse(
        setting, ErrorCode::kSystemError,
        fmt::format("unable to set memory limit to {} (current usage: {}, peak usage: {})", setting.value,
                    number_in(group, "memory.usage_in_bytes"), number_in(group, "memory.max_usage_in_bytes")));
  }
  // The two bound each other.
  const auto value = parse_number<uint64_t>(setting.value);
  if (error == EINVAL && value && (setting.file == kMemory || setting.file == kBoth)) {
    const uint64_t memory = setting.file == kMemory ? *value : number_in(group, kMemory);
    const uint64_t both = setting.file == kBoth ? *value : number_in(group, kBoth);
    if (memory > both) {
      return refuse(setting, ErrorCode::kInvalidArgument,
                    fmt::format("memory+swap limit should be >= memory limit: {} < {}", both, memory));
    }
  }
  bool missing = error == ENOENT || error == EACCES || error == EPERM;
  if (missing && group.v2() && !setting.controller.empty() && !group.enabled(setting.controller)) {
    return no_controller(setting);
  }
  return std::unexpected(Error(Errno{error})
                             .with(fmt::format("writing {} to {}", setting.value, setting.file))
                             .with(fmt::format("linux.resources.{}", setting.field)));
}

Result<void> verify(Group& group, const Setting& setting) {
  SysResult<std::string> text = group.read(setting.file.c_str());
  if (!text) return base::fail_errno(text.error().value, "reading {}", setting.file);
  uint64_t wanted = parse_limit(setting.value);
  uint64_t got = parse_limit(*text);
  if (got == wanted) return {};
  return refuse(setting, ErrorCode::kSystemError,
                fmt::format("the {} allowed {} is {}", wanted > got ? "maximum" : "minimum", setting.file, got));
}

}  // namespace

std::unexpected<Error> refuse(const Setting& setting, ErrorCode code, std::string why) {
  return std::unexpected(Error(code, std::move(why)).with(fmt::format("linux.resources.{}", setting.field)));
}

std::string undo_text(const std::string& text, const std::string& value, const std::string& reset) {
  constexpr std::string_view kOomControl = "oom_kill_disable ";
  if (text.starts_with(kOomControl)) return text.substr(kOomControl.size(), text.find('\n') - kOomControl.size());
  const size_t blank = value.find(' ');
  const std::string key = value.substr(0, blank);
  std::string first, own;
  for_each_line(text, [&](std::string_view line) {
    if (first.empty()) first = line;
    if (blank != std::string::npos && line.starts_with(key) && line.substr(key.size()).starts_with(' ')) own = line;
  });
  if (!own.empty()) return own;
  if (!reset.empty()) return reset;
  return first;  // of "default 100" and lines for devices, the default; else the whole
}

SysResult<void> Writer::write_file(Group& group, const std::string& file, const std::string& value,
                                   const Setting& setting) {
  if (mode_ == Mode::kBlind) return group.write(file.c_str(), value);
  SysResult<std::string> text = group.read(file.c_str());
  if (!text && text.error().value == ENOENT) return std::unexpected(text.error());
  std::string before = text ? undo_text(*text, value, setting.reset) : "";
  if (text && before == value) return {};
  TRY(group.write(file.c_str(), value));
  if (text) written_.push_back({&group, file, std::move(before)});
  return {};
}

SysResult<void> Writer::write_either(Group& group, const Setting& setting) {
  SysResult<void> written = write_file(group, setting.file, setting.value, setting);
  if (written || written.error().value != ENOENT || setting.other_file.empty()) return written;
  return write_file(group, setting.other_file, setting.other_value, setting);
}

Result<void> Writer::write(Group& group, const Setting& setting) {
  if (!setting.refusal.empty()) return refuse(setting, ErrorCode::kUnsupported, setting.refusal);
  if (group.fresh() && (setting.flags & Setting::kDefault) != 0) return {};
  SysResult<void> written = write_either(group, setting);
  if (!written && written.error().value == ENOENT && group.v2() && !setting.controller.empty() &&
      !group.enabled(setting.controller)) {
    group.enable_controllers(setting.controller);
    written = write_either(group, setting);
  }
  if (!written) {
    int error = written.error().value;
    if (error == EINVAL && (setting.flags & Setting::kDeferrable) != 0) {
      deferred_.push_back({&group, &setting});
      return {};
    }
    if (error == ENOENT && (setting.flags & Setting::kOptional) != 0) return {};
    return explain(group, setting, error);
  }
  if ((setting.flags & Setting::kVerify) != 0) TRY(verify(group, setting));
  return {};
}

Result<void> Writer::finish() {
  for (auto [group, setting] : deferred_) {
    SysResult<void> written = write_either(*group, *setting);
    if (!written) return explain(*group, *setting, written.error().value);
  }
  deferred_.clear();
  return {};
}

std::vector<std::string> Writer::roll_back() {
  std::vector<std::string> failures;
  for (auto entry = written_.rbegin(); entry != written_.rend(); ++entry) {
    // write(2) of nothing does not reach the kernel's parser; a list that was empty takes a blank line.
    SysResult<void> restored = entry->group->write(entry->file.c_str(), entry->before.empty() ? "\n" : entry->before);
    if (!restored) failures.push_back(fmt::format("{}: {}", entry->file, errno_text(restored.error().value)));
  }
  written_.clear();
  return failures;
}

}  // namespace cella::cgroup
