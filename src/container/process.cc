#include <sys/wait.h>

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

Result<pid_t> Process::pid() const {
  if (impl_->pid == 0) return not_started();
  return impl_->pid;
}

int Process::pidfd() const { return impl_->pidfd.get(); }

Result<void> Process::signal(int signal_number) const {
  if (impl_->pid == 0) return not_started();
  TRY(sys::pidfd_signal(impl_->pidfd.get(), signal_number), "sending signal {} to process {}", signal_number, impl_->pid);
  return {};
}

Result<int> Process::wait() {
  if (impl_->pid == 0 || impl_->waited) return not_started();
  int status = TRY(sys::wait_for(impl_->pid), "waiting for process {}", impl_->pid);
  impl_->waited = true;
  return status;
}

int Process::console() const { return impl_->console.get(); }

int exit_code_of(int wait_status) {
  constexpr int kSignalBase = 128;
  return WIFSIGNALED(wait_status) ? kSignalBase + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace cella
