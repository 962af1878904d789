#include "sandbox/boot/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/fs/mount_builder.h"
#include "sandbox/loader/loader.h"
#include "sandbox/syscall/execute.h"
#include "sandbox/vfs/permission.h"

namespace cella::sandbox::boot {
namespace {

using task::Kernel;
using task::Task;
using task::ThreadGroup;

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr size_t kStreams = 3;

vfs::Credentials credentials_of(const BootProcess& process) {
  vfs::Credentials who;
  who.uid = who.euid = who.suid = who.fsuid = process.uid;
  who.gid = who.egid = who.sgid = who.fsgid = process.gid;
  who.groups = process.additional_gids;
  who.permitted = process.capabilities.permitted;
  who.effective = process.capabilities.effective;
  who.inheritable = process.capabilities.inheritable;
  who.bounding = process.capabilities.bounding;
  // capabilities(7): what is not both of these cannot be ambient.
  who.ambient = process.capabilities.ambient & who.permitted & who.inheritable;
  who.no_new_privileges = process.no_new_privileges;
  return who;
}

SysResult<void> set_limits(ThreadGroup& group, const BootProcess& process) {
  for (size_t resource = 0; resource < group.limits.size(); ++resource) {
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &group.limits[resource]) < 0)
      return std::unexpected(Errno{errno});
  }
  for (const config::Rlimit& limit : process.rlimits) {
    if (limit.type < 0 || static_cast<size_t>(limit.type) >= group.limits.size()) return std::unexpected(Errno{EINVAL});
    group.limits[static_cast<size_t>(limit.type)] = {limit.soft, limit.hard};
  }
  return {};
}

// A pipe or a terminal of another user could not be opened through /proc/self/fd. What cannot be given away stays.
void give_stream(int fd, uint32_t uid) {
  struct stat now;
  if (::fstat(fd, &now) < 0 || now.st_uid == uid) return;
  if (S_ISCHR(now.st_mode) && now.st_rdev == makedev(1, 3)) return;
  (void)!::fchown(fd, uid, static_cast<gid_t>(-1));
}

struct Files {
  std::shared_ptr<vfs::FdTable> table = std::make_shared<vfs::FdTable>();
  std::shared_ptr<fs::HostTerminal> terminal;
};
Result<Files> make_files(Kernel& kernel, fs::HostPoller& poller, NewProgram& program, uint64_t limit) {
  Files files;
  auto put = [&](size_t fd, vfs::FilePtr file) -> Result<void> {
    TRY(files.table->put(static_cast<int>(fd), std::move(file), false, std::max<uint64_t>(limit, fd + 1)),
        "passing descriptor {}", fd);
    return {};
  };
  if (program.process.terminal) {
    fs::ContainerTerminal made =
        TRY(fs::make_container_terminal(kernel, poller, std::move(program.files[0]), kernel.mounts, program.process.uid,
                                        program.process.gid),
            "setting up the terminal");
    for (size_t stream = 0; stream < kStreams; ++stream) TRY(put(stream, made.file));
    files.terminal = std::move(made.terminal);
  }
  for (size_t i = files.terminal ? kStreams : 0; i < program.files.size(); ++i) {
    sys::FileDescriptor& fd = program.files[i];
    const int flags = fd ? ::fcntl(fd.get(), F_GETFL) : -1;
    if (flags < 0) continue;  // not there for the caller either
    struct stat now;
    if (::fstat(fd.get(), &now) < 0) return base::fail_errno(errno, "passing descriptor {}", i);
    if (S_ISDIR(now.st_mode)) {
      return base::fail(ErrorCode::kUnsupported, "descriptor {} is a directory of the host's, which no guest may have",
                        i);
    }
    if (i < kStreams) give_stream(fd.get(), program.process.uid);
    TRY(put(i, fs::make_host_fd(poller, std::move(fd), flags)));
  }
  return files;
}

// 0: it is a file that the caller may execute.
SysResult<vfs::Path> check_program(Task& task, const std::string& path) {
  vfs::Path found = TRY(vfs::resolve(task, task.fs->position, task.fs->position.cwd, path));
  vfs::Attributes attributes = TRY(found.inode().attributes());
  if (S_ISDIR(attributes.st_mode)) return std::unexpected(Errno{EISDIR});
  if (!S_ISREG(attributes.st_mode)) return std::unexpected(Errno{EACCES});
  TRY(vfs::check_access(task.creds, attributes, vfs::kMayExecute));
  return found;
}

struct Found {
  vfs::Path file;
  std::string path;
};
Result<Found> find_program(Task& task, const BootProcess& process) {
  const std::string& name = process.args[0];
  if (name.find('/') != std::string::npos) return Found {
      TRY(check_program(task, name), "stat {}", name)
      , name
    };
  std::string_view search = kDefaultPath;
  for (const std::string& variable : process.env)
    if (variable.starts_with("PATH=")) search = std::string_view(variable).substr(5);
  bool is_denied = false;
  for (bool more = !name.empty(); more;) {
    const size_t colon = search.find(':');
    std::string directory(search.substr(0, colon));
    more = colon != search.npos;
    if (more) search.remove_prefix(colon + 1);
    const std::string path = directory.empty() ? name : directory + "/" + name;
    SysResult<vfs::Path> file = check_program(task, path);
    if (file) return Found{*file, path};
    is_denied |= file.error().value == EACCES;
  }
  if (is_denied) return std::unexpected(Error(Errno{EACCES}));
  return base::fail(ErrorCode::kSystemError, "executable file not found in $PATH");
}

