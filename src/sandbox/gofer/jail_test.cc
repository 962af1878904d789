#include "sandbox/gofer/jail.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "config/capabilities.h"
#include "sandbox/gofer/gofer_request.h"

namespace cella::sandbox::gofer {
namespace {

using config::NamespaceType;

config::Config container() {
  config::Config config;
  config.rootfs = "/bundle/rootfs";
  config::Mount& mount = config.mounts.emplace_back();
  mount.source = "/secret";
  mount.destination = "/data";
  mount.flags = MS_BIND;
  config.hooks.prestart.push_back({.path = "/bin/hook", .args = {}, .env = {}, .timeout = {}});
  config.sysctl["net.ipv4.ip_forward"] = "1";
  return config;
}

TEST(Jail, HasNothingOfTheContainersButItsFilesAndIds) {
  const Jail jail = make_jail(container(), {{{0, 0, 100}}, {{0, 0, 200}}}, trees_of(container(), false), 4096);
  ASSERT_EQ(jail.config.mounts.size(), 4u);
  EXPECT_EQ(jail.config.mounts[0].destination, "/");
  EXPECT_EQ(jail.config.mounts[0].device, "tmpfs");
  EXPECT_EQ(jail.config.mounts[0].data, "mode=0555,size=4k,nr_inodes=4");
  EXPECT_EQ(jail.config.mounts[1].source, "/bundle/rootfs");
  EXPECT_EQ(jail.config.mounts[1].destination, "/0");
  EXPECT_EQ(jail.config.mounts[2].source, "/secret");
  EXPECT_EQ(jail.config.mounts[2].destination, "/1");
  EXPECT_EQ(jail.config.mounts[3].destination, "/proc");
  EXPECT_EQ(jail.config.mounts[3].data, "subset=pid");
  EXPECT_TRUE(jail.config.readonlyfs);
  EXPECT_TRUE(jail.config.hooks.prestart.empty());
  EXPECT_TRUE(jail.config.sysctl.empty());
  for (NamespaceType type : {NamespaceType::kUser, NamespaceType::kMount, NamespaceType::kPid, NamespaceType::kNet,
                             NamespaceType::kIpc, NamespaceType::kUts})
    EXPECT_TRUE(jail.config.namespaces.is_new(type)) << config::namespace_key(type);
  EXPECT_EQ(jail.config.uid_mappings, (std::vector<config::IDMap>{{0, 0, 100}}));
  EXPECT_EQ(jail.config.gid_mappings, (std::vector<config::IDMap>{{0, 0, 200}}));
  EXPECT_EQ(*jail.process.rlimits, (std::vector<config::Rlimit>{{RLIMIT_NOFILE, 4096, 4096}}));
}

TEST(Jail, FollowsTheContainersUserNamespace) {
  config::Config config = container();
  config.namespaces.add(NamespaceType::kUser);
  config.uid_mappings = {{0, 100000, 65536}};
  config.gid_mappings = {{0, 200000, 65536}};
  const Jail made = make_jail(config, {{{0, 0, 100}}, {{0, 0, 100}}}, {});
  EXPECT_EQ(made.config.uid_mappings, config.uid_mappings);
  EXPECT_EQ(made.config.gid_mappings, config.gid_mappings);
  config.namespaces.add(NamespaceType::kUser, "/proc/7/ns/user");
  EXPECT_EQ(make_jail(config, {}, {}).config.namespaces.path_of(NamespaceType::kUser), "/proc/7/ns/user");
}

TEST(Jail, GivesTheCapabilitiesOfFilesAndNoOther) {
  const Jail jail = make_jail(container(), {}, {});
  const std::vector<std::string> wanted = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
                                           "CAP_FSETID"};
  EXPECT_EQ(config::capability_names(jail.process.capabilities->permitted), wanted);
  EXPECT_EQ(config::capability_names(jail.process.capabilities->effective), wanted);
  EXPECT_EQ(config::capability_names(jail.process.capabilities->bounding), wanted);
  EXPECT_EQ(jail.process.capabilities->inheritable | jail.process.capabilities->ambient, 0u);
  EXPECT_EQ(jail.process.no_new_privileges, true);
}

TEST(GoferRequest, IsReadAsItWasWritten) {
  GoferRequest request;
  request.roots = {{"/0", true}, {"/1", false}};
  request.socket = 4;
  request.report = 9;
  const GoferRequest read = *parse_gofer_request(to_json(request));
  ASSERT_EQ(read.roots.size(), 2u);
  EXPECT_EQ(read.roots[0].path, "/0");
  EXPECT_TRUE(read.roots[0].read_only);
  EXPECT_FALSE(read.roots[1].read_only);
  EXPECT_EQ(read.socket, 4);
  EXPECT_EQ(read.report, 9);
  EXPECT_FALSE(read.disable_seccomp);
  EXPECT_EQ(parse_gofer_request("{\"roots\":[{}]}").error().code, ErrorCode::kConfigInvalid);
  EXPECT_EQ(parse_gofer_request("[").error().code, ErrorCode::kConfigInvalid);
}

}  // namespace
}  // namespace cella::sandbox::gofer
