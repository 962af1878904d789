// The process that is a gofer: from the request to the end of the kernel.
#include <cella/gofer.h>

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/result.h"
#include "plan/layout.h"
#include "sandbox/gofer/gofer_request.h"
#include "sandbox/gofer/seccomp.h"
#include "sandbox/gofer/server.h"
#include "sys/file.h"
#include "sys/landlock.h"

namespace cella::sandbox {
namespace {

using sys::FileDescriptor;

constexpr size_t kSpare = 64;  // descriptors that are no nodes: the roots' own, and those of one operation
constexpr size_t kMaxNodes = 1 << 18;

// Each node is a descriptor: as many as there may be.
size_t take_all_descriptors() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return kSpare;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<size_t>(limit.rlim_cur);
}

// In the way in which init would have told: plan/layout.h.
void tell(const FileDescriptor& report, const Error& error) {
  if (!report) return;
  plan::InitMessage message = {};
  message.kind = plan::InitMessage::kError;
  message.step = plan::kNoStep;
  const std::string text = error.text();
  text.copy(message.detail, sizeof message.detail - 1);
  (void)!::write(report.get(), &message, sizeof message);
}

}  // namespace

struct Gofer::Impl {
  FileDescriptor socket, descriptors;
  std::unique_ptr<gofer::Server> server;

  Result<void> begin(const gofer::GoferRequest& request) {
    std::vector<gofer::Server::Root> roots;
    socket = FileDescriptor(request.socket);
    for (const gofer::GoferRoot& root : request.roots) {
      FileDescriptor tree = TRY(sys::open(root.path.c_str(), O_PATH), "opening root {}", root.path);
      roots.push_back({std::move(tree), root.read_only});
    }
    ::umask(0);
    const size_t spare = kSpare + 2 * roots.size(), limit = take_all_descriptors();
    if (limit <= spare) return base::fail_errno(EMFILE, "making room for nodes");
    // Where there is no procfs, by name: fs/host/direct_backend.h.
    descriptors = FileDescriptor(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::vector<int> descriptors_of_roots;
    for (const gofer::Server::Root& root : roots) descriptors_of_roots.push_back(root.fd.get());
    TRY(sys::landlock_restrict(descriptors_of_roots, false), "restricting the gofer to the container's files");
    server = std::make_unique<gofer::Server>(
        std::move(roots), gofer::Server::Options{descriptors.get(), std::min(limit - spare, kMaxNodes)});
    if (!request.disable_seccomp) TRY(gofer::install_filter());
    return {};
  }
};

Gofer::Gofer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gofer::Gofer(Gofer&&) noexcept = default;
Gofer& Gofer::operator=(Gofer&&) noexcept = default;
Gofer::~Gofer() = default;

Result<Gofer> Gofer::make(int request_fd) {
  (void)::mallopt(M_ARENA_MAX, 1);  // there is one thread
  (void)::prctl(PR_SET_NAME, "cella-gofer");
  FileDescriptor file(request_fd);
  (void)::lseek(file.get(), 0, SEEK_SET);  // it stands where the writer has left it
  const std::string text = TRY(sys::read_all(file.get()), "reading the request");
  file.reset();
  const gofer::GoferRequest request = TRY(gofer::parse_gofer_request(text));
  const FileDescriptor report(request.report);
  auto impl = std::make_unique<Impl>();
  if (Result<void> begun = impl->begin(request); !begun) {
    tell(report, begun.error());
    return std::unexpected(std::move(begun).error());
  }
  return Gofer(std::move(impl));
}

Result<void> Gofer::serve() {
  TRY(impl_->server->serve(impl_->socket.get()), "serving files");
  return {};
}

}  // namespace cella::sandbox
