"""Seccomp: the filter does what the config says, to the syscall's result."""
import errno
import fcntl
import json
import os
import pathlib
import platform
import re
import select
import socket
import struct
import threading
import time

import pytest

from harness import parse_status, receive_fds, wait_for

EPERM, ENOSPC, EDOM, ESRCH = 1, 28, 33, 3
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
CONTINUE = None  # an agent's answer: let the call happen, SECCOMP_USER_NOTIF_FLAG_CONTINUE

# Prints the errno (0: none) of getpgid with each of the arguments; getpgid(1) works and an absurd pid gives ESRCH.
PROBE = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.syscall.argtypes = [ctypes.c_long] + [ctypes.c_ulong] * 6
def probe(a, b=0):
    ctypes.set_errno(0)
    libc.syscall(121, a, b, 0, 0, 0, 0)
    return ctypes.get_errno()
print(*[probe(*map(int, word.split(","))) for word in %r.split()])
"""


@pytest.fixture(params=["namespaces", "sandbox"])
def engine(request):
    return request.param


@pytest.fixture
def box(box, engine):
    """What a filter does to programs is the same with both engines."""
    def make(*args, **kwargs):
        c = box(*args, **kwargs)
        if engine == "sandbox":
            c.config["annotations"] = {"dev.cella.isolation": engine}
        return c
    return make


# What the sandbox has not: ptrace(2), listeners, other ways into a kernel than that of x86_64, the host's log.
on_the_host = pytest.mark.parametrize("engine", ["namespaces"], indirect=True)


def rule(names, action, errno=None, args=None):
    one = {"names": names if isinstance(names, list) else [names], "action": action}
    if errno is not None:
        one["errnoRet"] = errno
    if args:
        one["args"] = args
    return one


def profile(*rules, default="SCMP_ACT_ALLOW", **more):
    return {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": list(rules), **more}


def with_profile(container, *rules, **more):
    container.config["linux"]["seccomp"] = profile(*rules, **more)
    return container


@pytest.fixture
def probe(in_debian):
    def run(words, *rules):
        result = in_debian(PROBE % words, lambda config: config["linux"].update(seccomp=profile(*rules)))
        assert result.returncode == 0, result.stderr
        return [int(w) for w in result.stdout.split()]
    return run


def test_errno_is_eperm_by_default(box):
    result = with_profile(box("mkdir", "/tmp/x"), rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")).run()
    assert result.returncode == 1 and "Operation not permitted" in result.stderr


def test_errno_of_the_rule(box):
    result = with_profile(box("mkdir", "/tmp/x"), rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", ENOSPC)).run()
    assert result.returncode == 1 and "No space left on device" in result.stderr


def test_errno_zero_is_success_without_doing_it(box):
    c = with_profile(box("sh", "-c", "mkdir /tmp/x && ls /tmp"), rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", 0))
    c.config["root"]["readonly"] = False
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "")


def test_default_errno(box):
    names = """read write open openat close stat fstat lstat newfstatat mmap munmap mprotect brk rt_sigaction
        rt_sigprocmask rt_sigreturn ioctl access execve exit exit_group arch_prctl set_tid_address set_robust_list getpid gettid
        prlimit64 getrandom rseq uname readlink getuid geteuid getgid getegid prctl futex fcntl getcwd sigaltstack setgid setuid
        statx dup2 dup3 getppid tgkill capget capset setgroups setresuid setresgid chdir fchdir close_range sendmsg
        recvmsg poll ppoll epoll_ctl epoll_pwait nanosleep clock_nanosleep clone madvise sched_yield sched_getaffinity getdents64
        faccessat faccessat2 execveat fstatfs statfs openat2 pread64 lseek writev socket connect keyctl pipe2 eventfd2
        getpgrp getpgid setpgid umask""".split()
    c = with_profile(box("mkdir", "/tmp/x"), rule(names, "SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO", defaultErrnoRet=EDOM)
    result = c.run()
    assert result.returncode == 1 and "Numerical argument out of domain" in result.stderr, result.stderr


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"])
def test_deadly_actions(box, action):
    result = with_profile(box("mkdir", "/tmp/x"), rule(["mkdir", "mkdirat"], action)).run()
    assert result.returncode == 128 + 31


@pytest.mark.parametrize("action", ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"])
def test_harmless_actions(box, action):
    c = with_profile(box("mkdir", "/tmp/x"), rule(["mkdir", "mkdirat"], action))
    c.config["root"]["readonly"] = False
    assert c.run().returncode == 0


def test_trace_without_a_tracer(box):
    result = with_profile(box("mkdir", "/tmp/x"), rule(["mkdir", "mkdirat"], "SCMP_ACT_TRACE", 7)).run()
    assert result.returncode == 1 and "Function not implemented" in result.stderr


# What comes before the programs below: syscall() gives the result or minus the errno.
SYSCALL = """
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def syscall(number, *args):
    args = [ctypes.c_ulong(a) for a in args] + [ctypes.c_ulong(0)] * (6 - len(args))
    result = libc.syscall(ctypes.c_long(number), *args)
    return result if result >= 0 else -ctypes.get_errno()
