#include "sandbox/net/unix/rights.h"

#include <linux/capability.h>

#include <set>

#include "sandbox/net/unix/unix_socket.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kManySockets = 1000;  // in flight: time to look without a socket being closed

UnixSocket* as_unix_socket(vfs::File& file) {
  if (!file.is_socket() || static_cast<Socket&>(file).domain != AF_UNIX) return nullptr;
  return static_cast<UnixSocket*>(&file);
}

}  // namespace

SysResult<std::unique_ptr<Rights>> InFlight::send(vfs::Caller& caller, uint64_t descriptor_limit,
                                                  std::vector<vfs::FilePtr> files) {
  if (files.empty()) return nullptr;
  const vfs::Credentials& who = caller.credentials();
  if (users_[who.uid] > descriptor_limit && !who.has(CAP_SYS_RESOURCE) && !who.has(CAP_SYS_ADMIN)) {
    return fail(ETOOMANYREFS);
  }
  if (sockets_.size() > kManySockets) collect();  // who sends many may close none
  return std::make_unique<Rights>(*this, who.uid, std::move(files));
}

void InFlight::add(vfs::File& file) {
  if (as_unix_socket(file) != nullptr) ++sockets_[&file];
}

void InFlight::remove(vfs::File& file) {
  auto found = sockets_.find(&file);
  if (found != sockets_.end() && --found->second == 0) sockets_.erase(found);
}

void InFlight::drop(std::vector<vfs::FilePtr> files) {
  for (vfs::FilePtr& file : files) dropped_.push_back(std::move(file));
  if (dropping_) return;
  dropping_ = true;
  while (!dropped_.empty()) {
    vfs::FilePtr file = std::move(dropped_.back());
    dropped_.pop_back();
    file.reset();
  }
  dropping_ = false;
}

void InFlight::collect() {
  if (collecting_ || sockets_.empty()) return;
  if (calls_to_skip_ > 0) {
    --calls_to_skip_;
    return;
  }
  // Of each candidate: how many of its references are not from messages in candidates' queues.
  std::map<UnixSocket*, long> outside;
  for (const auto& [file, count] : sockets_)
    if (file->weak_from_this().use_count() == count) outside[as_unix_socket(*file)] = count;
  if (outside.empty()) return;
  for (const auto& [candidate, count] : outside) {
    candidate->for_each_in_flight([&](vfs::File& file) {
      auto inner = outside.find(as_unix_socket(file));
      if (inner != outside.end()) --inner->second;
    });
  }
  // What one that can be reached has in its queue can be reached too.
  std::vector<UnixSocket*> reached;
  std::set<UnixSocket*> garbage;
  for (const auto& [candidate, count] : outside) {
    if (count > 0) {
      reached.push_back(candidate);
    } else {
      garbage.insert(candidate);
    }
  }
  while (!reached.empty()) {
    UnixSocket* socket = reached.back();
    reached.pop_back();
    socket->for_each_in_flight([&](vfs::File& file) {
      UnixSocket* inner = as_unix_socket(file);
      if (inner != nullptr && garbage.erase(inner) > 0) reached.push_back(inner);
    });
  }
  constexpr size_t kLooksACall = 8;
  calls_to_skip_ = (sockets_.size() - garbage.size()) / kLooksACall;
  if (garbage.empty()) return;
  collecting_ = true;
  std::vector<vfs::FilePtr> files;
  for (UnixSocket* socket : garbage) socket->take_in_flight(files);
  drop(std::move(files));
  collecting_ = false;
}

Rights::Rights(InFlight& registry, uint32_t user, std::vector<vfs::FilePtr> held)
    : registry_(registry), user_(user), files_(std::move(held)) {
  registry_.users_[user_] += files_.size();
  for (const vfs::FilePtr& file : files_) registry_.add(*file);
}

Rights::~Rights() {
  registry_.drop(take());
}

std::vector<vfs::FilePtr> Rights::take() {
  if (files_.empty()) return {};
  uint64_t& count = registry_.users_[user_];
  count -= files_.size();
  if (count == 0) registry_.users_.erase(user_);
  for (const vfs::FilePtr& file : files_) registry_.remove(*file);
  return std::exchange(files_, {});
}

}  // namespace cella::sandbox::net
