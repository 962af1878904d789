#include "cli/process_table.h"

#include <algorithm>
#include <optional>

#include "cli/integer.h"
#include "cli/output.h"
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

struct Word {
  std::string_view text;
  size_t end = 0;  // where it ends on a terminal
};

std::vector<Word> words_of(std::string_view line) {
  std::vector<Word> words;
  for (size_t end = 0; !line.empty(); ++end) {
    const std::string_view text = take_until(line, ' ');
    end += width_of(text);
    if (!text.empty()) words.push_back({text, end});
  }
  return words;
}

std::optional<pid_t> pid_in(std::string_view text) {
  const std::optional<pid_t> pid = parse_integer<pid_t>(text);
  return pid && *pid > 0 ? pid : std::nullopt;
}

// Numbers end below the end of their title. In a table that is laid out otherwise, words are counted.
std::optional<pid_t> pid_of(const std::vector<Word>& words, const Word& title, size_t index) {
  for (const Word& word : words) {
    if (word.end != title.end) continue;
    if (const std::optional<pid_t> pid = pid_in(word.text)) return pid;
  }
  return index < words.size() ? pid_in(words[index].text) : std::nullopt;
}

}  // namespace

Result<std::string> rows_of(std::string_view table, const std::vector<pid_t>& pids) {
  const std::string_view titles = take_until(table, '\n');
  const std::vector<Word> columns = words_of(titles);
  const auto title = std::ranges::find(columns, "PID", &Word::text);
  if (title == columns.end()) return usage_error("the output of ps has no PID column: choose other options");
  const size_t index = static_cast<size_t>(title - columns.begin());

  std::string rows = std::string(titles) + '\n';
  while (!table.empty()) {
    const std::string_view line = take_until(table, '\n');
    const std::optional<pid_t> pid = pid_of(words_of(line), *title, index);
    if (pid && std::ranges::binary_search(pids, *pid)) rows.append(line).append("\n");
  }
  return rows;
}

std::string json_array(const std::vector<pid_t>& pids) {
  std::string text = "[";
  for (const pid_t pid : pids) text.append(text.size() > 1 ? "," : "").append(std::to_string(pid));
  return text + ']';
}

}  // namespace cella::cli
