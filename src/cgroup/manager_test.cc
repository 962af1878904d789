// Against the kernel of this host, whatever its layout: needs root and a writable cgroupfs. Every group has a name of
// its own below the caller's, and is removed.
#include "cgroup/manager.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cgroup/text.h"

namespace cella::cgroup {
namespace {

// A process in the groups, as init/ starts one: born in the v2 group, moving itself in v1. 0 of `body` ends it well.
pid_t spawn(const Join& join, const std::function<int()>& body) {
  clone_args args = {};
  args.exit_signal = SIGCHLD;
  if (join.into_cgroup) {
    args.flags = CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(join.into_cgroup.get());
  }
  pid_t pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid != 0) return pid;
  for (const sys::FileDescriptor& tasks : join.tasks) {
    if (::write(tasks.get(), "0", 1) != 1) ::_exit(200);
  }
  ::_exit(body());
}

int sleep_for_ever() {
  for (;;) ::pause();
}

// The exit status, 128 + the signal, or -1.
int wait_for(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

char state_of(pid_t pid) {
  auto text = sys::read_file(fmt::format("/proc/{}/stat", pid).c_str());
  if (!text) return 0;
  size_t bracket = text->rfind(") ");
  return bracket == std::string::npos ? 0 : (*text)[bracket + 2];
}

class ManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    Result<Layout> layout = detect();
    ASSERT_TRUE(layout) << layout.error().text();
    layout_ = *layout;
    if (layout_.kind == Layout::kNone) GTEST_SKIP() << "no cgroup hierarchy is mounted";
    static int count = 0;
    id_ = fmt::format("cella-test-{}-{}", ::getpid(), ++count);
    Result<Manager> probe = Manager::make(layout_, {}, id_);
    ASSERT_TRUE(probe) << probe.error().text();
    if (auto made = probe->create(); !made) GTEST_SKIP() << "cgroups cannot be created: " << made.error().text();
    ASSERT_TRUE(probe->destroy());
    manager_ = std::make_unique<Manager>(*Manager::make(layout_, {}, id_));
  }

  void TearDown() override {
    if (!manager_) return;
    (void)manager_->kill_all(SIGKILL);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    Result<void> destroyed = manager_->destroy();
    EXPECT_TRUE(destroyed) << destroyed.error().text();
    for (const auto& [controller, path] : manager_->paths()) EXPECT_NE(::access(path.c_str(), F_OK), 0) << path;
  }

  bool has(std::string_view controller) { return manager_->paths().contains(std::string(controller)); }
  std::string file(const std::string& controller, const char* name) {
    auto text = sys::read_file((manager_->paths().at(controller) + "/" + name).c_str());
    return text ? std::string(trim(*text)) : "(none)";
  }
  void apply(const config::Resources& resources) {
    Result<void> applied = manager_->apply(resources);
    ASSERT_TRUE(applied) << applied.error().text();
  }
  void create() {
    Result<void> created = manager_->create();
    ASSERT_TRUE(created) << created.error().text();
  }
  pid_t start(const std::function<int()>& body, const SubPaths& sub = {}) {
    Result<Join> join = manager_->open_join(sub);
    EXPECT_TRUE(join) << join.error().text();
    return join ? spawn(*join, body) : -1;
  }

