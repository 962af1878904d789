#include "cli/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "cli/output.h"

namespace cella::cli {
namespace {

// The text of an error cannot be empty: callers show it.
std::string text_of(const Error& error) {
  std::string text = error.text();
  return text.empty() ? "unknown error" : text;
}

// Errors on the way to the log have nowhere to go but standard error.
void append(const LogOptions& log, std::string_view level, std::string_view message) {
  const std::string record = log_record(log.format, level, message, timestamp(::time(nullptr)));
  if (log.path.empty()) {
    (void)write_all(STDERR_FILENO, record);
    return;
  }
  int fd = ::open(log.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
  int failure = fd < 0 ? errno : 0;
  if (fd >= 0) {
    if (auto written = write_all(fd, record); !written) failure = written.error().value;
    ::close(fd);
  }
  if (failure != 0) (void)write_all(STDERR_FILENO, "writing " + log.path + ": " + errno_text(failure) + '\n');
}

}  // namespace

const char* store_value(LogFormat& target, const char* value) {
  const std::string_view text = value;
  if (text != "text" && text != "json") return "must be text or json";
  target = text == "json" ? LogFormat::kJson : LogFormat::kText;
  return nullptr;
}

std::string timestamp(int64_t seconds_since_1970) {
  // Not gmtime_r, which reads /etc/localtime.
  using std::chrono::seconds, std::chrono::days;
  const std::chrono::sys_seconds now{seconds(seconds_since_1970)};
  const auto day = std::chrono::floor<days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(now - day);
  char text[64];
  snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
           static_cast<int>(clock.seconds().count()));
  return text;
}

std::string log_record(LogFormat format, std::string_view level, std::string_view message, std::string_view time) {
  std::string record;
  if (format == LogFormat::kJson) {
    record = "{\"level\":" + json_string(level) + ",\"msg\":" + json_string(message) +
             ",\"time\":" + json_string(time) + "}\n";
  } else {
    record.append("time=").append(json_string(time)).append(" level=").append(level);
    record.append(" msg=").append(json_string(message)).append("\n");
  }
  return record;
}

std::string finding_text(const Finding& finding) {
  return finding.pointer.empty() ? finding.message : finding.pointer + ": " + finding.message;
}

std::string one_line(const Error& error) {
  std::string text = text_of(error);
  const char* separator = ": ";
  for (const Finding& finding : error.findings) {
    text += separator + finding_text(finding);
    separator = "; ";
  }
  if (!error.hint.empty()) text += " (" + error.hint + ')';
  return text;
}

std::string many_lines(const Error& error) {
  std::string text = printable(text_of(error)) + '\n';
  for (const Finding& finding : error.findings) text += "  " + printable(finding_text(finding)) + '\n';
  if (!error.hint.empty()) text += "hint: " + printable(error.hint) + '\n';
  return text;
}

void log_failure(const LogOptions& log, const Error& error) {
  // Without a file the records go to standard error: there the text format is the one for people.
  if (!log.path.empty() || log.format == LogFormat::kText) (void)write_all(STDERR_FILENO, many_lines(error));
  if (!log.path.empty() || log.format == LogFormat::kJson) append(log, "error", one_line(error));
}

void log_warning(const LogOptions& log, const Finding& finding) {
  const std::string text = finding_text(finding);
  if (log.debug) {
    append(log, "warning", text);
    return;
  }
  (void)write_all(STDERR_FILENO, "warning: " + printable(text) + '\n');
}

void log_debug(const LogOptions& log, std::string_view text) {
  if (log.debug) append(log, "debug", text);
}

}  // namespace cella::cli
