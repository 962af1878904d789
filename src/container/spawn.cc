#include "container/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/result.h"
#include "sys/file.h"
#include "sys/process.h"

namespace cella::container {
namespace {

constexpr size_t kKeptOutput = 2048;

struct Child {
  const char* path;
  const char* directory;
  char** args;
  char** env;
  int input;
  int output;
  int error_output;
  const sigset_t* mask;
  int error;
};

int run_child(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  ::sigprocmask(SIG_SETMASK, child.mask, nullptr);
  if (::dup2(child.input, 0) >= 0 && ::dup2(child.output, 1) >= 0 && ::dup2(child.error_output, 2) >= 0 &&
      (*child.directory == '\0' || ::chdir(child.directory) == 0)) {
    ::execve(child.path, child.args, child.env);
  }
  child.error = errno;
  return 127;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

int64_t now_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// Reads the child's output until it has ended; a descendant that holds the pipe open is not waited for. False: late.
bool collect(int pidfd, int output, int timeout_seconds, std::string& text) {
  int64_t deadline = timeout_seconds > 0 ? now_ms() + timeout_seconds * int64_t{1000} : 0;
  pollfd fds[2] = {{pidfd, POLLIN, 0}, {output, POLLIN, 0}};
  auto drain = [&] {
    char buffer[4096];
    ssize_t n;
    while ((n = ::read(output, buffer, sizeof buffer)) > 0) {
      if (text.size() < kKeptOutput) text.append(buffer, std::min(static_cast<size_t>(n), kKeptOutput - text.size()));
    }
    if (n == 0) fds[1].fd = -1;
  };
  for (;;) {
    int wait = -1;
    if (deadline != 0) {
      int64_t left = deadline - now_ms();
      if (left <= 0) return false;
      wait = static_cast<int>(std::min<int64_t>(left, 1 << 30));
    }
    int n = ::poll(fds, 2, wait);
    if (n < 0 && errno != EINTR) return true;
    if (n > 0 && fds[1].revents != 0) drain();
    if (n > 0 && fds[0].revents != 0) {
      if (fds[1].fd >= 0) drain();
      return true;
    }
  }
}

}  // namespace

Result<void> run_to_end(const Spawn& spawn) {
  sys::FileDescriptor input = TRY(sys::memory_file("cella-input", spawn.input, false), "making its standard input");
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) < 0) return base::fail_errno(errno, "making a pipe");
  sys::FileDescriptor read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  std::vector<char*> args = pointers(spawn.args);
  std::vector<char*> env;
  if (spawn.env) env = pointers(*spawn.env);

  Child child = {};
  child.path = spawn.path.c_str();
  child.directory = spawn.directory.c_str();
  child.args = args.data();
  child.env = spawn.env ? env.data() : environ;
  child.input = input.get();
  child.output = spawn.output >= 0 ? spawn.output : write_end.get();
  child.error_output = spawn.error_output >= 0 ? spawn.error_output : write_end.get();
  sys::CloneResult process;
  {
    sys::SignalBlock block;
    sigset_t none;
    sigemptyset(&none);
    child.mask = &none;
    process = TRY(sys::clone_vfork(0, -1, run_child, &child), "cloning");
  }
  write_end.reset();
  std::string output;
  bool in_time = collect(process.pidfd.get(), read_end.get(), spawn.timeout_seconds, output);
  if (!in_time) (void)sys::pidfd_signal(process.pidfd.get(), SIGKILL);
  int status = TRY(sys::wait_for(process.pid), "waiting");
  if (child.error != 0) return std::unexpected(Error(Errno{child.error}));
  if (!in_time) return base::fail(ErrorCode::kSystemError, "not finished after {} s", spawn.timeout_seconds);
  if (status == 0) return {};
  while (!output.empty() && (output.back() == '\n' || output.back() == ' ')) output.pop_back();
  std::string how = WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                                        : fmt::format("exit status {}", WEXITSTATUS(status));
  return base::fail(ErrorCode::kSystemError, "{}{}{}", how, output.empty() ? "" : ": ", output);
}

}  // namespace cella::container
