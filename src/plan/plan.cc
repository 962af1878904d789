#include "plan/plan.h"

namespace cella::plan {

std::vector<std::string_view> Plan::list(uint64_t arg) const {
  Range range = Range::from(arg);
  std::vector<std::string_view> strings;
  const char* next = pool() + range.offset;
  for (uint32_t i = 0; i < range.count; ++i) {
    strings.emplace_back(next);
    next += strings.back().size() + 1;
  }
  return strings;
}

Writer::Writer() {
  steps_.reserve(96);
  pool_.reserve(8192);
  pool_.assign(8, '\0');
}

void Writer::step(Op op, std::initializer_list<uint64_t> args, std::string_view about) {
  Step& step = steps_.emplace_back();
  step.op = op;
  step.unused = 0;
  step.about = static_cast<uint32_t>(string(about));
  std::memset(step.args, 0, sizeof step.args);
  std::memcpy(step.args, args.begin(), args.size() * sizeof(uint64_t));
}

uint64_t Writer::string(std::string_view text) {
  if (text.empty()) return 0;
  check(text);
  uint64_t offset = pool_.size();
  pool_.append(text);
  pool_.push_back('\0');
  return offset;
}

uint64_t Writer::list(const std::vector<std::string>& strings) {
  Range range{static_cast<uint32_t>(pool_.size()), static_cast<uint32_t>(strings.size())};
  for (const std::string& text : strings) {
    check(text);
    pool_.append(text.c_str(), text.size() + 1);
  }
  return range.to_arg();
}

uint64_t Writer::blob(std::string_view bytes) {
  pool_.append((8 - pool_.size() % 8) % 8, '\0');
  Range range{static_cast<uint32_t>(pool_.size()), static_cast<uint32_t>(bytes.size())};
  pool_.append(bytes);
  return range.to_arg();
}

void Writer::check(std::string_view text) {
  size_t nul = text.find('\0');
  if (nul != text.npos && !cut_) cut_ = text.substr(0, nul);
}

uint32_t Writer::slot(uint32_t count) {
  uint32_t first = slots_;
  slots_ += count;
  return first;
}

Plan Writer::finish() && {
  Plan plan;
  size_t step_bytes = steps_.size() * sizeof(Step);
  size_t pool_offset = sizeof(Header) + step_bytes;
  pool_.push_back('\0');  // whatever ends the pool, a string at its end ends too
  plan.block.reserve(pool_offset + pool_.size());
  plan.block.resize(pool_offset);
  Header& header = plan.header();
  header.magic = kMagic;
  header.size = static_cast<uint32_t>(pool_offset + pool_.size());
  header.step_count = static_cast<uint32_t>(steps_.size());
  header.pool_offset = static_cast<uint32_t>(pool_offset);
  header.pool_size = static_cast<uint32_t>(pool_.size());
  header.slot_count = slots_;
  header.sync_fd = -1;
  header.lowest_fd = 3;
  for (int32_t& fd : header.slots) fd = -1;
  std::memcpy(plan.block.data() + sizeof(Header), steps_.data(), step_bytes);
  plan.block += pool_;
  return plan;
}

}  // namespace cella::plan
