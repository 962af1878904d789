#include "sandbox/fs/proc/process_links.h"

#include <dirent.h>

#include <charconv>

#include "base/result.h"

namespace cella::sandbox::fs {
namespace {

using task::Task;
using vfs::Caller;
using vfs::InodePtr;
using vfs::Path;

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

// A magic link: it leads to a place, whatever its text says.
class PlaceLink : public GeneratedInode {
 public:
  PlaceLink(const GeneratedSuper& of, Subject subject, std::string name)
      : GeneratedInode(of, S_IFLNK | 0777), subject_(std::move(subject)), name_(std::move(name)) {}
  SysResult<vfs::Attributes> attributes() override {
    TRY(subject_.process());
    return subject_.owned(attributes_, name_);
  }
  SysResult<std::string> read_link(Caller& caller) override {
    TRY(check_inspect(caller, subject_));
    Path path = TRY(place());
    return vfs::path_text(path, asking_root(subject_.kernel, caller));
  }
  SysResult<std::optional<Path>> follow(Caller& caller) override {
    TRY(check_inspect(caller, subject_));
    return TRY(place());
  }
  SysResult<vfs::FilePtr> open(Caller&, const Path&, int) override { return fail(ELOOP); }

 protected:
  virtual SysResult<Path> place() = 0;
  Subject subject_;
  std::string name_;
};

struct Place {
  const char* name;
  Path (*of)(const Task& task);
};
constexpr Place kPlaces[] = {
    {"cwd", [](const Task& task) { return task.fs->position.cwd; }},
    {"exe", [](const Task& task) { return task.executable; }},
    {"root",
     [](const Task& task) {
       const vfs::Position& position = task.fs->position;
       return position.mounts->covering(position.root);
     }},
};

class TaskLink final : public PlaceLink {
 public:
  TaskLink(const GeneratedSuper& of, Subject subject, const Place& which)
      : PlaceLink(of, std::move(subject), which.name), which_(which) {}

 protected:
  SysResult<Path> place() override {
    Path path = which_.of(*TRY(subject_.task()));
    return path ? SysResult<Path>(path) : fail(ENOENT);
  }

 private:
  const Place& which_;
};

SysResult<const vfs::FdTable::Slot*> slot_of(const Subject& subject, int fd) {
  const Task* task = TRY(subject.task());
  const vfs::FdTable::Slot* slot = task->files->slot(fd);
  return slot != nullptr ? SysResult<const vfs::FdTable::Slot*>(slot) : fail(ENOENT);
}

class DescriptorLink final : public PlaceLink {
 public:
  DescriptorLink(const GeneratedSuper& of, Subject subject, int fd)
      : PlaceLink(of, std::move(subject), fmt::format("fd/{}", fd)), fd_(fd) {}
  // What it is open for is in its mode.
  SysResult<vfs::Attributes> attributes() override {
    vfs::Attributes result = TRY(PlaceLink::attributes());
    const vfs::FdTable::Slot* slot = TRY(slot_of(subject_, fd_));
    result.st_mode = S_IFLNK | (slot->file->may_read() ? 0500u : 0) | (slot->file->may_write() ? 0300u : 0);
    result.st_size = 64;
    return result;
  }

 protected:
  SysResult<Path> place() override {
    return TRY(slot_of(subject_, fd_))
    ->file->path;
  }

 private:
  int fd_;
};

class DescriptorInfo final : public GeneratedFile {
 public:
  DescriptorInfo(const GeneratedSuper& of, Subject subject, int fd)
      : GeneratedFile(of, S_IFREG | 0400), subject_(std::move(subject)), fd_(fd) {}
  SysResult<vfs::Attributes> attributes() override {
    TRY(subject_.process());
    return subject_.owned(attributes_, fmt::format("fdinfo/{}", fd_));
  }
  SysResult<void> check_open(Caller& caller) override { return check_inspect(caller, subject_); }
  SysResult<std::string> text(Caller&) override {
    const vfs::FdTable::Slot* slot = TRY(slot_of(subject_, fd_));
    const vfs::File& file = *slot->file;
    auto attributes = TRY(slot->file->attributes());
    const int flags = file.flags | (slot->close_on_exec ? O_CLOEXEC : 0);
    return fmt::format("pos:\t{}\nflags:\t0{:o}\nmnt_id:\t{}\nino:\t{}\n", file.position(), flags, file.path.mount->id,
                       attributes.st_ino);
  }

