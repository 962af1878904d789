// TRY(expr): the value of a Result, or return its error. The library's own macro is private to it.
#pragma once

#include <cella/error.h>

#include <type_traits>
#include <utility>

#define TRY(expression)                                            \
  ({                                                               \
    auto cella_try_result = (expression);                          \
    if (!cella_try_result) [[unlikely]]                            \
      return std::unexpected(std::move(cella_try_result).error()); \
    ::cella::cli::take(std::move(cella_try_result));               \
  })

namespace cella::cli {

template <typename T>
T take(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// A mistake on the command line.
inline std::unexpected<Error> usage_error(std::string message) {
  return std::unexpected(Error(ErrorCode::kInvalidArgument, std::move(message)));
}
// What `errno` says about "opening x".
inline std::unexpected<Error> system_error(int errno_value, std::string what) {
  return std::unexpected(Error(Errno{errno_value}).with(std::move(what)));
}

}  // namespace cella::cli
