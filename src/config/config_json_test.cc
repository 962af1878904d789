#include "config/config_json.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "config/specconv.h"
#include "config/state.h"
#include "oci/parse.h"

namespace cella::config {
namespace {

std::string read(const char* path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

Config full_config() {
  auto spec = oci::parse_spec(read("../oci/testdata/good/full.json"));
  EXPECT_TRUE(spec);
  auto converted = from_spec(*spec, {.id = "web", .bundle = "/bundle", .rootless_cgroups = false});
  EXPECT_TRUE(converted) << (converted ? "" : converted.error().findings.at(0).message);
  return converted ? converted->config : Config();
}

TEST(ConfigJson, RoundTrip) {
  const std::string text = to_json(full_config());
  auto config = parse_config(text);
  ASSERT_TRUE(config) << config.error().findings.at(0).pointer;
  EXPECT_EQ(to_json(*config), text);
  EXPECT_EQ(config->exec_cpu_affinity->final, "0-3,7");
  EXPECT_EQ(config->memory_policy->nodes, "0-1");
  EXPECT_EQ(config->capabilities, full_config().capabilities);
  EXPECT_EQ(config->hooks.poststart.at(0).timeout, 5);
  EXPECT_EQ(config->mounts.at(1).uid_mappings, full_config().mounts.at(1).uid_mappings);
  EXPECT_TRUE(config->mounts.at(1).idmap);
  EXPECT_EQ(config->seccomp->architectures, (std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X32"}));
  EXPECT_EQ(config->scheduler->flags, full_config().scheduler->flags);
}

TEST(ConfigJson, OurOwnKeysRoundTrip) {
  Config config;
  config.mount_context_type = "fscontext";
  config.hooks_stdout = "/out";
  config.hooks_stderr = "/err";
  config.keep_original_groups = true;
  config.pidfd_receiver = "/pidfd";
  config.systemd_cgroup_v1 = "/sys/fs/cgroup";
  config.cgroups.delegate = "a";
  config.seccomp.emplace().program = "BgAAAAAA/38=";
  config.seccomp->fail_unknown_syscalls = true;
  const std::string text = to_json(config);
  const Config read = parse_config(text).value();
  EXPECT_EQ(to_json(read), text);
  EXPECT_EQ(read.mount_context_type + read.hooks_stdout + read.hooks_stderr + read.pidfd_receiver +
                read.systemd_cgroup_v1 + read.cgroups.delegate + read.seccomp->program,
            "fscontext/out/err/pidfd/sys/fs/cgroupaBgAAAAAA/38=");
  EXPECT_TRUE(read.keep_original_groups && read.seccomp->fail_unknown_syscalls);
}

TEST(ConfigJson, EmptyRoundTrip) {
  const std::string text = to_json(Config());
  EXPECT_EQ(to_json(parse_config(text).value()), text);
}

// The forms that Go's decoder insists on.
TEST(ConfigJson, FormsOfLibcontainer) {
  const std::string text = to_json(full_config());
  for (const char* part : {
           R"("type":"NEWIPC","path":"/proc/1/ns/ipc")",
           R"("Bounding":["CAP_KILL","CAP_AUDIT_WRITE"])",
           R"({"type":99,"major":10,"minor":229,"permissions":"","allow":false,"path":"/dev/fuse","file_mode":438})",
           R"({"type":97,"major":-1,"minor":-1,"permissions":"rwm","allow":false})",
           R"("default_action":2,"architectures":["amd64","x32"],"flags":["SECCOMP_FILTER_FLAG_LOG"])",
           R"({"name":"getcwd","action":2,"errnoRet":1,"args":[]})",
           R"({"index":0,"value":2114060288,"value_two":1,"op":7})",
           R"("default_errno_ret":38,"listener_path":"/run/seccomp.sock","listener_metadata":"meta")",
           R"("poststart":[{"path":"/usr/bin/e","args":[],"env":[],"timeout":5000000000}])",
           R"("Final":[143,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0])",
           R"("memory":536870912,"memory_reservation":536870912,"memory_swap":536870912)",
           R"("cpu_rt_quota":950000)",
           R"("policy":"SCHED_DEADLINE","nice":-5)",
           R"("io_priority":{"class":"IOPRIO_CLASS_IDLE","priority":0})",
           R"("uid_mappings":[{"container_id":0,"host_id":1000,"size":32000}])",
           R"("id_mapping":{"uid_mappings":[{"container_id":0,"host_id":1000,"size":10}],"gid_mappings")",
           R"("rootPropagation":540672)",
           R"("time_offsets":{"boottime":{"secs":-604800},"monotonic":{"secs":172800,"nanosecs":5}})",
       }) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(ConfigJson, ZeroIsNotSet) {
  auto config =
      parse_config(R"({"cgroups":{"memory":0,"cpu_shares":0,"pids_limit":0,"oom_kill_disable":false,)"
                   R"("memory_swappiness":null,"devices":null,"freezer":""},"mounts":null,"capabilities":null})");
  ASSERT_TRUE(config);
  const Resources& r = config->cgroups.resources;
  EXPECT_FALSE(r.memory || r.cpu_shares || r.pids_limit || r.oom_kill_disable || r.memory_swappiness);
  EXPECT_FALSE(config->capabilities);
}

TEST(ConfigJson, RefusesWhatItCannotRead) {
  auto first = [](const char* text) {
    auto config = parse_config(text);
    return config ? std::string() : config.error().findings.at(0).pointer + " " + config.error().findings.at(0).message;
  };
  EXPECT_EQ(first(R"({"namespaces":[{"type":"NEWFOO"}]})"),
            "/namespaces/0/type must be one of \"NEWNET\", \"NEWPID\", \"NEWNS\", \"NEWUTS\", \"NEWIPC\", \"NEWUSER\", "
            "\"NEWCGROUP\", \"NEWTIME\", not \"NEWFOO\"");
  EXPECT_EQ(first(R"({"seccomp":{"default_action":77}})"), "/seccomp/default_action must be a known number, not 77");
  EXPECT_EQ(first(R"({"devices":[{"type":"c"}]})"),
            "/devices/0/type must be an integer between 0 and 127, not a string");
  EXPECT_EQ(first(R"({"mounts":[{"flags":-1}]})"),
            "/mounts/0/flags must be an integer between 0 and 9223372036854775807, not -1");
}

TEST(State, RoundTrip) {
  State state;
  state.id = std::string("web");
  state.init_process_pid = 4242;
  state.init_process_start = 123456;
  state.created = rfc3339({.tv_sec = 1767323045, .tv_nsec = 6});
  state.config = full_config();
  state.cgroup_paths = {{"", "/sys/fs/cgroup/web"}};
  state.namespace_paths = {{"NEWPID", "/proc/4242/ns/pid"}};
  state.external_descriptors = {"/dev/null", "pipe:[1]", "pipe:[2]"};
  state.cella = CellaState{.version = 1, .isolation = "sandbox", .engine_root = "/run/cella", .systemd = true};
  const std::string text = to_json(state);
  EXPECT_NE(text.find(R"("created":"2026-01-02T03:04:05.000000006Z")"), std::string::npos);
  auto back = parse_state(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(to_json(*back), text);
  EXPECT_EQ(back->cella->isolation, "sandbox");
}

TEST(State, LoadsWhatRuncHasWritten) {
  auto state = parse_state(read("testdata/runc-state.json"));
  ASSERT_TRUE(state) << state.error().findings.at(0).pointer << " " << state.error().findings.at(0).message;
  EXPECT_FALSE(state->cella);
  EXPECT_EQ(state->id, "web");
  EXPECT_GT(state->init_process_start, 0u);
  EXPECT_EQ(state->config.rootfs, "/srv/web/rootfs");
  EXPECT_EQ(state->config.label("bundle"), "/srv/web");
  EXPECT_FALSE(state->config.cgroups.resources.memory);
  EXPECT_TRUE(state->config.namespaces.is_new(NamespaceType::kPid));
  EXPECT_EQ(state->config.capabilities->bounding, uint64_t{1} << 29 | 1 << 5 | 1 << 10);
  EXPECT_EQ(state->config.devices.at(0).type, 'c');
}

TEST(State, RefusesNonsense) {
  EXPECT_EQ(parse_state("{]").error().text(), "state.json is invalid: 1 finding");
  EXPECT_EQ(parse_state("{}").error().findings.size(), 2u);
  EXPECT_FALSE(parse_state(R"({"id":"a","config":{},"init_process_start":-1})"));
}

TEST(Rfc3339, HasNoZerosAtItsEnd) {
  EXPECT_EQ(rfc3339({.tv_sec = 1767323045, .tv_nsec = 120000000}), "2026-01-02T03:04:05.12Z");
  EXPECT_EQ(rfc3339({.tv_sec = 1767323045, .tv_nsec = 0}), "2026-01-02T03:04:05Z");
  EXPECT_EQ(rfc3339({.tv_sec = 1767323045, .tv_nsec = 6}), "2026-01-02T03:04:05.000000006Z");
}

}  // namespace
}  // namespace cella::config
