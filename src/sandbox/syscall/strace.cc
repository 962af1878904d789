#include "sandbox/syscall/strace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <bitset>
#include <cstring>

#include "base/result.h"
#include "sandbox/core/restart.h"
#include "sandbox/syscall/table.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::syscall {
namespace {

constexpr size_t kMostNumbers = 512, kMostWords = 64, kMostPath = 4096;

struct Flag {
  uint64_t bits;
  const char* name;
};
#define CELLA_FLAG(name) {static_cast<uint64_t>(name), #name}
// Those of several bits come before their parts.
constexpr Flag kOpenFlags[] = {CELLA_FLAG(O_SYNC),      CELLA_FLAG(O_TMPFILE),  CELLA_FLAG(O_WRONLY),
                               CELLA_FLAG(O_RDWR),      CELLA_FLAG(O_CREAT),    CELLA_FLAG(O_EXCL),
                               CELLA_FLAG(O_NOCTTY),    CELLA_FLAG(O_TRUNC),    CELLA_FLAG(O_APPEND),
                               CELLA_FLAG(O_NONBLOCK),  CELLA_FLAG(O_DSYNC),    CELLA_FLAG(O_DIRECT),
                               CELLA_FLAG(O_DIRECTORY), CELLA_FLAG(O_NOFOLLOW), CELLA_FLAG(O_NOATIME),
                               CELLA_FLAG(O_CLOEXEC),   CELLA_FLAG(O_PATH),     {0100000, "O_LARGEFILE"}};
constexpr Flag kProtections[] = {CELLA_FLAG(PROT_READ), CELLA_FLAG(PROT_WRITE), CELLA_FLAG(PROT_EXEC),
                                 CELLA_FLAG(PROT_GROWSDOWN), CELLA_FLAG(PROT_GROWSUP)};
constexpr Flag kMapFlags[] = {CELLA_FLAG(MAP_SHARED_VALIDATE), CELLA_FLAG(MAP_SHARED), CELLA_FLAG(MAP_PRIVATE),
                              CELLA_FLAG(MAP_FIXED_NOREPLACE), CELLA_FLAG(MAP_FIXED),  CELLA_FLAG(MAP_ANONYMOUS),
                              CELLA_FLAG(MAP_GROWSDOWN),       CELLA_FLAG(MAP_LOCKED), CELLA_FLAG(MAP_NORESERVE),
                              CELLA_FLAG(MAP_POPULATE),        CELLA_FLAG(MAP_STACK),  CELLA_FLAG(MAP_HUGETLB)};
constexpr Flag kCloneFlags[] = {CELLA_FLAG(CLONE_VM),
                                CELLA_FLAG(CLONE_FS),
                                CELLA_FLAG(CLONE_FILES),
                                CELLA_FLAG(CLONE_SIGHAND),
                                CELLA_FLAG(CLONE_PIDFD),
                                CELLA_FLAG(CLONE_PTRACE),
                                CELLA_FLAG(CLONE_VFORK),
                                CELLA_FLAG(CLONE_PARENT),
                                CELLA_FLAG(CLONE_THREAD),
                                CELLA_FLAG(CLONE_NEWNS),
                                CELLA_FLAG(CLONE_SYSVSEM),
                                CELLA_FLAG(CLONE_SETTLS),
                                CELLA_FLAG(CLONE_PARENT_SETTID),
                                CELLA_FLAG(CLONE_CHILD_CLEARTID),
                                CELLA_FLAG(CLONE_CHILD_SETTID),
                                CELLA_FLAG(CLONE_NEWCGROUP),
                                CELLA_FLAG(CLONE_NEWUTS),
                                CELLA_FLAG(CLONE_NEWIPC),
                                CELLA_FLAG(CLONE_NEWUSER),
                                CELLA_FLAG(CLONE_NEWPID),
                                CELLA_FLAG(CLONE_NEWNET)};
constexpr Flag kWaitFlags[] = {CELLA_FLAG(WNOHANG),     CELLA_FLAG(WUNTRACED), CELLA_FLAG(WCONTINUED),
                               CELLA_FLAG(__WNOTHREAD), CELLA_FLAG(__WCLONE),  CELLA_FLAG(__WALL)};
#undef CELLA_FLAG
constexpr const char* kClocks[] = {"CLOCK_REALTIME",          "CLOCK_MONOTONIC",     "CLOCK_PROCESS_CPUTIME_ID",
                                   "CLOCK_THREAD_CPUTIME_ID", "CLOCK_MONOTONIC_RAW", "CLOCK_REALTIME_COARSE",
                                   "CLOCK_MONOTONIC_COARSE",  "CLOCK_BOOTTIME"};
constexpr const char* kWhences[] = {"SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"};

std::string names_of(std::span<const Flag> flags, uint64_t value, const char* none) {
  std::string text;
  for (const Flag& flag : flags) {
    if ((value & flag.bits) != flag.bits) continue;
    text += fmt::format("{}{}", text.empty() ? "" : "|", flag.name);
    value &= ~flag.bits;
  }
  if (value != 0) text += fmt::format("{}{:#x}", text.empty() ? "" : "|", value);
  return text.empty() ? none : text;
}

std::string name_of(std::span<const char* const> names, uint64_t value) {
  return value < names.size() ? names[value] : fmt::format("{}", static_cast<int64_t>(value));
}

std::string signal_text(uint64_t number) {
  const char* name = sigabbrev_np(static_cast<int>(number));
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("{}", static_cast<int>(number));
}

std::string error_text(int64_t error) {
  switch (error) {
    case core::kRestartSys:
    case core::kRestartNoIntr:
    case core::kRestartNoHand:
    case core::kRestartBlock:
      return "? (a signal has interrupted it)";
  }
  const char* name = strerrorname_np(static_cast<int>(error));
  return name == nullptr ? fmt::format("{}", -error)
                         : fmt::format("-1 {} ({})", name, strerrordesc_np(static_cast<int>(error)));
}

class Strace final : public task::CallObserver {
 public:
  Strace(std::bitset<kMostNumbers> selected, size_t log_size, StraceSink sink)
      : selected_(selected), log_size_(log_size), sink_(std::move(sink)) {}

