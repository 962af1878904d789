#include "plan/print.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <functional>

#include "config/capabilities.h"
#include "json/writer.h"
#include "plan/print_names.h"

namespace cella::plan {
namespace {

struct OpInfo {
  std::string_view name, arguments, sentence;
};
constexpr OpInfo kOps[] = {
#define CELLA_OP_INFO(identifier, name, arguments, sentence) {name, arguments, sentence},
    CELLA_PLAN_OPS(CELLA_OP_INFO)
#undef CELLA_OP_INFO
};

struct Argument {
  std::string_view name;
  char kind;
  uint64_t value;
};

// "slot:f path:s" with the step's values.
std::vector<Argument> arguments_of(const Step& step) {
  std::vector<Argument> arguments;
  std::string_view rest = kOps[static_cast<size_t>(step.op)].arguments;
  while (!rest.empty()) {
    size_t colon = rest.find(':');
    arguments.push_back({rest.substr(0, colon), rest[colon + 1], step.args[arguments.size()]});
    rest.remove_prefix(std::min(colon + 3, rest.size()));
  }
  return arguments;
}

const char* performer(Op op) {
  return op <= Op::kClone ? "launcher" : "init";
}

std::string quoted(std::string_view text) {
  bool plain = !text.empty();
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < ' ' || c > '~') {  // bytes beyond ASCII are negative
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
      if (c != '"' && c != '\\' && c != ' ') continue;
    }
    plain = false;
  }
  return plain ? std::string(text) : out + '"';
}

std::vector<uint32_t> ids_in(std::string_view bytes) {
  std::vector<uint32_t> ids(bytes.size() / sizeof(uint32_t));
  if (!ids.empty()) std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(uint32_t));
  return ids;
}

// The set bits as "0-3,7", the form that a config has them in.
std::string number_list(std::string_view mask) {
  auto is_set = [&](size_t n) {
    return n / 8 < mask.size() && (static_cast<unsigned char>(mask[n / 8]) >> (n % 8) & 1) != 0;
  };
  std::string out;
  for (size_t first = 0; first < mask.size() * 8; ++first) {
    if (!is_set(first)) continue;
    size_t last = first;
    while (is_set(last + 1)) ++last;
    if (!out.empty()) out += ',';
    out += last == first ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
    first = last;
  }
  return out;
}

std::string node_mode(uint64_t mode) {
  char type = S_ISBLK(mode) ? 'b' : S_ISFIFO(mode) ? 'p' : S_ISCHR(mode) ? 'c' : '?';
  return fmt::format("{} {:04o}", type, mode & 07777);
}

std::string device_number(uint64_t device) {
  return fmt::format("{}:{}", gnu_dev_major(device), gnu_dev_minor(device));
}

template <typename List, typename Function>
std::string joined(const List& list, const char* separator, Function&& text_of) {
  std::string out;
  for (const auto& item : list) {
    if (!out.empty()) out += separator;
    out += text_of(item);
  }
  return out.empty() ? "none" : out;
}

bool is_empty(const Plan& plan, const Argument& argument) {
  switch (argument.kind) {
    case 's':
      return *plan.string(argument.value) == '\0';
    case 'l':
    case 'i':
    case 'g':
    case 'u':
      return Range::from(argument.value).count == 0;
    case 'f':
      return argument.value == kNoSlot;
    case 'p':
    case 'r':
    case 'y':
    case 'q':
    case 'd':
      return false;
    default:
      return argument.value == 0;
  }
}

