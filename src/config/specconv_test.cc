#include "config/specconv.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <set>

#include "config/capabilities.h"
#include "config/mount_options.h"
#include "oci/default_spec.h"
#include "oci/parse.h"

namespace cella::config {
namespace {

const SpecconvOptions kOptions = {.id = "web", .bundle = "/bundle"};

Result<Converted> convert(const std::string& members, const SpecconvOptions& options = kOptions) {
  auto spec = oci::parse_spec(R"({"ociVersion":"1.0.0","root":{"path":"rootfs"})" + members + "}");
  if (!spec) return std::unexpected(std::move(spec).error());
  return from_spec(*spec, options);
}
std::string findings(const Result<Converted>& result) {
  std::string out;
  if (!result)
    for (const Finding& f : result.error().findings) out += f.pointer + " " + f.message + "\n";
  return out;
}
Mount mount_of(const std::string& members) {
  auto result = convert(R"(,"mounts":[{"destination":"/x",)" + members + "}]");
  EXPECT_TRUE(result) << findings(result);
  return result ? result->config.mounts.at(0) : Mount();
}

TEST(Specconv, DefaultSpec) {
  auto result = from_spec(oci::default_spec({}), kOptions);
  ASSERT_TRUE(result);
  const Config& config = result->config;
  EXPECT_EQ(config.rootfs, "/bundle/rootfs");
  EXPECT_TRUE(config.readonlyfs);
  EXPECT_EQ(config.version, "1.3.0");
  EXPECT_EQ(config.labels, std::vector<std::string>{"bundle=/bundle"});
  EXPECT_EQ(config.label("bundle"), "/bundle");
  EXPECT_EQ(config.namespaces.clone_flags(),
            uint64_t{CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS});
  EXPECT_EQ(config.networks.at(0).type, "loopback");
  EXPECT_EQ(config.cgroups.path, "/web");
  EXPECT_EQ(config.root_propagation, 0u);
  EXPECT_EQ(config.devices.size(), default_simple_devices().size());
  EXPECT_EQ(config.cgroups.resources.devices.size(), 1 + default_allowed_devices().size());
  EXPECT_EQ(config.cgroups.resources.devices[0].type, 'a');
  EXPECT_EQ(config.cgroups.resources.devices[0].major, kWildcard);
  EXPECT_FALSE(config.cgroups.resources.devices[0].allow);
  EXPECT_EQ(config.mounts.at(1).data, "mode=755,size=65536k");
  EXPECT_EQ(config.mounts.at(1).flags, uint64_t{MS_NOSUID | MS_STRICTATIME});
  EXPECT_EQ(config.capabilities->bounding, uint64_t{1} << 29 | 1 << 5 | 1 << 10);
  EXPECT_EQ(config.capabilities->ambient, 0u);
  ASSERT_TRUE(result->process);
  EXPECT_EQ(result->process->args, std::vector<std::string>{"sh"});
  EXPECT_EQ(result->process->rlimits.value(), (std::vector<Rlimit>{{RLIMIT_NOFILE, 1024, 1024}}));
  EXPECT_EQ(config.rlimits, result->process->rlimits.value());
  EXPECT_TRUE(config.no_new_privileges);
}

TEST(Specconv, WithoutProcessOrLinux) {
  auto result = convert("");
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->process);
  EXPECT_TRUE(result->config.namespaces.list.empty());
}

TEST(Specconv, Paths) {
  EXPECT_EQ(clean_path("/a/./b//../c/"), "/a/c");
  EXPECT_EQ(clean_path("/../.."), "/");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("a/../../b"), "../b");
  oci::Spec spec = oci::default_spec({});
  spec.root->path = std::string("../other/./fs/");
  EXPECT_EQ(from_spec(spec, kOptions)->config.rootfs, "/other/fs");
  spec.root->path = std::string("/abs");
  EXPECT_EQ(from_spec(spec, kOptions)->config.rootfs, "/abs");
}

