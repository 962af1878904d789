#include "sandbox/mm/memory_manager.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace cella::sandbox::mm {
namespace {

// A page more costs a fiftieth of the fault that it may save.
constexpr uint64_t kMostCopiedNow = 64 * kPageSize;
constexpr uint64_t kMuch = 4 << 20;  // for a look at what is in memory before it is unmapped

uint64_t next_id() {
  static uint64_t last = 0;
  return ++last;
}

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

}  // namespace

bool Vma::continues(const Vma& before, uint64_t start, uint64_t before_start) const {
  return before.end == start && protection == before.protection && max_protection == before.max_protection &&
         shared == before.shared && grows_down == before.grows_down && dont_fork == before.dont_fork &&
         wipe_on_fork == before.wipe_on_fork && locked == before.locked && file == before.file && name == before.name &&
         (file == nullptr || offset == before.offset + (start - before_start));
}

MemoryManager::MemoryManager(MemoryFile& memory, platform::Platform& platform,
                             std::unique_ptr<platform::AddressSpace> space)
    : memory_(memory),
      platform_(platform),
      space_(std::move(space)),
      limit_(platform.guest_limit()),
      map_top_(page_down(limit_ - (uint64_t{1} << 32))),
      id_(next_id()) {
  memory_.managers.push_back(this);
}

MemoryManager::~MemoryManager() {
  std::erase(memory_.managers, this);
  space_.reset();  // the mappings go first
  for (auto& [start, pma] : pmas_)
    if (pma.counted) memory_.unref(pma.offset, pma.end - start, dropped_);
  memory_.release(dropped_);
}

SysResult<void> MemoryManager::flush(platform::Context& context) {
  TRY(context.flush());
  if (!dropped_.empty()) memory_.release(dropped_);
  return {};
}

// --- the two maps

MemoryManager::Vmas::iterator MemoryManager::vma_at(uint64_t address) {
  auto next = vmas_.upper_bound(address);
  if (next == vmas_.begin()) return vmas_.end();
  auto vma = std::prev(next);
  return address < vma->second.end ? vma : vmas_.end();
}
MemoryManager::Vmas::const_iterator MemoryManager::vma_at(uint64_t address) const {
  return const_cast<MemoryManager*>(this)->vma_at(address);
}

MemoryManager::Pmas::iterator MemoryManager::pma_at(uint64_t address) {
  auto next = pmas_.upper_bound(address);
  if (next == pmas_.begin()) return pmas_.end();
  auto pma = std::prev(next);
  return address < pma->second.end ? pma : pmas_.end();
}

void MemoryManager::split_vma(uint64_t at) {
  auto vma = vma_at(at);
  if (vma == vmas_.end() || vma->first == at) return;
  Vma rest = vma->second;
  if (rest.file != nullptr) rest.offset += at - vma->first;
  vma->second.end = at;
  vmas_.emplace(at, std::move(rest));
}

void MemoryManager::split_pma(uint64_t at) {
  auto pma = pma_at(at);
  if (pma == pmas_.end() || pma->first == at) return;
  Pma rest = pma->second;
  rest.offset += at - pma->first;
  pma->second.end = at;
  pmas_.emplace(at, std::move(rest));
}

void MemoryManager::merge_around(uint64_t start, uint64_t end) {
  auto vma = vmas_.lower_bound(start);
  if (vma != vmas_.begin()) --vma;
  while (vma != vmas_.end() && vma->first <= end) {
    auto next = std::next(vma);
    if (next != vmas_.end() && next->second.continues(vma->second, next->first, vma->first)) {
      vma->second.end = next->second.end;
      vmas_.erase(next);
    } else {
      vma = next;
    }
  }
  auto pma = pmas_.lower_bound(start);
  if (pma != pmas_.begin()) --pma;
  while (pma != pmas_.end() && pma->first <= end) {
    auto next = std::next(pma);
    // Never across the start of a VMA: each has its own protection.
    if (next != pmas_.end() && next->first == pma->second.end && !vmas_.contains(next->first) &&
        next->second.fd == pma->second.fd && next->second.counted == pma->second.counted &&
        next->second.copy == pma->second.copy && next->second.keep == pma->second.keep &&
        next->second.offset == pma->second.offset + (next->first - pma->first)) {
      pma->second.end = next->second.end;
      pmas_.erase(next);
    } else {
      pma = next;
    }
  }
}

