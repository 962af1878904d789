// The table of system calls: calls.inc has a line for each, with who serves it and how to show its arguments.
//
// A handler gets the six arguments as they are, and gives a result or an errno (core/restart.h for calls that a signal
// has interrupted). What is in no line is ENOSYS, and counted in task::Kernel::unknown_calls.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "sandbox/task/task.h"

namespace cella::sandbox::syscall {

struct Arguments {
  uint64_t value[6];
  uint64_t operator[](size_t i) const { return value[i]; }
  int fd(size_t i) const { return static_cast<int>(value[i]); }
  int integer(size_t i) const { return static_cast<int>(value[i]); }
  uint32_t word(size_t i) const { return static_cast<uint32_t>(value[i]); }
  int64_t offset(size_t i) const { return static_cast<int64_t>(value[i]); }
};
using Outcome = SysResult<uint64_t>;
using Handler = Outcome (*)(task::Task& task, const Arguments& arguments);

enum class Support {
  kFull,
  kPartial,  // the note says what is missing
  kAbsent,   // refused; the note says why
};

struct Entry {
  int number;
  const char* name;
  const char* arguments;  // a letter each, for strace.h
  Handler handler;
  Support support = Support::kFull;
  const char* note = "";
  // Of one that is absent: what it is refused with, and a capability without which that is EPERM (-1: none).
  int error = 0;
  int capability = -1;
};

const Entry* find(uint64_t number);
const Entry* find(std::string_view name);
// Of all calls that are known, by number.
std::span<const Entry> all();

// Serves the call that the task has stopped at: task::Kernel::Dispatch.
void dispatch(task::Task& task);

}  // namespace cella::sandbox::syscall
