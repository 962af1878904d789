// /root, and what has to be there before anything is mounted over it.
#include <sys/statvfs.h>

#include "lint/inside.h"
#include "lint/lint.h"
#include "sys/file.h"

namespace cella::lint {

void check_root(const Subject& subject, json::Report& report) {
  json::At at(report, "root");
  const std::string& path = subject.config.rootfs;
  if (!subject.root) {
    report.fail_in("path", "cannot be opened: {}: {}", path, errno_text(subject.root.error().value));
    return;
  }
  if (path == "/") report.warn_in("path", "is the root filesystem of this host");
  SysResult<std::vector<std::string>> names = sys::list_directory(subject.root->get());
  if (names && names->empty()) report.warn_in("path", "is empty: {} (it may be mounted later)", path);
  struct statvfs status;
  if (::fstatvfs(subject.root->get(), &status) == 0 && (status.f_flag & ST_NOEXEC) != 0) {
    report.warn_in("path", "is on a filesystem mounted noexec: no program of it can be run");
  }
}

}  // namespace cella::lint
