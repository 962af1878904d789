#include "sys/file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>

#include <gtest/gtest.h>

namespace cella::sys {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cella-file-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    directory_ = std::move(*open(name, O_RDONLY | O_DIRECTORY));
  }
  void TearDown() override { ASSERT_TRUE(remove_tree_at(kCurrentDirectory, path_.c_str())); }

  std::string path_;
  FileDescriptor directory_;
};

TEST_F(FileTest, ReplaceIsWholeAndReadBack) {
  ASSERT_TRUE(replace_file_at(directory_.get(), "a", std::string(100000, 'x'), 0600));
  ASSERT_TRUE(replace_file_at(directory_.get(), "a", "short", 0600));
  EXPECT_EQ(read_file_at(directory_.get(), "a").value(), "short");
  EXPECT_EQ(list_directory(directory_.get()).value(), std::vector<std::string>{"a"});
}

TEST_F(FileTest, ReadHonoursItsLimit) {
  ASSERT_TRUE(replace_file_at(directory_.get(), "a", std::string(5000, 'x'), 0600));
  EXPECT_EQ(read_file_at(directory_.get(), "a", 5000).value().size(), 5000u);
  EXPECT_EQ(read_file_at(directory_.get(), "a", 4999).error().value, EFBIG);
}

TEST_F(FileTest, ProcfsFilesAreReadWhole) {
  EXPECT_NE(read_file("/proc/self/status").value().find("Pid:"), std::string::npos);
}

TEST_F(FileTest, ResolveInRootStaysInRoot) {
  ASSERT_EQ(::symlinkat("/etc/passwd", directory_.get(), "link"), 0);
  EXPECT_EQ(resolve_in_root(directory_.get(), "link", O_PATH).error().value, ENOENT);
  EXPECT_TRUE(resolve_in_root(directory_.get(), "../../..", O_PATH | O_DIRECTORY));
}

TEST_F(FileTest, RemoveTreeDoesNotFollowLinks) {
  ASSERT_TRUE(make_directories(path_ + "/keep/deep", 0700));
  ASSERT_TRUE(make_directories(path_ + "/gone/deep", 0700));
  ASSERT_EQ(::symlinkat("../keep", directory_.get(), "gone/link"), 0);
  ASSERT_TRUE(remove_tree_at(directory_.get(), "gone"));
  ASSERT_TRUE(remove_tree_at(directory_.get(), "gone"));
  EXPECT_EQ(list_directory(directory_.get()).value(), std::vector<std::string>{"keep"});
  EXPECT_TRUE(stat_at(directory_.get(), "keep/deep"));
}

TEST_F(FileTest, SealedMemoryFileCannotChange) {
  FileDescriptor fd = std::move(*memory_file("test", "abc", true));
  EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
}

}  // namespace
}  // namespace cella::sys
