"""The process object: what the program is given, read from the kernel."""
import os
import pathlib
import socket
import subprocess

import pytest

from harness import add_namespace, parse_status

BIT = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_SETUID": 7, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_ADMIN": 21, "CAP_AUDIT_WRITE": 29}
FIELD = {"inheritable": "CapInh", "permitted": "CapPrm", "effective": "CapEff", "bounding": "CapBnd", "ambient": "CapAmb"}


def mask(*names):
    return sum(1 << BIT[n] for n in names)


def own_status(container):
    container.config["process"]["args"] = ["cat", "/proc/self/status"]
    result = container.run()
    assert result.returncode == 0, result.stderr
    return parse_status(result.stdout)


def test_arguments(box):
    words = ["sh", "-c", "cat /proc/$$/cmdline; true", "--flag", "a b", "", "$HOME", "ü"]
    assert box(*words).run().stdout == "".join(word + "\0" for word in words)


def test_long_arguments(box):
    words = ["x" * 60000] * 10
    c = box("sh", "-c", "echo $# ${#1}", "sh", *words)
    assert c.run().stdout == "10 60000\n"


def test_arguments_that_are_too_much(box):
    result = box("true", *["x" * 100000] * 100).run()
    assert result.returncode == 1 and "arguments" in result.stderr.lower() and "environment" in result.stderr


@pytest.mark.parametrize("change,said", [
    (lambda process: process["args"].append("x" * 131072), "/process/args/1"),
    (lambda process: process["env"].append("LONG=" + "x" * 131067), "/process/env/3"),
])
def test_string_that_is_too_long_is_named(box, change, said):
    c = box("true")
    change(c.config["process"])
    result = c.run()
    assert result.returncode == 1 and said in result.stderr and len(result.stderr) < 1000


def test_environment_is_exactly_the_configured(box):
    c = box("cat", "/proc/self/environ")
    c.config["process"]["env"] = ["PATH=/bin", "A=1", "B=two words", "EMPTY=", "HOME=/somewhere"]
    assert c.run().stdout.split("\0")[:-1] == c.config["process"]["env"]


def test_home_comes_from_the_images_passwd(box):
    c = box("sh", "-c", "echo $HOME")
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert c.run().stdout == "/home/user\n"


def test_callers_environment_stays_outside(box):
    c = box("env")
    assert "SECRET" not in c.run(env={**os.environ, "SECRET": "x"}).stdout


@pytest.mark.parametrize("path, found", [("/first:/bin", "first"), ("/bin:/first", "second"), ("/nothing:/first", "first")])
def test_program_is_found_by_the_containers_path(box, path, found):
    c = box("program")
    for directory, word in (("first", "first"), ("bin", "second")):
        file = c.bundle / "rootfs" / directory / "program"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/busybox sh\necho {word}\n")
        file.chmod(0o755)
    c.config["process"]["env"] = [f"PATH={path}"]
    assert c.run().stdout == found + "\n"


def test_cwd(box):
    c = box("pwd")
    c.config["process"]["cwd"] = "/usr/bin"
    assert c.run().stdout == "/usr/bin\n"


def test_cwd_with_dots(box):
    c = box("pwd")
    c.config["process"]["cwd"] = "/new/../other/./place/"
    c.config["root"]["readonly"] = False
    result = c.run()
    assert result.stdout == "/other/place\n", result.stderr


def test_relative_program_starts_at_cwd(box):
    c = box("./busybox", "echo", "here")
    c.config["process"]["cwd"] = "/bin"
    assert c.run().stdout == "here\n"


def test_cwd_that_only_its_user_may_enter(box):
    c = box("pwd")
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    c.config["process"]["cwd"] = "/home/user"
    (c.bundle / "rootfs/home/user").chmod(0o700)
    os.chown(c.bundle / "rootfs/home/user", 1000, 1000)
    assert c.run().stdout == "/home/user\n"


def test_cwd_that_is_a_file(box):
    c = box("true")
    c.config["process"]["cwd"] = "/etc/passwd"
    result = c.run()
    assert result.returncode == 1
    assert "not a directory" in result.stderr and "/etc/passwd" in result.stderr


def test_user_and_groups(box):
    c = box()
    c.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7, 1002]}
    status = own_status(c)
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1001"] * 4
    assert {"7", "1002"} <= set(status["Groups"].split()) <= {"7", "1002", "1001"}


def test_callers_groups_are_dropped(box):
    c = box()
    c.prefix = ["setpriv", "--groups", "7,8,9"]
    assert own_status(c)["Groups"].split() in ([], ["0"])


@pytest.mark.parametrize("umask, seen", [(0o077, "0077"), (0, "0000"), (None, "0022")])
def test_umask(box, umask, seen):
    c = box("sh", "-c", "umask")
    if umask is not None:
        c.config["process"]["user"]["umask"] = umask
    assert c.run(umask=0o027).stdout.strip() == seen


