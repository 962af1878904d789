// Writing: bytes to a descriptor, JSON strings, tables.
#pragma once

#include <cella/error.h>

#include <string>
#include <string_view>
#include <vector>

namespace cella::cli {

// All of it, through interruptions and short writes.
SysResult<void> write_all(int fd, std::string_view text);
// To standard output.
Result<void> print(std::string_view text);

// For a terminal: control characters but tabs and newlines, which configs and images may bring along, become "\x1b".
std::string printable(std::string_view text);

// With its quotes. What is not UTF-8 becomes U+FFFD, so that the document stays valid.
std::string json_string(std::string_view text);

// Columns that the text takes on a terminal, near enough: its code points.
size_t width_of(std::string_view text);

// Rows of equal length as runc lays them out: columns at least 12 wide and 3 apart, the last one unpadded.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

}  // namespace cella::cli
