// The directory of one container under the factory's root, and what is kept in it:
//
//   state.json   libcontainer's State, written when the container is complete
//   journal      until then: what is being created, written before it is, so that a kill at any instant leaves nothing
//                that cannot be found and removed
//   exec.fifo    there while init waits for start; the name and the protocol are runc's
//   control.sock of a sandboxed container: its kernel's control server
//   netns        with network devices of the host's in it: the container's network namespace, bound here so that it and
//                they outlive the container's processes
//   netns.json   which devices those are, and what they have to be again; written before the first is moved
//
// Creating, starting and destroying hold an exclusive lock on the directory.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::container {

// kInvalidIdFormat unless letters, digits, "_+-." alone, not "." or "..", at most 255 bytes.
Result<void> check_id(std::string_view id);

// What a container that is being created is going to have, in the order of making.
struct Journal {
  std::map<std::string, std::string> cgroup_paths;  // by controller
  std::vector<std::string> resctrl_groups;
  friend bool operator==(const Journal&, const Journal&) = default;
};

class StateDirectory {
 public:
  // Makes the root when missing and the directory, locked. kIdInUse.
  static Result<StateDirectory> create(const std::string& root, std::string_view id);
  // kContainerNotExists.
  static Result<StateDirectory> open(const std::string& root, std::string_view id);

  // Waits for the lock for at most `timeout_ms`. kContainerNotExists when the directory was removed meanwhile.
  Result<void> lock(int timeout_ms = 10'000);
  void unlock();

  Result<void> write_journal(const Journal& journal);
  // Empty when there is none.
  Result<Journal> read_journal() const;
  // Writes the state where nobody sees it yet; commit_state() puts it in its place and takes the journal away.
  Result<void> prepare_state(std::string_view json);
  Result<void> commit_state();
  void discard_state();  // what was prepared
  // kContainerNotExists when there is none.
  Result<std::string> read_state() const;

  // A listening stream socket "control.sock" that its owner may connect to.
  Result<sys::FileDescriptor> make_control_socket();
  // Both ends in one descriptor, for init.
  Result<sys::FileDescriptor> make_fifo();
  // For reading, at once; empty when there is none.
  Result<sys::FileDescriptor> open_fifo() const;
  bool has_fifo() const;
  Result<void> remove_fifo();

  // The record of the network devices that are in the container, never half written.
  Result<void> write_devices(std::string_view json);
  Result<std::optional<std::string>> read_devices() const;
  // Binds the network namespace of a descriptor. Needs CAP_SYS_ADMIN.
  Result<void> bind_namespace(int netns);
  // Empty when none is bound, in the mount namespace of the caller's.
  Result<sys::FileDescriptor> open_namespace() const;
  // Gives it up and forgets the record. What is still in the namespace ends with it.
  Result<void> release_namespace();

  // With everything in it. Stops, and keeps the record, at a namespace that is still bound.
  Result<void> remove();

  const std::string& id() const { return id_; }
  // Name of the directory's owner, or the uid when it has none.
  std::string owner() const;

 private:
  std::string root_;
  std::string id_;
  sys::FileDescriptor fd_;
};

// Ids of all directories under a root, sorted; none when the root is missing.
Result<std::vector<std::string>> list_ids(const std::string& root);

}  // namespace cella::container