bool MemoryManager::is_free(uint64_t address, uint64_t size) const {
  auto next = vmas_.lower_bound(address);
  if (next != vmas_.end() && next->first < address + size) return false;
  return next == vmas_.begin() || std::prev(next)->second.end <= address;
}

bool MemoryManager::is_mapped(uint64_t address, uint64_t size) const {
  for (uint64_t at = address; at < address + size;) {
    auto vma = vma_at(at);
    if (vma == vmas_.end()) return false;
    at = vma->second.end;
  }
  return true;
}

const Vma* MemoryManager::find(uint64_t address) const {
  auto vma = vma_at(address);
  return vma == vmas_.end() ? nullptr : &vma->second;
}

// Top down, as Linux: below the lowest mapping first that leaves room.
SysResult<uint64_t> MemoryManager::find_space(uint64_t size, uint64_t hint, bool low) const {
  constexpr uint64_t kLowTop = 0x80000000;
  if (size > limit_ - kLowest) return fail(ENOMEM);
  hint = page_down(hint);
  if (hint >= kLowest && hint <= limit_ - size && is_free(hint, size)) return hint;
  uint64_t top = low ? kLowTop : map_top_;
  auto next = vmas_.lower_bound(top);
  while (true) {
    uint64_t bottom = next == vmas_.begin() ? kLowest : std::prev(next)->second.end;
    bottom = std::max(bottom, kLowest);
    if (bottom <= top && top - bottom >= size) return top - size;
    if (next == vmas_.begin()) return fail(ENOMEM);
    --next;
    top = std::min(top, next->first);
  }
}

void MemoryManager::drop_pmas(uint64_t start, uint64_t end) {
  split_pma(start);
  split_pma(end);
  for (auto pma = pmas_.lower_bound(start); pma != pmas_.end() && pma->first < end;) {
    if (pma->second.counted) memory_.unref(pma->second.offset, pma->second.end - pma->first, dropped_);
    pma = pmas_.erase(pma);
  }
}

void MemoryManager::remove(uint64_t start, uint64_t end) {
  if (end - start >= kMuch && virtual_size_ > peak_) (void)peak();
  split_vma(start);
  split_vma(end);
  bool any = false;
  for (auto vma = vmas_.lower_bound(start); vma != vmas_.end() && vma->first < end;) {
    virtual_size_ -= vma->second.end - vma->first;
    vma = vmas_.erase(vma);
    any = true;
  }
  if (!any) return;
  drop_pmas(start, end);
  space_->unmap(start, end - start);
}

void MemoryManager::install(uint64_t start, const Pma& pma, int protection) {
  if (pma.copy) protection &= ~PROT_WRITE;
  space_->map(start, pma.end - start, protection, pma.fd, pma.offset);
}

SysResult<void> MemoryManager::back(uint64_t start, uint64_t end, const Vma& vma, uint64_t vma_start, bool copies) {
  if (vma.file == nullptr) {
    Pma pma;
    pma.end = end;
    pma.fd = memory_.fd();
    pma.offset = TRY(memory_.allocate(end - start));
    pma.counted = true;
    install(start, pma, vma.protection);
    pmas_.emplace(start, std::move(pma));
    return {};
  }
  for (uint64_t at = start; at < end;) {
    auto range =
        vma.file->translate(vma.offset + (at - vma_start), end - at, vma.shared && vma.protection & PROT_WRITE);
    if (!range) return range.error().value == EFAULT ? SysResult<void>() : std::unexpected(range.error());
    Pma pma;
    pma.end = at + std::min(range->size, end - at);
    pma.fd = range->fd;
    pma.offset = range->offset;
    pma.counted = range->counted;
    pma.copy = !vma.shared;
    pma.keep = vma.file;
    SysResult<Pma> copy = std::unexpected(Errno{0});
    if (copies && pma.copy && (vma.protection & PROT_WRITE)) copy = copy_of(pma, at, pma.end - at);
    if (copy) {
      pma = std::move(*copy);
    } else if (pma.counted) {
      memory_.ref(pma.offset, pma.end - at);
    }
    install(at, pma, vma.protection);
    uint64_t next = pma.end;
    pmas_.emplace(at, std::move(pma));
    at = next;
  }
  return {};
}

