#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cli/command.h"
#include "cli/output.h"

namespace cella::cli {
namespace {

struct SpecOptions {
  std::string bundle = ".";
  bool rootless = false;
};

Result<int> spec(Invocation&, const SpecOptions& options) {
  const std::string path = options.bundle == "." ? "config.json" : options.bundle + "/config.json";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    Error error = Error(Errno{errno}).with("creating " + path);
    if (error.errno_value == EEXIST) error.hint = "remove it first, or choose another directory with --bundle";
    return std::unexpected(std::move(error));
  }
  const SysResult<void> written = write_all(fd, default_spec_json(options.rootless));
  const int failure = !written ? written.error().value : ::close(fd) < 0 ? errno : 0;
  if (failure == 0) return 0;
  ::unlink(path.c_str());  // half a config helps nobody
  return system_error(failure, "writing " + path);
}

constexpr auto kOptions = std::to_array<Option>({
    {"bundle", "b", "DIR", "where to write config.json (default: the current directory)",
     into<SpecOptions, &SpecOptions::bundle>},
    {"rootless", nullptr, nullptr, "for a container made by an ordinary user",
     into<SpecOptions, &SpecOptions::rootless>},
});

}  // namespace

constinit const Command kSpec = {
    .name = "spec",
    .summary = "write a config.json to start from",
    .usage = "",
    .details =
        "The program is a shell with a terminal, the root filesystem the directory rootfs. An\n"
        "existing file is left alone.\n",
    .options = kOptions,
    .min_arguments = 0,
    .max_arguments = 0,
    .run = with_options<SpecOptions, spec>,
};

}  // namespace cella::cli
