#include "sandbox/fs/epoll.h"

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/events.h"

namespace cella::sandbox::fs {
namespace {

constexpr uint32_t kAlways = EPOLLERR | EPOLLHUP;
constexpr uint32_t kOptions = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
constexpr int kDeepest = 5;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

}  // namespace

Epoll::Epoll() : File(event_path(kName), O_RDWR) {}

void Epoll::list(Item& item) {
  if (item.disabled) return;
  if (!item.listed) {
    item.place = listed_.insert(listed_.end(), &item);
    item.listed = true;
  }
  queue_.notify(POLLIN | POLLRDNORM);
}

void Epoll::unlist(Item& item) {
  if (item.listed) listed_.erase(item.place);
  item.listed = false;
}

void Epoll::watch(vfs::Caller& caller, Item& item, const vfs::FilePtr& file) {
  item.leave();
  file->queue()->add(item, (item.event.events & ~kOptions) | kAlways);
  if (file->ready(caller) & (item.event.events | kAlways)) list(item);
}

std::map<Epoll::Key, Epoll::Item>::iterator Epoll::find(int fd, const vfs::FilePtr& file) {
  auto item = items_.find({file.get(), fd});
  // Of a file that has been closed, whose place in memory another has now.
  if (item != items_.end() && item->second.file.expired()) {
    unlist(item->second);
    items_.erase(item);
    return items_.end();
  }
  return item;
}

bool Epoll::may_contain(const vfs::File* other, int depth) const {
  if (this == other || depth >= kDeepest) return false;
  for (const auto& [key, item] : items_) {
    vfs::FilePtr file = item.file.lock();
    if (file != nullptr && is_event_file(*file, kName) &&
        !static_cast<const Epoll&>(*file).may_contain(other, depth + 1)) {
      return false;
    }
  }
  return true;
}

SysResult<void> Epoll::add(vfs::Caller& caller, int fd, const vfs::FilePtr& file, const epoll_event& event) {
  if (file->queue() == nullptr) return fail(EPERM);
  const bool nested = is_event_file(*file, kName);
  if (event.events & EPOLLEXCLUSIVE) {
    constexpr uint32_t kAllowed = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
    if (nested || (event.events & ~kAllowed)) return fail(EINVAL);
  }
  if (find(fd, file) != items_.end()) return fail(EEXIST);
  if (nested && !static_cast<Epoll&>(*file).may_contain(this, 1)) return fail(ELOOP);
  Item& item = items_[{file.get(), fd}];
  item.owner = this;
  item.file = file;
  item.event = event;
  watch(caller, item, file);
  return {};
}

SysResult<void> Epoll::modify(vfs::Caller& caller, int fd, const vfs::FilePtr& file, const epoll_event& event) {
  auto found = find(fd, file);
  if (found == items_.end()) return fail(ENOENT);
  if ((event.events | found->second.event.events) & EPOLLEXCLUSIVE) return fail(EINVAL);
  found->second.event = event;
  found->second.disabled = false;
  watch(caller, found->second, file);
  return {};
}

SysResult<void> Epoll::remove(int fd, const vfs::FilePtr& file) {
  auto found = find(fd, file);
  if (found == items_.end()) return fail(ENOENT);
  unlist(found->second);
  items_.erase(found);
  return {};
}

std::vector<epoll_event> Epoll::collect(vfs::Caller& caller, size_t most) {
  std::vector<epoll_event> result;
  // Those that stay on the list go behind the others, so that all have their turn.
  for (size_t left = listed_.size(); left > 0 && result.size() < most; --left) {
    Item& item = *listed_.front();
    unlist(item);
    vfs::FilePtr file = item.file.lock();
    if (file == nullptr) {
      std::erase_if(items_, [&](const auto& entry) { return &entry.second == &item; });
      continue;
    }
    const uint32_t events = file->ready(caller) & ((item.event.events & ~kOptions) | kAlways);
    if (events == 0) continue;
    result.push_back({events, item.event.data});
    if (item.event.events & EPOLLONESHOT) {
      item.disabled = true;
    } else if (!(item.event.events & EPOLLET)) {
      item.place = listed_.insert(listed_.end(), &item);
      item.listed = true;
    }
  }
  return result;
}

uint32_t Epoll::ready(vfs::Caller& caller) {
  if (looking_) return 0;
  looking_ = true;
  bool any = false;
  for (Item* item : listed_) {
    vfs::FilePtr file = item->file.lock();
    any = file != nullptr && (file->ready(caller) & ((item->event.events & ~kOptions) | kAlways));
    if (any) break;
  }
  looking_ = false;
  return any ? POLLIN | POLLRDNORM : 0;
}

vfs::FilePtr make_epoll() {
  return std::make_shared<Epoll>();
}
SysResult<Epoll*> epoll_of(vfs::File& file) {
  if (!is_event_file(file, Epoll::kName)) return fail(EINVAL);
  return static_cast<Epoll*>(&file);
}

}  // namespace cella::sandbox::fs
