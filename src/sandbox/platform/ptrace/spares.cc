#include "sandbox/platform/ptrace/spares.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/platform/ptrace/tracee.h"

namespace cella::sandbox::platform {
namespace {

pid_t own_tid() {
  thread_local const pid_t tid = ::gettid();
  return tid;
}

// The host can end any of them, for its want of memory. Of a process it says so after its threads have been asked
// about.
bool is_dead(const Spare& spare) {
  int status;
  return ::waitpid(spare.tid, &status, __WALL | WNOHANG) != 0;
}

}  // namespace

Spares::~Spares() {
  while (!kept_.empty()) end_process(kept_.back().pid);
}

template <class Which>
std::optional<Spare> Spares::take(Which which) {
  auto found = std::ranges::find_if(kept_, which);
  if (found == kept_.end()) return std::nullopt;
  const Spare spare = *found;
  kept_.erase(found);
  return spare;
}

std::optional<Spare> Spares::take_process() {
  std::optional<Spare> own = take([](const Spare& spare) { return spare.is_process() && spare.holder == own_tid(); });
  if (!own || Tracee(own->pid).is_stopped()) return own;
  end_process(own->pid);
  return std::nullopt;
}

std::optional<Spare> Spares::take_thread(pid_t pid, pid_t holder) {
  std::optional<Spare> its =
      take([&](const Spare& spare) { return !spare.is_process() && spare.pid == pid && spare.holder == holder; });
  if (!its || !is_dead(*its)) return its;
  return std::nullopt;
}

void Spares::put_back(const Spare& spare) {
  kept_.push_back(spare);
}

bool Spares::keep(pid_t pid, pid_t tid, int cpu) {
  const Spare spare = {pid, tid, own_tid(), cpu};
  auto same = [&](const Spare& other) {
    return other.holder == spare.holder && other.is_process() == spare.is_process();
  };
  if (auto former = std::ranges::find_if(kept_, same); former != kept_.end()) {
    if (spare.is_process()) return false;
    // The process that it ran in last is the one that it will be wanted in.
    let_go(*former);
    *former = spare;
    return true;
  }
  if (kept_.size() == kMost) forget_dead();
  if (kept_.size() == kMost) return false;
  kept_.push_back(spare);
  return true;
}

void Spares::leave_thread() {
  for (;;) {
    auto own = std::ranges::find(kept_, own_tid(), &Spare::holder);
    if (own == kept_.end()) return;
    const Spare spare = *own;
    kept_.erase(own);
    let_go(spare);
  }
}

void Spares::end_process(pid_t pid) {
  (void)::kill(pid, SIGKILL);
  // The host reports the process when those of its threads that are traced have been waited for.
  std::erase_if(kept_, [&](const Spare& spare) {
    if (spare.pid == pid && !spare.is_process()) Tracee(spare.tid).bury();
    return spare.pid == pid;
  });
  Tracee(pid).bury();
}

void Spares::forget_dead() {
  std::erase_if(kept_, [](const Spare& spare) { return !spare.is_process() && is_dead(spare); });
  std::erase_if(kept_, is_dead);
}

void Spares::let_go(const Spare& spare) {
  if (spare.is_process()) {
    end_process(spare.pid);
  } else {
    Tracee(spare.tid).exit(stub_);
  }
}

}  // namespace cella::sandbox::platform
