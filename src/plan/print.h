// Plans for people and for programs: what `--dry-run` prints, and what the golden tests compare.
//
// Everything comes from the table in ops.h; a new step needs nothing here, a new kind of argument one line.
#pragma once

#include <string>

#include "plan/plan.h"

namespace cella::plan {

// A line for each step, ending in a newline:
//    1  launcher  open the directory /b/rootfs as #0
// Strings that hold blanks, quotes, control characters or bytes beyond ASCII are quoted and escaped, so that a plan can
// be shown on a terminal whatever the config says.
std::string to_text(const Plan& plan);

// {"steps":[{"n":1,"by":"launcher","op":"open-directory","slot":0,"path":"/b/rootfs"},…]}, ending in a newline. The
// arguments follow in the table's order: sets as arrays of names, slots as numbers or null, modes and hexadecimal
// numbers as strings, programs and other blobs by their size.
std::string to_json(const Plan& plan);

}  // namespace cella::plan
