#include "sandbox/net/inet/socket_list.h"

#include <arpa/inet.h>

#include "base/result.h"

namespace cella::sandbox::net {
namespace {

struct File {
  const char* name;
  int domain, type;
};
constexpr File kFiles[] = {{"tcp", AF_INET, SOCK_STREAM},
                           {"tcp6", AF_INET6, SOCK_STREAM},
                           {"udp", AF_INET, SOCK_DGRAM},
                           {"udp6", AF_INET6, SOCK_DGRAM}};

// "0100007F:1F90": words as they lie in memory.
std::string endpoint_text(const IpEndpoint& one, int domain) {
  std::string words;
  const size_t skip = domain == AF_INET ? 12 : 0;
  for (size_t i = skip; i < one.address.bytes.size(); i += sizeof(uint32_t)) {
    uint32_t word;
    std::memcpy(&word, &one.address.bytes[i], sizeof word);
    words += fmt::format("{:08X}", word);
  }
  return fmt::format("{}:{:04X}", words, one.port);
}

std::string head(const File& file) {
  const std::string address = file.domain == AF_INET
                                  ? "local_address rem_address  "
                                  : "local_address                         remote_address                       ";
  return "  sl  " + address + " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode" +
         (file.type == SOCK_DGRAM ? " ref pointer drops\n" : "\n");
}

}  // namespace

void add_socket_files(fs::FixedDirectory& directory, const ListSockets& list) {
  constexpr uint32_t kMode = 0444;
  for (const File& file : kFiles) {
    directory.add(
        file.name, fs::make_text_file(directory.super(), kMode, [file, list](Caller&) -> SysResult<std::string> {
          std::string text = head(file);
          int number = 0;
          list([&](const SocketLine& one) {
            if (one.domain != file.domain || one.type != file.type) return;
            text += fmt::format("{:4}: {} {} {:02X} 00000000:{:08X} 00:00000000 00000000 {:5}        0 {} ", number++,
                                endpoint_text(one.local, one.domain), endpoint_text(one.remote, one.domain), one.state,
                                one.queued, one.user, one.inode);
            text += one.type == SOCK_STREAM ? "1 0000000000000000 100 0 0 10 0\n" : "2 0000000000000000 0\n";
          });
          return text;
        }));
  }
}

}  // namespace cella::sandbox::net