  void entered(task::Task& task, const platform::Registers& call) override {
    if (!shows(call.orig_rax)) return;
    sink_(fmt::format("{} E {}", head(task), text_of(task, call, nullptr)));
  }

  void left(task::Task& task, const platform::Registers& call, int64_t result, core::Nanoseconds taken) override {
    if (!shows(call.orig_rax)) return;
    const std::string end = result >= 0 ? fmt::format("{}", result) : error_text(-result);
    sink_(fmt::format("{} X {} = {} ({} us)", head(task), text_of(task, call, &result), end, taken / 1000));
  }

 private:
  // What has no number of the table is shown when everything is.
  bool shows(uint64_t number) const { return number < kMostNumbers ? selected_[number] : selected_.all(); }

  static std::string head(const task::Task& task) {
    return fmt::format("[{:4}:{:4}] {}", task.group->id, task.id, task.name);
  }

  std::string text_of(task::Task& task, const platform::Registers& r, const int64_t* result) const {
    const Entry* entry = find(r.orig_rax);
    const uint64_t values[6] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
    std::string text = entry != nullptr ? entry->name : fmt::format("syscall_{}", r.orig_rax);
    const char* letters = entry != nullptr ? entry->arguments : "xxxxxx";
    text += '(';
    for (size_t i = 0; letters[i] != '\0'; ++i) {
      if (i > 0) text += ", ";
      text += argument(task, letters[i], values[i], i < 5 ? values[i + 1] : 0, result);
    }
    return text + ')';
  }

  std::string argument(task::Task& task, char letter, uint64_t value, uint64_t next, const int64_t* result) const {
    switch (letter) {
      case 'd':
      case 'f':
        return fmt::format("{}", static_cast<int>(value));
      case 'F':
        return static_cast<int>(value) == AT_FDCWD ? "AT_FDCWD" : fmt::format("{}", static_cast<int>(value));
      case 'l':
        return fmt::format("{}", static_cast<int64_t>(value));
      case 'u':
        return fmt::format("{}", value);
      case 'm':
        return fmt::format("0{:o}", static_cast<uint32_t>(value));
      case 's':
        return string(task, value);
      case 'v':
        return list(task, value);
      case 'b':
        return buffer(task, value, next);
      case 'B':
        if (result == nullptr || *result < 0) return pointer(value);
        return buffer(task, value, static_cast<uint64_t>(*result));
      case 'V':
        return vector(task, value, next);
      case 't':
        return time(task, value);
      case 'T':
        return result != nullptr && *result >= 0 ? time(task, value) : pointer(value);
      case 'O':
        return open_flags(static_cast<uint32_t>(value));
      case 'P':
        return names_of(kProtections, value, "PROT_NONE");
      case 'M':
        return names_of(kMapFlags, value, "0");
      case 'c':
        return clone_flags(value);
      case 'W':
        return names_of(kWaitFlags, static_cast<uint32_t>(value), "0");
      case 'S':
        return signal_text(value);
      case 'C':
        return name_of(kClocks, value);
      case 'H':
        return name_of(kWhences, value);
      case 'p':
        return pointer(value);
      default:
        return fmt::format("{:#x}", value);
    }
  }

