// Hostile messages: whatever comes, the server touches nothing outside of its roots and stays well, and the client
// gives an errno or something that is what it says.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "sandbox/gofer/channel.h"
#include "sandbox/gofer/client.h"
#include "sandbox/gofer/fuzzing.h"
#include "sandbox/gofer/server.h"
#include "sys/socket.h"

namespace cella::sandbox::gofer {
namespace {

using fs::FileBackend;
using sys::FileDescriptor;
using Clock = std::chrono::steady_clock;
constexpr auto kTime = std::chrono::milliseconds(500);

FileDescriptor path_only(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_PATH | O_CLOEXEC));
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// "inside" is what a server serves, "outside" what it must not touch.
class ServerFuzz : public testing::Test {
 protected:
  ServerFuzz() {
    char name[] = "/tmp/cella-fuzz-XXXXXX";
    path_ = ::mkdtemp(name);
    for (const char* side : {"inside", "outside"}) {
      const std::string directory = path_ + "/" + side;
      std::filesystem::create_directories(directory + "/directory");
      std::ofstream(directory + "/file") << side;
      (void)!::symlink("../outside", (directory + "/link").c_str());
    }
    descriptors_ = path_only("/proc/self/fd");
  }
  ~ServerFuzz() override { std::filesystem::remove_all(path_); }

  std::unique_ptr<Server> make_server(bool read_only) {
    std::vector<Server::Root> roots;
    roots.push_back({path_only(path_ + "/inside"), read_only});
    return std::make_unique<Server>(std::move(roots), Server::Options{descriptors_.get(), 100});
  }
  // All that can be seen of a tree, its own directory's times included.
  std::string describe(const std::string& side) {
    std::string text;
    auto add = [&](const std::filesystem::path& path) {
      struct stat now = {};
      ::lstat(path.c_str(), &now);
      text += path.string() + " " + std::to_string(now.st_mode) + " " + std::to_string(now.st_size) + " " +
              std::to_string(now.st_ctim.tv_sec) + "." + std::to_string(now.st_ctim.tv_nsec) + "\n";
    };
    add(path_ + "/" + side);
    std::set<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_ + "/" + side))
      paths.insert(entry.path());
    for (const auto& path : paths) add(path);
    return text;
  }
  // The answer to anything is an errno, or what the operation has.
  void check(const Server::Answer& answer) {
    Reader reader(answer.bytes);
    uint64_t error = ~0ull;
    ASSERT_TRUE(reader.get(error));
    ASSERT_LE(error, kMaxErrno);
    ASSERT_LE(answer.bytes.size(), kMaxMessage);
    if (error != 0) {
      ASSERT_TRUE(reader.at_end());
      ASSERT_FALSE(answer.descriptor);
    }
    if (answer.descriptor) {
      struct stat now;
      ASSERT_EQ(::fstat(answer.descriptor.get(), &now), 0);
      ASSERT_TRUE(S_ISREG(now.st_mode));
    }
  }
  void run(bool read_only, std::mt19937_64& random) {
    const std::vector<std::string> seeds = seed_requests();
    const auto end = Clock::now() + kTime;
    std::unique_ptr<Server> server;
    while (Clock::now() < end) {
      // Before all have become nodes that there are not, or too many.
      if (answered_ % 500 == 0) {
        server = make_server(read_only);
        last_node_ = 0;
      }
      std::string message = seeds[random() % seeds.size()];
      // Nodes that are there now: numbers only ever grow.
      if (random() % 2 == 0 && message.size() >= sizeof(Head)) {
        const uint64_t node = random() % (last_node_ + 2);
        message.replace(16, sizeof node, reinterpret_cast<const char*>(&node), sizeof node);
      }
      if (random() % 20 == 0) {
        message.assign(random() % 200, '\0');
        for (char& byte : message) byte = static_cast<char>(random());
      }
      mutate(message, random);
      Server::Answer answer = server->answer(message);
      check(answer);
      ++answered_;
      Reader reader(answer.bytes);
      uint64_t error = 0, node = 0;
      if (reader.get(error, node) && error == 0 && node < 1'000'000) last_node_ = std::max(last_node_, node);
      if (error == 0) ++succeeded_;
    }
  }

  std::string path_;
  FileDescriptor descriptors_;
  uint64_t last_node_ = 0;
  size_t answered_ = 0, succeeded_ = 0;
};

