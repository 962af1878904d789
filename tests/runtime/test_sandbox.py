"""The second engine: a container whose program is served by the application kernel. Its life cycle is that of any other.

What a guest program sees of Linux is test_guest.py's.
"""
import ctypes
import errno
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import harness
import takeover
from harness import wait_for

ANNOTATION = "dev.cella.isolation"


@pytest.fixture(params=["direct", "proxy"])
def sandbox(box, request):
    """sandbox(*args, …) is a box whose annotation asks for the sandbox, with each way to the host's files."""
    def make(*args, **kwargs):
        c = box(*args, **kwargs)
        c.config["annotations"] = {ANNOTATION: "sandbox", "dev.cella.sandbox.file-access": request.param}
        return c
    return make


def option(c, name, value):
    c.config["annotations"][f"dev.cella.sandbox.{name}"] = value


def in_sandbox(result):
    return "-cella" in result.stdout


# --- which engine

def test_flag_and_annotation(box):
    for flags, annotations, wanted in [((), {}, False), (("--isolation=sandbox",), {}, True),
                                       ((), {ANNOTATION: "sandbox"}, True),
                                       (("--isolation=namespaces",), {ANNOTATION: "sandbox"}, False)]:
        c = box("uname", "-r")
        c.config["annotations"] = annotations
        result = c.run(*flags)
        assert result.returncode == 0, result.stderr
        assert in_sandbox(result) == wanted, (flags, annotations)


def test_unknown_isolation_is_refused(box):
    c = box("true")
    c.config["annotations"] = {ANNOTATION: "magic"}
    result = c.run()
    assert result.returncode != 0 and "magic" in result.stderr
    assert c.state() is None


@pytest.mark.parametrize("name, value, word", [
    ("platform", "systrap", "systrap is not supported"), ("platform", "kvm", "kvm is not supported"),
    ("platform", "x", "must be one of"), ("network", "sandbox", "sandbox is not supported"),
    ("file-access", "gofer", "must be one of"), ("overlay", "maybe", "true or false"),
    ("log-packets", "true", "no packets"), ("strace-log-size", "many", "number"), ("colour", "red", "no such option"),
])
def test_options_are_refused_by_name(sandbox, name, value, word):
    c = sandbox("true")
    option(c, name, value)
    result = c.run()
    assert result.returncode != 0
    assert name in result.stderr and word in result.stderr
    assert c.state() is None


# --- what is not enforced is refused by its field

