#include "sandbox/gofer/server.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/result.h"
#include "sandbox/gofer/channel.h"

namespace cella::sandbox::gofer {
namespace {

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// An extended attribute's; also for one that is asked for, so that a NUL cannot cut it short.
bool is_xattr_name(std::string_view text) {
  return !text.empty() && text.size() <= XATTR_NAME_MAX && text.find('\0') == std::string_view::npos;
}

}  // namespace

const Server::Entry Server::kEntries[] = {
#define CELLA_GOFER_ENTRY(enumerator, method, name, effect) {Effect::effect, &Server::method},
    CELLA_GOFER_OPERATIONS(CELLA_GOFER_ENTRY)
#undef CELLA_GOFER_ENTRY
};

Server::Server(std::vector<Root> roots, Options options) : options_(options) {
  for (Root& root : roots)
    trees_.push_back({std::make_unique<fs::DirectBackend>(std::move(root.fd), options.descriptors), root.read_only});
}

Server::Answer Server::answer(std::string_view request) {
  writer_.clear();
  writer_.put(0);
  Answer answer;
  SysResult<void> done = dispatch(request, answer.descriptor, answer.is_wanted);
  if (!done) {
    writer_.clear();
    writer_.put(done.error().value);
  }
  answer.bytes = writer_.bytes();
  return answer;
}

SysResult<void> Server::dispatch(std::string_view request, sys::FileDescriptor& descriptor, bool& is_wanted) {
  Reader reader(request);
  Head head;
  if (!reader.get(head) || head.forgets > kMaxForgets) return fail(EINVAL);
  if (head.operation >= static_cast<uint64_t>(Operation::kCount)) return fail(ENOSYS);
  is_wanted = head.operation != static_cast<uint64_t>(Operation::kForget);
  if (head.root >= trees_.size()) return fail(EINVAL);
  Tree& tree = trees_[head.root];
  for (uint64_t i = 0; i < head.forgets; ++i) {
    fs::FileBackend::Id node = 0;
    if (!reader.get(node)) return fail(EINVAL);
    tree.backend->forget(node);
  }
  const Entry& entry = kEntries[head.operation];
  if (entry.effect == Effect::kWrites && tree.read_only) return fail(EROFS);
  Request parts = {tree, head.root, head.node, reader, descriptor};
  return (this->*entry.handle)(parts);
}

SysResult<void> Server::serve(int socket) {
  std::vector<char> buffer(kMaxMessage);
  for (;;) {
    const size_t size = TRY(receive(socket, buffer, nullptr));
    if (size == 0) return {};
    Answer answer_ = answer({buffer.data(), size});
    if (!answer_.is_wanted) continue;
    SysResult<void> sent = send(socket, answer_.bytes, answer_.descriptor.get());
    // The kernel ends with its guest, in the middle of whatever it was asking.
    if (!sent && (sent.error().value == EPIPE || sent.error().value == ECONNRESET)) return {};
    if (!sent) return sent;
  }
}

SysResult<void> Server::check_room() const {
  size_t nodes = 0;
  for (const Tree& tree : trees_) nodes += tree.backend->nodes();
  return nodes < options_.max_nodes + trees_.size() ? SysResult<void>() : fail(ENFILE);
}

void Server::put(const fs::FileBackend::Node& node) {
  writer_.put(node.id, node.attributes, node.is_mount);
}

SysResult<void> Server::forget(Request&) {
  return {};
}

SysResult<void> Server::lookup(Request& request) {
  std::string name;
  if (!request.arguments.get_all(name) || !is_name(name)) return fail(EINVAL);
  TRY(check_room());
  put(TRY(request.tree.backend->lookup(request.node, name)));
  return {};
}

SysResult<void> Server::attributes(Request& request) {
  if (!request.arguments.get_all()) return fail(EINVAL);
  writer_.put(TRY(request.tree.backend->attributes(request.node)));
  return {};
}

SysResult<void> Server::set_attributes(Request& request) {
  vfs::AttributeChange change;
  if (!request.arguments.get_all(change)) return fail(EINVAL);
  return request.tree.backend->set_attributes(request.node, change);
}

// Regular files alone: with a directory's descriptor the kernel could open what is in it, and above it.
SysResult<void> Server::open(Request& request) {
  uint64_t flags = 0;
  if (!request.arguments.get_all(flags)) return fail(EINVAL);
  constexpr uint64_t kKnown = O_ACCMODE | O_APPEND | O_TRUNC;
  if ((flags & ~kKnown) != 0 || (flags & O_ACCMODE) == O_ACCMODE) return fail(EINVAL);
  if (request.tree.read_only && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)) return fail(EROFS);
  request.descriptor = TRY(request.tree.backend->open(request.node, static_cast<int>(flags)));
  return {};
}

