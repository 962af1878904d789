// NodeCache: what the kernel knows of the gofer's nodes below one root, and which of them it may let go of.
//
// Every node that the gofer has given is in here, with the name that it was found by and the number of its users. With
// `exclusive` (client.h) a node whose last user goes stays for its name, until there are too many of those.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sandbox/core/time.h"
#include "sandbox/fs/host/backend.h"

namespace cella::sandbox::gofer {

class NodeCache {
 public:
  using Id = fs::FileBackend::Id;
  struct Node {
    struct stat found = {};                 // as it was given: type, device and number stay; the root's are all 0
    std::optional<struct stat> attributes;  // as they are, unless absent
    std::optional<std::string> target;      // of a symbolic link
    bool is_mount = false;
    bool has_been_opened = false;  // its attributes change without us
  };

  NodeCache(bool exclusive, size_t max_idle);

  // The node of this name, which gets another user; null: not known.
  Node* use(Id directory, const std::string& name, Id& id);
  // A node from the gofer, with its first user. False: there is one with this id, so the gofer is wrong.
  bool add(Id directory, const std::string& name, const fs::FileBackend::Node& found);
  // Null: not known.
  Node* find(Id id);
  // They are as they are now, as far as that can be known.
  const struct stat* attributes(Id id);
  void keep_attributes(Id id, const struct stat& attributes);
  // They have changed.
  void drop_attributes(Id id);
  // The gofer is asked something else: what add() was last given is no news any more.
  void next_call() { fresh_.reset(); }
  // One user less.
  void release(Id id);
  // The name means nothing now, or something else.
  void drop_name(Id directory, const std::string& name);
  // Lets go of all nodes without a user.
  void drop_idle();

  // Nodes that the gofer is to forget.
  std::vector<Id>& forgotten() { return forgotten_; }
  // Is there one among them that has lost its name, so that the host may be waiting to free what it held?
  bool is_urgent() const { return is_urgent_; }
  void forgotten_are_told() {
    forgotten_.clear();
    is_urgent_ = false;
  }

 private:
  using Name = std::pair<Id, std::string>;
  struct Known : Node {
    Name name;
    bool has_name = true;
    size_t users = 1;
    std::list<Id>::iterator idle;  // in idle_, when there are no users
  };
  using Nodes = std::unordered_map<Id, Known>;
  void remove(Nodes::iterator node);

  bool exclusive_;
  size_t max_idle_;
  Nodes nodes_;
  std::map<Name, Id> names_;
  std::list<Id> idle_;  // the longest unused first
  struct Fresh {
    Id id;
    core::Nanoseconds found_at;
  };
  std::optional<Fresh> fresh_;  // whose `found` are its attributes
  std::vector<Id> forgotten_;
  bool is_urgent_ = false;
};

}  // namespace cella::sandbox::gofer
