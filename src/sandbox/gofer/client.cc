#include "sandbox/gofer/client.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "sandbox/gofer/connection.h"
#include "sandbox/gofer/node_cache.h"

namespace cella::sandbox::gofer {
namespace {

class GoferBackend final : public fs::FileBackend {
 public:
  GoferBackend(std::shared_ptr<Connection> connection, size_t root, ClientOptions options)
      : connection_(std::move(connection)), root_(root), cache_(options.exclusive, options.max_idle) {}

  SysResult<Node> lookup(Id directory, const std::string& name) override {
    Id id = 0;
    if (NodeCache::Node* known = cache_.use(directory, name, id))
      return Node{id, known->attributes.value_or(known->found), known->is_mount};
    return adopt(directory, name, Operation::kLookup, name);
  }

  void forget(Id node) override {
    cache_.release(node);
    if (cache_.is_urgent() || cache_.forgotten().size() >= kMaxForgets) tell_forgotten();
  }

  SysResult<struct stat> attributes(Id node) override {
    if (const struct stat* known = cache_.attributes(node)) return *known;
    NodeCache::Node* known = cache_.find(node);
    struct stat now;
    Reader answer = TRY(call(Operation::kAttributes, node));
    if (!answer.get_all(now)) return connection_->broken();
    // A node is what it is for as long as it lives.
    const uint32_t type = known != nullptr ? known->found.st_mode & S_IFMT : 0;
    if (type != 0 && type != (now.st_mode & S_IFMT)) return connection_->broken();
    cache_.keep_attributes(node, now);
    return now;
  }

  SysResult<void> set_attributes(Id node, const vfs::AttributeChange& change) override {
    cache_.drop_attributes(node);
    return done(call(Operation::kSetAttributes, node, change));
  }

  SysResult<sys::FileDescriptor> open(Id node, int flags) override {
    if (NodeCache::Node* known = cache_.find(node)) known->has_been_opened = true;
    cache_.drop_attributes(node);
    flags &= O_ACCMODE | O_APPEND | O_TRUNC;
    sys::FileDescriptor descriptor;
    SysResult<Reader> answer = call_with(&descriptor, Operation::kOpen, node, flags);
    if (has_no_room(answer)) answer = call_with(&descriptor, Operation::kOpen, node, flags);
    TRY(done(std::move(answer)));
    // Anything else might keep us waiting.
    struct stat now;
    if (::fstat(descriptor.get(), &now) < 0 || !S_ISREG(now.st_mode)) return connection_->broken();
    return descriptor;
  }

  SysResult<Node> create(Id directory, const vfs::NewFile& file) override {
    cache_.drop_attributes(directory);
    return adopt(directory, file.name, Operation::kCreate, file);
  }
  SysResult<Node> symlink(Id directory, const vfs::NewFile& file, const std::string& target) override {
    cache_.drop_attributes(directory);
    vfs::NewFile link = file;
    link.mode = S_IFLNK | 0777;
    return adopt(directory, file.name, Operation::kSymlink, link, target);
  }
  SysResult<void> link(Id directory, const std::string& name, Id target) override {
    cache_.drop_attributes(directory);
    cache_.drop_attributes(target);
    return done(call(Operation::kLink, directory, name, target));
  }
  SysResult<void> unlink(Id directory, const std::string& name, bool is_directory) override {
    cache_.drop_attributes(directory);
    TRY(done(call(Operation::kUnlink, directory, name, is_directory)));
    drop_name(directory, name);
    return {};
  }
  SysResult<void> rename(Id directory, const std::string& name, Id new_directory, const std::string& new_name,
                         unsigned flags) override {
    cache_.drop_attributes(directory);
    cache_.drop_attributes(new_directory);
    TRY(done(call(Operation::kRename, directory, name, new_directory, new_name, flags)));
    drop_name(directory, name);
    drop_name(new_directory, new_name);
    return {};
  }

  SysResult<std::string> read_link(Id node) override {
    NodeCache::Node* known = cache_.find(node);
    if (known != nullptr && known->target) return *known->target;
    std::string target;
    Reader answer = TRY(call(Operation::kReadLink, node));
    if (!answer.get_all(target) || !is_target(target)) return connection_->broken();
    // It never changes.
    if (known != nullptr) known->target = target;
    return target;
  }

  SysResult<std::vector<Entry>> list(Id directory) override {
    cache_.drop_attributes(directory);  // the time of its last access
    std::vector<Entry> entries;
    for (bool is_last = false; !is_last;) {
      Reader answer = TRY(call(Operation::kList, directory, entries.size()));
      uint64_t count = 0;
      if (!answer.get(is_last, count) || (count == 0 && !is_last)) return connection_->broken();
      for (uint64_t i = 0; i < count; ++i) {
        Entry entry;
        if (!answer.get(entry)) return connection_->broken();
        if (entries.size() == kMaxEntries) return std::unexpected(Errno{ENOMEM});
        entries.push_back(std::move(entry));
      }
      if (!answer.at_end()) return connection_->broken();
    }
    return entries;
  }

