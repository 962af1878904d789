// The handlers of all system calls, by family. Private to syscall/: the table refers to them.
#pragma once

#include "sandbox/net/socket.h"
#include "sandbox/syscall/table.h"

namespace cella::sandbox::syscall {

#define CELLA_CALL(name, arguments) Outcome sys_##name(task::Task& task, const Arguments& args);
#define CELLA_PARTIAL(name, arguments, note) CELLA_CALL(name, arguments)
#define CELLA_ABSENT(name, error, capability, reason)
#include "sandbox/syscall/calls.inc"
#undef CELLA_CALL
#undef CELLA_PARTIAL
#undef CELLA_ABSENT

// --- what several families need
inline std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}
// Where a dirfd argument stands. EBADF, ENOTDIR.
SysResult<vfs::Path> start_of(task::Task& task, int fd, std::string_view path);
// A path from user memory. ENAMETOOLONG, EFAULT.
SysResult<std::string> path_from(task::Task& task, uint64_t address);
// The file that (dirfd, path, AT_* flags) names.
SysResult<vfs::Path> locate(task::Task& task, int fd, const std::string& path, int flags);
SysResult<vfs::Path> locate(task::Task& task, int fd, uint64_t path, int flags);
// A deadline on CLOCK_MONOTONIC from a relative timespec in user memory; kNever when the address is 0. EINVAL.
SysResult<core::Nanoseconds> deadline_from(task::Task& task, uint64_t address);
// The time of a clock of the task's: EINVAL.
SysResult<core::Nanoseconds> read_clock(task::Task& task, int clock);
bool is_valid(const timespec& t);
// fcntl(2) F_SETLK and its kind.
Outcome lock_record(task::Task& task, const vfs::FilePtr& file, int command, uint64_t address);
// async_io.cc: F_SETOWN and its kin of fcntl(2); and the flag O_ASYNC of `file`, opened as `fd`, has been changed.
Outcome control_owner(task::Task& task, vfs::File& file, int command, uint64_t argument);
void follow_async_flag(task::Task& task, vfs::File& file, int fd);
// A socket's address from user memory: EINVAL, EFAULT. And to it, as accept(2) has it: as much as `*size_address` says
// there is room for, which then is the address's length.
SysResult<net::Address> address_from(task::Task& task, uint64_t address, int64_t size);
SysResult<void> write_address(task::Task& task, const net::Address& from, uint64_t address, uint64_t size_address);
// ENOTSOCK, EBADF.
SysResult<net::SocketPtr> socket_at(task::Task& task, int fd);
// The signal mask of pselect(2) and the like, until the call's end and a handler's frame.
SysResult<void> set_temporary_mask(task::Task& task, uint64_t address, uint64_t size);

}  // namespace cella::sandbox::syscall