  static std::string pointer(uint64_t value) { return value == 0 ? "NULL" : fmt::format("{:#x}", value); }

  static std::string open_flags(uint64_t value) {
    const std::string names = names_of(kOpenFlags, value, "");
    if ((value & O_ACCMODE) != O_RDONLY) return names;
    return names.empty() ? "O_RDONLY" : "O_RDONLY|" + names;
  }

  // The signal that tells the parent is in the lowest byte, clone(2).
  static std::string clone_flags(uint64_t value) {
    const std::string flags = names_of(kCloneFlags, value & ~uint64_t{0xff}, "");
    const uint64_t signal = value & 0xff;
    if (signal == 0) return flags.empty() ? "0" : flags;
    return flags.empty() ? signal_text(signal) : flags + "|" + signal_text(signal);
  }

  // At most log_size bytes; "…" behind it says that there is more.
  std::string quoted(std::string_view bytes, bool cut) const {
    std::string text = "\"";
    for (char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        text += '\\';
        text += c;
      } else if (c == '\n') {
        text += "\\n";
      } else if (c == '\t') {
        text += "\\t";
      } else if (byte < ' ' || byte > '~') {
        text += fmt::format("\\x{:02x}", byte);
      } else {
        text += c;
      }
    }
    return text + (cut ? "\"..." : "\"");
  }

  std::string string(task::Task& task, uint64_t address) const {
    if (address == 0) return "NULL";
    SysResult<std::string> text = task.memory().read_string(address, kMostPath);
    if (!text) return pointer(address);
    return quoted(std::string_view(*text).substr(0, log_size_), text->size() > log_size_);
  }

  std::string buffer(task::Task& task, uint64_t address, uint64_t size) const {
    if (address == 0) return "NULL";
    std::string bytes(std::min<uint64_t>(size, log_size_), '\0');
    SysResult<size_t> read = task.memory().copy_in_some(address, bytes.data(), bytes.size());
    if (!read) return pointer(address);
    bytes.resize(*read);
    return quoted(bytes, bytes.size() < size);
  }

  std::string list(task::Task& task, uint64_t address) const {
    if (address == 0) return "NULL";
    std::string text = "[";
    for (size_t i = 0;; ++i) {
      SysResult<uint64_t> word = task.memory().read<uint64_t>(address + i * sizeof(uint64_t));
      if (!word) return pointer(address);
      if (*word == 0) return text + "]";
      text += i > 0 ? ", " : "";
      if (i == kMostWords || text.size() > log_size_) return text + "...]";
      text += string(task, *word);
    }
  }

  std::string vector(task::Task& task, uint64_t address, uint64_t count) const {
    std::string text = "[";
    for (uint64_t i = 0; i < count; ++i) {
      SysResult<iovec> piece = task.memory().read<iovec>(address + i * sizeof(iovec));
      if (!piece) return pointer(address);
      text += i > 0 ? ", " : "";
      if (i == kMostWords || text.size() > log_size_) return text + "...]";
      text += buffer(task, reinterpret_cast<uint64_t>(piece->iov_base), piece->iov_len);
    }
    return text + "]";
  }

  static std::string time(task::Task& task, uint64_t address) {
    SysResult<timespec> value = task.memory().read<timespec>(address);
    if (address == 0 || !value) return pointer(address);
    return fmt::format("{{{}, {}}}", value->tv_sec, value->tv_nsec);
  }

  const std::bitset<kMostNumbers> selected_;
  const size_t log_size_;
  const StraceSink sink_;
};

}  // namespace

Result<std::unique_ptr<task::CallObserver>> make_strace(const std::vector<std::string>& calls, size_t log_size,
                                                        StraceSink sink) {
  std::bitset<kMostNumbers> selected;
  for (const std::string& name : calls) {
    const Entry* entry = find(std::string_view(name));
    if (entry == nullptr) {
      return base::fail(ErrorCode::kInvalidArgument, "no system call is named \"{}\"", name);
    }
    selected.set(static_cast<size_t>(entry->number));
  }
  if (calls.empty()) selected.set();
  return std::make_unique<Strace>(selected, log_size, std::move(sink));
}

}  // namespace cella::sandbox::syscall
