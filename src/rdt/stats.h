// What resctrl says about a container's group; the types are the public ones.
#pragma once

#include <cella/stats.h>

namespace cella::rdt {

using Stats = IntelRdtStats;

}  // namespace cella::rdt
