// The frame on the guest's stack that a signal handler returns through, as Linux on x86_64 lays it out (struct
// rt_sigframe; sigreturn(2), sigaltstack(2)).
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/result.h"
#include "sandbox/task/task.h"

namespace cella::sandbox::task {
namespace {

struct SignalContext {  // struct sigcontext
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  uint16_t cs, gs, fs, ss;
  uint64_t error, trap, old_mask, cr2, floating_point;
  uint64_t reserved[8];
};
static_assert(sizeof(SignalContext) == 256);

struct Frame {
  uint64_t return_address;
  uint64_t flags, link;
  uint64_t stack;
  int32_t stack_flags, padding;
  uint64_t stack_size;
  SignalContext context;
  uint64_t mask;
  siginfo_t info;
};
static_assert(offsetof(Frame, context) == 48 && offsetof(Frame, mask) == 304 && sizeof(Frame) == 440);

constexpr uint64_t kRedZone = 128;
constexpr uint64_t kHasXstate = 1, kHasSegment = 2, kStrictSegment = 4;  // UC_*
// What tells a program that the area is an XSAVE one: struct _fpx_sw_bytes at 464, and a word behind the area.
constexpr size_t kSoftwareBytes = 464;
constexpr uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;
constexpr uint64_t kUserFlags = 0x50dd5;  // of eflags: what a program may change

struct SoftwareBytes {
  uint32_t magic, extended_size;
  uint64_t features;
  uint32_t size, padding[7];
};
static_assert(sizeof(SoftwareBytes) == 48);

}  // namespace

SysResult<void> Task::push_frame(const siginfo_t& info, const SignalAction& action) {
  platform::Registers& r = registers();
  mm::MemoryManager& memory = *memory_manager;
  const bool has_alternate = !(alternate_stack_flags & SS_DISABLE);
  const bool on_alternate = has_alternate && r.rsp > alternate_stack && r.rsp - alternate_stack <= alternate_stack_size;
  uint64_t sp = r.rsp - kRedZone;
  if ((action.flags & SA_ONSTACK) && has_alternate && !on_alternate) sp = alternate_stack + alternate_stack_size;

  std::vector<std::byte> state = TRY(context_->floating_point());
  uint64_t features = 0;
  std::memcpy(&features, state.data() + kSoftwareBytes, sizeof features);
  const auto size = static_cast<uint32_t>(state.size());
  const SoftwareBytes software = {kMagic1, size + 4, features, size, {}};
  std::memcpy(state.data() + kSoftwareBytes, &software, sizeof software);
  state.resize(state.size() + 4);
  std::memcpy(state.data() + size, &kMagic2, sizeof kMagic2);
  sp = (sp - state.size()) & ~uint64_t{63};
  const uint64_t floating_point = sp;
  sp = ((sp - sizeof(Frame)) & ~uint64_t{15}) - 8;
  if (on_alternate && (sp < alternate_stack || sp >= alternate_stack + alternate_stack_size)) {
    return std::unexpected(Errno{EFAULT});
  }

  Frame frame = {};
  frame.return_address = action.restorer;
  frame.flags = kHasXstate | kHasSegment | kStrictSegment;
  frame.stack = alternate_stack;
  frame.stack_flags = alternate_stack_flags | (on_alternate ? SS_ONSTACK : 0);
  frame.stack_size = alternate_stack_size;
  frame.context = {r.r8,
                   r.r9,
                   r.r10,
                   r.r11,
                   r.r12,
                   r.r13,
                   r.r14,
                   r.r15,
                   r.rdi,
                   r.rsi,
                   r.rbp,
                   r.rbx,
                   r.rdx,
                   r.rax,
                   r.rcx,
                   r.rsp,
                   r.rip,
                   r.eflags,
                   static_cast<uint16_t>(r.cs),
                   0,
                   0,
                   static_cast<uint16_t>(r.ss),
                   0,
                   0,
                   0,
                   0,
                   floating_point,
                   {}};
  if (bit(info.si_signo) & kSynchronous) frame.context.cr2 = reinterpret_cast<uint64_t>(info.si_addr);
  frame.mask = saved_mask.value_or(blocked);
  frame.info = info;
  TRY(memory.copy_out(floating_point, state.data(), state.size()));
  TRY(memory.copy_out(sp, &frame, sizeof frame));

  r.rdi = static_cast<uint64_t>(info.si_signo);
  r.rsi = sp + offsetof(Frame, info);
  r.rdx = sp + offsetof(Frame, flags);
  r.rax = 0;
  r.rsp = sp;
  r.rip = action.handler;
  r.eflags &= ~uint64_t{0x10500};  // direction, trap and resume flags
  r.orig_rax = ~0ul;
  return {};
}

SysResult<void> Task::pop_frame() {
  platform::Registers& r = registers();
  Frame frame = TRY(memory_manager->read<Frame>(r.rsp - 8));
  blocked = frame.mask & ~kUnblockable;
  restart = nullptr;  // of whatever was interrupted before
  const SignalContext& c = frame.context;
  const uint64_t flags = (r.eflags & ~kUserFlags) | (c.eflags & kUserFlags);
  r.r8 = c.r8, r.r9 = c.r9, r.r10 = c.r10, r.r11 = c.r11, r.r12 = c.r12, r.r13 = c.r13, r.r14 = c.r14, r.r15 = c.r15;
  r.rdi = c.rdi, r.rsi = c.rsi, r.rbp = c.rbp, r.rbx = c.rbx, r.rdx = c.rdx, r.rax = c.rax, r.rcx = c.rcx;
  r.rsp = c.rsp, r.rip = c.rip, r.eflags = flags;
  r.orig_rax = ~0ul;
  if (!(frame.stack_flags & SS_DISABLE)) {
    alternate_stack = frame.stack;
    alternate_stack_size = frame.stack_size;
    alternate_stack_flags = frame.stack_flags & ~SS_ONSTACK;
  }
  if (c.floating_point == 0) return {};
  // Only as large as ours is, and what the host refuses as inconsistent is an error of the program's.
  std::vector<std::byte> state = TRY(context_->floating_point());
  TRY(memory_manager->copy_in(c.floating_point, state.data(), state.size()));
  return context_->set_floating_point(state);
}

}  // namespace cella::sandbox::task
