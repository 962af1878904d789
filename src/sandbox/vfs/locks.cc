#include "sandbox/vfs/locks.h"

#include <algorithm>
#include <cerrno>

#include "sandbox/vfs/file.h"

namespace cella::sandbox::vfs {
namespace {

bool overlap(const FileLocks::Record& a, const FileLocks::Record& b) {
  return a.start < b.end && b.start < a.end;
}

const FileLocks::Record* conflict_in(const std::vector<FileLocks::Record>& list, const FileLocks::Record& wanted) {
  for (const FileLocks::Record& held : list) {
    if (held.owner != wanted.owner && overlap(held, wanted) && (held.exclusive || wanted.exclusive)) return &held;
  }
  return nullptr;
}

}  // namespace

const FileLocks::Record* FileLocks::conflict(const Record& wanted) const {
  return conflict_in(records_, wanted);
}

SysResult<void> FileLocks::lock(const Record& wanted) {
  if (conflict(wanted) != nullptr) return std::unexpected(Errno{EAGAIN});
  unlock(wanted.owner, wanted.start, wanted.end);
  records_.push_back(wanted);
  return {};
}

FileLocks::Waits::Wait::Wait(Waits& waits, FileLocks& locks, const Record& wanted)
    : waits_(waits), locks_(locks), wanted_(wanted) {
  waits_.waits_.push_back(this);
}
FileLocks::Waits::Wait::~Wait() {
  std::erase(waits_.waits_, this);
}

bool FileLocks::Waits::is_deadlock(const FileLocks& locks, const Record& wanted) const {
  // As far as Linux looks.
  constexpr int kMostSteps = 10;
  const Record* held = locks.conflict(wanted);
  for (int step = 0; held != nullptr && step < kMostSteps; ++step) {
    if (held->owner == wanted.owner) return true;
    auto next = std::ranges::find_if(waits_, [&](const Wait* wait) { return wait->wanted_.owner == held->owner; });
    if (next == waits_.end()) return false;
    held = (*next)->locks_.conflict((*next)->wanted_);
  }
  return false;
}

void FileLocks::unlock(Owner owner, uint64_t start, uint64_t end) {
  std::vector<Record> left;
  for (const Record& held : records_) {
    if (held.owner != owner || held.start >= end || held.end <= start) {
      left.push_back(held);
      continue;
    }
    Record part = held;
    if (held.start < start) {
      part.end = start;
      left.push_back(part);
    }
    if (held.end > end) {
      part = held;
      part.start = end;
      left.push_back(part);
    }
  }
  records_ = std::move(left);
  queue_.notify(~0u);
}

SysResult<void> FileLocks::lock_whole(Owner owner, bool exclusive) {
  unlock_whole(owner);
  Record wanted;
  wanted.exclusive = exclusive;
  wanted.owner = owner;
  if (conflict_in(whole_, wanted) != nullptr) return std::unexpected(Errno{EAGAIN});
  whole_.push_back(wanted);
  return {};
}

void FileLocks::unlock_whole(Owner owner) {
  if (std::erase_if(whole_, [&](const Record& held) { return held.owner == owner; }) > 0) queue_.notify(~0u);
}

void FileLocks::release(Owner owner) {
  std::erase_if(records_, [&](const Record& held) { return held.owner == owner; });
  std::erase_if(whole_, [&](const Record& held) { return held.owner == owner; });
  queue_.notify(~0u);
}

void close_descriptor(Caller& caller, FileLocks::Owner owner, File& file) {
  file.on_close(caller);
  if (file.path && file.path.inode().locks != nullptr) file.path.inode().locks->release(owner);
}

}  // namespace cella::sandbox::vfs
