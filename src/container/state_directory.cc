#include "container/state_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/result.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/socket.h"

namespace cella::container {
namespace {

constexpr size_t kMaxId = 255;  // NAME_MAX
constexpr char kState[] = "state.json";
constexpr char kNewState[] = ".state.json.new";
constexpr char kJournal[] = "journal";
constexpr char kFifo[] = "exec.fifo";
constexpr char kControl[] = "control.sock";
// In this order: remove() takes the directory's content away by name, and must not get to the record while the
// namespace is bound.
constexpr char kNamespace[] = "netns";
constexpr char kDevices[] = "netns.json";
static_assert(std::string_view(kNamespace) < kDevices);

std::unexpected<Error> not_exists(std::string_view id) {
  return base::fail(ErrorCode::kContainerNotExists, "container {} does not exist", id);
}

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
         c == '-' || c == '.';
}

}  // namespace

Result<void> check_id(std::string_view id) {
  if (id.empty()) return base::fail(ErrorCode::kInvalidIdFormat, "container id is empty");
  if (id == "." || id == ".." || id.size() > kMaxId || !std::ranges::all_of(id, is_id_character)) {
    return base::fail(ErrorCode::kInvalidIdFormat,
                      "invalid container id format: \"{}\" is not of letters, digits and _ + - . alone", id);
  }
  return {};
}

Result<StateDirectory> StateDirectory::create(const std::string& root, std::string_view id) {
  TRY(check_id(id));
  StateDirectory directory;
  directory.root_ = root;
  directory.id_ = id;
  std::string path = root + "/" + directory.id_;
  SysResult<void> made = sys::make_directory_at(sys::kCurrentDirectory, path.c_str(), 0711);
  if (!made && made.error().value == ENOENT) {
    TRY(sys::make_directories(root, 0711), "creating the state root {}", root);
    made = sys::make_directory_at(sys::kCurrentDirectory, path.c_str(), 0711);
  }
  if (!made && made.error().value == EEXIST) {
    return base::fail(ErrorCode::kIdInUse, "container with id {} already exists", id);
  }
  TRY(made, "creating the state directory {}", path);
  directory.fd_ = TRY(sys::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW), "opening {}", path);
  TRY(directory.lock());
  return directory;
}

Result<StateDirectory> StateDirectory::open(const std::string& root, std::string_view id) {
  TRY(check_id(id));
  StateDirectory directory;
  directory.root_ = root;
  directory.id_ = id;
  std::string path = root + "/" + directory.id_;
  SysResult<sys::FileDescriptor> fd = sys::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd && fd.error().value == ENOENT) return not_exists(id);
  directory.fd_ = TRY(std::move(fd), "opening {}", path);
  return directory;
}

Result<void> StateDirectory::lock(int timeout_ms) {
  constexpr int kPauseMs = 5;
  for (int waited = 0;; waited += kPauseMs) {
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) break;
    if (errno != EWOULDBLOCK && errno != EINTR) return base::fail_errno(errno, "locking container {}", id_);
    if (waited >= timeout_ms) {
      return base::fail(ErrorCode::kSystemError, "container {} is being changed by another process", id_);
    }
    timespec pause = {0, kPauseMs * 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  // Whoever had the lock may have removed the directory.
  struct stat status;
  if (::fstat(fd_.get(), &status) < 0 || status.st_nlink == 0) return not_exists(id_);
  return {};
}

void StateDirectory::unlock() {
  (void)::flock(fd_.get(), LOCK_UN);
}

// Lines of a kind and its fields, with tabs between.
Result<void> StateDirectory::write_journal(const Journal& journal) {
  std::string text;
  for (const auto& [controller, path] : journal.cgroup_paths) text += fmt::format("cgroup\t{}\t{}\n", controller, path);
  for (const std::string& path : journal.resctrl_groups) text += fmt::format("resctrl\t{}\n", path);
  // A new file in a directory that we hold the lock of: nobody reads it before it is whole, or we are dead.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
  sys::FileDescriptor file =
      TRY(sys::open_at(fd_.get(), kJournal, kFlags, 0600), "creating the journal of container {}", id_);
  TRY(sys::write_all(file.get(), text), "writing the journal of container {}", id_);
  return {};
}

Result<Journal> StateDirectory::read_journal() const {
  Journal journal;
  SysResult<std::string> text = sys::read_file_at(fd_.get(), kJournal);
  if (!text && text.error().value == ENOENT) return journal;
  std::string lines = TRY(std::move(text), "reading the journal of container {}", id_);
  for (size_t start = 0; start < lines.size();) {
    size_t end = lines.find('\n', start);
    if (end == std::string::npos) break;  // cut off: half a path would name something else
    std::string_view line(lines.data() + start, end - start);
    start = end + 1;
    size_t tab = line.find('\t');
    if (tab == line.npos) continue;
    std::string_view kind = line.substr(0, tab), fields = line.substr(tab + 1);
    if (kind == "resctrl") journal.resctrl_groups.emplace_back(fields);
    tab = fields.find('\t');
    if (kind == "cgroup" && tab != fields.npos) {
      journal.cgroup_paths.emplace(fields.substr(0, tab), fields.substr(tab + 1));
    }
  }
  return journal;
}

Result<void> StateDirectory::prepare_state(std::string_view json) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
  sys::FileDescriptor file =
      TRY(sys::open_at(fd_.get(), kNewState, kFlags, 0600), "creating the state of container {}", id_);
  TRY(sys::write_all(file.get(), json), "writing the state of container {}", id_);
  return {};
}

Result<void> StateDirectory::commit_state() {
  TRY(sys::rename_at(fd_.get(), kNewState, kState), "writing the state of container {}", id_);
  SysResult<void> removed = sys::unlink_at(fd_.get(), kJournal);
  if (!removed && removed.error().value != ENOENT) TRY(removed, "removing the journal of container {}", id_);
  return {};
}

