// Epoll: a set of files, and which of them are ready: epoll(7).
//
// An item waits at its file's queue, and is put on the list of those that may be ready when it hears something. Whether
// they are is asked of the file when somebody wants to know. An item is for a file as long as that is open anywhere, as
// on Linux; it does not keep it open.
#pragma once

#include <sys/epoll.h>

#include <list>
#include <map>

#include "sandbox/fs/filesystem.h"

namespace cella::sandbox::fs {

class Epoll final : public vfs::File {
 public:
  static constexpr const char* kName = "anon_inode:[eventpoll]";
  Epoll();

  // epoll_ctl(2): EEXIST, ENOENT, EPERM, ELOOP, EINVAL.
  SysResult<void> add(vfs::Caller& caller, int fd, const vfs::FilePtr& file, const epoll_event& event);
  SysResult<void> modify(vfs::Caller& caller, int fd, const vfs::FilePtr& file, const epoll_event& event);
  SysResult<void> remove(int fd, const vfs::FilePtr& file);
  // Up to `most` that are ready, without waiting.
  std::vector<epoll_event> collect(vfs::Caller& caller, size_t most);

  SysResult<uint64_t> seek(vfs::Caller&, int64_t, int) override { return 0; }
  uint32_t ready(vfs::Caller& caller) override;
  core::WaitQueue* queue() override { return &queue_; }

 private:
  struct Item final : core::Waiter {
    Epoll* owner = nullptr;
    std::weak_ptr<vfs::File> file;
    epoll_event event = {};
    bool disabled = false;  // EPOLLONESHOT has struck
    bool listed = false;
    std::list<Item*>::iterator place;
    void on_event(uint32_t) override { owner->list(*this); }
  };
  using Key = std::pair<const vfs::File*, int>;

  void list(Item& item);
  void unlist(Item& item);
  void watch(vfs::Caller& caller, Item& item, const vfs::FilePtr& file);
  std::map<Key, Item>::iterator find(int fd, const vfs::FilePtr& file);
  // How many epolls are below, this one included; false: `other` is one of them, or there are too many.
  bool may_contain(const vfs::File* other, int depth) const;

  std::map<Key, Item> items_;
  std::list<Item*> listed_;
  core::WaitQueue queue_;
  bool looking_ = false;  // in ready(): a set of sets that has come back to itself
};

vfs::FilePtr make_epoll();
// EINVAL: not one.
SysResult<Epoll*> epoll_of(vfs::File& file);

}  // namespace cella::sandbox::fs
