#include "sandbox/fs/overlay/overlay.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <linux/fs.h>

#include <set>

#include "sandbox/fs/tmpfs.h"
#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::fs {
namespace {

using vfs::InodePtr;

// Over a tmpfs, which tells when it has been written to.
class OverlayTest : public testing::Test {
 protected:
  OverlayTest() : memory_(*mm::MemoryFile::make()), lower_(make_tmpfs(*memory_, {})) {
    write(make(lower_->inode, "file", S_IFREG | 0644), "below");
    InodePtr directory = make(lower_->inode, "directory", S_IFDIR | 0755);
    make(directory, "inside", S_IFREG | 0644);
    EXPECT_TRUE(lower_->inode->link("other", **lower_->inode->lookup("file")));
    root_ = *make_overlay(*memory_, lower_);
  }

  static InodePtr make(const InodePtr& directory, const std::string& name, uint32_t mode) {
    vfs::NewFile file;
    file.name = name;
    file.mode = mode;
    return *directory->create(file);
  }
  vfs::FilePtr open(const InodePtr& inode, int flags) {
    auto dentry = std::make_shared<vfs::Dentry>();
    dentry->inode = inode;
    return *inode->open(caller_, {nullptr, dentry}, flags);
  }
  void write(const InodePtr& inode, std::string text, uint64_t offset = 0) {
    vfs::IoVector io(text.data(), text.size());
    EXPECT_EQ(open(inode, O_RDWR)->write_at(caller_, io, offset), text.size());
  }
  std::string read(vfs::File& file) {
    std::string text(64, '\0');
    vfs::IoVector io(text.data(), text.size());
    text.resize(*file.read_at(caller_, io, 0));
    return text;
  }
  std::string read(const InodePtr& inode) { return read(*open(inode, O_RDONLY)); }
  std::set<std::string> names(const InodePtr& directory) {
    std::set<std::string> result;
    EXPECT_TRUE(open(directory, O_RDONLY)->read_directory(caller_, 0, [&](const vfs::File::Entry& entry) {
      result.emplace(entry.name);
      return true;
    }));
    return result;
  }
  InodePtr find(const std::string& name) { return *root_->inode->lookup(name); }

  vfs::KernelCaller caller_;
  std::unique_ptr<mm::MemoryFile> memory_;
  vfs::DentryPtr lower_, root_;
};

TEST_F(OverlayTest, WritesStayAbove) {
  write(find("file"), "above");
  EXPECT_EQ(read(find("file")), "above");
  EXPECT_EQ(read(*lower_->inode->lookup("file")), "below");
}

TEST_F(OverlayTest, AReaderSeesWhatAWriterHasCopied) {
  vfs::FilePtr reader = open(find("file"), O_RDONLY);
  EXPECT_EQ(read(*reader), "below");
  write(find("file"), "X");
  EXPECT_EQ(read(*reader), "Xelow");
}

TEST_F(OverlayTest, HardLinksBelowStayLinks) {
  write(find("file"), "above");
  EXPECT_EQ(read(find("other")), "above");
  EXPECT_EQ(find("file")->attributes()->st_nlink, 2u);
  ASSERT_TRUE(root_->inode->unlink("file", false));
  EXPECT_EQ(find("other")->attributes()->st_nlink, 1u);
}

TEST_F(OverlayTest, AttributesChangeWithoutTheData) {
  const uint64_t before = memory_->resident();
  vfs::AttributeChange change;
  change.mode = 0600;
  change.uid = 7;
  ASSERT_TRUE(find("file")->set_attributes(change));
  EXPECT_EQ(find("file")->attributes()->st_mode, S_IFREG | 0600u);
  EXPECT_EQ(find("file")->attributes()->st_uid, 7u);
  EXPECT_EQ((*lower_->inode->lookup("file"))->attributes()->st_uid, 0u);
  EXPECT_EQ(memory_->resident(), before);
}

TEST_F(OverlayTest, TruncationCopiesNoMoreThanStays) {
  vfs::AttributeChange change;
  change.size = 2;
  ASSERT_TRUE(find("file")->set_attributes(change));
  EXPECT_EQ(read(find("file")), "be");
}

TEST_F(OverlayTest, WhatIsRemovedStaysHidden) {
  ASSERT_TRUE(root_->inode->unlink("file", false));
  EXPECT_EQ(root_->inode->lookup("file").error().value, ENOENT);
  EXPECT_FALSE(names(root_->inode).contains("file"));
  EXPECT_TRUE(lower_->inode->lookup("file"));
  EXPECT_EQ(root_->inode->unlink("file", false).error().value, ENOENT);
}

TEST_F(OverlayTest, ADirectoryMadeAgainIsEmpty) {
  EXPECT_EQ(root_->inode->unlink("directory", true).error().value, ENOTEMPTY);
  ASSERT_TRUE(find("directory")->unlink("inside", false));
  ASSERT_TRUE(root_->inode->unlink("directory", true));
  InodePtr again = make(root_->inode, "directory", S_IFDIR | 0755);
  EXPECT_EQ(names(again), (std::set<std::string>{".", ".."}));
  EXPECT_EQ(again->lookup("inside").error().value, ENOENT);
}

TEST_F(OverlayTest, ADirectoryKeepsWhatIsBelowItWhenItMoves) {
  ASSERT_TRUE(root_->inode->rename("directory", *root_->inode, "moved", 0));
  EXPECT_EQ(root_->inode->lookup("directory").error().value, ENOENT);
  EXPECT_TRUE(find("moved")->lookup("inside"));
  EXPECT_TRUE(names(root_->inode).contains("moved"));
}

TEST_F(OverlayTest, RenameFollowsItsFlags) {
  EXPECT_EQ(root_->inode->rename("file", *root_->inode, "other", RENAME_NOREPLACE).error().value, EEXIST);
  ASSERT_TRUE(root_->inode->rename("file", *root_->inode, "directory", RENAME_EXCHANGE));
  EXPECT_EQ(read(find("directory")), "below");
  EXPECT_TRUE(find("file")->lookup("inside"));
}

TEST_F(OverlayTest, ChangesOutliveTheirNamesUsers) {
  make(find("directory"), "new", S_IFREG | 0644);
  EXPECT_EQ(names(find("directory")), (std::set<std::string>{".", "..", "inside", "new"}));
  EXPECT_EQ(root_->inode->link("elsewhere", *lower_->inode).error().value, EXDEV);
}

}  // namespace
}  // namespace cella::sandbox::fs
