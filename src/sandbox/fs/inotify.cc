#include "sandbox/fs/inotify.h"

#include <sys/ioctl.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

constexpr size_t kMostEvents = 16384, kMostWatches = 65536;  // as /proc/sys/fs/inotify says

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

}  // namespace

SysResult<int> Inotify::add(const vfs::Path& target, uint32_t mask) {
  constexpr uint32_t kCreate = IN_MASK_CREATE, kAdd = IN_MASK_ADD;
  if (!(mask & IN_ALL_EVENTS) || ((mask & kCreate) && (mask & kAdd))) return fail(EINVAL);
  const uint32_t kept = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
  for (const auto& [number, entry] : entries_) {
    if (entry->inode() != target.dentry->inode) continue;
    if (mask & kCreate) return fail(EEXIST);
    entry->mask = (mask & kAdd ? entry->mask : 0) | kept;
    return number;
  }
  if (entries_.size() >= kMostWatches) return fail(ENOSPC);
  const int number = ++last_number_;
  auto entry = std::make_unique<Entry>(*this, number, kept);
  entry->place = target;
  entry->join(target.dentry->inode);
  entries_[number] = std::move(entry);
  return number;
}

SysResult<void> Inotify::remove(int number) {
  if (!entries_.contains(number)) return fail(EINVAL);
  drop(number);
  return {};
}

void Inotify::drop(int number) {
  entries_.erase(number);
  queue_event(number, IN_IGNORED, 0, {});
}

void Inotify::on_change(Entry& entry, int number, const vfs::Watch::Change& change) {
  const bool is_gone = change.events & IN_DELETE_SELF;
  if ((entry.mask & IN_EXCL_UNLINK) && change.is_unlinked && !change.name.empty()) return;
  const bool is_wanted = change.events & entry.mask & IN_ALL_EVENTS;
  if (is_wanted) queue_event(number, change.events & (entry.mask | IN_ISDIR), change.cookie, change.name);
  if (is_gone || (is_wanted && (entry.mask & IN_ONESHOT))) drop(number);
}

void Inotify::queue_event(int watch, uint32_t mask, uint32_t cookie, std::string_view name) {
  Event event = {watch, mask, cookie, std::string(name)};
  // With a zero at least, up to a multiple of the head's size.
  constexpr size_t kHead = sizeof(inotify_event);
  if (!name.empty()) event.name.resize((name.size() + kHead) / kHead * kHead);
  if (!events_.empty()) {
    const Event& last = events_.back();
    const bool is_same = last.watch == watch && last.mask == mask && last.name == event.name && last.cookie == cookie;
    if ((is_same && !(mask & IN_IGNORED)) || (last.mask & IN_Q_OVERFLOW)) return;
  }
  if (events_.size() >= kMostEvents) event = {-1, IN_Q_OVERFLOW, 0, {}};
  events_.push_back(std::move(event));
  queue_.notify(POLLIN | POLLRDNORM);
}

SysResult<size_t> Inotify::read(vfs::Caller&, vfs::IoVector& io) {
  if (events_.empty()) return fail(EAGAIN);
  if (io.left() < events_.front().size()) return fail(EINVAL);
  size_t done = 0;
  while (!events_.empty() && io.left() >= events_.front().size()) {
    const Event& event = events_.front();
    inotify_event head = {};
    head.wd = event.watch;
    head.mask = event.mask;
    head.cookie = event.cookie;
    head.len = static_cast<uint32_t>(event.name.size());
    done += io.put(&head, sizeof head);
    done += io.put(event.name.data(), event.name.size());
    events_.pop_front();
  }
  return done;
}

SysResult<uint64_t> Inotify::ioctl(vfs::Caller& caller, uint32_t request, uint64_t argument) {
  if (request != FIONREAD) return fail(ENOTTY);
  size_t bytes = 0;
  for (const Event& event : events_) bytes += event.size();
  TRY(caller.memory().write(argument, static_cast<int>(bytes)));
  return 0;
}

SysResult<Inotify*> inotify_of(vfs::File& file) {
  if (!is_event_file(file, Inotify::kName)) return fail(EINVAL);
  return static_cast<Inotify*>(&file);
}

}  // namespace cella::sandbox::fs
