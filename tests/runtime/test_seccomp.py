"""Seccomp: the filter does what the config says, to the syscall's result."""
import fcntl
import json
import os
import socket
import struct
import threading

import pytest

from harness import parse_status, receive_fds, wait_for

EPERM, ENOSPC, EDOM, ESRCH = 1, 28, 33, 3
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101

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


@pytest.mark.parametrize("broken", [
    {"defaultAction": "SCMP_ACT_NO_SUCH"}, {"architectures": ["SCMP_ARCH_NO_SUCH"]}, {"flags": ["NO_SUCH_FLAG"]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_WHAT")]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_ERRNO", args=[{"index": 0, "value": 1, "op": "SCMP_CMP_ABOUT"}])]},
    {"syscalls": [rule("mkdir", "SCMP_ACT_ERRNO", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])]},
])
def test_broken_profile_is_refused(box, broken):
    c = box("true")
    c.config["linux"]["seccomp"] = {**profile(), **broken}
    assert c.run().returncode == 1


@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                                   ["SECCOMP_FILTER_FLAG_TSYNC"], ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]])
def test_flags(box, flags):
    c = with_profile(box("cat", "/proc/self/status"), rule("mkdir", "SCMP_ACT_ERRNO"), flags=flags)
    result = c.run()
    assert result.returncode == 0, result.stderr
    status = parse_status(result.stdout)
    assert status["Seccomp"] == "2"
    if "SECCOMP_FILTER_FLAG_SPEC_ALLOW" in flags:
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
    """Waits at listenerPath, takes the notify descriptor and answers each notification with the errno."""

    def __init__(self, path, errno):
        super().__init__(daemon=True)
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
            answer = bytearray(struct.pack("=QqiI", id, 0, -self.errno, 0))
            try:
                fcntl.ioctl(fd, NOTIF_SEND, answer)
            except OSError:
                pass

    def close(self):
        self.server.close()
        for fd in self.fds:
            os.close(fd)


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


def test_notify_with_nobody_listening(box, workdir):
    c = with_profile(box("true"), rule("mkdir", "SCMP_ACT_NOTIFY"), listenerPath=str(workdir / "nobody"))
    result = c.run()
    assert result.returncode == 1 and str(workdir / "nobody") in result.stderr
