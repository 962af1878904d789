// MemoryFile: all memory that the kernel gives to guests, as ranges of one memfd.
//
// The file is mapped here once and whole, so that a guest page is read and written through a pointer, and mapped into
// address spaces range by range. Pages come zeroed, exist on the host only once they are touched, and are counted: a
// range may be shared by several address spaces (fork) and files. Not a cache, not a policy: copy-on-write is
// memory_manager.h's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <cella/error.h>

#include "sys/fd.h"

namespace cella::sandbox::mm {

class Mappable;
class MemoryManager;

inline constexpr uint64_t kPageSize = 4096;
constexpr uint64_t page_down(uint64_t address) {
  return address & ~(kPageSize - 1);
}
constexpr uint64_t page_up(uint64_t address) {
  return page_down(address + kPageSize - 1);
}

class MemoryFile {
 public:
  static SysResult<std::unique_ptr<MemoryFile>> make();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile();

  int fd() const { return fd_.get(); }
  // Of the byte at `offset`, valid up to the end of its range and for as long as somebody has a reference.
  char* pointer(uint64_t offset) const { return base_ + offset; }

  // A zeroed range of `size` bytes (whole pages) with one reference to each page. ENOMEM: the file is used up.
  SysResult<uint64_t> allocate(uint64_t size);
  void ref(uint64_t offset, uint64_t size);
  // Ranges that nobody refers to any more are added to `dropped`. They are used again after release(), which is to be
  // called when no address space has them mapped any more.
  struct Range {
    uint64_t start, end;
  };
  void unref(uint64_t offset, uint64_t size, std::vector<Range>& dropped);
  void release(std::vector<Range>& dropped);
  // Has some page of the range more than one reference?
  bool is_shared(uint64_t offset, uint64_t size) const;

  // Bytes that the host holds for the file.
  uint64_t resident() const;
  // Of one range.
  uint64_t resident(uint64_t offset, uint64_t size) const;
  // Those of a range, each [start, end).
  void for_each_resident(uint64_t offset, uint64_t size, const std::function<void(uint64_t, uint64_t)>& visit) const;

  // Sorts ranges, and visits those that follow each other as one: a call to the host costs more than a page.
  static void for_each_whole(std::vector<Range>& ranges,
                             const std::function<void(uint64_t start, uint64_t end)>& visit);

  // A file has become shorter: nothing is mapped of it from `end` on. Whoever maps it is asked.
  void truncated(const Mappable& file, uint64_t end);
  // May somebody write to the file through a mapping, now or after mprotect(2)?
  bool is_mapped_for_writing(const Mappable& file) const;
  std::vector<MemoryManager*> managers;  // each adds itself and goes
  // Its address space has changed while its programs run: they are to be stopped, and it is flushed before they go on.
  std::function<void(MemoryManager&)> on_change;

 private:
  MemoryFile() = default;
  void give_back(uint64_t start, uint64_t end);

  struct Extent {
    uint64_t end;
    uint32_t references;
  };
  using Extents = std::map<uint64_t, Extent>;  // by start
  Extents::iterator split(uint64_t at);
  void merge(uint64_t start, uint64_t end);

  sys::FileDescriptor fd_;
  char* base_ = nullptr;
  uint64_t top_ = 0;  // nothing was ever allocated from here on
  Extents used_;
  std::map<uint64_t, uint64_t> free_;  // start → end; holes in the file
};

}  // namespace cella::sandbox::mm
