// Platform: runs guest code until something happens that the kernel has to see. Knows nothing of tasks, files or
// signals of the guest; whoever implements it must pass platform_test.cc.
//
//   Platform      makes address spaces
//   AddressSpace  what guest code can reach: ranges of files mapped at guest addresses
//   Context       runs one guest thread in an AddressSpace; belongs to the host thread that attached it
//
// Everything here is called with the kernel lock held, except Context::run, which is called without it, and
// Context::interrupt, which may be called either way.
#pragma once

#include <signal.h>
#include <sys/user.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <cella/error.h>

namespace cella::sandbox::platform {

// What makes a guest thread's state, besides its floating-point registers. At a system call `orig_rax` is its number,
// `rip` is behind the instruction.
using Registers = user_regs_struct;

enum class Event {
  kSyscall,
  kFault,        // an access to memory that is not mapped, or not so: Stop::info has si_addr
  kException,    // another signal that an instruction caused: SIGILL, SIGFPE, SIGTRAP, SIGBUS
  kInterrupted,  // by interrupt(), or for no reason at all
  kDead,         // the host ended what ran the guest (memory limit, a kill from outside)
};
struct Stop {
  Event event = Event::kInterrupted;
  siginfo_t info = {};
};

// Changes are queued, and take effect when a Context of the address space flushes. Ranges are page-aligned and below
// Platform::guest_limit().
class AddressSpace {
 public:
  virtual ~AddressSpace() = default;
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  // Bytes [offset, offset + size) of `fd` at `address`, over whatever was there. `protection`: PROT_* of mmap(2). `fd`
  // must stay open until the change has taken effect.
  virtual void map(uint64_t address, uint64_t size, int protection, int fd, uint64_t offset) = 0;
  virtual void unmap(uint64_t address, uint64_t size) = 0;
  virtual void protect(uint64_t address, uint64_t size, int protection) = 0;

 protected:
  AddressSpace() = default;
};

class Context {
 public:
  virtual ~Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Makes the calling thread the one that runs this context. Once, before anything else but interrupt().
  virtual SysResult<void> attach() = 0;
  // The registers that the guest stopped with and will go on with.
  virtual Registers& registers() = 0;
  // XSAVE area as in NT_X86_XSTATE of ptrace(2), in the layout that a signal frame has too.
  virtual SysResult<std::vector<std::byte>> floating_point() = 0;
  virtual SysResult<void> set_floating_point(std::span<const std::byte> state) = 0;

  // rseq(2): from now on the host keeps the struct rseq at `address`, which bears `signature`, for this guest thread;
  // 0: none any more. No change may be queued, and what is there must be memory that can be written to until then. Only
  // where Platform::has_rseq.
  virtual SysResult<void> set_rseq(uint64_t address, uint32_t signature) = 0;

  // Of the processors that the host has for guests, numbered from 0 on, those that the guest thread may run on: bits of
  // the first 64, ~0: all. From the next run() on; any thread may say so.
  virtual void set_processors(uint64_t allowed) = 0;

  // Lets queued changes of the address space take effect. Those that a failed one came before are lost: the guest's
  // memory is then not what the kernel thinks, and it must not go on. Free when nothing is queued.
  virtual SysResult<void> flush() = 0;
  // Runs the guest until something happens. Without the kernel lock.
  virtual Stop run() = 0;
  // Makes a run() in progress, or the next one, return soon. From any thread.
  virtual void interrupt() = 0;

 protected:
  Context() = default;
};

class Platform {
 public:
  virtual ~Platform() = default;
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;

  virtual std::string_view name() const = 0;
  // The first address that is not the guest's.
  virtual uint64_t guest_limit() const = 0;
  virtual SysResult<std::unique_ptr<AddressSpace>> new_address_space() = 0;
  // A context in `space`, which must outlive it. Its registers and floating-point state are those of a new program for
  // the first one of an address space; a further one is made through `sibling`, another context of the same space that
  // the calling thread runs, and takes over the floating-point state of that one. `runner`: the host thread that will
  // attach it, no other then; 0 when that is not known, which costs what the platform keeps for its threads.
  virtual SysResult<std::unique_ptr<Context>> new_context(AddressSpace& space, Context* sibling, pid_t runner) = 0;
  // Does Context::set_rseq do what a guest expects that has been told of `cpus` processors, numbered from 0 on?
  virtual bool has_rseq(int cpus) const = 0;
  // To be called by a thread that has attached contexts before it ends, if others go on.
  virtual void leave_thread() = 0;

 protected:
  Platform() = default;
};

}  // namespace cella::sandbox::platform
