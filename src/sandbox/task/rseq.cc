// Restartable sequences, rseq(2): the host keeps the thread's struct rseq, and breaks off what it has begun when the
// host takes its CPU from it, as it does for any thread. What only this kernel knows of, signals of the guest's, is
// here.
#include <linux/rseq.h>

#include <cstddef>
#include <cstring>

#include "base/result.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::task {

SysResult<void> Task::set_rseq(const RestartableSequences& wanted) {
  if (rseq.address != 0) {
    const uint64_t address = std::exchange(rseq, {}).address;
    TRY(context_->set_rseq(0, 0));
    memory_manager->release_from_host(address);
  }
  if (wanted.address == 0) return {};
  TRY(memory_manager->keep_for_host(wanted.address));
  SysResult<void> set = memory_manager->flush(*context_);
  if (set) set = context_->set_rseq(wanted.address, wanted.signature);
  if (!set) {
    memory_manager->release_from_host(wanted.address);
    return set;
  }
  rseq = wanted;
  return {};
}

SysResult<void> Task::abort_sequence() {
  if (rseq.address == 0) return {};
  const uint64_t pointer = rseq.address + offsetof(struct rseq, rseq_cs);
  const auto address = TRY(memory_manager->read<uint64_t>(pointer));
  if (address == 0) return {};
  const auto sequence = TRY(memory_manager->read<rseq_cs>(address));
  if (registers().rip - sequence.start_ip >= sequence.post_commit_offset) return {};
  if (TRY(memory_manager->read<uint32_t>(sequence.abort_ip - sizeof(uint32_t))) != rseq.signature)
    return std::unexpected(Errno{EFAULT});
  TRY(memory_manager->write(pointer, uint64_t{0}));
  registers().rip = sequence.abort_ip;
  return {};
}

}  // namespace cella::sandbox::task