  Layout layout_;
  std::string id_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(ManagerTest, CreateJoinKillDestroyLeavesNothing) {
  create();
  for (const auto& [controller, path] : manager_->paths()) EXPECT_EQ(::access(path.c_str(), F_OK), 0) << path;
  pid_t pid = start(sleep_for_ever);
  ASSERT_GT(pid, 0);
  // The process moves itself: wait for the last hierarchy.
  auto own = [&] { return *sys::read_file(fmt::format("/proc/{}/cgroup", pid).c_str()); };
  for (int i = 0; i < 1000; ++i) {
    std::string text = own();
    size_t lines = 0, inside = 0;
    for_each_line(text, [&](std::string_view line) { ++lines, inside += line.ends_with(id_); });
    if (inside == layout_.hierarchies.size()) break;
    ::usleep(1000);
    ASSERT_LT(i, 999) << text;
  }
  EXPECT_EQ(manager_->processes(true).value(), std::vector<pid_t>{pid});
  EXPECT_TRUE(manager_->exists());

  Manager loaded = Manager::load(manager_->paths());
  EXPECT_EQ(loaded.paths(), manager_->paths());
  ASSERT_TRUE(loaded.kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  ASSERT_TRUE(loaded.destroy());
  EXPECT_FALSE(manager_->exists());
  EXPECT_TRUE(loaded.destroy());  // what is gone is success
  EXPECT_TRUE(loaded.processes(true)->empty());
  EXPECT_FALSE(loaded.frozen().value());
}

TEST_F(ManagerTest, OtherSignalsReachEveryProcess) {
  create();
  pid_t one = start(sleep_for_ever), two = start(sleep_for_ever);
  ::usleep(20'000);
  ASSERT_TRUE(manager_->kill_all(SIGTERM));
  EXPECT_EQ(wait_for(one), 128 + SIGTERM);
  EXPECT_EQ(wait_for(two), 128 + SIGTERM);
}

TEST_F(ManagerTest, AnOccupiedGroupIsRefusedAndAnEmptyOneTaken) {
  create();
  pid_t pid = start(sleep_for_ever);
  ::usleep(20'000);
  Manager second = *Manager::make(layout_, {}, id_);
  Result<void> created = second.create();
  ASSERT_FALSE(created);
  EXPECT_NE(created.error().text().find("container's cgroup is not empty: 1 process(es) found"), std::string::npos)
      << created.error().text();
  EXPECT_TRUE(manager_->exists());  // not ours to remove
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  wait_for(pid);
  created = second.create();
  EXPECT_TRUE(created) << created.error().text();
}

TEST_F(ManagerTest, AFailureMidwayRemovesWhatWasMade) {
  if (layout_.hierarchies.size() < 2) GTEST_SKIP() << "needs more than one hierarchy";
  Layout broken = layout_;
  broken.hierarchies.back().mount_point = "/proc/no-such-hierarchy";
  broken.hierarchies.back().own_path = "/";
  config::Cgroup cgroup;
  cgroup.path = "parent-" + id_ + "/child";
  Manager manager = *Manager::make(broken, cgroup, id_);
  ASSERT_FALSE(manager.create());
  for (const auto& [controller, path] : manager.paths()) {
    EXPECT_NE(::access(path.c_str(), F_OK), 0) << path;
    EXPECT_NE(::access(path.substr(0, path.rfind('/')).c_str(), F_OK), 0) << path;
  }
}

TEST_F(ManagerTest, ParentsAreMadeAndStay) {
  config::Cgroup cgroup;
  cgroup.path = id_ + "/a/b";
  Manager manager = *Manager::make(layout_, cgroup, id_);
  Result<void> created = manager.create();
  ASSERT_TRUE(created) << created.error().text();
  pid_t pid = spawn(*manager.open_join(), [] { return 0; });
  EXPECT_EQ(wait_for(pid), 0);  // cpuset of the parents too: it can be joined
  ASSERT_TRUE(manager.destroy());
  EXPECT_FALSE(manager.exists());
  EXPECT_TRUE(manager_->exists());  // removed by TearDown, with a/ below it
}

TEST_F(ManagerTest, SubgroupsOfTheContainerAreRemovedWithIt) {
  create();
  for (const auto& [controller, path] : manager_->paths()) {
    ASSERT_EQ(::mkdir((path + "/x").c_str(), 0755), 0) << path;
    ASSERT_EQ(::mkdir((path + "/x/y").c_str(), 0755), 0) << path;
    if (has("cpu") && has("cpuacct") && manager_->paths()["cpu"] == manager_->paths()["cpuacct"]) break;
  }
  Result<void> destroyed = manager_->destroy();
  ASSERT_TRUE(destroyed) << destroyed.error().text();
  EXPECT_FALSE(manager_->exists());
}

TEST_F(ManagerTest, ExecJoinsASubgroup) {
  create();
  for (const auto& [controller, path] : manager_->paths()) ::mkdir((path + "/sub").c_str(), 0755);
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    if (!has("cpuset")) break;
    std::string path = manager_->paths()["cpuset"];
    ASSERT_TRUE(sys::write_file((path + "/sub" + file).c_str(), *sys::read_file((path + file).c_str())));
  }
  pid_t pid = start(sleep_for_ever, {{"", "sub"}});
  ::usleep(20'000);
  EXPECT_TRUE(manager_->processes(false)->empty());
  EXPECT_EQ(manager_->processes(true).value(), std::vector<pid_t>{pid});
  EXPECT_FALSE(manager_->open_join({{"", "../x"}}));
  EXPECT_FALSE(manager_->open_join({{"nonsense", "x"}}));
  ASSERT_TRUE(manager_->kill_all(SIGKILL));  // reaches below
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(ManagerTest, FreezeStopsAndThawGoesOn) {
  create();
  EXPECT_FALSE(manager_->frozen().value());
  int* counter = static_cast<int*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(counter, MAP_FAILED);
  auto value = [&] { return __atomic_load_n(counter, __ATOMIC_RELAXED); };
  pid_t pid = start([&]() -> int {
    for (;;) __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED), ::usleep(100);
  });
  while (value() == 0) ::usleep(1000);
  Result<void> frozen = manager_->freeze(true);
  ASSERT_TRUE(frozen) << frozen.error().text();
  EXPECT_TRUE(manager_->frozen().value());
  int before = value();
  ::usleep(30'000);
  EXPECT_EQ(value(), before);
  ASSERT_TRUE(manager_->freeze(false));
  EXPECT_FALSE(manager_->frozen().value());
  for (int i = 0; i < 1000 && value() == before; ++i) ::usleep(1000);
  EXPECT_GT(value(), before);
  // A frozen container can be killed.
  ASSERT_TRUE(manager_->freeze(true));
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  ::munmap(counter, 4096);
}

TEST_F(ManagerTest, FrozenByAnotherRuntimeInTheV1FreezerIsFrozenAndCanBeKilled) {
  if (!has("freezer")) GTEST_SKIP() << "needs the v1 freezer";
  create();
  pid_t pid = start(sleep_for_ever);
  ::usleep(20'000);
  ASSERT_TRUE(sys::write_file((manager_->paths()["freezer"] + "/freezer.state").c_str(), "FROZEN"));
  EXPECT_TRUE(manager_->frozen().value());
  ASSERT_TRUE(manager_->freeze(false));
  EXPECT_FALSE(manager_->frozen().value());
  ASSERT_TRUE(sys::write_file((manager_->paths()["freezer"] + "/freezer.state").c_str(), "FROZEN"));
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(ManagerTest, WorksWithoutTheUnifiedTreeOfAHybridHost) {
  if (layout_.kind != Layout::kHybrid) GTEST_SKIP() << "needs a hybrid layout";
  layout_.hierarchies.pop_back();
  layout_.kind = Layout::kV1;
  manager_ = std::make_unique<Manager>(*Manager::make(layout_, {}, id_));
  create();
  pid_t pid = start(sleep_for_ever);
  ::usleep(20'000);
  ASSERT_TRUE(manager_->freeze(true));
  EXPECT_EQ(file("freezer", "freezer.state"), "FROZEN");
  EXPECT_TRUE(manager_->frozen().value());
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  config::Resources resources;
  resources.unified["cgroup.max.depth"] = "3";
  Result<void> applied = manager_->apply(resources);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().text(), "linux.resources.unified.cgroup.max.depth: this host has no cgroup v2");
}

TEST_F(ManagerTest, AForkBombIsKilled) {
  create();
  if (has("pids")) {
    config::Resources resources;
    resources.pids_limit = 50;
    apply(resources);
  }
  if (!has("pids")) GTEST_SKIP() << "needs the pids controller to keep the bomb small";
  pid_t pid = start([]() -> int {
    for (;;) {
      if (::fork() < 0) ::usleep(100);
    }
  });
  ::usleep(50'000);
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(ManagerTest, APidsLimitBites) {
  if (!has("pids")) GTEST_SKIP() << "needs the pids controller";
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

TEST_F(ManagerTest, MemoryAndSwapCanBeRaisedAndCut) {
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

TEST_F(ManagerTest, CpuPeriodAndQuotaInAnyDirection) {
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

TEST_F(ManagerTest, DeviceRulesBite) {
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

TEST_F(ManagerTest, AllowAllWritesNothing) {
  if (!has("devices")) GTEST_SKIP() << "needs the v1 devices controller";
  create();
  std::string before = file("devices", "devices.list");
  config::Resources resources;
  resources.devices = {device_rule(true, 'a', config::kWildcard, config::kWildcard)};
  apply(resources);
  EXPECT_EQ(file("devices", "devices.list"), before);
}

TEST_F(ManagerTest, AMissingControllerIsNamedWithItsField) {
  create();
  config::Resources resources;
  resources.rdma["mlx5_0"].hca_handles = 1;
  Result<void> applied = manager_->apply(resources);
  if (applied) GTEST_SKIP() << "this host has the rdma controller";
  EXPECT_NE(applied.error().text().find("linux.resources.rdma: the cgroup controller rdma is not available"),
            std::string::npos)
      << applied.error().text();
  EXPECT_EQ(applied.error().code, ErrorCode::kUnsupported);
}

TEST_F(ManagerTest, HugePagesAndUnifiedKeysOfTheV2Tree) {
  if (!has("")) GTEST_SKIP() << "needs a v2 hierarchy";
  create();
  config::Resources resources;
  resources.unified["cgroup.max.depth"] = "3";
  apply(resources);
  EXPECT_EQ(file("", "cgroup.max.depth"), "3");
  std::string root = layout_.find("")->mount_point;
  if (auto text = sys::read_file((root + "/cgroup.controllers").c_str());
      has("hugetlb") || !text || text->find("hugetlb") == std::string::npos) {
    GTEST_SKIP() << "needs hugetlb in the v2 tree";
  }
  std::string before = *sys::read_file((root + "/cgroup.subtree_control").c_str());
  resources = {};
  resources.hugetlb_limit = {{"2MB", 4 << 20}};
  apply(resources);
  EXPECT_EQ(file("", "hugetlb.2MB.max"), fmt::format("{}", 4 << 20));
  EXPECT_EQ(file("", "hugetlb.2MB.rsvd.max"), fmt::format("{}", 4 << 20));
  Result<Stats> stats = manager_->stats();
  EXPECT_TRUE(stats && stats->hugetlb_stats.contains("2MB"));
  if (trim(before).empty()) {
    ASSERT_TRUE(manager_->destroy());
    (void)sys::write_file((root + "/cgroup.subtree_control").c_str(), "-hugetlb");  // as the machine was found
  }
}

TEST_F(ManagerTest, StatsCount) {
  create();
  pid_t pid = start([] {
    for (int i = 0; i < 30'000'000; ++i) asm volatile("");
    return sleep_for_ever();
  });
  ::usleep(100'000);
  Result<Stats> stats = manager_->stats();
  ASSERT_TRUE(stats) << stats.error().text();
  EXPECT_EQ(stats->pids_stats.current, 1u);
  EXPECT_GT(stats->cpu_stats.cpu_usage.total_usage, 0u);
  EXPECT_EQ(has("cpuset"), !stats->cpuset_stats.cpus.empty());
  if (has("memory")) {
    EXPECT_GT(stats->memory_stats.usage.usage, 0u);
    EXPECT_GT(stats->memory_stats.usage.limit, 0u);
    EXPECT_FALSE(stats->memory_stats.stats.empty());
  }
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  wait_for(pid);
}

TEST_F(ManagerTest, AnOutOfMemoryKillIsNoticed) {
  if (!has("memory")) GTEST_SKIP() << "needs the v1 memory controller";
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
    char* memory = static_cast<char*>(
        ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < kSize; i += 4096) memory[i] = 1;
    return 0;
  });
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
  pollfd wait = {event->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 5000), 1);
  EXPECT_EQ(manager_->oom_kill_count().value(), 1u);
  EXPECT_TRUE(manager_->notify_memory_pressure(PressureLevel::kCritical));
}

TEST_F(ManagerTest, AddProcessMovesEverywhere) {
  create();
  pid_t pid = spawn({}, sleep_for_ever);
  Result<void> added = manager_->add_process(pid);
  EXPECT_TRUE(added) << added.error().text();
  EXPECT_EQ(manager_->processes(false).value(), std::vector<pid_t>{pid});
  EXPECT_NE(state_of(pid), 0);
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(ManagerTest, BorrowedGroupsAreJoinedAndNothingElse) {
  create();
  config::Cgroup cgroup;
  cgroup.paths = manager_->paths();
  Manager borrowed = *Manager::make(layout_, cgroup, id_);
  ASSERT_TRUE(borrowed.create());
  EXPECT_EQ(wait_for(spawn(*borrowed.open_join(), [] { return 0; })), 0);
  config::Resources resources;
  resources.pids_limit = 1;
  ASSERT_TRUE(borrowed.apply(resources));
  EXPECT_NE(file(has("pids") ? "pids" : "", "pids.max"), "1");
  ASSERT_TRUE(borrowed.destroy());
  EXPECT_TRUE(manager_->exists());
}

}  // namespace
}  // namespace cella::cgroup
