#include "sandbox/gofer/protocol.h"

#include <cstring>

namespace cella::sandbox::gofer {
namespace {

// Bits of what an AttributeChange has.
enum Change : uint64_t { kMode = 1, kUid = 2, kGid = 4, kSize = 8, kAccessed = 16, kModified = 32, kAllChanges = 63 };

bool is_time(const timespec& time) {
  constexpr long kNanoseconds = 1'000'000'000;
  return time.tv_nsec >= 0 && time.tv_nsec < kNanoseconds;
}

bool is_type(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK:
      return (mode & ~static_cast<uint32_t>(S_IFMT | 07777)) == 0;
    default:
      return false;
  }
}

}  // namespace

void Writer::put(const Head& head) {
  put(head.operation, head.root, head.node, head.forgets);
}
bool Reader::get(Head& head) {
  return get(head.operation, head.root, head.node, head.forgets);
}

void Writer::put(const struct stat& a) {
  put(a.st_dev, a.st_ino, a.st_mode, a.st_nlink, a.st_uid, a.st_gid, a.st_rdev, a.st_size, a.st_blksize, a.st_blocks);
  put(a.st_atim.tv_sec, a.st_atim.tv_nsec, a.st_mtim.tv_sec, a.st_mtim.tv_nsec, a.st_ctim.tv_sec, a.st_ctim.tv_nsec);
}
bool Reader::get(struct stat& a) {
  a = {};
  if (!get(a.st_dev, a.st_ino, a.st_mode, a.st_nlink, a.st_uid, a.st_gid, a.st_rdev, a.st_size, a.st_blksize,
           a.st_blocks) ||
      !get(a.st_atim.tv_sec, a.st_atim.tv_nsec, a.st_mtim.tv_sec, a.st_mtim.tv_nsec, a.st_ctim.tv_sec,
           a.st_ctim.tv_nsec)) {
    return false;
  }
  const bool is_right = is_type(a.st_mode) && a.st_size >= 0 && a.st_blocks >= 0 && is_time(a.st_atim) &&
                        is_time(a.st_mtim) && is_time(a.st_ctim);
  return is_right || fail();
}

void Writer::put(const struct statfs& s) {
  put(s.f_type, s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree);
  put(s.f_fsid.__val[0], s.f_fsid.__val[1], s.f_namelen, s.f_frsize, s.f_flags);
}
bool Reader::get(struct statfs& s) {
  s = {};
  return get(s.f_type, s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree) &&
         get(s.f_fsid.__val[0], s.f_fsid.__val[1], s.f_namelen, s.f_frsize, s.f_flags);
}

void Writer::put(const vfs::AttributeChange& change) {
  uint64_t has = 0;
  if (change.mode) has |= kMode;
  if (change.uid) has |= kUid;
  if (change.gid) has |= kGid;
  if (change.size) has |= kSize;
  if (change.atime) has |= kAccessed;
  if (change.mtime) has |= kModified;
  const timespec accessed = change.atime.value_or(timespec{}), modified = change.mtime.value_or(timespec{});
  put(has, change.mode.value_or(0), change.uid.value_or(0), change.gid.value_or(0), change.size.value_or(0));
  put(accessed.tv_sec, accessed.tv_nsec, modified.tv_sec, modified.tv_nsec);
}
bool Reader::get(vfs::AttributeChange& change) {
  uint64_t has = 0, size = 0;
  uint32_t mode = 0, uid = 0, gid = 0;
  timespec accessed = {}, modified = {};
  if (!get(has, mode, uid, gid, size) || !get(accessed.tv_sec, accessed.tv_nsec, modified.tv_sec, modified.tv_nsec)) {
    return false;
  }
  if ((has & ~static_cast<uint64_t>(kAllChanges)) != 0 || (mode & ~07777u) != 0 || size > INT64_MAX) return fail();
  auto is_new_time = [](const timespec& time) {
    return is_time(time) || time.tv_nsec == UTIME_NOW || time.tv_nsec == UTIME_OMIT;
  };
  if (!is_new_time(accessed) || !is_new_time(modified)) return fail();
  change = {};
  if (has & kMode) change.mode = mode;
  if (has & kUid) change.uid = uid;
  if (has & kGid) change.gid = gid;
  if (has & kSize) change.size = size;
  if (has & kAccessed) change.atime = accessed;
  if (has & kModified) change.mtime = modified;
  return true;
}

void Writer::put(const vfs::NewFile& file) {
  put(file.name, file.mode, file.device, file.uid, file.gid);
}
bool Reader::get(vfs::NewFile& file) {
  return get(file.name, file.mode, file.device, file.uid, file.gid) &&
         ((is_name(file.name) && is_type(file.mode)) || fail());
}

void Writer::put(const fs::FileBackend::Entry& entry) {
  put(entry.name, entry.inode, entry.type);
}
bool Reader::get(fs::FileBackend::Entry& entry) {
  return get(entry.name, entry.inode, entry.type) && (is_name(entry.name) || fail());
}

bool Reader::take(uint64_t& number) {
  if (!ok_ || rest_.size() < sizeof number) return fail();
  std::memcpy(&number, rest_.data(), sizeof number);
  rest_.remove_prefix(sizeof number);
  return true;
}

bool Reader::get(std::string& text) {
  uint64_t size = 0;
  if (!take(size)) return false;
  if (size > rest_.size()) return fail();
  text.assign(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return true;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && text != "." && text != ".." &&
         text.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

bool is_target(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTarget && text.find('\0') == std::string_view::npos;
}

const char* operation_name(Operation operation) {
  static constexpr const char* kNames[] = {
#define CELLA_GOFER_NAME(enumerator, method, name, effect) name,
      CELLA_GOFER_OPERATIONS(CELLA_GOFER_NAME)
#undef CELLA_GOFER_NAME
  };
  return operation < Operation::kCount ? kNames[static_cast<size_t>(operation)] : "unknown";
}

}  // namespace cella::sandbox::gofer
