// Messages of rtnetlink as bytes, netlink(7) and rtnetlink(7): building requests, taking answers apart.
//
// Pure: nothing here talks to the kernel (see socket.h), and nothing knows what a message is about (see link.h).
#pragma once

#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <cella/error.h>

namespace cella::network {

// nlmsghdr, a header of the message's own type (ifinfomsg, ifaddrmsg …), attributes.
class Request {
 public:
  // `flags` are added to NLM_F_REQUEST.
  template <typename Header>
  Request(uint16_t type, uint16_t flags, const Header& header) : Request(type, flags) {
    static_assert(std::is_trivially_copyable_v<Header>);
    append(&header, sizeof header);
  }

  Request& add(uint16_t attribute, std::string_view value);
  Request& add_number(uint16_t attribute, uint32_t value);
  Request& add_text(uint16_t attribute, std::string_view text);  // with its NUL

  // The whole of it, numbered.
  std::string bytes(uint32_t sequence) const;

 private:
  Request(uint16_t type, uint16_t flags);
  void append(const void* data, size_t size);

  std::string bytes_;
};

struct Message {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  std::string_view payload;  // into the datagram

  // The message's own header; nullopt: it is shorter.
  template <typename Header>
  std::optional<Header> header() const {
    static_assert(std::is_trivially_copyable_v<Header>);
    Header header;
    if (payload.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, payload.data(), sizeof header);
    return header;
  }
  // What follows it.
  template <typename Header>
  std::string_view attributes() const {
    size_t begin = NLMSG_ALIGN(sizeof(Header));
    return begin < payload.size() ? payload.substr(begin) : std::string_view();
  }
};

struct Attribute {
  uint16_t type = 0;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  std::string_view value;

  uint32_t number() const;        // 0 when it has not four bytes
  std::string_view text() const;  // up to the first NUL
};

// Takes the first one off; nullopt: there is none, or it is cut off.
std::optional<Message> next_message(std::string_view& datagram);
std::optional<Attribute> next_attribute(std::string_view& attributes);

// What an NLMSG_ERROR says; nullopt: it acknowledges. The kernel's own words, where it has some, are the message.
std::optional<Error> error_of(const Message& message);

}  // namespace cella::network
