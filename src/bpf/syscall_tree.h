// SyscallTree: from (architecture, syscall number) to an action, as classic BPF: a binary search over ranges of
// numbers, one an audit architecture. Knows nothing of arguments: a leaf that needs them jumps to what follows.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <vector>

namespace cella::bpf {

// What happens to a range of numbers.
struct SyscallLeaf {
  int continuation = -1;  // index of the program that goes on; -1: return `value`
  uint32_t value = 0;     // SECCOMP_RET_*
  friend bool operator==(SyscallLeaf, SyscallLeaf) = default;
};
constexpr SyscallLeaf return_leaf(uint32_t value) {
  return {-1, value};
}
constexpr SyscallLeaf continue_leaf(int continuation) {
  return {continuation, 0};
}

// A map from the whole of uint32_t: every number from a key up to the next key has that key's leaf.
class SyscallRanges {
 public:
  explicit SyscallRanges(SyscallLeaf everything) { ranges_[0] = everything; }
  void set(uint32_t first, uint32_t last, SyscallLeaf leaf);  // inclusive
  void set(uint32_t number, SyscallLeaf leaf) { set(number, number, leaf); }
  const std::map<uint32_t, SyscallLeaf>& ranges() const { return ranges_; }

 private:
  std::map<uint32_t, SyscallLeaf> ranges_;
};

struct SyscallSection {
  uint32_t audit_arch = 0;
  SyscallRanges ranges;
};

// The whole program: an architecture without a section returns `otherwise`; a leaf with a continuation jumps to that
// element of `continuations`, whole programs themselves, with the accumulator undefined.
std::vector<sock_filter> emit_syscall_tree(const std::vector<SyscallSection>& sections, uint32_t otherwise,
                                           const std::vector<std::vector<sock_filter>>& continuations);

}  // namespace cella::bpf
