// What this build can do, whatever the host it runs on.
#pragma once

#include <string>

namespace cella {

// The features document of the OCI runtime specification (features.md), complete and indented, without a newline at the
// end. It comes from the tables that configs are checked against. Needs no privilege, no files and no state directory;
// one thing is asked of the kernel: which seccomp flags it knows (linux.seccomp.supportedFlags).
std::string features_json();

}  // namespace cella