"""


@pytest.fixture
def program(in_debian):
    """program(python source, rules…): the result of a run under that profile."""
    def run(source, *rules, change=lambda config: None, **more):
        def configure(config):
            config["linux"]["seccomp"] = profile(*rules, **more)
            change(config)
        return in_debian(SYSCALL + source, configure)
    return run


THREAD = """
thread = threading.Thread(target=syscall, args=(121, 70000), daemon=True)
thread.start()
for _ in range(300):
    if len(os.listdir("/proc/self/task")) == 1: break
    time.sleep(0.01)
print("alive", thread.is_alive(), flush=True)
os._exit(3)
"""


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD"])
def test_one_thread_is_killed(program, action):
    """Python has not seen its thread end, but the kernel has."""
    result = program(THREAD, rule("getpgid", action))
    assert (result.returncode, result.stdout) == (3, "alive True\n"), result.stderr


def test_all_threads_are_killed(program):
    result = program(THREAD, rule("getpgid", "SCMP_ACT_KILL_PROCESS"))
    assert (result.returncode, result.stdout) == (128 + 31, "")


def test_trap_can_be_caught(program):
    result = program("""
signal.signal(signal.SIGSYS, lambda *args: print("trapped", flush=True))
syscall(121, 70000)
print("on")
""", rule("getpgid", "SCMP_ACT_TRAP"))
    assert (result.returncode, result.stdout) == (0, "trapped\non\n"), result.stderr


@on_the_host
@pytest.mark.parametrize("message, seen", [(None, EPERM), (0, 0), (65535, 65535)])
def test_trace_tells_the_tracer(program, message, seen):
    result = program("""
TRACEME, CONT, SETOPTIONS, GETEVENTMSG, TRACESECCOMP = 0, 7, 0x4200, 0x4201, 0x80
def ptrace(request, pid, data=0):
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, ctypes.c_void_p(data)) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")
pid = os.fork()
if pid == 0:
    ptrace(TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0 if syscall(121, 70000) == -3 else 1)
os.waitpid(pid, 0)
ptrace(SETOPTIONS, pid, TRACESECCOMP)
ptrace(CONT, pid)
_, status = os.waitpid(pid, 0)
message = ctypes.c_ulong(99)
ptrace(GETEVENTMSG, pid, ctypes.addressof(message))
print(status >> 8 == signal.SIGTRAP | 7 << 8, message.value)
ptrace(CONT, pid)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""", rule("getpgid", "SCMP_ACT_TRACE", message))
    assert result.stdout == f"True {seen}\n0\n", result.stderr


class KernelLog:
    """What the kernel says from now on about system calls, as far as it does not say too much (printk_ratelimit)."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def has(self, name):
        time.sleep(0.1)
        while select.select([self.fd], [], [], 0)[0]:
            try:
                line = os.read(self.fd, 8192).decode(errors="replace")
            except BrokenPipeError:  # overwritten before it was read
                continue
            if "type=1326" in line and f'comm="{name}"' in line and "syscall=121 " in line:
                return True
        return False


@on_the_host
@pytest.mark.parametrize("action, flags, logged", [
    ("SCMP_ACT_LOG", [], True), ("SCMP_ACT_ALLOW", ["SECCOMP_FILTER_FLAG_LOG"], False), ("SCMP_ACT_ERRNO", [], False),
    ("SCMP_ACT_ERRNO", ["SECCOMP_FILTER_FLAG_LOG"], True)])
