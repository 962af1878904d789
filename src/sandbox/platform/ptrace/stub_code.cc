// The stub's code, copied into its page. Position-independent and without a stack. It says how it has ended by the
// signal: SIGTRAP, or SIGILL when the host has refused a call, whose error rax then is.
#include "sandbox/platform/ptrace/stub_code.h"

#if defined(__x86_64__)
__asm__(
    ".pushsection .rodata.cella_stub, \"a\"\n"
    ".globl cella_stub_begin, cella_stub_pause, cella_stub_batch, cella_stub_clone, cella_stub_ready, cella_stub_end\n"
    "cella_stub_begin:\n"
    "cella_stub_pause:\n"
    "1: mov $34, %eax\n"  // pause(2)
    "   syscall\n"
    "   jmp 1b\n"
    "cella_stub_batch:\n"
    "2: mov 0(%rbx), %rax\n"
    "   mov 8(%rbx), %rdi\n"
    "   mov 16(%rbx), %rsi\n"
    "   mov 24(%rbx), %rdx\n"
    "   mov 32(%rbx), %r10\n"
    "   mov 40(%rbx), %r8\n"
    "   mov 48(%rbx), %r9\n"
    "   syscall\n"
    "   cmp $-4095, %rax\n"
    "   jae 3f\n"
    "   add $56, %rbx\n"
    "   dec %r12\n"
    "   jnz 2b\n"
    "   int3\n"
    "3: ud2\n"
    "cella_stub_clone:\n"
    "   syscall\n"
    "   test %rax, %rax\n"
    "   jz 1b\n"
    "   js 3b\n"
    "   int3\n"
    "cella_stub_ready:\n"
    "   syscall\n"
    "   test %rax, %rax\n"
    "   js 3b\n"
    "   int3\n"
    "   jmp 1b\n"
    "cella_stub_end:\n"
    ".popsection\n");
#endif
