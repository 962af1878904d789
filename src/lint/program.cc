// The program and its working directory, looked for as init will: init/execute.cc.
#include <sys/stat.h>

#include <cerrno>

#include "config/specconv.h"
#include "lint/inside.h"
#include "lint/lint.h"

namespace cella::lint {
namespace {

std::string search_path(const std::vector<std::string>& env) {
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& variable : env)
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  return path;
}

// 0: a file that somebody may execute.
int find_error(const Subject& subject, const std::string& path) {
  SysResult<struct stat> status = stat_inside(subject, path);
  if (!status) return status.error().value;
  if (S_ISDIR(status->st_mode)) return EISDIR;
  return S_ISREG(status->st_mode) && (status->st_mode & 0111) != 0 ? 0 : EACCES;
}

// An error, or a warning where the container's own mounts or hooks may bring the file.
void report_missing(const Subject& subject, json::Report& report, const std::string& text) {
  json::At program(report, size_t{0});
  if (may_change(subject)) {
    report.warn("{} (a mount or a hook may bring it)", text);
  } else {
    report.fail("{}", text);
  }
}

void look_for_program(const Subject& subject, const oci::Process& process, const std::string& cwd,
                      json::Report& report) {
  json::At args(report, "args");
  const std::string& name = process.args[0];
  if (name.find('/') != std::string::npos) {
    const std::string path = name[0] == '/' ? name : cwd + "/" + name;
    if (is_covered(subject, path, SIZE_MAX)) return;
    if (int error = find_error(subject, path); error != 0) {
      report_missing(subject, report,
                     fmt::format("cannot be executed in the root filesystem: {}: {}", path, errno_text(error)));
    }
    return;
  }
  const std::string search = search_path(process.env);
  for (size_t start = 0; start <= search.size();) {
    const size_t end = std::min(search.find(':', start), search.size());
    std::string directory = search.substr(start, end - start);
    if (!directory.starts_with('/')) directory = cwd + "/" + directory;
    const std::string path = directory + "/" + name;
    if (is_covered(subject, path, SIZE_MAX) || find_error(subject, path) == 0) return;
    start = end + 1;
  }
  report_missing(subject, report,
                 fmt::format("is no program in the root filesystem: {} is not in the PATH {}", json::quoted(name),
                             json::quoted(search)));
}

}  // namespace

void check_program(const Subject& subject, json::Report& report) {
  if (!subject.spec.process) {
    report.warn_in("process", "is missing: the container can be created, but not started");
    return;
  }
  if (!subject.root) return;
  const oci::Process& process = *subject.spec.process;
  json::At at(report, "process");
  const std::string cwd = config::clean_path(process.cwd);  // by the letters, as the plan does
  look_for_program(subject, process, cwd, report);
  if (is_covered(subject, cwd, SIZE_MAX)) return;
  SysResult<struct stat> status = stat_inside(subject, cwd);  // one that is missing is made
  if (status && !S_ISDIR(status->st_mode)) report.fail_in("cwd", "is not a directory in the root filesystem");
}

}  // namespace cella::lint
