// `features` of the OCI runtime specification (features.md, features-linux.md): what a runtime can do. Plain data and
// its JSON; whoever fills it says what is true.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cella::oci {

// The lists are the names that config.json may use.
struct CgroupFeatures {
  bool v1 = false, v2 = false, systemd = false, systemd_user = false, rdma = false;
};
struct SeccompFeatures {
  bool enabled = false;
  std::vector<std::string> actions, operators, archs, known_flags;
  std::vector<std::string> supported_flags;  // by this kernel, too
};
struct IntelRdtFeatures {
  bool enabled = false, schemata = false, monitoring = false;
};
struct MemoryPolicyFeatures {
  std::vector<std::string> modes, flags;
};

struct LinuxFeatures {
  std::vector<std::string> namespaces, capabilities;
  CgroupFeatures cgroup;
  SeccompFeatures seccomp;
  bool apparmor = false, selinux = false;
  IntelRdtFeatures intel_rdt;
  MemoryPolicyFeatures memory_policy;
  bool idmapped_mounts = false;
  bool net_devices = false;
};

struct Features {
  std::string version_min, version_max;
  std::vector<std::string> hooks, mount_options;
  LinuxFeatures linux_features;
  std::map<std::string, std::string> annotations;
  // Annotations of config.json that change what the runtime does; one that ends with '.' is a prefix.
  std::vector<std::string> unsafe_annotations;
};

// Complete: nothing is left out, because what is absent would mean "unknown". Indented as runc does it.
std::string to_json(const Features& features);

}  // namespace cella::oci
