#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cli/command.h"
#include "cli/integer.h"
#include "cli/size.h"

namespace cella::cli {
namespace {

using config::IntelRdt, config::Resources;

struct UpdateOptions {
  std::string resources;  // the file
  ResourceChanges changes;
  bool limits = false;         // one is given by an option
  bool kernel_memory = false;  // and this is ignored
};

UpdateOptions& given(void* options) {
  auto& update = *static_cast<UpdateOptions*>(options);
  update.limits = true;
  return update;
}

// --- one `store` for each kind of value. Nothing is asked for by "", as with runc, and by 0 where Least is not 0
// either.

template <auto Member, int64_t Least>
const char* integer(void* options, const char* value) {
  auto& target = given(options).changes.resources.*Member;
  using T = typename std::remove_cvref_t<decltype(target)>::value_type;
  if (*value == '\0') return nullptr;
  const std::optional<T> number = parse_integer<T>(value);
  if (!number) return std::is_signed_v<T> ? "must be an integer" : "must be a number";
  if constexpr (std::is_signed_v<T>) {
    if (*number < Least) return Least == 0 ? "must not be negative" : "must be -1 (unlimited) or more";
  }
  target = *number;
  return nullptr;
}

// 0 is "not set".
template <auto Member, int64_t Least = 0>
const char* nonzero(void* options, const char* value) {
  const char* wrong = integer<Member, Least>(options, value);
  auto& target = static_cast<UpdateOptions*>(options)->changes.resources.*Member;
  if (target && *target == 0) target.reset();
  return wrong;
}

const char* read_size(const char* value, std::optional<int64_t>& size) {
  const std::string_view text = value;
  if (text.empty()) return nullptr;
  size = text == "-1" ? -1 : parse_size(text);
  return size ? nullptr : "must be a size such as 512m, or -1 (unlimited)";
}

template <auto Member>
const char* size(void* options, const char* value) {
  std::optional<int64_t> size;
  if (const char* wrong = read_size(value, size)) return wrong;
  if (size && *size != 0) given(options).changes.resources.*Member = size;
  return nullptr;
}

const char* ignore_kernel_memory(void* options, const char* value) {
  std::optional<int64_t> size;
  if (const char* wrong = read_size(value, size)) return wrong;
  given(options).kernel_memory |= size.has_value();
  return nullptr;
}

// "0-3,7"; whether there are such CPUs is the kernel's to say.
template <auto Member>
const char* list(void* options, const char* value) {
  if (std::string_view(value).find_first_not_of("0123456789,-") != std::string_view::npos) {
    return "must be a list such as 0-3,7";
  }
  given(options).changes.resources.*Member = value;
  return nullptr;
}

const char* weight(void* options, const char* value) {
  if (const char* wrong = nonzero<&Resources::blkio_weight>(options, value)) return wrong;
  const auto& weight = static_cast<UpdateOptions*>(options)->changes.resources.blkio_weight;
  return weight && (*weight < 10 || *weight > 1000) ? "must be between 10 and 1000" : nullptr;
}

// Not of the limits: runc takes these with --resources too.
template <auto Member>
const char* schema(void* options, const char* value) {
  std::optional<IntelRdt>& rdt = static_cast<UpdateOptions*>(options)->changes.intel_rdt;
  if (*value == '\0') return nullptr;
  if (!rdt) rdt.emplace();
  (*rdt).*Member = value;
  return nullptr;
}

// --- the file

Result<std::string> read_all(int fd, const std::string& name) {
  constexpr size_t kMaximum = 16 << 20;
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(errno, "reading " + name);
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > kMaximum) return system_error(EFBIG, "reading " + name);
  }
}

Result<std::string> read_file(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, "standard input");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(errno, "opening " + path);
  Result<std::string> text = read_all(fd, path);
  ::close(fd);
  return text;
}

Result<int> update(Invocation& invocation, const UpdateOptions& options) {
  const Factory factory = invocation.factory();
  ResourceChanges changes = options.changes;
  if (options.kernel_memory) {
    log_warning(invocation.globals.log,
                {"", "--kernel-memory is ignored: Linux enforces limits of kernel memory no more"});
  }
  if (!options.resources.empty()) {
    if (options.limits) return usage_error("--resources cannot be combined with options that set limits");
    const std::string text = TRY(read_file(options.resources));
    changes.resources = TRY(factory.parse_resources(text));
  }
  Container container = TRY(factory.load(invocation.id()));
  TRY(container.update(changes));
  return 0;
}

using R = Resources;
constexpr auto kOptions = std::to_array<Option>({
    {"resources", "r", "FILE", "take the limits from FILE, or - for standard input, as JSON",
     into<UpdateOptions, &UpdateOptions::resources>},
    {"blkio-weight", nullptr, "N", "share of block I/O, 10 to 1000", weight},
    {"cpu-period", nullptr, "USEC", "length of a period of --cpu-quota", nonzero<&R::cpu_period>},
    {"cpu-quota", nullptr, "USEC", "CPU time in each period; -1: unlimited", nonzero<&R::cpu_quota, -1>},
    {"cpu-burst", nullptr, "USEC", "unused CPU time that may be saved up", integer<&R::cpu_burst, 0>},
    {"cpu-share", nullptr, "N", "share of CPU time, 2 to 262144", nonzero<&R::cpu_shares>},
    {"cpu-rt-period", nullptr, "USEC", "length of a period of --cpu-rt-runtime", nonzero<&R::cpu_rt_period>},
    {"cpu-rt-runtime", nullptr, "USEC", "realtime CPU time in each period", nonzero<&R::cpu_rt_runtime, -1>},
    {"cpuset-cpus", nullptr, "LIST", "CPUs to run on", list<&R::cpuset_cpus>},
    {"cpuset-mems", nullptr, "LIST", "memory nodes to allocate from", list<&R::cpuset_mems>},
    {"kernel-memory", nullptr, "BYTES", nullptr, ignore_kernel_memory},
    {"kernel-memory-tcp", nullptr, "BYTES", nullptr, size<&R::kernel_memory_tcp>},
    {"memory", nullptr, "BYTES", "limit of memory; -1: unlimited", size<&R::memory>},
    {"cpu-idle", nullptr, "N", "1: run only when nothing else wants to; 0: not so", integer<&R::cpu_idle, 0>},
    {"memory-reservation", nullptr, "BYTES", "memory that is not reclaimed while others have more than theirs",
     size<&R::memory_reservation>},
    {"memory-swap", nullptr, "BYTES", "limit of memory and swap together; -1: unlimited", size<&R::memory_swap>},
    {"pids-limit", nullptr, "N", "number of processes and threads; -1: unlimited", integer<&R::pids_limit, -1>},
    {"l3-cache-schema", nullptr, "SCHEMA", "Intel RDT: schema of the L3 cache", schema<&IntelRdt::l3_cache_schema>},
    {"mem-bw-schema", nullptr, "SCHEMA", "Intel RDT: schema of the memory bandwidth", schema<&IntelRdt::mem_bw_schema>},
});

}  // namespace

constinit const Command kUpdate = {
    .name = "update",
    .summary = "change the limits of a container",
    .usage = "ID",
    .details =
        "What is not given stays as it is. Sizes may end in k, m, g, t or p. When the kernel refuses\n"
        "a value, those before it are taken back.\n",
    .options = kOptions,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = with_options<UpdateOptions, update>,
};

}  // namespace cella::cli
