#include "sandbox/gofer/seccomp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "bpf/evaluate.h"

namespace cella::sandbox::gofer {
namespace {

class Filter : public testing::Test {
 protected:
  Filter() : program_(bpf::compile_seccomp(serving_policy())->instructions) {}

  bool allows(long call, std::initializer_list<uint64_t> args = {}) {
    seccomp_data data = {};
    data.nr = static_cast<int>(call);
    data.arch = bpf::native_seccomp_architecture()->audit_arch;
    std::copy(args.begin(), args.end(), data.args);
    return bpf::evaluate(program_, data)->value == SECCOMP_RET_ALLOW;
  }

  std::vector<sock_filter> program_;
  static constexpr uint64_t kHere = static_cast<uint32_t>(AT_FDCWD), kHereWide = static_cast<uint64_t>(AT_FDCWD);
};

TEST_F(Filter, LetsFilesBeServed) {
  EXPECT_TRUE(allows(SYS_openat, {5, 0, O_PATH | O_NOFOLLOW | O_CLOEXEC}));
  EXPECT_TRUE(allows(SYS_openat, {5, 0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644}));
  EXPECT_TRUE(allows(SYS_openat, {5, 0, O_RDONLY | O_DIRECTORY | O_CLOEXEC}));
  EXPECT_TRUE(allows(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0}));
  EXPECT_TRUE(allows(SYS_renameat2, {5, 0, 6, 0, 0}));
  EXPECT_TRUE(allows(SYS_exit_group, {0}));
}

TEST_F(Filter, StartsNothingAndReachesNobody) {
  for (long call : {SYS_execve,
                    SYS_execveat,
                    SYS_clone,
                    SYS_clone3,
                    SYS_socket,
                    SYS_connect,
                    SYS_ptrace,
                    SYS_mount,
                    SYS_open_by_handle_at,
                    SYS_name_to_handle_at,
                    SYS_ioctl,
                    SYS_bpf,
                    SYS_setns,
                    SYS_unshare,
                    SYS_chroot,
                    SYS_mprotect,
                    SYS_kill,
                    SYS_prctl,
                    SYS_io_uring_setup,
                    SYS_process_vm_writev,
                    SYS_memfd_create})
    EXPECT_FALSE(allows(call)) << call;
}

TEST_F(Filter, LooksAtArguments) {
  for (uint64_t here : {kHere, kHereWide}) {
    EXPECT_FALSE(allows(SYS_openat, {here, 0, O_RDONLY | O_CLOEXEC}));
    EXPECT_FALSE(allows(SYS_unlinkat, {here, 0, 0}));
    EXPECT_FALSE(allows(SYS_renameat2, {5, 0, here, 0, 0}));
  }
  EXPECT_FALSE(allows(SYS_openat, {5, 0, O_RDONLY}));
  EXPECT_FALSE(allows(SYS_openat, {5, 0, O_TMPFILE | O_RDWR | O_CLOEXEC}));
  EXPECT_FALSE(allows(SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0}));
  EXPECT_FALSE(allows(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 5, 0}));
  EXPECT_FALSE(allows(SYS_newfstatat, {5, 0, 0, 0}));
  EXPECT_FALSE(allows(SYS_statx, {5, 0, 0, 0}));
  EXPECT_TRUE(allows(SYS_statx, {5, 0, AT_EMPTY_PATH, 0}));
  EXPECT_FALSE(allows(SYS_linkat, {5, 0, 6, 0, AT_EMPTY_PATH}));
  EXPECT_FALSE(allows(SYS_fcntl, {5, F_SETOWN, 1}));
}

}  // namespace
}  // namespace cella::sandbox::gofer
