// Values and counters, against this host's kernel.
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "cgroup/kernel_testing.h"

namespace cella::cgroup {
namespace {

using ApplyTest = KernelTest;

TEST_F(ApplyTest, APidsLimitBites) {
  if (!controls("pids")) GTEST_SKIP() << "needs the pids controller";
  create();
  config::Resources resources;
  resources.pids_limit = 1;
  apply(resources);
  EXPECT_EQ(file("pids", "pids.max"), "1");
  pid_t pid = start([] { return ::fork() < 0 && errno == EAGAIN ? 0 : 1; });
  EXPECT_EQ(wait_for(pid), 0);
  resources.pids_limit = -1;
  Manager loaded = Manager::load(manager_->paths());
  ASSERT_TRUE(loaded.apply(resources));
  EXPECT_EQ(file("pids", "pids.max"), "max");
}

TEST_F(ApplyTest, MemoryAndSwapCanBeRaisedAndCut) {
  if (!has("memory")) GTEST_SKIP() << "needs the v1 memory controller";
  create();
  auto set = [&](int64_t memory, int64_t swap) {
    config::Resources resources;
    resources.memory = memory;
    if (swap != 0) resources.memory_swap = swap;
    apply(resources);
  };
  set(64 << 20, 128 << 20);
  EXPECT_EQ(file("memory", "memory.limit_in_bytes"), fmt::format("{}", 64 << 20));
  set(256 << 20, 512 << 20);
  EXPECT_EQ(file("memory", "memory.limit_in_bytes"), fmt::format("{}", 256 << 20));
  set(32 << 20, 32 << 20);
  EXPECT_EQ(file("memory", "memory.limit_in_bytes"), fmt::format("{}", 32 << 20));
  set(-1, 0);
  EXPECT_EQ(parse_limit(file("memory", "memory.limit_in_bytes")) >> 60, 7u);
  config::Resources resources;
  resources.memory = -5;
  Result<void> applied = manager_->apply(resources);
  ASSERT_FALSE(applied);
  EXPECT_NE(applied.error().text().find("linux.resources.memory.limit: writing -5 to memory.limit_in_bytes: "
                                        "invalid argument"),
            std::string::npos)
      << applied.error().text();
}

TEST_F(ApplyTest, CpuPeriodAndQuotaInAnyDirection) {
  if (!has("cpu")) GTEST_SKIP() << "needs the v1 cpu controller";
  create();
  config::Resources resources;
  resources.cpu_period = 100000;
  resources.cpu_quota = 50000;
  resources.cpu_burst = 10000;
  resources.cpu_shares = 512;
  apply(resources);
  resources.cpu_period = 10000;
  resources.cpu_quota = 2000;
  resources.cpu_burst = 0;
  apply(resources);
  EXPECT_EQ(file("cpu", "cpu.cfs_period_us"), "10000");
  EXPECT_EQ(file("cpu", "cpu.cfs_quota_us"), "2000");
  EXPECT_EQ(file("cpu", "cpu.shares"), "512");
  config::Resources wrong;
  wrong.cpu_shares = 1000000;
  Result<void> applied = manager_->apply(wrong);
  ASSERT_FALSE(applied);
  EXPECT_NE(applied.error().text().find("the maximum allowed cpu.shares is 262144"), std::string::npos)
      << applied.error().text();
}

config::Device device_rule(bool allow, char type, int64_t major, int64_t minor) {
  config::Device device;
  device.allow = allow;
  device.type = type;
  device.major = major;
  device.minor = minor;
  device.permissions = "rwm";
  return device;
}

TEST_F(ApplyTest, DeviceRulesBite) {
  if (!has("devices")) GTEST_SKIP() << "needs the v1 devices controller";
  create();
  config::Resources resources;
  resources.devices = {device_rule(false, 'a', config::kWildcard, config::kWildcard), device_rule(true, 'c', 1, 3)};
  apply(resources);
  EXPECT_EQ(file("devices", "devices.list"), "c 1:3 rwm");
  std::string node = fmt::format("/tmp/{}-zero", id_);
  auto probe = [&] {
    if (::open("/dev/null", O_RDWR) < 0) return 1;
    if (::open("/dev/zero", O_RDONLY) >= 0 || errno != EPERM) return 2;
    if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0 || errno != EPERM) return 3;
    return 0;
  };
  EXPECT_EQ(wait_for(start(probe)), 0);
  ::unlink(node.c_str());
  // An update writes the difference.
  resources.devices.push_back(device_rule(true, 'c', 1, 5));
  Manager loaded = Manager::load(manager_->paths());
  ASSERT_TRUE(loaded.apply(resources));
  EXPECT_EQ(wait_for(start(probe)), 2);
}

TEST_F(ApplyTest, AllowAllWritesNothing) {
  if (!has("devices")) GTEST_SKIP() << "needs the v1 devices controller";
  create();
  std::string before = file("devices", "devices.list");
  config::Resources resources;
  resources.devices = {device_rule(true, 'a', config::kWildcard, config::kWildcard)};
  apply(resources);
  EXPECT_EQ(file("devices", "devices.list"), before);
}

TEST_F(ApplyTest, AMissingControllerIsNamedWithItsField) {
  if (controls("rdma")) GTEST_SKIP() << "needs a host without the rdma controller";
  create();
  config::Resources resources;
  resources.rdma["mlx5_0"].hca_handles = 1;
  Result<void> applied = manager_->apply(resources);
  ASSERT_FALSE(applied);
  EXPECT_NE(applied.error().text().find("linux.resources.rdma: the cgroup controller rdma is not available"),
            std::string::npos)
      << applied.error().text();
  EXPECT_EQ(applied.error().code, ErrorCode::kUnsupported);
}

TEST_F(ApplyTest, HugePagesAndUnifiedKeysOfTheV2Tree) {
  if (!has("")) GTEST_SKIP() << "needs a v2 hierarchy";
  create();
  config::Resources resources;
  resources.unified["cgroup.max.depth"] = "3";
  apply(resources);
  EXPECT_EQ(file("", "cgroup.max.depth"), "3");
  if (has("hugetlb") || v2_root("cgroup.controllers").find("hugetlb") == std::string::npos) {
    GTEST_SKIP() << "needs hugetlb in the v2 tree";
  }
  resources = {};
  resources.hugetlb_limit = {{"2MB", 4 << 20}};
  apply(resources);
  EXPECT_EQ(file("", "hugetlb.2MB.max"), fmt::format("{}", 4 << 20));
  EXPECT_EQ(file("", "hugetlb.2MB.rsvd.max"), fmt::format("{}", 4 << 20));
  Result<CgroupStats> stats = manager_->stats();
  EXPECT_TRUE(stats && stats->hugetlb_stats.contains("2MB"));
}

TEST_F(ApplyTest, StatsCount) {
  create();
  pid_t pid = start([] {
    for (int i = 0; i < 30'000'000; ++i) asm volatile("");
    return sleep_for_ever();
  });
  ::usleep(100'000);
  Result<CgroupStats> stats = manager_->stats();
  ASSERT_TRUE(stats) << stats.error().text();
  EXPECT_EQ(stats->pids_stats.current, 1u);
  EXPECT_GT(stats->cpu_stats.cpu_usage.total_usage, 0u);
  EXPECT_EQ(has("cpuset"), !stats->cpuset_stats.cpus.empty());
  if (controls("memory")) {
    EXPECT_GT(stats->memory_stats.usage.usage, 0u);
    EXPECT_GT(stats->memory_stats.usage.limit, 0u);
    EXPECT_FALSE(stats->memory_stats.stats.empty());
  }
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  wait_for(pid);
}

TEST_F(ApplyTest, V2LimitsReadBack) {
  if (layout_.kind != Layout::kV2 || !controls("memory") || !controls("cpu") || !controls("cpuset")) {
    GTEST_SKIP() << "needs pure v2 with memory, cpu and cpuset";
  }
  create();
  config::Resources resources;
  resources.memory = 64 << 20;
  resources.memory_swap = 96 << 20;
  resources.memory_reservation = 32 << 20;
  resources.cpu_shares = 2048;
  resources.cpu_quota = 50000;
  resources.cpu_burst = 1000;
  resources.cpuset_cpus = "0";
  resources.cpuset_mems = "0";
  resources.unified["memory.high"] = fmt::format("{}", 48 << 20);
  if (file("", "cpu.max.burst") == "(none)") resources.cpu_burst.reset();
  apply(resources);
  EXPECT_EQ(file("", "memory.max"), fmt::format("{}", 64 << 20));
  EXPECT_EQ(file("", "memory.low"), fmt::format("{}", 32 << 20));
  EXPECT_EQ(file("", "memory.high"), fmt::format("{}", 48 << 20));
  if (std::string swap = file("", "memory.swap.max"); swap != "(none)") {
    EXPECT_EQ(swap, fmt::format("{}", 32 << 20));
  }
  EXPECT_EQ(file("", "cpu.weight"), fmt::format("{}", 174));
  EXPECT_EQ(file("", "cpu.max"), "50000 100000");
  EXPECT_EQ(file("", "cpuset.cpus"), "0");
  resources = {};
  resources.memory = 1;
  resources.memory_check_before_update = true;
  EXPECT_EQ(wait_for(start([] { return 0; })), 0);
  EXPECT_NE(file("", "memory.current") == "0", !manager_->apply(resources)) << file("", "memory.current");
}

TEST_F(ApplyTest, AnOutOfMemoryKillIsNoticed) {
  if (!controls("memory")) GTEST_SKIP() << "needs the memory controller";
  create();
  config::Resources resources;
  resources.memory = 8 << 20;
  resources.memory_swap = 8 << 20;
  apply(resources);
  Result<sys::FileDescriptor> event = manager_->notify_oom();
  ASSERT_TRUE(event) << event.error().text();
  EXPECT_EQ(manager_->oom_kill_count().value(), 0u);
  pid_t pid = start([] {
    constexpr size_t kSize = 64 << 20;
    char* memory =
        static_cast<char*>(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < kSize; i += 4096) memory[i] = 1;
    return 0;
  });
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  pollfd wait = {event->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 5000), 1);
  EXPECT_EQ(manager_->oom_kill_count().value(), 1u);
  EXPECT_EQ(has("memory"), manager_->notify_memory_pressure(PressureLevel::kCritical).has_value());
}

}  // namespace
}  // namespace cella::cgroup
