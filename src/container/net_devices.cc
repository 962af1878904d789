#include "container/net_devices.h"

#include <fcntl.h>

#include "base/result.h"
#include "network/devices.h"
#include "sys/file.h"

namespace cella::container {
namespace {

using network::Device;
using network::Socket;

Result<sys::FileDescriptor> own_namespace() {
  return TRY(sys::open("/proc/thread-self/ns/net", O_RDONLY), "opening the runtime's network namespace");
}

Result<bool> is_same(int one, int other) {
  struct stat a = TRY(sys::stat_at(one, "", AT_EMPTY_PATH));
  struct stat b = TRY(sys::stat_at(other, "", AT_EMPTY_PATH));
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Out of the namespace `netns`; `devices` is what it holds.
Result<void> move_back(StateDirectory& directory, std::vector<Device>& devices, Socket& host, int netns,
                       std::vector<std::string>& warnings) {
  sys::FileDescriptor own = TRY(own_namespace());
  Socket inside = TRY(Socket::open(netns));
  const std::vector<network::Link> links = TRY(inside.links());
  if (network::choose_places(devices, TRY(host.links()), links, warnings)) {
    TRY(directory.write_devices(network::to_json(devices)));
  }
  for (const Device& device : devices) {
    if (network::find_inside(device, links) != nullptr) TRY(network::move_back(device, inside, own.get()));
  }
  return {};
}

}  // namespace

Result<void> lend_devices(StateDirectory& directory, const config::Config& config, pid_t pid) {
  if (config.net_devices.empty()) return {};
  sys::FileDescriptor netns = TRY(sys::open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY),
                                  "opening the container's network namespace");
  sys::FileDescriptor own = TRY(own_namespace());
  if (TRY(is_same(own.get(), netns.get()))) {
    return base::fail(ErrorCode::kConfigInvalid,
                      "linux.netDevices: the container's network namespace is the runtime's own");
  }
  Socket host = TRY(Socket::open());
  Socket inside = TRY(Socket::open(netns.get()), "entering the container's network namespace");
  const std::vector<Device> devices = TRY(network::find_devices(config.net_devices, host, inside));
  TRY(directory.write_devices(network::to_json(devices)));
  TRY(directory.bind_namespace(netns.get()));
  for (const Device& device : devices) TRY(network::move_in(device, host, inside, netns.get()));
  return {};
}

Result<void> take_devices_back(StateDirectory& directory, std::vector<std::string>& warnings) {
  std::optional<std::string> record = TRY(directory.read_devices());
  if (!record) return directory.release_namespace();
  std::vector<Device> devices = TRY(network::parse_devices(*record));
  Socket host = TRY(Socket::open());
  sys::FileDescriptor netns = TRY(directory.open_namespace());
  if (netns) TRY(move_back(directory, devices, host, netns.get(), warnings));
  const std::vector<network::Link> links = TRY(host.links());
  for (const Device& device : devices) network::restore(device, host, links, warnings);
  return directory.release_namespace();
}

}  // namespace cella::container
