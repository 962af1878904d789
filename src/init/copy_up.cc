// tmpcopyup: what a tmpfs covers, copied into it before anybody sees it.
//
// The tree is an image's and may be as deep as it likes, so the walk keeps no descriptor but those of the two
// directories that it is in. It goes up by "..", and looks whether it is where it came from: what is moved elsewhere
// meanwhile must not lead it out. Nothing but directories is entered, nothing but regular files is opened, and no
// symbolic link is followed. Hard links become files of their own, and holes stay holes.
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#include "init/context.h"

namespace cella::init {
namespace {

constexpr uint32_t kTypeMask = 0170000, kTypeDirectory = 0040000, kTypeRegular = 0100000, kTypeLink = 0120000;
constexpr uint32_t kPermissions = 07777;
constexpr size_t kMaxDepth = 4096;  // twice as deep as any path can say

struct DirectoryEntry {  // getdents64(2)
  uint64_t inode;
  int64_t next;  // where the next entry begins
  uint16_t size;
  uint8_t type;
  char name[1];
};

struct Level {
  uint64_t inode;
  uint32_t major, minor;
  int64_t position;  // in the directory, behind the entry that was entered
};

// More than the stack should hold; given back to the kernel when the copy is there.
struct Memory {
  Level levels[kMaxDepth];
  alignas(DirectoryEntry) char entries[32 << 10];
  char data[64 << 10];   // of a file, of a link, of one extended attribute (XATTR_SIZE_MAX)
  char names[64 << 10];  // of extended attributes (XATTR_LIST_MAX)
};

bool is_dots(const char* name) {
  return equal(name, ".") || equal(name, "..");
}

class CopyUp {
 public:
  CopyUp(Context& c, Memory& memory, int from, int to) : c_(c), m_(memory), from_(from), to_(to) {}
  ~CopyUp() {
    close_fd(from_);
    close_fd(to_);
  }

  long run(bool keep_owner) {
    size_t depth = 0;
    for (;;) {
      long error = enter_level(depth);
      bool down = false;
      while (error == 0 && !down) {
        long n = sys(SYS_getdents64, from_, m_.entries, sizeof m_.entries);
        if (n < 0) return n;
        if (n > 0) {
          error = copy_entries(static_cast<size_t>(n), m_.levels[depth], down);
          continue;
        }
        if (depth > 0 || keep_owner) error = copy_attributes(from_, to_);
        if (error < 0 || depth == 0) return error;
        error = go_up(m_.levels[--depth]);
      }
      if (error < 0) return error;
      if (++depth == kMaxDepth) {
        c_.detail.add("what it covers has directories that are too deep");
        return -ELOOP;
      }
    }
  }

 private:
  // Which directory this is, to be recognized on the way up.
  long enter_level(size_t depth) {
    struct statx status;
    long error = sys(SYS_statx, from_, "", AT_EMPTY_PATH, STATX_INO, &status);
    m_.levels[depth] = {status.stx_ino, status.stx_dev_major, status.stx_dev_minor, 0};
    return error;
  }

  // Stops behind a directory, which then is entered: `down`.
  long copy_entries(size_t size, Level& level, bool& down) {
    for (size_t at = 0; at < size;) {
      auto* entry = reinterpret_cast<const DirectoryEntry*>(m_.entries + at);
      at += entry->size;
      if (is_dots(entry->name)) continue;
      struct statx status;
      long error =
          sys(SYS_statx, from_, entry->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &status);
      down = error == 0 && (status.stx_mode & kTypeMask) == kTypeDirectory;
      if (down) {
        level.position = entry->next;
        error = go_down(entry->name);
      } else if (error == 0) {
        error = copy_entry(entry->name, status);
      }
      if (error < 0) {
        c_.detail.add("copying ").add(entry->name).add(" to it");
        return error;
      }
      if (down) return 0;
    }
    return 0;
  }

