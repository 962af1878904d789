#include "sandbox/gofer/node_cache.h"

namespace cella::sandbox::gofer {
namespace {

// Who finds a name and then asks for its attributes does so in one system call, and the gofer has told both at once. No
// guest gets word of what somebody else has changed since, and asks again, in less time than this.
constexpr core::Nanoseconds kSameCall = 50'000;

}  // namespace

NodeCache::NodeCache(bool exclusive, size_t max_idle) : exclusive_(exclusive), max_idle_(max_idle) {
  // It is always there, and has no name.
  nodes_[fs::FileBackend::kRoot].has_name = false;
}

NodeCache::Node* NodeCache::use(Id directory, const std::string& name, Id& id) {
  if (!exclusive_) return nullptr;
  auto named = names_.find({directory, name});
  if (named == names_.end()) return nullptr;
  id = named->second;
  Known& node = nodes_.find(id)->second;
  if (node.users++ == 0) idle_.erase(node.idle);
  return &node;
}

bool NodeCache::add(Id directory, const std::string& name, const fs::FileBackend::Node& found) {
  auto [node, is_new] = nodes_.try_emplace(found.id);
  if (!is_new) return false;
  node->second.found = found.attributes;
  node->second.is_mount = found.is_mount;
  node->second.name = {directory, name};
  drop_name(directory, name);
  names_[node->second.name] = found.id;
  keep_attributes(found.id, found.attributes);
  fresh_ = {found.id, core::now()};
  return true;
}

NodeCache::Node* NodeCache::find(Id id) {
  auto node = nodes_.find(id);
  return node != nodes_.end() ? &node->second : nullptr;
}

const struct stat* NodeCache::attributes(Id id) {
  Node* node = find(id);
  if (node == nullptr) return nullptr;
  if (node->attributes) return &*node->attributes;
  if (!fresh_ || fresh_->id != id) return nullptr;
  const bool is_same_call = core::now() - fresh_->found_at < kSameCall;
  fresh_.reset();
  return is_same_call ? &node->found : nullptr;
}

void NodeCache::keep_attributes(Id id, const struct stat& attributes) {
  Node* node = find(id);
  if (node == nullptr || !exclusive_ || node->has_been_opened) return;
  // Another name of it may be another node, through which it is changed.
  if (!S_ISDIR(attributes.st_mode) && attributes.st_nlink > 1) return;
  node->attributes = attributes;
}

void NodeCache::drop_attributes(Id id) {
  if (Node* node = find(id)) node->attributes.reset();
}

void NodeCache::release(Id id) {
  auto node = nodes_.find(id);
  if (node == nodes_.end() || id == fs::FileBackend::kRoot || node->second.users == 0) return;
  if (--node->second.users > 0) return;
  if (!exclusive_ || !node->second.has_name || max_idle_ == 0) {
    remove(node);
    return;
  }
  node->second.idle = idle_.insert(idle_.end(), id);
  if (idle_.size() <= max_idle_) return;
  auto oldest = nodes_.find(idle_.front());
  idle_.pop_front();
  remove(oldest);
}

void NodeCache::drop_name(Id directory, const std::string& name) {
  auto named = names_.find({directory, name});
  if (named == names_.end()) return;
  auto node = nodes_.find(named->second);
  names_.erase(named);
  node->second.has_name = false;
  node->second.attributes.reset();
  if (node->second.users > 0) return;
  idle_.erase(node->second.idle);
  remove(node);
}

void NodeCache::drop_idle() {
  for (Id id : idle_) remove(nodes_.find(id));
  idle_.clear();
}

void NodeCache::remove(Nodes::iterator node) {
  if (node->second.has_name) {
    names_.erase(node->second.name);
  } else {
    is_urgent_ = true;
  }
  forgotten_.push_back(node->first);
  nodes_.erase(node);
}

}  // namespace cella::sandbox::gofer
