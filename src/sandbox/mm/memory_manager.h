// MemoryManager: the memory of a guest process: what it asked for (VMAs), and which bytes stand behind (PMAs).
//
// A VMA is a range of addresses with protection, flags and perhaps a file, mmap(2). A PMA says for a range inside one
// which range of which host file backs it. Anonymous memory gets its PMA when the VMA is made: the memory file is
// sparse, so the host allocates a page when the guest first touches it, and no fault of that kind ever comes here.
// Pages that fork(2) shares, and pages of a private file mapping, are mapped without PROT_WRITE and copied at the first
// write.
//
// User memory is read and written by copy_in() and copy_out() at guest addresses, which are numbers here and never
// pointers; an access that the guest could not make itself is EFAULT.
#pragma once

#include <sys/mman.h>
#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <cella/error.h>

#include "sandbox/mm/mappable.h"
#include "sandbox/mm/memory_file.h"
#include "sandbox/platform/platform.h"

namespace cella::sandbox::mm {

struct Vma {
  uint64_t end = 0;
  int protection = 0;      // PROT_*
  int max_protection = 7;  // what mprotect(2) may make of it
  bool shared = false;
  bool grows_down = false;
  bool dont_fork = false;
  bool wipe_on_fork = false;
  bool locked = false;
  std::shared_ptr<Mappable> file;  // null: anonymous
  uint64_t offset = 0;             // in the file, of the VMA's start
  std::string name;                // "[heap]", "[stack]"

  // As RLIMIT_DATA counts it: private, and for writing, but for stacks.
  bool is_data() const { return !shared && (protection & PROT_WRITE) && !grows_down; }
  bool continues(const Vma& before, uint64_t start, uint64_t before_start) const;
};

// mmap(2). `size` is rounded up to whole pages.
struct MapRequest {
  uint64_t address = 0;  // a hint, or with `fixed` exact
  uint64_t size = 0;
  int protection = 0;
  int max_protection = 7;
  bool shared = false;
  bool fixed = false;
  bool no_replace = false;
  bool grows_down = false;
  bool locked = false;
  bool low = false;  // MAP_32BIT
  // What is private and writable is copied now and not at the first write. Right for a program's own file: it does not
  // change while the program runs, and its data is written to at once.
  bool copy_now = false;
  std::shared_ptr<Mappable> file;
  uint64_t offset = 0;
  std::string name;
};

class MemoryManager {
 public:
  static constexpr uint64_t kLowest = 0x10000;  // vm.mmap_min_addr

  // `limit`: the first address that is not the guest's. RLIMIT_AS and the like are the caller's.
  MemoryManager(MemoryFile& memory, platform::Platform& platform, std::unique_ptr<platform::AddressSpace> space);
  MemoryManager(const MemoryManager&) = delete;
  MemoryManager& operator=(const MemoryManager&) = delete;
  ~MemoryManager();

  platform::AddressSpace& space() { return *space_; }
  // Lets changes take effect through a context of this address space, and gives memory back that it no longer maps.
  SysResult<void> flush(platform::Context& context);
  uint64_t limit() const { return limit_; }

  // --- mappings; errors as of the system calls of these names
  SysResult<uint64_t> map(const MapRequest& request);
  SysResult<void> unmap(uint64_t address, uint64_t size);
  SysResult<void> protect(uint64_t address, uint64_t size, int protection);
  SysResult<uint64_t> remap(uint64_t old_address, uint64_t old_size, uint64_t new_size, int flags,
                            uint64_t new_address);
  SysResult<void> advise(uint64_t address, uint64_t size, int advice);
  // The new end of the heap; the old one when that cannot be (brk(2) reports no error).
  uint64_t set_brk(uint64_t end, uint64_t limit);
  void set_brk_start(uint64_t start) { brk_start_ = brk_ = start; }
  uint64_t brk() const { return brk_; }
  uint64_t brk_start() const { return brk_start_; }
  // The child's copy: private memory is shared until somebody writes to it. Both address spaces have to be flushed
  // before either runs.
  SysResult<std::unique_ptr<MemoryManager>> fork(std::unique_ptr<platform::AddressSpace> space);

  // --- faults
  enum class Access { kRead, kWrite, kExecute };
  enum class FaultResult { kHandled, kUnmapped, kDenied, kBus, kNoMemory };
  // The guest could not make this access. The host does not say what it was: see access_of().
  // `stack_limit`: RLIMIT_STACK, how large a stack may grow.
  FaultResult handle_fault(uint64_t address, Access access, uint64_t stack_limit);
  // What an access at `address` that the host refused must have been, when the program was at `instruction`.
  Access access_of(uint64_t address, uint64_t instruction) const;

  // --- user memory
  SysResult<void> copy_in(uint64_t address, void* to, size_t size);
  SysResult<void> copy_out(uint64_t address, const void* from, size_t size);
  // As much as can be; EFAULT when that is nothing of `size` > 0.
  SysResult<size_t> copy_in_some(uint64_t address, void* to, size_t size);
  SysResult<size_t> copy_out_some(uint64_t address, const void* from, size_t size);
  template <typename T>
  SysResult<T> read(uint64_t address) {
    T value;
    if (auto copied = copy_in(address, &value, sizeof value); !copied) return std::unexpected(copied.error());
    return value;
  }
  template <typename T>
  SysResult<void> write(uint64_t address, const T& value) {
    return copy_out(address, &value, sizeof value);
  }
  // A string with its NUL within `limit` bytes, without it. ENAMETOOLONG.
  SysResult<std::string> read_string(uint64_t address, size_t limit);
  SysResult<void> clear(uint64_t address, size_t size);
  // The memory file's bytes behind a range, as the kernel sees them, for reads (of the guest) or writes: valid while
  // the kernel lock is held. As much as can be, EFAULT when that is nothing.
  SysResult<std::vector<iovec>> segments(uint64_t address, size_t size, bool write);
  // The lowest address of what grows downwards at `address`, mprotect(2) PROT_GROWSDOWN. ENOMEM, EINVAL.
  SysResult<uint64_t> growing_start(uint64_t address);
  // The host itself writes to this page whenever the guest goes on, and could not be told to wait for a copy: it is
  // made writable now, and no fork shares it. EFAULT. As often as it is kept it is released.
  SysResult<void> keep_for_host(uint64_t address);
  void release_from_host(uint64_t address);
  // Commands of membarrier(2) that its programs have registered for.
  int barriers = 0;
  bool no_huge_pages = false;  // prctl(2) PR_SET_THP_DISABLE, which is told and nothing else

