// The kernel's side of the file protocol: a FileBackend that asks the gofer.
//
// The gofer is another protection domain: it may give wrong files, but its answers are checked before anything is made
// of them. One that breaks the protocol, or a gofer that has ended, makes this and every later call EIO.
//
// With the kernel lock, which is held while the gofer works. It could not be given back: who looks a name up and then
// adds the dentry (vfs::child_of), or checks a directory's permissions and then changes it, counts on nobody else being
// in the kernel in between. That the gofer is as slow as the host's disk is so felt by all tasks of the sandbox; data
// is not its business, since files are read and written through descriptors that it donates.
#pragma once

#include <memory>

#include "sandbox/fs/host/backend.h"
#include "sys/fd.h"

namespace cella::sandbox::gofer {

// A socket to the gofer, for all of its roots.
class Connection;
std::shared_ptr<Connection> make_connection(sys::FileDescriptor socket);

struct ClientOptions {
  // Nobody but this kernel changes the files below the root. Then names, links and the attributes of what has not been
  // opened are kept, and asked for once. What others do there is seen late or, while nodes are in use, never.
  bool exclusive = false;
  // Nodes without a user that are kept for their names, with `exclusive`; each costs the gofer a descriptor.
  size_t max_idle = 1024;
};
// `root`: index in the order in which the gofer has its roots.
std::shared_ptr<fs::FileBackend> make_gofer_backend(std::shared_ptr<Connection> connection, size_t root,
                                                    ClientOptions options = {});

}  // namespace cella::sandbox::gofer
