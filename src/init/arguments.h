// argv and envp from a plan's lists.
#pragma once

#include "init/context.h"

namespace cella::init {

// A NULL-terminated array of pointers into the pool, and `extra` if there is one, in memory that is never given back.
// nullptr: no memory.
char** pointers(const Context& c, uint64_t list, char* extra = nullptr);

}  // namespace cella::init
