#include "sandbox/boot/jail.h"

#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include "sandbox/boot/options.h"

namespace cella::sandbox::boot {
namespace {

TEST(Options, AreReadAndWrittenAsAnnotations) {
  const std::vector<std::string> labels = {"bundle=/b", "dev.cella.sandbox.overlay=true",
                                           "dev.cella.sandbox.strace-syscalls=open,close",
                                           "dev.cella.sandbox.strace-log-size=7"};
  Result<Config> config = options_from(labels);
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_TRUE(config->overlay);
  EXPECT_EQ(config->strace_syscalls, (std::vector<std::string>{"open", "close"}));
  EXPECT_EQ(config->strace_log_size, 7u);
  EXPECT_EQ(options_from(to_labels(*config)), *config);
  EXPECT_TRUE(to_labels(Config()).empty());
}

config::Config container() {
  config::Config config;
  config.rootfs = "/bundle/rootfs";
  config.namespaces.add(config::NamespaceType::kNet, "/run/netns/pod");
  config::Mount& mount = config.mounts.emplace_back();
  mount.source = "/secret";
  mount.destination = "/data";
  mount.flags = MS_BIND;
  return config;
}

TEST(Jail, IsEmptyAndReadOnly) {
  const Jail jail = make_jail(container(), {}, {}, {{{0, 0, 100}}, {{0, 0, 200}}}, {});
  ASSERT_EQ(jail.config.mounts.size(), 1u);
  EXPECT_EQ(jail.config.mounts[0].destination, "/");
  EXPECT_EQ(jail.config.mounts[0].data, "mode=0555,size=4k,nr_inodes=1");
  EXPECT_EQ(jail.config.mounts[0].flags, MS_NOSUID | MS_NODEV | MS_NOEXEC);
  EXPECT_TRUE(jail.config.readonlyfs);
  EXPECT_EQ(jail.config.uid_mappings, (std::vector<config::IDMap>{{0, 0, 100}}));
  EXPECT_EQ(jail.config.gid_mappings, (std::vector<config::IDMap>{{0, 0, 200}}));
}

TEST(Jail, HasTheTreesThatItIsToServe) {
  config::Config asked_for = container();
  config::Mount again = asked_for.mounts[0];
  again.flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
  asked_for.mounts.push_back(again);
  asked_for.mounts[0].propagation_flags = {MS_SLAVE | MS_REC};
  const std::vector<config::Mount> trees = trees_of(asked_for, true);
  ASSERT_EQ(trees.size(), 2u);
  const Jail jail = make_jail(asked_for, {}, {}, {}, trees);
  ASSERT_EQ(jail.config.mounts.size(), 3u);
  EXPECT_EQ(jail.config.mounts[0].data, "mode=0555,size=4k,nr_inodes=3");
  EXPECT_EQ(jail.config.mounts[1].source, "/bundle/rootfs");
  EXPECT_EQ(jail.config.mounts[1].destination, tree_path(0));
  EXPECT_EQ(jail.config.mounts[1].rec_attr_set, static_cast<uint64_t>(MOUNT_ATTR_RDONLY));
  EXPECT_EQ(jail.config.mounts[1].propagation_flags, std::vector<uint64_t>{MS_PRIVATE | MS_REC});
  EXPECT_EQ(jail.config.mounts[2].source, "/secret");
  EXPECT_EQ(jail.config.mounts[2].destination, tree_path(1));
  EXPECT_EQ(jail.config.mounts[2].propagation_flags, std::vector<uint64_t>{MS_SLAVE | MS_REC});
  const BootRequest request = make_request("a", asked_for, {}, {});
  EXPECT_EQ(request.mounts[0].tree, 1);
  EXPECT_EQ(request.mounts[1].tree, -1);
}

TEST(Jail, HasItsRootsPropagationFromTheContainer) {
  config::Config asked_for = container();
  asked_for.root_propagation = MS_SLAVE | MS_REC;
  EXPECT_TRUE(trees_of(asked_for, false)[0].propagation_flags.empty());
  EXPECT_EQ(make_jail(asked_for, {}, {}, {}, {}).config.root_propagation, MS_SLAVE | MS_REC);
  asked_for.root_propagation = MS_UNBINDABLE;
  EXPECT_EQ(make_jail(asked_for, {}, {}, {}, {}).config.root_propagation, 0u);
}

TEST(Jail, HasCapabilitiesForDirectFilesAlone) {
  Config options;
  options.file_access = FileAccess::kDirect;
  EXPECT_EQ(make_jail(container(), {}, options, {}, {}).process.capabilities->effective, kFileCapabilities);
  options.file_access = FileAccess::kProxy;
  const config::Capabilities none = *make_jail(container(), {}, options, {}, {}).process.capabilities;
  EXPECT_EQ(none.bounding | none.permitted | none.effective | none.inheritable | none.ambient, 0u);
}

TEST(Jail, HasTheContainersNetworkForHostAlone) {
  Config options;
  EXPECT_TRUE(make_jail(container(), {}, options, {}, {}).config.namespaces.is_new(config::NamespaceType::kNet));
  options.network = NetworkType::kHost;
  EXPECT_EQ(make_jail(container(), {}, options, {}, {}).config.namespaces.path_of(config::NamespaceType::kNet),
            "/run/netns/pod");
}

TEST(Jail, WhatIsNotEnforcedIsNamed) {
  EXPECT_TRUE(check_enforced(container(), {}, {}));
  config::Config config = container();
  config.sysctl["vm.swappiness"] = "1";
  config::ProcessConfig process;
  process.apparmor_profile = "x";
  Result<void> checked = check_enforced(config, process, {});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kUnsupported);
  ASSERT_EQ(checked.error().findings.size(), 2u);
  EXPECT_EQ(checked.error().findings[0].pointer, "/process/apparmorProfile");
  EXPECT_EQ(checked.error().findings[1].pointer, "/linux/sysctl/vm.swappiness");
}

}  // namespace
}  // namespace cella::sandbox::boot
