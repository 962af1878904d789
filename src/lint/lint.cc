#include "lint/lint.h"

#include <fcntl.h>

#include <cstdlib>

#include "config/specconv.h"
#include "lint/host.h"
#include "oci/parse.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

constexpr void (*kCheckers[])(const Subject&, json::Report&) = {
    check_kernel,     check_root,    check_program,     check_process,       check_hooks,  check_mounts,
    check_namespaces, check_id_maps, check_cgroups,     check_devices,       check_labels, check_seccomp,
    check_sysctls,    check_rdt,     check_net_devices, check_memory_policy,
};

}  // namespace

void check(const oci::Spec& spec, const config::Config& config, const cgroup::Layout& layout, bool privileged,
           json::Report& report) {
  Subject subject = {spec, config, layout, privileged, sys::open(config.rootfs.c_str(), O_PATH | O_DIRECTORY), {}};
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    subject.mounted.emplace(config::clean_path(config.mounts[i].destination), i);
  }
  for (auto checker : kCheckers) checker(subject, report);
}

void check_kernel(const Subject& subject, json::Report& report) {
  if (!kernel_is_at_least(5, 12)) {
    report.fail("cannot be run by this kernel: Linux 5.12 is needed, for mount_setattr(2) among others");
  }
  // A version that is valid, so of the form 1.MINOR…
  constexpr int kMinor = oci::kSpecVersion[2] - '0';
  static_assert(oci::kSpecVersion[3] == '.');
  if (subject.spec.version[0] == '1' && std::atoi(subject.spec.version.c_str() + 2) > kMinor) {
    report.warn_in("ociVersion", "is newer than {}: fields that came later are not known", oci::kSpecVersion);
  }
}

}  // namespace cella::lint
