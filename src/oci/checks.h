// Checks of single strings shared by the validators. Each reports at a member of the report's current place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/report.h"

namespace cella::oci {

// Neither NUL nor any other control character.
bool check_text(json::Report& report, std::string_view key, std::string_view text);
// The same for an element of a list at the current place.
bool check_text(json::Report& report, std::string_view text);
// check_text, and what fits one write(2) to procfs, a page: labels and profiles.
bool check_label(json::Report& report, std::string_view key, std::string_view text);
// No NUL: the string becomes a C string.
bool check_no_nul(json::Report& report, std::string_view text);
// The same for each of a program's arguments or variables, execve(2), at the member `key`; nor may one be longer than
// the kernel takes.
void check_arguments(json::Report& report, std::string_view key, const std::vector<std::string>& strings);

enum class PathRule { kAny, kAbsolute };
// Not empty, fits PATH_MAX, no control characters, perhaps absolute.
bool check_path(json::Report& report, std::string_view key, std::string_view path, PathRule rule);
bool check_path(json::Report& report, std::string_view path, PathRule rule);

// A list of CPUs or memory nodes, "0-3, 7": nullptr, or what is wrong with it. `count` gets the number of members.
const char* list_error(std::string_view list, uint64_t& count);
bool check_list(json::Report& report, std::string_view key, std::string_view list);

// A name that a network interface can have (dev_valid_name of the kernel).
bool is_interface_name(std::string_view name);

}  // namespace cella::oci
