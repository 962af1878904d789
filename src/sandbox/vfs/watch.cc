#include "sandbox/vfs/watch.h"

#include <algorithm>

namespace cella::sandbox::vfs {
namespace {

void tell_watches(Inode& inode, const Watch::Change& change) {
  // Any of them may go with what it hears, and take others along.
  const std::vector<Watch*> all = inode.watches;
  for (Watch* watch : all)
    if (std::ranges::find(inode.watches, watch) != inode.watches.end()) watch->on_change(change);
}

uint32_t directory_bit(Inode& inode) {
  return inode.has_type(S_IFDIR) ? IN_ISDIR : 0;
}

}  // namespace

void Watch::join(InodePtr inode) {
  inode_ = std::move(inode);
  inode_->watches.push_back(this);
}

void Watch::leave() {
  if (inode_ == nullptr) return;
  std::erase(inode_->watches, this);
  inode_.reset();
}

void tell_inode(Inode& inode, uint32_t events) {
  if (inode.watches.empty()) return;
  const InodePtr keep = inode.shared_from_this();
  // Of itself nothing is told that way but what happens to its content.
  const bool is_own = events & (IN_DELETE_SELF | IN_MOVE_SELF);
  tell_watches(inode, {.events = events | (is_own ? 0 : directory_bit(inode)), .cookie = 0, .name = {}});
}

void tell_entry(Inode& directory, uint32_t events, std::string_view name, bool is_directory, uint32_t cookie) {
  if (directory.watches.empty()) return;
  const InodePtr keep = directory.shared_from_this();
  tell_watches(directory, {.events = events | (is_directory ? IN_ISDIR : 0), .cookie = cookie, .name = name});
}

void tell(const Path& path, uint32_t events) {
  const Dentry& dentry = *path.dentry;
  if (dentry.parent != nullptr && !dentry.parent->inode->watches.empty()) {
    const DentryPtr keep = dentry.parent;
    tell_watches(*keep->inode, {.events = events | directory_bit(*dentry.inode),
                                .cookie = 0,
                                .name = dentry.name,
                                .is_unlinked = dentry.unlinked});
  }
  tell_inode(*dentry.inode, events);
}

void tell_unlinked(Inode& inode) {
  if (inode.watches.empty() || inode.open_files > 0) return;
  const auto attributes = inode.attributes();
  // A directory that has been removed may still say that it has links.
  if (attributes && attributes->st_nlink > 0 && !S_ISDIR(attributes->st_mode)) return;
  tell_inode(inode, IN_DELETE_SELF);
}

}  // namespace cella::sandbox::vfs
