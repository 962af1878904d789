// The output of ps(1), reduced to the rows of some processes.
#pragma once

#include <sys/types.h>

#include <cella/error.h>

#include <string>
#include <string_view>
#include <vector>

namespace cella::cli {

// The title line, and the lines whose PID column holds one of `pids` (ascending). kInvalidArgument: no such column.
Result<std::string> rows_of(std::string_view table, const std::vector<pid_t>& pids);

// "[1,2]".
std::string json_array(const std::vector<pid_t>& pids);

}  // namespace cella::cli
