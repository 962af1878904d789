#include "sandbox/vfs/file.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "sandbox/vfs/locks.h"
#include "sandbox/vfs/watch.h"

namespace cella::sandbox::vfs {
namespace {

std::unexpected<Errno> fail(int error) {
  return std::unexpected(Errno{error});
}

}  // namespace

File::~File() {
  if (path && path.inode().locks != nullptr) path.inode().locks->release(this);
  if (!announced_) return;
  if (may_write()) --path.inode().writers;
  tell(path, may_write() ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
  if (--path.inode().open_files == 0 && path.dentry->unlinked) tell_unlinked(path.inode());
}

void File::announce() {
  announced_ = true;
  ++path.inode().open_files;
  if (may_write()) ++path.inode().writers;
  tell(path, IN_OPEN);
}

SysResult<size_t> SeekableFile::read(Caller& caller, IoVector& io) {
  size_t done = TRY(read_at(caller, io, position_));
  position_ += done;
  return done;
}

SysResult<size_t> SeekableFile::write(Caller& caller, IoVector& io) {
  if (flags & O_APPEND) position_ = TRY(size());
  size_t done = TRY(write_at(caller, io, position_));
  position_ += done;
  return done;
}

SysResult<uint64_t> SeekableFile::seek(Caller&, int64_t offset, int whence) {
  int64_t base = 0;
  switch (whence) {
    case SEEK_SET:
      break;
    case SEEK_CUR:
      base = static_cast<int64_t>(position_);
      break;
    case SEEK_END:
      base = static_cast<int64_t>(TRY(size()));
      break;
    case SEEK_DATA:
    case SEEK_HOLE: {
      // As a filesystem without holes has it.
      auto end = static_cast<int64_t>(TRY(size()));
      if (offset < 0 || offset >= end) return fail(ENXIO);
      position_ = static_cast<uint64_t>(whence == SEEK_DATA ? offset : end);
      return position_;
    }
    default:
      return fail(EINVAL);
  }
  int64_t target;
  if (__builtin_add_overflow(base, offset, &target)) return fail(EINVAL);
  if (target < 0) return fail(EINVAL);
  position_ = static_cast<uint64_t>(target);
  return position_;
}

SysResult<uint64_t> DirectoryFile::seek(Caller&, int64_t offset, int whence) {
  int64_t base = whence == SEEK_CUR ? static_cast<int64_t>(position_) : 0;
  if (whence != SEEK_SET && whence != SEEK_CUR) return fail(EINVAL);
  if (base + offset < 0) return fail(EINVAL);
  position_ = static_cast<uint64_t>(base + offset);
  return position_;
}

SysResult<FilePtr> FdTable::get(int fd) const {
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || slots_[static_cast<size_t>(fd)].file == nullptr)
    return fail(EBADF);
  return slots_[static_cast<size_t>(fd)].file;
}

SysResult<FilePtr> FdTable::get_for_io(int fd) const {
  FilePtr file = TRY(get(fd));
  if (file->flags & O_PATH) return fail(EBADF);
  return file;
}

SysResult<int> FdTable::find_free(uint64_t limit, int lowest) const {
  auto at = static_cast<size_t>(lowest);
  while (at < slots_.size() && slots_[at].file != nullptr) ++at;
  if (at >= limit) return fail(EMFILE);
  return static_cast<int>(at);
}

SysResult<int> FdTable::add(FilePtr file, bool close_on_exec, uint64_t limit, int lowest) {
  const auto at = static_cast<size_t>(TRY(find_free(limit, lowest)));
  if (at >= slots_.size()) slots_.resize(at + 1);
  slots_[at] = {std::move(file), close_on_exec};
  return static_cast<int>(at);
}

SysResult<FilePtr> FdTable::put(int fd, FilePtr file, bool close_on_exec, uint64_t limit) {
  if (fd < 0 || static_cast<uint64_t>(fd) >= limit) return fail(EBADF);
  auto at = static_cast<size_t>(fd);
  if (at >= slots_.size()) slots_.resize(at + 1);
  FilePtr old = std::move(slots_[at].file);
  slots_[at] = {std::move(file), close_on_exec};
  return old;
}

SysResult<FilePtr> FdTable::remove(int fd) {
  FilePtr file = TRY(get(fd));
  slots_[static_cast<size_t>(fd)] = {};
  return file;
}

FdTable::Slot* FdTable::slot(int fd) {
  return get(fd) ? &slots_[static_cast<size_t>(fd)] : nullptr;
}

std::vector<FilePtr> FdTable::remove_range(unsigned first, unsigned last) {
  std::vector<FilePtr> removed;
  for (size_t at = first; at < slots_.size() && at <= last; ++at) {
    if (slots_[at].file != nullptr) removed.push_back(std::move(slots_[at].file));
    slots_[at] = {};
  }
  return removed;
}

std::vector<FilePtr> FdTable::remove_close_on_exec() {
  std::vector<FilePtr> removed;
  for (Slot& slot : slots_) {
    if (slot.file == nullptr || !slot.close_on_exec) continue;
    removed.push_back(std::move(slot.file));
    slot = {};
  }
  return removed;
}

}  // namespace cella::sandbox::vfs