TEST(Specconv, Mounts) {
  Mount m = mount_of(R"("type":"none","source":"data","options":["rbind","ro","rw","noexec","rprivate","slave"])");
  EXPECT_EQ(m.device, "bind");
  EXPECT_EQ(m.source, "/bundle/data");
  EXPECT_EQ(m.flags, uint64_t{MS_BIND | MS_REC | MS_NOEXEC});
  EXPECT_EQ(m.cleared_flags, uint64_t{MS_RDONLY});
  EXPECT_EQ(m.propagation_flags, (std::vector<uint64_t>{MS_PRIVATE | MS_REC, MS_SLAVE}));
  EXPECT_EQ(mount_of(R"("type":"bind","source":"/s")").flags, uint64_t{MS_BIND});
  m = mount_of(R"("type":"tmpfs","source":"tmpfs","options":["tmpcopyup","defaults","mode=1777","size=1k"])");
  EXPECT_EQ(m.source, "tmpfs");
  EXPECT_EQ(m.extensions, kExtensionCopyUp);
  EXPECT_EQ(m.data, "mode=1777,size=1k");
  m = mount_of(R"("source":"/s","options":["bind","rro","rnodev","rdev","rnoatime","rstrictatime"])");
  EXPECT_EQ(m.rec_attr_set, uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_STRICTATIME});
  EXPECT_EQ(m.rec_attr_clear & ~uint64_t{MOUNT_ATTR__ATIME}, uint64_t{MOUNT_ATTR_NODEV});
  EXPECT_EQ(m.rec_attr_clear & MOUNT_ATTR__ATIME, uint64_t{MOUNT_ATTR__ATIME});
  auto result = convert(R"(,"mounts":[{"destination":"a/../b","type":"tmpfs"}])");
  EXPECT_EQ(result->config.mounts.at(0).destination, "/b");
}

TEST(Specconv, IdmappedMounts) {
  const std::string maps =
      R"("uidMappings":[{"containerID":0,"hostID":5,"size":1}],"gidMappings":[{"containerID":0,"hostID":6,"size":1}])";
  Mount m = mount_of(R"("source":"/s","options":["bind"],)" + maps);
  EXPECT_TRUE(m.idmap);
  EXPECT_FALSE(m.idmap_recursive);
  EXPECT_EQ(m.uid_mappings, (std::vector<IDMap>{{0, 5, 1}}));
  const std::string mount = R"(,"mounts":[{"destination":"/x","source":"/s","options":["rbind","ridmap"]}])";
  auto result = convert(mount + R"(,"linux":{"namespaces":[{"type":"user"}],)" + maps + "}");
  ASSERT_TRUE(result) << findings(result);
  EXPECT_TRUE(result->config.mounts[0].idmap_recursive);
  EXPECT_EQ(result->config.mounts[0].gid_mappings, (std::vector<IDMap>{{0, 6, 1}}));
  result = convert(mount + R"(,"linux":{"namespaces":[{"type":"user","path":"/u"}]})");
  ASSERT_TRUE(result) << findings(result);
  EXPECT_EQ(result->config.mounts[0].idmap_userns_path, "/u");
  EXPECT_EQ(findings(convert(mount)),
            "/mounts/0/options must come with uidMappings and gidMappings, or a user namespace, to be idmapped\n");
  EXPECT_EQ(findings(convert(R"(,"mounts":[{"destination":"/x","type":"tmpfs",)" + maps + "}]")),
            "/mounts/0 must be a bind mount to have id mappings\n");
  EXPECT_EQ(findings(convert(R"(,"mounts":[{"destination":"/x","options":["bind"],"source":"/s",)" + maps + "}]",
                             {.id = "a", .bundle = "/b", .rootless_euid = true})),
            "/mounts/0 must not have id mappings in a rootless container\n");
}

TEST(Specconv, BindMountTakesNoData) {
  auto spec = oci::parse_spec(R"({"ociVersion":"1.0.0","root":{"path":"r"},
      "mounts":[{"destination":"/x","source":"/s","options":["bind","size=1k","ro"]}]})");
  ASSERT_TRUE(spec);
  std::vector<Finding> ignored;
  auto result = from_spec(*spec, kOptions, &ignored);
  ASSERT_TRUE(result) << findings(result);
  EXPECT_EQ(result->config.mounts[0].data, "");
  EXPECT_EQ(result->config.mounts[0].flags, MS_BIND | MS_RDONLY);
  EXPECT_EQ(ignored,
            (std::vector<Finding>{{"/mounts/0/options/1",
                                   "\"size=1k\" has no effect: it is for filesystems, and this mount shows one "
                                   "that is there"}}));
}