 private:
  Subject subject_;
  int fd_;
};

template <typename Node>
class DescriptorsDirectory final : public ProcessSubdirectory {
 public:
  using ProcessSubdirectory::ProcessSubdirectory;
  bool always_readable(Caller& caller) override {
    const Task* task = asking_task(subject_.kernel, caller);
    return task != nullptr && task->group->id == subject_.process_id();
  }
  SysResult<InodePtr> lookup(const std::string& name) override {
    int fd = -1;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fd);
    if (error != std::errc() || std::to_string(fd) != name) return fail(ENOENT);
    TRY(slot_of(subject_, fd));
    return std::make_shared<Node>(super(), subject_, fd);
  }
  SysResult<std::vector<Entry>> list(Caller&) override {
    const Task* task = TRY(subject_.task());
    const auto& slots = task->files->slots();
    std::vector<Entry> entries;
    for (size_t fd = 0; fd < slots.size(); ++fd) {
      if (slots[fd].file == nullptr) continue;
      entries.push_back({std::to_string(fd), subject_.inode_number(fmt::format("{}/{}", name_, fd)),
                         name_ == "fd" ? uint8_t{DT_LNK} : uint8_t{DT_REG}});
    }
    return entries;
  }
};

// Namespaces are the kernel's own and one of each kind; their numbers are those of Linux' first ones.
struct Namespace {
  const char *name, *kind;
  uint64_t number;
};
constexpr Namespace kNamespaces[] = {
    {"cgroup", "cgroup", 4026531835}, {"ipc", "ipc", 4026531839},
    {"mnt", "mnt", 4026531841},       {"net", "net", 4026531840},
    {"pid", "pid", 4026531836},       {"pid_for_children", "pid", 4026531836},
    {"time", "time", 4026531834},     {"time_for_children", "time", 4026531834},
    {"user", "user", 4026531837},     {"uts", "uts", 4026531838},
};

class NamespaceFile final : public vfs::File {
 public:
  using File::File;
};

class NamespaceInode final : public GeneratedInode {
 public:
  NamespaceInode(const GeneratedSuper& of, uint64_t number) : GeneratedInode(of, S_IFREG | 0444) {
    attributes_.st_ino = number;
  }
  SysResult<vfs::FilePtr> open(Caller&, const Path& path, int flags) override {
    if ((flags & O_ACCMODE) != O_RDONLY) return fail(EPERM);
    return std::make_shared<NamespaceFile>(path, flags);
  }
};

Path namespace_path(const Namespace& which) {
  static const GeneratedSuper kNsfs = {new_device_number(), 0x6e736673};
  return anonymous_path(std::make_shared<NamespaceInode>(kNsfs, which.number),
                        fmt::format("{}:[{}]", which.kind, which.number));
}

class NamespaceLink final : public PlaceLink {
 public:
  NamespaceLink(const GeneratedSuper& of, Subject subject, const Namespace& which)
      : PlaceLink(of, std::move(subject), fmt::format("ns/{}", which.name)), which_(which) {}

 protected:
  SysResult<Path> place() override { return namespace_path(which_); }

 private:
  const Namespace& which_;
};

class NamespacesDirectory final : public ProcessSubdirectory {
 public:
  using ProcessSubdirectory::ProcessSubdirectory;
  SysResult<InodePtr> lookup(const std::string& name) override {
    for (const Namespace& which : kNamespaces)
      if (name == which.name) return std::make_shared<NamespaceLink>(super(), subject_, which);
    return fail(ENOENT);
  }
  SysResult<std::vector<Entry>> list(Caller&) override {
    std::vector<Entry> entries;
    for (const Namespace& which : kNamespaces)
      entries.push_back({which.name, subject_.inode_number(fmt::format("ns/{}", which.name)), DT_LNK});
    return entries;
  }
};

}  // namespace

SysResult<vfs::Attributes> ProcessSubdirectory::attributes() {
  TRY(subject_.process());
  return subject_.owned(attributes_, name_);
}

InodePtr make_process_link(const GeneratedSuper& super, const Subject& subject, const std::string& name) {
  for (const Place& place : kPlaces)
    if (name == place.name) return std::make_shared<TaskLink>(super, subject, place);
  return nullptr;
}

InodePtr make_descriptors_directory(const GeneratedSuper& super, const Subject& subject, const std::string& name) {
  constexpr uint32_t kPrivate = 0500, kPublic = 0555, kTraversable = 0511;
  if (name == "fd") return std::make_shared<DescriptorsDirectory<DescriptorLink>>(super, subject, name, kPrivate);
  if (name == "fdinfo") return std::make_shared<DescriptorsDirectory<DescriptorInfo>>(super, subject, name, kPublic);
  if (name == "ns") return std::make_shared<NamespacesDirectory>(super, subject, name, kTraversable);
  return nullptr;
}

}  // namespace cella::sandbox::fs