  // Where a futex's word is: private ones by address space and address, shared ones by what backs them.
  struct FutexKey {
    uint64_t object = 0;
    uint64_t offset = 0;
    friend auto operator<=>(const FutexKey&, const FutexKey&) = default;
  };
  SysResult<FutexKey> futex_key(uint64_t address, bool is_private);
  // The word itself, for atomic operations; the address is aligned.
  SysResult<uint32_t*> futex_word(uint64_t address, bool write);

  // --- looking
  void for_each(const std::function<void(uint64_t start, const Vma& vma)>& visit) const;
  bool is_mapped(uint64_t address, uint64_t size) const;
  // What is mapped at this address; null: nothing.
  const Vma* find(uint64_t address) const;
  uint64_t virtual_size() const { return virtual_size_; }
  // Bytes that are in memory. Of host files all that is mapped counts: the host does not say what it holds.
  struct Resident {
    uint64_t anonymous = 0, file = 0;
    uint64_t all() const { return anonymous + file; }
  };
  Resident resident() const { return resident(0, limit_); }
  Resident resident(uint64_t start, uint64_t end) const;
  // The most that has been in memory at once. The host keeps no such account of ours, so it is what there is now or was
  // when somebody asked, or when much was unmapped.
  uint64_t peak();
  // Which pages of a range are in memory, as mincore(2) tells: a byte each, `pages` in all.
  void residency(uint64_t address, std::span<char> pages) const;
  // Nothing is mapped of the file from `end` on, a whole page's offset. Was there something?
  bool forget(const Mappable& file, uint64_t end);
  uint64_t id() const { return id_; }

  // Where things are that /proc/PID shows.
  struct Layout {
    uint64_t code_start = 0, code_end = 0, data_start = 0, data_end = 0, stack_start = 0;
    uint64_t arguments_start = 0, arguments_end = 0, environment_start = 0, environment_end = 0;
    std::vector<std::byte> auxv;
  } layout;

 private:
  // What backs a range. Pages of the memory file are counted.
  struct Pma {
    uint64_t end = 0;
    int fd = -1;
    uint64_t offset = 0;
    bool counted = false;
    bool copy = false;  // must be copied before it is written to
    std::shared_ptr<Mappable> keep;
  };
  using Vmas = std::map<uint64_t, Vma>;
  using Pmas = std::map<uint64_t, Pma>;

  // May everything that is mapped in the range be accessed so? EINVAL, madvise(2) MADV_POPULATE_READ.
  SysResult<void> check_accessible(uint64_t start, uint64_t end, int protection) const;
  Vmas::iterator vma_at(uint64_t address);
  Vmas::const_iterator vma_at(uint64_t address) const;
  Pmas::iterator pma_at(uint64_t address);
  void split_vma(uint64_t at);
  void split_pma(uint64_t at);
  void merge_around(uint64_t start, uint64_t end);
  SysResult<uint64_t> find_space(uint64_t size, uint64_t hint, bool low) const;
  bool is_free(uint64_t address, uint64_t size) const;
  void remove(uint64_t start, uint64_t end);
  void drop_pmas(uint64_t start, uint64_t end);
  // Gives [start, end) inside one VMA its PMAs; with `copies` of memory of its own where it may be written to.
  SysResult<void> back(uint64_t start, uint64_t end, const Vma& vma, uint64_t vma_start, bool copies = false);
  // A copy of what the first `size` bytes of a PMA are.
  SysResult<Pma> copy_of(const Pma& pma, uint64_t start, uint64_t size);
  void install(uint64_t start, const Pma& pma, int protection);
  // mremap(2) with an old size of 0: the same memory a second time.
  SysResult<uint64_t> map_again(uint64_t address, uint64_t size, int flags, uint64_t new_address);
  SysResult<void> copy_pages(uint64_t address, const Vma& vma);
  // Makes one page accessible, as a fault would, and gives what backs it.
  SysResult<Pmas::iterator> prepare(uint64_t address, Access access);
  template <typename Visit>
  SysResult<size_t> walk(uint64_t address, size_t size, Access access, Visit visit);

  MemoryFile& memory_;
  platform::Platform& platform_;
  std::unique_ptr<platform::AddressSpace> space_;
  uint64_t limit_;
  uint64_t map_top_;  // mappings without a wish are found below
  Vmas vmas_;
  Pmas pmas_;
  std::multiset<uint64_t> kept_for_host_;  // pages
  std::vector<MemoryFile::Range> dropped_;
  uint64_t virtual_size_ = 0;
  uint64_t peak_ = 0;
  uint64_t brk_start_ = 0, brk_ = 0;
  uint64_t id_;
};

}  // namespace cella::sandbox::mm
