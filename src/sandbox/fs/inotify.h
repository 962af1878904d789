// Inotify: a queue of what has happened to files, inotify(7): for changes that guests make through this kernel,
// whatever filesystem they make them in.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "sandbox/fs/events.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::fs {

class Inotify final : public EventLikeFile {
 public:
  static constexpr const char* kName = "anon_inode:inotify";
  explicit Inotify(int open_flags) : EventLikeFile(event_path(kName), open_flags) {}

  // inotify_add_watch(2): the watch's number. EINVAL, EEXIST, ENOSPC.
  SysResult<int> add(const vfs::Path& target, uint32_t mask);
  SysResult<void> remove(int number);  // EINVAL

  SysResult<size_t> read(vfs::Caller&, vfs::IoVector& io) override;
  uint32_t ready(vfs::Caller&) override { return events_.empty() ? 0 : POLLIN | POLLRDNORM; }
  core::WaitQueue* queue() override { return &queue_; }
  SysResult<uint64_t> ioctl(vfs::Caller& caller, uint32_t request, uint64_t argument) override;

 private:
  class Entry final : public vfs::Watch {
   public:
    Entry(Inotify& owner, int number, uint32_t wanted) : mask(wanted), owner_(owner), number_(number) {}
    void on_change(const Change& change) override { owner_.on_change(*this, number_, change); }
    uint32_t mask;
    vfs::Path place;  // which keeps the name that changes are told by

   private:
    Inotify& owner_;
    int number_;
  };
  struct Event {
    int watch;
    uint32_t mask, cookie;
    std::string name;  // padded with zeroes, as it is read
    size_t size() const { return sizeof(inotify_event) + name.size(); }
  };

  void on_change(Entry& entry, int number, const vfs::Watch::Change& change);
  void queue_event(int watch, uint32_t mask, uint32_t cookie, std::string_view name);
  void drop(int number);

  std::map<int, std::unique_ptr<Entry>> entries_;
  std::deque<Event> events_;
  core::WaitQueue queue_;
  int last_number_ = 0;
};

// EINVAL: not one.
SysResult<Inotify*> inotify_of(vfs::File& file);

}  // namespace cella::sandbox::fs
