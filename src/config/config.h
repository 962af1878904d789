// The Config is part of the public API; the names of this folder's other headers build on it.
#pragma once

#include <cella/config.h>  // IWYU pragma: export
