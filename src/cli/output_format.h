// The --format of list and ps.
#pragma once

#include <string_view>

namespace cella::cli {

enum class OutputFormat { kTable, kJson };

inline const char* store_value(OutputFormat& target, const char* value) {
  const std::string_view text = value;
  if (text != "table" && text != "json") return "must be table or json";
  target = text == "json" ? OutputFormat::kJson : OutputFormat::kTable;
  return nullptr;
}

}  // namespace cella::cli
