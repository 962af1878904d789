// mount(2), umount2(2): types, and what mounts tell each other, mount_namespaces(7). On Linux in a mount namespace of
// its own; the sandbox has one in any case.
#include "guest.h"

#include <sched.h>
#include <sys/mount.h>

#include <fstream>

namespace {

class Mounts : public InDirectory {
 protected:
  static void SetUpTestSuite() {
    if (unshare(CLONE_NEWNS) < 0) return;
    ASSERT_EQ(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }
  void SetUp() override {
    InDirectory::SetUp();
    ASSERT_EQ(mount("all", directory_.c_str(), "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(chdir(directory_.c_str()), 0);
    for (const char* name : {"a", "b", "c"}) ASSERT_EQ(mkdir(name, 0755), 0);
    ASSERT_EQ(mount("a", "a", "tmpfs", 0, nullptr), 0);
    for (const char* name : {"a/x", "a/y", "a/z"}) ASSERT_EQ(mkdir(name, 0755), 0);
  }
  void TearDown() override {
    EXPECT_EQ(chdir("/"), 0);
    EXPECT_EQ(umount2(directory_.c_str(), MNT_DETACH), 0);
    InDirectory::TearDown();
  }
  static int propagate(const char* path, unsigned long kind) { return mount("", path, nullptr, kind, nullptr); }
  static int bind(const char* from, const char* to) { return mount(from, to, nullptr, MS_BIND, nullptr); }
  // A filesystem with a file, which tells it from others.
  static void put(const char* path) {
    ASSERT_EQ(mount("one", path, "tmpfs", 0, nullptr), 0) << path;
    close(open((std::string(path) + "/file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  static bool is_there(const char* path) { return access((std::string(path) + "/file").c_str(), F_OK) == 0; }
  // The line of /proc/self/mountinfo.
  std::string line_of(const char* name) const {
    std::ifstream lines("/proc/self/mountinfo");
    for (std::string line; std::getline(lines, line);)
      if (line.find(" " + directory_ + "/" + name + " ") != std::string::npos) return line;
    return "";
  }
};

TEST_F(Mounts, OfEachType) {
  for (const char* type : {"proc", "tmpfs", "ramfs", "devpts", "mqueue", "sysfs"}) {
    ASSERT_EQ(mount("x", "b", type, 0, nullptr), 0) << type << ": " << strerror(errno);
    if (strcmp(type, "proc") == 0) {
      EXPECT_EQ(access("b/self/stat", F_OK), 0);
    }
    if (strcmp(type, "devpts") == 0) {
      EXPECT_EQ(access("b/ptmx", F_OK), 0);
    }
    EXPECT_NE(line_of("b").find(std::string(" - ") + type + " "), std::string::npos) << line_of("b");
    ASSERT_EQ(umount("b"), 0);
  }
  EXPECT_EQ(mount("x", "b", "tmpfs", 0, "size=much"), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Mounts, PeersHaveTheSame) {
  ASSERT_EQ(propagate("a", MS_SHARED), 0);
  ASSERT_EQ(bind("a", "b"), 0);
  EXPECT_NE(line_of("a").find(" shared:"), std::string::npos);
  put("a/x");
  put("b/y");
  EXPECT_TRUE(is_there("b/x"));
  EXPECT_TRUE(is_there("a/y"));
  EXPECT_NE(line_of("b/x").find(" shared:"), std::string::npos);
  ASSERT_EQ(umount("b/x"), 0);
  EXPECT_FALSE(is_there("a/x"));
  ASSERT_EQ(umount("a/y"), 0);
  EXPECT_FALSE(is_there("b/y"));
  ASSERT_EQ(propagate("b", MS_PRIVATE), 0);
  put("a/x");
  EXPECT_FALSE(is_there("b/x"));
  EXPECT_EQ(line_of("b").find(" shared:"), std::string::npos);
}

TEST_F(Mounts, SlavesReceive) {
  ASSERT_EQ(propagate("a", MS_SHARED), 0);
  ASSERT_EQ(bind("a", "b"), 0);
  ASSERT_EQ(propagate("b", MS_SLAVE), 0);
  EXPECT_NE(line_of("b").find(" master:"), std::string::npos);
  put("a/x");
  put("b/y");
  EXPECT_TRUE(is_there("b/x"));
  EXPECT_FALSE(is_there("a/y"));
  ASSERT_EQ(umount("a/x"), 0);
  EXPECT_FALSE(is_there("b/x"));
}

TEST_F(Mounts, SlavesHandOn) {
  ASSERT_EQ(propagate("a", MS_SHARED), 0);
  ASSERT_EQ(bind("a", "b"), 0);
  ASSERT_EQ(propagate("b", MS_SLAVE), 0);
  ASSERT_EQ(propagate("b", MS_SHARED), 0);
  ASSERT_EQ(bind("b", "c"), 0);
  put("a/x");
  EXPECT_TRUE(is_there("b/x"));
  EXPECT_TRUE(is_there("c/x"));
  put("c/y");
  EXPECT_TRUE(is_there("b/y"));
  EXPECT_FALSE(is_there("a/y"));
  ASSERT_EQ(umount("a/x"), 0);
  EXPECT_FALSE(is_there("c/x"));
  // Who received from it goes on with whom it received from.
  ASSERT_EQ(propagate("c", MS_SLAVE), 0);
  ASSERT_EQ(propagate("b", MS_PRIVATE), 0);
  put("a/z");
  EXPECT_FALSE(is_there("b/z"));
  EXPECT_TRUE(is_there("c/z"));
}

TEST_F(Mounts, PartsReceiveWhatIsInThem) {
  ASSERT_EQ(mkdir("a/x/in", 0755), 0);
  ASSERT_EQ(propagate("a", MS_SHARED), 0);
  ASSERT_EQ(bind("a/x", "b"), 0);
  put("a/x/in");
  EXPECT_TRUE(is_there("b/in"));
  put("a/y");
  EXPECT_FALSE(is_there("b/y"));
}

TEST_F(Mounts, TreesArePropagatedWhole) {
  put("a/x");
  ASSERT_EQ(mkdir("a/x/in", 0755), 0);
  put("a/x/in");
  ASSERT_EQ(mkdir("c/top", 0755), 0);
  ASSERT_EQ(mount("c", "c", "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(mkdir("c/top", 0755), 0);
  ASSERT_EQ(propagate("c", MS_SHARED), 0);
  ASSERT_EQ(bind("c", "b"), 0);
  ASSERT_EQ(mount("a", "c/top", nullptr, MS_BIND | MS_REC, nullptr), 0);
  EXPECT_TRUE(is_there("b/top/x/in"));
  ASSERT_EQ(umount2("c/top", MNT_DETACH), 0);
  EXPECT_FALSE(is_there("b/top/x"));
  ASSERT_EQ(mount("a", "c/top", nullptr, MS_MOVE, nullptr), 0);
  EXPECT_TRUE(is_there("b/top/x/in"));
  EXPECT_FALSE(is_there("a/x"));
}

TEST_F(Mounts, WhatIsRefused) {
  ASSERT_EQ(propagate("a", MS_SHARED), 0);
  put("a/x");
  EXPECT_EQ(mount("a/x", "c", nullptr, MS_MOVE, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
  ASSERT_EQ(propagate("a", MS_UNBINDABLE), 0);
  EXPECT_EQ(bind("a", "b"), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(propagate("b", MS_PRIVATE), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(propagate("a", MS_SHARED | MS_SLAVE), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Mounts, ExpireWhenNobodyUsesThem) {
  put("b");
  EXPECT_EQ(umount2("b", MNT_EXPIRE | MNT_DETACH), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(umount2("b", MNT_EXPIRE), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_TRUE(is_there("b"));
  EXPECT_EQ(umount2("b", MNT_EXPIRE), -1);
  EXPECT_EQ(errno, EAGAIN);
  const int used = open("b/file", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(umount2("b", MNT_EXPIRE), -1);
  EXPECT_EQ(errno, EBUSY);
  close(used);
  EXPECT_EQ(umount2("b", MNT_EXPIRE), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(umount2("b", MNT_EXPIRE), 0);
  EXPECT_FALSE(is_there("b"));
}

}  // namespace
