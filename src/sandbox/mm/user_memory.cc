// Faults, and the kernel's own access to user memory.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/result.h"
#include "sandbox/mm/memory_manager.h"

namespace cella::sandbox::mm {
namespace {

// How much is copied at the first write to a shared page: its neighbours are mostly written next, and a fault costs ten
// times a copy.
constexpr uint64_t kCopyAround = 4 * kPageSize;

int needed_for(MemoryManager::Access access) {
  switch (access) {
    case MemoryManager::Access::kRead:
      return PROT_READ;
    case MemoryManager::Access::kWrite:
      return PROT_WRITE;
    case MemoryManager::Access::kExecute:
      return PROT_EXEC;
  }
  return 0;
}

SysResult<size_t> read_file(int fd, void* to, size_t size, uint64_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::pread(fd, static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(Errno{EFAULT});
    if (n == 0) break;  // the rest of the last page reads as zeroes
    done += static_cast<size_t>(n);
  }
  std::memset(static_cast<char*>(to) + done, 0, size - done);
  return size;
}

SysResult<size_t> write_file(int fd, const void* from, size_t size, uint64_t offset) {
  ssize_t n = ::pwrite(fd, from, size, static_cast<off_t>(offset));
  if (n < 0) return std::unexpected(Errno{EFAULT});
  return static_cast<size_t>(n);
}

}  // namespace

MemoryManager::Access MemoryManager::access_of(uint64_t address, uint64_t instruction) const {
  // An instruction that faults at its own address could not be fetched. Otherwise whatever is backed can be
  // read, so what the host refuses is a write.
  auto vma = vma_at(address);
  if (vma == vmas_.end()) return Access::kRead;
  if (address == instruction) return Access::kExecute;
  auto pma = pmas_.upper_bound(address);
  if (pma == pmas_.begin() || std::prev(pma)->second.end <= address) return Access::kRead;
  return vma->second.protection & PROT_READ ? Access::kWrite : Access::kRead;
}

SysResult<MemoryManager::Pma> MemoryManager::copy_of(const Pma& pma, uint64_t start, uint64_t size) {
  const uint64_t offset = TRY(memory_.allocate(size));
  // Written as a file and not through our mapping of it: that would fault once a page.
  static char buffer[16 * kPageSize];
  for (uint64_t done = 0; done < size;) {
    const char* from = buffer;
    size_t length = std::min<size_t>(size - done, sizeof buffer);
    SysResult<size_t> copied = length;
    if (pma.counted) {
      from = memory_.pointer(pma.offset + done);
      length = size - done;
    } else {
      copied = read_file(pma.fd, buffer, length, pma.offset + done);
    }
    if (copied) copied = write_file(memory_.fd(), from, length, offset + done);
    if (!copied || *copied == 0) {
      memory_.unref(offset, size, dropped_);
      return std::unexpected(copied ? Errno{ENOMEM} : copied.error());
    }
    done += *copied;
  }
  return Pma{
      .end = start + size, .fd = memory_.fd(), .offset = offset, .counted = true, .copy = false, .keep = nullptr};
}

SysResult<void> MemoryManager::copy_pages(uint64_t address, const Vma& vma) {
  auto pma = pma_at(address);
  uint64_t vma_start = vma_at(address)->first;
  uint64_t start = std::max({address & ~(kCopyAround - 1), pma->first, vma_start});
  uint64_t end = std::min({start + kCopyAround - (start & (kCopyAround - 1)), pma->second.end, vma.end});
  split_pma(start);
  split_pma(end);
  pma = pma_at(start);
  Pma& old = pma->second;
  if (old.counted && !memory_.is_shared(old.offset, end - start)) {
    old.copy = false;
    space_->protect(start, end - start, vma.protection);
    return {};
  }
  Pma copy = TRY(copy_of(old, start, end - start));
  if (old.counted) memory_.unref(old.offset, end - start, dropped_);
  old = std::move(copy);
  install(start, old, vma.protection);
  return {};
}

SysResult<MemoryManager::Pmas::iterator> MemoryManager::prepare(uint64_t address, Access access) {
  auto vma = vma_at(address);
  if (vma == vmas_.end() || !(vma->second.protection & needed_for(access))) return std::unexpected(Errno{EFAULT});
  auto pma = pma_at(address);
  if (pma == pmas_.end()) {
    uint64_t page = page_down(address);
    TRY(back(page, page + kPageSize, vma->second, vma->first));
    pma = pma_at(address);
    if (pma == pmas_.end()) return std::unexpected(Errno{EFAULT});
  }
  if (access == Access::kWrite && pma->second.copy) {
    TRY(copy_pages(address, vma->second));
    pma = pma_at(address);
  }
  return pma;
}

MemoryManager::FaultResult MemoryManager::handle_fault(uint64_t address, Access access, uint64_t stack_limit) {
  auto vma = vma_at(address);
  if (vma == vmas_.end()) {
    // A stack grows to where it is touched.
    auto above = vmas_.upper_bound(address);
    constexpr uint64_t kGap = 256 * kPageSize;
    if (above == vmas_.end() || !above->second.grows_down || address < kLowest) return FaultResult::kUnmapped;
    uint64_t bottom = above == vmas_.begin() ? kLowest : std::prev(above)->second.end;
    uint64_t page = page_down(address);
    if (page < bottom + kGap || above->first - page > kGap * 64) return FaultResult::kUnmapped;
    if (above->second.end - page > stack_limit) return FaultResult::kUnmapped;
    Vma grown = above->second;
    uint64_t old_start = above->first;
    vmas_.erase(above);
    virtual_size_ += old_start - page;
    auto made = vmas_.emplace(page, std::move(grown)).first;
    return back(page, old_start, made->second, page) ? FaultResult::kHandled : FaultResult::kNoMemory;
  }
  if (!(vma->second.protection & needed_for(access))) return FaultResult::kDenied;
  const bool had_backing = pma_at(address) != pmas_.end();
  SysResult<Pmas::iterator> pma = prepare(address, access);
  if (!pma) return pma.error().value == ENOMEM ? FaultResult::kNoMemory : FaultResult::kBus;
  if (had_backing && !(access == Access::kWrite)) {
    // It is there already: another thread was faster, or the host's mapping is behind ours.
    space_->map((*pma)->first, (*pma)->second.end - (*pma)->first,
                (*pma)->second.copy ? vma->second.protection & ~PROT_WRITE : vma->second.protection, (*pma)->second.fd,
                (*pma)->second.offset);
  }
  return FaultResult::kHandled;
}

// Calls visit(pma, offset in its file, bytes so far, length) for each piece that lies together.
template <typename Visit>
SysResult<size_t> MemoryManager::walk(uint64_t address, size_t size, Access access, Visit visit) {
  size_t done = 0;
  if (address >= limit_ || size > limit_ - address) {
    if (address >= limit_ && size > 0) return std::unexpected(Errno{EFAULT});
    size = std::min<size_t>(size, address >= limit_ ? 0 : limit_ - address);
  }
  while (done < size) {
    uint64_t at = address + done;
    SysResult<Pmas::iterator> found = prepare(at, access);
    if (!found) return done > 0 ? SysResult<size_t>(done) : std::unexpected(found.error());
    auto& [start, pma] = **found;
    // What backs it may reach further than what this access may touch.
    uint64_t end = std::min(pma.end, vma_at(at)->second.end);
    size_t length = std::min<size_t>(size - done, end - at);
    SysResult<size_t> visited = visit(pma, pma.offset + (at - start), done, length);
    if (!visited) return done > 0 ? SysResult<size_t>(done) : std::unexpected(visited.error());
    done += *visited;
    if (*visited < length) break;
  }
  return done;
}

SysResult<size_t> MemoryManager::copy_in_some(uint64_t address, void* to, size_t size) {
  return walk(address, size, Access::kRead,
              [&](const Pma& pma, uint64_t offset, size_t done, size_t length) -> SysResult<size_t> {
                char* target = static_cast<char*>(to) + done;
                if (pma.fd != memory_.fd()) return read_file(pma.fd, target, length, offset);
                std::memcpy(target, memory_.pointer(offset), length);
                return length;
              });
}

SysResult<size_t> MemoryManager::copy_out_some(uint64_t address, const void* from, size_t size) {
  return walk(address, size, Access::kWrite,
              [&](const Pma& pma, uint64_t offset, size_t done, size_t length) -> SysResult<size_t> {
                const char* source = static_cast<const char*>(from) + done;
                if (pma.fd != memory_.fd()) return write_file(pma.fd, source, length, offset);
                std::memcpy(memory_.pointer(offset), source, length);
                return length;
              });
}

SysResult<void> MemoryManager::copy_in(uint64_t address, void* to, size_t size) {
  size_t copied = TRY(copy_in_some(address, to, size));
  return copied == size ? SysResult<void>() : std::unexpected(Errno{EFAULT});
}

SysResult<void> MemoryManager::copy_out(uint64_t address, const void* from, size_t size) {
  size_t copied = TRY(copy_out_some(address, from, size));
  return copied == size ? SysResult<void>() : std::unexpected(Errno{EFAULT});
}

SysResult<void> MemoryManager::clear(uint64_t address, size_t size) {
  static constexpr char kZeroes[kPageSize] = {};
  for (size_t done = 0; done < size;) {
    size_t length = std::min(size - done, sizeof kZeroes);
    TRY(copy_out(address + done, kZeroes, length));
    done += length;
  }
  return {};
}

SysResult<std::string> MemoryManager::read_string(uint64_t address, size_t limit) {
  std::string text;
  char buffer[256];
  while (text.size() < limit) {
    // Not across a page: what follows need not be there.
    uint64_t at = address + text.size();
    size_t length = std::min({sizeof buffer, limit - text.size(), static_cast<size_t>(kPageSize - at % kPageSize)});
    size_t copied = TRY(copy_in_some(at, buffer, length));
    if (const void* end = std::memchr(buffer, 0, copied)) {
      text.append(buffer, static_cast<size_t>(static_cast<const char*>(end) - buffer));
      return text;
    }
    text.append(buffer, copied);
  }
  return std::unexpected(Errno{ENAMETOOLONG});
}

SysResult<std::vector<iovec>> MemoryManager::segments(uint64_t address, size_t size, bool write) {
  std::vector<iovec> list;
  TRY(walk(address, size, write ? Access::kWrite : Access::kRead,
           [&](const Pma& pma, uint64_t offset, size_t, size_t length) -> SysResult<size_t> {
             // Bytes of a host file are not ours to point at.
             if (pma.fd != memory_.fd()) return std::unexpected(Errno{EOPNOTSUPP});
             list.push_back({memory_.pointer(offset), length});
             return length;
           }));
  return list;
}

SysResult<MemoryManager::FutexKey> MemoryManager::futex_key(uint64_t address, bool is_private) {
  if (address >= limit_) return std::unexpected(Errno{EFAULT});
  // Nobody looks whether there is something at a private one.
  if (is_private) return FutexKey{id_, address};
  auto vma = vma_at(address);
  if (vma == vmas_.end()) return std::unexpected(Errno{EFAULT});
  if (!vma->second.shared) return FutexKey{id_, address};
  auto pma = TRY(prepare(address, Access::kRead));
  // An fd is no id of an address space: those count up from 1, these down.
  return FutexKey{~static_cast<uint64_t>(pma->second.fd), pma->second.offset + (address - pma->first)};
}

SysResult<uint32_t*> MemoryManager::futex_word(uint64_t address, bool write) {
  auto pma = TRY(prepare(address, write ? Access::kWrite : Access::kRead));
  if (pma->second.fd != memory_.fd()) return std::unexpected(Errno{EFAULT});
  return reinterpret_cast<uint32_t*>(memory_.pointer(pma->second.offset + (address - pma->first)));
}

}  // namespace cella::sandbox::mm