def test_what_is_logged(box, test_id, action, flags, logged):
    """LOG always; with the flag whatever is not allowed."""
    if "log" not in pathlib.Path("/proc/sys/kernel/seccomp/actions_logged").read_text().split():
        pytest.skip("kernel.seccomp.actions_logged is without log")
    if not os.path.exists("/proc/self/loginuid"):
        pytest.skip("this kernel has no CONFIG_AUDIT, which is what writes the log")
    source = SYSCALL + f"libc.prctl(15, b'{test_id}')\nprint(syscall(121, 70000))"
    default = "SCMP_ACT_LOG" if action == "SCMP_ACT_ALLOW" else "SCMP_ACT_ALLOW"  # or the rule would say nothing
    number, end = 0, time.monotonic() + 20
    while True:
        log = KernelLog()
        c = box("python3", "-c", source, rootfs="debian")
        result = with_profile(c, rule("getpgid", action), default=default, flags=flags).run()
        assert result.stdout == f"{-EPERM if action == 'SCMP_ACT_ERRNO' else -ESRCH}\n", result.stderr
        seen = log.has(test_id)
        number += 1
        if seen or (not logged and number == 2) or time.monotonic() > end:
            break
        time.sleep(1)  # others may have used up what the kernel says in five seconds
    assert seen == logged


@pytest.mark.parametrize("op, value, expected", [
    ("SCMP_CMP_EQ", 70000, [0, 1, 0]), ("SCMP_CMP_NE", 70000, [1, 0, 1]), ("SCMP_CMP_LT", 70000, [1, 0, 0]),
    ("SCMP_CMP_LE", 70000, [1, 1, 0]), ("SCMP_CMP_GE", 70000, [0, 1, 1]), ("SCMP_CMP_GT", 70000, [0, 0, 1])])
def test_operators(probe, op, value, expected):
    seen = probe("69999 70000 70001", rule("getpgid", "SCMP_ACT_ERRNO", EDOM, [{"index": 0, "value": value, "op": op}]))
    assert seen == [EDOM if hit else ESRCH for hit in expected]


def test_masked_operator(probe):
    seen = probe("65536 65537 196608", rule("getpgid", "SCMP_ACT_ERRNO", EDOM, [
        {"index": 0, "value": 0x30000, "valueTwo": 0x10000, "op": "SCMP_CMP_MASKED_EQ"}]))
    assert seen == [EDOM, EDOM, ESRCH]


def test_sixty_four_bit_arguments(probe):
    big = 5 << 40 | 1
    args = [{"index": 1, "value": big, "op": "SCMP_CMP_EQ"}]
    assert probe(f"70000,{big} 70000,1 70000,{5 << 40}", rule("getpgid", "SCMP_ACT_ERRNO", EDOM, args)) == [EDOM, ESRCH, ESRCH]


def test_several_arguments_must_all_match(probe):
    args = [{"index": 0, "value": 70000, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 5, "op": "SCMP_CMP_GE"}]
    assert probe("70000,5 70000,4 70001,5", rule("getpgid", "SCMP_ACT_ERRNO", EDOM, args)) == [EDOM, ESRCH, ESRCH]


def test_same_argument_twice_means_either(probe):
    args = [{"index": 0, "value": 70000, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 70002, "op": "SCMP_CMP_EQ"}]
    assert probe("70000 70001 70002", rule("getpgid", "SCMP_ACT_ERRNO", EDOM, args)) == [EDOM, ESRCH, EDOM]


def test_several_rules_for_one_syscall(probe):
    rules = [rule("getpgid", "SCMP_ACT_ERRNO", e, [{"index": 0, "value": v, "op": "SCMP_CMP_EQ"}])
             for v, e in ((70000, EDOM), (70001, ENOSPC))]
    assert probe("70000 70001 70002", *rules) == [EDOM, ENOSPC, ESRCH]


def test_unknown_syscall_is_skipped(box):
    assert with_profile(box("true"), rule(["no_such_syscall", "mkdir"], "SCMP_ACT_ERRNO")).run().returncode == 0


def all_syscalls():
    header = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if platform.machine() != "x86_64" or not header.exists():
        pytest.skip("needs an x86_64 with linux-libc-dev, whose list of system calls this goes by")
    found = re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())
    return {name: int(number) for name, number in found}


