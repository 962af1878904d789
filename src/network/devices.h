// The network devices that a container borrows from the host (linux.netDevices of the specification, config-linux.md,
// "Network Devices"): what is moved, as what, and what it has to be again when it comes back.
//
// A device keeps its MTU and its hardware address when it moves; the kernel takes it down and forgets its addresses,
// its routes and its sysctls. The permanent addresses are put back, those of global scope inside and all of them on the
// host; routes other than those that follow from the addresses are not.
//
// Everything that is chosen is chosen before anything is done, names and indexes included, so that whoever has the
// Devices, and the namespace, can finish or undo what another process has begun. Where to keep both is the caller's.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <cella/config.h>
#include <cella/error.h>

#include "network/link.h"
#include "network/socket.h"

namespace cella::network {

struct Device {
  std::string host_name;
  int host_index = 0;
  std::string name;  // inside
  int index = 0;     // inside
  std::string kind;
  bool up = false;  // on the host
  uint32_t mtu = 0;
  std::string mac;
  std::vector<Address> addresses;  // permanent ones, on the host, in the order in which they were added

  friend bool operator==(const Device&, const Device&) = default;
};

std::string to_json(const std::vector<Device>& devices);
// kConfigInvalid with findings.
Result<std::vector<Device>> parse_devices(std::string_view json_text);

// A name that no link has: `wanted`, with the least number in the place of a "%d"; empty: it is taken.
std::string free_name(const std::vector<Link>& links, std::string_view wanted);
// An index that no link has: `wanted` if possible.
int free_index(const std::vector<Link>& links, int wanted);

// What is to be done for `wanted`, for namespaces with these links; the addresses are still to be filled in. Errors,
// each naming the device: it is not there (ENODEV), it is the loopback interface or a port of something (EBUSY), its
// new name is taken (EEXIST).
Result<std::vector<Device>> choose_devices(const std::map<std::string, config::NetDevice>& wanted,
                                           const std::vector<Link>& host, const std::vector<Link>& inside);
// choose_devices() for what is there now, complete.
Result<std::vector<Device>> find_devices(const std::map<std::string, config::NetDevice>& wanted, Socket& host,
                                         Socket& inside);
// Moves one in, gives it its addresses and takes it up. `netns` is the container's namespace. Half done on error.
Result<void> move_in(const Device& device, Socket& host, Socket& inside, int netns);

// The device's link among those inside: by index, and of the kind that it had, because what runs inside may have put
// another in its place. Null: it is not there.
const Link* find_inside(const Device& device, const std::vector<Link>& inside);
// For a host with these links: gives each device that is inside a name and an index to come back with, its own if they
// are free. Says in words which name is not. True: something has changed and has to be kept before move_back().
bool choose_places(std::vector<Device>& devices, const std::vector<Link>& host, const std::vector<Link>& inside,
                   std::vector<std::string>& warnings);
// `netns` is the host's namespace.
Result<void> move_back(const Device& device, Socket& inside, int netns);
// What a device on the host has to be again. Does no harm to one that never was away. What cannot be restored, and a
// device that is not there, is a warning.
void restore(const Device& device, Socket& host, const std::vector<Link>& links, std::vector<std::string>& warnings);

}  // namespace cella::network