// --- system calls

SysResult<uint64_t> MemoryManager::map(const MapRequest& request) {
  if (request.size == 0) return fail(EINVAL);
  uint64_t size = page_up(request.size);
  if (size < request.size || size > limit_) return fail(ENOMEM);
  uint64_t address = request.address;
  if (request.fixed) {
    if (address % kPageSize != 0) return fail(EINVAL);
    if (address < kLowest) return fail(EPERM);
    if (address > limit_ - size) return fail(ENOMEM);
    if (request.no_replace && !is_free(address, size)) return fail(EEXIST);
    remove(address, address + size);
  } else {
    address = TRY(find_space(size, request.address, request.low));
  }
  Vma vma;
  vma.end = address + size;
  vma.protection = request.protection;
  vma.max_protection = request.max_protection;
  vma.shared = request.shared;
  vma.grows_down = request.grows_down;
  vma.locked = request.locked;
  vma.file = request.file;
  vma.offset = request.offset;
  vma.name = request.name;
  auto made = vmas_.emplace(address, std::move(vma)).first;
  virtual_size_ += size;
  // Reserved address space costs nothing until it becomes accessible. Shared anonymous memory has to be the same for
  // children that are forked before.
  if (request.protection != PROT_NONE || (request.shared && request.file == nullptr)) {
    const bool copies = request.copy_now && size <= kMostCopiedNow;
    SysResult<void> backed = back(address, address + size, made->second, address, copies);
    if (!backed) {
      remove(address, address + size);
      return std::unexpected(backed.error());
    }
  }
  merge_around(address, address + size);
  return address;
}

SysResult<void> MemoryManager::unmap(uint64_t address, uint64_t size) {
  if (address % kPageSize != 0 || size == 0 || size > limit_ || address > limit_ - page_up(size)) return fail(EINVAL);
  remove(address, address + page_up(size));
  return {};
}

SysResult<void> MemoryManager::protect(uint64_t address, uint64_t size, int protection) {
  if (address % kPageSize != 0) return fail(EINVAL);
  if (size == 0) return {};
  uint64_t end = address + page_up(size);
  if (end <= address || end > limit_) return fail(ENOMEM);
  split_vma(address);
  split_vma(end);
  // What comes before a hole, or before what may not be so, is changed.
  uint64_t done = address;
  int problem = ENOMEM;
  for (auto vma = vmas_.lower_bound(address); vma != vmas_.end() && vma->first == done && done < end; ++vma) {
    auto& [start, entry] = *vma;
    if ((protection & ~entry.max_protection) != 0) {
      problem = EACCES;
      break;
    }
    done = entry.end;
    entry.protection = protection;
    uint64_t at = start;
    for (auto pma = pmas_.lower_bound(start); at < entry.end;) {
      uint64_t gap_end = pma == pmas_.end() ? entry.end : std::min(pma->first, entry.end);
      if (at < gap_end) {
        if (protection != PROT_NONE) TRY(back(at, gap_end, entry, start));
        at = gap_end;
        pma = pmas_.lower_bound(at);
        continue;
      }
      split_pma(entry.end);
      space_->protect(at, pma->second.end - at, pma->second.copy ? protection & ~PROT_WRITE : protection);
      at = pma->second.end;
      ++pma;
    }
  }
  merge_around(address, end);
  return done < end ? SysResult<void>(fail(problem)) : SysResult<void>();
}

SysResult<uint64_t> MemoryManager::growing_start(uint64_t address) {
  if (address % kPageSize != 0) return fail(EINVAL);
  auto vma = vma_at(address);
  if (vma == vmas_.end()) return fail(ENOMEM);
  if (!vma->second.grows_down) return fail(EINVAL);
  return vma->first;
}

SysResult<void> MemoryManager::check_accessible(uint64_t start, uint64_t end, int protection) const {
  for (auto vma = vma_at(start); vma != vmas_.end() && vma->first < end; ++vma)
    if (!(vma->second.protection & protection)) return fail(EINVAL);
  return {};
}