def mapped_ids(config):
    config["linux"]["namespaces"].append({"type": "user"})
    for kind in "uidMappings", "gidMappings":
        config["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    return config


@pytest.mark.parametrize("pointer, change", [
    ("/linux/seccomp", lambda c: c["linux"].update(seccomp={
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/nobody",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]})),
    ("/linux/sysctl/net.ipv4.ip_forward", lambda c: c["linux"].update(sysctl={"net.ipv4.ip_forward": "1"})),
    ("/linux/sysctl/net.ipv4.ip_unprivileged_port_start",
     lambda c: c["linux"].update(sysctl={"net.ipv4.ip_unprivileged_port_start": "low"})),
    ("/hooks/createContainer", lambda c: c.update(hooks={"createContainer": [{"path": "/bin/true"}]})),
    ("/hooks/startContainer", lambda c: c.update(hooks={"startContainer": [{"path": "/bin/true"}]})),
    ("/linux/namespaces/0/path", lambda c: harness.namespaces(c)["pid"].update(path="/proc/1/ns/pid")),
    ("/linux/rootfsPropagation", lambda c: c["linux"].update(rootfsPropagation="shared")),
    ("/mounts/0/options", lambda c: c["mounts"][0].update(options=["rshared"])),
    ("/linux/devices", lambda c: c["linux"].update(devices=[{"path": "/dev/fuse", "type": "c", "major": 10,
                                                             "minor": 229}])),
    ("/mounts/0/type", lambda c: c["mounts"].insert(0, {"destination": "/x", "type": "ext4", "source": "x"})),
    ("/linux/sysctl/kernel.sem", lambda c: c["linux"].update(sysctl={"kernel.sem": "1 2 3"})),
    ("/linux/sysctl/kernel.shmmax", lambda c: c["linux"].update(sysctl={"kernel.shmmax": "much"})),
    ("/process/execCPUAffinity", lambda c: c["process"].update(execCPUAffinity={"initial": "0"})),
    ("/process/user/uid", lambda c: mapped_ids(c)["process"].update(user={"uid": 70000, "gid": 0})),
    ("/process/user/additionalGids", lambda c: mapped_ids(c)["process"].update(
        user={"uid": 0, "gid": 0, "additionalGids": [70000]})),
])
def test_fields_are_refused_by_name(sandbox, pointer, change):
    c = sandbox("true")
    change(c.config)
    result = c.run()
    assert result.returncode != 0
    assert pointer in result.stderr
    assert c.state() is None


def test_many_devices_are_not_all_named(sandbox):
    c = sandbox("true")
    c.config["linux"]["devices"] = [{"path": f"/dev/d{n}", "type": "b", "major": 7, "minor": n} for n in range(300)]
    result = c.run()
    assert result.returncode != 0
    assert "b 7:0 for /dev/d0" in result.stderr and "and 292 more" in result.stderr
    assert len(result.stderr) < 2000


def test_mounts_with_options_that_there_are_none_of(sandbox):
    for kind, options in ("tmpfs", ["bogus=1"]), ("tmpfs", ["size=much"]), ("proc", ["hidepid=2"]), ("mqueue", ["size=1"]):
        c = sandbox("true")
        c.config["mounts"].append({"destination": "/x", "type": kind, "source": "x", "options": options})
        result = c.run()
        assert result.returncode != 0
        assert "/x" in result.stderr and options[0] in result.stderr, result.stderr
        assert c.state() is None


def test_attributes_of_the_process(sandbox):
    c = sandbox("sh", "-c", "cat /proc/self/oom_score_adj; cut -d' ' -f19 /proc/self/stat")
    c.config["process"].update(oomScoreAdj=77, scheduler={"policy": "SCHED_OTHER", "nice": 5})
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "77\n5\n"), result.stderr


def test_personality(sandbox):
    c = sandbox("sh", "-c", "uname -m; cat /proc/self/personality; sleep 1000")
    c.config["linux"]["personality"] = {"domain": "LINUX32"}
    c.up()
    assert c.exec("uname", "-m").stdout == "i686\n"
    assert wait_for(lambda: c.output() if c.output().count("\n") == 2 else None, "uname") == "i686\n00000008\n"


def test_effective_capabilities_beyond_the_permitted(sandbox):
    c = sandbox("true")
    c.config["process"]["capabilities"] = {"bounding": ["CAP_KILL"], "permitted": [], "effective": ["CAP_KILL"]}
    result = c.run()
    assert result.returncode != 0 and "capabilities" in result.stderr


def test_id_maps_are_shown(sandbox):
    c = sandbox("cat", "/proc/self/uid_map", "/proc/self/gid_map")
    mapped_ids(c.config)
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()] == [["0", "0", "65536"]] * 2


def test_namespaces_that_are_not_the_hosts(sandbox):
    # It has them in any case, and says so.
    c = sandbox("true")
    c.config["linux"]["namespaces"] = [one for one in c.config["linux"]["namespaces"] if one["type"] != "pid"]
    result = c.run()
    assert result.returncode == 0
    assert "/linux/namespaces" in result.stderr and "pid namespace" in result.stderr
    result = c.cmd("--strict", "run", "--bundle", c.bundle, c.id + "-strict")
    assert result.returncode != 0 and "pid namespace" in result.stderr


def test_ps_without_a_kernel(sandbox):
    c = sandbox("sleep", "1000")
    assert c.create().returncode == 0
    result = c.cmd("ps", "--format", "json", c.id)
    assert (result.returncode, json.loads(result.stdout)) == (0, []), result.stderr
    assert c.start().returncode == 0
    assert c.kill("KILL").returncode == 0
    c.wait_stopped()
    result = c.cmd("ps", "--format", "json", c.id)
    assert (result.returncode, json.loads(result.stdout)) == (0, []), result.stderr


def test_what_a_paused_kernel_cannot_answer(sandbox):
    c = sandbox(*LOOP).up()
    assert c.cmd("pause", c.id).returncode == 0
    try:
        result = c.cmd("ps", c.id, timeout=20)
        assert result.returncode != 0 and "paused" in result.stderr
        # The host's numbers are there all the same.
        stats = json.loads(c.cmd("events", "--stats", c.id, timeout=20).stdout)["data"]
        assert stats["memory"]["usage"]["usage"] > 0
    finally:
        assert c.cmd("resume", c.id).returncode == 0
    assert c.cmd("ps", c.id).returncode == 0


# --- life cycle

@pytest.mark.parametrize("program", ["/etc/text", "/nosuch"])
def test_what_cannot_start_has_stopped(sandbox, program):
    """As soon as `start` has said so."""
    for _ in range(8):
        c = sandbox(program)
        (c.rootfs / "etc/text").write_text("no program")
        assert c.create().returncode == 0
        assert c.start().returncode != 0
        assert c.state()["status"] == "stopped"
        assert c.delete().returncode == 0


def test_create_start_state_kill_delete(sandbox):
    c = sandbox("sleep", "1000")
    result = c.create("--pid-file", c.bundle / "pid")
    assert result.returncode == 0, result.stderr
    state = c.state()
    assert state["status"] == "created"
    assert int((c.bundle / "pid").read_text()) == state["pid"]
    assert c.start().returncode == 0
    assert c.status == "running"
    assert c.start().returncode != 0
    listed = json.loads(c.cmd("list", "--format", "json").stdout)
    assert [(one["id"], one["status"]) for one in listed] == [(c.id, "running")]
    assert c.delete().returncode != 0
    assert c.kill("KILL").returncode == 0
    c.wait_stopped()
    assert c.delete().returncode == 0
    assert c.state() is None


def test_state_json_names_the_engine(sandbox):
    c = sandbox("sleep", "1000").up()
    assert json.loads((c.root / c.id / "state.json").read_text())["cella"]["isolation"] == "sandbox"


def test_delete_of_a_created_one(sandbox):
    c = sandbox("true")
    assert c.create().returncode == 0
    assert c.delete().returncode == 0


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 42", 42), ("sh -c 'kill -SEGV $$'; exit $?", 139)])
def test_exit_status(sandbox, script, status):
    assert sandbox("sh", "-c", script).run().returncode == status


def test_killed_from_outside(sandbox):
    c = sandbox("sleep", "1000")
    c.write()
    with subprocess.Popen(c.command("run", "--bundle", c.bundle, c.id), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        wait_for(lambda: c.status == "running", "the container")
        assert c.kill("KILL").returncode == 0
        assert run.wait(10) == 128 + signal.SIGKILL


def test_program_that_is_not_there(sandbox):
    result = sandbox("nosuch").run()
    assert result.returncode == 1
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr
    result = sandbox("/nosuch").run()
    assert 'exec: "/nosuch": stat /nosuch: no such file or directory' in result.stderr
    c = sandbox("nosuch")
    assert c.create().returncode == 0
    result = c.start()
    assert result.returncode != 0
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr
    c.wait_stopped()


def test_signals_reach_the_program(sandbox):
    c = sandbox("sh", "-c", "trap 'echo term; exit 5' TERM; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done").up()
    wait_for(lambda: "ready" in c.output(), "the program")
    c.kill("USR1")
    wait_for(lambda: "usr1" in c.output(), "SIGUSR1")
    c.kill("TERM")
    c.wait_stopped()
    assert c.output().split() == ["ready", "usr1", "term"]


def test_init_without_handler_ignores_signals(sandbox):
    # pid_namespaces(7), as in a container of the other engine.
    c = sandbox("sleep", "1000").up()
    c.kill("TERM")
    c.kill("HUP")
    time.sleep(0.3)
    assert c.status == "running"


def test_foreground_signal(sandbox):
    c = sandbox("sh", "-c", "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done")
    c.write()
    with subprocess.Popen(c.command("run", "--bundle", c.bundle, c.id), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "ready\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(10) == 9


def test_streams(sandbox):
    result = sandbox("sh", "-c", "cat; echo error >&2").run(input="from outside\n")
    assert (result.returncode, result.stdout, result.stderr) == (0, "from outside\n", "error\n")


def test_much_output(sandbox):
    result = sandbox("sh", "-c", "seq 1 100000; cat").run(input="x" * 300000)
    lines = result.stdout.split("\n")
    assert lines[:100000] == [str(i) for i in range(1, 100001)] and lines[100000] == "x" * 300000


def test_preserved_descriptors(sandbox, workdir):
    c = sandbox("sh", "-c", "cat <&3; echo back >&4; ls /proc/self/fd | sort -n | tr '\\n' ' '")
    (workdir / "in").write_text("given\n")
    c.write()
    command = c.command("run", "--bundle", c.bundle, "--preserve-fds", "2", c.id)
    script = 'exec 3<"$1" 4>"$2"; shift 2; exec "$@"'
    result = subprocess.run(["sh", "-c", script, "sh", workdir / "in", workdir / "out", *command], capture_output=True,
                            text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("given\n0 1 2 3 4 ")
    assert (workdir / "out").read_text() == "back\n"


def test_pause_and_resume(sandbox):
    c = sandbox("sh", "-c", "while :; do echo tick; sleep 0.05; done").up()
    wait_for(lambda: c.output(), "output")
    assert c.cmd("pause", c.id).returncode == 0
    assert c.status == "paused"
    time.sleep(0.2)
    before = len(c.output())
    time.sleep(0.3)
    assert len(c.output()) == before
    assert c.cmd("resume", c.id).returncode == 0
    wait_for(lambda: len(c.output()) > before, "output to go on")


def test_hooks_of_the_host(sandbox, workdir):
    c = sandbox("sleep", "1000")
    log = workdir / "log"
    kinds = ["prestart", "createRuntime", "poststart", "poststop"]
    c.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"cat >>{log}; echo {kind} >>{log}"]}]
                         for kind in kinds}
    c.up()
    pid = c.pid
    c.delete("--force")
    text = log.read_text()
    assert re.findall("|".join(kinds), text) == kinds
    assert f'"pid":{pid}' in text and f'"id":"{c.id}"' in text


def test_cgroup(sandbox):
    c = sandbox("sleep", "1000")
    c.config["linux"]["resources"]["memory"] = {"limit": 256 << 20}
    c.up()
    paths = json.loads((c.root / c.id / "state.json").read_text())["cgroup_paths"]
    assert paths
    members = [set(open(os.path.join(path, "cgroup.procs")).read().split()) for path in set(paths.values())]
    # The kernel's process and those that run guest code are in all of them.
    assert all(str(c.pid) in one for one in members)
    assert any(len(one) > 1 for one in members)


# --- what the program is

def test_user_groups_umask_and_cwd(sandbox):
    c = sandbox("sh", "-c", "id; umask; pwd; grep -E '^(CapPrm|CapBnd|NoNewPrivs)' /proc/self/status")
    c.config["process"].update(user={"uid": 1000, "gid": 1001, "additionalGids": [7], "umask": 0o77}, cwd="/made/here")
    c.config["root"]["readonly"] = False
    result = c.run()
    assert result.returncode == 0, result.stderr
    lines = result.stdout.split("\n")
    assert re.fullmatch(r"uid=1000(\(\w+\))? gid=1001 groups=.*7.*", lines[0])
    assert lines[1:3] == ["0077", "/made/here"]
    assert "CapPrm:\t0000000000000000" in lines
    assert "CapBnd:\t0000000020000420" in lines
    assert "NoNewPrivs:\t1" in lines


def test_capabilities_of_root(sandbox):
    result = sandbox("sh", "-c", "grep -E '^Cap(Prm|Eff)' /proc/self/status; chown 1:1 /tmp/x").run()
    assert "CapPrm:\t0000000020000420\nCapEff:\t0000000020000420" in result.stdout


def test_rlimits(sandbox):
    c = sandbox("sh", "-c", "ulimit -n; ulimit -Hn")
    c.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]
    assert c.run().stdout.split() == ["77", "99"]


