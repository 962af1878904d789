// embed ROOTFS [STATE]: a container without a bundle and without the command line, as libcontainer's README makes one.
//
// A Config is filled in directly. The container's first program writes into a pipe of ours, a second one joins it; its
// processes are listed, frozen, thawed, limited, counted and signalled, and in the end nothing is left of it.
#include <cella/cella.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using cella::config::NamespaceType;

// The value, or the end of this program with the error's text.
template <typename T>
T must(cella::Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().text().c_str());
    for (const cella::Finding& finding : result.error().findings)
      std::fprintf(stderr, "  %s: %s\n", finding.pointer.c_str(), finding.message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

cella::config::Config make_config(const char* rootfs) {
  namespace config = cella::config;
  config::Config c;
  c.rootfs = rootfs;
  c.readonlyfs = true;
  c.hostname = "embedded";
  for (auto type :
       {NamespaceType::kMount, NamespaceType::kUts, NamespaceType::kIpc, NamespaceType::kPid, NamespaceType::kNet})
    c.namespaces.add(type);
  config::Capabilities& capabilities = c.capabilities.emplace();
  for (const char* name : {"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_NET_BIND_SERVICE"})
    capabilities.bounding |= *cella::capability_bit(name);
  capabilities.effective = capabilities.permitted = capabilities.bounding;
  constexpr uint64_t kFlags = MS_NOEXEC | MS_NOSUID | MS_NODEV;
  auto mount = [&](const char* device, const char* destination, uint64_t flags, const char* data) {
    config::Mount& m = c.mounts.emplace_back();
    m.source = m.device = device;
    m.destination = destination;
    m.flags = flags;
    m.data = data;
  };
  mount("proc", "/proc", kFlags, "");
  mount("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755");
  mount("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount("sysfs", "/sys", kFlags | MS_RDONLY, "");
  c.mask_paths = {"/proc/kcore", "/sys/firmware"};
  c.readonly_paths = {"/proc/sys", "/proc/sysrq-trigger"};
  c.devices = config::default_simple_devices();
  c.rlimits = {{RLIMIT_NOFILE, 1024, 1024}};
  c.no_new_privileges = true;
  c.cgroups.path = "/cella-embed-" + std::to_string(::getpid());
  config::Device& everything =
      c.cgroups.resources.devices.emplace_back();  // denied; the last rule that matches decides
  everything.type = 'a';
  everything.major = everything.minor = config::kWildcard;
  everything.permissions = "rwm";
  for (const config::Device& device : config::default_allowed_devices()) c.cgroups.resources.devices.push_back(device);
  c.cgroups.resources.pids_limit = 64;
  return c;
}

cella::Process make_process(std::vector<std::string> args) {
  cella::Process process;
  process.config.args = std::move(args);
  process.config.env = {"PATH=/bin:/usr/bin"};
  return process;
}

std::string read_line(int fd) {
  std::string line;
  char c;
  for (;;) {
    ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || c == '\n') return line;
    line += c;
  }
}

void close_all(const cella::Stdio& stdio) {
  for (int fd : {stdio.in, stdio.out, stdio.err}) ::close(fd);
}

void show(const cella::Container& container) {
  std::printf("%s, processes: %zu\n", cella::status_name(must(container.status(), "status")),
              must(container.processes(), "processes").size());
}

// What a supervisor does: limits, counters, and a wait for whatever comes first, a lack of memory or the end.
void supervise(cella::Container& container) {
  cella::config::Config c = container.config();
  c.cgroups.resources.pids_limit = 32;
  must(container.set(c), "set");
  const cella::Stats stats = must(container.stats(), "stats");
  std::printf("pids: %llu of %llu\n", static_cast<unsigned long long>(stats.cgroup_stats.pids_stats.current),
              static_cast<unsigned long long>(stats.cgroup_stats.pids_stats.limit));
  cella::Notification oom = must(container.notify_oom(), "notify_oom");
  cella::Result<cella::Notification> pressure = container.notify_memory_pressure(cella::PressureLevel::kCritical);
  if (!pressure && pressure.error().code != cella::ErrorCode::kUnsupported) must(std::move(pressure), "pressure");

  must(container.signal(SIGKILL), "signal");
  pollfd wait = {oom.fd(), POLLIN, 0};
  while (must(oom.receive(), "receive") != cella::Notification::Kind::kEnd) ::poll(&wait, 1, -1);
  if (pressure && must(pressure->receive(), "receive") != cella::Notification::Kind::kEnd) std::printf("pressure\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: embed ROOTFS [STATE]\n");
    return 2;
  }
  cella::FactoryOptions options;
  if (argc > 2) options.root = argv[2];
  options.on_warning = [](const cella::Finding& warning) {
    std::fprintf(stderr, "warning: %s: %s\n", warning.pointer.c_str(), warning.message.c_str());
  };
  cella::Factory factory(options);
  const std::string id = "embed-" + std::to_string(::getpid());

  cella::Container container = must(factory.create(id, make_config(argv[1])), "create");
  cella::Process first =
      make_process({"sh", "-c", "echo hello from $(hostname); read answer; echo got $answer; sleep 1000"});
  cella::Stdio pipes = must(first.initialize_io(), "pipes");
  must(container.run(first), "run");
  std::printf("first: %s\n", read_line(pipes.out).c_str());
  const std::string answer = "input\n";
  if (::write(pipes.in, answer.data(), answer.size()) < 0) std::perror("write");
  std::printf("first: %s\n", read_line(pipes.out).c_str());

  cella::Process second = make_process({"sh", "-c", "echo pid $$ of $(hostname); exit 7"});
  cella::Stdio second_pipes = must(second.initialize_io(), "pipes");
  must(container.run(second), "exec");
  std::printf("second: %s\n", read_line(second_pipes.out).c_str());
  std::printf("second ended with %d\n", cella::exit_code_of(must(second.wait(), "wait")));
  close_all(second_pipes);

  show(container);
  must(container.pause(), "pause");
  show(container);
  must(container.resume(), "resume");
  show(container);

  supervise(container);
  std::printf("first ended with %d\n", cella::exit_code_of(must(first.wait(), "wait")));
  close_all(pipes);
  show(container);
  must(container.destroy(), "destroy");
  const bool gone = !factory.load(id);
  std::printf("%s\n", gone ? "gone" : "still there");
  return gone ? 0 : 1;
}
