// What no plan is made for.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "plan/golden_cases.h"

namespace cella::plan {
namespace {

using config::NamespaceType;

struct Refusal {
  void (*change)(Input&);
  ErrorCode code;
  const char* message;
};
constexpr ErrorCode kInvalid = ErrorCode::kConfigInvalid, kUnsupported = ErrorCode::kUnsupported;

TEST(NoPlan, IsMadeFor) {
  static const std::string kNul("/proc\0/x", 8);
  const Refusal refusals[] = {
      {[](Input& in) { in.process.args.clear(); }, kInvalid, "the process has no args: nothing to execute"},
      {[](Input& in) { in.config.apparmor_profile = "p"; }, kUnsupported,
       "AppArmor profile \"p\" is asked for, but AppArmor is not enabled in this kernel"},
      {[](Input& in) { in.process.process_label = "l"; }, kUnsupported,
       "SELinux label \"l\" is asked for, but SELinux is not enabled in this kernel"},
      {[](Input& in) { in.config.mount_label = "m"; }, kUnsupported,
       "SELinux mount label \"m\" is asked for, but SELinux is not enabled in this kernel"},
      {[](Input& in) { in.options.extra_files = 1000; }, ErrorCode::kInvalidArgument,
       "1000 files are to be passed to the process, 256 at most can be"},
      {[](Input& in) { in.options.extra_files = ~0u; }, ErrorCode::kInvalidArgument,
       "4294967295 files are to be passed to the process, 256 at most can be"},
      {[](Input& in) {
         in.config.namespaces.add(NamespaceType::kUser);
         for (int i = 0; i < 500; ++i) in.config.mounts.push_back(bind_of("/a", "/b"));
       },
       kInvalid, "the mounts and namespaces need 533 open descriptors, with 0 files to be passed; 512 at most can be"},
      {[](Input& in) { in.process.args = {"a", std::string("b\0c", 3)}; }, kInvalid,
       "a string has a NUL character after \"b\""},
      {[](Input& in) { in.process.env = {std::string("A=\0", 3)}; }, kInvalid,
       "a string has a NUL character after \"A=\""},
      {[](Input& in) { in.config.mask_paths = {kNul}; }, kInvalid, "a string has a NUL character after \"/proc\""},
      {[](Input& in) { in.process.env = {"A=" + std::string(65 << 20, 'a')}; }, kInvalid, nullptr},
      {[](Input& in) { in.config.sysctl = {{"kernel/../../sysrq-trigger", "b"}}; }, kInvalid,
       "sysctl \"kernel/../../sysrq-trigger\" leads out of /proc/sys"},
      {[](Input& in) { in.config.namespaces.remove(NamespaceType::kMount); }, kInvalid,
       "mounting needs a mount namespace"},
      {[](Input& in) {
         in.config.namespaces.remove(NamespaceType::kMount);
         in.config.mounts.clear();
         in.config.mask_paths = {"/proc"};
       },
       kInvalid, "masking paths needs a mount namespace"},
      {[](Input& in) {
         in.config.namespaces.remove(NamespaceType::kUts);
         in.config.hostname = "h";
       },
       kInvalid, "hostname needs a uts namespace"},
      {[](Input& in) {
         in.config.namespaces.remove(NamespaceType::kNet);
         in.config.net_devices["dev-a"].name = "eth0";
       },
       kInvalid, "moving network devices needs a network namespace"},
      {[](Input& in) { in.config.time_offsets = {{"boottime", {1, 0}}}; }, kInvalid,
       "setting time offsets needs a new time namespace"},
      {[](Input& in) { in.config.mounts[0].idmap = true; }, kInvalid,
       "mounting /proc: only a bind mount can be id-mapped"},
      {[](Input& in) { in.config.mounts = {idmapped("/a", "/b", {}, {{0, 1, 1}})}; }, kInvalid,
       "mounting /b: to be id-mapped it needs maps of uids and of gids"},
      {[](Input& in) {
         in.config.mounts = {idmapped("/a", "/b", {{0, 1, 1}}, {{0, 1, 1}})};
         in.config.mounts[0].idmap = false;
       },
       kInvalid, "mounting /b: its id maps are not asked for"},
      {[](Input& in) {
         in.config.mounts = {idmapped("/a", "/b", {{0, 1, 1}}, {{0, 1, 1}})};
         in.facts.privileged = false;
       },
       kUnsupported, "mounting /b: id-mapped mounts need root in the host's user namespace"},
      {[](Input& in) {
         in.config.mounts = {idmapped("/a", "/b", {{0, 1, 1}}, {{0, 1, 1}})};
         in.config.namespaces.add(NamespaceType::kMount, "/run/ns/mnt");
       },
       kUnsupported, "mounting /b: id-mapped mounts need a new mount namespace"},
      {[](Input& in) { in.config.mounts[0].flags = MS_REC; }, kInvalid,
       "mounting /proc: only a bind mount takes submounts along"},
      {[](Input& in) { in.config.mounts[0].flags = uint64_t{1} << 30; }, kInvalid,
       "mounting /proc: it has unknown flags"},
      {[](Input& in) { in.config.mounts[0].extensions = 16; }, kInvalid, "mounting /proc: it has unknown flags"},
      {[](Input& in) { in.config.mounts[0].extensions = config::kExtensionCopyUp; }, kInvalid,
       "mounting /proc: tmpcopyup needs a tmpfs"},
      {[](Input& in) { in.config.mounts[0].extensions = config::kExtensionCopySymlink; }, kInvalid,
       "mounting /proc: copy-symlink and src-nofollow need a bind mount"},
      {[](Input& in) {
         in.config.mounts[0].flags = MS_REMOUNT;
         in.config.mounts[0].extensions = config::kExtensionDestinationNofollow;
       },
       kInvalid, "mounting /proc: a remount has no extensions"},
      {[](Input& in) { in.config.cgroups.systemd = true; }, kUnsupported,
       "the systemd cgroup driver is not supported yet"},
      {[](Input& in) {
         in.options.init = false;
         in.process.exec_cpu_affinity = config::CPUAffinity{"3-1", ""};
       },
       kInvalid, "CPU list \"3-1\" is not of the form 0-3,7"},
      {[](Input& in) { in.config.memory_policy = config::MemoryPolicy{2, "0-65536", 0}; }, kInvalid,
       "memory node list \"0-65536\" is not of the form 0-3,7"},
  };
  for (const Refusal& refusal : refusals) {
    Input input = small_input();
    refusal.change(input);
    Result<Built> built = input.build();
    ASSERT_FALSE(built) << (refusal.message ? refusal.message : "");
    EXPECT_EQ(built.error().code, refusal.code) << built.error().text();
    if (refusal.message != nullptr) {
      EXPECT_EQ(built.error().text(), refusal.message);
    }
  }
}

TEST(Slots, ManyAreEnough) {
  Input input = small_input();
  input.config.namespaces.add(NamespaceType::kUser);
  for (int i = 0; i < 200; ++i) input.config.mounts.push_back(bind_of("/a", "/b"));
  input.options.extra_files = 250;
  Result<Built> built = input.build();
  ASSERT_TRUE(built) << built.error().text();
  EXPECT_EQ(built->plan.header().slot_count, 483u) << "root, 32 cgroups, 200 sources, 250 files";
}

}  // namespace
}  // namespace cella::plan
