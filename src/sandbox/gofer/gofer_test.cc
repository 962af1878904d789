// The process as a whole: what it does with its request, and that it is held to its filter before the first one.
#include <cella/gofer.h>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "plan/layout.h"
#include "sandbox/gofer/client.h"
#include "sandbox/gofer/gofer_request.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace cella::sandbox::gofer {
namespace {

using sys::FileDescriptor;

// The wait status of a child.
int run(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}
int request_file(const GoferRequest& request) {
  return sys::memory_file("request", to_json(request), true)->release();
}

TEST(Gofer, ServesEachRootUntilTheKernelEnds) {
  auto [ours, theirs] = *sys::packet_pair();
  int reports[2];
  ASSERT_EQ(::pipe2(reports, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ours.reset();
    ::close(reports[0]);
    GoferRequest request;
    request.roots = {{"/", true}, {"/proc/self/exe", true}};
    request.socket = theirs.release();
    request.report = reports[1];
    auto gofer = sandbox::Gofer::make(request_file(request));
    ::_exit(gofer && gofer->serve() ? 0 : 1);
  }
  theirs.reset();
  ::close(reports[1]);
  char byte;
  EXPECT_EQ(::read(reports[0], &byte, 1), 0);  // it has begun: closed without a word
  ::close(reports[0]);
  auto connection = make_connection(std::move(ours));
  auto first = make_gofer_backend(connection, 0), second = make_gofer_backend(connection, 1),
       third = make_gofer_backend(connection, 2);
  auto directory = first->attributes(fs::FileBackend::kRoot), file = second->attributes(fs::FileBackend::kRoot);
  ASSERT_TRUE(directory && file);
  EXPECT_TRUE(S_ISDIR(directory->st_mode));
  EXPECT_TRUE(S_ISREG(file->st_mode));
  char magic[4] = {};
  auto opened = second->open(fs::FileBackend::kRoot, O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(::pread(opened->get(), magic, 4, 0), 4);
  EXPECT_EQ(std::string_view(magic, 4), "\177ELF");
  EXPECT_EQ(third->attributes(fs::FileBackend::kRoot).error().value, EINVAL);
  first.reset(), second.reset(), third.reset(), connection.reset();
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Gofer, TellsWhyItCannotBegin) {
  int reports[2];
  ASSERT_EQ(::pipe2(reports, O_CLOEXEC), 0);
  EXPECT_NE(run([&] {
              GoferRequest request;
              request.roots = {{"/missing", false}};
              request.socket = 998;
              request.report = reports[1];
              return sandbox::Gofer::make(request_file(request)) ? 0 : 1;
            }),
            0);
  ::close(reports[1]);
  plan::InitMessage message = {};
  EXPECT_EQ(::read(reports[0], &message, sizeof message), static_cast<ssize_t>(sizeof message));
  EXPECT_EQ(message.kind, plan::InitMessage::kError);
  EXPECT_STREQ(message.detail, "opening root /missing: no such file or directory");
  ::close(reports[0]);
}

// What somebody who has taken it over would do.
TEST(Gofer, IsHeldToItsFilter) {
  auto begin = [](bool disable_seccomp) {
    auto [ours, theirs] = *sys::packet_pair();
    GoferRequest request;
    request.roots = {{"/", false}};
    request.socket = theirs.release();
    request.disable_seccomp = disable_seccomp;
    (void)ours.release();
    auto gofer = sandbox::Gofer::make(request_file(request));
    if (!gofer) ::_exit(3);
    return std::move(*gofer);
  };
  auto is_killed = [](int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; };
  const std::function<void()> attempts[] = {
      [] { (void)::open("/etc/passwd", O_RDONLY); },              // O_CLOEXEC is missing
      [] { (void)::open("/etc/passwd", O_RDONLY | O_CLOEXEC); },  // from the working directory
      [] { (void)::fork(); },
      [] { (void)::execl("/bin/true", "true", nullptr); },
      [] { (void)!::write(1, "", 0); },
      [] { (void)::kill(1, 0); },
      [] { (void)::chroot("/"); },
  };
  for (const auto& attempt : attempts) {
    EXPECT_TRUE(is_killed(run([&] {
      auto gofer = begin(false);
      attempt();
      return 0;
    }))) << &attempt - attempts;
  }
  EXPECT_EQ(run([&] {
              auto gofer = begin(true);
              return ::open("/proc/self/exe", O_RDONLY) >= 0 ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace cella::sandbox::gofer
