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
