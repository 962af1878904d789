// /linux/namespaces: what the kernel and its limits allow, and paths that are what they should be.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>

#include "config/config.h"
#include "lint/host.h"
#include "lint/lint.h"
#include "oci/spec_schema.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

config::NamespaceType type_of(const oci::Namespace& ns) {
  return *config::namespace_from_oci_name(json::name_of(ns.type));
}

void check_new(config::NamespaceType type, json::Report& report) {
  const std::string file = config::namespace_file(type);
  if (!exists("/proc/self/ns/" + file)) return report.fail_in("type", "is not in this kernel");
  const std::string limit = fmt::format("/proc/sys/user/max_{}_namespaces", file);
  if (first_line(limit) == "0") report.fail_in("type", "is not to be had: {} is 0", limit);
}

void check_joined(const oci::Namespace& ns, json::Report& report) {
  // Looked at before it is opened: a device or a fifo would do something.
  SysResult<sys::FileDescriptor> file = sys::open(ns.path.c_str(), O_PATH);
  if (!file) return report.fail_in("path", "cannot be opened: {}: {}", ns.path, errno_text(file.error().value));
  SysResult<int64_t> filesystem = sys::filesystem_type(file->get());
  if (!filesystem || *filesystem != NSFS_MAGIC) return report.fail_in("path", "is not a namespace: {}", ns.path);
  SysResult<sys::FileDescriptor> opened = sys::open(fmt::format("/proc/self/fd/{}", file->get()).c_str(), O_RDONLY);
  if (!opened) return report.fail_in("path", "cannot be opened: {}: {}", ns.path, errno_text(opened.error().value));
  const int flag = ::ioctl(opened->get(), NS_GET_NSTYPE);
  if (flag >= 0 && static_cast<uint64_t>(flag) != config::namespace_clone_flag(type_of(ns))) {
    report.fail_in("path", "is not a {} namespace: {}", json::name_of(ns.type), ns.path);
  }
}

}  // namespace

void check_namespaces(const Subject& subject, json::Report& report) {
  json::At linux_at(report, "linux");
  const std::vector<oci::Namespace> none;
  const std::vector<oci::Namespace>& list = subject.spec.linux_config ? subject.spec.linux_config->namespaces : none;
  if (!subject.privileged && !subject.config.namespaces.contains(config::NamespaceType::kUser)) {
    report.fail_in("namespaces", "must have a user namespace for a caller who is not root (`cella spec --rootless`)");
  }
  json::At at(report, "namespaces");
  for (size_t i = 0; i < list.size(); ++i) {
    json::At item(report, i);
    if (list[i].path.empty()) {
      check_new(type_of(list[i]), report);
    } else {
      check_joined(list[i], report);
    }
  }
}

}  // namespace cella::lint
