#include "sandbox/fs/generated/generated.h"

#include <gtest/gtest.h>

#include "sandbox/vfs/kernel_caller.h"

namespace cella::sandbox::fs {
namespace {

class GeneratedTest : public testing::Test {
 protected:
  vfs::FilePtr open(vfs::InodePtr inode) {
    auto dentry = std::make_shared<vfs::Dentry>();
    dentry->inode = inode;
    return *inode->open(caller_, {nullptr, dentry}, O_RDWR);
  }
  std::string read(vfs::File& file, size_t size) {
    std::string text(size, '\0');
    vfs::IoVector io(text.data(), text.size());
    text.resize(*file.read(caller_, io));
    return text;
  }
  const GeneratedSuper super_ = {new_device_number(), 1};
  vfs::KernelCaller caller_;
};

TEST_F(GeneratedTest, AReaderInPiecesSeesOneState) {
  int made = 0;
  auto file = open(make_text_file(super_, 0444, [&](vfs::Caller&) { return std::to_string(++made) + "23"; }));
  EXPECT_EQ(read(*file, 1), "1");
  EXPECT_EQ(read(*file, 8), "23");
  EXPECT_EQ(read(*file, 8), "");
  EXPECT_EQ(made, 1);
  ASSERT_TRUE(file->seek(caller_, 0, SEEK_SET));
  EXPECT_EQ(read(*file, 8), "223");
}

TEST_F(GeneratedTest, OnlyWhatTakesTextIsWritten) {
  std::string stored;
  auto writable = open(make_text_file(
      super_, 0644, [](vfs::Caller&) { return std::string(); },
      [&](vfs::Caller&, std::string_view text) -> SysResult<void> {
        stored = text;
        return {};
      }));
  auto fixed = open(make_text_file(super_, "text"));
  char text[] = "value";
  vfs::IoVector first(text, 5), second(text, 5);
  EXPECT_EQ(writable->write(caller_, first), 5u);
  EXPECT_EQ(stored, "value");
  EXPECT_EQ(fixed->write(caller_, second).error().value, EIO);
}

TEST_F(GeneratedTest, DirectoriesAreMadeOnTheWay) {
  auto root = std::make_shared<FixedDirectory>(super_);
  root->directory("a/b").add_file("c", "text");
  auto a = *root->lookup("a");
  auto b = *a->lookup("b");
  EXPECT_TRUE(b->lookup("c"));
  EXPECT_EQ(b->lookup("d").error().value, ENOENT);
  EXPECT_EQ(a->attributes()->st_nlink, 3u);
  vfs::AttributeChange change;
  change.mode = 0777;
  EXPECT_EQ(b->set_attributes(change).error().value, EPERM);
}

}  // namespace
}  // namespace cella::sandbox::fs
