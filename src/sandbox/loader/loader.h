// Loader: from an executable file to an Image that a task can become: ELF programs (static, position-independent, with
// an interpreter) and scripts, elf(5), execve(2). Everything in the file is hostile.
#pragma once

#include <string>
#include <vector>

#include "sandbox/task/task.h"

namespace cella::sandbox::loader {

struct Program {
  vfs::Path executable;  // resolved, permission to execute checked
  std::string path;      // as it was asked for: AT_EXECFN, and what a script gets as its argument
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

// Errors as of execve(2): ENOEXEC, E2BIG, ELIBBAD, ENOMEM, ENOENT for a missing interpreter.
SysResult<task::Image> load(task::Task& task, Program program);

}  // namespace cella::sandbox::loader
