// Server: the gofer's side of the file protocol: answers what the application kernel asks about the host's files.
//
// The kernel is taken for the guest's own: what it sends may be anything. A request that is not one is answered with
// EINVAL or ENOSYS, what it may not do with the errno that a system call would have, and in no case is anything touched
// but nodes below the roots that it was given by lookup and create.
//
// One thread: the kernel has one lock (docs/decisions/0016), so there is one request at a time, and nothing in here
// needs a lock or the filter a clone(2).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cella/error.h>

#include "sandbox/fs/host/direct_backend.h"
#include "sandbox/gofer/protocol.h"
#include "sys/fd.h"

namespace cella::sandbox::gofer {

class Server {
 public:
  struct Root {
    sys::FileDescriptor fd;  // O_PATH: a directory, or a file that alone makes the tree
    bool read_only = false;
  };
  struct Options {
    // /proc/self/fd of this process, which stays the caller's, or -1: see fs::DirectBackend.
    int descriptors = -1;
    // Nodes of all roots together, each a descriptor here; more are ENFILE.
    size_t max_nodes = 1 << 16;
  };
  Server(std::vector<Root> roots, Options options);

  struct Answer {
    std::string_view bytes;  // until the next request
    sys::FileDescriptor descriptor;
    bool is_wanted = true;  // false: nothing is sent
  };
  Answer answer(std::string_view request);

  // Answers what comes from the socket until the other side ends. EMSGSIZE and the like: it does not speak the
  // protocol.
  SysResult<void> serve(int socket);

 private:
  struct Tree {
    std::unique_ptr<fs::DirectBackend> backend;
    bool read_only = false;
  };
  // What one request is about.
  struct Request {
    Tree& tree;
    size_t root;
    fs::FileBackend::Id node;
    Reader& arguments;
    sys::FileDescriptor& descriptor;
  };
  using Handler = SysResult<void> (Server::*)(Request& request);
  struct Entry {
    Effect effect;
    Handler handle;
  };
  static const Entry kEntries[];

  SysResult<void> dispatch(std::string_view request, sys::FileDescriptor& descriptor, bool& is_wanted);
  // The operations, each the method of its name.
#define CELLA_GOFER_METHOD(enumerator, method, name, effect) SysResult<void> method(Request& request);
  CELLA_GOFER_OPERATIONS(CELLA_GOFER_METHOD)
#undef CELLA_GOFER_METHOD

  SysResult<void> check_room() const;
  void put(const fs::FileBackend::Node& node);

  std::vector<Tree> trees_;
  Options options_;
  Writer writer_;
  // A directory that is being listed: what is left of it belongs to the requests that follow.
  struct Listing {
    size_t root = 0;
    fs::FileBackend::Id node = 0;
    std::vector<fs::FileBackend::Entry> entries;
  };
  Listing listing_;
};

}  // namespace cella::sandbox::gofer
