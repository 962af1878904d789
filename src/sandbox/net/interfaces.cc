#include "sandbox/net/interfaces.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "base/result.h"

namespace cella::sandbox::net {
namespace {

uint32_t mask_of(uint8_t prefix) {
  return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix);
}

// The first address of IPv4, which is what ioctl(2) knows of.
const InterfaceAddress* v4_address(const Interface& interface) {
  for (const InterfaceAddress& address : interface.addresses)
    if (address.address.is_v4()) return &address;
  return nullptr;
}

void put_address(ifreq& request, uint32_t address) {
  sockaddr_in in = {};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &in, sizeof in);
}

// One SIOCGIF… with a name in it.
struct Question {
  uint32_t request;
  SysResult<void> (*answer)(const Interface& interface, ifreq& request);
};
template <typename Get>
SysResult<void> answer_v4(const Interface& interface, ifreq& request, Get get) {
  const InterfaceAddress* address = v4_address(interface);
  if (address == nullptr) return fail(EADDRNOTAVAIL);
  put_address(request, get(*address));
  return {};
}
constexpr Question kQuestions[] = {
    {SIOCGIFFLAGS,
     [](const Interface& interface, ifreq& request) -> SysResult<void> {
       request.ifr_flags = static_cast<short>(interface.flags);
       return {};
     }},
    {SIOCGIFADDR,
     [](const Interface& interface, ifreq& request) {
       return answer_v4(interface, request, [](const InterfaceAddress& one) { return one.address.as_v4(); });
     }},
    {SIOCGIFDSTADDR,
     [](const Interface& interface, ifreq& request) {
       return answer_v4(interface, request, [](const InterfaceAddress& one) { return one.address.as_v4(); });
     }},
    {SIOCGIFBRDADDR,
     [](const Interface& interface, ifreq& request) {
       return answer_v4(interface, request, [](const InterfaceAddress& one) {
         return one.broadcast ? one.broadcast->as_v4() : uint32_t{0};
       });
     }},
    {SIOCGIFNETMASK,
     [](const Interface& interface, ifreq& request) {
       return answer_v4(interface, request, [](const InterfaceAddress& one) { return mask_of(one.prefix); });
     }},
    {SIOCGIFMTU,
     [](const Interface& interface, ifreq& request) -> SysResult<void> {
       request.ifr_mtu = static_cast<int>(interface.mtu);
       return {};
     }},
    {SIOCGIFINDEX,
     [](const Interface& interface, ifreq& request) -> SysResult<void> {
       request.ifr_ifindex = interface.index;
       return {};
     }},
    {SIOCGIFMETRIC,
     [](const Interface&, ifreq& request) -> SysResult<void> {
       request.ifr_metric = 0;
       return {};
     }},
    {SIOCGIFTXQLEN,
     [](const Interface&, ifreq& request) -> SysResult<void> {
       request.ifr_qlen = 1000;
       return {};
     }},
    {SIOCGIFMAP,
     [](const Interface&, ifreq& request) -> SysResult<void> {
       request.ifr_map = {};
       return {};
     }},
    {SIOCGIFHWADDR,
     [](const Interface& interface, ifreq& request) -> SysResult<void> {
       request.ifr_hwaddr = {};
       request.ifr_hwaddr.sa_family = interface.type;
       std::memcpy(request.ifr_hwaddr.sa_data, interface.hardware_address.data(),
                   std::min(interface.hardware_address.size(), sizeof request.ifr_hwaddr.sa_data));
       return {};
     }},
};

constexpr uint32_t kChanges[] = {SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFDSTADDR, SIOCSIFBRDADDR, SIOCSIFNETMASK,
                                 SIOCSIFMTU,   SIOCSIFNAME, SIOCSIFHWADDR,  SIOCSIFTXQLEN,  SIOCSIFMAP,
                                 SIOCADDRT,    SIOCDELRT,   SIOCSIFMETRIC};