SysResult<void> MemoryManager::advise(uint64_t address, uint64_t size, int advice) {
  constexpr int kPopulateRead = 22, kPopulateWrite = 23;  // of Linux 5.14
  if (address % kPageSize != 0) return fail(EINVAL);
  uint64_t end = address + page_up(size);
  if (end < address || page_up(size) < size) return fail(EINVAL);
  bool Vma::* flag = nullptr;
  bool value = false;
  switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
      break;
    case MADV_DONTFORK:
    case MADV_DOFORK:
      flag = &Vma::dont_fork;
      value = advice == MADV_DONTFORK;
      break;
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
      flag = &Vma::wipe_on_fork;
      value = advice == MADV_WIPEONFORK;
      break;
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
      return is_mapped(address, end - address) ? SysResult<void>() : fail(ENOMEM);
    case kPopulateRead:
    case kPopulateWrite:
      // Pages come when they are touched, as they do with MAP_POPULATE.
      TRY(check_accessible(address, end, advice == kPopulateRead ? PROT_READ : PROT_WRITE));
      return is_mapped(address, end - address) ? SysResult<void>() : fail(ENOMEM);
    default:
      return fail(EINVAL);
  }
  if (end == address) return {};
  bool complete = is_mapped(address, end - address);
  split_vma(address);
  split_vma(end);
  for (auto vma = vmas_.lower_bound(address); vma != vmas_.end() && vma->first < end; ++vma) {
    auto& [start, entry] = *vma;
    if (flag != nullptr) {
      if (advice == MADV_WIPEONFORK && (entry.file != nullptr || entry.shared)) return fail(EINVAL);
      entry.*flag = value;
    } else if (advice == MADV_REMOVE) {
      if (entry.locked || (entry.file == nullptr && !entry.shared)) return fail(EINVAL);
      if (!entry.shared || !(entry.max_protection & PROT_WRITE)) return fail(EACCES);
      if (entry.file != nullptr) {
        TRY(entry.file->punch_hole(entry.offset, entry.end - start));
      } else {
        TRY(clear(start, entry.end - start));
      }
    } else if (entry.locked || (advice == MADV_FREE && (entry.shared || entry.file != nullptr))) {
      return fail(EINVAL);
    } else if (!entry.shared) {
      // The next access sees zeroes, or the file.
      drop_pmas(start, entry.end);
      space_->unmap(start, entry.end - start);
      if (entry.protection != PROT_NONE) TRY(back(start, entry.end, entry, start));
    }
  }
  merge_around(address, end);
  return complete ? SysResult<void>() : fail(ENOMEM);
}

uint64_t MemoryManager::set_brk(uint64_t end, uint64_t limit) {
  if (end < brk_start_ || end - brk_start_ > limit) return brk_;
  uint64_t old_end = page_up(brk_), new_end = page_up(end);
  if (new_end < old_end) {
    remove(new_end, old_end);
  } else if (new_end > old_end) {
    MapRequest request;
    request.address = old_end;
    request.size = new_end - old_end;
    request.protection = PROT_READ | PROT_WRITE;
    request.fixed = request.no_replace = true;
    request.name = "[heap]";
    if (!map(request)) return brk_;
  }
  return brk_ = end;
}

