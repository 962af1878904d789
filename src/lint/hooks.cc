// Programs of /hooks. All but the startContainer ones are looked for on the host: config.md, "POSIX-platform Hooks".
#include <sys/stat.h>

#include "lint/inside.h"
#include "lint/lint.h"
#include "sys/file.h"

namespace cella::lint {
namespace {

struct Kind {
  const char* key;
  const std::vector<oci::Hook> oci::Hooks::* list;
  bool inside;  // the path is the container's
};
constexpr Kind kKinds[] = {
    {"prestart", &oci::Hooks::prestart, false},
    {"createRuntime", &oci::Hooks::create_runtime, false},
    {"createContainer", &oci::Hooks::create_container, false},
    {"startContainer", &oci::Hooks::start_container, true},
    {"poststart", &oci::Hooks::poststart, false},
    {"poststop", &oci::Hooks::poststop, false},
};

void check_hook(const Subject& subject, const oci::Hook& hook, bool inside, json::Report& report) {
  if (inside && (!subject.root || may_change(subject) || is_covered(subject, hook.path, SIZE_MAX))) return;
  SysResult<struct stat> status =
      inside ? stat_inside(subject, hook.path) : sys::stat_at(sys::kCurrentDirectory, hook.path.c_str());
  const char* where = inside ? " in the root filesystem" : "";
  if (!status) {
    report.fail_in("path", "cannot be executed{}: {}: {}", where, hook.path, errno_text(status.error().value));
  } else if (!S_ISREG(status->st_mode) || (status->st_mode & 0111) == 0) {
    report.fail_in("path", "cannot be executed{}: {} is {}", where, hook.path,
                   S_ISREG(status->st_mode) ? "not executable (chmod +x)" : "not a regular file");
  }
}

}  // namespace

void check_hooks(const Subject& subject, json::Report& report) {
  if (!subject.spec.hooks) return;
  json::At at(report, "hooks");
  for (const Kind& kind : kKinds) {
    json::At list(report, kind.key);
    const std::vector<oci::Hook>& hooks = (*subject.spec.hooks).*kind.list;
    for (size_t i = 0; i < hooks.size(); ++i) {
      json::At hook(report, i);
      check_hook(subject, hooks[i], kind.inside, report);
    }
  }
  if (!subject.spec.hooks->prestart.empty()) {
    report.warn_in("prestart", "is deprecated: createRuntime, createContainer and startContainer take its place");
  }
}

}  // namespace cella::lint