  SysResult<struct statfs> statistics(Id node) override {
    struct statfs now;
    Reader answer = TRY(call(Operation::kStatistics, node));
    if (!answer.get_all(now)) return connection_->broken();
    return now;
  }

  SysResult<std::string> get_xattr(Id node, const std::string& name) override {
    std::string value;
    Reader answer = TRY(call(Operation::kGetXattr, node, name));
    if (!answer.get_all(value) || value.size() > XATTR_SIZE_MAX) return connection_->broken();
    return value;
  }
  SysResult<void> set_xattr(Id node, const std::string& name, std::string_view value, int flags) override {
    if (value.size() > XATTR_SIZE_MAX) return std::unexpected(Errno{E2BIG});
    cache_.drop_attributes(node);
    return done(call(Operation::kSetXattr, node, name, value, flags));
  }
  SysResult<std::vector<std::string>> list_xattrs(Id node) override {
    std::string text;
    Reader answer = TRY(call(Operation::kListXattrs, node));
    if (!answer.get_all(text) || text.size() > XATTR_LIST_MAX) return connection_->broken();
    std::vector<std::string> names;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\0', at);
      if (end == at || end == std::string::npos) return connection_->broken();
      names.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return names;
  }
  SysResult<void> remove_xattr(Id node, const std::string& name) override {
    cache_.drop_attributes(node);
    return done(call(Operation::kRemoveXattr, node, name));
  }

 private:
  // Asks, and lets the gofer know of as many forgotten nodes as go into a message.
  template <typename... Arguments>
  SysResult<Reader> call_with(sys::FileDescriptor* descriptor, Operation operation, Id node,
                              const Arguments&... arguments) {
    cache_.next_call();
    while (cache_.forgotten().size() > kMaxForgets) tell_forgotten();
    put_head(operation, node);
    (writer_.put(arguments), ...);
    cache_.forgotten_are_told();
    return connection_->call(writer_.bytes(), descriptor);
  }
  template <typename... Arguments>
  SysResult<Reader> call(Operation operation, Id node, const Arguments&... arguments) {
    return call_with(nullptr, operation, node, arguments...);
  }
  SysResult<void> done(SysResult<Reader> answer) {
    if (!answer) return std::unexpected(answer.error());
    return answer->at_end() ? SysResult<void>() : connection_->broken();
  }

  // At most kMaxForgets of them.
  void put_head(Operation operation, Id node) {
    writer_.clear();
    writer_.put(Head{static_cast<uint64_t>(operation), root_, node, cache_.forgotten().size()});
    for (Id id : cache_.forgotten()) writer_.put(id);
  }
  void tell_forgotten() {
    std::vector<Id> all = std::move(cache_.forgotten());
    for (size_t at = 0; at < all.size(); at += kMaxForgets) {
      const size_t end = std::min(at + kMaxForgets, all.size());
      cache_.forgotten().assign(all.begin() + static_cast<ptrdiff_t>(at), all.begin() + static_cast<ptrdiff_t>(end));
      put_head(Operation::kForget, kRoot);
      connection_->tell(writer_.bytes());
    }
    cache_.forgotten_are_told();
  }

  // Has the gofer no room, perhaps for no better reason than names that we keep? They are dropped.
  bool has_no_room(const SysResult<Reader>& answer) {
    if (answer || (answer.error().value != ENFILE && answer.error().value != EMFILE)) return false;
    cache_.drop_idle();
    return true;
  }
  // A node that the operation gives, below `directory` with this name.
  template <typename... Arguments>
  SysResult<Node> adopt(Id directory, const std::string& name, Operation operation, const Arguments&... arguments) {
    SysResult<Reader> answer = call(operation, directory, arguments...);
    if (has_no_room(answer)) answer = call(operation, directory, arguments...);
    Reader values = TRY(std::move(answer));
    Node node;
    if (!values.get_all(node.id, node.attributes, node.is_mount)) return connection_->broken();
    if (!cache_.add(directory, name, node)) return connection_->broken();
    return node;
  }
  void drop_name(Id directory, const std::string& name) {
    cache_.drop_name(directory, name);
    if (cache_.is_urgent()) tell_forgotten();
  }

  std::shared_ptr<Connection> connection_;
  uint64_t root_;
  NodeCache cache_;
  Writer writer_;
};

}  // namespace

std::shared_ptr<Connection> make_connection(sys::FileDescriptor socket) {
  return std::make_shared<Connection>(std::move(socket));
}

std::shared_ptr<fs::FileBackend> make_gofer_backend(std::shared_ptr<Connection> connection, size_t root,
                                                    ClientOptions options) {
  return std::make_shared<GoferBackend>(std::move(connection), root, options);
}

}  // namespace cella::sandbox::gofer
