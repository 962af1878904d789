#include "sandbox/net/unix/unix_names.h"

#include <cstddef>

#include "base/result.h"
#include "sandbox/task/task.h"
#include "sandbox/vfs/permission.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::net {
namespace {

constexpr size_t kHead = offsetof(sockaddr_un, sun_path);

// Whoever makes a system call with a name is a task.
const vfs::Position& position_of(Caller& caller) {
  return static_cast<task::Task&>(caller).fs->position;
}

}  // namespace

SysResult<std::string> unix_name(const Address& address) {
  if (address.size < kHead || address.size > sizeof(sockaddr_un) || address.family() != AF_UNIX) return fail(EINVAL);
  const char* path = address.as<sockaddr_un>().sun_path;
  const size_t size = address.size - kHead;
  if (size == 0) return std::string();
  if (path[0] == '\0') return std::string(path, size);
  return std::string(path, ::strnlen(path, size));
}

Address unix_address(const std::string& name) {
  Address address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, name.data(), name.size());
  // A path's NUL is part of it, even where it does not fit into sun_path.
  const bool is_path = !name.empty() && name[0] != '\0';
  address.size = static_cast<socklen_t>(kHead + name.size() + (is_path ? 1 : 0));
  return address;
}

SysResult<vfs::Path> make_socket_node(Caller& caller, const std::string& path, vfs::Inode& socket) {
  const vfs::Position& position = position_of(caller);
  vfs::Parent parent = TRY(vfs::resolve_parent(caller, position, position.cwd, path));
  if (parent.name.empty() || parent.name == "." || parent.name == "..") return fail(EADDRINUSE);
  SysResult<vfs::Path> there = vfs::entry_of(position, parent);
  if (there) return fail(EADDRINUSE);
  if (there.error().value != ENOENT) return there;
  if (parent.wants_directory) return fail(ENOENT);
  TRY(vfs::check_access(caller.credentials(), parent.directory, vfs::kMayWrite | vfs::kMayExecute));
  const uint32_t mode = TRY(socket.attributes())
  .st_mode;
  vfs::NewFile file = TRY(vfs::new_file_in(caller, parent.directory, parent.name, mode));
  vfs::InodePtr inode = TRY(parent.directory.inode().create(file));
  vfs::tell_entry(parent.directory.inode(), IN_CREATE, parent.name, false);
  return vfs::Path{parent.directory.mount, vfs::add_child(parent.directory.dentry, parent.name, std::move(inode))};
}

SysResult<vfs::Path> find_socket_node(Caller& caller, const std::string& path) {
  const vfs::Position& position = position_of(caller);
  vfs::Path place = TRY(vfs::resolve(caller, position, position.cwd, path));
  TRY(vfs::check_access(caller.credentials(), place, vfs::kMayWrite));
  if (!place.inode().has_type(S_IFSOCK)) return fail(ECONNREFUSED);
  return place;
}

}  // namespace cella::sandbox::net