TEST_F(ServerFuzz, NothingOutsideIsTouched) {
  const std::string outside = describe("outside");
  const size_t before = open_descriptors();
  std::mt19937_64 random(1);
  run(false, random);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(describe("outside"), outside);
  // It was no exercise in refusing.
  EXPECT_GT(answered_, 1000u);
  EXPECT_GT(succeeded_, answered_ / 50);
}

TEST_F(ServerFuzz, NothingOfAReadOnlyRootIsChanged) {
  const std::string inside = describe("inside"), outside = describe("outside");
  std::mt19937_64 random(2);
  run(true, random);
  EXPECT_EQ(describe("inside"), inside);
  EXPECT_EQ(describe("outside"), outside);
  EXPECT_GT(succeeded_, answered_ / 50);
}

// A gofer that has been taken over: answers with anything, sometimes with descriptors.
class HostileGofer {
 public:
  explicit HostileGofer(FileDescriptor socket, uint64_t seed) : socket_(std::move(socket)), random_(seed) {
    pthread_create(
        &thread_, nullptr, [](void* self) -> void* { return static_cast<HostileGofer*>(self)->run(); }, this);
  }
  ~HostileGofer() { pthread_join(thread_, nullptr); }

 private:
  void* run() {
    std::vector<char> buffer(kMaxMessage);
    for (;;) {
      SysResult<size_t> size = receive(socket_.get(), buffer, nullptr);
      if (!size || *size == 0) return nullptr;
      uint64_t operation = 0;
      std::memcpy(&operation, buffer.data(), sizeof operation);
      if (operation == static_cast<uint64_t>(Operation::kForget)) continue;
      const std::string answer = make_answer(static_cast<Operation>(operation));
      std::vector<int> fds;
      const bool is_open = operation == static_cast<uint64_t>(Operation::kOpen);
      if (random_() % 8 == 0 || (is_open && random_() % 4 != 0))
        fds.push_back(random_() % 4 == 0 ? socket_.get() : file_.get());
      if (random_() % 32 == 0) fds.resize(random_() % 5, file_.get());
      (void)sys::send_message(socket_.get(), answer, fds);
    }
  }
  std::string make_answer(Operation operation) {
    Writer writer;
    struct stat attributes = {};
    attributes.st_mode = S_IFREG | 0644;
    attributes.st_nlink = 1;
    struct statfs statistics = {};
    const FileBackend::Entry entry = {"name", 1, 8};
    writer.put(random_() % 16 == 0 ? random_() % 5000 : 0);
    switch (operation) {
      case Operation::kLookup:
      case Operation::kCreate:
      case Operation::kSymlink:
        writer.put(random_() % 100000, attributes, random_() % 4 == 0);
        break;
      case Operation::kAttributes:
        writer.put(attributes);
        break;
      case Operation::kList:
        writer.put(random_() % 2 == 0, 2, entry, entry);
        break;
      case Operation::kStatistics:
        writer.put(statistics);
        break;
      case Operation::kReadLink:
      case Operation::kGetXattr:
        writer.put(std::string_view("text"));
        break;
      case Operation::kListXattrs:
        writer.put(std::string_view("user.a\0user.b\0", 14));
        break;
      default:
        break;
    }
    std::string answer(writer.bytes());
    if (random_() % 8 == 0) mutate(answer, random_);
    return answer;
  }