SysResult<void> Server::create(Request& request) {
  vfs::NewFile file;
  if (!request.arguments.get_all(file) || S_ISLNK(file.mode)) return fail(EINVAL);
  // Nothing here would open it, and on the host others could.
  if (S_ISCHR(file.mode) || S_ISBLK(file.mode)) return fail(EPERM);
  TRY(check_room());
  put(TRY(request.tree.backend->create(request.node, file)));
  return {};
}

SysResult<void> Server::symlink(Request& request) {
  vfs::NewFile file;
  std::string target;
  if (!request.arguments.get_all(file, target) || !S_ISLNK(file.mode) || !is_target(target)) return fail(EINVAL);
  TRY(check_room());
  put(TRY(request.tree.backend->symlink(request.node, file, target)));
  return {};
}

SysResult<void> Server::link(Request& request) {
  std::string name;
  fs::FileBackend::Id target = 0;
  if (!request.arguments.get_all(name, target) || !is_name(name)) return fail(EINVAL);
  return request.tree.backend->link(request.node, name, target);
}

SysResult<void> Server::unlink(Request& request) {
  std::string name;
  bool is_directory = false;
  if (!request.arguments.get_all(name, is_directory) || !is_name(name)) return fail(EINVAL);
  return request.tree.backend->unlink(request.node, name, is_directory);
}

SysResult<void> Server::rename(Request& request) {
  std::string name, new_name;
  fs::FileBackend::Id directory = 0;
  unsigned flags = 0;
  if (!request.arguments.get_all(name, directory, new_name, flags) || !is_name(name) || !is_name(new_name))
    return fail(EINVAL);
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return fail(EINVAL);
  return request.tree.backend->rename(request.node, name, directory, new_name, flags);
}

SysResult<void> Server::read_link(Request& request) {
  if (!request.arguments.get_all()) return fail(EINVAL);
  writer_.put(TRY(request.tree.backend->read_link(request.node)));
  return {};
}

SysResult<void> Server::list(Request& request) {
  uint64_t first = 0;
  if (!request.arguments.get_all(first)) return fail(EINVAL);
  if (first == 0) {
    listing_ = {};
    listing_ = { request.root, request.node, TRY(request.tree.backend->list(request.node)) };
  } else if (listing_.root != request.root || listing_.node != request.node || first >= listing_.entries.size()) {
    return fail(EINVAL);
  }
  const std::vector<fs::FileBackend::Entry>& entries = listing_.entries;
  constexpr size_t kHead = 3 * sizeof(uint64_t), kNumbers = 3 * sizeof(uint64_t);  // of the answer, of an entry
  size_t end = first;
  for (size_t size = kHead; end < entries.size(); ++end) {
    size += kNumbers + entries[end].name.size();
    if (size > kMaxMessage) break;
  }
  writer_.put(end == entries.size(), end - first);
  for (size_t i = first; i < end; ++i) writer_.put(entries[i]);
  if (end == entries.size()) listing_ = {};
  return {};
}

SysResult<void> Server::statistics(Request& request) {
  if (!request.arguments.get_all()) return fail(EINVAL);
  writer_.put(TRY(request.tree.backend->statistics(request.node)));
  return {};
}

SysResult<void> Server::get_xattr(Request& request) {
  std::string name;
  if (!request.arguments.get_all(name) || !is_xattr_name(name)) return fail(EINVAL);
  writer_.put(TRY(request.tree.backend->get_xattr(request.node, name)));
  return {};
}

SysResult<void> Server::set_xattr(Request& request) {
  std::string name, value;
  int flags = 0;
  if (!request.arguments.get_all(name, value, flags) || !is_xattr_name(name)) return fail(EINVAL);
  return request.tree.backend->set_xattr(request.node, name, value, flags);
}

SysResult<void> Server::list_xattrs(Request& request) {
  if (!request.arguments.get_all()) return fail(EINVAL);
  std::string names;
  for (const std::string& name : TRY(request.tree.backend->list_xattrs(request.node)))
    names.append(name).push_back('\0');
  writer_.put(names);
  return {};
}

SysResult<void> Server::remove_xattr(Request& request) {
  std::string name;
  if (!request.arguments.get_all(name) || !is_xattr_name(name)) return fail(EINVAL);
  return request.tree.backend->remove_xattr(request.node, name);
}

}  // namespace cella::sandbox::gofer