def test_syscalls_that_the_profile_cannot_know(program):
    """A number above all that are named was not there when the profile was written: ENOSYS, so that C libraries fall
    back; a number among them is refused as the profile says. On every architecture."""
    numbers = all_syscalls()
    del numbers["getpgid"]
    last = max(numbers.values())
    result = program(f"""
x32 = 1 << 30
print(*[syscall(n) for n in (121, {last + 1}, 100000, x32 - 1, x32 | 121, x32 | {last + 1}, x32 | 100000)])
""", rule(list(numbers), "SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO", defaultErrnoRet=EDOM)
    # x32 has numbers of its own from 512 on, and the names among them are beyond the others.
    seen = [-int(word) for word in result.stdout.split()]
    assert seen[:5] == [EDOM, errno.ENOSYS, errno.ENOSYS, errno.ENOSYS, EDOM], result.stderr
    assert seen[6] == errno.ENOSYS


def test_syscalls_that_no_profile_knows_are_tried_where_the_default_allows(program):
    result = program("print(syscall(100000))", rule("mkdir", "SCMP_ACT_ERRNO", EDOM))
    assert result.stdout == f"{-errno.ENOSYS}\n", "the kernel's own answer"
    result = program("print(syscall(100000))", rule("mkdir", "SCMP_ACT_ALLOW"), default="SCMP_ACT_LOG")
    assert result.stdout == f"{-errno.ENOSYS}\n", result.stderr


# getpgid of an absurd pid by each of the ways into an x86_64 kernel.
WAYS = """
import mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
# push rbx; mov eax, edi; mov ebx, esi; int 0x80; pop rbx; cdqe; ret
code.write(bytes.fromhex("53 89f8 89f3 cd80 5b 4898 c3"))
int80 = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
ways = {"x86_64": lambda: syscall(121, 70000), "x86": lambda: int80(132, 70000), "x32": lambda: syscall(1 << 30 | 121, 70000)}
print(ways[sys.argv[1]](), flush=True)
"""


@on_the_host
@pytest.mark.parametrize("way", ["x86_64", "x86", "x32"])
@pytest.mark.parametrize("architectures", [[], ["X86_64"], ["X86"], ["X32"], ["X86_64", "X86", "X32"]])
def test_architectures(box, way, architectures):
    """The machine's own is always there; a rule holds on all that are named; what is not named is deadly."""
    if platform.machine() != "x86_64":
        pytest.skip("needs an x86_64, and its older ways into the kernel")
    c = box("python3", "-c", SYSCALL + WAYS, way, rootfs="debian")
    with_profile(c, rule("getpgid", "SCMP_ACT_ERRNO", EDOM), architectures=[f"SCMP_ARCH_{a}" for a in architectures])
    result = c.run()
    if way == "x86_64" or way.upper() in architectures:
        assert (result.returncode, result.stdout) == (0, f"{-EDOM}\n"), result.stderr
    else:
        assert (result.returncode, result.stdout) == (128 + 31, "")


def test_a_foreign_architecture_does_no_harm(program):
    result = program("print(syscall(121, 70000))", rule("getpgid", "SCMP_ACT_ERRNO", EDOM),
                     architectures=["SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X", "SCMP_ARCH_RISCV64", "SCMP_ARCH_X86_64"])
    assert result.stdout == f"{-EDOM}\n", result.stderr


@pytest.mark.parametrize("broken", [
    {"defaultAction": "SCMP_ACT_NO_SUCH"}, {"architectures": ["SCMP_ARCH_NO_SUCH"]}, {"flags": ["NO_SUCH_FLAG"]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_WHAT")]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_ERRNO", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_ABOUT"}])]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_ERRNO", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_ERRNO", 4095)]}, {"syscalls": [rule("mkdir", "SCMP_ACT_TRACE", 65536)]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_KILL", EDOM)]}, {"defaultErrnoRet": EDOM}, {"syscalls": [rule([], "SCMP_ACT_LOG")]},
    {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/nobody"}, {"listenerMetadata": "of no listener"},
    {"flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}, {"flags": ["SECCOMP_FILTER_FLAG_TSYNC_ESRCH"]},
    {"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]},  # of nobody's notifications
])
def test_broken_profile_is_refused(box, broken):
    c = box("true")
    c.config["linux"]["seccomp"] = {**profile(), **broken}
    assert c.run().returncode == 1


@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                                   ["SECCOMP_FILTER_FLAG_TSYNC"], ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]])
def test_flags(box, engine, flags):
    c = with_profile(box("cat", "/proc/self/status"), rule("mkdir", "SCMP_ACT_ERRNO"), flags=flags)
    result = c.run()
    assert result.returncode == 0, result.stderr
    status = parse_status(result.stdout)
    assert status["Seccomp"] == "2"
    if "SECCOMP_FILTER_FLAG_SPEC_ALLOW" in flags and engine == "namespaces":
        assert "force mitigated" not in status["Speculation_Store_Bypass"]


