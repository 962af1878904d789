#include "network/message.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace cella::network {
namespace {

// A datagram with one message: the header, then `payload`, padded as the kernel does it.
std::string message_of(uint16_t type, uint16_t flags, std::string_view payload) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(payload.size()));
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = 7;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += payload;
  bytes.resize(NLMSG_ALIGN(bytes.size()));
  return bytes;
}

std::string error_payload(int error) {
  nlmsgerr answer = {};
  answer.error = error;
  return {reinterpret_cast<const char*>(&answer), sizeof answer};
}

std::string attribute_of(uint16_t type, std::string_view value) {
  const rtattr header = {static_cast<unsigned short>(RTA_LENGTH(value.size())), type};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += value;
  bytes.resize(RTA_ALIGN(bytes.size()));
  return bytes;
}

TEST(Request, IsAHeaderAndAlignedAttributes) {
  ifinfomsg header = {};
  header.ifi_index = 0x01020304;
  Request request(RTM_NEWLINK, NLM_F_ACK, header);
  request.add_text(IFLA_IFNAME, "eth0").add_number(IFLA_MTU, 1400);
  const std::string bytes = request.bytes(9);

  ASSERT_EQ(bytes.size(), 16u + 16 + 12 + 8);
  std::string_view rest = bytes;
  std::optional<Message> message = next_message(rest);
  ASSERT_TRUE(message);
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(message->type, RTM_NEWLINK);
  EXPECT_EQ(message->flags, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(message->sequence, 9u);
  EXPECT_EQ(message->header<ifinfomsg>()->ifi_index, 0x01020304);

  std::string_view attributes = message->attributes<ifinfomsg>();
  std::optional<Attribute> name = next_attribute(attributes);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->type, IFLA_IFNAME);
  EXPECT_EQ(name->value, std::string_view("eth0\0", 5));
  EXPECT_EQ(name->text(), "eth0");
  std::optional<Attribute> mtu = next_attribute(attributes);
  ASSERT_TRUE(mtu);
  EXPECT_EQ(mtu->type, IFLA_MTU);
  EXPECT_EQ(mtu->number(), 1400u);
  EXPECT_FALSE(next_attribute(attributes));
}

TEST(Request, CanBeSentTwice) {
  Request request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  std::string one = request.bytes(1), two = request.bytes(2);
  EXPECT_EQ(one.size(), two.size());
  std::string_view rest = two;
  EXPECT_EQ(next_message(rest)->sequence, 2u);
}

TEST(NextMessage, TakesOneAfterAnother) {
  const std::string datagram = message_of(RTM_NEWLINK, NLM_F_MULTI, "abc") + message_of(NLMSG_DONE, NLM_F_MULTI, "");
  std::string_view rest = datagram;
  std::optional<Message> first = next_message(rest);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->payload, "abc");
  std::optional<Message> second = next_message(rest);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->type, NLMSG_DONE);
  EXPECT_FALSE(next_message(rest));
}

TEST(NextMessage, TakesTheLastWithoutItsPadding) {
  std::string datagram = message_of(RTM_NEWLINK, 0, "abc");
  datagram.pop_back();
  std::string_view rest = datagram;
  EXPECT_EQ(next_message(rest)->payload, "abc");
  EXPECT_TRUE(rest.empty());
}

TEST(NextMessage, StopsAtALengthThatCannotBe) {
  for (uint32_t length : {0u, 15u, 21u, ~0u}) {
    std::string datagram = message_of(RTM_NEWLINK, 0, "abcd");
    std::memcpy(datagram.data(), &length, sizeof length);
    std::string_view rest = datagram;
    EXPECT_FALSE(next_message(rest)) << length;
  }
  std::string_view shorter = "123456789012345";
  EXPECT_FALSE(next_message(shorter));
}

TEST(NextAttribute, StopsAtALengthThatCannotBe) {
  for (uint16_t length : {uint16_t{0}, uint16_t{3}, uint16_t{9}, uint16_t{0xffff}}) {
    std::string bytes = attribute_of(IFLA_MTU, "abcd");
    std::memcpy(bytes.data(), &length, sizeof length);
    std::string_view rest = bytes;
    EXPECT_FALSE(next_attribute(rest)) << length;
  }
}

TEST(NextAttribute, PassesOverTheFlagsOfTheType) {
  const std::string bytes = attribute_of(IFLA_LINKINFO | NLA_F_NESTED, "");
  std::string_view rest = bytes;
  EXPECT_EQ(next_attribute(rest)->type, IFLA_LINKINFO);
}

TEST(Attribute, IsANumberOnlyWithFourBytes) {
  EXPECT_EQ((Attribute{1, "abc"}).number(), 0u);
  EXPECT_EQ((Attribute{1, std::string_view("\1\0\0\0\0", 5)}).number(), 0u);
  EXPECT_EQ((Attribute{1, "no end"}).text(), "no end");
}

TEST(Message, HeaderOfWhatIsTooShortIsNone) {
  const std::string datagram = message_of(RTM_NEWLINK, 0, "abc");
  std::string_view rest = datagram;
  std::optional<Message> message = next_message(rest);
  EXPECT_FALSE(message->header<ifinfomsg>());
  EXPECT_TRUE(message->attributes<ifinfomsg>().empty());
}

TEST(ErrorOf, IsNoneOfAnAcknowledgement) {
  const std::string datagram = message_of(NLMSG_ERROR, 0, error_payload(0));
  std::string_view rest = datagram;
  EXPECT_FALSE(error_of(*next_message(rest)));
}

TEST(ErrorOf, HasTheErrnoAndTheKernelsWords) {
  const std::string plain = message_of(NLMSG_ERROR, 0, error_payload(-ENODEV));
  std::string_view rest = plain;
  EXPECT_EQ(error_of(*next_message(rest))->text(), "no such device");

  const std::string words =
      message_of(NLMSG_ERROR, NLM_F_ACK_TLVS,
                 error_payload(-EINVAL) + attribute_of(NLMSGERR_ATTR_OFFS, "\1\0\0") +
                     attribute_of(NLMSGERR_ATTR_MSG, std::string_view("The interface netns is immutable\0", 33)));
  rest = words;
  EXPECT_EQ(error_of(*next_message(rest))->text(), "The interface netns is immutable: invalid argument");
}

TEST(ErrorOf, IsOneWhenTheAnswerIsCutOff) {
  const std::string datagram = message_of(NLMSG_ERROR, 0, "abc");
  std::string_view rest = datagram;
  EXPECT_EQ(error_of(*next_message(rest))->errno_value, EBADMSG);
}

}  // namespace
}  // namespace cella::network
