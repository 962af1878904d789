#include "sandbox/mm/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/mm/memory_manager.h"

namespace cella::sandbox::mm {
namespace {

constexpr uint64_t kCapacity = uint64_t{1} << 44;  // 16 TiB: guests reserve far more than they touch

}  // namespace

SysResult<std::unique_ptr<MemoryFile>> MemoryFile::make() {
  std::unique_ptr<MemoryFile> file(new MemoryFile);
  file->fd_ = sys::FileDescriptor(::memfd_create("cella-memory", MFD_CLOEXEC));
  if (!file->fd_) return std::unexpected(Errno{errno});
  if (::ftruncate(file->fd_.get(), static_cast<off_t>(kCapacity)) < 0) return std::unexpected(Errno{errno});
  void* base = ::mmap(nullptr, kCapacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file->fd_.get(), 0);
  if (base == MAP_FAILED) return std::unexpected(Errno{errno});
  file->base_ = static_cast<char*>(base);
  return file;
}

MemoryFile::~MemoryFile() {
  if (base_ != nullptr) ::munmap(base_, kCapacity);
}

SysResult<uint64_t> MemoryFile::allocate(uint64_t size) {
  for (auto hole = free_.begin(); hole != free_.end(); ++hole) {
    auto [start, end] = *hole;
    if (end - start < size) continue;
    free_.erase(hole);
    if (end - start > size) free_.emplace(start + size, end);
    used_.emplace(start, Extent{start + size, 1});
    merge(start, start + size);
    return start;
  }
  if (size > kCapacity - top_) return std::unexpected(Errno{ENOMEM});
  uint64_t start = top_;
  top_ += size;
  used_.emplace(start, Extent{top_, 1});
  merge(start, top_);
  return start;
}

MemoryFile::Extents::iterator MemoryFile::split(uint64_t at) {
  auto next = used_.lower_bound(at);
  if (next != used_.end() && next->first == at) return next;
  if (next == used_.begin()) return next;
  auto before = std::prev(next);
  if (before->second.end <= at) return next;
  auto made = used_.emplace_hint(next, at, before->second);
  before->second.end = at;
  return made;
}

// Neighbours with the same count become one, so that the map stays small.
void MemoryFile::merge(uint64_t start, uint64_t end) {
  auto extent = used_.lower_bound(start);
  if (extent != used_.begin()) --extent;
  while (extent != used_.end() && extent->first <= end) {
    auto next = std::next(extent);
    if (next != used_.end() && next->first == extent->second.end &&
        next->second.references == extent->second.references) {
      extent->second.end = next->second.end;
      used_.erase(next);
    } else {
      extent = next;
    }
  }
}

void MemoryFile::ref(uint64_t offset, uint64_t size) {
  auto extent = split(offset);
  split(offset + size);
  for (; extent != used_.end() && extent->first < offset + size; ++extent) ++extent->second.references;
  merge(offset, offset + size);
}

void MemoryFile::unref(uint64_t offset, uint64_t size, std::vector<Range>& dropped) {
  auto extent = split(offset);
  split(offset + size);
  while (extent != used_.end() && extent->first < offset + size) {
    if (--extent->second.references == 0) {
      dropped.push_back({extent->first, extent->second.end});
      extent = used_.erase(extent);
    } else {
      ++extent;
    }
  }
  merge(offset, offset + size);
}

void MemoryFile::for_each_whole(std::vector<Range>& ranges, const std::function<void(uint64_t, uint64_t)>& visit) {
  std::ranges::sort(ranges, {}, &Range::start);
  for (size_t i = 0; i < ranges.size();) {
    auto [start, end] = ranges[i];
    for (++i; i < ranges.size() && ranges[i].start == end; ++i) end = ranges[i].end;
    visit(start, end);
  }
}

void MemoryFile::release(std::vector<Range>& dropped) {
  for_each_whole(dropped, [this](uint64_t start, uint64_t end) { give_back(start, end); });
  dropped.clear();
}

void MemoryFile::give_back(uint64_t start, uint64_t end) {
  // A hole reads as zeroes again. Where the host refuses to make one, we write them.
  if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(start),
                  static_cast<off_t>(end - start)) < 0) {
    __builtin_memset(pointer(start), 0, end - start);
  }
  auto next = free_.lower_bound(start);
  if (next != free_.end() && next->first == end) {
    end = next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto before = std::prev(next);
    if (before->second == start) {
      before->second = end;
      return;
    }
  }
  free_.emplace(start, end);
}

bool MemoryFile::is_shared(uint64_t offset, uint64_t size) const {
  auto extent = used_.upper_bound(offset);
  if (extent != used_.begin()) --extent;
  for (; extent != used_.end() && extent->first < offset + size; ++extent)
    if (extent->second.end > offset && extent->second.references > 1) return true;
  return false;
}

uint64_t MemoryFile::resident() const {
  constexpr uint64_t kBlock = 512;
  struct stat status;
  return ::fstat(fd_.get(), &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * kBlock : 0;
}

uint64_t MemoryFile::resident(uint64_t offset, uint64_t size) const {
  uint64_t total = 0;
  for_each_resident(offset, size, [&](uint64_t start, uint64_t end) { total += end - start; });
  return total;
}

void MemoryFile::for_each_resident(uint64_t offset, uint64_t size,
                                   const std::function<void(uint64_t, uint64_t)>& visit) const {
  const auto end = static_cast<off_t>(offset + size);
  for (auto at = static_cast<off_t>(offset); at < end;) {
    const off_t data = ::lseek(fd_.get(), at, SEEK_DATA);
    if (data < 0 || data >= end) break;
    at = std::min(::lseek(fd_.get(), data, SEEK_HOLE), end);
    if (at <= data) break;
    visit(static_cast<uint64_t>(data), static_cast<uint64_t>(at));
  }
}

void MemoryFile::truncated(const Mappable& file, uint64_t end) {
  for (MemoryManager* manager : managers)
    if (manager->forget(file, end) && on_change) on_change(*manager);
}

bool MemoryFile::is_mapped_for_writing(const Mappable& file) const {
  bool found = false;
  for (const MemoryManager* manager : managers) {
    manager->for_each([&](uint64_t, const Vma& vma) {
      found |= vma.file.get() == &file && vma.shared && (vma.max_protection & PROT_WRITE);
    });
  }
  return found;
}

}  // namespace cella::sandbox::mm
