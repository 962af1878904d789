// TRY: return an error to the caller, or give the value.
//
//   FileDescriptor fd = TRY(sys::open(path, O_RDONLY), "opening {}", path);
//   TRY(sys::fchdir(fd));
//
// In a function that returns Result<T> the optional format arguments become one link of the error's context; in one
// that returns SysResult<T> there must be none. An Errno is lifted to an Error where the function returns Result.
//
// Not behind another element of a braced initializer: what is built of that already would never be destroyed.
#pragma once

#include <fmt/format.h>

#include <cella/error.h>

#include <type_traits>

#define TRY(expression, ...)                                                                                       \
  ({                                                                                                               \
    auto cella_try_result = (expression);                                                                          \
    if (!cella_try_result) [[unlikely]]                                                                            \
      return ::cella::base::propagate(std::move(cella_try_result).error() __VA_OPT__(, fmt::format(__VA_ARGS__))); \
    ::cella::base::take(std::move(cella_try_result));                                                              \
  })

namespace cella::base {

template <typename T, typename E>
T take(std::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline std::unexpected<Errno> propagate(Errno e) {
  return std::unexpected(e);
}
inline std::unexpected<Error> propagate(Error&& e) {
  return std::unexpected(std::move(e));
}
inline std::unexpected<Error> propagate(Errno e, std::string&& what) {
  return std::unexpected(Error(e).with(std::move(what)));
}
inline std::unexpected<Error> propagate(Error&& e, std::string&& what) {
  return std::unexpected(std::move(e).with(std::move(what)));
}

// fail(code, "format {}", args…) makes an unexpected Error.
template <typename... Args>
std::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}
// fail_errno(ENOENT, "opening {}", path): context and errno, rendered "opening x: no such file or directory".
template <typename... Args>
std::unexpected<Error> fail_errno(int errno_value, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error(Errno{errno_value}).with(fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace cella::base
