#include "cli/options.h"

#include <getopt.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "cli/integer.h"
#include "cli/try.h"

namespace cella::cli {
namespace {

constexpr Option kHelp{"help", "h", nullptr, "show this help", nullptr};

// getopt returns this plus the index of the option: apart from its own '?' and ':'.
constexpr int kFirst = 256;

std::string quoted(const char* text) {
  return std::string("\"") + (text != nullptr ? text : "") + '"';
}

// "--bundle" and "-bundle=x" name the option "bundle".
bool names_option(const Option& option, std::string_view argument) {
  argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
  std::string_view name = argument.substr(0, argument.find('='));
  return name == option.name || (option.letter != nullptr && name == option.letter);
}

}  // namespace

std::optional<uint32_t> parse_number(const char* text) {
  return parse_integer<uint32_t>(text);
}

const char* store_value(bool& target, const char* value) {
  std::string_view text = value != nullptr ? value : "true";
  if (text != "true" && text != "false" && text != "1" && text != "0") return "must be true or false";
  target = text == "true" || text == "1";
  return nullptr;
}

const char* store_value(std::string& target, const char* value) {
  target = value;
  return nullptr;
}

const char* store_value(uint32_t& target, const char* value) {
  std::optional<uint32_t> number = parse_number(value);
  if (!number) return "must be a number";
  target = *number;
  return nullptr;
}

const char* store_value(std::vector<std::string>& target, const char* value) {
  target.emplace_back(value);
  return nullptr;
}

const char* store_value(std::vector<uint32_t>& target, const char* value) {
  std::optional<uint32_t> number = parse_number(value);
  if (!number) return "must be a number";
  target.push_back(*number);
  return nullptr;
}

const char* store_value(std::optional<bool>& target, const char* value) {
  target.reset();
  if (std::string_view(value) == "auto") return nullptr;
  bool decided = false;
  if (store_value(decided, value) != nullptr) return "must be true, false or auto";
  target = decided;
  return nullptr;
}

Result<Parsed> parse_options(std::span<const Option> table, void* options, int argc, char** argv) {
  // A letter is one more long name: "-b" then has an exact match, and "-b=x" works as it does in runc.
  std::vector<::option> names;
  names.reserve(2 * table.size() + 3);
  auto add = [&](const Option& option, int index) {
    int argument = option.needs_value() ? required_argument : optional_argument;
    names.push_back({option.name, argument, nullptr, kFirst + index});
    if (option.letter != nullptr) names.push_back({option.letter, argument, nullptr, kFirst + index});
  };
  for (size_t i = 0; i < table.size(); ++i) add(table[i], static_cast<int>(i));
  const int help = static_cast<int>(table.size());  // its index
  add(kHelp, help);
  names.push_back({});

  Parsed parsed;
  optind = 0;  // glibc: start afresh
  opterr = 0;
  for (int at = 1;; at = optind) {
    const int found = getopt_long_only(argc, argv, "+:", names.data(), nullptr);
    if (found == -1) break;
    const std::string_view argument = argv[at];
    const int index = (found == ':' ? optopt : found) - kFirst;
    const Option* option = index < 0 ? nullptr : index == help ? &kHelp : &table[static_cast<size_t>(index)];
    // getopt accepts a unique prefix of a name; here that is a flag that nobody declared.
    if (option == nullptr || !names_option(*option, argument)) {
      return usage_error("flag provided but not defined: " + std::string(argument));
    }
    if (found == ':') return usage_error("flag needs an argument: " + std::string(argument));
    if (index == help) {
      parsed.help = true;
      continue;
    }
    if (const char* wrong = option->store(options, optarg)) {
      return usage_error("invalid value " + quoted(optarg) + " for flag --" + option->name + ": " + wrong);
    }
  }
  parsed.positional = optind;
  return parsed;
}

std::string options_help(std::span<const Option> table) {
  std::vector<std::pair<std::string, const char*>> lines;
  auto add = [&](const Option& option) {
    if (option.help == nullptr) return;
    std::string left = option.letter != nullptr ? std::string("  -") + option.letter + ", " : "      ";
    left += std::string("--") + option.name;
    if (option.value != nullptr) left.append(option.needs_value() ? " " : "").append(option.value);
    lines.emplace_back(std::move(left), option.help);
  };
  std::ranges::for_each(table, add);
  add(kHelp);

  size_t width = 0;
  for (const auto& line : lines) width = std::max(width, line.first.size());
  std::string text;
  for (const auto& [left, right] : lines) text += left + std::string(width + 2 - left.size(), ' ') + right + '\n';
  return text;
}

}  // namespace cella::cli