SysResult<std::unique_ptr<MemoryManager>> MemoryManager::fork(std::unique_ptr<platform::AddressSpace> space) {
  auto child = std::make_unique<MemoryManager>(memory_, platform_, std::move(space));
  child->brk_start_ = brk_start_;
  child->brk_ = brk_;
  child->layout = layout;
  child->barriers = barriers;
  child->no_huge_pages = no_huge_pages;
  for (uint64_t page : kept_for_host_) {
    split_pma(page);
    split_pma(page + kPageSize);
  }
  for (auto& [start, vma] : vmas_) {
    if (vma.dont_fork) continue;
    Vma& copy = child->vmas_.emplace(start, vma).first->second;
    copy.locked = false;
    child->virtual_size_ += vma.end - start;
    if (vma.wipe_on_fork) {
      if (vma.protection != PROT_NONE) TRY(child->back(start, vma.end, copy, start));
      continue;
    }
    for (auto pma = pmas_.lower_bound(start); pma != pmas_.end() && pma->first < vma.end; ++pma) {
      auto& [at, piece] = *pma;
      if (!vma.shared && !piece.copy && kept_for_host_.contains(at)) {
        const Pma own = TRY(copy_of(piece, at, piece.end - at));
        child->pmas_.emplace(at, own);
        child->install(at, own, vma.protection);
        continue;
      }
      if (!vma.shared && !piece.copy) {
        piece.copy = true;
        if (vma.protection & PROT_WRITE) space_->protect(at, piece.end - at, vma.protection & ~PROT_WRITE);
      }
      if (piece.counted) memory_.ref(piece.offset, piece.end - at);
      child->pmas_.emplace(at, piece);
      child->install(at, piece, vma.protection);
    }
  }
  return child;
}

SysResult<void> MemoryManager::keep_for_host(uint64_t address) {
  TRY(prepare(address, Access::kWrite));
  kept_for_host_.insert(page_down(address));
  return {};
}

void MemoryManager::release_from_host(uint64_t address) {
  if (auto kept = kept_for_host_.find(page_down(address)); kept != kept_for_host_.end()) kept_for_host_.erase(kept);
}

uint64_t MemoryManager::peak() {
  peak_ = std::max(peak_, resident().all());
  return peak_;
}

MemoryManager::Resident MemoryManager::resident(uint64_t start, uint64_t end) const {
  Resident result;
  std::vector<MemoryFile::Range> counted;  // of the memory file
  auto pma = pmas_.upper_bound(start);
  if (pma != pmas_.begin()) --pma;
  for (; pma != pmas_.end() && pma->first < end; ++pma) {
    const auto& [at, piece] = *pma;
    const uint64_t from = std::max(at, start), to = std::min(piece.end, end);
    if (to <= from) continue;
    if (piece.counted) {
      const uint64_t offset = piece.offset + (from - at);
      counted.push_back({offset, offset + (to - from)});
    } else {
      result.file += to - from;
    }
  }
  MemoryFile::for_each_whole(
      counted, [&](uint64_t first, uint64_t last) { result.anonymous += memory_.resident(first, last - first); });
  return result;
}

void MemoryManager::residency(uint64_t address, std::span<char> pages) const {
  std::ranges::fill(pages, 0);
  const uint64_t end = address + pages.size() * kPageSize;
  auto pma = pmas_.upper_bound(address);
  if (pma != pmas_.begin()) --pma;
  for (; pma != pmas_.end() && pma->first < end; ++pma) {
    const auto& [at, piece] = *pma;
    const uint64_t from = std::max(at, address), to = std::min(piece.end, end);
    if (to <= from) continue;
    auto mark = [&](uint64_t first, uint64_t last) {
      for (uint64_t page = page_down(first); page < last; page += kPageSize) pages[(page - address) / kPageSize] = 1;
    };
    // Of host files the host does not say what it holds.
    if (!piece.counted) {
      mark(from, to);
      continue;
    }
    memory_.for_each_resident(piece.offset + (from - at), to - from, [&](uint64_t first, uint64_t last) {
      mark(first - piece.offset + at, last - piece.offset + at);
    });
  }
}

bool MemoryManager::forget(const Mappable& file, uint64_t end) {
  bool any = false;
  for (const auto& [start, vma] : vmas_) {
    if (vma.file.get() != &file || vma.offset + (vma.end - start) <= end) continue;
    const uint64_t from = end > vma.offset ? start + (end - vma.offset) : start;
    const auto first = pmas_.lower_bound(from);
    const bool is_backed = pma_at(from) != pmas_.end() || (first != pmas_.end() && first->first < vma.end);
    if (!is_backed) continue;
    drop_pmas(from, vma.end);
    space_->unmap(from, vma.end - from);
    any = true;
  }
  return any;
}

void MemoryManager::for_each(const std::function<void(uint64_t, const Vma&)>& visit) const {
  for (const auto& [start, vma] : vmas_) visit(start, vma);
}

}  // namespace cella::sandbox::mm
