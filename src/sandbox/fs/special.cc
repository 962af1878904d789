#include "sandbox/fs/special.h"

#include <sys/random.h>
#include <sys/sysmacros.h>

#include "base/result.h"
#include "sandbox/fs/pipe.h"
#include "sandbox/fs/tty/devices.h"

namespace cella::sandbox::fs {
namespace {

using vfs::Caller;
using vfs::IoVector;

// mem(4), null(4), random(4).
class MemoryDevice : public vfs::File {
 public:
  using File::File;
  SysResult<size_t> read_at(Caller& caller, IoVector& io, uint64_t) override { return read(caller, io); }
  SysResult<size_t> write_at(Caller& caller, IoVector& io, uint64_t) override { return write(caller, io); }
  SysResult<size_t> write(Caller&, IoVector& io) override { return io.skip(io.left()); }
  SysResult<uint64_t> seek(Caller&, int64_t, int) override { return 0; }
};

class NullDevice final : public MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  SysResult<size_t> read(Caller&, IoVector&) override { return 0; }
};

class ZeroDevice : public MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  SysResult<size_t> read(Caller&, IoVector& io) override { return io.put_zeroes(io.left()); }
};

class FullDevice final : public ZeroDevice {
 public:
  using ZeroDevice::ZeroDevice;
  SysResult<size_t> write(Caller&, IoVector&) override { return std::unexpected(Errno{ENOSPC}); }
};

class RandomDevice final : public MemoryDevice {
 public:
  using MemoryDevice::MemoryDevice;
  SysResult<size_t> read(Caller&, IoVector& io) override {
    size_t done = 0;
    char buffer[256];
    while (io.left() > 0) {
      ssize_t n = ::getrandom(buffer, std::min(io.left(), sizeof buffer), 0);
      if (n <= 0) break;
      done += io.put(buffer, static_cast<size_t>(n));
    }
    return done;
  }
};

template <typename Device>
vfs::FilePtr make(const vfs::Path& path, int flags) {
  return std::make_shared<Device>(path, flags);
}

struct Entry {
  unsigned major, minor;
  vfs::FilePtr (*open)(const vfs::Path& path, int flags);
};
constexpr Entry kDevices[] = {
    {1, 3, make<NullDevice>},   {1, 5, make<ZeroDevice>},   {1, 7, make<FullDevice>},
    {1, 8, make<RandomDevice>}, {1, 9, make<RandomDevice>},
};

}  // namespace

SysResult<vfs::FilePtr> open_special(vfs::Caller& caller, vfs::Inode& inode, const vfs::Path& path, int flags) {
  vfs::Attributes attributes = TRY(inode.attributes());
  if (S_ISFIFO(attributes.st_mode)) return open_fifo(caller, inode, path, flags);
  if (S_ISCHR(attributes.st_mode)) {
    for (const Entry& device : kDevices) {
      if (major(attributes.st_rdev) == device.major && minor(attributes.st_rdev) == device.minor)
        return device.open(path, flags);
    }
    return open_terminal_device(caller, attributes.st_rdev, path, flags);
  }
  return std::unexpected(Errno{ENXIO});
}

}  // namespace cella::sandbox::fs
