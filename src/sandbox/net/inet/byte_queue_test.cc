#include "sandbox/net/inet/byte_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace cella::sandbox::net {
namespace {

// Whatever goes in and out in whatever pieces: the same bytes in the same order.
TEST(ByteQueue, IsAQueue) {
  std::mt19937 random(1);
  ByteQueue queue;
  std::string model;
  char next = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string in(random() % 40000, '\0');
    for (char& c : in) c = next++;
    vfs::IoVector from(in.data(), in.size());
    const size_t most = random() % 50000;
    const size_t taken = queue.append(from, most);
    EXPECT_EQ(taken, std::min(in.size(), most));
    model += in.substr(0, taken);
    next = static_cast<char>(next - static_cast<char>(in.size() - taken));

    std::string first(random() % 30000, '\0'), second(random() % 30000, '\0');
    vfs::IoVector to({{first.data(), first.size()}, {second.data(), second.size()}});
    const size_t room = first.size() + second.size(), seen = queue.look(to);
    ASSERT_EQ(seen, std::min(room, model.size()));
    ASSERT_EQ((first + second).substr(0, seen), model.substr(0, seen));
    queue.drop(seen);
    model.erase(0, seen);
    ASSERT_EQ(queue.size(), model.size());
  }
  queue.drop(queue.size());
  EXPECT_TRUE(queue.is_empty());
}

}  // namespace
}  // namespace cella::sandbox::net
