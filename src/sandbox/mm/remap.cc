// mremap(2): memory that moves, grows and shrinks, and memory that is mapped a second time.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/mm/memory_manager.h"

namespace cella::sandbox::mm {
namespace {

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

}  // namespace

SysResult<uint64_t> MemoryManager::remap(uint64_t old_address, uint64_t old_size, uint64_t new_size, int flags,
                                         uint64_t new_address) {
  constexpr int kDontUnmap = 4;  // MREMAP_DONTUNMAP of Linux 5.7
  constexpr int kKnown = MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap;
  if (flags & ~kKnown || old_address % kPageSize != 0 || new_size == 0) return fail(EINVAL);
  if ((flags & MREMAP_FIXED) && (!(flags & MREMAP_MAYMOVE) || new_address % kPageSize != 0)) return fail(EINVAL);
  old_size = page_up(old_size);
  new_size = page_up(new_size);
  const bool keep = (flags & kDontUnmap) != 0;
  if (keep && (!(flags & MREMAP_MAYMOVE) || old_size != new_size)) return fail(EINVAL);
  auto vma = vma_at(old_address);
  if (vma == vmas_.end()) return fail(EFAULT);
  if (old_size == 0) return map_again(old_address, new_size, flags, new_address);
  if (vma->second.end < old_address + old_size) return fail(EFAULT);
  const bool move = (flags & MREMAP_FIXED) != 0 || keep;
  if (!move && new_size <= old_size) {
    if (new_size < old_size) remove(old_address + new_size, old_address + old_size);
    return old_address;
  }
  if (!move && vma->second.end == old_address + old_size && old_address <= limit_ - new_size &&
      is_free(old_address + old_size, new_size - old_size)) {
    uint64_t start = vma->first, end = old_address + old_size;
    vma->second.end = old_address + new_size;
    virtual_size_ += new_size - old_size;
    if (vma->second.protection != PROT_NONE) TRY(back(end, vma->second.end, vma->second, start));
    merge_around(start, old_address + new_size);
    return old_address;
  }
  if (!(flags & MREMAP_MAYMOVE)) return fail(ENOMEM);
  uint64_t target = new_address;
  if (flags & MREMAP_FIXED) {
    if (target < kLowest || target > limit_ - new_size) return fail(EINVAL);
    if (target < old_address + old_size && old_address < target + new_size) return fail(EINVAL);
    remove(target, target + new_size);
  } else {
    target = TRY(find_space(new_size, 0, false));
  }
  if (new_size < old_size) {
    remove(old_address + new_size, old_address + old_size);
    old_size = new_size;
  }
  split_vma(old_address);
  split_vma(old_address + old_size);
  split_pma(old_address);
  split_pma(old_address + old_size);
  Vma moved = vmas_.find(old_address)->second;
  moved.end = target + new_size;
  // What backs it goes along.
  std::vector<std::pair<uint64_t, Pma>> pieces;
  for (auto pma = pmas_.lower_bound(old_address); pma != pmas_.end() && pma->first < old_address + old_size;) {
    Pma piece = std::move(pma->second);
    uint64_t start = pma->first - old_address + target;
    piece.end = piece.end - old_address + target;
    pieces.emplace_back(start, std::move(piece));
    pma = pmas_.erase(pma);
  }
  Vma left = vmas_.find(old_address)->second;
  remove(old_address, old_address + old_size);
  if (keep) {
    // It begins anew.
    auto again = vmas_.emplace(old_address, std::move(left)).first;
    virtual_size_ += old_size;
    if (again->second.protection != PROT_NONE)
      TRY(back(old_address, old_address + old_size, again->second, old_address));
  }
  auto made = vmas_.emplace(target, moved).first;
  virtual_size_ += new_size;
  for (auto& [start, piece] : pieces) {
    install(start, piece, moved.protection);
    pmas_.emplace(start, std::move(piece));
  }
  if (new_size > old_size && moved.protection != PROT_NONE) {
    TRY(back(target + old_size, target + new_size, made->second, target));
  }
  merge_around(target, target + new_size);
  return target;
}

SysResult<uint64_t> MemoryManager::map_again(uint64_t address, uint64_t size, int flags, uint64_t new_address) {
  const auto found = vma_at(address);
  const uint64_t old_start = found->first, old_end = found->second.end;
  Vma again = found->second;
  if (!again.shared) return fail(EINVAL);
  if (!(flags & MREMAP_MAYMOVE)) return fail(ENOMEM);
  if (flags & MREMAP_FIXED) {
    if (new_address < kLowest || size > limit_ || new_address > limit_ - size) return fail(EINVAL);
    // What is to be mapped again must stay.
    if (new_address < old_end && old_start < new_address + size) return fail(EINVAL);
    remove(new_address, new_address + size);
  } else {
    new_address = TRY(find_space(size, 0, false));
  }
  again.offset += address - old_start;
  again.end = new_address + size;
  auto made = vmas_.emplace(new_address, again).first;
  virtual_size_ += size;
  if (again.file != nullptr) {
    if (again.protection == PROT_NONE) return new_address;
    SysResult<void> backed = back(new_address, again.end, made->second, new_address);
    if (!backed) remove(new_address, new_address + size);
    return backed ? SysResult<uint64_t>(new_address) : std::unexpected(backed.error());
  }
  // Anonymous memory that is shared is what it is backed by.
  const uint64_t end = std::min(old_end, address + size);
  split_pma(address);
  split_pma(end);
  for (auto pma = pmas_.lower_bound(address); pma != pmas_.end() && pma->first < end; ++pma) {
    Pma copy = pma->second;
    const uint64_t start = pma->first - address + new_address;
    copy.end = copy.end - address + new_address;
    if (copy.counted) memory_.ref(copy.offset, copy.end - start);
    install(start, copy, again.protection);
    pmas_.emplace(start, std::move(copy));
  }
  return new_address;
}

}  // namespace cella::sandbox::mm
