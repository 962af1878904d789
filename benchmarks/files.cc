// What file access costs, per operation: the host's own system calls, fs::DirectBackend, and the gofer (with its
// filter) for a root that others change and for one that is the kernel's alone. Prints microseconds and ratios; see
// README.md.
//
//   bench_files [ROUNDS]
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "sandbox/fs/host/direct_backend.h"
#include "sandbox/gofer/client.h"
#include "sandbox/gofer/seccomp.h"
#include "sandbox/gofer/server.h"
#include "sys/socket.h"

namespace {

using namespace cella;
using sandbox::fs::FileBackend;
using sys::FileDescriptor;

constexpr int kEntries = 1000;
const char* const kFile = "file";

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}
template <typename T>
T must(SysResult<T> result) {
  if (!result) {
    errno = result.error().value;
    die("bench_files");
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
FileDescriptor path_only(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_PATH | O_CLOEXEC));
}

// A way to the files of one directory.
struct Way {
  const char* name;
  std::function<void()> lookup_stat, open_close, create_unlink, list;
};

Way native(int directory) {
  return {"native",
          [=] {
            struct stat now;
            if (::fstatat(directory, kFile, &now, AT_SYMLINK_NOFOLLOW) < 0) die("fstatat");
          },
          [=] { FileDescriptor file(::openat(directory, kFile, O_RDONLY | O_CLOEXEC)); },
          [=] {
            FileDescriptor file(::openat(directory, "new", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
            if (!file || ::unlinkat(directory, "new", 0) < 0) die("create");
          },
          [=] {
            FileDescriptor list(::openat(directory, "many", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            static char buffer[32768];
            while (::getdents64(list.get(), buffer, sizeof buffer) > 0) {
            }
          }};
}

// As the kernel uses it: a node that is found is forgotten when its last user has gone.
Way through(const char* name, std::shared_ptr<FileBackend> backend) {
  const FileBackend::Id file = must(backend->lookup(FileBackend::kRoot, kFile)).id;
  const FileBackend::Id many = must(backend->lookup(FileBackend::kRoot, "many")).id;
  return {name,
          [=] {
            const FileBackend::Node node = must(backend->lookup(FileBackend::kRoot, "other"));
            (void)must(backend->attributes(node.id));
            backend->forget(node.id);
          },
          [=] { (void)must(backend->open(file, O_RDONLY)); },
          [=] {
            const FileBackend::Node node =
                must(backend->create(FileBackend::kRoot, {"new", S_IFREG | 0644, 0, ::geteuid(), ::getegid()}));
            must(backend->unlink(FileBackend::kRoot, "new", false));
            backend->forget(node.id);
          },
          [=] { (void)must(backend->list(many)); }};
}

double median_microseconds(const std::function<void()>& body, int times, std::vector<double>& values) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) body();
  values.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / times);
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  return sorted[sorted.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 15;
  char path[] = "/tmp/cella-bench-files-XXXXXX";
  if (::mkdtemp(path) == nullptr) die("mkdtemp");
  const std::string root = path;
  std::filesystem::create_directory(root + "/many");
  for (int i = 0; i < kEntries; ++i) std::ofstream(root + "/many/entry-" + std::to_string(i));
  for (const char* name : {kFile, "other"}) std::ofstream(root + "/" + name) << "content";

  auto [ours, theirs] = must(sys::packet_pair());
  const pid_t server = ::fork();
  if (server == 0) {
    ours.reset();
    ::umask(0);
    FileDescriptor descriptors = path_only("/proc/self/fd");
    std::vector<sandbox::gofer::Server::Root> roots;
    for (int i = 0; i < 2; ++i) roots.push_back({path_only(root), false});
    sandbox::gofer::Server files(std::move(roots), {.descriptors = descriptors.get()});
    if (!sandbox::gofer::install_filter()) ::_exit(1);
    ::_exit(files.serve(theirs.get()) ? 0 : 1);
  }
  theirs.reset();
  {
    FileDescriptor directory = path_only(root), descriptors = path_only("/proc/self/fd");
    auto connection = sandbox::gofer::make_connection(std::move(ours));
    const Way ways[] = {
        native(directory.get()),
        through("direct", std::make_shared<sandbox::fs::DirectBackend>(path_only(root), descriptors.get())),
        through("proxy", sandbox::gofer::make_gofer_backend(connection, 0)),
        through("exclusive", sandbox::gofer::make_gofer_backend(connection, 1, {.exclusive = true}))};
    const struct {
      const char* name;
      std::function<void()> Way::* body;
      int times;
    } operations[] = {{"lookup+stat", &Way::lookup_stat, 1000},
                      {"open+close", &Way::open_close, 1000},
                      {"create+unlink", &Way::create_unlink, 300},
                      {"list 1000", &Way::list, 20}};
    std::printf("%-14s", "us (x native)");
    for (const Way& way : ways) std::printf("%18s", way.name);
    std::printf("%16s\n", "proxy/direct");
    for (const auto& operation : operations) {
      std::vector<double> values[std::size(ways)];
      double medians[std::size(ways)] = {};
      // Interleaved, so that what the machine does meanwhile hits all alike.
      for (int round = 0; round < rounds; ++round)
        for (size_t i = 0; i < std::size(ways); ++i)
          medians[i] = median_microseconds(ways[i].*operation.body, operation.times, values[i]);
      std::printf("%-14s", operation.name);
      for (double median : medians) std::printf("%10.2f (%5.2f)", median, median / medians[0]);
      std::printf("%16.2f\n", medians[2] / medians[1]);
    }
  }
  int status = 0;
  ::waitpid(server, &status, 0);
  std::filesystem::remove_all(root);
  return status == 0 ? 0 : 1;
}
