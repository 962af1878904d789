// Sleeping at a word of this process, futex(2) with FUTEX_PRIVATE_FLAG.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

namespace cella::sys {

// Returns at once when the word is not `expected`; else at a wake, at `deadline` (CLOCK_MONOTONIC; null: never), or for
// no reason.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected, const timespec* deadline);
// Wakes one thread up. Only the address counts: whether there is still a word, is nobody's concern.
void futex_wake(const std::atomic<uint32_t>* word);

}  // namespace cella::sys
