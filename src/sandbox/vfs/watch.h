// Watch: somebody who wants to hear what happens to a file, or to the entries of a directory: inotify(7). Events are
// IN_* of <sys/inotify.h>. Whoever changes something tells it here, after it has been done.
//
// A file is watched as the Inode that it is here: of a host file with several names that is one for each, and what is
// done under another name is not heard of.
#pragma once

#include <sys/inotify.h>

#include <cstdint>
#include <string_view>

#include "sandbox/vfs/dentry.h"

namespace cella::sandbox::vfs {

class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  virtual ~Watch() { leave(); }

  // To `inode`, which it keeps; not while it is watching another one.
  void join(InodePtr inode);
  void leave();
  const InodePtr& inode() const { return inode_; }

  struct Change {
    uint32_t events = 0;
    uint32_t cookie = 0;       // joins the two ends of a rename
    std::string_view name;     // of the directory's entry; empty: it happened to what is watched itself
    bool is_unlinked = false;  // the entry has lost its name already
  };
  // May leave, and may be the end of this object.
  virtual void on_change(const Change& change) = 0;

 private:
  InodePtr inode_;
};

// To a file: its directory hears of it too. IN_ISDIR is added.
void tell(const Path& path, uint32_t events);
// To an inode alone, or to an entry of a directory alone.
void tell_inode(Inode& inode, uint32_t events);
void tell_entry(Inode& directory, uint32_t events, std::string_view name, bool is_directory, uint32_t cookie = 0);
// A name of it has gone. If it was the last, and nobody has the file open, it hears of its end.
void tell_unlinked(Inode& inode);

}  // namespace cella::sandbox::vfs
