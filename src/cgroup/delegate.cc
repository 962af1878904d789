// Delegation: a cgroup below the container's for the container to manage. cgroup-v2.rst, "Delegation".
#include <unistd.h>

#include <cerrno>

#include "base/result.h"
#include "cgroup/manager.h"
#include "cgroup/text.h"

namespace cella::cgroup {

Result<void> Manager::delegate(pid_t pid, const std::string& path, uid_t uid, gid_t gid) {
  Group* group = unified();
  if (group == nullptr || groups_.size() != 1) {
    return base::fail(ErrorCode::kUnsupported, "only a cgroup of v2 can be delegated");
  }
  const std::string inner = TRY(clean_path(path));
  const std::string target = group->path() + (inner.starts_with('/') ? "" : "/") + inner;
  if (target == group->path() + "/") return {};  // the container's own: it is there already
  TRY(sys::make_directories(target, 0755), "making cgroup {}", target);
  if (::chown(target.c_str(), uid, gid) < 0) return base::fail_errno(errno, "giving away cgroup {}", target);
  SysResult<std::string> files = sys::read_file("/sys/kernel/cgroup/delegate");
  std::string_view names = files ? std::string_view(*files) : "cgroup.procs\ncgroup.subtree_control\ncgroup.threads";
  while (!names.empty()) {
    const std::string file = target + "/" + std::string(take_until(names, '\n'));
    // Of a controller that is not enabled here there are no files.
    if (::chown(file.c_str(), uid, gid) < 0 && errno != ENOENT) return base::fail_errno(errno, "giving away {}", file);
  }
  const std::string procs = target + "/cgroup.procs";
  TRY(sys::write_file(procs.c_str(), std::to_string(pid)), "moving process {} to cgroup {}", pid, target);
  return {};
}

}  // namespace cella::cgroup
