// struct sched_attr of sched_setattr(2), as of Linux 5.3: glibc's and the kernel's headers cannot be included together.
// Private to plan/.
#pragma once

#include <cstdint>

namespace cella::plan {

struct SchedAttr {
  uint32_t size = sizeof(SchedAttr);
  uint32_t policy = 0;  // SCHED_*
  uint64_t flags = 0;   // SCHED_FLAG_*
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds
  // What the flags UTIL_CLAMP_MIN and _MAX set: the specification has no field for them, so it is none, as with runc.
  uint32_t util_min = 0, util_max = 0;
};
static_assert(sizeof(SchedAttr) == 56);

}  // namespace cella::plan
