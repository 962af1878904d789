// strace: a line for every system call when it is made, and one with its result when it has been served.
//
//   [   3:   4] sh E openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC, 00)
//   [   3:   4] sh X openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC, 00) = 3 (12 us)
//
// process and thread id, name. How an argument is shown, by its letter in calls.inc:
//
//   d i32   l i64   u u64   x hexadecimal   m octal   p pointer   f descriptor   F directory descriptor (AT_FDCWD)
//   s string   v list of strings   b buffer of the length that comes next   B the same, filled by the call: as much as
//   its result says   V iovecs, their count next   t timespec   T the same, filled by the call   O flags of open(2)
//   P PROT_*   M MAP_*   S signal   c CLONE_*   C clock   W flags of wait4(2)   H whence
//
// What a call fills in is shown when it has been served. Memory that cannot be read is shown as its address.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cella/error.h>

#include "sandbox/task/kernel.h"

namespace cella::sandbox::syscall {

// Gets each line, without a newline; called with the kernel lock held.
using StraceSink = std::function<void(const std::string& line)>;

// `calls`: the names of those to show, all when it is empty; a name that is not known is kInvalidArgument. `log_size`:
// at most that many bytes of a string or buffer are shown.
Result<std::unique_ptr<task::CallObserver>> make_strace(const std::vector<std::string>& calls, size_t log_size,
                                                        StraceSink sink);

}  // namespace cella::sandbox::syscall
