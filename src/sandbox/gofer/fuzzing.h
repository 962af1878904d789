// What fuzz tests of the file protocol share: the unit test, and the target for libFuzzer in tests/fuzz.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/gofer/protocol.h"

namespace cella::sandbox::gofer {

// Good requests, of each operation at least one, for a tree with "file", "directory" and "link": to be changed.
inline std::vector<std::string> seed_requests() {
  std::vector<std::string> seeds;
  auto seed = [&](Operation operation, uint64_t node, const auto&... arguments) {
    Writer writer;
    writer.put(Head{static_cast<uint64_t>(operation), 0, node, 0});
    (writer.put(arguments), ...);
    seeds.emplace_back(writer.bytes());
  };
  using std::string_view;
  vfs::AttributeChange change;
  change.mode = 0644;
  change.size = 10;
  change.mtime = timespec{1, 2};
  const vfs::NewFile file = {"new", S_IFREG | 0644, 0, 0, 0};
  const vfs::NewFile directory = {"newer", S_IFDIR | 0755, 0, 0, 0};
  const vfs::NewFile link = {"newest", S_IFLNK | 0777, 0, 0, 0};
  for (const char* name : {"file", "directory", "link", "new"}) seed(Operation::kLookup, 0, string_view(name));
  for (uint64_t node = 0; node < 4; ++node) {
    seed(Operation::kAttributes, node);
    seed(Operation::kSetAttributes, node, change);
    seed(Operation::kOpen, node, 2);
    seed(Operation::kReadLink, node);
    seed(Operation::kList, node, 0);
    seed(Operation::kStatistics, node);
    seed(Operation::kGetXattr, node, string_view("user.x"));
    seed(Operation::kSetXattr, node, string_view("user.x"), string_view("value"), 0);
    seed(Operation::kListXattrs, node);
    seed(Operation::kRemoveXattr, node, string_view("user.x"));
  }
  seed(Operation::kCreate, 0, file);
  seed(Operation::kCreate, 2, directory);
  seed(Operation::kSymlink, 0, link, string_view("file"));
  seed(Operation::kLink, 2, string_view("hard"), 1);
  seed(Operation::kUnlink, 0, string_view("new"), false);
  seed(Operation::kRename, 0, string_view("new"), 2, string_view("moved"), 0);
  Writer forget;
  forget.put(Head{static_cast<uint64_t>(Operation::kForget), 0, 0, 2});
  forget.put(3, 4);
  seeds.emplace_back(forget.bytes());
  return seeds;
}

// Changes a message here and there, in the ways that have broken such code before: a number at its limits, a length
// that is wrong, what a name must not have, an end that is missing.
inline void mutate(std::string& message, std::mt19937_64& random) {
  constexpr uint64_t kInteresting[] = {0,    1,    2,       3,        63,  64,         65,         255,   256,
                                       4095, 4096, 1 << 16, 1u << 31, ~0u, 1ull << 32, 1ull << 63, ~0ull, ~0ull - 7};
  const size_t changes = random() % 4;
  for (size_t i = 0; i < changes; ++i) {
    const size_t at = message.empty() ? 0 : random() % message.size();
    switch (random() % 7) {
      case 0:
        if (!message.empty()) message[at] = static_cast<char>(random());
        break;
      case 1:
        message.resize(at);
        break;
      case 2:
        message.append(random() % 64, static_cast<char>(random()));
        break;
      case 3: {  // a whole number
        const uint64_t number = kInteresting[random() % std::size(kInteresting)];
        if (at / 8 * 8 + 8 <= message.size()) message.replace(at / 8 * 8, 8, reinterpret_cast<const char*>(&number), 8);
        break;
      }
      case 4:
        if (!message.empty()) message[at] = "/.\0"[random() % 3];
        break;
      case 5:
        message.insert(at, message.substr(random() % (message.size() + 1)));
        break;
      default:
        message.erase(at, random() % 16);
    }
    if (message.size() > kMaxMessage) message.resize(kMaxMessage);
  }
}

}  // namespace cella::sandbox::gofer
