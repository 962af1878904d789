#include "oci/parse.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "oci/default_spec.h"
#include "oci/state.h"

namespace cella::oci {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string findings_of(const Error& error) {
  std::string out;
  for (const Finding& f : error.findings) out += f.pointer + " " + f.message + "\n";
  return out;
}

TEST(Parse, AcceptsTheGoodExamples) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("testdata/good")) {
    auto spec = parse_spec(read(entry.path()));
    EXPECT_TRUE(spec) << entry.path() << "\n" << (spec ? "" : findings_of(spec.error()));
    ++count;
  }
  EXPECT_GE(count, 5);
}

TEST(Parse, RefusesTheBadExamples) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("testdata/bad")) {
    EXPECT_FALSE(parse_spec(read(entry.path()))) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 4);
}

TEST(Parse, ReadsEveryField) {
  auto spec = parse_spec(read("testdata/good/full.json"));
  ASSERT_TRUE(spec) << findings_of(spec.error());
  const Process& process = *spec->process;
  EXPECT_EQ(process.console_size->height, 25u);
  EXPECT_EQ(process.user.umask, 18u);
  EXPECT_EQ(process.user.additional_gids, (std::vector<uint32_t>{5, 6}));
  EXPECT_EQ(process.rlimits[1].type, RlimitType::kNofile);
  EXPECT_EQ(process.scheduler->flags.size(), 2u);
  EXPECT_EQ(process.io_priority->io_class, IOPriorityClass::kIdle);
  EXPECT_EQ(process.exec_cpu_affinity->final, "0-3,7");
  EXPECT_EQ(spec->hooks->poststart[0].timeout, 5);
  const Linux& config = *spec->linux_config;
  EXPECT_EQ(config.resources->block_io->weight_device[0].leaf_weight, 300);
  EXPECT_EQ(config.resources->unified.at("memory.high"), "1000000");
  EXPECT_EQ(config.seccomp->syscalls[1].args[0].op, SeccompOperator::kMaskedEqual);
  EXPECT_EQ(config.rootfs_propagation, Propagation::kRslave);
  EXPECT_EQ(config.memory_policy->flags[0], MemoryPolicyFlag::kStaticNodes);
  EXPECT_EQ(config.time_offsets.at("boottime").secs, -604800);
  EXPECT_EQ(config.net_devices.at("eth0").name, "container_eth0");
}

// The file is written as to_json writes, so that a field lost on the way shows.
TEST(Parse, WritesBackEveryField) {
  const std::string text = read("testdata/good/full.json");
  auto spec = parse_spec(text);
  ASSERT_TRUE(spec);
  EXPECT_EQ(to_json(*spec) + "\n", text);
}

TEST(Parse, WarnsOfWhatItIgnores) {
  std::vector<Finding> warnings;
  auto spec = parse_spec(R"({"ociVersion":"1.0.2-dev","root":{"path":"r"},"process":{"cwd":"/","args":["sh"],
      "consoleSize":{"height":1,"width":2},"future":{},"user":{"username":"Administrator"},"commandLine":"x"},"mounts":[{"destination":"a"}],"windows":{},
      "linux":{"personality":{"domain":"LINUX","flags":["X"]},
      "devices":[{"path":"/dev/p","type":"p"},{"path":"/dev/p","type":"p"}],"namespaces":[{"type":"user","path":"/p"}],
      "uidMappings":[{"containerID":0,"hostID":0,"size":1}],"resources":{"memory":{"kernel":-1}}}})",
                         &warnings);
  ASSERT_TRUE(spec) << findings_of(spec.error());
  std::string text;
  for (const Finding& f : warnings) text += f.pointer + " " + f.message + "\n";
  EXPECT_EQ(text,
            "/process/future is not a known property and is ignored\n"
            "/windows is not a known property and is ignored\n"
            "/process/commandLine is ignored: it is for Windows\n"
            "/process/user/username is ignored: it is for Windows\n"
            "/process/consoleSize is ignored without a terminal\n"
            "/linux/uidMappings is ignored: the user namespace to join has its own\n"
            "/linux/resources/memory/kernel is ignored: Linux limits kernel memory no more\n"
            "/linux/devices/1 is ignored: entry 0 is the same\n"
            "/linux/personality/flags is ignored: the specification defines no flag\n");
}

