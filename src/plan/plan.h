// Making a Plan: the writer of the block that layout.h describes, and a view of one for reading it back.
#pragma once

#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plan/layout.h"

namespace cella::plan {

// A finished plan. The slots' descriptors are still -1.
struct Plan {
  std::string block;

  const Header& header() const { return *reinterpret_cast<const Header*>(block.data()); }
  Header& header() { return *reinterpret_cast<Header*>(block.data()); }
  std::span<const Step> steps() const {
    return {reinterpret_cast<const Step*>(block.data() + sizeof(Header)), header().step_count};
  }
  const char* pool() const { return block.data() + header().pool_offset; }
  const char* string(uint64_t arg) const { return pool() + static_cast<uint32_t>(arg); }
  std::vector<std::string_view> list(uint64_t arg) const;
  std::string_view blob(uint64_t arg) const {
    Range range = Range::from(arg);
    return {pool() + range.offset, range.count};
  }
};

class Writer {
 public:
  Writer();

  // Arguments are numbers, or what string(), list() and blob() return.
  void step(Op op, std::initializer_list<uint64_t> args = {}, std::string_view about = {});
  uint64_t string(std::string_view text);
  uint64_t list(const std::vector<std::string>& strings);
  uint64_t blob(std::string_view bytes);
  // The next free slot, or the first of `count`.
  uint32_t slot(uint32_t count = 1);
  uint32_t slots_used() const { return slots_; }
  // The first string that holds a NUL, which in the pool would end it, up to there; nullptr when there is none.
  const std::string* cut_string() const { return cut_ ? &*cut_ : nullptr; }
  size_t size() const { return sizeof(Header) + steps_.size() * sizeof(Step) + pool_.size() + 1; }

  Plan finish() &&;

 private:
  std::vector<Step> steps_;
  std::string pool_;
  void check(std::string_view text);

  uint32_t slots_ = 0;
  std::optional<std::string> cut_;
};

}  // namespace cella::plan
