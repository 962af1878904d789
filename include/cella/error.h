// Errors of the public API.
//
// An Error is a value: a stable code, the errno behind it (0 where there is none), what was attempted (outermost
// first) and, where one is known, a hint. Its text reads "creating container web: mounting tmpfs on /dev/shm: invalid
// argument". The first eleven codes are libcontainer's ErrorCode, in its order.
#pragma once

#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cella {

enum class ErrorCode {
  kIdInUse,              // id is already in use by a container
  kInvalidIdFormat,      // id is not of the form [A-Za-z0-9_+.-]+
  kContainerNotExists,   // no such container under this root
  kContainerPaused,      // the operation needs a container that is not paused
  kContainerNotStopped,  // the operation needs a stopped container
  kContainerNotRunning,  // the operation needs a running (or created) container
  kContainerNotPaused,   // resume of a container that is not paused
  kNoProcessOps,         // the process has not been started
  kConfigInvalid,        // the configuration breaks the specification; see Error::findings
  kConsoleExists,        // the process already has a console
  kSystemError,          // a system call failed; see Error::errno_value
  kUnsupported,          // asked for something this host or this build cannot do
  kInvalidArgument,      // a bad argument of a call (not of a config)
};

// A plain errno, for code that may not allocate. Never 0.
struct Errno {
  int value;
  friend bool operator==(Errno, Errno) = default;
};

// One thing wrong with a JSON document: where (an RFC 6901 pointer, "" is the whole document) and what, as a sentence.
struct Finding {
  std::string pointer;
  std::string message;
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Text of an errno as the callers of runtimes match it: strerror's, with a lower-case first letter.
std::string errno_text(int errno_value);

struct Error {
  ErrorCode code = ErrorCode::kSystemError;
  int errno_value = 0;
  std::string message;               // the innermost sentence; empty when the errno says it all
  std::vector<std::string> context;  // what was being done, innermost first
  std::string hint;                  // what the user can do about it, or empty
  std::vector<Finding> findings;     // kConfigInvalid: everything that is wrong; kUnsupported: or cannot be had

  Error() = default;
  Error(Errno e) : errno_value(e.value) {}  // NOLINT: implicit on purpose, so that TRY lifts an Errno
  Error(ErrorCode c, std::string m, int e = 0) : code(c), errno_value(e), message(std::move(m)) {}

  // Adds "what was attempted" around the error.
  Error with(std::string what) && {
    context.push_back(std::move(what));
    return std::move(*this);
  }
  // The whole chain, "a: b: no such file or directory". Without the hint and the findings.
  std::string text() const;
};

template <typename T>
using SysResult = std::expected<T, Errno>;  // no allocation anywhere
template <typename T>
using Result = std::expected<T, Error>;

}  // namespace cella
