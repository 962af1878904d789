// Containers made by several threads of one program at the same time.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <cella/cella.h>

#include "sys/file.h"

#if defined(__SANITIZE_THREAD__)
// Between clone3 and execveat the child shares our memory but not our descriptors, which the sanitizer cannot know: it
// takes the child's dup3 for ours.
extern "C" const char* __tsan_default_suppressions() {
  return "race:run_child\n";
}
#endif

namespace cella {
namespace {

constexpr int kThreads = 4;
constexpr int kContainers = 5;
constexpr char kBusybox[] = "/bin/busybox";

// An empty string, or what this machine lacks.
std::string missing() {
  if (::geteuid() != 0) return "needs root";
  if (::access(kBusybox, X_OK) != 0) return "needs /bin/busybox (package busybox-static)";
  if (::access("/proc/self/ns/cgroup", F_OK) != 0) return "needs /proc";
  return "";
}

class Threads : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string what = missing(); !what.empty()) GTEST_SKIP() << what;
    char name[] = "/tmp/cella-threads-XXXXXX";
    base_ = ::mkdtemp(name);
    for (const char* directory : {"/rootfs", "/rootfs/bin", "/rootfs/proc", "/rootfs/dev"})
      ASSERT_EQ(::mkdir((base_ + directory).c_str(), 0755), 0);
    const std::string copy = "cp " + std::string(kBusybox) + " " + base_ + "/rootfs/bin/busybox";
    ASSERT_EQ(std::system(copy.c_str()), 0);
  }
  void TearDown() override {
    if (!base_.empty()) (void)sys::remove_tree_at(sys::kCurrentDirectory, base_.c_str());
  }

  config::Config config_for(const std::string& id) const {
    using config::NamespaceType;
    config::Config c;
    c.rootfs = base_ + "/rootfs";
    c.hostname = id;
    for (auto type :
         {NamespaceType::kMount, NamespaceType::kUts, NamespaceType::kIpc, NamespaceType::kPid, NamespaceType::kNet})
      c.namespaces.add(type);
    c.mounts.resize(2);
    c.mounts[0].source = c.mounts[0].device = "proc";
    c.mounts[0].destination = "/proc";
    c.mounts[1].source = c.mounts[1].device = "tmpfs";
    c.mounts[1].destination = "/dev";
    c.devices = config::default_simple_devices();
    c.cgroups.path = "/" + id;
    c.cgroups.resources.pids_limit = 32;
    c.cgroups.resources.skip_devices = true;
    return c;
  }

  static Process busybox(std::vector<std::string> args) {
    args.insert(args.begin(), "/bin/busybox");
    Process process;
    process.config.args = std::move(args);
    return process;
  }

  // One container from its making to its end.
  void live(Factory& factory, const std::string& id) {
    Result<Container> made = factory.create(id, config_for(id));
    ASSERT_TRUE(made) << made.error().text();
    Container container = std::move(*made);
    Process first = busybox({"sleep", "1000"});
    Result<void> done = container.start(first);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(*container.status(), Status::kCreated);
    done = container.exec();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(*container.status(), Status::kRunning);

    Process second = busybox({"hostname"});
    Result<Stdio> pipes = second.initialize_io();
    ASSERT_TRUE(pipes) << pipes.error().text();
    done = container.run(second);
    ASSERT_TRUE(done) << done.error().text();
    char said[256] = {};
    EXPECT_EQ(::read(pipes->out, said, sizeof said - 1), static_cast<ssize_t>(id.size() + 1));
    EXPECT_EQ(said, id + "\n");
    for (int fd : {pipes->in, pipes->out, pipes->err}) ::close(fd);
    Result<int> status = second.wait();
    ASSERT_TRUE(status) << status.error().text();
    EXPECT_EQ(exit_code_of(*status), 0);

    Result<Container> loaded = factory.load(id);
    ASSERT_TRUE(loaded) << loaded.error().text();
    done = loaded->pause();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(*container.status(), Status::kPaused);
    done = loaded->resume();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(factory.list());
    EXPECT_EQ(container.destroy().error().code, ErrorCode::kContainerNotStopped);
    EXPECT_TRUE(container.signal(SIGKILL));
    EXPECT_EQ(exit_code_of(*first.wait()), 128 + SIGKILL);
    done = container.destroy();
    EXPECT_TRUE(done) << done.error().text();
    EXPECT_TRUE(loaded->destroy());  // already: no error
  }

  std::string base_;
};

TEST_F(Threads, EachMakesContainersOfItsOwn) {
  FactoryOptions options;
  options.root = base_ + "/state";
  Factory factory(std::move(options));
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kContainers; ++i) {
          live(factory, "cella-threads-" + std::to_string(::getpid()) + "-" + std::to_string(thread * kContainers + i));
        }
      });
    }
  }
  Result<std::vector<OciState>> left = factory.list();
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->empty());
  for (const OciState& state : *left) (void)factory.destroy(state.id, true);
}

TEST_F(Threads, OfThoseThatWantOneIdOneGetsIt) {
  FactoryOptions options;
  options.root = base_ + "/state";
  Factory factory(std::move(options));
  std::vector<Result<Container>> made;
  for (int i = 0; i < kThreads; ++i) made.emplace_back(std::unexpected(Error()));
  {
    std::vector<std::jthread> threads;
    for (Result<Container>& one : made) threads.emplace_back([&] { one = factory.create("same", config_for("same")); });
  }
  int winners = 0;
  for (const Result<Container>& one : made) {
    winners += one.has_value();
    if (!one) {
      EXPECT_EQ(one.error().code, ErrorCode::kIdInUse);
    }
  }
  EXPECT_EQ(winners, 1);
}

}  // namespace
}  // namespace cella