  FileDescriptor socket_, file_{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  std::mt19937_64 random_;
  pthread_t thread_;
};

// Each operation once or more, until the client has given up.
size_t use(FileBackend& backend, std::mt19937_64& random) {
  std::vector<FileBackend::Id> nodes = {FileBackend::kRoot};
  size_t good = 0;
  for (int i = 0; i < 200; ++i) {
    const FileBackend::Id node = nodes[random() % nodes.size()];
    const std::string name = "name" + std::to_string(random() % 10);
    auto adopt = [&](SysResult<FileBackend::Node> made) {
      if (made) nodes.push_back(made->id);
      good += made.has_value();
    };
    switch (random() % 14) {
      case 0:
      case 1:
        adopt(backend.lookup(node, name));
        break;
      case 2:
        adopt(backend.create(node, {name, S_IFREG | 0600, 0, 0, 0}));
        break;
      case 3:
        adopt(backend.symlink(node, {name, S_IFLNK | 0777, 0, 0, 0}, "target"));
        break;
      case 4:
        if (auto now = backend.attributes(node)) {
          EXPECT_GE(now->st_size, 0);
        }
        break;
      case 5:
        if (auto file = backend.open(node, O_RDONLY)) {
          struct stat now = {};
          EXPECT_EQ(::fstat(file->get(), &now), 0);
          EXPECT_TRUE(S_ISREG(now.st_mode));
          EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
        }
        break;
      case 6:
        if (auto text = backend.read_link(node)) {
          EXPECT_TRUE(is_target(*text));
        }
        break;
      case 7:
        if (auto entries = backend.list(node)) {
          for (const FileBackend::Entry& entry : *entries) {
            EXPECT_TRUE(is_name(entry.name));
          }
        }
        break;
      case 8:
        (void)backend.statistics(node);
        break;
      case 9:
        (void)backend.get_xattr(node, "user.x");
        break;
      case 10:
        if (auto names = backend.list_xattrs(node)) {
          for (const std::string& one : *names) {
            EXPECT_FALSE(one.empty());
          }
        }
        break;
      case 11:
        (void)backend.unlink(node, name, false);
        break;
      case 12:
        (void)backend.rename(node, name, nodes[random() % nodes.size()], "name1", 0);
        break;
      default:
        backend.forget(node);
    }
  }
  return good;
}

TEST(ClientFuzz, AnAnswerIsRightOrAnError) {
  const size_t before = open_descriptors();
  std::mt19937_64 random(3);
  const auto end = Clock::now() + kTime;
  size_t good = 0, rounds = 0;
  for (; Clock::now() < end; ++rounds) {
    auto [ours, theirs] = *sys::packet_pair();
    HostileGofer gofer(std::move(theirs), random());
    auto backend = make_gofer_backend(make_connection(std::move(ours)), 0,
                                      {.exclusive = random() % 2 == 0, .max_idle = random() % 4});
    good += use(*backend, random);
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_GT(rounds, 10u);
  EXPECT_GT(good, rounds);
}

TEST(Protocol, WrongRequestsAreRefused) {
  std::vector<Server::Root> roots;
  roots.push_back({path_only("/"), true});
  Server server(std::move(roots), {});
  auto error = [&](const Head& head, std::string_view rest = {}) {
    Writer writer;
    writer.put(head);
    const std::string request = std::string(writer.bytes()) + std::string(rest);
    Reader answer(server.answer(request).bytes);
    uint64_t value = 0;
    EXPECT_TRUE(answer.get_all(value));
    return static_cast<int>(value);
  };
  const auto lookup = static_cast<uint64_t>(Operation::kLookup);
  EXPECT_EQ(error({99, 0, 0, 0}), ENOSYS);
  EXPECT_EQ(error({~0ull, 0, 0, 0}), ENOSYS);
  EXPECT_EQ(error({lookup, 1, 0, 0}), EINVAL);   // a root that there is not
  EXPECT_EQ(error({lookup, 0, 0, 1}), EINVAL);   // a forgotten node that does not follow
  EXPECT_EQ(error({lookup, 0, 0, 65}), EINVAL);  // too many
  EXPECT_EQ(error({lookup, 0, 0, 0}), EINVAL);   // no name

  EXPECT_EQ(error({lookup, 0, 0, 0}, std::string_view("\4\0\0\0\0\0\0\0tmp", 11)), EINVAL);   // longer than it is
  EXPECT_EQ(error({lookup, 0, 0, 0}, std::string_view("\3\0\0\0\0\0\0\0tmp!", 12)), EINVAL);  // something left over
  EXPECT_EQ(error({lookup, 0, 0, 0}, std::string_view("\xff\xff\xff\xff\xff\xff\xff\xfftmp", 11)), EINVAL);
}

}  // namespace
}  // namespace cella::sandbox::gofer
