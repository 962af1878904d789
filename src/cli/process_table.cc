#include "cli/process_table.h"

#include <algorithm>
#include <optional>

#include "cli/options.h"
#include "cli/try.h"

namespace cella::cli {
namespace {

// Takes what comes before the separator, which goes too.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return head;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::string_view word = take_until(line, ' ');
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

Result<std::string> rows_of(std::string_view table, const std::vector<pid_t>& pids) {
  const std::string_view titles = take_until(table, '\n');
  const std::vector<std::string_view> columns = words_of(titles);
  const auto pid_column = std::ranges::find(columns, "PID");
  if (pid_column == columns.end()) return usage_error("the output of ps has no PID column: choose other options");
  const size_t index = static_cast<size_t>(pid_column - columns.begin());

  std::string rows = std::string(titles) + '\n';
  while (!table.empty()) {
    const std::string_view line = take_until(table, '\n');
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() <= index) continue;
    const std::optional<uint32_t> pid = parse_number(std::string(words[index]).c_str());
    if (pid && std::ranges::binary_search(pids, static_cast<pid_t>(*pid))) rows.append(line).append("\n");
  }
  return rows;
}

std::string json_array(const std::vector<pid_t>& pids) {
  std::string text = "[";
  for (const pid_t pid : pids) text.append(text.size() > 1 ? "," : "").append(std::to_string(pid));
  return text + ']';
}

}  // namespace cella::cli
