"""crun's annotations: done, refused with their place, or without effect as the manual says."""
import base64
import json
import os
import re
import socket
import struct

import pytest

from harness import (add_namespace, cgroup_mounts, drop_namespace, layout, mount_at, our_cgroups, parse_mounts, parse_status,
                     receive_fds, wait_for)

EPERM, ENOSPC = 1, 28
MKDIR, MKDIRAT, KEXEC_LOAD = 83, 258, 246  # x86_64
KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


def annotated(container, **annotations):
    """run_oci_x_y=… would be ambiguous: keys are given without "run.oci.", with '_' as they are and '.' as '__'."""
    container.config["annotations"] = {"run.oci." + k.replace("__", ".").replace("DASH", "-"): v
                                       for k, v in annotations.items()}
    return container


def done(container, *flags, **kwargs):
    result = container.run(*flags, **kwargs)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def receiver(workdir):
    """A listening unix socket; receive() is one message with its descriptors."""
    class Receiver:
        path = str(workdir / "receiver")

        def __init__(self):
            self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.server.bind(self.path)
            self.server.listen()
            self.server.settimeout(20)
            self.fds = []

        def receive(self):
            connection, _ = self.server.accept()
            with connection:
                data, fds = receive_fds(connection)
                while more := connection.recv(65536):
                    data += more
            self.fds += fds
            return data, fds
    one = Receiver()
    yield one
    one.server.close()
    for fd in one.fds:
        os.close(fd)


# --- refused

@pytest.mark.parametrize("key, value, why", [
    ("run.oci.handler", "krun", 'no handler "krun"'), ("run.oci.handler", "wasm", 'no handler "wasm"'),
    ("run.oci.seccomp.plugins", "/usr/lib/plugin.so", "loads no plugins"),
    ("bundle", "/etc", "the path of the bundle"),
    ("run.oci.keep_original_groups", "yes", "must be 0, 1, true or false"),
    ("run.oci.seccomp_fail_unknown_syscall", "maybe", "must be 0, 1, true or false"),
    ("run.oci.mount_context_type", "no_context", "must be context, fscontext, defcontext or rootcontext"),
    ("run.oci.seccomp_bpf_data", "not base64", "must be base64"),
    ("run.oci.seccomp_bpf_data", "AAAA", "whole BPF instructions"),
    ("run.oci.seccomp.receiver", "relative", "must be an absolute path"),
    ("run.oci.pidfd_receiver", "relative", "must be an absolute path"),
    ("run.oci.hooks.stdout", "relative", "must be an absolute path"),
    ("run.oci.hooks.stderr", "", "must not be empty"),
    ("run.oci.delegate-cgroup", "../escape", 'must not contain ".."'),
    ("run.oci.systemd.force_cgroup_v1", "/nowhere", "must be the destination of a mount"),
])
def test_refused_with_its_place(box, test_id, key, value, why):
    c = box("true")
    c.config["annotations"] = {key: value}
    result = c.create()
    assert result.returncode == 1
    assert re.search(rf"/annotations/{re.escape(key)}: .*{re.escape(why)}", result.stderr), result.stderr
    assert c.state() is None and not our_cgroups(test_id)


def test_every_mistake_is_told_at_once(box):
    c = annotated(box("true"), handler="krun", keep_original_groups="2")
    c.config["hostname"] = "a" * 65
    stderr = c.run().stderr
    for place in ("/annotations/run.oci.handler", "/annotations/run.oci.keep_original_groups", "/hostname"):
        assert f"{place}: " in stderr, stderr


# --- without effect

@pytest.mark.parametrize("key, value", [
    ("run.oci.systemd.subgroup", ""), ("run.oci.systemd.subgroup", "container"), ("org.criu.config", "/etc/criu/runc.conf"),
    ("org.systemd.property.TimeoutStopUSec", "uint64 1"), ("org.example.own", "x")])
def test_without_effect_here(box, key, value):
    plain = box("cat", "/proc/self/cgroup")
    c = box("cat", "/proc/self/cgroup")
    c.config["annotations"] = {key: value}
    assert done(c).stdout.replace(c.id, "ID") == done(plain).stdout.replace(plain.id, "ID")


def test_unknown_ones_of_crun_are_warned_about(box, workdir):
    c = annotated(box("true"), of_tomorrow="1")
    c.global_args = ["--debug", "--log", workdir / "log"]
    done(c)
    assert "/annotations/run.oci.of_tomorrow: is not known and has no effect" in (workdir / "log").read_text()


def test_they_stay_in_the_state(box):
    c = annotated(box("sleep", "1000"), keep_original_groups="1").up()
    assert c.state()["annotations"] == {"run.oci.keep_original_groups": "1"}