TEST(Parse, AcceptsVersions) {
  for (const char* version : {"0.5.0-dev", "1.0.0", "1.0.2-dev", "1.1.0+dev", "1.3.0", "1.99.0", "1.0.0-rc.1+b-2"}) {
    EXPECT_TRUE(parse_spec(std::string(R"({"ociVersion":")") + version + R"(","root":{"path":"r"}})")) << version;
  }
}

TEST(Parse, AcceptsJoinedNamespacesForWhatNeedsOne) {
  EXPECT_TRUE(parse_spec(R"({"ociVersion":"1.0.0","root":{"path":"r"},"hostname":"h","linux":{"namespaces":[
      {"type":"uts","path":"/proc/1/ns/uts"},{"type":"network","path":"/var/run/netns/a"},{"type":"user","path":"/u"}],
      "sysctl":{"net/ipv4/conf/eth0.1/rp_filter":"1","user.max_net_namespaces":"1","kernel.domainname":"d"}}})"));
}

TEST(Parse, UpdateMaySetSwapAlone) {
  EXPECT_TRUE(parse_resources(R"({"memory":{"swap":1000}})"));
  EXPECT_FALSE(parse_resources(R"({"memory":{"limit":2000,"swap":1000}})"));
}

double seconds(auto&& function) {
  auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(Parse, HugeDocumentsTakeBoundedTime) {
  std::string good = R"({"ociVersion":"1.0.0","root":{"path":"r"},"mounts":[{"destination":"/x"})";
  std::string keys = R"({"ociVersion":"1.0.0","root":{"path":"r"},"annotations":{"k":"")";
  std::string bad = R"({"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],"env":[1)";
  while (good.size() < 50'000'000)
    good += R"(,{"destination":"/some/destination/inside","type":"bind","options":["ro"]})";
  while (bad.size() < 50'000'000) bad += ",1234567890123";
  for (int i = 0; keys.size() < 50'000'000; ++i) keys += ",\"key" + std::to_string(i) + "\":\"value of it\"";
  EXPECT_LT(seconds([&] { EXPECT_TRUE(parse_spec(good + "]}")); }), 60);
  EXPECT_LT(seconds([&] { EXPECT_TRUE(parse_spec(keys + "}}")); }), 60);
  EXPECT_LT(seconds([&] { EXPECT_EQ(parse_spec(bad + "]}}").error().findings.size(), 501u); }), 60);
  // Memory is bounded by the number of values.
  std::string ones = R"({"ociVersion":"1.0.0","root":{"path":"r"},"process":{"cwd":"/","args":["a"],"env":[1)";
  while (ones.size() < 50'000'000) ones += ",1";
  EXPECT_LT(seconds([&] { EXPECT_EQ(parse_spec(ones + "]}}").error().findings.size(), 1u); }), 60);
}

TEST(Parse, DeepNestingIsRefused) {
  std::string text = R"({"ociVersion":"1.0.0","root":{"path":"r"},"x":)" + std::string(100000, '[');
  auto spec = parse_spec(text + std::string(100000, ']') + "}");
  ASSERT_FALSE(spec);
  EXPECT_EQ(findings_of(spec.error()), " is nested deeper than 512 levels: line 1, column 558\n");
}

TEST(DefaultSpec, IsValid) {
  for (bool rootless : {false, true}) {
    auto spec =
        parse_spec(to_json(default_spec({.rootless = rootless, .cgroup_namespace = true, .uid = 1000, .gid = 1000})));
    EXPECT_TRUE(spec) << findings_of(spec.error());
  }
}

TEST(DefaultSpec, IsAsRecorded) {
  EXPECT_EQ(to_json(default_spec({})) + "\n", read("testdata/good/default.json"));
  EXPECT_EQ(to_json(default_spec({.rootless = true, .cgroup_namespace = true, .uid = 1000, .gid = 100})) + "\n",
            read("testdata/good/default-rootless.json"));
}

TEST(State, RoundTrip) {
  State state{
      .version = "1.3.0", .id = "web", .status = "created", .pid = 42, .bundle = "/b", .annotations = {{"a", "b"}}};
  const std::string text = to_json(state);
  EXPECT_EQ(text,
            R"({"ociVersion":"1.3.0","id":"web","status":"created","pid":42,"bundle":"/b","annotations":{"a":"b"}})");
  EXPECT_EQ(parse_state(text).value(), state);
  state.pid = 0;
  EXPECT_EQ(to_json(state).find("pid"), std::string::npos);
  EXPECT_FALSE(parse_state("{]"));
  EXPECT_FALSE(parse_state(R"({"ociVersion":"1.0.0","id":"x","status":"running","pid":-1,"bundle":"/"})"));
}

}  // namespace
}  // namespace cella::oci
