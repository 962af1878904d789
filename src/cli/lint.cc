#include "cli/command.h"
#include "cli/launch.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

enum class LintFormat { kText, kJson };

const char* store_value(LintFormat& target, const char* value) {
  const std::string_view text = value;
  if (text != "text" && text != "json") return "must be text or json";
  target = text == "json" ? LintFormat::kJson : LintFormat::kText;
  return nullptr;
}

struct LintOptions {
  LintFormat format = LintFormat::kText;
};

std::string text_of(const std::vector<Diagnosis>& diagnoses) {
  std::string text;
  for (const Diagnosis& one : diagnoses) {
    text.append(severity_name(one.severity)).append(": ").append(printable(finding_text(one.finding))).append("\n");
  }
  return text;
}

Result<int> lint(Invocation& invocation, const LintOptions& options) {
  const std::string path = TRY(absolute_path(invocation.arguments[0]));
  const std::vector<Diagnosis> diagnoses = TRY(invocation.factory().lint(path));
  TRY(print(options.format == LintFormat::kJson ? to_json(diagnoses) + '\n' : text_of(diagnoses)));
  for (const Diagnosis& one : diagnoses)
    if (one.severity == Severity::kError) return 1;
  return 0;
}

constexpr auto kOptions = std::to_array<Option>({
    {"format", "f", "FORMAT", "text (the default) or json", into<LintOptions, &LintOptions::format>},
});

}  // namespace

constinit const Command kLint = {
    .name = "lint",
    .summary = "tell what is wrong with a bundle, and what this host lacks for it",
    .usage = "BUNDLE",
    .details =
        "Checks BUNDLE/config.json as create does, and looks for what it asks of this host:\n"
        "a line a finding, each with a JSON pointer. Makes nothing. Exits with 1 when there is an\n"
        "error, with 0 when there are warnings alone; with --strict they are errors, as far as\n"
        "they tell of something that would be ignored.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<LintOptions, lint>,
};

}  // namespace cella::cli
