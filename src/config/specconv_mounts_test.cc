// What the options of mounts become, and which are refused or said to have no effect, with their places.
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include "config/specconv.h"
#include "oci/parse.h"

namespace cella::config {
namespace {

// The second container's map is for ids from 1 on.
constexpr const char* kUserNamespace =
    R"(,"linux":{"namespaces":[{"type":"user"}],
       "uidMappings":[{"containerID":0,"hostID":0,"size":1},{"containerID":1,"hostID":2,"size":1000}],
       "gidMappings":[{"containerID":0,"hostID":5000,"size":100}]})";

Result<Converted> convert(const std::string& mount, const std::string& members = "",
                          std::vector<Finding>* ignored = nullptr) {
  auto spec = oci::parse_spec(R"({"ociVersion":"1.0.0","root":{"path":"rootfs"},"mounts":[{"destination":"/x",)" +
                              mount + "}]" + members + "}");
  if (!spec) return std::unexpected(std::move(spec).error());
  return from_spec(*spec, {.id = "web", .bundle = "/bundle"}, ignored);
}

Mount mount_of(const std::string& mount, const std::string& members = "") {
  auto result = convert(mount, members);
  EXPECT_TRUE(result) << mount;
  return result ? result->config.mounts.at(0) : Mount();
}

// The findings, or else the warnings.
std::string said_of(const std::string& mount, const std::string& members = "") {
  std::vector<Finding> ignored;
  auto result = convert(mount, members, &ignored);
  std::string out;
  for (const Finding& f : result ? ignored : result.error().findings) out += f.pointer + ": " + f.message + "\n";
  return out;
}

TEST(IdmapOption, Maps) {
  Mount m = mount_of(R"("source":"/s","options":["bind","idmap=uids=0-1-10#10-11-20;gids=0-100-10"])");
  EXPECT_TRUE(m.idmap);
  EXPECT_FALSE(m.idmap_recursive);
  EXPECT_EQ(m.uid_mappings, (std::vector<IDMap>{{0, 1, 10}, {10, 11, 20}}));
  EXPECT_EQ(m.gid_mappings, (std::vector<IDMap>{{0, 100, 10}}));
  EXPECT_TRUE(mount_of(R"("source":"/s","options":["rbind","ridmap=uids=0-1-1;gids=0-1-1"])").idmap_recursive);
}

TEST(IdmapOption, RelativeMaps) {
  Mount m = mount_of(R"("source":"/s","options":["bind","idmap=uids=@1-3-10#20-3-1;gids=@7-7-10"])", kUserNamespace);
  EXPECT_EQ(m.uid_mappings, (std::vector<IDMap>{{1, 4, 10}, {20, 3, 1}}));
  EXPECT_EQ(m.gid_mappings, (std::vector<IDMap>{{7, 5007, 10}}));
}

TEST(IdmapOption, Refusals) {
  auto said = [](const std::string& maps, const std::string& members = "") {
    return said_of(R"("source":"/s","options":["bind","idmap=)" + maps + "\"]", members);
  };
  const std::string at = "/mounts/0/options/1: ";
  EXPECT_EQ(said(""), at + "must have both uids= and gids=\n");
  EXPECT_EQ(said("uids=0-1-10"), at + "must have both uids= and gids=\n");
  EXPECT_EQ(said("ids=0-1-10"), at + "must have uids= and gids=, not \"ids=0-1-10\"\n");
  for (const char* range :
       {"0-1", "0-1-2-3", "a-1-1", "0-1-0", "-1-1-1", "0-1-4294967296", "4294967295-0-2", "0--1-1", "0-1-1 "}) {
    EXPECT_EQ(said(std::string("uids=") + range + ";gids=0-1-1"),
              at + "must have ranges like 0-1000-10, not \"" + range + "\"\n");
  }
  const std::string outside = at + "must have relative ranges that are inside one of the user namespace's, unlike ";
  EXPECT_EQ(said("uids=@0-0-1;gids=0-0-1"), outside + "\"@0-0-1\"\n");
  EXPECT_EQ(said("uids=@0-0-2;gids=0-0-1", kUserNamespace), outside + "\"@0-0-2\"\n");
  EXPECT_EQ(said("uids=@0-1001-1;gids=0-0-1", kUserNamespace), outside + "\"@0-1001-1\"\n");
  EXPECT_EQ(said_of(R"("source":"/s","options":["bind","idmap=uids=0-1-1;gids=0-1-1"],
                       "uidMappings":[{"containerID":0,"hostID":5,"size":1}],
                       "gidMappings":[{"containerID":0,"hostID":6,"size":1}])"),
            at + "must be the only id mapping of the mount\n");
  EXPECT_EQ(said_of(R"("type":"tmpfs","options":["idmap=uids=0-1-1;gids=0-1-1"])"),
            "/mounts/0: must be a bind mount to have id mappings\n");
}

TEST(MountOptions, Extensions) {
  EXPECT_EQ(mount_of(R"("source":"/s","options":["bind","copy-symlink"])").extensions, kExtensionCopySymlink);
  EXPECT_EQ(mount_of(R"("source":"/s","options":["bind","src-nofollow","dest-nofollow"])").extensions,
            kExtensionSourceNofollow | kExtensionDestinationNofollow);
  const std::string at = "/mounts/0/options/0: ";
  for (const char* option : {"copy-symlink", "src-nofollow"}) {
    EXPECT_EQ(said_of(R"("type":"tmpfs","options":[")" + std::string(option) + "\"]"), at + "needs a bind mount\n");
  }
  EXPECT_EQ(said_of(R"("type":"proc","options":["tmpcopyup"])"), at + "needs a new tmpfs\n");
  EXPECT_EQ(said_of(R"("type":"tmpfs","options":["tmpcopyup","remount"])"), at + "needs a new tmpfs\n");
  EXPECT_EQ(said_of(R"("type":"cgroup","options":["dest-nofollow"])"),
            at + "needs a mount that is neither cgroup nor remount\n");
  EXPECT_EQ(said_of(R"("source":"/s","options":["copy-symlink","bind","dest-nofollow"])"),
            at + "must not come with src-nofollow or dest-nofollow\n");
}

