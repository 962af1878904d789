// init: carries out a Plan and becomes the user's program.
//
// A freestanding static program: no libc, no heap, no exceptions (tools/check-init). The launcher starts it from a
// sealed memory file with the plan's descriptor number as its only argument.
#include <linux/close_range.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/stat.h>

#include "init/context.h"

namespace cella::init {
namespace {

using plan::Op;

using Handler = long (*)(Context&, const Step&);

struct Entry {
  Op op;
  Handler handler;
};

// The steps that are the launcher's have no handler: init passes over them.
constexpr Entry kEntries[] = {
    {Op::kNoDumpable, do_no_dumpable},
    {Op::kSync, do_sync},
    {Op::kTell, do_tell},
    {Op::kReceive, do_receive},
    {Op::kJoinCgroups, do_join_cgroups},
    {Op::kSetns, do_setns},
    {Op::kFork, do_fork},
    {Op::kUnshare, do_unshare},
    {Op::kRootIds, do_root_ids},
    {Op::kEnterTimeNamespace, do_enter_time_namespace},
    {Op::kParentDeathSignal, do_parent_death_signal},
    {Op::kLoopbackUp, do_loopback_up},
    {Op::kHostname, do_hostname},
    {Op::kDomainname, do_domainname},
    {Op::kSysctl, do_sysctl},
    {Op::kKeyring, do_keyring},
    {Op::kChangeDirectory, do_change_directory},
    {Op::kPropagation, do_propagation},
    {Op::kRootMount, do_root_mount},
    {Op::kRootDirectory, do_root_directory},
    {Op::kNewMount, do_new_mount},
    {Op::kCloneTree, do_clone_tree},
    {Op::kSlotTree, do_slot_tree},
    {Op::kMountAttributes, do_mount_attributes},
    {Op::kAttach, do_attach},
    {Op::kReconfigure, do_reconfigure},
    {Op::kRemount, do_remount},
    {Op::kMakeDirectory, do_make_directory},
    {Op::kSymlink, do_symlink},
    {Op::kMakeNode, do_make_node},
    {Op::kBindDevice, do_bind_device},
    {Op::kPivot, do_pivot},
    {Op::kMoveRoot, do_move_root},
    {Op::kChroot, do_chroot},
    {Op::kRootAttributes, do_root_attributes},
    {Op::kRemountAttributes, do_remount_attributes},
    {Op::kMaskPath, do_mask_path},
    {Op::kReadonlyPath, do_readonly_path},
    {Op::kConsole, do_console},
    {Op::kHook, do_hook},
    {Op::kNewSession, do_new_session},
    {Op::kOwnStdio, do_own_stdio},
    {Op::kRlimit, do_rlimit},
    {Op::kScheduler, do_scheduler},
    {Op::kIoPriority, do_io_priority},
    {Op::kAffinity, do_affinity},
    {Op::kPersonality, do_personality},
    {Op::kMemoryPolicy, do_memory_policy},
    {Op::kUmask, do_umask},
    {Op::kBoundingSet, do_bounding_set},
    {Op::kGroups, do_groups},
    {Op::kIds, do_ids},
    {Op::kCapabilities, do_capabilities},
    {Op::kAmbientSet, do_ambient_set},
    {Op::kNoNewPrivileges, do_no_new_privileges},
    {Op::kLabel, do_label},
    {Op::kWorkingDirectory, do_working_directory},
    {Op::kFindProgram, do_find_program},
    {Op::kHome, do_home},
    {Op::kWaitForStart, do_wait_for_start},
    {Op::kSeccomp, do_seccomp},
    {Op::kCloseDescriptors, do_close_descriptors},
    {Op::kPlaceDescriptors, do_place_descriptors},
    {Op::kRefuse, do_refuse},
    {Op::kExecute, do_execute},
    {Op::kExecuteOpen, do_execute_open},
};
constexpr int kLaunchers = 7;
static_assert(sizeof kEntries / sizeof kEntries[0] + kLaunchers == static_cast<size_t>(Op::kCount));

Handler handler_of(Op op) {
  for (const Entry& entry : kEntries)
    if (entry.op == op) return entry.handler;
  return nullptr;
}

int parse_number(const char* text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + (*text - '0');
  return value;
}

// Maps the plan, privately, and checks that the block is what its header says. Its maker is our own launcher, so the
// references inside are the writer's to keep right; a damaged block is not gone on with.
bool map_plan(Context& c, int fd) {
  struct statx status;
  if (sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &status) < 0) return false;
  if (status.stx_size < sizeof(plan::Header)) return false;
  long memory = sys(SYS_mmap, 0, status.stx_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (memory < 0 && memory > -4096) return false;
  c.plan = reinterpret_cast<plan::Header*>(memory);
  const plan::Header& header = *c.plan;
  uint64_t steps_end = sizeof(plan::Header) + uint64_t{header.step_count} * sizeof(Step);
  return header.magic == plan::kMagic && header.size == status.stx_size && header.pool_offset == steps_end &&
         uint64_t{header.pool_offset} + header.pool_size == header.size && header.pool_size > 0 &&
         c.pool()[header.pool_size - 1] == '\0' && header.slot_count <= plan::kMaxSlots;
}

}  // namespace

extern "C" [[noreturn]] void init_main(long* stack) {
  auto** argv = reinterpret_cast<char**>(stack + 1);
  if (stack[0] != 2) leave(125);
  static Context c;
  if (!map_plan(c, parse_number(argv[1]))) leave(125);
  c.sync_fd = c.plan->sync_fd;
  sys(SYS_prctl, PR_SET_NAME, "cella-init", 0, 0, 0);
  sys(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
  sys(SYS_close, parse_number(argv[1]));
  unsigned long no_signals = 0;
  sys(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &no_signals, 0, 8);
  sys(SYS_umask, 0);
  for (; c.step < c.plan->step_count; ++c.step) {
    const Step& step = c.steps()[c.step];
    Handler handler = handler_of(step.op);
    if (handler == nullptr) continue;
    long error = handler(c, step);
    if (error < 0) fail(c, error);
  }
  fail(c, -ENOEXEC);  // a plan ends in the program
}

}  // namespace cella::init

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov %rsp, %rdi\n\t"
    "and $-16, %rsp\n\t"
    "call init_main\n\t"
    "hlt\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "mov x29, 0\n\t"
    "mov x30, 0\n\t"
    "mov x0, sp\n\t"
    "bl init_main\n\t"
    "brk 0\n");
#endif
