#include "oci/sysctl.h"

namespace cella::oci {
namespace {

struct Rule {
  std::string_view name;  // that ends with '.': a prefix
  SysctlScope scope;
};
constexpr Rule kRules[] = {
    {"kernel.msgmax", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.msgmnb", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.msgmni", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.sem", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.shmall", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.shmmax", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.shmmni", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"kernel.shm_rmid_forced", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"fs.mqueue.", {SysctlScope::kNamespaced, NamespaceType::kIpc}},
    {"net.", {SysctlScope::kNamespaced, NamespaceType::kNetwork}},
    {"kernel.domainname", {SysctlScope::kNamespaced, NamespaceType::kUts}},
    {"kernel.hostname", {SysctlScope::kHostname, NamespaceType::kUts}},
    {"user.", {SysctlScope::kNamespaced, NamespaceType::kUser}},
};

bool is_separator(char c) {
  return c == '.' || c == '/';
}

}  // namespace

bool is_sysctl_name(std::string_view name) {
  bool part_is_empty = true;
  for (char c : name) {
    if (is_separator(c)) {
      if (part_is_empty) return false;
      part_is_empty = true;
      continue;
    }
    if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != '-') return false;
    part_is_empty = false;
  }
  return !part_is_empty;
}

std::string sysctl_with_dots(std::string_view name) {
  std::string out(name);
  size_t first = name.find_first_of("./");
  if (first == std::string_view::npos || name[first] == '.') return out;
  for (char& c : out)
    if (is_separator(c)) c = c == '.' ? '/' : '.';
  return out;
}

SysctlScope sysctl_scope(std::string_view name) {
  const std::string dotted = sysctl_with_dots(name);
  for (const Rule& rule : kRules)
    if (rule.name.back() == '.' ? dotted.starts_with(rule.name) : dotted == rule.name) return rule.scope;
  return {};
}

}  // namespace cella::oci
