// The file protocol: what the application kernel asks of the gofer, one message for each operation of fs::FileBackend.
// docs/gofer-protocol.md has the layouts, the limits and who owns what. This header is that table and the encoding of
// values; who sends and who answers is in client.h and server.h.
//
// A message is a row of values, and a value is a number of 64 bits in the machine's order, a string (its length as a
// number, then its bytes), or several of those. Whoever reads one believes nothing: every length is checked against
// what has come, every number against the type that it is for, and bytes left over make the message a wrong one.
#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "sandbox/fs/host/backend.h"

namespace cella::sandbox::gofer {

// Does the operation change files? Then a read-only root answers EROFS. kOpen is not among them: see its flags.
enum class Effect : uint8_t { kReads, kWrites };

// The operations: X(enumerator, method, name, effect). What follows the head of a request, and what a good answer has:
//   forget            → no answer at all; the nodes are in the head
//   lookup            name → node attributes is-mount
//   attributes        → attributes
//   set-attributes    change →
//   open              flags → with the descriptor
//   create            file → node attributes is-mount
//   symlink           file target → node attributes is-mount
//   link              name target's-node →
//   unlink            name is-directory →
//   rename            name new-directory new-name flags →
//   read-link         → target
//   list              first → is-last count entry…
//   statistics        → statistics
//   get-xattr         name → value
//   set-xattr         name value flags →
//   list-xattrs       → names, each with a NUL behind it
//   remove-xattr      name →
#define CELLA_GOFER_OPERATIONS(X)                              \
  X(kForget, forget, "forget", kReads)                         \
  X(kLookup, lookup, "lookup", kReads)                         \
  X(kAttributes, attributes, "attributes", kReads)             \
  X(kSetAttributes, set_attributes, "set-attributes", kWrites) \
  X(kOpen, open, "open", kReads)                               \
  X(kCreate, create, "create", kWrites)                        \
  X(kSymlink, symlink, "symlink", kWrites)                     \
  X(kLink, link, "link", kWrites)                              \
  X(kUnlink, unlink, "unlink", kWrites)                        \
  X(kRename, rename, "rename", kWrites)                        \
  X(kReadLink, read_link, "read-link", kReads)                 \
  X(kList, list, "list", kReads)                               \
  X(kStatistics, statistics, "statistics", kReads)             \
  X(kGetXattr, get_xattr, "get-xattr", kReads)                 \
  X(kSetXattr, set_xattr, "set-xattr", kWrites)                \
  X(kListXattrs, list_xattrs, "list-xattrs", kReads)           \
  X(kRemoveXattr, remove_xattr, "remove-xattr", kWrites)

enum class Operation : uint64_t {
#define CELLA_GOFER_ENUMERATOR(enumerator, method, name, effect) enumerator,
  CELLA_GOFER_OPERATIONS(CELLA_GOFER_ENUMERATOR)
#undef CELLA_GOFER_ENUMERATOR
      kCount
};

// Bytes of a message, in either direction. Fits into the default buffer of a unix socket, socket(7), and holds the
// largest extended attribute with its name.
inline constexpr size_t kMaxMessage = 72 << 10;
// Nodes that one request lets go of.
inline constexpr size_t kMaxForgets = 64;
inline constexpr uint64_t kMaxErrno = 4095;
inline constexpr size_t kMaxName = 255;
inline constexpr size_t kMaxTarget = 4095;  // PATH_MAX without its NUL

// The head of each request.
struct Head {
  uint64_t operation = 0;
  uint64_t root = 0;  // index
  uint64_t node = 0;
  uint64_t forgets = 0;  // so many nodes of this root follow, which are let go of first
};

class Writer {
 public:
  // Starts anew.
  void clear() { bytes_.clear(); }
  template <typename T>
    requires std::is_arithmetic_v<T>
  void put(T number) {
    const uint64_t wide = static_cast<uint64_t>(number);
    bytes_.append(reinterpret_cast<const char*>(&wide), sizeof wide);
  }
  void put(std::string_view text) {
    put(text.size());
    bytes_.append(text);
  }
  void put(const Head& head);
  void put(const struct stat& attributes);
  void put(const struct statfs& statistics);
  void put(const vfs::AttributeChange& change);
  void put(const vfs::NewFile& file);
  void put(const fs::FileBackend::Entry& entry);
  template <typename First, typename Second, typename... Rest>
  void put(const First& first, const Second& second, const Rest&... rest) {
    put(first);
    put(second);
    (put(rest), ...);
  }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Keeps no copy of the bytes. After the first value that is not there or does not fit, all fail.
class Reader {
 public:
  Reader() = default;
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
    requires std::is_arithmetic_v<T>
  bool get(T& number) {
    uint64_t wide = 0;
    if (!take(wide)) return false;
    if constexpr (std::is_same_v<T, bool>) {
      if (wide > 1) return fail();
    } else if constexpr (std::is_unsigned_v<T>) {
      if (wide > std::numeric_limits<T>::max()) return fail();
    } else {
      const auto sign = static_cast<int64_t>(wide);
      if (sign < std::numeric_limits<T>::min() || sign > std::numeric_limits<T>::max()) return fail();
    }
    number = static_cast<T>(wide);
    return true;
  }
  bool get(std::string& text);
  bool get(Head& head);
  bool get(struct stat& attributes);
  bool get(struct statfs& statistics);
  bool get(vfs::AttributeChange& change);
  bool get(vfs::NewFile& file);
  bool get(fs::FileBackend::Entry& entry);
  template <typename First, typename Second, typename... Rest>
  bool get(First& first, Second& second, Rest&... rest) {
    return get(first) && get(second) && (get(rest) && ...);
  }
  // These values and nothing else.
  template <typename... All>
  bool get_all(All&... all) {
    return (get(all) && ...) && at_end();
  }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  bool take(uint64_t& number);
  bool fail() { return ok_ = false; }

  std::string_view rest_;
  bool ok_ = true;
};

// What may be the name of a file in a directory: one component, and neither "." nor "..".
bool is_name(std::string_view text);
// What may be the target of a symbolic link.
bool is_target(std::string_view text);
const char* operation_name(Operation operation);

}  // namespace cella::sandbox::gofer
