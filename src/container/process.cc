#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "container/process_impl.h"
#include "sys/process.h"

namespace cella {
namespace {

std::unexpected<Error> not_started() {
  return base::fail(ErrorCode::kNoProcessOps, "the process has not been started");
}

}  // namespace

Process::Process() : impl_(std::make_unique<Impl>()) {}
Process::Process(config::ProcessConfig c) : config(std::move(c)), impl_(std::make_unique<Impl>()) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

Result<Stdio> Process::initialize_io() {
  std::array<sys::FileDescriptor, 3> ours, theirs;
  for (size_t i = 0; i < ours.size(); ++i) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return base::fail_errno(errno, "making a pipe");
    const bool input = i == 0;
    theirs[i] = sys::FileDescriptor(ends[input ? 0 : 1]);
    ours[i] = sys::FileDescriptor(ends[input ? 1 : 0]);
  }
  stdio = {theirs[0].get(), theirs[1].get(), theirs[2].get()};
  impl_->pipes = std::move(theirs);
  return Stdio{ours[0].release(), ours[1].release(), ours[2].release()};
}

Result<pid_t> Process::pid() const {
  if (impl_->pid == 0) return not_started();
  return impl_->pid;
}

int Process::pidfd() const {
  return impl_->pidfd.get();
}

Result<void> Process::signal(int signal_number) const {
  if (impl_->pid == 0) return not_started();
  TRY(sys::pidfd_signal(impl_->pidfd.get(), signal_number), "sending signal {} to process {}", signal_number,
      impl_->pid);
  return {};
}

Result<int> Process::wait() {
  if (impl_->pid == 0 || impl_->waited) return not_started();
  int status = TRY(sys::wait_for(impl_->pid), "waiting for process {}", impl_->pid);
  impl_->waited = true;
  return status;
}

int Process::console() const {
  return impl_->console.get();
}

int exit_code_of(int wait_status) {
  constexpr int kSignalBase = 128;
  return WIFSIGNALED(wait_status) ? kSignalBase + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace cella