// SIOCGIFCONF: an address a line, for interfaces that have one of IPv4.
SysResult<uint64_t> list_addresses(Caller& caller, const Network& network, uint64_t argument) {
  auto request = TRY(caller.memory().read<ifconf>(argument));
  const auto target = reinterpret_cast<uint64_t>(request.ifc_buf);
  if (request.ifc_len < 0) return fail(EINVAL);
  int used = 0;
  for (const Interface& interface : network.interfaces) {
    for (const InterfaceAddress& address : interface.addresses) {
      if (!address.address.is_v4()) continue;
      ifreq one = {};
      std::memcpy(one.ifr_name, interface.name.data(), std::min(interface.name.size(), sizeof one.ifr_name - 1));
      put_address(one, address.address.as_v4());
      constexpr int kSize = sizeof one;
      if (target != 0) {
        if (used + kSize > request.ifc_len) continue;
        TRY(caller.memory().write(target + static_cast<uint64_t>(used), one));
      }
      used += kSize;
    }
  }
  request.ifc_len = used;
  TRY(caller.memory().write(argument, request));
  return 0;
}

std::string device_text(const Network& network) {
  std::string text =
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
      "compressed\n";
  for (const Interface& interface : network.interfaces) {
    text += fmt::format("{:>6}: {:7} {:7} {:4} {:4} {:4} {:5} {:10} {:9} {:8} {:7} {:4} {:4} {:4} {:5} {:7} {:10}\n",
                        interface.name, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  }
  return text;
}

std::string v6_text(const Network& network) {
  std::string text;
  for (const Interface& interface : network.interfaces) {
    for (const InterfaceAddress& one : interface.addresses) {
      if (one.address.is_v4()) continue;
      for (const uint8_t byte : one.address.bytes) text += fmt::format("{:02x}", byte);
      constexpr unsigned kHost = 0x10, kLink = 0x20, kPermanent = 0x80;
      const unsigned scope = one.scope == RT_SCOPE_HOST ? kHost : one.scope == RT_SCOPE_LINK ? kLink : 0;
      text += fmt::format(" {:02x} {:02x} {:02x} {:02x} {:>8}\n", interface.index, one.prefix, scope, kPermanent,
                          interface.name);
    }
  }
  return text;
}

std::string route_text(const Network& network) {
  std::string text =
      fmt::format("{:<127}\n", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
  for (const Route& route : network.routes) {
    const Interface* interface = network.find(route.interface);
    if (!route.is_v4 || route.table != RT_TABLE_MAIN || interface == nullptr) continue;
    const unsigned flags = 1 | (route.gateway ? 2 : 0);  // RTF_UP, RTF_GATEWAY
    const std::string line = fmt::format("{}\t{:08X}\t{:08X}\t{:04X}\t0\t0\t{}\t{:08X}\t0\t0\t0", interface->name,
                                         htonl(route.to.as_v4()), route.gateway ? htonl(route.gateway->as_v4()) : 0,
                                         flags, route.metric, htonl(mask_of(route.prefix)));
    text += fmt::format("{:<127}\n", line);
  }
  return text;
}

}  // namespace

const Interface* Network::find(std::string_view name) const {
  for (const Interface& interface : interfaces)
    if (interface.name == name) return &interface;
  return nullptr;
}
const Interface* Network::find(int index) const {
  for (const Interface& interface : interfaces)
    if (interface.index == index) return &interface;
  return nullptr;
}

Network loopback_network() {
  Interface lo;
  lo.index = 1;
  lo.name = "lo";
  lo.flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  lo.mtu = 65536;
  lo.type = ARPHRD_LOOPBACK;
  lo.hardware_address.resize(6);
  lo.addresses.push_back({IpAddress::loopback(true), 8, RT_SCOPE_HOST, {}});
  lo.addresses.push_back({IpAddress::loopback(false), 128, RT_SCOPE_HOST, {}});
  Network network;
  network.interfaces.push_back(std::move(lo));
  auto add = [&](IpAddress to, uint8_t prefix, uint8_t type) {
    Route route;
    route.is_v4 = to.is_v4();
    route.to = to;
    route.prefix = prefix;
    if (route.is_v4) route.source = IpAddress::loopback(true);
    route.interface = 1;
    route.table = RT_TABLE_LOCAL;
    route.scope = type == RTN_LOCAL && route.is_v4 ? RT_SCOPE_HOST : route.is_v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    route.type = type;
    route.protocol = RTPROT_KERNEL;
    network.routes.push_back(route);
  };
  constexpr uint32_t kNetwork = 0x7f000000;
  add(IpAddress::v4(kNetwork), 8, RTN_LOCAL);
  add(IpAddress::v4(INADDR_LOOPBACK), 32, RTN_LOCAL);
  add(IpAddress::v4(kNetwork | 0xffffff), 32, RTN_BROADCAST);
  add(IpAddress::loopback(false), 128, RTN_LOCAL);
  return network;
}

SysResult<uint64_t> interface_ioctl(Caller& caller, const Network& network, uint32_t request, uint64_t argument) {
  if (request == SIOCGIFCONF) return list_addresses(caller, network, argument);
  for (const uint32_t change : kChanges) {
    if (request == change) return fail(caller.credentials().has(CAP_NET_ADMIN) ? EOPNOTSUPP : EPERM);
  }
  if (request == SIOCGIFNAME) {
    auto asked = TRY(caller.memory().read<ifreq>(argument));
    const Interface* interface = network.find(asked.ifr_ifindex);
    if (interface == nullptr) return fail(ENODEV);
    std::memset(asked.ifr_name, 0, sizeof asked.ifr_name);
    std::memcpy(asked.ifr_name, interface->name.data(), std::min(interface->name.size(), sizeof asked.ifr_name - 1));
    TRY(caller.memory().write(argument, asked));
    return 0;
  }
  for (const Question& question : kQuestions) {
    if (question.request != request) continue;
    auto asked = TRY(caller.memory().read<ifreq>(argument));
    const Interface* interface = network.find(std::string_view(asked.ifr_name, ::strnlen(asked.ifr_name, IFNAMSIZ)));
    if (interface == nullptr) return fail(ENODEV);
    TRY(question.answer(*interface, asked));
    TRY(caller.memory().write(argument, asked));
    return 0;
  }
  return fail(ENOTTY);
}

void add_interface_files(fs::FixedDirectory& directory, const ReadNetwork& network) {
  struct File {
    const char* name;
    std::string (*text)(const Network&);
  };
  constexpr File kFiles[] = {{"dev", device_text}, {"if_inet6", v6_text}, {"route", route_text}};
  constexpr uint32_t kMode = 0444;
  for (const File& file : kFiles) {
    directory.add(file.name, fs::make_text_file(directory.super(), kMode,
                                                [network, make = file.text](Caller&) -> SysResult<std::string> {
                                                  const Network now = TRY(network());
                                                  return make(now);
                                                }));
  }
}

void add_interface_directories(fs::FixedDirectory& directory, const Network& network) {
  for (const Interface& interface : network.interfaces) {
    fs::FixedDirectory& own = directory.directory(interface.name);
    std::string hardware;
    for (const uint8_t byte : interface.hardware_address) {
      if (!hardware.empty()) hardware += ':';
      hardware += fmt::format("{:02x}", byte);
    }
    own.add_file("address", hardware + '\n');
    own.add_file("ifindex", fmt::format("{}\n", interface.index));
    own.add_file("mtu", fmt::format("{}\n", interface.mtu));
    own.add_file("flags", fmt::format("{:#x}\n", interface.flags));
    own.add_file("type", fmt::format("{}\n", interface.type));
    own.add_file("operstate", interface.flags & IFF_LOOPBACK  ? "unknown\n"
                              : interface.flags & IFF_RUNNING ? "up\n"
                                                              : "down\n");
  }
}

}  // namespace cella::sandbox::net
