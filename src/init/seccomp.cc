#include <linux/errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#include "init/context.h"

namespace cella::init {
namespace {

// The notify listener is sent by a helper thread that is not under our filter, because the filter may stop the very
// call that sends. Once the filter is loaded this thread only waits in memory. The execve(2) that follows ends the
// helper, if it has not ended yet: it can be neither a zombie nor a SIGCHLD to the program.
struct Helper {
  int socket;
  const char* message;
  size_t message_size;
  int listener;  // set by the main process: the descriptor, or a negative errno
  int result;    // set by the helper
  int listener_set;
  int done;
};

void run_helper(Helper& helper) {
  while (__atomic_load_n(&helper.listener_set, __ATOMIC_ACQUIRE) == 0) sys(SYS_sched_yield);
  if (helper.listener >= 0) {
    long n = send_descriptor(helper.socket, helper.message, helper.message_size, helper.listener);
    helper.result = n < 0 ? static_cast<int>(n) : 0;
    sys(SYS_close, helper.listener);
    // The end of the connection is the end of the message: an agent may wait for it before it answers anything.
    sys(SYS_close, helper.socket);
  }
  __atomic_store_n(&helper.done, 1, __ATOMIC_RELEASE);
}

// Starts a thread, on a stack of its own.
#if defined(__x86_64__)
long clone_helper(unsigned long flags, void* stack_top, Helper* helper) {
  long pid;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  register void* argument __asm__("r12") = helper;
  register void (*entry)(Helper&) __asm__("r13") = run_helper;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r12, %%rdi\n\t"
      "call *%%r13\n\t"
      "mov %[exit], %%eax\n\t"
      "xor %%edi, %%edi\n\t"
      "syscall\n\t"
      "hlt\n"
      "1:"
      : "=a"(pid)
      : "a"(SYS_clone), "D"(flags), "S"(stack_top), "d"(0), "r"(r10), "r"(r8), "r"(argument),
        "r"(entry), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  return pid;
}
#elif defined(__aarch64__)
long clone_helper(unsigned long flags, void* stack_top, Helper* helper) {
  register long x8 __asm__("x8") = SYS_clone;
  register long x0 __asm__("x0") = static_cast<long>(flags);
  register void* x1 __asm__("x1") = stack_top;
  register long x2 __asm__("x2") = 0;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = 0;
  register void* x19 __asm__("x19") = helper;
  register void (*x20)(Helper&) __asm__("x20") = run_helper;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x0, x19\n\t"
      "blr x20\n\t"
      "mov x8, %[exit]\n\t"
      "mov x0, 0\n\t"
      "svc 0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), "r"(x20), [exit] "i"(SYS_exit)
      : "memory", "x30");
  return x0;
}
#endif

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

long do_seccomp(Context& c, const Step& s) {
  plan::Range program = c.range(s.args[0]);
  sock_fprog filter = {};
  filter.len = static_cast<unsigned short>(program.count / sizeof(sock_filter));
  filter.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(c.blob(s.args[0])));
  if (program.count / sizeof(sock_filter) > BPF_MAXINSNS) return -E2BIG;
  uint64_t flags = s.args[1];
  int socket = c.slot(s.args[2]);
  if (socket < 0) {
    long result = sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
    return result < 0 ? result : 0;
  }

  static Helper helper;
  alignas(16) static char stack[16384];
  static Text<16384> message;
  long size = sys(SYS_pread64, c.slot(s.args[3]), message.data, sizeof message.data - 1, 0);
  if (size < 0) return size;
  message.used = static_cast<size_t>(size);
  helper.socket = socket;
  helper.message = message.data;
  helper.message_size = message.used;
  // With one thread to filter TSYNC has nothing to do, but it would put the helper under the filter too.
  flags &= ~uint64_t{SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH};
  long error = clone_helper(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES, stack + sizeof stack, &helper);
  if (error < 0) return error;
  long listener = sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  helper.listener = static_cast<int>(listener);
  __atomic_store_n(&helper.listener_set, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&helper.done, __ATOMIC_ACQUIRE) == 0) relax();
  if (listener < 0) return listener;
  if (helper.result < 0) c.detail.add("sending the notify listener");
  return helper.result;
}

}  // namespace cella::init
