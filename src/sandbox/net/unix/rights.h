// Files on the way between processes: SCM_RIGHTS of unix(7).
//
// A file in flight is held by the message that it is in. Sockets can be in flight in each other's queues, where no
// descriptor leads to them any more: InFlight::collect() finds those, as Linux does: sockets of which all references
// are from messages, and not from messages in the queue of a socket that somebody can still reach.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "sandbox/vfs/file.h"

namespace cella::sandbox::net {

class Rights;

class InFlight {
 public:
  // ETOOMANYREFS: a user without CAP_SYS_RESOURCE or CAP_SYS_ADMIN may have as many in flight as descriptors.
  SysResult<std::unique_ptr<Rights>> send(vfs::Caller& caller, uint64_t descriptor_limit,
                                          std::vector<vfs::FilePtr> files);
  // Drops messages that nobody can receive any more. Called whenever a socket of the domain is closed; looks the less
  // often the more it has looked at in vain.
  void collect();

 private:
  friend class Rights;
  // Lets go of them; one after the other, however deep they lie in each other's queues.
  void drop(std::vector<vfs::FilePtr> files);
  void add(vfs::File& file);
  void remove(vfs::File& file);

  std::map<vfs::File*, long> sockets_;  // unix sockets in flight → in how many messages
  std::map<uint32_t, uint64_t> users_;  // how many files they have in flight
  std::vector<vfs::FilePtr> dropped_;
  bool dropping_ = false, collecting_ = false;
  size_t calls_to_skip_ = 0;
};

// What one message holds.
class Rights {
 public:
  Rights(InFlight& registry, uint32_t user, std::vector<vfs::FilePtr> held);
  ~Rights();
  Rights(const Rights&) = delete;
  Rights& operator=(const Rights&) = delete;

  const std::vector<vfs::FilePtr>& files() const { return files_; }
  // They are no longer in flight.
  std::vector<vfs::FilePtr> take();

 private:
  InFlight& registry_;
  uint32_t user_;
  std::vector<vfs::FilePtr> files_;
};

}  // namespace cella::sandbox::net
