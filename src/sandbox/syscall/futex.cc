#include <linux/futex.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using core::Nanoseconds;
using task::FutexTable;
using task::Task;

namespace {

// Until somebody wakes us at the word, which must still have the value that the caller saw.
Outcome wait_at(Task& task, uint64_t address, bool is_private, uint32_t value, Nanoseconds deadline, uint32_t bits,
                bool relative) {
  if (bits == 0) return fail(EINVAL);
  uint32_t* word = TRY(task.memory().futex_word(address, false));
  FutexTable::Waiter waiter;
  waiter.task = &task;
  waiter.bits = bits;
  waiter.key = TRY(task.memory().futex_key(address, is_private));
  if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value) return fail(EAGAIN);
  FutexTable& table = task.kernel.futexes;
  table.add(waiter);
  for (;;) {
    SysResult<void> slept = task.sleep(deadline);
    if (waiter.woken) return 0;
    if (slept) continue;
    table.remove(waiter);
    if (slept.error().value != core::kRestartSys || !relative || deadline == core::kNever) {
      return std::unexpected(slept.error());
    }
    task.restart = [=](Task& again) { return wait_at(again, address, is_private, value, deadline, bits, true); };
    return fail(core::kRestartBlock);
  }
}

// FUTEX_WAKE_OP, futex(2).
Outcome wake_op(Task& task, const Arguments& a, bool is_private) {
  const uint32_t encoded = a.word(5);
  const uint32_t op = encoded >> 28 & 7, compare = encoded >> 24 & 15;
  int32_t operand = static_cast<int32_t>(encoded << 8) >> 20;
  const int32_t against = static_cast<int32_t>(encoded << 20) >> 20;
  if (encoded >> 28 & FUTEX_OP_OPARG_SHIFT) operand = 1 << (operand & 31);
  if (a[4] % 4 != 0) return fail(EINVAL);
  auto key = TRY(task.memory().futex_key(a[0], is_private));
  auto second = TRY(task.memory().futex_key(a[4], is_private));
  uint32_t* word = TRY(task.memory().futex_word(a[4], true));
  const auto argument = static_cast<uint32_t>(operand);
  uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST), now = 0;
  do {
    switch (op) {
      case FUTEX_OP_SET:
        now = argument;
        break;
      case FUTEX_OP_ADD:
        now = old + argument;
        break;
      case FUTEX_OP_OR:
        now = old | argument;
        break;
      case FUTEX_OP_ANDN:
        now = old & ~argument;
        break;
      case FUTEX_OP_XOR:
        now = old ^ argument;
        break;
      default:
        return fail(ENOSYS);
    }
  } while (!__atomic_compare_exchange_n(word, &old, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  const auto before = static_cast<int32_t>(old);
  bool holds = false;
  switch (compare) {
    case FUTEX_OP_CMP_EQ:
      holds = before == against;
      break;
    case FUTEX_OP_CMP_NE:
      holds = before != against;
      break;
    case FUTEX_OP_CMP_LT:
      holds = before < against;
      break;
    case FUTEX_OP_CMP_LE:
      holds = before <= against;
      break;
    case FUTEX_OP_CMP_GT:
      holds = before > against;
      break;
    case FUTEX_OP_CMP_GE:
      holds = before >= against;
      break;
    default:
      return fail(ENOSYS);
  }
  int woken = task.kernel.futexes.wake(key, a.integer(2), ~0u);
  if (holds) woken += task.kernel.futexes.wake(second, a.integer(3), ~0u);
  return static_cast<uint64_t>(woken);
}

// FUTEX_LOCK_PI, until the deadline; FUTEX_TRYLOCK_PI without `wait`.
Outcome lock_inheriting(Task& task, uint64_t address, bool is_private, bool wait, Nanoseconds deadline) {
  uint32_t* word = TRY(task.memory().futex_word(address, true));
  FutexTable& table = task.kernel.futexes;
  FutexTable::LockWaiter waiter = { &task, TRY(task.memory().futex_key(address, is_private)), address };
  const auto own = static_cast<uint32_t>(task.id);
  uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST), now;
  do {
    const uint32_t owner = old & FUTEX_TID_MASK;
    if (owner == own) return fail(EDEADLK);
    if (owner != 0 && !wait) return fail(EAGAIN);
    if (owner != 0 && task.kernel.task(static_cast<int>(owner)) == nullptr) return fail(ESRCH);
    now = owner != 0 ? old | FUTEX_WAITERS : own | (old & FUTEX_OWNER_DIED);
    if (owner == 0 && table.has_lock_waiters(waiter.key)) now |= FUTEX_WAITERS;
  } while (!__atomic_compare_exchange_n(word, &old, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  if ((now & FUTEX_TID_MASK) == own) return 0;
  table.add_lock_waiter(waiter);
  for (;;) {
    SysResult<void> slept = task.sleep(deadline);
    if (waiter.has_it) return 0;
    if (slept) continue;
    table.remove_lock_waiter(waiter);
    return fail(slept.error().value == core::kRestartSys ? core::kRestartNoIntr : slept.error().value);
  }
}

}  // namespace

Outcome sys_futex(Task& task, const Arguments& a) {
  const int command = a.integer(1) & FUTEX_CMD_MASK;
  const bool is_private = a.integer(1) & FUTEX_PRIVATE_FLAG, realtime = a.integer(1) & FUTEX_CLOCK_REALTIME;
  if (a[0] % 4 != 0) return fail(EINVAL);
  if (realtime && command != FUTEX_WAIT_BITSET && command != FUTEX_LOCK_PI2) return fail(ENOSYS);
  // On the clock that is said, or by default.
  auto absolute_deadline = [&](bool of_realtime) -> SysResult<Nanoseconds> {
    if (a[3] == 0) return core::kNever;
    const auto absolute = TRY(task.memory().read<timespec>(a[3]));
    if (!is_valid(absolute)) return fail(EINVAL);
    const Nanoseconds deadline = core::from_timespec(absolute);
    return of_realtime ? core::add_time(deadline, core::now() - core::now(CLOCK_REALTIME)) : deadline;
  };
  FutexTable& table = task.kernel.futexes;
  switch (command) {
    case FUTEX_WAIT:
      return wait_at(task, a[0], is_private, a.word(2), TRY(deadline_from(task, a[3])), ~0u, true);
    case FUTEX_WAIT_BITSET:
      return wait_at(task, a[0], is_private, a.word(2), TRY(absolute_deadline(realtime)), a.word(5), false);
    case FUTEX_LOCK_PI:
      return lock_inheriting(task, a[0], is_private, true, TRY(absolute_deadline(true)));
    case FUTEX_LOCK_PI2:
      return lock_inheriting(task, a[0], is_private, true, TRY(absolute_deadline(realtime)));
    case FUTEX_TRYLOCK_PI:
      return lock_inheriting(task, a[0], is_private, false, core::kNever);
    case FUTEX_UNLOCK_PI: {
      uint32_t* word = TRY(task.memory().futex_word(a[0], true));
      const FutexTable::Key key = TRY(task.memory().futex_key(a[0], is_private));
      TRY(table.hand_on(key, word, task.id, false));
      return 0;
    }
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET: {
      const uint32_t bits = command == FUTEX_WAKE ? ~0u : a.word(5);
      if (bits == 0) return fail(EINVAL);
      auto key = TRY(task.memory().futex_key(a[0], is_private));
      return static_cast<uint64_t>(table.wake(key, std::max(a.integer(2), 1), bits));
    }
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: {
      if (a.integer(2) < 0 || a.integer(3) < 0 || a[4] % 4 != 0) return fail(EINVAL);
      auto key = TRY(task.memory().futex_key(a[0], is_private));
      auto target = TRY(task.memory().futex_key(a[4], is_private));
      if (command == FUTEX_CMP_REQUEUE) {
        uint32_t* word = TRY(task.memory().futex_word(a[0], false));
        if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != a.word(5)) return fail(EAGAIN);
      }
      return static_cast<uint64_t>(table.requeue(key, a.integer(2), target, a.integer(3)));
    }
    case FUTEX_WAKE_OP:
      return wake_op(task, a, is_private);
    default:
      return fail(ENOSYS);
  }
}

}  // namespace cella::sandbox::syscall