def test_without_no_new_privs(box):
    c = with_profile(box("cat", "/proc/self/status"), rule("mkdir", "SCMP_ACT_ERRNO"))
    c.config["process"]["noNewPrivileges"] = False
    status = parse_status(c.run().stdout)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "0")


def test_as_ordinary_user_without_no_new_privs(box):
    c = with_profile(box("cat", "/proc/self/status"), rule("mkdir", "SCMP_ACT_ERRNO"))
    c.config["process"]["noNewPrivileges"] = False
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert parse_status(c.run().stdout)["Seccomp"] == "2"


def test_exec_gets_the_filter_too(box):
    c = with_profile(box("sleep", "1000"), rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", ENOSPC)).up()
    result = c.exec("mkdir", "/tmp/x")
    assert result.returncode == 1 and "No space left on device" in result.stderr


def test_none_without_config(box):
    assert parse_status(box("cat", "/proc/self/status").run().stdout)["Seccomp"] == "0"


def test_one_filter_only(box):
    c = with_profile(box("cat", "/proc/self/status"), rule("mkdir", "SCMP_ACT_ERRNO"))
    status = parse_status(c.run().stdout)
    assert status.get("Seccomp_filters", "1") == "1"


class Agent(threading.Thread):
    """Waits at listenerPath, takes the notify descriptor and answers each notification with the errno, or CONTINUE."""

    def __init__(self, path, errno, delay=0):
        super().__init__(daemon=True)
        self.delay = delay
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen()
        self.server.settimeout(20)
        self.errno, self.state, self.fds, self.seen = errno, None, [], []
        self.start()

    def run(self):
        connection, _ = self.server.accept()
        data, self.fds = receive_fds(connection)
        while more := connection.recv(65536):
            data += more
        self.state = json.loads(data)
        fd = self.fds[self.state["fds"].index("seccompFd")]
        while True:
            request = bytearray(80)
            try:
                fcntl.ioctl(fd, NOTIF_RECV, request)
            except OSError:
                return
            id, pid, _, nr = struct.unpack_from("=QIIi", request)
            self.seen.append((pid, nr))
            time.sleep(self.delay)
            answer = bytearray(struct.pack("=QqiI", id, 0, 0 if self.errno is CONTINUE else -self.errno,
                                           self.errno is CONTINUE))
            try:
                fcntl.ioctl(fd, NOTIF_SEND, answer)
            except OSError:
                pass

    def close(self):
        self.server.close()
        for fd in self.fds:
            os.close(fd)


@on_the_host
def test_notify_listener(box, workdir):
    agent = Agent(workdir / "agent", ENOSPC)
    c = with_profile(box("mkdir", "/tmp/x"), rule(["mkdir", "mkdirat"], "SCMP_ACT_NOTIFY"),
                     listenerPath=str(workdir / "agent"), listenerMetadata="some metadata")
    c.config["annotations"] = {"org.example": "1"}
    result = c.run()
    assert result.returncode == 1 and "No space left on device" in result.stderr, result.stderr
    wait_for(lambda: agent.state, "the agent")
    assert [nr for _, nr in agent.seen] == [83]
    assert agent.state["fds"] == ["seccompFd"] and len(agent.fds) == 1
    assert agent.state["metadata"] == "some metadata"
    assert agent.state["pid"] > 1
    inner = agent.state["state"]
    assert (inner["id"], inner["bundle"], inner["annotations"]) == (c.id, str(c.bundle), {"org.example": "1"})
    assert inner["status"] in ("creating", "created", "running")
    agent.close()


@on_the_host
def test_the_state_that_comes_with_the_listener(box, workdir):
    """config-linux.md, "The Container Process State"."""
    agent = Agent(workdir / "agent", CONTINUE)
    c = with_profile(box("sleep", "1000"), rule("mkdir", "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "agent")).up()
    wait_for(lambda: agent.state, "the agent")
    pid = c.pid
    assert agent.state.keys() == {"ociVersion", "fds", "pid", "state"}, "no metadata was given"
    assert re.fullmatch(r"1\.\d+\.\d+.*", agent.state["ociVersion"])
    assert agent.state["pid"] == pid
    inner = agent.state["state"]
    assert inner.keys() == {"ociVersion", "id", "status", "pid", "bundle"}
    assert (inner["pid"], inner["status"]) == (pid, "creating")
    c.delete("--force")
    agent.close()


@on_the_host
@pytest.mark.parametrize("privileges", [True, False])
@pytest.mark.parametrize("names", [["sendmsg", "sendto", "sendmmsg"], ["write", "writev", "pwrite64"], ["close", "close_range"],
                                   ["futex", "sched_yield"], ["clone", "clone3", "exit", "exit_group"],
                                   ["capset", "capget", "prctl", "seccomp"], ["execve", "execveat"]])
def test_notify_about_what_init_itself_needs(box, workdir, names, privileges):
    """The filter is on when the listener is sent: who sends it must not be caught by it."""
    agent = Agent(workdir / "agent", CONTINUE)
    c = with_profile(box("sh", "-c", "echo hello | cat"), rule(names, "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "agent"))
    c.config["process"]["noNewPrivileges"] = not privileges
    result = c.run(timeout=10)
    assert (result.returncode, result.stdout) == (0, "hello\n"), result.stderr
    caught = {nr for _, nr in agent.seen}
    numbers = all_syscalls()
    assert caught <= {numbers[name] for name in names}
    for name, when in (("write", True), ("execve", True), ("exit_group", True), ("capset", privileges)):
        assert (numbers[name] in caught) == (name in names and when), name
    agent.close()


@on_the_host
@pytest.mark.parametrize("flags, result", [([], errno.EINTR), (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], ENOSPC)])
def test_wait_killable_recv(box, workdir, flags, result):
    """With the flag a signal that does not kill no longer interrupts a call that the agent has taken up."""
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) < (5, 19):
        pytest.skip("this kernel has no SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
    agent = Agent(workdir / "agent", ENOSPC, delay=0.6)
    c = box("python3", "-c", SYSCALL + """
signal.signal(signal.SIGALRM, lambda *args: None)
signal.setitimer(signal.ITIMER_REAL, 0.2)
print(-syscall(83, id("/x"), 0o700))
""", rootfs="debian")
    with_profile(c, rule("mkdir", "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "agent"), flags=flags)
    run = c.run()
    assert run.stdout == f"{result}\n", run.stderr
    agent.close()


def test_listener_path_without_notify_is_ignored(box, workdir):
    c = with_profile(box("true"), rule("mkdir", "SCMP_ACT_ERRNO"), listenerPath=str(workdir / "nobody"))
    assert c.run().returncode == 0


@on_the_host
def test_notify_in_exec(box, workdir):
    """Each process that joins has a filter, and so a listener, of its own."""
    first = Agent(workdir / "agent", ENOSPC)
    c = with_profile(box("sleep", "1000"), rule(["mkdir", "mkdirat"], "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "agent"))
    c.up()
    os.unlink(workdir / "agent")
    second = Agent(workdir / "agent", EDOM)
    result = c.exec("mkdir", "/tmp/x")
    assert "Numerical argument out of domain" in result.stderr
    c.delete("--force")
    first.close(), second.close()


@on_the_host
@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_TSYNC"]])
def test_who_sends_the_listener_leaves_no_trace(box, workdir, flags):
    """The filter may stop sendmsg(2) itself; and the program must find no child that it has not made."""
    agent = Agent(workdir / "agent", ENOSPC)
    c = with_profile(box("cat", "/proc/thread-self/children"), rule(["sendmsg", "sendto"], "SCMP_ACT_ERRNO"),
                     rule(["mkdir", "mkdirat"], "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "agent"), flags=flags)
    result = c.run()
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    wait_for(lambda: agent.state, "the agent")
    agent.close()


def test_notify_without_listener_is_refused(box):
    assert with_profile(box("true"), rule("mkdir", "SCMP_ACT_NOTIFY")).run().returncode == 1


@on_the_host
def test_notify_with_nobody_listening(box, workdir):
    c = with_profile(box("true"), rule("mkdir", "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "nobody"))
    result = c.run()
    assert result.returncode == 1 and str(workdir / "nobody") in result.stderr
