// What init knows while it carries out a Plan, and the handlers of the steps.
//
// A handler returns 0 or a negative errno, and may leave in `detail` what the step alone can tell. -kDetailOnly means
// that the detail says it all.
#pragma once

#include <stdint.h>

#include "init/syscall.h"
#include "init/text.h"
#include "plan/layout.h"

namespace cella::init {

using plan::Step;

inline constexpr long kDetailOnly = 4000;  // no errno is as large

struct Context {
  plan::Header* plan = nullptr;  // our private copy: slots change
  uint32_t step = 0;
  int sync_fd = -1;
  int fifo_fd = -1;
  bool started = false;  // start has been called: errors go to the fifo, or to nobody after run's
  int root_fd = -1;      // the container's root directory
  int mount_fd = -1;     // the detached mount that the next steps work on
  int proc_fd = -1;      // a private procfs, see private_proc()
  int null_fd = -1;      // the container's /dev/null, verified
  int empty_fd = -1;     // an attached read-only empty directory
  Path program;          // found by kFindProgram
  Path home;             // "HOME=…", when the environment has none
  Text<sizeof(plan::InitMessage::detail)> detail;

  const Step* steps() const { return reinterpret_cast<const Step*>(plan + 1); }
  const char* pool() const { return reinterpret_cast<const char*>(plan) + plan->pool_offset; }
  const char* string(uint64_t arg) const { return pool() + static_cast<uint32_t>(arg); }
  plan::Range range(uint64_t arg) const { return plan::Range::from(arg); }
  const char* blob(uint64_t arg) const { return pool() + range(arg).offset; }
  int slot(uint64_t index) const { return index < plan->slot_count ? plan->slots[index] : -1; }
};

inline void close_fd(int& fd) {
  if (fd >= 0) sys(SYS_close, fd);
  fd = -1;
}

// sync.cc: talking to the launcher.
[[noreturn]] void leave(int status);
[[noreturn]] void fail(Context& c, long error);
// Tells the launcher and waits for its answer, whose descriptors go to slots [first, first + count).
long sync_point(Context& c, plan::SyncPoint point, uint32_t first, uint32_t count);
// One message with one descriptor, unix(7).
long send_descriptor(int socket, const char* bytes, size_t size, int fd);
long do_sync(Context& c, const Step& s);
long do_tell(Context& c, const Step& s);
long do_receive(Context& c, const Step& s);
long do_wait_for_start(Context& c, const Step& s);

// path.cc: paths inside the root, by descriptor.
// openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve; a descriptor or a negative errno.
long open_in_root(const Context& c, const char* path, uint64_t flags, uint64_t resolve = 0);
// Opens (O_PATH) the directory `path`, making what is missing of it.
long make_directory(Context& c, const char* path, uint32_t mode, uint64_t resolve = 0);
// Opens (O_PATH) the directory that `path` is in, making what is missing; `name` is set to the last component.
long open_parent(Context& c, const char* path, const char*& name, uint64_t resolve = 0);
// Opens (O_PATH) the file `path`, creating it empty when missing.
long make_file(Context& c, const char* path);
// The private procfs of our pid namespace: mounted by ourselves, never looked up by a path that an image controls.
long private_proc(Context& c);
// Writes to a file of the private procfs with one write(2).
long write_proc(Context& c, const char* path, const char* text, size_t size);
bool is_character_device(int fd, unsigned major, unsigned minor);
// The number that makedev(3) makes, of a node.
uint64_t device_of(const struct statx& status);

// namespaces.cc
long do_no_dumpable(Context& c, const Step& s);
long do_join_cgroups(Context& c, const Step& s);
long do_setns(Context& c, const Step& s);
long do_fork(Context& c, const Step& s);
long do_unshare(Context& c, const Step& s);
long do_root_ids(Context& c, const Step& s);
long do_enter_time_namespace(Context& c, const Step& s);
long do_loopback_up(Context& c, const Step& s);
long do_hostname(Context& c, const Step& s);
long do_domainname(Context& c, const Step& s);
long do_sysctl(Context& c, const Step& s);

// new_mount.cc
long do_new_mount(Context& c, const Step& s);
long do_reconfigure(Context& c, const Step& s);

// copy_up.cc: copies all that is in the directory `from` (O_PATH) into the one that the mount `mount` shows.
// `keep_owner`: and the directory's own attributes.
long copy_up(Context& c, int from, int mount, bool keep_owner);

// mounts.cc
// mount_setattr(2) on the mount at a path. args: what to set, to clear, the propagation, whether for submounts too.
long change_mount_on(Context& c, const char* path, const uint64_t* args);
long do_remount(Context& c, const Step& s);
long do_change_directory(Context& c, const Step& s);
long do_propagation(Context& c, const Step& s);
long do_root_mount(Context& c, const Step& s);
long do_root_directory(Context& c, const Step& s);
long do_clone_tree(Context& c, const Step& s);
long do_slot_tree(Context& c, const Step& s);
long do_mount_attributes(Context& c, const Step& s);
long do_attach(Context& c, const Step& s);

// rootfs.cc
long do_make_directory(Context& c, const Step& s);
long do_symlink(Context& c, const Step& s);
long do_make_node(Context& c, const Step& s);
long do_bind_device(Context& c, const Step& s);
long do_pivot(Context& c, const Step& s);
long do_move_root(Context& c, const Step& s);
long do_chroot(Context& c, const Step& s);
long do_root_attributes(Context& c, const Step& s);
long do_remount_attributes(Context& c, const Step& s);
long do_mask_path(Context& c, const Step& s);
long do_readonly_path(Context& c, const Step& s);

// console.cc, hook.cc, seccomp.cc
long do_console(Context& c, const Step& s);
long do_hook(Context& c, const Step& s);
long do_seccomp(Context& c, const Step& s);

// process.cc
long do_keyring(Context& c, const Step& s);
long do_new_session(Context& c, const Step& s);
long do_parent_death_signal(Context& c, const Step& s);
long do_own_stdio(Context& c, const Step& s);
long do_rlimit(Context& c, const Step& s);
long do_scheduler(Context& c, const Step& s);
long do_io_priority(Context& c, const Step& s);
long do_affinity(Context& c, const Step& s);
long do_personality(Context& c, const Step& s);
long do_memory_policy(Context& c, const Step& s);
long do_umask(Context& c, const Step& s);
long do_no_new_privileges(Context& c, const Step& s);
long do_label(Context& c, const Step& s);

// credentials.cc
long do_bounding_set(Context& c, const Step& s);
long do_groups(Context& c, const Step& s);
long do_ids(Context& c, const Step& s);
long do_capabilities(Context& c, const Step& s);
long do_ambient_set(Context& c, const Step& s);

// execute.cc
long do_find_program(Context& c, const Step& s);
long do_home(Context& c, const Step& s);
long do_working_directory(Context& c, const Step& s);
long do_close_descriptors(Context& c, const Step& s);
long do_place_descriptors(Context& c, const Step& s);
long do_refuse(Context& c, const Step& s);
long do_execute(Context& c, const Step& s);
long do_execute_open(Context& c, const Step& s);

}  // namespace cella::init
