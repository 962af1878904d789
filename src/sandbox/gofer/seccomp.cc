#include "sandbox/gofer/seccomp.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/result.h"

namespace cella::sandbox::gofer {
namespace {

using bpf::SeccompArg;
using bpf::SeccompOperator;

// The bits of `mask` are those of `value`.
SeccompArg bits(uint32_t index, uint64_t mask, uint64_t value) {
  return {index, mask, value, SeccompOperator::kMaskedEqual};
}
SeccompArg equal(uint32_t index, uint64_t value) {
  return {index, value, 0, SeccompOperator::kEqual};
}
// A descriptor, and so not AT_FDCWD: nothing is found from the working directory.
SeccompArg descriptor(uint32_t index) {
  return bits(index, 0x80000000, 0);
}
// None of the bits but these, of an int.
SeccompArg only(uint32_t index, uint64_t allowed) {
  return bits(index, 0xffffffff & ~allowed, 0);
}

}  // namespace

bpf::SeccompPolicy serving_policy() {
  bpf::SeccompPolicy policy;
  policy.default_action = bpf::SeccompAction::kKillProcess;
  policy.fail_unknown_syscalls = true;
  auto allow = [&](const char* name, std::vector<SeccompArg> args = {}) {
    policy.rules.push_back({name, bpf::SeccompAction::kAllow, std::nullopt, std::move(args)});
  };
  // Channel: requests and answers.
  allow("recvmsg", {descriptor(0), bits(2, 0xffffffff, MSG_CMSG_CLOEXEC)});
  allow("sendmsg", {descriptor(0), bits(2, 0xffffffff, MSG_NOSIGNAL)});              // with a descriptor
  allow("sendto", {descriptor(0), bits(3, 0xffffffff, MSG_NOSIGNAL), equal(4, 0)});  // without

  // DirectBackend, each call for one operation or two.
  // Lookup, create, and every second descriptor of a node; never one that outlives execve(2), nor a file without a
  // name.
  allow("openat", {descriptor(0), bits(2, O_CLOEXEC | (O_TMPFILE & ~O_DIRECTORY), O_CLOEXEC)});
  allow("close", {descriptor(0)});  // forget; an opened file that has been sent
  // Attributes; glibc has fstat(3) of one or the other, by version.
  allow("fstat", {descriptor(0)});
  allow("newfstatat", {descriptor(0), equal(3, AT_EMPTY_PATH)});
  allow("statx", {descriptor(0), equal(2, AT_EMPTY_PATH), equal(3, 0)});             // lookup: is it a mount's root?
  allow("fchownat", {descriptor(0), only(4, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)});  // set-attributes, create
  allow("fchmodat", {descriptor(0)});                                                // set-attributes, create
  allow("utimensat", {descriptor(0), only(3, AT_SYMLINK_NOFOLLOW)});                 // set-attributes
  allow("ftruncate", {descriptor(0)});                                               // set-attributes, open
  allow("mkdirat", {descriptor(0)});                                                 // create
  allow("mknodat", {descriptor(0)});                                                 // create: fifos and sockets
  allow("symlinkat", {descriptor(1)});                                               // symlink
  allow("linkat", {descriptor(0), descriptor(2), only(4, AT_SYMLINK_FOLLOW)});       // link
  allow("unlinkat", {descriptor(0), only(2, AT_REMOVEDIR)});                         // unlink
  allow("renameat2", {descriptor(0), descriptor(2)});                                // rename
  allow("renameat", {descriptor(0), descriptor(2)});  // what glibc makes of renameat2(2) without flags
  allow("setfsuid");                                  // create, symlink: for the owner, where a mount maps ids
  allow("setfsgid");
  allow("readlinkat", {descriptor(0)});    // read-link
  allow("getdents64", {descriptor(0)});    // list
  allow("fstatfs", {descriptor(0)});       // statistics
  allow("fgetxattr", {descriptor(0)});     // get-xattr
  allow("fsetxattr", {descriptor(0)});     // set-xattr
  allow("flistxattr", {descriptor(0)});    // list-xattrs
  allow("fremovexattr", {descriptor(0)});  // remove-xattr
  // Open of a root that is a file, where there is no /proc/self/fd.
  allow("fcntl", {descriptor(0), equal(1, F_GETFL)});
  allow("fcntl", {descriptor(0), equal(1, F_DUPFD_CLOEXEC)});

  // malloc(3): memory, which never becomes code.
  allow("brk");
  allow("mmap", {bits(2, 0xffffffff & ~static_cast<uint64_t>(PROT_READ | PROT_WRITE), 0),
                 bits(3, 0xffffffff, MAP_PRIVATE | MAP_ANONYMOUS)});
  allow("munmap");
  allow("mremap", {bits(3, 0xffffffff, MREMAP_MAYMOVE)});
  allow("madvise", {bits(2, 0xffffffff, MADV_DONTNEED)});

  // The end.
  allow("exit_group");
  return policy;
}

Result<void> install_filter() {
  bpf::SeccompProgram program = TRY(bpf::compile_seccomp(serving_policy()), "compiling the gofer's filter");
  sock_fprog loaded = {static_cast<unsigned short>(program.instructions.size()), program.instructions.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return base::fail_errno(errno, "setting no_new_privs");
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded) < 0)
    return base::fail_errno(errno, "loading the gofer's filter");
  return {};
}

}  // namespace cella::sandbox::gofer
