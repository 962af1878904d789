// The life of a container's cgroups, against this host's kernel.
#include "cgroup/manager.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "cgroup/kernel_testing.h"

namespace cella::cgroup {
namespace {

using ManagerTest = KernelTest;

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
  int* counter = static_cast<int*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
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
  if (!controls("pids")) GTEST_SKIP() << "needs the pids controller to keep the bomb small";
  config::Resources resources;
  resources.pids_limit = 50;
  apply(resources);
  pid_t pid = start([]() -> int {
    for (;;) {
      if (::fork() < 0) ::usleep(100);
    }
  });
  ::usleep(50'000);
  ASSERT_TRUE(manager_->kill_all(SIGKILL));
  EXPECT_EQ(wait_for(pid), 128 + SIGKILL);
}

TEST_F(ManagerTest, AddProcessMovesEverywhere) {
  create();
  pid_t pid = spawn({}, sleep_for_ever);
  Result<void> added = manager_->add_process(pid);
  EXPECT_TRUE(added) << added.error().text();
  EXPECT_EQ(manager_->processes(false).value(), std::vector<pid_t>{pid});
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
