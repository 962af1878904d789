#include <cella/sandbox.h>

#include <sys/prctl.h>

#include <cerrno>

#include "base/result.h"
#include "config/capabilities.h"
#include "sys/process.h"

namespace cella::sandbox {
namespace {

std::string name_of(int capability) {
  const char* name = config::capability_name(capability);
  return name != nullptr ? name : std::to_string(capability);
}

}  // namespace

Result<void> apply_caps(const config::Capabilities& wanted) {
  // What is above has no meaning to this kernel: PR_CAPBSET_READ is EINVAL.
  int count = 0;
  while (::prctl(PR_CAPBSET_READ, count) >= 0) ++count;
  auto has = [](uint64_t set, int capability) { return (set >> capability & 1) != 0; };
  for (int capability = 0; capability < count; ++capability) {
    if (has(wanted.bounding, capability) || !sys::in_bounding_set(capability)) continue;
    if (::prctl(PR_CAPBSET_DROP, capability) < 0)
      return base::fail_errno(errno, "dropping {} from the bounding set", name_of(capability));
  }
  TRY(sys::set_capabilities(wanted.effective, wanted.permitted, wanted.inheritable), "setting the capabilities");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
    return base::fail_errno(errno, "clearing the ambient capabilities");
  for (int capability = 0; capability < count; ++capability) {
    if (has(wanted.ambient, capability) && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      return base::fail_errno(errno, "making {} ambient", name_of(capability));
  }
  return {};
}

}  // namespace cella::sandbox
