#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "init/arguments.h"
#include "init/context.h"

namespace cella::init {
namespace {

constexpr uint32_t kTypeMask = 0170000, kTypeDirectory = 0040000, kTypeRegular = 0100000;
constexpr long kExecutable = 1;  // X_OK of access(2)

// 0 when `path` is a file that somebody may execute. We are root here; whether the process's user may, execve(2) says.
long check_program(const char* path) {
  struct statx status;
  long error = sys(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE | STATX_MODE, &status);
  if (error < 0) return error;
  if ((status.stx_mode & kTypeMask) == kTypeDirectory) return -EISDIR;
  if ((status.stx_mode & kTypeMask) != kTypeRegular) return -EACCES;
  return sys(SYS_faccessat, AT_FDCWD, path, kExecutable);
}

}  // namespace

char** pointers(const Context& c, uint64_t list, char* extra) {
  plan::Range range = plan::Range::from(list);
  size_t bytes = (range.count + 2ul) * sizeof(char*);
  long memory = sys(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0 && memory > -4096) return nullptr;
  auto** array = reinterpret_cast<char**>(memory);
  const char* text = c.pool() + range.offset;
  for (uint32_t i = 0; i < range.count; ++i) {
    array[i] = const_cast<char*>(text);
    text += length(text) + 1;
  }
  array[range.count] = extra;
  array[range.count + 1ul] = nullptr;
  return array;
}

long do_find_program(Context& c, const Step& s) {
  const char* name = c.string(s.args[0]);
  const char* cwd = c.string(s.args[2]);
  if (find(name, '/') != nullptr) {
    Path path;
    if (*name != '/') path.add(cwd).add("/");
    path.add(name);
    long error = path.truncated ? -ENAMETOOLONG : check_program(path.data);
    if (error < 0) c.detail.add("stat ").add(name);
    c.program.add(name);
    return error;
  }
  long denied = 0;
  for (const char* entry = c.string(s.args[1]); entry != nullptr && *name != '\0';) {
    const char* end = find(entry, ':');
    size_t n = end != nullptr ? static_cast<size_t>(end - entry) : length(entry);
    Path path;
    if (n == 0 || *entry != '/') path.add(cwd).add("/");
    path.add(entry, n).add("/").add(name);
    long error = path.truncated ? -ENAMETOOLONG : check_program(path.data);
    if (error == 0) {
      c.program.add(path.data);
      return 0;
    }
    if (error == -EACCES) denied = error;
    entry = end != nullptr ? end + 1 : nullptr;
  }
  if (denied != 0) return denied;
  c.detail.add("executable file not found in $PATH");
  return -kDetailOnly;
}

// passwd(5) of the image: the sixth field of the first line with this uid, or "/". The file is the image's: only a path
// that could not be anything else in an environment is taken.
long do_home(Context& c, const Step& s) {
  c.home.add("HOME=");
  Text<24> uid;
  uid.add_number(s.args[0]);
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_NO_MAGICLINKS;  // our own descriptors are nothing for an image to link to
  long fd = sys(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how);
  struct statx status;
  bool regular = fd >= 0 && sys(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
                 (status.stx_mode & kTypeMask) == kTypeRegular;
  Text<24> number;
  Path home;
  int field = 0;
  bool found = false, done = !regular;
  constexpr size_t kMaxSize = 1 << 20;
  char buffer[4096];
  for (size_t total = 0; !done && total < kMaxSize;) {
    long n = sys(SYS_read, fd, buffer, sizeof buffer);
    if (n <= 0) break;
    total += static_cast<size_t>(n);
    for (long i = 0; i < n && !done; ++i) {
      char character = buffer[i];
      if (character == '\n') {
        done = found;
        number = {};
        field = 0;
      } else if (character == ':') {
        if (++field == 3) found = !number.truncated && equal(number.data, uid.data);
        if (found && field == 6) done = true;
      } else if (field == 2) {
        number.add(&character, 1);
      } else if (field == 5 && found) {
        home.add(&character, 1);
      }
    }
  }
  if (fd >= 0) sys(SYS_close, fd);
  bool usable = found && home.data[0] == '/' && !home.truncated;
  for (size_t i = 0; i < home.used; ++i) usable = usable && static_cast<unsigned char>(home.data[i]) >= ' ';
  c.home.add(usable ? home.data : "/");
  if (c.home.truncated) c.home = {}, c.home.add("HOME=/");
  return 0;
}

long do_working_directory(Context& c, const Step& s) {
  long error = sys(SYS_chdir, c.string(s.args[0]));
  if (error < 0) return error;
  // The kernel marks a directory that is outside the root with "(unreachable)" (CVE-2024-21626).
  char path[kPathMax];
  long n = sys(SYS_getcwd, path, sizeof path);
  if (n == -ERANGE) return 0;  // too long to print, but inside: an unreachable one is found first
  if (n < 0) return n;
  if (path[0] != '/') {
    c.detail.add("it is outside the container's root");
    return -kDetailOnly;
  }
  return 0;
}

// What the process may keep: standard streams, its extra files. What we keep: the ways to report, the plan is mapped.
long do_close_descriptors(Context& c, const Step& s) {
  c.root_fd = c.mount_fd = c.null_fd = c.empty_fd = c.proc_fd = -1;
  unsigned next = 3;
  for (;;) {
    // The lowest descriptor to keep that is not below `next`.
    unsigned keep = ~0u;
    auto consider = [&](int fd) {
      if (fd >= 0 && static_cast<unsigned>(fd) >= next && static_cast<unsigned>(fd) < keep)
        keep = static_cast<unsigned>(fd);
    };
    consider(c.sync_fd);
    consider(c.fifo_fd);
    for (int i = 0; i < 3; ++i) consider(c.slot(s.args[i]));
    for (uint64_t i = 0; i < 2; ++i) consider(c.slot(s.args[5] + i));
    for (uint64_t i = 0; i < s.args[4]; ++i) consider(c.slot(s.args[3] + i));
    if (keep > next) {
      long error = sys(SYS_close_range, next, keep == ~0u ? ~0u : keep - 1, 0);
      if (error < 0) return error;
    }
    if (keep == ~0u) return 0;
    next = keep + 1;
  }
}

// The launcher has put every slot above 3 + count, so that nothing here is overwritten before it is moved.
long do_place_descriptors(Context& c, const Step& s) {
  for (uint64_t i = 0; i < s.args[1]; ++i) {
    long error = sys(SYS_dup3, c.slot(s.args[0] + i), 3 + i, 0);
    if (error < 0) return error;
  }
  return 0;
}

long do_refuse(Context& c, const Step& s) {
  c.detail.add(c.string(s.args[0]));
  return -kDetailOnly;
}

long do_execute(Context& c, const Step& s) {
  char** args = pointers(c, s.args[0]);
  char** env = pointers(c, s.args[1], c.home.used > 0 ? c.home.data : nullptr);
  if (args == nullptr || env == nullptr) return -ENOMEM;
  long error = sys(SYS_execve, c.program.data, args, env);
  if (error == -E2BIG) c.detail.add("the arguments and the environment are more than the kernel takes");
  return error;
}

// The launcher has left the number of the report free, as those of the extra files.
long do_execute_open(Context& c, const Step& s) {
  char** args = pointers(c, s.args[2]);
  char** env = pointers(c, s.args[3]);
  if (args == nullptr || env == nullptr) return -ENOMEM;
  long error = sys(SYS_dup3, c.started ? c.fifo_fd : c.sync_fd, s.args[1], 0);
  if (error < 0) return error;
  error = sys(SYS_execveat, c.slot(s.args[0]), "", args, env, AT_EMPTY_PATH);
  sys(SYS_close, s.args[1]);
  return error;
}

}  // namespace cella::init
