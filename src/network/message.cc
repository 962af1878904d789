#include "network/message.h"

#include <cerrno>

namespace cella::network {

Request::Request(uint16_t type, uint16_t flags) {
  nlmsghdr header = {};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  append(&header, sizeof header);
}

void Request::append(const void* data, size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

Request& Request::add(uint16_t attribute, std::string_view value) {
  const rtattr header = {static_cast<unsigned short>(RTA_LENGTH(value.size())), attribute};
  append(&header, sizeof header);
  append(value.data(), value.size());
  return *this;
}

Request& Request::add_number(uint16_t attribute, uint32_t value) {
  return add(attribute, {reinterpret_cast<const char*>(&value), sizeof value});
}

Request& Request::add_text(uint16_t attribute, std::string_view text) {
  std::string value(text);
  return add(attribute, {value.c_str(), value.size() + 1});
}

std::string Request::bytes(uint32_t sequence) const {
  std::string all = bytes_;
  nlmsghdr header;
  std::memcpy(&header, all.data(), sizeof header);
  header.nlmsg_len = static_cast<uint32_t>(all.size());
  header.nlmsg_seq = sequence;
  std::memcpy(all.data(), &header, sizeof header);
  return all;
}

uint32_t Attribute::number() const {
  uint32_t result = 0;
  if (value.size() == sizeof result) std::memcpy(&result, value.data(), sizeof result);
  return result;
}

std::string_view Attribute::text() const {
  return value.substr(0, value.find('\0'));
}

std::optional<Message> next_message(std::string_view& datagram) {
  nlmsghdr header;
  if (datagram.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, datagram.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return std::nullopt;
  Message message = {header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq,
                     datagram.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN)};
  datagram.remove_prefix(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  return message;
}

std::optional<Attribute> next_attribute(std::string_view& attributes) {
  rtattr header;
  if (attributes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, attributes.data(), sizeof header);
  if (header.rta_len < sizeof header || header.rta_len > attributes.size()) return std::nullopt;
  Attribute attribute = {static_cast<uint16_t>(header.rta_type & NLA_TYPE_MASK),
                         attributes.substr(sizeof header, header.rta_len - sizeof header)};
  attributes.remove_prefix(std::min<size_t>(RTA_ALIGN(header.rta_len), attributes.size()));
  return attribute;
}

std::optional<Error> error_of(const Message& message) {
  std::optional<nlmsgerr> answer = message.header<nlmsgerr>();
  if (!answer) return Error(Errno{EBADMSG});
  if (answer->error == 0) return std::nullopt;
  Error error(Errno{-answer->error});
  if ((message.flags & NLM_F_ACK_TLVS) == 0) return error;
  // With NETLINK_CAP_ACK nothing of the request stands between.
  std::string_view rest = message.attributes<nlmsgerr>();
  while (std::optional<Attribute> attribute = next_attribute(rest)) {
    if (attribute->type == NLMSGERR_ATTR_MSG) error.message = attribute->text();
  }
  return error;
}

}  // namespace cella::network