# --- run.oci.keep_original_groups

GROUPS = ["setpriv", "--groups", "5,6"]


def groups(result):
    assert result.returncode == 0, result.stderr
    return parse_status(result.stdout)["Groups"].split()


@pytest.mark.parametrize("value, expected", [(None, []), ("0", []), ("false", []), ("1", ["5", "6"]), ("true", ["5", "6"])])
def test_keep_groups(box, value, expected):
    c = box("cat", "/proc/self/status")
    c.prefix = GROUPS
    if value:
        annotated(c, keep_original_groups=value)
    assert groups(c.run()) == expected


def test_keep_groups_of_an_ordinary_user_inside(box):
    c = annotated(box("cat", "/proc/self/status"), keep_original_groups="1")
    c.prefix = GROUPS
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert groups(c.run()) == ["5", "6"]


@pytest.mark.parametrize("keep", [False, True])
def test_keep_groups_in_a_user_namespace(box, keep):
    c = box("cat", "/proc/self/status")
    c.prefix = GROUPS
    add_namespace(c.config, "user")
    c.config["linux"]["uidMappings"] = c.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 100}]
    if keep:
        annotated(c, keep_original_groups="1")
    assert groups(c.run()) == (["5", "6"] if keep else [])


def test_keep_groups_of_whoever_calls_exec(box):
    c = annotated(box("sleep", "1000"), keep_original_groups="1").up()
    c.prefix = ["setpriv", "--groups", "7"]
    assert groups(c.exec("cat", "/proc/self/status")) == ["7"]


def test_keep_groups_warns_of_additional_gids(box, workdir):
    c = annotated(box("cat", "/proc/self/status"), keep_original_groups="1")
    c.prefix = GROUPS
    c.config["process"]["user"]["additionalGids"] = [9]
    c.global_args = ["--debug", "--log", workdir / "log"]
    assert groups(c.run()) == ["5", "6"]
    assert "/process/user/additionalGids: is ignored because of run.oci.keep_original_groups" in (workdir / "log").read_text()


# --- run.oci.pidfd_receiver

def test_pidfd_receiver(box, receiver):
    c = annotated(box("sleep", "1000"), pidfd_receiver=receiver.path)
    assert c.create().returncode == 0
    _, fds = receiver.receive()
    assert len(fds) == 1
    info = open(f"/proc/self/fdinfo/{fds[0]}").read()
    assert re.search(rf"^Pid:\t{c.pid}$", info, re.M), info


def test_pidfd_receiver_that_is_not_there(box, test_id):
    c = annotated(box("true"), pidfd_receiver="/nowhere/socket")
    result = c.run()
    assert result.returncode == 1 and "connecting to the pidfd socket /nowhere/socket" in result.stderr
    assert c.state() is None and not our_cgroups(test_id)


# --- run.oci.hooks.stdout, run.oci.hooks.stderr

def with_hooks(container, kinds=KINDS):
    script = "echo {0} out; echo {0} err >&2"
    container.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script.format(kind)]}] for kind in kinds}
    return container


def test_hooks_print_to_files(box, workdir):
    out, err = workdir / "out", workdir / "err"
    out.write_text("before\n")
    c = annotated(with_hooks(box("true")), hooks__stdout=str(out), hooks__stderr=str(err))
    result = done(c)
    assert (result.stdout, result.stderr) == ("", "")
    assert out.read_text().split("\n")[0] == "before", "appended"
    assert sorted(out.read_text().split("\n")[1:-1]) == sorted(f"{k} out" for k in KINDS)
    assert sorted(err.read_text().split("\n")[:-1]) == sorted(f"{k} err" for k in KINDS)
    assert err.stat().st_mode & 0o777 == 0o600


def test_hooks_print_to_files_when_started_and_deleted_later(box, workdir):
    out = workdir / "out"
    c = annotated(with_hooks(box("sleep", "1000")), hooks__stdout=str(out)).up()
    assert c.delete("--force").returncode == 0
    assert [line.split()[0] for line in out.read_text().splitlines()] == KINDS


def test_hooks_print_to_a_link(box, workdir):
    """/dev/stdout is one, and what callers name."""
    c = annotated(with_hooks(box("true"), ["createRuntime", "startContainer"]), hooks__stdout="/dev/stdout")
    assert done(c).stdout == "createRuntime out\nstartContainer out\n"


