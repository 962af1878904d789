#include "json/schema.h"

namespace cella::json::detail {

void fail_type(Report& report, const char* wanted, const Value& value) {
  report.fail("must be {}, not {}", wanted, describe(value));
}

void fail_range(Report& report, int64_t least, uint64_t most, const Value& value) {
  report.fail("must be an integer between {} and {}, not {}", least, most, describe(value));
}

void fail_name(Report& report, std::span<const char* const> names, const Value& value) {
  std::string list;
  for (const char* name : names) {
    if (!list.empty()) list += ", ";
    list += quoted(name);
  }
  report.fail("must be one of {}, not {}", list, value.is(Kind::kString) ? quoted(value.string()) : describe(value));
}

}  // namespace cella::json::detail
