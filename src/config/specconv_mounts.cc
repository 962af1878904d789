#include <linux/mount.h>
#include <sys/mount.h>

#include "config/idmap_option.h"
#include "config/mount_options.h"
#include "config/specconv_parts.h"

namespace cella::config {
namespace {

constexpr uint64_t kFilesystemFlags =
    MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION | MS_SILENT;
constexpr uint64_t kNewOnlyFlags = MS_I_VERSION | MS_SILENT;

bool is_bind(const Mount& mount) {
  return (mount.flags & MS_BIND) != 0;
}
bool is_remount(const Mount& mount) {
  return (mount.flags & MS_REMOUNT) != 0;
}
bool is_cgroup(const Mount& mount) {
  return !is_bind(mount) && (mount.device == "cgroup" || mount.device == "cgroup2");
}

// What cannot be had fails, or is said to have no effect where runc and crun accept it and configs rely on that.
struct ExtensionRule {
  int extension;
  bool (*fits)(const Mount&);
  const char* need;
};
constexpr ExtensionRule kExtensionRules[] = {
    {kExtensionCopyUp, [](const Mount& m) { return m.device == "tmpfs" && !is_bind(m) && !is_remount(m); },
     "a new tmpfs"},
    {kExtensionCopySymlink, [](const Mount& m) { return is_bind(m) && !is_remount(m); }, "a bind mount"},
    {kExtensionSourceNofollow, [](const Mount& m) { return is_bind(m) && !is_remount(m); }, "a bind mount"},
    {kExtensionDestinationNofollow, [](const Mount& m) { return !is_cgroup(m) && !is_remount(m); },
     "a mount that is neither cgroup nor remount"},
};

void check_extension(int extension, const Mount& mount, json::Report& report) {
  for (const ExtensionRule& rule : kExtensionRules) {
    if (rule.extension == extension && !rule.fits(mount)) report.fail("needs {}", rule.need);
  }
  constexpr int kNofollow = kExtensionSourceNofollow | kExtensionDestinationNofollow;
  if (extension == kExtensionCopySymlink && (mount.extensions & kNofollow) != 0) {
    report.fail("must not come with src-nofollow or dest-nofollow");
  }
}

// `name` is for a filesystem, and a bind mount makes none: mount(2) ignores it, and so do runc and crun.
void warn_of_bind(std::string_view name, json::Report& report) {
  report.warn("{} has no effect: it is for filesystems, and this mount shows one that is there", name);
}

void check_flag(const MountOption& option, const Mount& mount, json::Report& report) {
  if ((option.value & kFilesystemFlags) != 0 && (is_bind(mount) || is_cgroup(mount))) {
    warn_of_bind(option.name, report);
  } else if ((option.value & kNewOnlyFlags) != 0 && is_remount(mount)) {
    report.warn("{} has no effect on a filesystem that is there", option.name);
  } else if (option.clears && option.value == MS_RELATIME && (mount.flags & (MS_NOATIME | MS_STRICTATIME)) == 0) {
    report.warn("{} has no effect: Linux has relatime unless it is told noatime or strictatime", option.name);
  }
}

void check_option(const std::string& name, const Mount& mount, json::Report& report) {
  const MountOption* option = find_mount_option(name);
  if (option == nullptr) {
    if (is_bind(mount)) warn_of_bind(json::quoted(name), report);
    return;
  }
  switch (option->kind) {
    case MountOptionKind::kFlag:
      return check_flag(*option, mount, report);
    case MountOptionKind::kRecursiveAttribute:
      if (option->clears && option->value == MOUNT_ATTR_RELATIME &&
          (mount.rec_attr_set & (MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME)) == 0) {
        report.warn("{} has no effect: Linux has relatime unless it is told rnoatime or rstrictatime", option->name);
      }
      return;
    case MountOptionKind::kExtension:
      return check_extension(static_cast<int>(option->value), mount, report);
    case MountOptionKind::kNothing:
    case MountOptionKind::kPropagation:
    case MountOptionKind::kIdmap:
      return;
  }
}

// open_tree(2) and mount_setattr(2) with MOUNT_ATTR_IDMAP.
void check_idmap(const Mount& mount, const SpecconvOptions& options, json::Report& report) {
  if (!is_bind(mount) || is_remount(mount)) {
    report.fail("must be a bind mount to have id mappings");
  } else if (options.rootless_euid) {
    report.fail("must not have id mappings in a rootless container");
  } else if (mount.idmap_userns_path.empty() && mount.uid_mappings.empty()) {
    report.fail_in("options", "must come with uidMappings and gidMappings, or a user namespace, to be idmapped");
  }
}

// The maps in the options, or else the mount's own, or else those of the container's user namespace.
void convert_idmap(const oci::Mount& from, const Config& config, Mount& mount, json::Report& report) {
  json::At at(report, "options");
  for (size_t i = 0; i < from.options.size(); ++i) {
    const std::string& option = from.options[i];
    size_t maps = option.find('=');
    const MountOption* known = find_mount_option(option);
    if (maps == option.npos || known == nullptr) continue;
    json::At item(report, i);
    if (!mount.uid_mappings.empty()) {
      report.fail("must be the only id mapping of the mount");
    } else {
      parse_idmap_option(std::string_view(option).substr(maps + 1), config, mount, report);
    }
  }
  if (!mount.idmap || !mount.uid_mappings.empty()) return;
  mount.idmap_userns_path = config.namespaces.path_of(NamespaceType::kUser);
  if (!mount.idmap_userns_path.empty()) return;
  mount.uid_mappings = config.uid_mappings;
  mount.gid_mappings = config.gid_mappings;
}

Mount convert_mount(const oci::Mount& from, const SpecconvOptions& options, const Config& config,
                    json::Report& report) {
  Mount mount;
  apply_mount_options(from.options, mount);
  mount.destination = from.destination.starts_with('/') ? from.destination : clean_path("/" + from.destination);
  mount.source = from.source;
  mount.device = from.type;
  if (from.type == "bind") mount.flags |= MS_BIND;
  if (is_bind(mount)) {
    mount.device = std::string("bind");  // whatever type was written: the kernel looks at none
    if (!mount.source.starts_with('/')) mount.source = clean_path(options.bundle + "/" + mount.source);
  }
  mount.uid_mappings = convert_id_maps(from.uid_mappings);
  mount.gid_mappings = convert_id_maps(from.gid_mappings);
  mount.idmap = mount.idmap || !mount.uid_mappings.empty();
  convert_idmap(from, config, mount, report);
  return mount;
}

}  // namespace

void convert_mounts(const oci::Spec& spec, const SpecconvOptions& options, Config& config, json::Report& report) {
  json::At at(report, "mounts");
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    json::At item(report, i);
    const oci::Mount& from = spec.mounts[i];
    size_t found = report.findings.size();
    Mount mount = convert_mount(from, options, config, report);
    {
      json::At options_at(report, "options");
      for (size_t k = 0; k < from.options.size(); ++k) {
        json::At option(report, k);
        check_option(from.options[k], mount, report);
      }
    }
    if (is_bind(mount)) mount.data.clear();
    if (mount.device.empty() && !is_remount(mount)) report.fail_in("type", "must be given, as this is no bind mount");
    if (mount.idmap && report.findings.size() == found) check_idmap(mount, options, report);
    config.mounts.push_back(std::move(mount));
  }
}

}  // namespace cella::config
