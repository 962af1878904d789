#include "bpf/syscall_tree.h"

#include <linux/seccomp.h>

#include <cstddef>
#include <iterator>
#include <span>

namespace cella::bpf {
namespace {

struct Range {
  uint32_t first;
  SyscallLeaf leaf;
};

struct Emitter {
  std::vector<sock_filter> code;

  void add(uint16_t op, uint32_t k, size_t if_true = 0, size_t if_false = 0) {
    code.push_back({op, static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false), k});
  }
  // A jump whose distance is filled in by land().
  size_t jump() {
    add(BPF_JMP | BPF_JA, 0);
    return code.size() - 1;
  }
  void land(size_t jump_at) { code[jump_at].k = static_cast<uint32_t>(code.size() - jump_at - 1); }

  // The binary search proper. `code` and `exits` grow.
  void search(std::span<const Range> ranges) {
    if (ranges.size() == 1) {
      if (ranges[0].leaf.continuation >= 0) {
        exits.push_back({jump(), ranges[0].leaf.continuation});
      } else {
        add(BPF_RET | BPF_K, ranges[0].leaf.value);
      }
      return;
    }
    const size_t middle = ranges.size() / 2;
    const size_t test = code.size();
    add(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first);
    search(ranges.first(middle));
    const size_t distance = code.size() - test - 1;
    if (distance <= 255) {
      code[test].jt = static_cast<uint8_t>(distance);
    } else {
      // A conditional jump reaches 255 instructions; put an unconditional one between. What was emitted for the lower
      // half moves by one, with the jumps inside it unchanged: they are relative.
      code[test].jf = 1;
      code.insert(code.begin() + static_cast<ptrdiff_t>(test) + 1,
                  {BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(distance)});
      for (Exit& exit : exits)
        if (exit.at > test) ++exit.at;
    }
    search(ranges.subspan(middle));
  }

  struct Exit {
    size_t at;  // of the jump
    int continuation;
  };
  std::vector<Exit> exits;
};

}  // namespace

void SyscallRanges::set(uint32_t first, uint32_t last, SyscallLeaf leaf) {
  if (last != UINT32_MAX) {
    // What was in force at last + 1 stays so.
    const SyscallLeaf after = std::prev(ranges_.upper_bound(last + 1))->second;
    ranges_[last + 1] = after;
    ranges_.erase(ranges_.lower_bound(first), ranges_.find(last + 1));
  } else {
    ranges_.erase(ranges_.lower_bound(first), ranges_.end());
  }
  ranges_[first] = leaf;
}

std::vector<sock_filter> emit_syscall_tree(const std::vector<SyscallSection>& sections, uint32_t otherwise,
                                           const std::vector<std::vector<sock_filter>>& continuations) {
  Emitter emitter;
  emitter.code.reserve(1024);
  emitter.add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
  for (const SyscallSection& section : sections) {
    emitter.add(BPF_JMP | BPF_JEQ | BPF_K, section.audit_arch, 1, 0);
    const size_t skip = emitter.jump();
    emitter.add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    std::vector<Range> ranges;
    for (const auto& [first, leaf] : section.ranges.ranges()) {
      if (ranges.empty() || !(ranges.back().leaf == leaf)) ranges.push_back({first, leaf});
    }
    emitter.search(ranges);
    emitter.land(skip);
  }
  emitter.add(BPF_RET | BPF_K, otherwise);
  for (size_t i = 0; i < continuations.size(); ++i) {
    for (const Emitter::Exit& exit : emitter.exits)
      if (exit.continuation == static_cast<int>(i)) emitter.land(exit.at);
    emitter.code.insert(emitter.code.end(), continuations[i].begin(), continuations[i].end());
  }
  return std::move(emitter.code);
}

}  // namespace cella::bpf