TEST(Specconv, Refuses) {
  EXPECT_EQ(findings(convert(R"(,"linux":{"cgroupsPath":"/a"})", {.id = "a", .bundle = "/b", .systemd_cgroup = true})),
            "/linux/cgroupsPath must have the form slice:prefix:name with the systemd cgroup manager, not \"/a\"\n");
  EXPECT_EQ(findings(convert(R"(,"annotations":{"org.systemd.property.a1":"x"})",
                             {.id = "a", .bundle = "/b", .systemd_cgroup = true})),
            "/annotations/org.systemd.property.a1 must be named after a systemd property: letters, at least three\n");
  EXPECT_EQ(findings(convert(R"(,"linux":{"rootfsPropagation":"rprivate"})",
                             {.id = "a", .bundle = "/b", .no_pivot_root = true})),
            "/linux/rootfsPropagation must not be private without pivot_root\n");
  EXPECT_EQ(findings(convert(R"(,"linux":{"namespaces":[{"type":"network"}],"netDevices":{"eth0":{}}})",
                             {.id = "a", .bundle = "/b", .rootless_euid = true})),
            "/linux/netDevices cannot be moved into a rootless container\n");
}

TEST(Specconv, Cgroups) {
  EXPECT_EQ(convert(R"(,"linux":{"cgroupsPath":"a//b/"})")->config.cgroups.path, "/a/b");
  const SpecconvOptions systemd = {.id = "web", .bundle = "/b", .systemd_cgroup = true};
  auto result = convert(
      R"(,"annotations":{"org.systemd.property.TimeoutStopSec":"5"},"linux":{"cgroupsPath":"a.slice:p:n"})", systemd);
  ASSERT_TRUE(result) << findings(result);
  const Cgroup& c = result->config.cgroups;
  EXPECT_EQ(c.parent + "|" + c.scope_prefix + "|" + c.name + "|" + c.path, "a.slice|p|n|");
  EXPECT_EQ(c.systemd_properties.at(0), (std::pair<std::string, std::string>{"TimeoutStopSec", "5"}));
  EXPECT_EQ(convert("", systemd)->config.cgroups.name, "web");
  result = convert(R"(,"linux":{"resources":{"memory":{"limit":0,"swappiness":0},"cpu":{"shares":512,"idle":0},)"
                   R"("pids":{"limit":0}}})");
  const Resources& r = result->config.cgroups.resources;
  EXPECT_FALSE(r.memory);
  EXPECT_EQ(r.memory_swappiness, 0u);
  EXPECT_EQ(r.cpu_shares, 512u);
  EXPECT_EQ(r.cpu_idle, 0);
  EXPECT_EQ(r.pids_limit, 0);
}

TEST(Specconv, Annotations) {
  auto result = convert(R"(,"annotations":{"run.oci.mount_context_type":"fscontext","run.oci.hooks.stdout":"/out",
    "run.oci.hooks.stderr":"/err","run.oci.pidfd_receiver":"/pidfd","run.oci.keep_original_groups":"1",
    "run.oci.delegate-cgroup":"a/b","run.oci.seccomp.receiver":"/nobody"},
    "process":{"cwd":"/","args":["a"],"user":{"additionalGids":[5]}})");
  ASSERT_TRUE(result) << findings(result);
  const Config& c = result->config;
  EXPECT_EQ(c.mount_context_type + c.hooks_stdout + c.hooks_stderr + c.pidfd_receiver + c.cgroups.delegate,
            "fscontext/out/err/pidfda/b");
  EXPECT_TRUE(c.keep_original_groups);
  EXPECT_FALSE(c.seccomp) << "a receiver alone makes no filter";
  EXPECT_FALSE(convert(R"(,"annotations":{"run.oci.keep_original_groups":"0"})")->config.keep_original_groups);
}

TEST(Specconv, AnnotationsAboutSeccomp) {
  const std::string filter = R"(,"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":null,
    "flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}])";
  const std::string receiver = R"(,"annotations":{"run.oci.seccomp.receiver":"/annotated",
    "run.oci.seccomp_fail_unknown_syscall":"true"})";
  EXPECT_EQ(convert(filter + "}}" + receiver)->config.seccomp->listener_path, "/annotated");
  EXPECT_TRUE(convert(filter + "}}" + receiver)->config.seccomp->fail_unknown_syscalls);
  EXPECT_EQ(convert(filter + R"(,"listenerPath":"/path"}})" + receiver)->config.seccomp->listener_path, "/path");
  auto result =
      convert(filter + R"(,"listenerPath":"/path"}},"annotations":{"run.oci.seccomp_bpf_data":"BgAAAAAA/38="})");
  ASSERT_TRUE(result) << findings(result);
  const Seccomp& seccomp = *result->config.seccomp;
  EXPECT_EQ(seccomp.program + seccomp.listener_path + seccomp.flags.at(0), "BgAAAAAA/38=/pathSECCOMP_FILTER_FLAG_LOG");
  EXPECT_TRUE(seccomp.syscalls.empty());
  EXPECT_EQ(seccomp.default_action, SeccompAction::kErrno) << "for a runtime that does not know the program";
  EXPECT_TRUE(convert(R"(,"annotations":{"run.oci.seccomp_bpf_data":"BgAAAAAA/38="})")->config.seccomp);
}