// passwd(5) of the image: the sixth field of the first line with this uid, or "/". The file is the image's.
std::string home_of(Task& task, uint32_t uid) {
  std::string text;
  auto read = [&]() -> SysResult<void> {
    vfs::Path path = TRY(vfs::resolve(task, task.fs->position, task.fs->position.root, "/etc/passwd"));
    if (!path.inode().has_type(S_IFREG)) return {};
    vfs::FilePtr file = TRY(path.inode().open(task, path, O_RDONLY));
    constexpr off_t kMaxSize = 1 << 20;
    const vfs::Attributes attributes = TRY(path.inode().attributes());
    text.resize(static_cast<size_t>(std::clamp<off_t>(attributes.st_size, 0, kMaxSize)));
    vfs::IoVector io(text.data(), text.size());
    text.resize(TRY(file->read_at(task, io, 0)));
    return {};
  };
  if (!read()) text.clear();
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::string_view fields[7];
    size_t count = 0;
    while (count < 7) {
      const size_t colon = std::min(line.find(':'), line.size());
      fields[count++] = line.substr(0, colon);
      if (colon == line.size()) break;
      line.remove_prefix(colon + 1);
    }
    if (count < 6 || fields[2] != std::to_string(uid)) continue;
    const bool is_usable = fields[5].starts_with('/') && fields[5].size() < PATH_MAX &&
                           std::ranges::none_of(fields[5], [](unsigned char c) { return c < ' '; });
    return is_usable ? std::string(fields[5]) : "/";
  }
  return "/";
}

// The first program's has been made with the mounts.
Result<vfs::Path> working_directory(Kernel& kernel, const std::string& cwd) {
  SysResult<vfs::Path> found = fs::MountBuilder(kernel.mounts).find(cwd);
  if (found && !found->inode().has_type(S_IFDIR)) found = std::unexpected(Errno{ENOTDIR});
  return TRY(std::move(found), "changing the working directory to {}", cwd);
}

}  // namespace

Result<StartedProgram> start_program(Kernel& kernel, fs::HostPoller& poller, NewProgram program) {
  const BootProcess& process = program.process;
  if (process.args.empty()) return base::fail(ErrorCode::kConfigInvalid, "the process has no args: nothing to execute");
  if (kernel.tasks.size() >= kernel.task_limit || kernel.shutting_down) return std::unexpected(Error(Errno{EAGAIN}));
  auto group = std::make_shared<ThreadGroup>(kernel);
  auto task = std::make_unique<Task>(kernel, group);
  task->id = group->id = group->process_group = group->session = kernel.next_id();
  group->start_time = core::now();
  TRY(set_limits(*group, process), "setting the limits");
  group->limits_changed();
  group->oom_score_adj = process.oom_score_adj;
  task->nice = process.nice;
  task->io_priority = process.io_priority;
  task->personality = process.personality;
  // capset(2).
  if ((process.capabilities.effective & ~process.capabilities.permitted) != 0)
    return base::fail_errno(EPERM, "setting the capabilities");
  task->creds = credentials_of(process);
  if (kernel.seccomp != nullptr) task->seccomp = {SECCOMP_MODE_FILTER, kernel.seccomp};
  task->fs = std::make_shared<task::FsState>();
  const vfs::Path root = kernel.mounts->covering(kernel.mounts->root());
  task->fs->position = {kernel.mounts, root, root};
  task->fs->umask = process.umask;
  Files files = TRY(make_files(kernel, poller, program, group->limit(RLIMIT_NOFILE)));
  task->files = std::move(files.table);
  task->fs->position.cwd = TRY(working_directory(kernel, process.cwd));

  const std::string about = fmt::format("exec: \"{}\"", process.args[0]);
  Found found = TRY(find_program(*task, process), "{}", about);
  loader::Program image_of;
  image_of.executable = found.file;
  image_of.path = found.path;
  image_of.arguments = process.args;
  image_of.environment = process.env;
  if (std::ranges::none_of(process.env, [](const std::string& entry) { return entry.starts_with("HOME="); }))
    image_of.environment.push_back("HOME=" + home_of(*task, process.uid));
  task::Image image = TRY(loader::load(*task, std::move(image_of)), "exec {}", process.args[0]);
  TRY(syscall::take_credentials(*task, image.executable), "exec {}", process.args[0]);
  task->memory_manager = std::move(image.memory);
  task->executable = image.executable;
  task->execution = std::move(image.execution);
  task->name = group->name = image.name;
  group->has_executed = true;
  platform::Registers registers = {};
  registers.rip = image.entry;
  registers.rsp = image.stack;
  registers.eflags = 0x200;
  registers.orig_rax = ~0ul;
  if (files.terminal != nullptr) static_cast<task::Terminal&>(*files.terminal).control(*group);
  TRY(task->start(registers, nullptr), "starting a thread");
  Task* started = task.release();
  kernel.tasks[started->id] = started;
  kernel.groups[group->id] = group;
  group->tasks.push_back(started);
  if (kernel.init == nullptr) kernel.init = group;
  return StartedProgram{group, std::move(files.terminal)};
}

}  // namespace cella::sandbox::boot
