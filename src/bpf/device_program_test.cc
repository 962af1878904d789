#include "bpf/device_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "bpf/dump.h"
#include "bpf/evaluate.h"

namespace cella::bpf {
namespace {

constexpr uint32_t kRead = BPF_DEVCG_ACC_READ, kWrite = BPF_DEVCG_ACC_WRITE, kMknod = BPF_DEVCG_ACC_MKNOD;

bool allowed(const std::vector<bpf_insn>& program, char type, uint32_t major, uint32_t minor, uint32_t access) {
  bpf_cgroup_dev_ctx context = {};
  context.access_type = access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  context.major = major;
  context.minor = minor;
  auto result = evaluate(program, context);
  EXPECT_TRUE(result.has_value()) << dump(program);
  return result && result->value == 1;
}

// What the rules say, read naively.
bool meant(const std::vector<DeviceRule>& rules, char type, uint32_t major, uint32_t minor, uint32_t access) {
  uint32_t granted = 0;
  for (const DeviceRule& rule : rules) {
    if (rule.type != 'a' && rule.type != type) continue;
    if (rule.major != kAnyDevice && rule.major != major) continue;
    if (rule.minor != kAnyDevice && rule.minor != minor) continue;
    granted = rule.allow ? granted | device_access(rule) : granted & ~device_access(rule);
  }
  return (granted & access) == access;
}

TEST(DeviceProgram, Rules) {
  struct Case {
    const char* name;
    std::vector<DeviceRule> rules;
    char type;
    uint32_t major, minor, access;
    bool allow;
  };
  const DeviceRule none = {'a', -1, -1, "rwm", false}, all = {'a', -1, -1, "rwm", true};
  const DeviceRule null = {'c', 1, 3, "rwm", true}, any_mknod = {'c', -1, -1, "m", true};
  const Case cases[] = {
      {"no rules refuse", {}, 'c', 1, 3, kRead, false},
      {"deny all", {none}, 'c', 1, 3, kRead, false},
      {"allow all", {all}, 'b', 8, 0, kRead | kWrite | kMknod, true},
      {"all without permissions", {{'a', -1, -1, "", true}}, 'b', 8, 0, kWrite, true},
      {"exception", {none, null}, 'c', 1, 3, kRead | kWrite, true},
      {"other minor", {none, null}, 'c', 1, 5, kRead, false},
      {"other major", {none, null}, 'c', 2, 3, kRead, false},
      {"other type", {none, null}, 'b', 1, 3, kRead, false},
      {"wildcard mknod", {none, any_mknod}, 'c', 9, 9, kMknod, true},
      {"wildcard mknod does not read", {none, any_mknod}, 'c', 9, 9, kRead, false},
      {"granted by two rules",
       {none, {'c', 1, -1, "r", true}, {'c', 1, 3, "w", true}},
       'c',
       1,
       3,
       kRead | kWrite,
       true},
      {"hole in allow all", {all, {'b', 8, 0, "w", false}}, 'b', 8, 0, kWrite, false},
      {"hole, mixed access", {all, {'b', 8, 0, "w", false}}, 'b', 8, 0, kRead | kWrite, false},
      {"hole, other access", {all, {'b', 8, 0, "w", false}}, 'b', 8, 0, kRead, true},
      {"part of a wider rule", {none, {'c', -1, -1, "rw", true}, {'c', 1, 3, "r", false}}, 'c', 1, 3, kRead, false},
      {"the rest of it", {none, {'c', -1, -1, "rw", true}, {'c', 1, 3, "r", false}}, 'c', 1, 3, kWrite, true},
      {"last one wins", {null, none}, 'c', 1, 3, kRead, false},
      {"last one wins again", {none, null, {'c', 1, 3, "rwm", false}, null}, 'c', 1, 3, kRead, true},
      {"'a' with numbers is both types", {none, {'a', 1, 3, "r", true}}, 'b', 1, 3, kRead, true},
      {"and only those numbers", {none, {'a', 1, 3, "r", true}}, 'b', 1, 4, kRead, false},
      {"no permissions, no effect", {none, {'c', 1, 3, "", true}}, 'c', 1, 3, kRead, false},
      {"numbers no device has", {none, {'c', 4294967295, 3, "rwm", true}}, 'c', 1, 3, kRead, false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    auto program = build_device_program(test.rules);
    ASSERT_TRUE(program.has_value());
    EXPECT_EQ(allowed(*program, test.type, test.major, test.minor, test.access), test.allow) << dump(*program);
    EXPECT_EQ(meant(test.rules, test.type, test.major, test.minor, test.access), test.allow);
  }
}

TEST(DeviceProgram, RefusesBadRules) {
  for (const DeviceRule& rule : {DeviceRule{'u', 1, 1, "r", true}, DeviceRule{'c', -2, 1, "r", true},
                                 DeviceRule{'c', 1, 1, "x", true}, DeviceRule{'c', 1, 4294967296, "r", true}}) {
    auto program = build_device_program({rule});
    ASSERT_FALSE(program.has_value());
    EXPECT_EQ(program.error().code, ErrorCode::kConfigInvalid);
  }
}

std::vector<DeviceRule> random_rules(std::mt19937& random) {
  std::vector<DeviceRule> rules;
  const char* permissions[] = {"r", "w", "m", "rw", "rm", "wm", "rwm", ""};
  for (size_t i = 0, count = random() % 12; i < count; ++i) {
    rules.push_back({"abc"[random() % 3], static_cast<int64_t>(random() % 4) - 1,
                     static_cast<int64_t>(random() % 4) - 1, permissions[random() % 8], random() % 2 == 0});
  }
  return rules;
}

TEST(DeviceProgram, RandomRulesMeanWhatTheySay) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const std::vector<DeviceRule> rules = random_rules(random);
    auto program = build_device_program(rules);
    ASSERT_TRUE(program.has_value());
    for (char type : {'b', 'c'})
      for (uint32_t major = 0; major < 4; ++major)
        for (uint32_t minor = 0; minor < 4; ++minor)
          for (uint32_t access = 1; access < 8; ++access)
            ASSERT_EQ(allowed(*program, type, major, minor, access), meant(rules, type, major, minor, access))
                << "round " << round << "\n"
                << dump(*program);
  }
}

TEST(DeviceProgram, TheKernelsVerifierTakesThem) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    auto program = build_device_program(random_rules(random));
    ASSERT_TRUE(program.has_value());
    auto loaded = load_device_program(*program);
    if (!loaded && round == 0 && (loaded.error().errno_value == EPERM || loaded.error().errno_value == ENOSYS)) {
      GTEST_SKIP() << "needs permission for bpf(BPF_PROG_LOAD) (CAP_BPF): " << loaded.error().text();
    }
    ASSERT_TRUE(loaded.has_value()) << loaded.error().text() << "\n" << loaded.error().hint << dump(*program);
  }
}

