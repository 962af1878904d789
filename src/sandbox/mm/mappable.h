// Mappable: what can be mapped besides anonymous memory: a file of some filesystem.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>

#include <cella/error.h>

namespace cella::sandbox::mm {

class MemoryFile;

class Mappable {
 public:
  virtual ~Mappable() = default;

  // Where `size` bytes (whole pages) from `offset` on are: a range of a host file, or of the memory file when `fd` is
  // its. Only as much as lies together: at least a page. EFAULT (SIGBUS for the guest) behind the end of the file.
  struct Range {
    int fd;
    uint64_t offset;
    uint64_t size;
    bool counted;  // of the memory file: whoever maps it takes a reference
  };
  virtual SysResult<Range> translate(uint64_t offset, uint64_t size, bool write) = 0;
  // Makes a hole, which reads as zeroes: madvise(2) MADV_REMOVE.
  virtual SysResult<void> punch_hole(uint64_t /*offset*/, uint64_t /*size*/) {
    return std::unexpected(Errno{EOPNOTSUPP});
  }
  // For /proc/PID/maps.
  virtual std::string mapped_name() const = 0;
  virtual uint64_t device_id() const = 0;
  virtual uint64_t inode_id() const = 0;
};

}  // namespace cella::sandbox::mm