void StateDirectory::discard_state() {
  (void)sys::unlink_at(fd_.get(), kNewState);
}

Result<std::string> StateDirectory::read_state() const {
  SysResult<std::string> text = sys::read_file_at(fd_.get(), kState);
  if (!text && text.error().value == ENOENT) return not_exists(id_);
  return TRY(std::move(text), "reading the state of container {}", id_);
}

Result<sys::FileDescriptor> StateDirectory::make_fifo() {
  if (::mkfifoat(fd_.get(), kFifo, 0600) < 0) return base::fail_errno(errno, "creating {}", kFifo);
  return TRY(sys::open_at(fd_.get(), kFifo, O_RDWR | O_NOFOLLOW), "opening {}", kFifo);
}

Result<sys::FileDescriptor> StateDirectory::make_control_socket() {
  // Through the directory's descriptor: a path may be longer than an address.
  return TRY(sys::listen_unix(fmt::format("/proc/self/fd/{}/{}", fd_.get(), kControl)), "creating {}", kControl);
}

Result<sys::FileDescriptor> StateDirectory::open_fifo() const {
  SysResult<sys::FileDescriptor> fifo = sys::open_at(fd_.get(), kFifo, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!fifo && fifo.error().value == ENOENT) return sys::FileDescriptor();
  return TRY(std::move(fifo), "opening {} of container {}", kFifo, id_);
}

bool StateDirectory::has_fifo() const {
  return sys::stat_at(fd_.get(), kFifo, AT_SYMLINK_NOFOLLOW).has_value();
}

Result<void> StateDirectory::remove_fifo() {
  TRY(sys::unlink_at(fd_.get(), kFifo), "removing {} of container {}", kFifo, id_);
  return {};
}

Result<void> StateDirectory::write_devices(std::string_view json) {
  TRY(sys::replace_file_at(fd_.get(), kDevices, json, 0600), "recording the network devices of container {}", id_);
  return {};
}

Result<std::optional<std::string>> StateDirectory::read_devices() const {
  SysResult<std::string> text = sys::read_file_at(fd_.get(), kDevices);
  if (!text && text.error().value == ENOENT) return std::nullopt;
  return TRY(std::move(text), "reading the record of the network devices of container {}", id_);
}

Result<void> StateDirectory::bind_namespace(int netns) {
  {
    constexpr int kFlags = O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    sys::FileDescriptor file = TRY(sys::open_at(fd_.get(), kNamespace, kFlags, 0600), "creating {}", kNamespace);
  }
  TRY(sys::mount_file_at(netns, fd_.get(), kNamespace), "binding the network namespace of container {}", id_);
  return {};
}

Result<sys::FileDescriptor> StateDirectory::open_namespace() const {
  SysResult<sys::FileDescriptor> file = sys::open_at(fd_.get(), kNamespace, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!file && file.error().value == ENOENT) return sys::FileDescriptor();
  sys::FileDescriptor netns = TRY(std::move(file), "opening the network namespace of container {}", id_);
  if (TRY(sys::filesystem_type(netns.get())) != NSFS_MAGIC) return sys::FileDescriptor();
  return netns;
}

Result<void> StateDirectory::release_namespace() {
  if (TRY(open_namespace())) {
    std::string path = fmt::format("{}/{}/{}", root_, id_, kNamespace);
    TRY(sys::detach_mount(path.c_str()), "unmounting {}", path);
  }
  for (const char* name : {kNamespace, kDevices}) {
    SysResult<void> removed = sys::unlink_at(fd_.get(), name);
    if (!removed && removed.error().value != ENOENT) TRY(removed, "removing {} of container {}", name, id_);
  }
  return {};
}

Result<void> StateDirectory::remove() {
  // The common content by name, without reading the directory.
  for (const char* name : {kFifo, kState, kJournal}) (void)sys::unlink_at(fd_.get(), name);
  std::string path = root_ + "/" + id_;
  if (sys::unlink_at(sys::kCurrentDirectory, path.c_str(), AT_REMOVEDIR)) return {};
  TRY(sys::remove_tree_at(sys::kCurrentDirectory, path.c_str()), "removing {}", path);
  return {};
}

std::string StateDirectory::owner() const {
  struct stat status;
  if (::fstat(fd_.get(), &status) < 0) return {};
  // Without getpwuid(3): in a static program it would load name service modules.
  std::string uid = std::to_string(status.st_uid);
  if (SysResult<std::string> users = sys::read_file("/etc/passwd", 4 << 20)) {
    for (size_t start = 0; start < users->size();) {
      size_t end = std::min(users->find('\n', start), users->size());
      std::string_view line(users->data() + start, end - start);
      start = end + 1;
      size_t name = line.find(':');
      size_t password = name == line.npos ? line.npos : line.find(':', name + 1);
      if (password == line.npos) continue;
      std::string_view rest = line.substr(password + 1);
      if (rest.starts_with(uid) && rest.size() > uid.size() && rest[uid.size()] == ':')
        return std::string(line.substr(0, name));
    }
  }
  return uid;
}

Result<std::vector<std::string>> list_ids(const std::string& root) {
  SysResult<sys::FileDescriptor> fd = sys::open(root.c_str(), O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().value == ENOENT) return std::vector<std::string>();
  sys::FileDescriptor directory = TRY(std::move(fd), "opening {}", root);
  std::vector<std::string> names = TRY(sys::list_directory(directory.get()), "reading {}", root);
  std::erase_if(names, [](const std::string& name) { return !check_id(name); });
  return names;
}

}  // namespace cella::container
