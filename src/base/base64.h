// base64 of RFC 4648, section 4: the standard alphabet, with padding, and nothing between.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cella::base {

// nullopt: it is not exactly that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace cella::base