TEST(MountOptions, Type) {
  EXPECT_EQ(said_of(R"("source":"/s","options":["ro"])"), "/mounts/0/type: must be given, as this is no bind mount\n");
  EXPECT_EQ(said_of(R"("options":["remount"])"), "");
}

TEST(MountOptions, WithoutEffect) {
  for (const char* option : {"sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime", "iversion",
                             "noiversion", "silent", "loud"}) {
    const std::string said = "/mounts/0/options/0: " + std::string(option) +
                             " has no effect: it is for filesystems, and this mount shows one that is there\n";
    const std::string options = R"("options":[")" + std::string(option) + "\"]";
    EXPECT_EQ(said_of(R"("type":"bind","source":"/s",)" + options), said);
    EXPECT_EQ(said_of(R"("type":"cgroup",)" + options), said);
    EXPECT_EQ(said_of(R"("type":"tmpfs",)" + options), "");
  }
  EXPECT_EQ(said_of(R"("type":"tmpfs","options":["remount","silent","sync"])"),
            "/mounts/0/options/1: silent has no effect on a filesystem that is there\n");
  EXPECT_EQ(
      said_of(R"("type":"tmpfs","options":["norelatime"])"),
      "/mounts/0/options/0: norelatime has no effect: Linux has relatime unless it is told noatime or strictatime\n");
  EXPECT_EQ(said_of(R"("type":"tmpfs","options":["norelatime","strictatime"])"), "");
  EXPECT_EQ(said_of(R"("type":"bind","source":"/s","options":["rnorelatime"])"),
            "/mounts/0/options/0: rnorelatime has no effect: Linux has relatime unless it is told rnoatime or "
            "rstrictatime\n");
  EXPECT_EQ(said_of(R"("type":"bind","source":"/s","options":["rnorelatime","rnoatime"])"), "");
  Mount m = mount_of(R"("type":"bind","source":"/s","options":["rnorelatime"])");
  EXPECT_EQ(m.rec_attr_set | m.rec_attr_clear, 0u);
}

}  // namespace
}  // namespace cella::config