// Can a member of the cgroup open the device? -1: the test itself failed.
int open_in(const std::string& cgroup, const char* device) {
  const pid_t child = fork();
  if (child == 0) {
    const int procs = open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
    if (procs < 0 || write(procs, "0", 1) != 1) _exit(2);
    _exit(open(device, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) == 2) return -1;
  return WEXITSTATUS(status) == 0 ? 1 : 0;
}

TEST(DeviceProgram, AttachedToACgroupItDecides) {
  std::string cgroup;
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct statfs filesystem = {};
    if (statfs(root, &filesystem) == 0 && filesystem.f_type == 0x63677270) cgroup = root;  // CGROUP2_SUPER_MAGIC
  }
  if (cgroup.empty()) GTEST_SKIP() << "needs a cgroup2 filesystem at /sys/fs/cgroup";
  cgroup += fmt::format("/cella-device-test-{}", getpid());
  if (mkdir(cgroup.c_str(), 0755) != 0) GTEST_SKIP() << "needs permission to create a cgroup: " << cgroup;
  struct RemoveDirectory {
    const std::string& path;
    ~RemoveDirectory() { rmdir(path.c_str()); }
  } remove = {cgroup};
  const sys::FileDescriptor directory(open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto first = load_device_program(*build_device_program({{'c', 1, 3, "rwm", true}}));
  if (!first) GTEST_SKIP() << "needs permission for bpf(BPF_PROG_LOAD): " << first.error().text();
  auto second = load_device_program(*build_device_program({{'a', -1, -1, "rwm", true}, {'c', 1, 3, "r", false}}));
  ASSERT_TRUE(second.has_value());
  auto attached = replace_device_programs(directory.get(), first->get());
  if (!attached) GTEST_SKIP() << "needs a kernel with CONFIG_CGROUP_BPF: " << errno_text(attached.error().value);
  EXPECT_EQ(query_device_programs(directory.get())->size(), 1u);
  EXPECT_EQ(open_in(cgroup, "/dev/null"), 1);
  EXPECT_EQ(open_in(cgroup, "/dev/zero"), 0);
  ASSERT_TRUE(replace_device_programs(directory.get(), second->get()).has_value());
  EXPECT_EQ(query_device_programs(directory.get())->size(), 1u);
  EXPECT_EQ(open_in(cgroup, "/dev/null"), 0);
  EXPECT_EQ(open_in(cgroup, "/dev/zero"), 1);
  // Two at once: what both allow, which here is nothing of the two.
  ASSERT_TRUE(attach_device_program(directory.get(), first->get()).has_value());
  EXPECT_EQ(query_device_programs(directory.get())->size(), 2u);
  EXPECT_EQ(open_in(cgroup, "/dev/null"), 0);
  EXPECT_EQ(open_in(cgroup, "/dev/zero"), 0);
}

}  // namespace
}  // namespace cella::bpf