def test_capability_sets(box):
    c = box()
    c.config["process"]["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_CHOWN", "CAP_KILL"], "ambient": ["CAP_KILL"]}
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    status = own_status(c)
    # an exec by an ordinary user keeps what is ambient, and the inheritable set
    assert {k: int(status[f], 16) for k, f in FIELD.items()} == {
        "bounding": mask("CAP_CHOWN", "CAP_KILL", "CAP_SETUID"), "permitted": mask("CAP_KILL"), "effective": mask("CAP_KILL"),
        "inheritable": mask("CAP_CHOWN", "CAP_KILL"), "ambient": mask("CAP_KILL")}


def test_capabilities_of_root(box):
    status = own_status(box())
    default = mask("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
    assert [int(status[FIELD[k]], 16) for k in ("bounding", "permitted", "effective")] == [default] * 3
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0


def test_no_capabilities(box):
    c = box()
    c.config["process"]["capabilities"] = {}
    status = own_status(c)
    assert all(int(status[f], 16) == 0 for f in FIELD.values())


def test_ordinary_user_without_ambient_has_none(box):
    c = box()
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    status = own_status(c)
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0


def test_ambient_capability_that_is_not_inheritable(box):
    """The kernel has no such thing; runc warns and goes on, and engines write such configs."""
    c = box("cat", "/proc/self/status")
    c.config["process"]["capabilities"]["ambient"] = ["CAP_KILL"]
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert int(parse_status(result.stdout)["CapAmb"], 16) == 0


def test_capability_that_the_runtime_lacks_is_no_failure(box):
    c = box("cat", "/proc/self/status")
    c.prefix = ["setpriv", "--bounding-set", "-sys_boot", "--"]
    kinds = ("bounding", "permitted", "effective", "inheritable", "ambient")
    c.config["process"]["capabilities"] = {k: ["CAP_SYS_BOOT", "CAP_KILL"] for k in kinds}
    result = c.run()
    assert result.returncode == 0, result.stderr
    for kind in ("bounding", "permitted", "effective", "inheritable"):
        assert f"/process/capabilities/{kind}: is not had in full, for what the runtime itself lacks: CAP_SYS_BOOT" in result.stderr
    status = parse_status(result.stdout)
    assert {FIELD[k]: int(status[FIELD[k]], 16) for k in kinds} == {FIELD[k]: mask("CAP_KILL") for k in kinds}


def test_user_namespace_grants_what_the_runtime_lacks(box):
    c = box("cat", "/proc/self/status")
    c.prefix = ["setpriv", "--bounding-set", "-sys_boot", "--"]
    c.config["process"]["capabilities"] = {k: ["CAP_SYS_BOOT"] for k in ("bounding", "permitted", "effective")}
    c.config["linux"]["namespaces"].append({"type": "user"})
    c.config["linux"].update({k: [{"containerID": 0, "hostID": 0, "size": 65536}] for k in ("uidMappings", "gidMappings")})
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert int(parse_status(result.stdout)["CapPrm"], 16) == 1 << 22


def test_unknown_capability_is_no_failure(box):
    c = box()
    for names in c.config["process"]["capabilities"].values():
        names.append("CAP_OF_THE_FUTURE")
    assert int(own_status(c)["CapEff"], 16) == mask("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")


def test_unknown_capabilities_are_warned_about(box):
    c = box("true")
    c.config["process"]["capabilities"] = {kind: [f"CAP_NEW_{kind.upper()}", "CAP_KILL"] for kind in FIELD}
    result = c.run()
    assert result.returncode == 0, result.stderr
    for kind in FIELD:
        assert f'/{kind}/0: is ignored: "CAP_NEW_{kind.upper()}" is not a known capability' in result.stderr


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privileges(box, wanted):
    c = box()
    c.config["process"]["noNewPrivileges"] = wanted
    assert own_status(c)["NoNewPrivs"] == str(int(wanted))


@pytest.mark.parametrize("name, line", [
    ("RLIMIT_NOFILE", "Max open files"), ("RLIMIT_CORE", "Max core file size"), ("RLIMIT_STACK", "Max stack size"),
    ("RLIMIT_NPROC", "Max processes"), ("RLIMIT_FSIZE", "Max file size"), ("RLIMIT_CPU", "Max cpu time"),
    ("RLIMIT_AS", "Max address space"), ("RLIMIT_DATA", "Max data size"), ("RLIMIT_RSS", "Max resident set"),
    ("RLIMIT_MEMLOCK", "Max locked memory"), ("RLIMIT_LOCKS", "Max file locks"), ("RLIMIT_SIGPENDING", "Max pending signals"),
    ("RLIMIT_MSGQUEUE", "Max msgqueue size"), ("RLIMIT_NICE", "Max nice priority"), ("RLIMIT_RTPRIO", "Max realtime priority"),
    ("RLIMIT_RTTIME", "Max realtime timeout")])
def test_rlimits(box, name, line):
    outside = next(text for text in pathlib.Path("/proc/self/limits").read_text().splitlines() if text.startswith(line))
    most = outside[len(line):].split()[1]
    soft, hard = (0, 0) if most == "0" else (2**30, 2**30 + 4096)
    if most not in ("0", "unlimited") and int(most) < hard:
        soft, hard = int(most) - 1, int(most)
    c = box("cat", "/proc/self/limits")
    c.config["process"]["rlimits"] = [{"type": name, "soft": soft, "hard": hard}]
    result = c.run()
    assert result.returncode == 0, result.stderr
    seen = next(text for text in result.stdout.splitlines() if text.startswith(line))
    assert seen[len(line):].split()[:2] == [str(soft), str(hard)]


@pytest.mark.parametrize("limits, where", [
    ([("RLIMIT_NOFILE", 5, 10), ("RLIMIT_CORE", 0, 0), ("RLIMIT_NOFILE", 5, 10)], "2/type: must be given once"),
    ([("RLIMIT_NOFILE", 11, 10)], "0/soft: must not exceed the hard limit of 10"),
    ([("RLIMIT_NEW", 1, 1)], "0/type: must be one of"), ([("NOFILE", 1, 1)], "0/type: must be one of")])
def test_rlimits_that_no_kernel_takes(box, limits, where):
    c = box("true")
    c.config["process"]["rlimits"] = [{"type": t, "soft": s, "hard": h} for t, s, h in limits]
    result = c.run()
    assert result.returncode == 1 and f"/process/rlimits/{where}" in result.stderr, result.stderr


def test_rlimits_without_bounds(box):
    """RLIM_INFINITY is what a program prints as unlimited."""
    c = box("sh", "-c", "ulimit -Hc; ulimit -Sc")
    c.config["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1}]
    result = c.run()
    assert result.stdout.split() == ["unlimited"] * 2, result.stderr


def test_rlimits_in_a_user_namespace(box):
    """Set from outside, because inside nobody may raise a hard limit."""
    c = box("sh", "-c", "ulimit -Hn; ulimit -Sn")
    add_namespace(c.config, "user")
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c.config["linux"].update(uidMappings=maps, gidMappings=maps)
    os.chown(c.bundle / "rootfs", 100000, 100000)
    c.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 1500}]
    result = c.run()
    assert result.stdout.split() == ["1500", "1000"], result.stderr


