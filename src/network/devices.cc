#include "network/devices.h"

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "json/schema.h"

namespace cella::network {

using json::Field;
using json::field;
using json::Type;

std::span<const Field<Address>> fields_of(Type<Address>) {
  static constexpr Field<Address> kFields[] = {
      field<&Address::address>("address").required(),
      field<&Address::prefix>("prefix").required(),
      field<&Address::peer>("peer"),
      field<&Address::broadcast>("broadcast"),
      field<&Address::label>("label"),
      field<&Address::scope>("scope"),
      field<&Address::flags>("flags"),
      field<&Address::metric>("metric"),
      field<&Address::preferred>("preferred").required(),
  };
  return kFields;
}

std::span<const Field<Device>> fields_of(Type<Device>) {
  static constexpr Field<Device> kFields[] = {
      field<&Device::host_name>("host_name").required(),
      field<&Device::host_index>("host_index").required(),
      field<&Device::name>("name").required(),
      field<&Device::index>("index").required(),
      field<&Device::kind>("kind"),
      field<&Device::up>("up"),
      field<&Device::mtu>("mtu"),
      field<&Device::mac>("mac"),
      field<&Device::addresses>("addresses"),
  };
  return kFields;
}

std::string to_json(const std::vector<Device>& devices) {
  json::Writer writer;
  json::write(devices, writer);
  return writer.take();
}

Result<std::vector<Device>> parse_devices(std::string_view json_text) {
  auto invalid = [](std::vector<Finding> findings) {
    Error error(ErrorCode::kConfigInvalid, "the record of the network devices is damaged");
    error.findings = std::move(findings);
    return std::unexpected(std::move(error));
  };
  auto document = json::parse(json_text);
  if (!document) return invalid(std::move(document).error());
  std::vector<Device> devices;
  json::Report report;
  json::read(document->root(), devices, report);
  if (!report.findings.empty()) return invalid(std::move(report.findings));
  return devices;
}

// --- choosing

namespace {

const Link* find_by_name(const std::vector<Link>& links, std::string_view name) {
  auto found = std::ranges::find(links, name, &Link::name);
  return found == links.end() ? nullptr : &*found;
}

const Link* find_by_index(const std::vector<Link>& links, int index) {
  auto found = std::ranges::find(links, index, &Link::index);
  return found == links.end() ? nullptr : &*found;
}

bool is_taken(const std::vector<Link>& links, std::string_view name) {
  return std::ranges::any_of(links, [&](const Link& link) {
    return link.name == name || std::ranges::find(link.other_names, name) != link.other_names.end();
  });
}

// As the kernel calls a device of hardware that it moves out of a namespace that ends.
constexpr std::string_view kSubstitute = "dev%d";

Error error_of_device(ErrorCode code, std::string message, int errno_value, std::string_view name) {
  return Error(code, std::move(message), errno_value).with(fmt::format("moving network device {}", name));
}

}  // namespace

std::string free_name(const std::vector<Link>& links, std::string_view wanted) {
  const size_t number = wanted.find("%d");
  if (number == std::string_view::npos) return is_taken(links, wanted) ? std::string() : std::string(wanted);
  for (size_t i = 0;; ++i) {
    std::string name = fmt::format("{}{}{}", wanted.substr(0, number), i, wanted.substr(number + 2));
    if (!is_taken(links, name)) return name;
  }
}

int free_index(const std::vector<Link>& links, int wanted) {
  if (find_by_index(links, wanted) == nullptr) return wanted;
  return std::ranges::max(links, {}, &Link::index).index + 1;
}

Result<std::vector<Device>> choose_devices(const std::map<std::string, config::NetDevice>& wanted,
                                           const std::vector<Link>& host, const std::vector<Link>& inside) {
  std::vector<Device> devices;
  std::vector<Link> taken = inside;
  for (const auto& [name, settings] : wanted) {
    const Link* link = find_by_name(host, name);
    if (link == nullptr) return std::unexpected(error_of_device(ErrorCode::kSystemError, "", ENODEV, name));
    if (link->is_loopback()) {
      return std::unexpected(error_of_device(ErrorCode::kConfigInvalid,
                                             "every network namespace has a loopback interface of its own", 0, name));
    }
    if (link->master != 0) {
      const Link* master = find_by_index(host, link->master);
      return std::unexpected(error_of_device(
          ErrorCode::kSystemError, fmt::format("it is a port of {}", master != nullptr ? master->name : "another one"),
          EBUSY, name));
    }
    Device& device = devices.emplace_back();
    device.host_name = name;
    device.host_index = link->index;
    const std::string& new_name = settings.name.empty() ? name : settings.name;
    device.name = free_name(taken, new_name);
    if (device.name.empty()) {
      return std::unexpected(error_of_device(ErrorCode::kSystemError,
                                             fmt::format("calling it {} in the container", new_name), EEXIST, name));
    }
    device.index = free_index(taken, link->index);
    device.kind = link->kind;
    device.up = link->is_up();
    device.mtu = link->mtu;
    device.mac = link->mac;
    Link& moved = taken.emplace_back(*link);
    moved.name = device.name;
    moved.index = device.index;
  }
  return devices;
}

Result<std::vector<Device>> find_devices(const std::map<std::string, config::NetDevice>& wanted, Socket& host,
                                         Socket& inside) {
  const std::vector<Link> host_links = TRY(host.links())
  , inside_links = TRY(inside.links());
  std::vector<Device> devices = TRY(choose_devices(wanted, host_links, inside_links));
  for (Device& device : devices) {
    device.addresses = TRY(host.addresses(device.host_index), "moving network device {}", device.host_name);
    std::erase_if(device.addresses, [](const Address& address) { return !address.is_permanent(); });
    // The kernel lists IPv4 from the oldest on, then IPv6 from the newest on.
    std::reverse(std::ranges::find_if(device.addresses, &Address::is_ipv6), device.addresses.end());
  }
  return devices;
}

// --- moving

namespace {

Result<void> add(Socket& socket, int index, const Address& address) {
  std::optional<Request> request = add_address(index, address);
  if (!request) return base::fail_errno(EINVAL, "adding the address {}", address.text());
  Result<void> added = socket.change(*request);
  if (!added && added.error().errno_value != EEXIST) TRY(std::move(added), "adding the address {}", address.text());
  return {};
}

Result<void> bring_in(const Device& device, Socket& host, Socket& inside, int netns) {
  TRY(host.change(move_link(device.host_index, netns, device.name, device.index)));
  for (const Address& address : device.addresses) {
    if (!address.is_global()) continue;
    Address own = address;
    own.label.clear();  // it has the host's name in it
    TRY(add(inside, device.index, own));
  }
  TRY(inside.change(set_link_up(device.index, true)), "taking it up");
  return {};
}

Error with_hint(Error error) {
  if (error.errno_value == EPERM)
    error.hint = "CAP_NET_ADMIN is needed in the user namespaces of both network namespaces";
  return error;
}

}  // namespace

Result<void> move_in(const Device& device, Socket& host, Socket& inside, int netns) {
  Result<void> moved = bring_in(device, host, inside, netns);
  if (moved) return {};
  return std::unexpected(with_hint(std::move(moved).error().with(
      fmt::format("moving network device {} into the container as {}", device.host_name, device.name))));
}

const Link* find_inside(const Device& device, const std::vector<Link>& inside) {
  const Link* link = find_by_index(inside, device.index);
  return link != nullptr && link->kind == device.kind && !link->is_loopback() ? link : nullptr;
}

bool choose_places(std::vector<Device>& devices, const std::vector<Link>& host, const std::vector<Link>& inside,
                   std::vector<std::string>& warnings) {
  std::vector<Link> taken = host;
  bool changed = false;
  for (Device& device : devices) {
    const Link* link = find_inside(device, inside);
    if (link == nullptr) continue;
    if (is_taken(taken, device.host_name)) {
      std::string name = free_name(taken, kSubstitute);
      warnings.push_back(
          fmt::format("network device {} comes back as {}, because its name is taken", device.host_name, name));
      device.host_name = std::move(name);
      for (Address& address : device.addresses) address.label.clear();  // it has the old name in it
      changed = true;
    }
    const int index = free_index(taken, device.host_index);
    changed |= index != device.host_index;
    device.host_index = index;
    Link& moved = taken.emplace_back(*link);
    moved.name = device.host_name;
    moved.index = device.host_index;
  }
  return changed;
}

Result<void> move_back(const Device& device, Socket& inside, int netns) {
  Result<void> moved = inside.change(move_link(device.index, netns, device.host_name, device.host_index));
  if (moved) return {};
  return std::unexpected(with_hint(
      std::move(moved).error().with(fmt::format("moving network device {} out of the container", device.host_name))));
}

void restore(const Device& device, Socket& host, const std::vector<Link>& links, std::vector<std::string>& warnings) {
  const Link* link = find_by_index(links, device.host_index);
  if (link == nullptr || link->kind != device.kind) {
    warnings.push_back(
        fmt::format("network device {} is gone: it was neither in the container nor on the host", device.host_name));
    return;
  }
  auto check = [&](Result<void> done) {
    if (done) return;
    warnings.push_back(
        std::move(done).error().with(fmt::format("restoring network device {}", device.host_name)).text());
  };
  if (link->mtu != device.mtu) check(host.change(set_link_mtu(link->index, device.mtu)));
  if (link->mac != device.mac) {
    if (std::optional<Request> request = set_link_mac(link->index, device.mac)) check(host.change(*request));
  }
  for (const Address& address : device.addresses) check(add(host, link->index, address));
  if (link->is_up() != device.up) check(host.change(set_link_up(link->index, device.up)));
}

}  // namespace cella::network