std::string text_of(const Plan& plan, const Argument& argument) {
  uint64_t value = argument.value;
  if (is_flag_kind(argument.kind)) {
    constexpr uint64_t kAllCapabilities = (uint64_t{1} << (config::kLastCapability + 1)) - 1;
    if (argument.kind == 'k' && value == kAllCapabilities) return "all";
    return joined(flag_names(argument.kind, value), argument.kind == 't' ? ", " : ",", std::identity());
  }
  switch (argument.kind) {
    case 's':
      return quoted(plan.string(value));
    case 'l':
      return joined(plan.list(value), " ", quoted);
    case 'q':
      return scheduler_text(plan.blob(value));
    case 'i':
      return fmt::format("{} instructions", plan.blob(value).size() / sizeof(sock_filter));
    case 'g':
      return joined(ids_in(plan.blob(value)), ",", [](uint32_t id) { return std::to_string(id); });
    case 'u':
      return number_list(plan.blob(value));
    case 'v':
      return value == RLIM_INFINITY ? "unlimited" : std::to_string(value);
    case 'w':
      return value != 0 ? "yes" : "no";
    case 'x':
      return fmt::format("{:#x}", value);
    case 'o':
      return fmt::format("{:04o}", value);
    case 'e':
      return node_mode(value);
    case 'd':
      return device_number(value);
    case 'f':
      return value == kNoSlot ? "none" : fmt::format("#{}", value);
    case 'p':
      return sync_point_name(value);
    case 'r':
      return rlimit_name(value);
    case 'y':
      return memory_policy_name(value);
    default:
      return std::to_string(value);
  }
}

void write_json(json::Writer& w, const Plan& plan, const Argument& argument) {
  uint64_t value = argument.value;
  if (is_flag_kind(argument.kind)) {
    w.begin_array();
    for (const std::string& name : flag_names(argument.kind, value)) w.string(name);
    return w.end_array();
  }
  switch (argument.kind) {
    case 's':
      return w.string(plan.string(value));
    case 'l':
      w.begin_array();
      for (std::string_view text : plan.list(value)) w.string(text);
      return w.end_array();
    case 'g':
      w.begin_array();
      for (uint32_t id : ids_in(plan.blob(value))) w.unsigned_integer(id);
      return w.end_array();
    case 'i':
      return w.unsigned_integer(plan.blob(value).size() / sizeof(sock_filter));
    case 'w':
      return w.boolean(value != 0);
    case 'f':
      return value == kNoSlot ? w.null() : w.unsigned_integer(value);
    case 'n':
    case 'v':
      return w.unsigned_integer(value);
    default:
      return w.string(text_of(plan, argument));
  }
}

// A sentence with its placeholders filled in and its empty [parts] left out.
class Sentence {
 public:
  Sentence(const Plan& plan, const Step& step) : plan_(plan), arguments_(arguments_of(step)) {}

  std::string expand(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      size_t at = text.find_first_of("[{");
      out += text.substr(0, at);
      if (at == text.npos) break;
      size_t end = text.find(text[at] == '[' ? ']' : '}', at);
      std::string_view inner = text.substr(at + 1, end - at - 1);
      if (text[at] == '{') {
        out += placeholder(inner);
      } else {
        used_ = false;
        std::string part = expand(inner);
        if (used_) out += part;
      }
      text.remove_prefix(end + 1);
    }
    return out;
  }

 private:
  std::string placeholder(std::string_view name) {
    bool silent = name.ends_with('?');
    if (silent) name.remove_suffix(1);
    for (const Argument& argument : arguments_) {
      if (argument.name != name) continue;
      if (!is_empty(plan_, argument)) used_ = true;
      return silent ? "" : text_of(plan_, argument);
    }
    return fmt::format("{{{}}}", name);  // a mistake in the table; a test looks for it
  }

  const Plan& plan_;
  std::vector<Argument> arguments_;
  bool used_ = false;  // an argument that is not empty since the last '['
};

}  // namespace

std::string to_text(const Plan& plan) {
  std::string out;
  size_t number = 0;
  for (const Step& step : plan.steps()) {
    std::string sentence = Sentence(plan, step).expand(kOps[static_cast<size_t>(step.op)].sentence);
    out += fmt::format("{:3}  {:8}  {}\n", ++number, performer(step.op), sentence);
  }
  return out;
}

std::string to_json(const Plan& plan) {
  json::Writer w;
  w.begin_object();
  w.key("steps");
  w.begin_array();
  uint64_t number = 0;
  for (const Step& step : plan.steps()) {
    w.begin_object();
    w.key("n");
    w.unsigned_integer(++number);
    w.key("by");
    w.string(performer(step.op));
    w.key("op");
    w.string(kOps[static_cast<size_t>(step.op)].name);
    for (const Argument& argument : arguments_of(step)) {
      w.key(argument.name);
      write_json(w, plan, argument);
    }
    w.end_object();
  }
  w.end_array();
  w.end_object();
  return w.take() + "\n";
}

}  // namespace cella::plan
