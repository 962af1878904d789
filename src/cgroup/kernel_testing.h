// What the tests against the kernel share: a fixture, and processes in the container's groups. Whatever the host's
// layout; needs root and a writable cgroupfs.
#pragma once

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cgroup/manager.h"
#include "cgroup/text.h"

namespace cella::cgroup {

// A process in the groups, as init/ starts one: born in the v2 group, moving itself in v1. 0 of `body` ends it well.
inline pid_t spawn(const Join& join, const std::function<int()>& body) {
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

inline int sleep_for_ever() {
  for (;;) ::pause();
}

// The exit status, 128 + the signal, or -1.
inline int wait_for(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Groups of a test's own, below the caller's, removed after it together with what was enabled for them.
class KernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    Result<Layout> layout = detect();
    ASSERT_TRUE(layout) << layout.error().text();
    layout_ = *layout;
    if (layout_.kind == Layout::kNone) GTEST_SKIP() << "no cgroup hierarchy is mounted";
    if (layout_.find("") != nullptr) enabled_before_ = v2_root("cgroup.subtree_control");
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
    if (layout_.find("") == nullptr) return;
    // Controllers that create() or apply() enabled at the root: as the machine was found.
    std::string now = v2_root("cgroup.subtree_control");
    for (std::string_view rest = now; !rest.empty();) {
      std::string_view controller = take_until(rest, ' ');
      if ((" " + enabled_before_ + " ").find(fmt::format(" {} ", controller)) != std::string::npos) continue;
      (void)sys::write_file((layout_.find("")->mount_point + "/cgroup.subtree_control").c_str(),
                            fmt::format("-{}", controller));
    }
  }

  bool has(std::string_view controller) { return manager_->paths().contains(std::string(controller)); }
  // In v1, or on pure v2 among what the root offers.
  bool controls(std::string_view controller) {
    if (has(controller)) return true;
    if (layout_.kind != Layout::kV2) return false;
    std::string list = " " + v2_root("cgroup.controllers") + " ";
    return list.find(fmt::format(" {} ", controller)) != std::string::npos;
  }
  std::string v2_root(const char* name) {
    auto text = sys::read_file((layout_.find("")->mount_point + "/" + name).c_str());
    return text ? std::string(trim(*text)) : "";
  }
  std::string file(const std::string& controller, const char* name) {
    auto text = sys::read_file((manager_->paths().at(has(controller) ? controller : "") + "/" + name).c_str());
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
  std::string enabled_before_;
  std::string id_;
  std::unique_ptr<Manager> manager_;
};

}  // namespace cella::cgroup