def test_the_error_of_a_hook_has_what_did_not_go_elsewhere(box, workdir):
    c = box("true")
    c.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo one; echo two >&2; exit 3"]}]}
    annotated(c, hooks__stdout=str(workdir / "out"))
    stderr = c.run().stderr
    assert "exit status 3: two" in stderr and "one" not in stderr
    assert (workdir / "out").read_text() == "one\n"


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_hooks_output_that_cannot_be_opened(box, workdir, test_id, kind):
    os.mkfifo(workdir / "fifo")  # nobody reads it
    for path in (str(workdir / "fifo"), str(workdir / "none/log"), str(workdir)):
        c = annotated(with_hooks(box("true"), [kind]), hooks__stdout=path)
        result = c.run()
        assert result.returncode == 1 and f"opening {path} for what hooks print" in result.stderr
        assert c.state() is None and not our_cgroups(test_id)


@pytest.mark.parametrize("terminal", [False, True])
def test_the_program_gets_none_of_the_hooks_files(box, workdir, terminal):
    c = annotated(with_hooks(box("sh", "-c", "ls /proc/self/fd; for fd in /proc/self/fd/*; do readlink $fd; done; true"), ["startContainer"]),
                  hooks__stdout=str(workdir / "out"), hooks__stderr=str(workdir / "err"))
    c.config["process"]["terminal"] = terminal
    output, status = c.run_pty() if terminal else (done(c).stdout, 0)
    assert status == 0 and str(workdir) not in output
    assert output.split()[:4] == ["0", "1", "2", "3"] and "4" not in output.split()


# --- seccomp

def bpf(*instructions):
    return base64.b64encode(b"".join(struct.pack("=HBBI", *one) for one in instructions)).decode()


