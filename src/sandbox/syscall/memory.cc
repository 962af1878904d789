#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/filesystem.h"
#include "sandbox/fs/tmpfs.h"
#include "sandbox/syscall/handlers.h"

namespace cella::sandbox::syscall {

using task::Task;

namespace {

// May the process have so many bytes more of address space, RLIMIT_AS, and if they are `data`, of RLIMIT_DATA: what is
// private and may be written to, but for the stack? ENOMEM.
SysResult<void> check_growth(const Task& task, uint64_t size, bool data) {
  const mm::MemoryManager& memory = *task.memory_manager;
  const uint64_t space = task.group->limit(RLIMIT_AS), most = task.group->limit(RLIMIT_DATA);
  if (space != RLIM_INFINITY && (memory.virtual_size() > space || size > space - memory.virtual_size()))
    return fail(ENOMEM);
  if (!data || most == RLIM_INFINITY) return {};
  uint64_t used = 0;
  memory.for_each([&](uint64_t start, const mm::Vma& vma) {
    if (vma.is_data()) used += vma.end - start;
  });
  return used > most || size > most - used ? fail(ENOMEM) : SysResult<void>();
}

// Of what was asked for; personality(2), READ_IMPLIES_EXEC.
int protection_for(const Task& task, int asked) {
  const bool executes = (asked & PROT_READ) && task.has_personality(READ_IMPLIES_EXEC);
  return (asked & (PROT_READ | PROT_WRITE | PROT_EXEC)) | (executes ? PROT_EXEC : 0);
}

}  // namespace

Outcome sys_mmap(Task& task, const Arguments& a) {
  const int flags = a.integer(3), type = flags & MAP_TYPE;
  mm::MapRequest request;
  request.address = a[0];
  request.size = a[1];
  request.protection = protection_for(task, a.integer(2));
  request.fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
  request.no_replace = flags & MAP_FIXED_NOREPLACE;
  request.grows_down = flags & MAP_GROWSDOWN;
  request.locked = flags & MAP_LOCKED;
  request.low = flags & MAP_32BIT;
  request.copy_now = flags & MAP_DENYWRITE;  // says ld.so of its libraries, and nobody else
  request.offset = a[5];
  if (a[5] % mm::kPageSize != 0) return fail(EINVAL);
  if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE) return fail(EINVAL);
  // Only this type says that it wants to hear of flags that nobody knows.
  constexpr int kKnown = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE |
                         MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
                         MAP_HUGETLB | MAP_FIXED_NOREPLACE | (0x3f << 26 /* MAP_HUGE_SHIFT */);
  if (type == MAP_SHARED_VALIDATE && (flags & ~kKnown)) return fail(EOPNOTSUPP);
  if (flags & MAP_HUGETLB) return fail(ENOMEM);  // there are none
  request.shared = type != MAP_PRIVATE;
  if (!(flags & MAP_ANONYMOUS)) {
    if (a[5] + mm::page_up(a[1]) < a[5] || a[5] + mm::page_up(a[1]) > INT64_MAX) return fail(EOVERFLOW);
    vfs::FilePtr file = TRY(task.files->get_for_io(a.fd(4)));
    if (!file->may_read()) return fail(EACCES);
    const bool may_write = file->may_write();
    if (request.shared && (request.protection & PROT_WRITE) && !may_write) return fail(EACCES);
    if (request.shared && !may_write) request.max_protection &= ~PROT_WRITE;
    if (file->path.flags() & MS_NOEXEC) {
      if (a.integer(2) & PROT_EXEC) return fail(EPERM);
      request.protection &= ~PROT_EXEC;
      request.max_protection &= ~PROT_EXEC;
    }
    // Whoever may write to the file may make it so with mprotect(2): a seal forbids that for good.
    const SysResult<uint32_t> seals = file->seals();
    if (request.shared && seals && (*seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))) {
      request.max_protection &= ~PROT_WRITE;
    }
    request.file = TRY(file->mappable(request.shared, request.protection & PROT_WRITE));
  }
  TRY(check_growth(task, mm::page_up(a[1]), !request.shared && (request.protection & PROT_WRITE)));
  return task.memory().map(request);
}

