#include "cli/command.h"
#include "cli/output.h"
#include "cli/output_format.h"

namespace cella::cli {
namespace {

struct ListOptions {
  OutputFormat format = OutputFormat::kTable;
  bool quiet = false;
};

std::string ids_of(const std::vector<OciState>& states) {
  std::string text;
  for (const OciState& state : states) text += state.id + '\n';
  return text;
}

std::string table_of(const std::vector<OciState>& states) {
  std::vector<std::vector<std::string>> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const OciState& state : states) {
    rows.push_back(
        {state.id, std::to_string(state.pid), status_name(state.status), state.bundle, state.created, state.owner});
  }
  return table_text(rows);
}

Result<int> list(Invocation& invocation, const ListOptions& options) {
  const std::vector<OciState> states = TRY(invocation.factory().list());
  if (options.quiet) {
    TRY(print(ids_of(states)));
  } else {
    TRY(print(options.format == OutputFormat::kJson ? to_json(states) + '\n' : table_of(states)));
  }
  return 0;
}

constexpr auto kOptions = std::to_array<Option>({
    {"format", "f", "FORMAT", "table (the default) or json", into<ListOptions, &ListOptions::format>},
    {"quiet", "q", nullptr, "show the ids alone", into<ListOptions, &ListOptions::quiet>},
});

}  // namespace

constinit const Command kList = {
    .name = "list",
    .summary = "list the containers",
    .usage = "",
    .details = "Those under the state directory, see the global option --root.\n",
    .options = kOptions,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = with_options<ListOptions, list>,
};

}  // namespace cella::cli
