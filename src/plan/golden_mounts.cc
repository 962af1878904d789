#include <linux/mount.h>
#include <sys/mount.h>

#include "plan/golden_cases.h"

namespace cella::plan {
namespace {

using config::NamespaceType;

config::Mount extended(config::Mount mount, int extensions) {
  mount.extensions = extensions;
  return mount;
}

}  // namespace

std::vector<GoldenCase> mount_cases() {
  return {
      {"mounts_idmapped",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(idmapped("/srv/a", "/a", {{0, 1000, 10}, {10, 5000, 1}}, {{0, 2000, 10}}, MS_RDONLY));
         mounts.push_back(idmapped("/srv/b", "/b", {{0, 7, 1}}, {{0, 8, 1}}, MS_REC));
         mounts.back().idmap_recursive = true;
         mounts.push_back(idmapped("/srv/c", "/c", {{0, 1000, 10}, {10, 5000, 1}}, {{0, 2000, 10}}));
         mounts.push_back(bind_of("/srv/plain", "/plain"));
       }},
      {"mounts_idmapped_user_joined",
       [](Input& in) {
         in.config.namespaces.add(NamespaceType::kUser, "/run/ns/user");
         in.config.root_propagation = MS_PRIVATE | MS_REC;
         in.config.mounts.push_back(idmapped("/srv/a", "/a", {}, {}));
         in.config.mounts.back().idmap_userns_path = "/run/ns/user";
         in.config.mounts.push_back(bind_of("/srv/plain", "/plain"));
       }},
      {"mounts_copy_up",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(extended(mount_of("tmpfs", "tmpfs", "/etc", MS_RDONLY), config::kExtensionCopyUp));
         mounts.push_back(extended(mount_of("tmpfs", "tmpfs", "/var", 0, "uid=5"), config::kExtensionCopyUp));
         mounts.push_back(extended(mount_of("tmpfs", "tmpfs", "/tmp", 0, "mode=1777"), config::kExtensionCopyUp));
       }},
      {"mounts_links",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(extended(bind_of("/srv/l", "/copied"), config::kExtensionCopySymlink));
         mounts.push_back(extended(bind_of("/srv/l", "/itself"), config::kExtensionSourceNofollow));
         mounts.push_back(extended(bind_of("/srv/l", "/onto"), config::kExtensionDestinationNofollow));
       }},
      {"mounts_links_user_new",
       [](Input& in) {
         in.config.namespaces.add(NamespaceType::kUser);
         in.config.uid_mappings = in.config.gid_mappings = {{0, 100000, 65536}};
         in.config.mounts.push_back(extended(bind_of("/srv/l", "/copied"), config::kExtensionCopySymlink));
       }},
      {"mounts_remount",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(mount_of("tmpfs", "tmpfs", "/run"));
         mounts.push_back(mount_of("tmpfs", "tmpfs", "/run", MS_REMOUNT | MS_NOEXEC | MS_SYNCHRONOUS, "size=1m"));
         mounts.back().cleared_flags = MS_NODEV | MS_LAZYTIME;
         mounts.push_back(mount_of("tmpfs", "tmpfs", "/run", MS_REMOUNT | MS_RDONLY));
         mounts.push_back(bind_of("/ignored", "/proc", MS_REMOUNT | MS_RDONLY));
         mounts.back().propagation_flags = {MS_PRIVATE | MS_REC};
         mounts.back().rec_attr_set = MOUNT_ATTR_NOSUID;
       }},
      {"mounts_access_times",
       [](Input& in) {
         auto& mounts = in.config.mounts;
         mounts.push_back(mount_of("tmpfs", "tmpfs", "/strict", MS_NOATIME | MS_STRICTATIME | MS_RELATIME));
         mounts.push_back(mount_of("tmpfs", "tmpfs", "/none", MS_NOATIME | MS_RELATIME));
         mounts.push_back(mount_of("tmpfs", "tmpfs", "/recursive", MS_NOATIME | MS_NODIRATIME));
         mounts.back().rec_attr_set = MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NOEXEC;
         mounts.push_back(bind_of("/srv/a", "/bound", MS_NOATIME | MS_STRICTATIME));
         mounts.push_back(bind_of("/srv/a", "/default"));
         mounts.back().cleared_flags = MS_NOATIME;
         mounts.push_back(bind_of("/srv/a", "/norelatime"));
         mounts.back().cleared_flags = MS_RELATIME;
       }},
      {"mounts_root",
       [](Input& in) {
         in.config.mounts.insert(in.config.mounts.begin(), bind_of("/srv/root", "/"));
         in.config.readonlyfs = true;
       }},
      {"mounts_superblock",
       [](Input& in) {
         in.config.mounts.push_back(mount_of("ext4", "/dev/loop0", "/disk", MS_I_VERSION | MS_SILENT | MS_MANDLOCK));
       }},
  };
}

}  // namespace cella::plan