def test_rlimit_that_cannot_be_had(box):
    c = box("true")
    c.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 2**62}]
    result = c.run()
    assert result.returncode == 1
    assert "operation not permitted" in result.stderr.lower() and "limit" in result.stderr.lower()


@pytest.mark.parametrize("value", [0, 500, 1000])
def test_oom_score_adj(box, value):
    c = box("cat", "/proc/self/oom_score_adj")
    c.config["process"]["oomScoreAdj"] = value
    here = int(pathlib.Path("/proc/self/oom_score_adj").read_text())
    if value < here:
        pytest.skip(f"this process already has oom_score_adj {here}")
    assert c.run().stdout.strip() == str(value)


def test_streams_are_all_that_is_open(box):
    read, write = os.pipe()
    try:
        assert set(box("ls", "/proc/self/fd").run(pass_fds=(write,)).stdout.split()) == {"0", "1", "2", "3"}
    finally:
        os.close(read), os.close(write)


def test_preserved_descriptors(box):
    read, write = os.pipe()
    c = box("sh", "-c", "echo three >&3; echo four >&4; ls /proc/self/fd")
    c.prefix = ["bash", "-c", f'exec 3>&{write} 4>&{write} 5>&{write}; exec "$@"', "sh"]
    try:
        result = c.run("--preserve-fds", "2", pass_fds=(write,))
        assert result.returncode == 0, result.stderr
        assert os.read(read, 100) == b"three\nfour\n"
        assert "6" not in result.stdout.split()
    finally:
        os.close(read), os.close(write)


def test_preserved_descriptor_that_is_not_open(box):
    assert box("true").run("--preserve-fds", "7").returncode == 1


def test_listen_fds(box, workdir):
    """Socket activation: LISTEN_FDS of the caller arrives with its sockets, and LISTEN_PID names the new process."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(workdir / "socket"))
    server.listen()
    c = box("sh", "-c", "echo fds=$LISTEN_FDS pid=$LISTEN_PID self=$$; readlink /proc/self/fd/3")
    c.prefix = ["bash", "-c", f'exec 3<&{server.fileno()} {server.fileno()}<&-; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"', "sh"]
    result = c.run(pass_fds=(server.fileno(),))
    server.close()
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first == "fds=1 pid=1 self=1"
    assert second.startswith("socket:")


KEYRING = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
serial = libc.syscall(250, 0, -3, 0)
buffer = ctypes.create_string_buffer(200)
libc.syscall(250, 6, -3, buffer, 200)
print(serial, buffer.value.decode())
"""


