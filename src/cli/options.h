// Options: the flags of a command, declared once, one line each.
//
// The parser, the help and the messages come from the same table. The grammar is that of runc: one dash or two before
// any name, "--name value" or "--name=value", "--name" or "--name=true|false" for booleans, no abbreviations and no
// bundled letters; parsing stops at the first argument that is not a flag, or after "--".
#pragma once

#include <cella/error.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cella::cli {

struct Option {
  const char* name;    // without dashes
  const char* letter;  // "b", or null
  const char* value;   // what the help calls the value; null: a boolean; "[=…]": it may be left out
  const char* help;    // null: accepted, but not in the help
  // Stores the value (null when it was left out) in the command's options; returns what is wrong with it, or null.
  const char* (*store)(void* options, const char* value);

  bool needs_value() const { return value != nullptr && !std::string_view(value).starts_with("[="); }
};

// The whole of `text` as a decimal number, or nullopt.
std::optional<uint32_t> parse_number(const char* text);

// One for each type that an options struct may hold; a command adds its own for its enums.
const char* store_value(bool& target, const char* value);
const char* store_value(std::string& target, const char* value);
const char* store_value(uint32_t& target, const char* value);
const char* store_value(std::vector<std::string>& target, const char* value);
const char* store_value(std::vector<uint32_t>& target, const char* value);
// "true", "false" or "auto", which is absent.
const char* store_value(std::optional<bool>& target, const char* value);

// The `store` of an Option that fills Options::*Member.
template <typename Options, auto Member>
const char* into(void* options, const char* value) {
  return store_value(static_cast<Options*>(options)->*Member, value);
}

// One table out of several.
template <size_t... Sizes>
consteval auto joined(const std::array<Option, Sizes>&... tables) {
  std::array<Option, (Sizes + ...)> all{};
  size_t count = 0;
  (..., [&](const auto& table) {
    for (const Option& option : table) all[count++] = option;
  }(tables));
  return all;
}

struct Parsed {
  int positional = 0;  // index of the first argument that is not a flag; argc when there is none
  bool help = false;   // "--help" or "-h" was given
};
// Fills `options`, the struct that the table's entries store into, from argv[1] on. kInvalidArgument.
Result<Parsed> parse_options(std::span<const Option> table, void* options, int argc, char** argv);

// The lines that describe the table in the help.
std::string options_help(std::span<const Option> table);

}  // namespace cella::cli