TEST(Specconv, AnnotationForCgroupV1TakesThePlaceOfAMount) {
  const std::string annotation = R"(,"annotations":{"run.oci.systemd.force_cgroup_v1":"/sys/fs/cgroup/"})";
  const std::string mount = R"(,"mounts":[{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup"}])";
  const std::string namespaces = R"(,"linux":{"namespaces":[{"type":"cgroup"}]})";
  const std::string place = "/annotations/run.oci.systemd.force_cgroup_v1 ";
  EXPECT_EQ(findings(convert(annotation + namespaces)),
            place + "must be the destination of a mount, to take its place\n");
  EXPECT_EQ(findings(convert(annotation + mount)), place + "needs a new cgroup namespace in /linux/namespaces\n");
  auto result = convert(annotation + mount + namespaces);
  ASSERT_TRUE(result) << findings(result);
  EXPECT_EQ(result->config.systemd_cgroup_v1, "/sys/fs/cgroup");
}

TEST(Specconv, CgroupOwner) {
  const std::string mounts = R"(,"mounts":[{"destination":"/sys/fs/cgroup/","type":"cgroup","source":"cgroup"}])";
  const std::string process = R"(,"process":{"cwd":"/","args":["a"],"user":{"uid":7}})";
  EXPECT_EQ(convert(mounts + process + R"(,"linux":{"namespaces":[{"type":"cgroup"}]})")->config.cgroups.owner_uid, 7);
  EXPECT_EQ(convert(mounts + process)->config.cgroups.owner_uid, std::nullopt);
  EXPECT_EQ(convert(mounts + process +
                    R"(,"linux":{"namespaces":[{"type":"cgroup"},{"type":"user"}],)"
                    R"("uidMappings":[{"containerID":0,"hostID":1000,"size":10}],)"
                    R"("gidMappings":[{"containerID":0,"hostID":1000,"size":10}]})")
                ->config.cgroups.owner_uid,
            1007);
}

TEST(Specconv, Devices) {
  auto result =
      convert(R"(,"linux":{"devices":[{"path":"/dev/null","type":"u","major":1,"minor":3,"fileMode":8630,"uid":4},)"
              R"({"path":"/dev/pipe","type":"p"}]})");
  ASSERT_TRUE(result) << findings(result);
  const std::vector<Device>& devices = result->config.devices;
  ASSERT_EQ(devices.size(), default_simple_devices().size() + 1);
  const Device& null = devices[devices.size() - 2];
  EXPECT_EQ(null.path, "/dev/null");
  EXPECT_EQ(null.type, 'c');
  EXPECT_EQ(null.file_mode, 0666u);  // 8630 is S_IFCHR | 0666
  EXPECT_EQ(null.uid, 4u);
  EXPECT_EQ(devices.back().type, 'p');
  for (const Device& rule : result->config.cgroups.resources.devices) EXPECT_NE(rule.path, "/dev/null");
}

