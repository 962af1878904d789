#include "config/config.h"

#include <linux/sched.h>

#include <algorithm>

namespace cella::config {
namespace {

struct NamespaceName {
  NamespaceType type;
  const char* key;
  const char* file;
  const char* oci_name;
  uint64_t clone_flag;
};
constexpr NamespaceName kNamespaceNames[] = {
    {NamespaceType::kNet, "NEWNET", "net", "network", CLONE_NEWNET},
    {NamespaceType::kPid, "NEWPID", "pid", "pid", CLONE_NEWPID},
    {NamespaceType::kMount, "NEWNS", "mnt", "mount", CLONE_NEWNS},
    {NamespaceType::kUts, "NEWUTS", "uts", "uts", CLONE_NEWUTS},
    {NamespaceType::kIpc, "NEWIPC", "ipc", "ipc", CLONE_NEWIPC},
    {NamespaceType::kUser, "NEWUSER", "user", "user", CLONE_NEWUSER},
    {NamespaceType::kCgroup, "NEWCGROUP", "cgroup", "cgroup", CLONE_NEWCGROUP},
    {NamespaceType::kTime, "NEWTIME", "time", "time", CLONE_NEWTIME},
};
static_assert(sizeof kNamespaceNames / sizeof kNamespaceNames[0] == kNamespaceTypeCount);

const NamespaceName& name_of(NamespaceType type) {
  return kNamespaceNames[static_cast<int>(type)];
}

Device character_device(const char* path, int64_t major, int64_t minor, const char* permissions) {
  Device device;
  device.path = path;
  device.major = major;
  device.minor = minor;
  device.permissions = permissions;
  device.file_mode = 0666;
  device.allow = true;
  return device;
}

std::optional<int64_t> host_id(const std::vector<IDMap>& maps, int64_t container_id) {
  for (const IDMap& map : maps) {
    if (container_id >= map.container_id && container_id - map.container_id < map.size) {
      return map.host_id + (container_id - map.container_id);
    }
  }
  return std::nullopt;
}

}  // namespace

const char* namespace_key(NamespaceType type) {
  return name_of(type).key;
}
const char* namespace_file(NamespaceType type) {
  return name_of(type).file;
}
const char* namespace_oci_name(NamespaceType type) {
  return name_of(type).oci_name;
}
uint64_t namespace_clone_flag(NamespaceType type) {
  return name_of(type).clone_flag;
}

std::optional<NamespaceType> namespace_from_key(const std::string& key) {
  for (const NamespaceName& name : kNamespaceNames)
    if (key == name.key) return name.type;
  return std::nullopt;
}

std::optional<NamespaceType> namespace_from_oci_name(const std::string& oci_name) {
  for (const NamespaceName& name : kNamespaceNames)
    if (oci_name == name.oci_name) return name.type;
  return std::nullopt;
}

void Namespaces::add(NamespaceType type, std::string path) {
  remove(type);
  list.push_back({type, std::move(path)});
}

bool Namespaces::remove(NamespaceType type) {
  return std::erase_if(list, [&](const Namespace& ns) { return ns.type == type; }) > 0;
}

uint64_t Namespaces::clone_flags() const {
  uint64_t flags = 0;
  for (const Namespace& ns : list)
    if (ns.path.empty()) flags |= namespace_clone_flag(ns.type);
  return flags;
}

const std::vector<Device>& default_simple_devices() {
  static const std::vector<Device> devices = {
      character_device("/dev/null", 1, 3, "rwm"),   character_device("/dev/zero", 1, 5, "rwm"),
      character_device("/dev/full", 1, 7, "rwm"),   character_device("/dev/tty", 5, 0, "rwm"),
      character_device("/dev/random", 1, 8, "rwm"), character_device("/dev/urandom", 1, 9, "rwm"),
  };
  return devices;
}

const std::vector<Device>& default_allowed_devices() {
  static const std::vector<Device> rules = [] {
    std::vector<Device> list;
    Device any = character_device("", kWildcard, kWildcard, "m");
    list.push_back(any);
    any.type = 'b';
    list.push_back(any);
    list.push_back(character_device("/dev/console", 5, 1, "rwm"));
    list.push_back(character_device("", 136, kWildcard, "rwm"));  // /dev/pts/*
    list.push_back(character_device("", 5, 2, "rwm"));            // /dev/ptmx
    list.push_back(character_device("", 10, 200, "rwm"));         // /dev/net/tun
    for (const Device& device : default_simple_devices()) list.push_back(device);
    return list;
  }();
  return rules;
}

std::string Config::label(const std::string& key) const {
  for (const std::string& entry : labels)
    if (entry.size() > key.size() && entry[key.size()] == '=' && entry.starts_with(key))
      return entry.substr(key.size() + 1);
  return {};
}

std::optional<int64_t> Config::host_root_uid() const {
  return namespaces.contains(NamespaceType::kUser) ? host_id(uid_mappings, 0) : 0;
}

std::optional<int64_t> Config::host_root_gid() const {
  return namespaces.contains(NamespaceType::kUser) ? host_id(gid_mappings, 0) : 0;
}

}  // namespace cella::config
