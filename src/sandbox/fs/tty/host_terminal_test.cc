#include "sandbox/fs/tty/host_terminal.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/fs/mount_builder.h"
#include "sandbox/fs/tmpfs.h"
#include "sandbox/fs/tty/devpts.h"

namespace cella::sandbox::fs {
namespace {

// A pseudoterminal of the host's, whose other end is the test.
class HostTerminalTest : public testing::Test {
 protected:
  HostTerminalTest() : kernel_(nullptr, *mm::MemoryFile::make(), nullptr), poller_(*HostPoller::make(kernel_.lock)) {
    master_ = sys::FileDescriptor(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!master_ || ::unlockpt(master_.get()) < 0) return;
    sys::FileDescriptor slave(::ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    core::Locked locked(kernel_.lock);
    auto made = HostTerminal::make(kernel_, *poller_, std::move(slave), 1);
    if (made) terminal_ = *made;
  }
  void SetUp() override {
    if (terminal_ == nullptr) GTEST_SKIP() << "this host has no pseudoterminals";
  }
  ~HostTerminalTest() override {
    core::Locked locked(kernel_.lock);
    terminal_.reset();
  }

  void type(const std::string& text) {
    EXPECT_EQ(::write(master_.get(), text.data(), text.size()), ssize_t(text.size()));
  }
  std::string shown(size_t size) {
    std::string text;
    while (text.size() < size) {
      pollfd one = {master_.get(), POLLIN, 0};
      if (::poll(&one, 1, 2000) != 1) break;
      char buffer[256];
      const ssize_t n = ::read(master_.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }
  template <typename Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i, ::usleep(1000)) {
      core::Locked locked(kernel_.lock);
      if (condition()) return true;
    }
    return false;
  }
  std::string read() {
    core::Locked locked(kernel_.lock);
    std::string text(64, '\0');
    vfs::IoVector io(text.data(), text.size());
    SysResult<size_t> n = terminal_->read(io);
    return n ? text.substr(0, *n) : std::string("error ") + std::to_string(n.error().value);
  }

  task::Kernel kernel_;
  std::unique_ptr<HostPoller> poller_;
  sys::FileDescriptor master_;
  std::shared_ptr<HostTerminal> terminal_;
};

TEST_F(HostTerminalTest, TheLineDisciplineIsOurs) {
  type(
      "ab\x7f"
      "c\r");
  ASSERT_TRUE(eventually([&] { return terminal_->discipline().is_readable(); }));
  EXPECT_EQ(read(), "ac\n");
  EXPECT_EQ(shown(8), "ab\b \bc\r\n");
  EXPECT_EQ(read(), "error " + std::to_string(EAGAIN));
}

TEST_F(HostTerminalTest, OutputIsProcessedOnce) {
  {
    core::Locked locked(kernel_.lock);
    char text[] = "x\ny";
    vfs::IoVector io(text, 3);
    EXPECT_EQ(terminal_->write(io), 3u);
  }
  EXPECT_EQ(shown(4), "x\r\ny");
}

TEST_F(HostTerminalTest, MuchOutputWaitsForTheHost) {
  constexpr size_t kSize = 50000;
  {
    core::Locked locked(kernel_.lock);
    std::string text(kSize, 'x');
    vfs::IoVector io(text.data(), text.size());
    EXPECT_EQ(terminal_->write(io), kSize);
  }
  EXPECT_EQ(shown(kSize), std::string(kSize, 'x'));
}

TEST_F(HostTerminalTest, TheWindowsSizeGoesBothWays) {
  const winsize size = {30, 100, 0, 0}, other = {31, 101, 0, 0};
  ASSERT_EQ(::ioctl(master_.get(), TIOCSWINSZ, &size), 0);
  core::Locked locked(kernel_.lock);
  terminal_->window_changed();
  EXPECT_EQ(terminal_->window().ws_row, 30);
  terminal_->set_window(other);
  winsize seen = {};
  ASSERT_EQ(::ioctl(master_.get(), TIOCGWINSZ, &seen), 0);
  EXPECT_EQ(seen.ws_col, 101);
}

TEST_F(HostTerminalTest, HangsUpWithTheHosts) {
  master_ = {};
  ASSERT_TRUE(eventually([&] { return !terminal_->check_open(); }));
  EXPECT_EQ(read(), "error " + std::to_string(EIO));
  core::Locked locked(kernel_.lock);
  EXPECT_TRUE(terminal_->ready() & POLLHUP);
}

TEST_F(HostTerminalTest, HasANameInDevptsAndIsTheConsole) {
  core::Locked locked(kernel_.lock);
  auto root = make_tmpfs(*kernel_.memory, {});
  auto mounts = std::make_shared<vfs::MountNamespace>(root, "tmpfs", "tmpfs", 0);
  MountBuilder builder(mounts);
  mounts->mount(*builder.find_or_make("/dev/pts", true), make_devpts(kernel_, *parse_devpts_options("mode=0620")),
                "devpts", "devpts", 0);
  sys::FileDescriptor slave(::ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  auto made = make_container_terminal(kernel_, *poller_, std::move(slave), mounts, 5, 6);
  ASSERT_TRUE(made);
  EXPECT_EQ(vfs::path_text(made->file->path, mounts->root()), "/dev/pts/0");
  EXPECT_EQ(kernel_.console, made->terminal);
  const auto console = (*builder.find("/dev/console")).inode().attributes();
  const auto name = (*builder.find("/dev/pts/0")).inode().attributes();
  EXPECT_EQ(console->st_ino, name->st_ino);
  EXPECT_EQ(name->st_uid, 5u);
  EXPECT_EQ(name->st_rdev, made->terminal->device());
  EXPECT_FALSE(builder.find("/dev/pts/1"));
  kernel_.console.reset();
  terminal_.reset();
}

}  // namespace
}  // namespace cella::sandbox::fs
