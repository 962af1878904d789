// Running a program of the host to its end: hooks, newuidmap. Not for anything inside a container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <cella/error.h>

namespace cella::container {

struct Spawn {
  std::string path;                             // absolute
  std::vector<std::string> args;                // argv
  std::optional<std::vector<std::string>> env;  // absent: the caller's
  std::string input;                            // on its standard input
  std::string directory;                        // its working directory; empty: the caller's
  int output = -1;                              // its standard output; -1: see below
  int error_output = -1;                        // its standard error
  int timeout_seconds = 0;                      // 0: none; then it is killed
};

// What it prints, where that is not to go anywhere else, is kept for the error's message only. Errors: it could not be
// executed (errno), it failed, or it was not finished in time.
Result<void> run_to_end(const Spawn& spawn);

}  // namespace cella::container
