// devpts: the filesystem of pseudoterminals: /dev/pts/ptmx makes them, /dev/pts/N are they. Every mount is one of its
// own, as on Linux.
#pragma once

#include <map>
#include <string>

#include "sandbox/fs/filesystem.h"
#include "sandbox/fs/tty/tty.h"

namespace cella::sandbox::fs {

inline constexpr unsigned kPtsMajor = 136;

struct DevptsOptions {
  uint32_t mode = 0600, ptmx_mode = 0000;
  std::optional<uint32_t> uid, gid;  // of terminals; absent: those of who makes one
  int most = 1048576;
};
// "newinstance,ptmxmode=0666,mode=0620,gid=5": EINVAL for what is not one of devpts'.
SysResult<DevptsOptions> parse_devpts_options(const std::string& text);

class Devpts final : public MemoryInode {
 public:
  Devpts(task::Kernel& kernel, const DevptsOptions& options);

  // Makes a pseudoterminal and gives its master, which is at `path`. `mounted`: where this filesystem is. ENOSPC.
  SysResult<vfs::FilePtr> open_multiplexer(vfs::Caller& caller, const vfs::Path& mounted, const vfs::Path& path,
                                           int flags);
  // Another kind of terminal gets a number, which its maker asks for first, and a name: where it is then.
  struct Place {
    int number;
    uint64_t device;
  };
  SysResult<Place> next_place() const;  // ENOSPC
  SysResult<vfs::Path> adopt(const vfs::Path& mounted, const Place& place, std::shared_ptr<Tty> tty, uint32_t uid,
                             uint32_t gid);
  // Its line is gone, and with it the name.
  void remove(int number);

  SysResult<vfs::InodePtr> lookup(const std::string& name) override;
  SysResult<vfs::FilePtr> open(vfs::Caller& caller, const vfs::Path& path, int flags) override;
  bool keeps_names() const override { return false; }
  const std::map<int, vfs::InodePtr>& terminals() const { return terminals_; }
  const vfs::InodePtr& multiplexer() const { return multiplexer_; }
  void set_root(std::weak_ptr<vfs::Dentry> root) { root_ = std::move(root); }

 private:
  long magic() const override { return 0x1cd1; }
  vfs::InodePtr add(int number, std::shared_ptr<Tty> tty, uint32_t uid, uint32_t gid);

  task::Kernel& kernel_;
  DevptsOptions options_;
  vfs::InodePtr multiplexer_;
  std::map<int, vfs::InodePtr> terminals_;
  std::weak_ptr<vfs::Dentry> root_;
};

// Its root. `kernel` must outlive it.
vfs::DentryPtr make_devpts(task::Kernel& kernel, const DevptsOptions& options);
// The one whose root this is; null: another filesystem's.
Devpts* devpts_at(const vfs::Path& path);

}  // namespace cella::sandbox::fs
