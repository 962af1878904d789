// The second engine: an application kernel that serves the system calls of a container's programs itself.
//
// A container is one of this engine's when its Config carries the annotation "dev.cella.isolation=sandbox"
// (Config::labels); the annotations "dev.cella.sandbox.OPTION" set what sandbox::Config names. Factory, Container and
// Process then work as for any other container. What this engine does not enforce is refused by its name.
//
// The names are those of runsc's `boot` package: Config, FileAccess, NetworkType, PlatformType, Loader.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

namespace cella::sandbox {

// Who opens the host's files.
enum class FileAccess {
  kProxy,   // a process of its own, the gofer, which the kernel asks: docs/gofer-protocol.md
  kDirect,  // the kernel itself, below the directories that it is given
};
enum class NetworkType {
  kSandbox,  // a network stack inside the kernel: not there yet
  kHost,     // sockets of the host's, in the container's network namespace
  kNone,     // no network but a loopback
};
// What runs guest code.
enum class PlatformType {
  kPtrace,   // ptrace(2): works everywhere
  kSystrap,  // signals and shared memory: not there yet
  kKvm,      // /dev/kvm: not there yet
};

// "proxy", "direct"; "sandbox", "host", "none"; "ptrace", "systrap", "kvm". kInvalidArgument.
Result<FileAccess> make_file_access_type(std::string_view name);
Result<NetworkType> make_network_type(std::string_view name);
Result<PlatformType> make_platform_type(std::string_view name);
const char* to_string(FileAccess type);
const char* to_string(NetworkType type);
const char* to_string(PlatformType type);

inline constexpr FileAccess kDefaultFileAccess = FileAccess::kDirect;
inline constexpr NetworkType kDefaultNetwork = NetworkType::kNone;
inline constexpr PlatformType kDefaultPlatform = PlatformType::kPtrace;

inline constexpr char kIsolationAnnotation[] = "dev.cella.isolation";  // "namespaces" or "sandbox"
inline constexpr char kOptionPrefix[] = "dev.cella.sandbox.";

// What is no part of the runtime specification. Annotation of each: kOptionPrefix and the name behind the member.
struct Config {
  std::string root_dir;                         // of the runtime; not an annotation
  FileAccess file_access = kDefaultFileAccess;  // "file-access"
  bool overlay = false;                         // "overlay": what is written to the root stays in memory
  NetworkType network = kDefaultNetwork;        // "network"
  bool log_packets = false;                     // "log-packets"
  PlatformType platform = kDefaultPlatform;     // "platform"
  bool strace = false;                          // "strace": the debug log tells of system calls
  std::vector<std::string> strace_syscalls;     // "strace-syscalls": of these alone; empty: of all
  uint32_t strace_log_size = 1024;              // "strace-log-size": bytes that are shown of a buffer
  bool disable_seccomp = false;                 // "disable-seccomp": the kernel goes without its own filter
  friend bool operator==(const Config&, const Config&) = default;
};

// The unix socket of the container's control server, in its state directory: whoever may write there may use it.
std::string control_socket_addr(std::string_view root_dir, std::string_view id);

// Gives this thread these five sets, capabilities(7), and no other capability: for a process that has no use for
// libcella's containers and wants to confine itself as they are. Needs CAP_SETPCAP to take something out of the
// bounding set. EPERM; then some of it may have been done.
Result<void> apply_caps(const config::Capabilities& capabilities);

// A process as the guest's kernel has it. All numbers are the guest's.
struct GuestProcess {
  int pid = 0, parent_pid = 0;
  uint32_t uid = 0;
  uint32_t threads = 0;
  int64_t start_time = 0;  // seconds since 1970
  uint64_t cpu_time = 0;   // nanoseconds
  std::string command;     // its arguments, or in brackets its name
};

// What runsc's event has of memory and processes, as the guest's kernel counts them.
struct MemoryEntry {
  uint64_t limit = 0, usage = 0;
};
struct Stats {
  MemoryEntry memory;  // bytes that guests use
  uint64_t processes = 0;
  // Calls that this kernel does not have, by name or number: how often they were made.
  std::map<std::string, uint64_t> unknown_syscalls;
};
struct Event {
  std::string type;  // "stats"
  std::string id;
  Stats data;
};

// What a process of the host's does in the place of one inside the container that `control_socket` has started with
// application.Execute: forwards its signals, and gives its wait status when it has ended. One for each process.
Result<int> attend(int control_socket, int pid);

// The application kernel in this process: loads it, runs the container's first program, waits for it. One for each
// process, which should have no threads and do nothing else: its descriptors are the kernel's, its signals the guest's.
class Loader {
 public:
  // `request_fd`: what libcella has written about the container to be; the other descriptors that it names are this
  // process's. Takes them all over. kConfigInvalid, kUnsupported.
  static Result<Loader> make(int request_fd);
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;
  ~Loader();

  // Blocks until whoever made the request lets the program start.
  void wait_for_start_signal();
  // Starts the container's first program. An error is told to whoever waits for the container, too.
  Result<void> run();
  // Forwards signals to the program and returns when it has ended: its wait status, see wait(2).
  int wait_exit();
  // Gives everything back. The guest's other processes have ended with the first one.
  void destroy();

 private:
  struct Impl;
  explicit Loader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cella::sandbox
