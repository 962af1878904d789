"""What init owes to the container and to the host while it is at work, whatever the config and the image ask of it."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from harness import AS_USER, mount_at, wait_for


def hook(script, **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"], **more}


def test_filter_that_forbids_everything_ends(box):
    """Init can neither execute the program, nor say so, nor exit: it must not spin for ever."""
    c = box("true")
    c.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"]}
    assert c.run(timeout=10).returncode != 0


def test_hook_stands_outside_of_the_image(box, workdir):
    """An interpreter looks for its modules in the working directory first, which an image must not decide."""
    c = box("true")
    out = workdir / "cwd"
    c.config["hooks"] = {"createContainer": [hook(f"pwd -P > {out}; umask >> {out}")]}
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert out.read_text().split() == ["/", "0022"]


def test_start_container_hook_stands_in_the_root(box):
    c = box("true")
    c.config["process"]["user"]["umask"] = 0o27
    c.config["root"]["readonly"] = False
    c.config["hooks"] = {"startContainer": [hook("pwd > /cwd; umask >> /cwd")]}
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert (c.rootfs / "cwd").read_text().split() == ["/", "0027"]


@pytest.mark.parametrize("pid_namespace", [True, False])
def test_killed_while_init_runs_a_hook(box, workdir, test_id, pid_namespace):
    """Without its launcher init ends, and its hook with it, though nobody deletes the container."""
    c = box("true")
    if not pid_namespace:
        c.config["linux"]["namespaces"] = [n for n in c.config["linux"]["namespaces"] if n["type"] != "pid"]
    pidfile = workdir / "hook"
    c.config["hooks"] = {"createContainer": [hook(f"echo $$ > {pidfile}; exec sleep 1000")]}
    c.write()
    with subprocess.Popen(c.command("create", "--bundle", c.bundle, c.id), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as launcher:
        wait_for(lambda: pidfile.exists() and pidfile.read_text().strip(), "the hook")
        marks = lambda: [pid for pid in os.listdir("/proc") if pid.isdigit() and in_cgroup(pid, c.id)]
        assert len(marks()) == 2
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        wait_for(lambda: not marks(), "init and its hook to end")


def in_cgroup(pid, id):
    try:
        return id in pathlib.Path(f"/proc/{pid}/cgroup").read_text() and \
            pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

def with_ids(c, uid=0, gid=0, groups=()):
    from harness import add_namespace
    add_namespace(c.config, "user")
    c.config["linux"]["uidMappings"] = c.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 10}]
    c.config["process"]["user"] = {"uid": uid, "gid": gid, "additionalGids": list(groups)}
    return c


@pytest.mark.parametrize("ids,said", [({"uid": 11}, "uid 11"), ({"gid": 12}, "gid 12"), ({"groups": [3, 13, 4]}, "gid 13")])
def test_id_that_is_not_mapped_is_named(box, ids, said):
    result = with_ids(box("true"), **ids).run()
    assert result.returncode == 1 and f"{said} is not mapped in the user namespace" in result.stderr


@pytest.mark.parametrize("value", [1, 2])
def test_memory_files_that_are_not_executable(box, value):
    """vm.memfd_noexec, Linux 6.3: with 1 a program may still ask for an executable one, with 2 it may not."""
    if not os.path.exists("/proc/sys/vm/memfd_noexec"):
        pytest.skip("the kernel has no vm.memfd_noexec")
    c = box("echo", "ran")
    # It belongs to the pid namespace.
    c.prefix = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                f'echo {value} >/proc/sys/vm/memfd_noexec && exec "$@"', "sh"]
    result = c.run()
    c.prefix = []
    if value == 1:
        assert (result.returncode, result.stdout) == (0, "ran\n"), result.stderr
    else:
        assert result.returncode == 1 and "vm.memfd_noexec" in result.stderr


def test_start_fifo_is_its_owners(box):
    """The fifo is passed by descriptor, so nobody else needs to reach it: what is written there, start would read."""
    c = box("sleep", "1000")
    c.create()
    fifos = [path for path in c.root.rglob("*") if path.is_fifo()]
    assert fifos and all(path.stat().st_mode & 0o077 == 0 for path in fifos)