Outcome sys_munmap(Task& task, const Arguments& a) {
  TRY(task.memory().unmap(a[0], a[1]));
  return 0;
}
Outcome sys_mprotect(Task& task, const Arguments& a) {
  const int protection = a.integer(2);
  if (protection & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN | PROT_GROWSUP)) return fail(EINVAL);
  if ((protection & PROT_GROWSDOWN) && (protection & PROT_GROWSUP)) return fail(EINVAL);
  // Nothing grows upwards here; what grows downwards changes from its lowest page on.
  if ((protection & PROT_GROWSUP) && a[1] != 0) return fail(EINVAL);
  if ((protection & PROT_GROWSDOWN) && a[1] != 0) {
    const uint64_t start = TRY(task.memory().growing_start(a[0]));
    TRY(task.memory().protect(start, a[0] + a[1] - start, protection_for(task, protection)));
    return 0;
  }
  TRY(task.memory().protect(a[0], a[1], protection_for(task, protection)));
  return 0;
}
Outcome sys_brk(Task& task, const Arguments& a) {
  mm::MemoryManager& memory = task.memory();
  const uint64_t old_end = mm::page_up(memory.brk()), new_end = mm::page_up(a[0]);
  // No error is reported: what is answered is where the heap ends now.
  if (new_end > old_end && !check_growth(task, new_end - old_end, true)) return memory.brk();
  return memory.set_brk(a[0], task.group->limit(RLIMIT_DATA));
}
Outcome sys_mremap(Task& task, const Arguments& a) {
  const mm::Vma* mapped = task.memory().find(a[0]);
  const uint64_t old_size = mm::page_up(a[1]), new_size = mm::page_up(a[2]);
  if (new_size > old_size) TRY(check_growth(task, new_size - old_size, mapped != nullptr && mapped->is_data()));
  return task.memory().remap(a[0], a[1], a[2], a.integer(3), a[4]);
}
Outcome sys_madvise(Task& task, const Arguments& a) {
  TRY(task.memory().advise(a[0], a[1], a.integer(2)));
  return 0;
}

// Shared mappings are the host's page cache, or memory: there is nothing to write out that the host does not.
Outcome sys_msync(Task& task, const Arguments& a) {
  const int flags = a.integer(2);
  if (a[0] % mm::kPageSize != 0 || (flags & ~(MS_ASYNC | MS_SYNC | MS_INVALIDATE)) ||
      ((flags & MS_ASYNC) && (flags & MS_SYNC))) {
    return fail(EINVAL);
  }
  return task.memory().is_mapped(a[0], mm::page_up(a[1])) ? Outcome(0) : Outcome(fail(ENOMEM));
}
Outcome sys_mincore(Task& task, const Arguments& a) {
  if (a[0] % mm::kPageSize != 0) return fail(EINVAL);
  if (a[1] > task.memory().limit() || !task.memory().is_mapped(a[0], mm::page_up(a[1]))) return fail(ENOMEM);
  constexpr uint64_t kAtOnce = 65536;
  const uint64_t pages = mm::page_up(a[1]) / mm::kPageSize;
  std::vector<char> resident(std::min(pages, kAtOnce));
  for (uint64_t done = 0; done < pages;) {
    const std::span now = std::span(resident).first(std::min(pages - done, kAtOnce));
    task.memory().residency(a[0] + done * mm::kPageSize, now);
    TRY(task.memory().copy_out(a[2] + done, now.data(), now.size()));
    done += now.size();
  }
  return 0;
}

// Guest memory is not swapped out by us, and what the host does with it is the container's memory cgroup's affair.
static Outcome lock(Task& task, uint64_t address, uint64_t size) {
  if (task.group->limit(RLIMIT_MEMLOCK) == 0 && !task.creds.has(14 /* CAP_IPC_LOCK */)) return fail(EPERM);
  const uint64_t start = mm::page_down(address);
  return task.memory().is_mapped(start, mm::page_up(address + size) - start) ? Outcome(0) : Outcome(fail(ENOMEM));
}
Outcome sys_mlock(Task& task, const Arguments& a) {
  return lock(task, a[0], a[1]);
}
Outcome sys_mlock2(Task& task, const Arguments& a) {
  return a.integer(2) & ~1 ? Outcome(fail(EINVAL)) : lock(task, a[0], a[1]);
}
Outcome sys_munlock(Task& task, const Arguments& a) {
  const uint64_t start = mm::page_down(a[0]);
  return task.memory().is_mapped(start, mm::page_up(a[0] + a[1]) - start) ? Outcome(0) : Outcome(fail(ENOMEM));
}
Outcome sys_mlockall(Task&, const Arguments& a) {
  constexpr int kKnown = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
  return a.integer(0) == 0 || (a.integer(0) & ~kKnown) || a.integer(0) == MCL_ONFAULT ? Outcome(fail(EINVAL))
                                                                                      : Outcome(0);
}
Outcome sys_munlockall(Task&, const Arguments&) {
  return 0;
}

Outcome sys_memfd_create(Task& task, const Arguments& a) {
  constexpr uint32_t kCloexec = 1, kAllowSealing = 2, kNoexecSeal = 8, kExec = 16;
  if (a.word(1) & ~(kCloexec | kAllowSealing | kNoexecSeal | kExec)) return fail(EINVAL);
  constexpr size_t kMostName = 249;
  SysResult<std::string> name = task.memory().read_string(a[0], kMostName + 1);
  if (!name) return fail(name.error().value == ENAMETOOLONG ? EINVAL : name.error().value);
  auto inode = fs::make_tmpfs_file(*task.kernel.memory, 0777, task.creds.fsuid, task.creds.fsgid,
                                   a.word(1) & (kAllowSealing | kNoexecSeal));
  vfs::Path path = fs::anonymous_path(inode, "/memfd:" + *name + " (deleted)");
  vfs::FilePtr file = TRY(inode->open(task, path, O_RDWR));
  return static_cast<uint64_t>(TRY(task.files->add(file, a.word(1) & kCloexec, task.group->limit(RLIMIT_NOFILE))));
}

}  // namespace cella::sandbox::syscall
