"""Makes a process on this host call what it would not: what a guest could do that has taken its kernel over."""
import ctypes
import os
import signal
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH = 9, 12, 13, 16
# struct user_regs_struct of x86_64
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
         "ds es fs gs").split()
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
SYSCALL = b"\x0f\x05"


def _trace(request, tid, data=None):
    if _ptrace(request, tid, None, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _wait_stopped(tid):
    _, status = os.waitpid(tid, 0x40000000)  # __WALL
    if not os.WIFSTOPPED(status):
        raise ProcessLookupError(f"{tid} ended with {status:#x}")
    return os.WSTOPSIG(status)


def call(tid, number, *arguments):
    """What the system call returns in the thread, which sleeps in one and is stopped for good. Bytes are put on its stack.

    ProcessLookupError: it has ended of the call.
    """
    _trace(PTRACE_ATTACH, tid)
    _wait_stopped(tid)
    buffer = ctypes.create_string_buffer(8 * len(NAMES))
    _trace(PTRACE_GETREGS, tid, buffer)
    registers = dict(zip(NAMES, struct.unpack(f"<{len(NAMES)}Q", buffer.raw)))
    with open(f"/proc/{tid}/mem", "r+b", 0) as memory:
        registers["rip"] -= len(SYSCALL)
        memory.seek(registers["rip"])
        assert memory.read(len(SYSCALL)) == SYSCALL, "the thread is not in a system call"
        registers["rax"], registers["orig_rax"] = number, 2**64 - 1
        place = registers["rsp"] - 4096
        for name, value in zip(ARGUMENTS, arguments):
            if isinstance(value, bytes):
                memory.seek(place)
                memory.write(value + b"\0")
                value, place = place, place + len(value) + 1
            registers[name] = value % 2**64
    _trace(PTRACE_SETREGS, tid, ctypes.create_string_buffer(struct.pack(f"<{len(NAMES)}Q", *(registers[n] for n in NAMES)),
                                                            8 * len(NAMES)))
    _trace(PTRACE_SINGLESTEP, tid)
    assert _wait_stopped(tid) == signal.SIGTRAP
    _trace(PTRACE_GETREGS, tid, buffer)
    result = struct.unpack(f"<{len(NAMES)}Q", buffer.raw)[NAMES.index("rax")]
    return result - 2**64 if result >= 2**63 else result