def test_home(sandbox):
    c = sandbox("sh", "-c", "echo $HOME")
    (c.rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n")
    assert c.run().stdout == "/root\n"
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert c.run().stdout == "/home/me\n"


def test_host_name(sandbox):
    assert sandbox("hostname").run().stdout == "box\n"


def test_sysctls(sandbox):
    c = sandbox("cat", "/proc/sys/kernel/shmmax", "/proc/sys/net/ipv4/ping_group_range", "/proc/sys/fs/mqueue/msg_default")
    c.config["linux"]["sysctl"] = {"kernel.shmmax": "4096", "net/ipv4/ping_group_range": "0 0",
                                   "fs.mqueue.msg_default": "7"}
    assert c.run().stdout == "4096\n0\t0\n7\n"


def test_resources_are_the_containers(sandbox):
    c = sandbox("sh", "-c", "grep MemTotal /proc/meminfo")
    c.config["linux"]["resources"]["memory"] = {"limit": 64 << 20}
    assert c.run().stdout.split()[1] == str(64 << 10)


def test_ids_that_are_not_mapped(sandbox):
    """As in any user namespace: nobody can become one of them, or own a file."""
    c = sandbox("sh", "-c", "chown 70000 /dev/shm; chown 0:70000 /dev/shm; chown 65535:65535 /dev/shm && echo owned;"
                            "cat /proc/self/uid_map; busybox su -s /bin/busybox beyond id; busybox su -s /bin/busybox within id")
    (c.rootfs / "etc/passwd").write_text("beyond:x:70000:70000::/:/bin/sh\nwithin:x:65535:65535::/:/bin/sh\n")
    mapped_ids(c.config)
    c.config["process"]["capabilities"] = {
        k: ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"] for k in ("bounding", "effective", "permitted")}
    result = c.run()
    assert result.stderr.count("/dev/shm: Invalid argument") == 2, result.stderr
    assert "can't set groups" in result.stderr or "setgid" in result.stderr, result.stderr
    assert "owned" in result.stdout and "uid=65535" in result.stdout and "uid=70000" not in result.stdout


def test_names_of_the_host_where_there_are_none(sandbox):
    c = sandbox("hostname")
    c.config.pop("hostname", None)
    assert c.run().stdout == socket.gethostname() + "\n"


# --- the guest harms only itself

def test_out_of_memory(sandbox):
    c = sandbox("sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived")
    c.config["linux"]["resources"]["memory"] = {"limit": 32 << 20, "swap": 32 << 20}
    result = c.run(timeout=60)
    assert "survived" not in result.stdout
    assert result.returncode != 0


def test_fork_bomb(sandbox):
    # It forks until the limit, and the kernel still does what it is told.
    c = sandbox("sh", "-c", "f() { f | f & }; f; while :; do sleep 1; done")
    c.config["linux"]["resources"]["pids"] = {"limit": 30}
    c.up()
    wait_for(lambda: "can't fork" in (c.bundle / "stderr").read_text(), "the limit")
    assert c.kill("KILL").returncode == 0
    c.wait_stopped()


@pytest.fixture
def neighbour(sandbox):
    """Another container, which goes on whatever its neighbour does."""
    c = sandbox("sh", "-c", "n=0; while :; do n=$((n + 1)); echo $n >/dev/shm/n; sleep 0.02; done").up()
    def number():
        return int(c.exec("cat", "/dev/shm/n").stdout or 0)
    wait_for(lambda: number() > 0, "the neighbour")
    yield c
    before = number()
    wait_for(lambda: number() > before, "the neighbour to go on")
    assert c.status == "running"


@pytest.mark.parametrize("script, status", [
    # Reads from an address that nothing is at.
    ("import ctypes; ctypes.string_at(16)", 139),
    # Executes what is no instruction.
    ("import ctypes, mmap; m = mmap.mmap(-1, 4096, prot=7); m.write(b'\\x0f\\x0b');"
     "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()", 132),
    # Closes everything, and goes on.
    ("import os; os.closerange(0, 1 << 20); os._exit(5)", 5),
    # Takes every descriptor that there is.
    ("import os\n"
     "try:\n"
     "  while True: os.pipe()\n"
     "except OSError as e: os._exit(e.errno)", 24),
    # Takes all address space, and all threads.
    ("import mmap, os\n"
     "maps = []\n"
     "try:\n"
     "  while True: maps.append(mmap.mmap(-1, 1 << 44))\n"
     "except OSError as e: os._exit(e.errno)", 12),
    ("import os, threading, time\n"
     "try:\n"
     "  while True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
     "except RuntimeError: os._exit(11)", 11),
], ids=["segfault", "illegal instruction", "closes everything", "descriptors", "address space", "threads"])
def test_harms_only_itself(sandbox, neighbour, debian_rootfs, script, status):
    c = sandbox("python3", "-c", script)
    c.config["root"] = {"path": str(debian_rootfs), "readonly": True}
    c.config["linux"]["resources"]["pids"] = {"limit": 100}
    result = c.run(timeout=60)
    assert result.returncode == status, result.stderr


def test_the_others_are_not_seen(sandbox, neighbour):
    c = sandbox("sh", "-c", "ps; ls /proc | grep -c '^[0-9]'; cat /dev/shm/n; hostname; netstat -x | grep -c control")
    c.config["hostname"] = "other"
    result = c.run()
    assert neighbour.id not in result.stdout and "n=$((n + 1))" not in result.stdout
    assert "can't open '/dev/shm/n'" in result.stderr and "other" in result.stdout


# --- its own wall

def status_of(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines())


def test_jail(sandbox):
    c = sandbox("sleep", "1000").up()
    pid = c.pid
    status = status_of(pid)
    # chown, dac_override, dac_read_search, fowner, fsetid: where it opens files itself.
    is_direct = c.config["annotations"]["dev.cella.sandbox.file-access"] == "direct"
    capabilities = "000000000000001f" if is_direct else "0" * 16
    assert (status["CapPrm"], status["CapEff"], status["CapBnd"]) == (capabilities,) * 3
    assert status["CapInh"] == status["CapAmb"] == "0" * 16
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2" and status["Seccomp_filters"] == "1"
    for task in os.listdir(f"/proc/{pid}/task"):
        assert status_of(f"{pid}/task/{task}")["Seccomp"] == "2", "a thread without the filter"
    for kind in ("user", "pid", "mnt", "ipc", "uts", "net"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), kind
    # The container's files, where the kernel opens them itself, and nothing else.
    trees = ["0"] if is_direct else []
    assert os.listdir(f"/proc/{pid}/root") == trees
    mounts = harness.parse_mounts(pathlib.Path(f"/proc/{pid}/mountinfo").read_text())
    assert sorted(mounts) == ["/", *("/" + tree for tree in trees)]
    assert mounts["/"].type == "tmpfs" and {"ro", "nosuid", "nodev", "noexec"} <= mounts["/"].options
    # Every descriptor, and what it is for.
    own = {
        "anon_inode:[eventpoll]": "the poller of host descriptors",
        "anon_inode:[eventfd]": "wakes the poller and the main thread",
        "anon_inode:[signalfd]": "signals from outside",
        "/memfd:cella-memory (deleted)": "all memory of guests",
    }
    targets = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    streams = {targets[fd] for fd in "012"}
    sockets = 0
    for fd, target in targets.items():
        if target in own or target in streams:
            continue  # the program's streams are there twice: its own descriptors are others
        if target.startswith("socket:"):
            sockets += 1  # the control server's; the gofer's
            continue
        # The program's file, and where the kernel opens files itself the directories that it knows: in its own jail, or
        # in the gofer's.
        assert target.startswith("/0"), (fd, target)
        assert os.path.samefile(f"/proc/{pid}/fd/{fd}", str(c.rootfs) + target.removeprefix("/0")), (fd, target)
        assert is_direct or os.path.isfile(f"/proc/{pid}/fd/{fd}"), (fd, target)
    assert sockets == (1 if is_direct else 2)


OPENAT, DIRECTORY = 257, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


# The jail's own root is no file of the container's.
@pytest.mark.parametrize("path, is_ours", [(b"bin", True), (b"/", False)])
def test_a_kernel_that_is_taken_over_opens_the_containers_files_alone(box, path, is_ours):
    if ctypes.CDLL(None).syscall(444, None, 0, 1) <= 0:
        pytest.skip("needs Landlock")
    c = box("sleep", "1000")
    c.config["annotations"] = {ANNOTATION: "sandbox", "dev.cella.sandbox.file-access": "direct"}
    c.up()
    root = next(int(fd) for fd in os.listdir(f"/proc/{c.pid}/fd") if os.path.isdir(f"/proc/{c.pid}/fd/{fd}"))
    result = takeover.call(c.pid, OPENAT, root, path, DIRECTORY)
    assert result >= 0 if is_ours else result == -errno.EACCES


def test_a_kernel_that_is_taken_over_opens_nothing_where_there_is_a_gofer(box):
    c = box("sleep", "1000")
    c.config["annotations"] = {ANNOTATION: "sandbox", "dev.cella.sandbox.file-access": "proxy"}
    c.up()
    assert takeover.call(c.pid, OPENAT, 0, b"/", DIRECTORY) == -errno.ENOSYS


def test_stubs_are_jailed(sandbox):
    # What runs guest code: without capabilities to speak of, in its own filter, in the kernel's namespaces.
    c = sandbox("sleep", "1000").up()
    kernel = c.pid
    stubs = [int(p) for p in open(f"/proc/{kernel}/task/{kernel}/children").read().split()]
    assert len(stubs) >= 2
    for stub in stubs:
        status = status_of(stub)
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
        assert os.readlink(f"/proc/{stub}/ns/user") == os.readlink(f"/proc/{kernel}/ns/user")
        assert os.listdir(f"/proc/{stub}/root") == os.listdir(f"/proc/{kernel}/root")


def test_without_its_filter_there_is_a_warning(sandbox):
    c = sandbox("sleep", "1000")
    option(c, "disable-seccomp", "true")
    result = c.create()
    assert result.returncode == 0 and "seccomp" in result.stderr
    c.start()
    assert status_of(c.pid)["Seccomp"] == "0"


# --- further processes, through the control server

LOOP = ("sh", "-c", "echo up; while :; do sleep 0.1; done")


def call(c, method, arg=None):
    """One call of the control protocol, as a client of another language would make it."""
    return call_at(c.root / c.id / "control.sock", method, arg)


def call_at(path, method, arg=None):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        s.sendall(json.dumps({"method": method, "arg": arg or {}}).encode() + b"\n")
        return json.loads(s.makefile().readline())


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 17", 17), ("kill -KILL $$", 137)])
def test_exec_status(sandbox, script, status):
    c = sandbox(*LOOP).up()
    assert c.exec("sh", "-c", script).returncode == status


def test_exec_streams_and_environment(sandbox):
    c = sandbox(*LOOP).up()
    result = c.exec_flags(["--env", "A=b", "--cwd", "/tmp", "--user", "1000:1001"], "sh", "-c",
                          "cat; echo $A $CELLA_TEST; pwd; id -u; id -g; echo err >&2", input="in\n")
    assert (result.returncode, result.stderr) == (0, "err\n")
    lines = result.stdout.split("\n")
    assert lines[0] == "in" and lines[1].startswith("b ct") and lines[2:5] == ["/tmp", "1000", "1001"]


def test_exec_sees_the_others(sandbox):
    c = sandbox(*LOOP).up()
    assert c.sh("cat /proc/1/comm").strip() == "sh"
    c.sh("echo kept >/tmp/x || echo kept >/dev/shm/x")
    assert "kept" in c.sh("cat /tmp/x 2>/dev/null || cat /dev/shm/x")


def test_exec_of_what_is_not_there(sandbox):
    c = sandbox(*LOOP).up()
    result = c.exec("nosuch")
    assert result.returncode == 255
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr


def test_exec_detached(sandbox):
    c = sandbox(*LOOP).up()
    result = c.detached("exec", "--detach", "--pid-file", c.bundle / "pid", c.id, "sleep", "1000")
    assert result.returncode == 0, result.stderr
    pid = int((c.bundle / "pid").read_text())
    assert "sleep 1000" in c.ps().stdout
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: "sleep 1000" not in c.ps().stdout, "the process to get the signal")
    wait_for(lambda: not os.path.exists(f"/proc/{pid}/exe") or open(f"/proc/{pid}/stat").read().split()[2] == "Z",
             "the process that stood for it to end")


def test_exec_ends_with_what_stands_for_it(sandbox):
    c = sandbox(*LOOP).up()
    c.detached("exec", "--detach", "--pid-file", c.bundle / "pid", c.id, "sleep", "1000")
    os.kill(int((c.bundle / "pid").read_text()), signal.SIGKILL)
    wait_for(lambda: "sleep 1000" not in c.ps().stdout, "the process to end")


def test_exec_ends_with_the_container(sandbox):
    c = sandbox(*LOOP).up()
    with subprocess.Popen(c.command("exec", c.id, "sleep", "1000"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: "sleep 1000" in c.ps().stdout, "the process")
        c.kill("KILL")
        assert process.wait(10) == 137


@pytest.mark.parametrize("flags, word", [(["--cgroup", "sub"], "cgroup"), (["--apparmor", "x"], "/process/apparmorProfile")])
def test_exec_refuses_by_name(sandbox, flags, word):
    c = sandbox(*LOOP).up()
    result = c.exec_flags(flags, "true")
    assert result.returncode == 255 and word in result.stderr


def test_exec_in_created_and_stopped(sandbox):
    c = sandbox(*LOOP)
    assert c.create().returncode == 0
    result = c.exec("true")
    assert result.returncode == 255 and "has not been started" in result.stderr
    c.start()
    c.kill("KILL")
    c.wait_stopped()
    result = c.exec("true")
    assert result.returncode == 255 and "cannot exec in a stopped container" in result.stderr


def test_many_exec_at_once(sandbox):
    c = sandbox(*LOOP).up()
    running = [subprocess.Popen(c.command("exec", c.id, "sh", "-c", f"echo {i}; exit {i}"), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, text=True) for i in range(12)]
    for i, process in enumerate(running):
        assert process.communicate(timeout=30)[0] == f"{i}\n"
        assert process.returncode == i


def test_ps(sandbox):
    c = sandbox("sh", "-c", "sleep 1000 & exec sleep 2000").up()
    wait_for(lambda: "sleep 2000" in c.ps().stdout, "the program")
    lines = c.ps().stdout.split("\n")
    assert lines[0].split()[:3] == ["UID", "PID", "PPID"]
    assert [line.split()[1:3] for line in lines[1:3]] == [["1", "0"], ["2", "1"]]
    assert json.loads(c.ps("--format", "json").stdout) == [1, 2]
    assert c.cmd("ps", c.id, "-ef").returncode != 0


def test_kill_all(sandbox):
    c = sandbox("sh", "-c", "trap : TERM; sh -c \"trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.05; done\" & "
                            "while :; do sleep 0.05; done").up()
    wait_for(lambda: "ready" in c.output(), "the child")
    assert c.cmd("kill", "--all", c.id, "TERM").returncode == 0
    wait_for(lambda: "child" in c.output(), "the signal to reach the child")
    assert c.status == "running"
    assert c.cmd("kill", "--all", c.id, "KILL").returncode == 0
    c.wait_stopped()


def test_events_count_what_is_unknown(sandbox):
    c = sandbox(*LOOP).up()
    c.config["process"]["rlimits"] = []
    data = json.loads(c.cmd("events", "--stats", c.id).stdout)["data"]
    assert data["sandbox"]["processes"] in (1, 2) and data["pids"]["current"] == data["sandbox"]["processes"]
    assert data["sandbox"]["memory"]["usage"] > 0


# --- update: what the kernel keeps and tells of its limits

def guest_limits(c):
    """pids.max and memory.max, and the last number of cpu.max, as programs of the container see them."""
    result = c.exec("sh", "-c", "cd /sys/fs/cgroup; cat pids.max memory.max cpu.max")
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def with_cgroup(c):
    c.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup2", "source": "cgroup", "options": ["ro"]})
    c.config["linux"]["resources"].update(pids={"limit": 40}, memory={"limit": 200 << 20})
    return c


def test_update_reaches_the_guest(sandbox):
    c = with_cgroup(sandbox(*LOOP)).up()
    assert guest_limits(c)[:2] == ["40", str(200 << 20)]
    result = c.cmd("update", "--pids-limit", "12", "--memory", str(300 << 20), "--cpu-quota", "70000", c.id)
    assert result.returncode == 0, result.stderr
    assert guest_limits(c) == ["12", str(300 << 20), "70000", "100000"]
    forks = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 9 & done; echo all"
    result = c.exec("sh", "-c", forks)
    assert "can't fork" in result.stderr and "all" not in result.stdout
    result = c.cmd("update", "--pids-limit", "30", c.id)
    assert result.returncode == 0, result.stderr
    assert c.exec("sh", "-c", forks + "; kill $(jobs -p)").stdout == "all\n"
    assert guest_limits(c)[1] == str(300 << 20)


def test_update_before_start(sandbox):
    c = with_cgroup(sandbox("cat", "/sys/fs/cgroup/pids.max"))
    assert c.create().returncode == 0
    assert c.cmd("update", "--pids-limit", "12", c.id).returncode == 0
    assert c.cmd("update", "--pids-limit", "13", c.id).returncode == 0
    assert c.start().returncode == 0
    c.wait_stopped()
    assert c.output() == "13\n"


def test_update_while_paused(sandbox):
    c = with_cgroup(sandbox(*LOOP)).up()
    assert c.cmd("pause", c.id).returncode == 0
    try:
        assert c.cmd("update", "--pids-limit", "12", c.id, timeout=20).returncode == 0
    finally:
        assert c.cmd("resume", c.id).returncode == 0
    assert guest_limits(c)[0] == "12"


def test_update_that_cannot_be_told(sandbox):
    # Nobody reads them before the kernel is there: when no more wait, nothing is changed at all.
    c = with_cgroup(sandbox("cat", "/sys/fs/cgroup/pids.max"))
    assert c.create().returncode == 0
    for limit in range(10, 60):
        result = c.cmd("update", "--pids-limit", str(limit), c.id, timeout=20)
        if result.returncode != 0:
            break
    assert result.returncode != 0 and "application kernel" in result.stderr
    kept = json.loads((c.root / c.id / "state.json").read_text())["config"]["cgroups"]
    assert kept["pids_limit"] == limit - 1
    assert c.start().returncode == 0
    c.wait_stopped()
    assert c.output() == f"{limit - 1}\n"


def test_memory_without_a_limit_is_the_hosts(sandbox):
    with open("/proc/meminfo") as file:
        total = file.readline()
    result = sandbox("head", "-n", "1", "/proc/meminfo").run()
    assert result.stdout.split() == total.split()


def test_size_of_memory_filesystems(sandbox):
    """Without a size it is half of the memory."""
    c = sandbox("sh", "-c", "stat -f -c '%b %S' /t; stat -f -c '%b %S' /u")
    c.config["linux"]["resources"]["memory"] = {"limit": 64 << 20}
    for place, options in ("/t", []), ("/u", ["size=1m"]):
        c.config["mounts"].append({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": options})
    result = c.run()
    assert result.returncode == 0, result.stderr
    sizes = [int(blocks) * int(size) for blocks, size in map(str.split, result.stdout.splitlines())]
    assert sizes == [32 << 20, 1 << 20]


def test_control_protocol(sandbox):
    c = sandbox(*LOOP)
    assert c.create().returncode == 0
    path = c.root / c.id / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    assert c.start().returncode == 0
    listed = call(c, "application.Processes")
    assert listed["success"] and listed["err"] == "" and listed["result"]["processes"][0]["pid"] == 1
    event = call(c, "application.Event")["result"]
    assert event["type"] == "stats" and event["id"] == c.id
    assert not call(c, "application.Start")["success"]
    assert not call(c, "application.Nothing")["success"]
    assert "network sandbox" in call(c, "Network.CreateLinksAndRoutes")["err"]
    assert not call(c, "application.Wait", {"pid": 12345})["success"]
    assert not call(c, "application.Wait", {"pid": "x"})["success"]
    assert call(c, "application.Resize", {"pid": 1})["success"]  # it has no terminal, which is no error
    assert not call(c, "application.Resize", {"pid": 12345})["success"]
    assert not call(c, "application.Signal", {"pid": 1, "signal": 1000})["success"]
    assert not call(c, "application.Execute", {"process": {"args": ["true"], "cwd": "/"}})["success"]


def test_start_signal(runtime, box, workdir):
    """A kernel that somebody else than `start` boots waits for application.Start before there is a process."""
    path = workdir / "control.sock"
    jail = workdir / "jail"
    (jail / "0").mkdir(parents=True)
    shutil.copy(runtime, jail / "cella")
    with socket.socket(socket.AF_UNIX) as listener, open(workdir / "request", "w+") as request:
        listener.bind(str(path))
        listener.listen()
        json.dump({"id": "by-hand", "control": listener.fileno(), "wait_for_start": True,
                   "mounts": [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
                   "process": {"args": ["sh", "-c", "true | true; echo started; exit 9"], "cwd": "/", "env": ["PATH=/bin"]}}, request)
        request.flush()
        script = 'mount --bind "$1" "$2/0"; exec chroot "$2" /cella boot "$3"'
        command = ["unshare", "--mount", "sh", "-ec", script, "sh", box("true").rootfs, jail, str(request.fileno())]
        kernel = subprocess.Popen(command, pass_fds=(listener.fileno(), request.fileno()), stdout=subprocess.PIPE, text=True)
    try:
        assert call_at(path, "application.Processes")["result"]["processes"] == []
        refused = call_at(path, "application.Signal", {"pid": 1, "signal": 9})
        assert not refused["success"]
        assert kernel.poll() is None
        assert call_at(path, "application.Start")["success"]
        assert kernel.communicate(timeout=10)[0] == "started\n"
        assert kernel.returncode == 9
    finally:
        kernel.kill()
        kernel.wait()


def test_control_survives_nonsense(sandbox):
    c = sandbox(*LOOP).up()
    for nonsense in (b"\n", b"{}\n", b"[" * 10000 + b"\n", b"\xff" * 70000, b'{"method":7}\n', b"x" * (5 << 20)):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(c.root / c.id / "control.sock"))
            try:
                s.sendall(nonsense)
                s.shutdown(socket.SHUT_WR)
                assert s.recv(1000) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert call(c, "application.Processes")["success"]


def test_control_survives_mangled_calls(sandbox):
    """Calls that were right before something in them was changed; from a fixed seed, so that a failure comes again."""
    c = sandbox(*LOOP).up()
    path = str(c.root / c.id / "control.sock")
    calls = [b'{"method":"application.Processes","arg":{}}', b'{"method":"application.Event","arg":{}}',
             b'{"method":"application.Wait","arg":{"pid":1}}', b'{"method":"application.Resize","arg":{"pid":1}}',
             b'{"method":"application.Signal","arg":{"pid":1,"signal":0}}',
             b'{"method":"application.Update","arg":{"tasks":100,"memory":1000000000}}',
             b'{"method":"application.Execute","arg":{"process":{"args":["true"],"cwd":"/","uid":0,"gid":0}}}']
    pieces = [b"{", b"}", b"[", b"]", b'"', b":", b",", b"-1", b"1e99", b"18446744073709551615", b"null", b"\\u0000", b"\x00",
              b"\n", b"\xff", b'"pid":', b'"arg":']
    chance = random.Random(7)
    for _ in range(400):
        text = bytearray(chance.choice(calls))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text))
            text[at:at + chance.choice([0, 1, 1, 3])] = chance.choice(pieces)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            fds = [0] * chance.choice([0, 0, 1, 3, 16, 17])
            try:
                socket.send_fds(s, [bytes(text) + b"\n"], fds)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert call(c, "application.Processes")["success"]
    assert c.exec("echo", "fine").stdout == "fine\n"


# --- looking at it

def test_strace(sandbox, workdir):
    c = sandbox("sh", "-c", "cat /proc/self/comm; echo end")
    log = workdir / "log"
    c.global_args = ["--debug-log", str(log)]
    result = c.run("--strace", "--strace-syscalls", "write,openat", "--strace-log-size", "6")
    assert (result.returncode, result.stdout, result.stderr) == (0, "cat\nend\n", "")
    lines = log.read_text().split("\n")
    assert any('openat(AT_FDCWD, "/proc/"..., O_RDONLY' in line for line in lines)
    assert any('write(1, "end\\n", 4) = 4' in line for line in lines)
    assert not any(" read(" in line for line in lines)


def test_strace_on_standard_error(sandbox):
    result = sandbox("echo", "hi").run("--strace", "--strace-syscalls=write")
    assert result.stdout == "hi\n"
    assert 'echo E write(1, "hi\\n", 3)' in result.stderr


def test_strace_of_a_call_that_there_is_not(sandbox):
    c = sandbox("true")
    result = c.run("--strace", "--strace-syscalls=nosuch")
    assert result.returncode == 1 and "nosuch" in result.stderr
    assert c.state() is None


def test_flags_need_the_sandbox(box):
    result = box("true").run("--overlay")
    assert result.returncode == 1 and "--overlay needs --isolation=sandbox" in result.stderr


def test_unknown_calls_are_counted(sandbox, workdir):
    # Number 510 is nobody's.
    c = sandbox("python3", "-c", "import ctypes, time; ctypes.CDLL(None).syscall(510); print('made', flush=True); "
                                 "time.sleep(1000)", rootfs="debian")
    log = workdir / "log"
    c.global_args = ["--debug-log", str(log)]
    c.up()
    wait_for(lambda: "made" in c.output(), "the call", timeout=30)
    assert json.loads(c.cmd("events", "--stats", c.id).stdout)["data"]["sandbox"]["unknown_syscalls"]["510"] == 1
    c.exec("sh", "-c", "true")


@pytest.mark.parametrize("action, flags, is_logged", [
    ("SCMP_ACT_LOG", [], True), ("SCMP_ACT_ERRNO", [], False), ("SCMP_ACT_ERRNO", ["SECCOMP_FILTER_FLAG_LOG"], True),
    ("SCMP_ACT_KILL_PROCESS", [], True)])
def test_what_filters_log(sandbox, workdir, action, flags, is_logged):
    c = sandbox("mkdir", "/dev/shm/x")
    c.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "flags": flags,
                                    "syscalls": [{"names": ["mkdir"], "action": action}]}
    log = workdir / "debug.log"
    c.global_args = ["--debug-log", str(log)]
    c.run()
    assert ("mkdir: seccomp: mkdir: action" in log.read_text()) == is_logged
