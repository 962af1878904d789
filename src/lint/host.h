// What the checkers ask the host, and lists of numbers as procfs and sysfs write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cella::lint {

bool exists(const std::string& path);
// The first line of a file of procfs or sysfs; "" when it cannot be read.
std::string first_line(const std::string& path);
// Is `word` one of the file's words, divided by blanks and newlines?
bool has_word(const std::string& path, std::string_view word);

bool kernel_is_at_least(int major, int minor);

// Of the caller, by number: proc_pid_status(5), CapEff.
bool has_capability(int capability);

// The members of the list `wanted` ("0-3,7") that are not in `available`, as a list; "" when all are.
std::string outside(std::string_view wanted, std::string_view available);

}  // namespace cella::lint
