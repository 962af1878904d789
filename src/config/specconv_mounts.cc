#include <sys/mount.h>

#include "config/mount_options.h"
#include "config/specconv_parts.h"

namespace cella::config {
namespace {

void check_bind(const Mount& mount, json::Report& report) {
  if (!mount.data.empty()) report.fail_in("options", "must not have {} with a bind mount", json::quoted(mount.data));
}

// Options that this kind of mount has no use for: a bind mount has none of its own for what is the filesystem's,
// mount(2), and fsconfig(2) takes no such words. `remount` is for what is there already, and nothing is.
constexpr uint64_t kNeverUsed = MS_REMOUNT | MS_SILENT | MS_I_VERSION;
constexpr uint64_t kUnusedByBinds = kNeverUsed | MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME;

void ignore_options(const Mount& mount, const std::vector<std::string>& options, json::Report& report) {
  const uint64_t unused = mount.flags & ((mount.flags & MS_BIND) != 0 ? kUnusedByBinds : kNeverUsed);
  if (unused == 0) return;
  json::At at(report, "options");
  for (size_t i = 0; i < options.size(); ++i) {
    Mount alone;
    apply_mount_options({options[i]}, alone);
    json::At item(report, i);
    if ((alone.flags & unused) != 0)
      report.warn("is ignored: {} has no effect on this mount", json::quoted(options[i]));
  }
}

// open_tree(2) and mount_setattr(2) with MOUNT_ATTR_IDMAP.
void check_idmap(const Mount& mount, const SpecconvOptions& options, json::Report& report) {
  if ((mount.flags & MS_BIND) == 0) {
    report.fail("must be a bind mount to have id mappings");
  } else if (options.rootless_euid) {
    report.fail("must not have id mappings in a rootless container");
  } else if (mount.idmap_userns_path.empty() && mount.uid_mappings.empty()) {
    report.fail_in("options", "must come with uidMappings and gidMappings, or a user namespace, to be idmapped");
  }
}

Mount convert_mount(const oci::Mount& from, const SpecconvOptions& options, const Config& config) {
  Mount mount;
  apply_mount_options(from.options, mount);
  mount.destination = from.destination.starts_with('/') ? from.destination : clean_path("/" + from.destination);
  mount.source = from.source;
  mount.device = from.type;
  if (from.type == "bind") mount.flags |= MS_BIND;
  if ((mount.flags & MS_BIND) != 0) {
    mount.device = std::string("bind");  // whatever type was written: the kernel looks at none
    if (!mount.source.starts_with('/')) mount.source = clean_path(options.bundle + "/" + mount.source);
  }
  mount.uid_mappings = convert_id_maps(from.uid_mappings);
  mount.gid_mappings = convert_id_maps(from.gid_mappings);
  if (!mount.uid_mappings.empty()) {
    mount.idmap = true;
  } else if (mount.idmap) {  // as the container's own user namespace
    mount.idmap_userns_path = config.namespaces.path_of(NamespaceType::kUser);
    if (mount.idmap_userns_path.empty()) {
      mount.uid_mappings = config.uid_mappings;
      mount.gid_mappings = config.gid_mappings;
    }
  }
  return mount;
}

}  // namespace

void convert_mounts(const oci::Spec& spec, const SpecconvOptions& options, Config& config, json::Report& report) {
  json::At at(report, "mounts");
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    json::At item(report, i);
    Mount mount = convert_mount(spec.mounts[i], options, config);
    if ((mount.flags & MS_BIND) != 0) check_bind(mount, report);
    if (mount.idmap) check_idmap(mount, options, report);
    ignore_options(mount, spec.mounts[i].options, report);
    config.mounts.push_back(std::move(mount));
  }
}

}  // namespace cella::config
