#include "bpf/device_program.h"

#include <cerrno>
#include <climits>

#include "base/result.h"
#include "sys/bpf.h"

namespace cella::bpf {
namespace {

// Registers while the rules are walked, last rule first.
constexpr uint8_t kType = BPF_REG_2;    // BPF_DEVCG_DEV_BLOCK or _CHAR
constexpr uint8_t kAccess = BPF_REG_3;  // the kinds of access that no rule has decided yet; never 0
constexpr uint8_t kMajor = BPF_REG_4;
constexpr uint8_t kMinor = BPF_REG_5;

bpf_insn instruction(int code, uint8_t to, int32_t immediate, uint8_t from = 0, int16_t offset = 0) {
  bpf_insn insn = {};
  insn.code = static_cast<uint8_t>(code);
  insn.dst_reg = to & 0xf;
  insn.src_reg = from & 0xf;
  insn.off = offset;
  insn.imm = immediate;
  return insn;
}

class Builder {
 public:
  std::vector<bpf_insn> code;

  void add(int op, uint8_t to, int32_t immediate, uint8_t from = 0, int16_t offset = 0) {
    code.push_back(instruction(op, to, immediate, from, offset));
  }
  void answer(bool allow) {
    add(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, allow ? 1 : 0);
    add(BPF_JMP | BPF_EXIT, 0, 0);
  }
  // Goes on with the next rule when the comparison holds.
  void next_rule_if(int comparison, uint8_t value, int32_t immediate) {
    pending_.push_back(code.size());
    add(BPF_JMP | comparison | BPF_K, value, immediate);
  }
  void next_rule() {
    pending_.push_back(code.size());
    add(BPF_JMP | BPF_JA, 0, 0);
  }
  void end_rule() {
    for (size_t jump : pending_) code[jump].off = static_cast<int16_t>(code.size() - jump - 1);
    pending_.clear();
  }

 private:
  std::vector<size_t> pending_;
};

void add_rule(Builder& builder, const DeviceRule& rule) {
  const uint32_t access = device_access(rule);
  if (rule.type != 'a') {
    builder.next_rule_if(BPF_JNE, kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  }
  if (rule.major != kAnyDevice) builder.next_rule_if(BPF_JNE, kMajor, static_cast<int32_t>(rule.major));
  if (rule.minor != kAnyDevice) builder.next_rule_if(BPF_JNE, kMinor, static_cast<int32_t>(rule.minor));
  if (access != kAllDeviceAccess) {
    if (rule.allow) {
      // What it grants needs no further rule; refused or granted is then decided by the rest.
      builder.add(BPF_ALU64 | BPF_AND | BPF_K, kAccess, static_cast<int32_t>(~access));
      builder.next_rule_if(BPF_JNE, kAccess, 0);
    } else {
      builder.add(BPF_JMP | BPF_JSET | BPF_K, kAccess, static_cast<int32_t>(access), 0, 1);
      builder.next_rule();
    }
  }
  builder.answer(rule.allow);
  builder.end_rule();
}

}  // namespace

Result<std::vector<bpf_insn>> build_device_program(const std::vector<DeviceRule>& rules) {
  for (const DeviceRule& rule : rules) TRY(check_device_rule(rule));
  Builder builder;
  // struct bpf_cgroup_dev_ctx: the access is above the type.
  builder.add(BPF_LDX | BPF_MEM | BPF_W, kType, 0, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, access_type));
  builder.add(BPF_LDX | BPF_MEM | BPF_W, kAccess, 0, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, access_type));
  builder.add(BPF_LDX | BPF_MEM | BPF_W, kMajor, 0, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, major));
  builder.add(BPF_LDX | BPF_MEM | BPF_W, kMinor, 0, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, minor));
  builder.add(BPF_ALU64 | BPF_AND | BPF_K, kType, 0xffff);
  builder.add(BPF_ALU64 | BPF_RSH | BPF_K, kAccess, 16);
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    if (is_device_default(*rule)) {
      // Nothing before it matters, and the verifier refuses instructions that cannot be reached.
      builder.answer(rule->allow);
      return std::move(builder.code);
    }
    // The kernel's numbers have 12 and 20 bits; an immediate has 31.
    if (device_access(*rule) == 0 || rule->major > INT32_MAX || rule->minor > INT32_MAX) continue;
    add_rule(builder, *rule);
  }
  builder.answer(false);
  return std::move(builder.code);
}

Result<sys::FileDescriptor> load_device_program(std::span<const bpf_insn> program) {
  std::string log;
  auto loaded = sys::bpf_load_program(BPF_PROG_TYPE_CGROUP_DEVICE, program, "Apache", &log);
  if (loaded) return std::move(*loaded);
  Error error = Error(loaded.error()).with("loading the cgroup device program");
  if (!log.empty()) error.hint = "the kernel's verifier says: " + log;
  return std::unexpected(std::move(error));
}

SysResult<void> attach_device_program(int cgroup, int program, int replaced) {
  const uint32_t flags = BPF_F_ALLOW_MULTI | (replaced >= 0 ? BPF_F_REPLACE : 0u);
  return sys::bpf_attach_program(cgroup, program, BPF_CGROUP_DEVICE, flags, replaced);
}

SysResult<std::vector<uint32_t>> query_device_programs(int cgroup) {
  return sys::bpf_query_programs(cgroup, BPF_CGROUP_DEVICE);
}

SysResult<void> replace_device_programs(int cgroup, int program) {
  std::vector<sys::FileDescriptor> old;
  for (uint32_t id : TRY(query_device_programs(cgroup))) {
    auto opened = sys::bpf_program_by_id(id);
    if (opened) {
      old.push_back(std::move(*opened));
    } else if (opened.error().value != EPERM && opened.error().value != EACCES && opened.error().value != ENOENT) {
      return std::unexpected(opened.error());
    }
    // One that an LSM keeps from us stays: it can only restrict. One that has gone needs nothing.
  }
  if (old.size() == 1) {
    auto replaced = attach_device_program(cgroup, program, old[0].get());
    // EINVAL: no BPF_F_REPLACE, or the old one was attached without BPF_F_ALLOW_MULTI.
    if (replaced || (replaced.error().value != EINVAL && replaced.error().value != ENOENT)) return replaced;
  }
  TRY(attach_device_program(cgroup, program));
  for (const sys::FileDescriptor& one : old) {
    auto detached = sys::bpf_detach_program(cgroup, one.get(), BPF_CGROUP_DEVICE);
    if (!detached && detached.error().value != ENOENT) return detached;
  }
  return {};
}

}  // namespace cella::bpf