  static long open_directory(int parent, const char* name) {
    return sys(SYS_openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }

  static void replace(int& fd, long other) {
    close_fd(fd);
    fd = static_cast<int>(other);
  }

  long go_down(const char* name) {
    long from = open_directory(from_, name);
    if (from < 0) return from;
    long error = sys(SYS_mkdirat, to_, name, 0700);
    long to = error < 0 ? error : open_directory(to_, name);
    if (to < 0) {
      sys(SYS_close, from);
      return to;
    }
    replace(from_, from);
    replace(to_, to);
    return 0;
  }

  long go_up(const Level& level) {
    long from = open_directory(from_, "..");
    if (from < 0) return from;
    replace(from_, from);
    struct statx status;
    long error = sys(SYS_statx, from_, "", AT_EMPTY_PATH, STATX_INO, &status);
    if (error < 0) return error;
    if (status.stx_ino != level.inode || status.stx_dev_major != level.major || status.stx_dev_minor != level.minor) {
      c_.detail.add("what it covers is being changed");
      return -ESTALE;
    }
    long to = open_directory(to_, "..");
    if (to < 0) return to;
    replace(to_, to);
    long position = sys(SYS_lseek, from_, level.position, SEEK_SET);
    return position < 0 ? position : 0;
  }

  long copy_entry(const char* name, const struct statx& status) {
    uint32_t type = status.stx_mode & kTypeMask;
    if (type == kTypeRegular) return copy_file(name);
    long error;
    if (type == kTypeLink) {
      long n = sys(SYS_readlinkat, from_, name, m_.data, sizeof m_.data - 1);
      if (n < 0) return n;
      m_.data[n] = '\0';
      error = sys(SYS_symlinkat, m_.data, to_, name);
    } else {
      error = sys(SYS_mknodat, to_, name, status.stx_mode, device_of(status));
    }
    if (error == 0) error = sys(SYS_fchownat, to_, name, status.stx_uid, status.stx_gid, AT_SYMLINK_NOFOLLOW);
    return error < 0 ? error : copy_times(status, to_, name);
  }

  long copy_file(const char* name) {
    // Should it have become something else meanwhile, then opening it must not wait.
    long from = sys(SYS_openat, from_, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (from < 0) return from;
    struct statx status;
    long error = sys(SYS_statx, from, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status);
    if (error == 0 && (status.stx_mode & kTypeMask) != kTypeRegular) error = -ESTALE;
    long to = error;
    if (error == 0) to = sys(SYS_openat, to_, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to >= 0) {
      error = copy_content(static_cast<int>(from), static_cast<int>(to), static_cast<int64_t>(status.stx_size));
      if (error == 0) error = copy_attributes(static_cast<int>(from), static_cast<int>(to));
      sys(SYS_close, to);
    }
    sys(SYS_close, from);
    return to < 0 ? to : error;
  }

  long copy_content(int from, int to, int64_t size) {
    for (int64_t at = 0; at < size;) {
      int64_t begin = sys(SYS_lseek, from, at, SEEK_DATA);
      if (begin == -ENXIO) break;  // the rest is a hole
      int64_t end = begin < 0 ? size : sys(SYS_lseek, from, begin, SEEK_HOLE);
      if (begin < 0) begin = at;  // a filesystem that knows nothing of holes
      if (end < 0) return end;
      long error = sys(SYS_lseek, from, begin, SEEK_SET);
      if (error >= 0) error = sys(SYS_lseek, to, begin, SEEK_SET);
      if (error >= 0) error = copy_bytes(from, to, end - begin);
      if (error < 0) return error;
      at = end;
    }
    return sys(SYS_ftruncate, to, size);
  }

  long copy_bytes(int from, int to, int64_t left) {
    while (left > 0) {
      auto wanted = static_cast<size_t>(left < static_cast<int64_t>(sizeof m_.data) ? left : sizeof m_.data);
      long n = sys(SYS_read, from, m_.data, wanted);
      if (n <= 0) return n;
      for (long done = 0; done < n;) {
        long written = sys(SYS_write, to, m_.data + done, n - done);
        if (written < 0) return written;
        done += written;
      }
      left -= n;
    }
    return 0;
  }

  // Owner first, because a change of it takes away set-id bits and capabilities; times last.
  long copy_attributes(int from, int to) {
    struct statx status;
    long error = sys(SYS_statx, from, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status);
    if (error == 0) error = sys(SYS_fchown, to, status.stx_uid, status.stx_gid);
    if (error == 0) error = sys(SYS_fchmod, to, status.stx_mode & kPermissions);
    if (error == 0) error = copy_extended_attributes(from, to);
    return error < 0 ? error : copy_times(status, to, nullptr);
  }

  // What neither filesystem knows, or we may not set, is left out, as cp(1) does it.
  static bool is_left_out(long error) {
    return error == -EOPNOTSUPP || error == -EPERM || error == -EACCES || error == -EINVAL || error == -ENODATA;
  }

  long copy_extended_attributes(int from, int to) {
    long size = sys(SYS_flistxattr, from, m_.names, sizeof m_.names);
    if (size < 0) return is_left_out(size) ? 0 : size;
    for (const char* name = m_.names; name < m_.names + size; name += length(name) + 1) {
      long n = sys(SYS_fgetxattr, from, name, m_.data, sizeof m_.data);
      if (n >= 0) n = sys(SYS_fsetxattr, to, name, m_.data, n, 0);
      if (n < 0 && !is_left_out(n)) return n;
    }
    return 0;
  }

  static long copy_times(const struct statx& status, int at, const char* name) {
    const __kernel_timespec times[2] = {{status.stx_atime.tv_sec, status.stx_atime.tv_nsec},
                                        {status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec}};
    return sys(SYS_utimensat, at, name, times, name != nullptr ? AT_SYMLINK_NOFOLLOW : 0);
  }

  Context& c_;
  Memory& m_;
  int from_, to_;  // the two directories where the walk is
};

}  // namespace

long copy_up(Context& c, int from, int mount, bool keep_owner) {
  long memory = sys(SYS_mmap, 0, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return memory;
  constexpr long kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  long source = sys(SYS_openat, from, ".", kFlags);
  long target = source < 0 ? source : sys(SYS_openat, mount, ".", kFlags);
  long error = target;
  if (target >= 0) {
    error = CopyUp(c, *reinterpret_cast<Memory*>(memory), static_cast<int>(source), static_cast<int>(target))
                .run(keep_owner);
  } else if (source >= 0) {
    sys(SYS_close, source);
  }
  sys(SYS_munmap, memory, sizeof(Memory));
  return error;
}

}  // namespace cella::init