def test_session_keyring_is_a_new_one(in_debian, box):
    outside = subprocess.run(["/usr/bin/python3", "-c", KEYRING], capture_output=True, text=True).stdout.split()
    result = in_debian(KEYRING)
    assert result.returncode == 0, result.stderr
    serial, description = result.stdout.split()
    assert int(serial) > 0 and serial != outside[0]
    assert description.startswith("keyring;0;0;") and ";_ses." in description


def test_exec_joins_the_session_keyring(box):
    """The container's own, found by its name: what its program keeps in there is there for the others too."""
    c = box("python3", "-c", KEYRING + "\nimport time; time.sleep(1000)", rootfs="debian").up()
    first, second = (c.exec("python3", "-c", KEYRING).stdout.split() for _ in range(2))
    assert first == second and int(first[0]) > 0 and f";_ses.{c.id}" in first[1]


def test_no_new_keyring(box):
    outer = "import subprocess, sys\n" + KEYRING + "\nsys.stdout.flush(); subprocess.run(sys.argv[1:])"
    c = box("python3", "-c", KEYRING, rootfs="debian")
    c.prefix = ["/usr/bin/python3", "-c", outer]
    result = c.run("--no-new-keyring")
    outside, inside = result.stdout.splitlines()
    assert "_ses." not in inside or outside == inside, result.stderr


def test_apparmor_asked_for_and_absent(box):
    if os.path.exists("/sys/module/apparmor"):
        pytest.skip("this kernel has AppArmor: what is tested here is its absence")
    c = box("true")
    c.config["process"]["apparmorProfile"] = "some-profile"
    result = c.run()
    assert result.returncode == 1
    assert "apparmor" in result.stderr.lower()


def test_selinux_asked_for_and_absent(box):
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("this kernel has SELinux: what is tested here is its absence")
    c = box("true")
    c.config["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0:c1,c2"
    result = c.run()
    assert result.returncode == 1
    assert "selinux" in result.stderr.lower()


def test_first_process_is_a_session_leader(box):
    c = box("sleep", "1000").up()
    fields = pathlib.Path(f"/proc/{c.pid}/stat").read_text().rsplit(")", 1)[1].split()
    assert fields[3] == str(c.pid), "session"
    assert fields[2] == str(c.pid), "process group"


def test_signals_are_as_the_kernel_starts_them(box):
    c = box()
    status = own_status(c)
    assert int(status["SigBlk"], 16) == 0
    assert int(status["SigIgn"], 16) == 0


def test_not_traceable_before_start(box):
    """The waiting init must not hand itself to the container's user."""
    c = box("sleep", "1000")
    c.create()
    assert os.stat(f"/proc/{c.pid}/fd").st_uid == 0


def test_dumpable_afterwards(box):
    c = box("sh", "-c", "stat -c %u /proc/self/fd")
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert c.run().stdout == "1000\n"


def test_standard_streams_can_be_reopened_by_the_user(box):
    """The ordinary user owns the pipes that it was given: `echo >/dev/stderr` works."""
    c = box("sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr")
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    result = c.run()
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("domain, machines", [("LINUX", [os.uname().machine]), ("LINUX32", ["i686", "i386", "armv7l", "armv8l"])])
def test_personality(box, domain, machines):
    c = box("sh", "-c", "uname -m; sleep 1000")
    c.config["linux"]["personality"] = {"domain": domain}
    c.up()
    assert c.exec("uname", "-m").stdout.strip() in machines
    assert c.output().strip() in machines


def test_personality_of_the_caller_is_left_behind(box):
    """LINUX asks for the kernel's own, whatever the runtime was started with (setarch)."""
    c = box("uname", "-m")
    c.prefix = ["setarch", "linux32"]
    c.config["linux"]["personality"] = {"domain": "LINUX"}
    assert c.run().stdout.strip() == os.uname().machine


def test_personality_flags_are_ignored_aloud(box):
    c = box("true")
    c.config["linux"]["personality"] = {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}
    result = c.run()
    assert result.returncode == 0 and "/linux/personality/flags is ignored" in result.stderr.replace(": is", " is"), result.stderr


def test_personality_that_is_none(box):
    c = box("true")
    c.config["linux"]["personality"] = {"domain": "BSD"}
    result = c.run()
    assert result.returncode == 1 and "/linux/personality/domain: " in result.stderr
