// The descriptors that the launcher opens for a Plan, on the host's side.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <cella/error.h>

#include "plan/plan.h"
#include "sys/fd.h"

namespace cella::container {

// Carries out the plan's first steps, which are the launcher's own: {slot, descriptor} of what init is to get.
Result<std::vector<std::pair<uint32_t, sys::FileDescriptor>>> open_slots(const plan::Plan& plan);

}  // namespace cella::container