TEST(Specconv, Process) {
  auto result = convert(
      R"(,"process":{"cwd":"/w","args":["a","b"],"terminal":true,"consoleSize":{"height":3,"width":4},)"
      R"("user":{"uid":1,"gid":2,"umask":18,"additionalGids":[3]},"oomScoreAdj":0,)"
      R"("capabilities":{"bounding":["CAP_CHOWN","CAP_NEW","CAP_CHECKPOINT_RESTORE"],"ambient":["CAP_NEW"]},)"
      R"("scheduler":{"policy":"SCHED_RR","priority":5,"flags":["SCHED_FLAG_RESET_ON_FORK","SCHED_FLAG_KEEP_POLICY"]},)"
      R"("ioPriority":{"class":"IOPRIO_CLASS_IDLE"},"execCPUAffinity":{"initial":"1"},"selinuxLabel":"l"})");
  ASSERT_TRUE(result) << findings(result);
  const ProcessConfig& p = *result->process;
  EXPECT_EQ(p.console_height, 3);
  EXPECT_EQ(p.umask, 18u);
  EXPECT_EQ(p.oom_score_adj, 0);
  EXPECT_EQ(p.capabilities->bounding, uint64_t{1} | uint64_t{1} << 40);
  EXPECT_EQ(p.scheduler->policy, uint32_t{SCHED_RR});
  EXPECT_EQ(p.scheduler->flags, 9u);
  EXPECT_EQ(p.io_priority->io_class, 3);
  EXPECT_EQ(p.process_label, "l");
  EXPECT_FALSE(p.apparmor_profile);
  EXPECT_FALSE(p.rlimits);
  EXPECT_FALSE(p.exec_cpu_affinity);
  EXPECT_EQ(result->config.exec_cpu_affinity->initial, "1");
}

std::string text_of(const std::vector<Finding>& findings_list) {
  std::string text;
  for (const Finding& finding : findings_list) text += finding.pointer + ": " + finding.message + "\n";
  return text;
}

// Each thing that a Config does without, at its place; also when the Spec is refused.
TEST(Specconv, TellsWhatIsIgnored) {
  auto spec = oci::parse_spec(R"({"ociVersion":"1.0.0","root":{"path":"r"},
      "annotations":{"org.systemd.property.MemoryMax":"1","other":"x"},
      "process":{"cwd":"/","args":["a"],"capabilities":{"bounding":["CAP_KILL","CAP_NEW"],"ambient":["kill"]}},
      "mounts":[{"destination":"/a","type":"tmpfs","options":["sync","norelatime"]},
                {"destination":"/b","source":"/b","options":["bind","ro","lazytime","async","silent"]}]})");
  ASSERT_TRUE(spec);
  const std::vector<Finding> expected = {
      {"/mounts/0/options/1", "norelatime has no effect: Linux has relatime unless it is told noatime or strictatime"},
      {"/mounts/1/options/2", "lazytime has no effect: it is for filesystems, and this mount shows one that is there"},
      {"/mounts/1/options/3", "async has no effect: it is for filesystems, and this mount shows one that is there"},
      {"/mounts/1/options/4", "silent has no effect: it is for filesystems, and this mount shows one that is there"},
      {"/annotations/org.systemd.property.MemoryMax", "is ignored: systemd does not make the cgroups"},
      {"/process/capabilities/bounding/1", "is ignored: \"CAP_NEW\" is not a known capability"},
      {"/process/capabilities/ambient/0", "is ignored: \"kill\" is not a known capability"},
  };
  std::vector<Finding> ignored;
  ASSERT_TRUE(from_spec(*spec, kOptions, &ignored));
  EXPECT_EQ(text_of(ignored), text_of(expected));
  ignored.clear();
  spec->mounts[1].options.push_back("idmap");  // without maps
  EXPECT_FALSE(from_spec(*spec, kOptions, &ignored));
  EXPECT_EQ(text_of(ignored), text_of(expected));
}

