// Where errors, warnings and debugging go: standard error, and the file of --log.
//
// What the callers of runtimes rely on: a command that fails appends exactly one record to the log file (podman parses
// the file as one JSON object, containerd takes the last "error"), and its text comes first on standard error. Nothing
// else is written to the file without --debug, and the file is not opened until there is something to write.
#pragma once

#include <cella/error.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace cella::cli {

enum class LogFormat { kText, kJson };
const char* store_value(LogFormat& target, const char* value);

struct LogOptions {
  std::string path;
  LogFormat format = LogFormat::kText;
  bool debug = false;
};

void log_failure(const LogOptions& log, const Error& error);
void log_warning(const LogOptions& log, const Finding& finding);
void log_debug(const LogOptions& log, std::string_view text);

// "pointer: message", or the message alone.
std::string finding_text(const Finding& finding);
// On one line: text, findings and hint.
std::string one_line(const Error& error);
// For people: the findings and the hint on lines of their own; ends in a newline.
std::string many_lines(const Error& error);
// One record, ending in a newline: {"level":…,"msg":…,"time":…} or logrus' time="…" level=… msg="…".
std::string log_record(LogFormat format, std::string_view level, std::string_view message, std::string_view time);
// RFC 3339 in UTC, to the second.
std::string timestamp(int64_t seconds_since_1970);

}  // namespace cella::cli
