// libFuzzer target: rows of requests to gofer::Server. See README.md.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sandbox/gofer/fuzzing.h"
#include "sandbox/gofer/server.h"

namespace {

using cella::sandbox::gofer::Server;
using cella::sys::FileDescriptor;

FileDescriptor path_only(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_PATH | O_CLOEXEC));
}

// Made anew when it has grown; removed at the end.
class Tree {
 public:
  Tree() {
    char name[] = "/tmp/cella-fuzz-XXXXXX";
    path_ = ::mkdtemp(name);
    fill();
  }
  ~Tree() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  void renew() {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) std::filesystem::remove_all(entry.path());
    fill();
  }

 private:
  void fill() {
    ::mkdir((path_ + "/directory").c_str(), 0755);
    std::ofstream(path_ + "/file") << "content";
    (void)!::symlink("..", (path_ + "/link").c_str());
  }
  std::string path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Tree tree;
  static FileDescriptor descriptors = path_only("/proc/self/fd");
  static unsigned runs = 0;
  if (++runs % 256 == 0) tree.renew();
  std::vector<Server::Root> roots;
  roots.push_back({path_only(tree.path()), (size & 1) != 0});
  Server server(std::move(roots), {.descriptors = descriptors.get(), .max_nodes = 64});
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (rest.size() >= 2) {
    const size_t length = static_cast<uint8_t>(rest[0]) | static_cast<size_t>(static_cast<uint8_t>(rest[1])) << 8;
    rest.remove_prefix(2);
    Server::Answer answer = server.answer(rest.substr(0, length));
    if (answer.bytes.size() < 8 || answer.bytes.size() > cella::sandbox::gofer::kMaxMessage) ::abort();
    rest.remove_prefix(std::min(length, rest.size()));
  }
  return 0;
}

// The messages of a run are changed as wholes; what libFuzzer would do to bytes alone seldom makes a request.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace cella::sandbox::gofer;
  std::mt19937_64 random(seed);
  if (random() % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  static const std::vector<std::string> seeds = seed_requests();
  std::string message = seeds[random() % seeds.size()];
  mutate(message, random);
  if (message.size() > 0xffff || size + message.size() + 2 > max_size) return LLVMFuzzerMutate(data, size, max_size);
  data[size] = static_cast<uint8_t>(message.size());
  data[size + 1] = static_cast<uint8_t>(message.size() >> 8);
  message.copy(reinterpret_cast<char*>(data) + size + 2, message.size());
  return size + 2 + message.size();
}