def program(numbers, action):
    """A filter that returns `action` for syscalls with these numbers, and allows the rest."""
    jumps = [(0x15, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]  # jeq: to the last instruction
    return bpf((0x20, 0, 0, 0), *jumps, (6, 0, 0, 0x7fff0000), (6, 0, 0, action))


NO_MKDIR = program([MKDIR, MKDIRAT], 0x50000 | ENOSPC)


def deny(*names, action="SCMP_ACT_ERRNO", **more):
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": list(names), "action": action}], **more}


def test_bpf_data_is_the_filter(box):
    c = annotated(box("mkdir", "/tmp/x"), seccomp_bpf_data=NO_MKDIR)
    result = c.run()
    assert result.returncode == 1 and "No space left on device" in result.stderr


def test_bpf_data_goes_before_the_config(box):
    c = annotated(box("sh", "-c", "grep Seccomp: /proc/self/status && rm /tmp/none"),
                  seccomp_bpf_data=program([KEXEC_LOAD], 0x50000 | EPERM))
    c.config["linux"]["seccomp"] = deny("unlink", "unlinkat")
    result = c.run()
    assert "Seccomp:\t2" in result.stdout and "No such file" in result.stderr, "unlink is not denied"


def test_bpf_data_holds_for_exec(box):
    c = annotated(box("sleep", "1000"), seccomp_bpf_data=NO_MKDIR).up()
    result = c.exec("mkdir", "/tmp/x")
    assert result.returncode == 1 and "No space left on device" in result.stderr


def test_bpf_data_that_the_kernel_refuses(box, test_id):
    c = annotated(box("true"), seccomp_bpf_data=bpf((0x20, 0, 0, 0)))  # it has no return
    result = c.run()
    assert result.returncode == 1 and "loading the seccomp filter: invalid argument" in result.stderr
    assert not our_cgroups(test_id)


def test_receiver_gets_the_listener(box, receiver):
    c = annotated(box("true"), seccomp__receiver=receiver.path)
    c.config["linux"]["seccomp"] = deny("kexec_load", action="SCMP_ACT_NOTIFY")
    done(c)
    data, fds = receiver.receive()
    state = json.loads(data)
    assert state["fds"] == ["seccompFd"] and len(fds) == 1
    assert "seccomp notify" in os.readlink(f"/proc/self/fd/{fds[0]}")
    assert state["state"]["id"] == c.id


def test_receiver_gets_the_listener_of_bpf_data(box, receiver):
    c = annotated(box("true"), seccomp__receiver=receiver.path, seccomp_bpf_data=program([KEXEC_LOAD], 0x7fc00000))
    done(c)
    _, fds = receiver.receive()
    assert "seccomp notify" in os.readlink(f"/proc/self/fd/{fds[0]}")


def test_listener_path_goes_before_the_receiver(box, receiver):
    c = annotated(box("true"), seccomp__receiver="/nowhere/socket")
    c.config["linux"]["seccomp"] = deny("kexec_load", action="SCMP_ACT_NOTIFY", listenerPath=receiver.path)
    done(c)
    assert len(receiver.receive()[1]) == 1


def test_receiver_without_a_filter(box):
    done(annotated(box("true"), seccomp__receiver="/nowhere/socket"))


@pytest.mark.parametrize("value, status", [("1", 1), ("0", 0), (None, 0)])
def test_fail_unknown_syscall(box, value, status):
    c = box("true")
    if value:
        annotated(c, seccomp_fail_unknown_syscall=value)
    c.config["linux"]["seccomp"] = deny("mkdir", "call_of_tomorrow")
    result = c.run()
    assert result.returncode == status
    assert 'unknown syscall "call_of_tomorrow"' in result.stderr
    assert result.stderr.startswith("warning: ") == (status == 0)


# --- run.oci.mount_context_type

@pytest.mark.parametrize("kind", ["context", "fscontext", "defcontext", "rootcontext"])
def test_mount_context_type(box, kind):
    if not os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("needs SELinux in this kernel")
    c = annotated(box("cat", "/proc/self/mountinfo"), mount_context_type=kind)
    c.config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    shm = parse_mounts(done(c).stdout)["/dev/shm"]
    assert any(option.startswith(f"{kind}=") for option in shm.super_options)


# --- cgroups

def test_force_cgroup_v1(box):
    if "name=systemd" not in cgroup_mounts():
        pytest.skip("needs the hierarchy name=systemd of cgroup v1 on this host")
    c = annotated(box("cat", "/proc/self/mountinfo"), systemd__force_cgroup_v1="/sys/fs/cgroup")
    add_namespace(c.config, "cgroup")
    mounts = parse_mounts(done(c).stdout)
    below = {point: mount for point, mount in mounts.items() if point.startswith("/sys/fs/cgroup")}
    assert set(below) == {"/sys/fs/cgroup", "/sys/fs/cgroup/systemd"}
    assert below["/sys/fs/cgroup"].type == "tmpfs" and "ro" in below["/sys/fs/cgroup"].options, "as the mount it stands for"
    systemd = below["/sys/fs/cgroup/systemd"]
    assert systemd.type == "cgroup" and "name=systemd" in systemd.super_options
    assert systemd.root == "/", "its own part of the hierarchy alone"


def test_force_cgroup_v1_writable(box):
    if "name=systemd" not in cgroup_mounts():
        pytest.skip("needs the hierarchy name=systemd of cgroup v1 on this host")
    c = annotated(box("mkdir", "/sys/fs/cgroup/systemd/inner"), systemd__force_cgroup_v1="/sys/fs/cgroup")
    add_namespace(c.config, "cgroup")
    mount_at(c.config, "/sys/fs/cgroup")["options"].remove("ro")
    done(c)


def test_force_cgroup_v1_needs_a_cgroup_namespace(box):
    c = annotated(box("true"), systemd__force_cgroup_v1="/sys/fs/cgroup")
    drop_namespace(c.config, "cgroup")
    stderr = c.run().stderr
    assert "/annotations/run.oci.systemd.force_cgroup_v1: needs a new cgroup namespace" in stderr


def test_delegate_cgroup_is_refused_on_v1(box, test_id):
    if layout() == "v2":
        pytest.skip("needs cgroup v1 or hybrid cgroups")
    c = annotated(box("true"), delegateDASHcgroup="inner")
    for result in (c.run(), c.run("--dry-run")):
        assert result.returncode == 1 and "/annotations/run.oci.delegate-cgroup: needs cgroup v2" in result.stderr
    assert c.state() is None and not our_cgroups(test_id)


@pytest.mark.parametrize("path", ["inner", "/inner/most"])
def test_delegate_cgroup(box, test_id, path):
    if layout() != "v2":
        pytest.skip("needs cgroup v2 alone")
    c = annotated(box("sleep", "1000"), delegateDASHcgroup=path)
    add_namespace(c.config, "cgroup")
    add_namespace(c.config, "user")
    c.config["linux"]["uidMappings"] = c.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 100}]
    os.chmod(c.bundle, 0o755)
    c.up()
    own = wait_for(lambda: c.cgroups()[""], "the cgroup")
    assert str(own).endswith(f"{c.id}/{path.strip('/')}")
    assert (own.stat().st_uid, (own / "cgroup.procs").stat().st_uid) == (1000, 1000)
    assert f"0::/{path.strip('/')}" in c.sh("cat /proc/1/cgroup").splitlines(), "the namespace begins above it"
    assert c.pause().returncode == 0 and c.status == "paused" and c.resume().returncode == 0
    assert c.delete("--force").returncode == 0 and not our_cgroups(test_id)