TEST(Specconv, Seccomp) {
  auto result = convert(R"(,"linux":{"seccomp":{"defaultAction":"SCMP_ACT_KILL","architectures":["SCMP_ARCH_X86_64"],)"
                        R"("syscalls":[{"names":["a","b"],"action":"SCMP_ACT_ERRNO","errnoRet":5,)"
                        R"("args":[{"index":1,"value":2,"valueTwo":3,"op":"SCMP_CMP_GT"}]}]}})");
  ASSERT_TRUE(result) << findings(result);
  const Seccomp& s = *result->config.seccomp;
  EXPECT_EQ(s.default_action, SeccompAction::kKillThread);
  EXPECT_EQ(s.architectures, std::vector<std::string>{"SCMP_ARCH_X86_64"});
  EXPECT_EQ(s.flags, std::vector<std::string>{"SECCOMP_FILTER_FLAG_SPEC_ALLOW"});
  ASSERT_EQ(s.syscalls.size(), 2u);
  EXPECT_EQ(s.syscalls[1].name, "b");
  EXPECT_EQ(s.syscalls[1].errno_ret, 5u);
  EXPECT_EQ(s.syscalls[1].args[0].op, SeccompOperator::kGreater);
  EXPECT_TRUE(
      convert(R"(,"linux":{"seccomp":{"defaultAction":"SCMP_ACT_KILL","flags":[]}})")->config.seccomp->flags.empty());
}

TEST(Specconv, LinuxFields) {
  auto result =
      convert(R"(,"hooks":{"poststop":[{"path":"/h","args":["h"],"timeout":3}]},"annotations":{"k":"v"},)"
              R"("linux":{"rootfsPropagation":"shared","namespaces":[{"type":"time"},{"type":"pid","path":"/p"}],)"
              R"("timeOffsets":{"monotonic":{"secs":-1,"nanosecs":2}},"personality":{"domain":"LINUX32"},)"
              R"("memoryPolicy":{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES"]},)"
              R"("intelRdt":{"closID":"c"}})",
              {.id = "a", .bundle = "/b"});
  ASSERT_TRUE(result) << findings(result);
  const Config& c = result->config;
  EXPECT_EQ(c.root_propagation, uint64_t{MS_SHARED});
  EXPECT_EQ(c.namespaces.path_of(NamespaceType::kPid), "/p");
  EXPECT_EQ(c.time_offsets.at("monotonic").secs, -1);
  EXPECT_EQ(c.personality->domain, 8u);
  EXPECT_EQ(c.memory_policy->mode, 2);
  EXPECT_EQ(c.memory_policy->flags, 1u << 15);
  EXPECT_EQ(c.intel_rdt->clos_id, "c");
  EXPECT_EQ(c.hooks.poststop.at(0).timeout, 3);
  EXPECT_EQ(c.labels, (std::vector<std::string>{"k=v", "bundle=/b"}));
}

TEST(Capabilities, Names) {
  EXPECT_EQ(capability_from_name("CAP_SYS_ADMIN"), 21);
  EXPECT_EQ(capability_from_name("sys_admin"), std::nullopt);
  EXPECT_STREQ(capability_name(40), "CAP_CHECKPOINT_RESTORE");
  EXPECT_EQ(capability_name(41), nullptr);
  const uint64_t all = (uint64_t{1} << 41) - 1;
  EXPECT_EQ(capability_set(capability_names(all)), all);
}

TEST(MountOptions, EveryOptionHasOneMeaning) {
  std::set<std::string> names;
  for (const MountOption& option : mount_options()) {
    EXPECT_TRUE(names.insert(option.name).second);
    Mount mount;
    apply_mount_options({option.name}, mount);
    EXPECT_EQ(mount.data, "") << option.name;
  }
  EXPECT_EQ(names.size(), 65u);
}

}  // namespace
}  // namespace cella::config
