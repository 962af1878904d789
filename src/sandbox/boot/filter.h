// Filter: the system calls of the host that the application kernel itself may make, seccomp(2). In force before the
// first instruction of a guest.
//
// A guest that has taken the kernel over has this list, and the descriptors that the kernel holds, and nothing else. So
// there is no execve, socket, connect, bind, fork, and no memory that can be executed; paths begin at a descriptor, and
// no call follows a symbolic link. What the stub processes may do is stub.cc's; theirs is in force before this.
#pragma once

#include <linux/filter.h>

#include <span>
#include <string>
#include <vector>

#include <cella/sandbox.h>

namespace cella::sandbox::boot {

enum class FilterCheck {
  kNone,
  kFd,        // argument `index` is a descriptor: no AT_FDCWD, no negative number
  kTwoFds,    // arguments `index` and 2
  kAll,       // all bits of `bits` are set in argument `index`
  kNoneOf,    // none of them is
  kEqual,     // argument `index` is `bits`
  kOneOf,     // argument `index` is one of `values`
  kFdAndAll,  // argument 0 is a descriptor, and all bits are set in argument `index`
};
enum class FilterFor { kAll, kDirectFiles, kHostNetwork };
struct FilterRule {
  int number;
  const char* name;
  FilterCheck check = FilterCheck::kNone;
  int index = 0;
  uint32_t bits = 0;
  FilterFor options = FilterFor::kAll;
  const char* who = "";  // needs it
  std::span<const uint32_t> values = {};
};
// In the order in which they are asked.
std::vector<FilterRule> filter_rules(const Config& options);

// What is in the list but breaks its check ends the process; what is not in it is ENOSYS, so that a call that was
// forgotten here is an error of the guest's call and not the end of the container.
std::vector<sock_filter> make_filter(std::span<const FilterRule> rules);

}  // namespace cella::sandbox::boot
