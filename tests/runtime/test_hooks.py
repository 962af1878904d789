"""Hooks: all six kinds, in the right order and place, with the state on their standard input."""
import json
import os
import time

import pytest

from harness import wait_for

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
AT_CREATE = ["prestart", "createRuntime", "createContainer"]


@pytest.fixture
def hooked(box, workdir):
    """hooked(*args) is a box that sees a folder of the host under the same path, so that every hook can write there."""
    notes = workdir / "notes"
    notes.mkdir()
    notes.chmod(0o777)

    def make(*args):
        c = box(*args)
        c.config["mounts"].append({"destination": str(notes), "type": "bind", "source": str(notes), "options": ["bind"]})
        c.config["hooks"] = {}
        c.notes = notes
        return c
    return make


def add_hook(container, kind, script, *args, **more):
    container.config["hooks"].setdefault(kind, []).append(
        {"path": "/bin/sh", "args": ["sh", "-c", script, *args], "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"], **more})


def add_all(container, script):
    for kind in KINDS:
        add_hook(container, kind, script.replace("KIND", kind))


def log_of(container):
    file = container.notes / "log"
    return file.read_text().split() if file.exists() else []


def test_order(hooked):
    c = hooked("sh", "-c", "true")
    c.config["process"]["args"] = ["sh", "-c", f"echo process >>{c.notes}/log; sleep 1000"]
    add_all(c, f"echo KIND >>{c.notes}/log")
    for kind in KINDS:
        add_hook(c, kind, f"echo {kind}2 >>{c.notes}/log")
    assert c.create().returncode == 0
    assert log_of(c) == [k + n for k in AT_CREATE for n in ("", "2")]
    assert c.start().returncode == 0
    wait_for(lambda: "process" in log_of(c), "the process")
    rest = log_of(c)[6:]
    assert [w for w in rest if w != "process"] == ["startContainer", "startContainer2", "poststart", "poststart2"]
    assert rest.index("startContainer2") < rest.index("process")
    assert c.delete("--force").returncode == 0
    assert log_of(c)[-2:] == ["poststop", "poststop2"]


def test_order_of_a_foreground_run(hooked):
    c = hooked("true")
    add_all(c, f"echo KIND >>{c.notes}/log")
    assert c.run().returncode == 0
    assert log_of(c) == KINDS


@pytest.mark.parametrize("kind, status", [("prestart", {"creating", "created"}), ("createRuntime", {"creating", "created"}),
                                          ("createContainer", {"creating", "created"}), ("startContainer", {"created"}),
                                          ("poststart", {"running"}), ("poststop", {"stopped"})])
def test_state_on_standard_input(hooked, kind, status):
    c = hooked("sleep", "1000")
    c.config["annotations"] = {"org.example": "yes"}
    add_hook(c, kind, f"cat >{c.notes}/state")
    c.up()
    pid = c.pid
    c.delete("--force")
    state = json.loads((c.notes / "state").read_text())
    assert state["status"] in status
    assert (state["id"], state["bundle"], state["annotations"]) == (c.id, str(c.bundle), {"org.example": "yes"})
    assert state["ociVersion"].startswith("1.")
    if kind == "poststop":
        assert state.get("pid", 0) == 0
    else:
        assert state["pid"] in (pid, 1)
        if kind not in ("createContainer", "startContainer"):  # those two may see it as the container does
            assert state["pid"] == pid


@pytest.mark.parametrize("kind", KINDS)
def test_namespaces(hooked, kind):
    """Hooks of the runtime run in its namespaces; createContainer and startContainer in the container's."""
    c = hooked("sleep", "1000")
    add_hook(c, kind, f"for n in mnt uts net; do readlink /proc/self/ns/$n; done >{c.notes}/ns; hostname >{c.notes}/hostname")
    c.up()
    inside = [os.readlink(f"/proc/{c.pid}/ns/{n}") for n in ("mnt", "uts", "net")]
    c.delete("--force")
    outside = [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "uts", "net")]
    seen = (c.notes / "ns").read_text().split()
    if kind in ("createContainer", "startContainer"):
        assert seen == inside
    else:
        assert seen == outside


def test_create_container_is_before_the_pivot(hooked):
    c = hooked("true")
    add_hook(c, "createContainer", f"test -e {c.bundle}/config.json && echo host >{c.notes}/root")
    add_hook(c, "startContainer", f"test -e /bin/busybox && test ! -e {c.bundle}/config.json && echo container >>{c.notes}/root")
    assert c.run().returncode == 0
    assert (c.notes / "root").read_text() == "host\ncontainer\n"


def test_create_runtime_can_set_up_the_network(hooked):
    """What hooks are mostly for: the namespace exists, and the pid on standard input leads to it."""
    c = hooked("ip", "link", "show", "dummy7")
    add_hook(c, "createRuntime", "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | head -n 1); "
                                 "nsenter -t $pid -n ip link add dummy7 type veth peer name peer7")
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert "dummy7" in result.stdout


def test_arguments_and_environment(hooked):
    c = hooked("true")
    c.config["hooks"]["createRuntime"] = [{"path": "/bin/sh", "args": ["zero", "-c", f'echo "$0|$1|$2" >{c.notes}/args; env >{c.notes}/env', "one", "two words", "three"],
                                           "env": ["A=1", "B=2 2"]}]
    assert c.run(env={**os.environ, "SECRET": "x"}).returncode == 0
    assert (c.notes / "args").read_text() == "one|two words|three\n"
    lines = set((c.notes / "env").read_text().splitlines())
    assert {"A=1", "B=2 2"} <= lines
    assert not any(line.startswith("SECRET") for line in lines)


@pytest.mark.parametrize("kind", AT_CREATE)
def test_failure_at_create(hooked, kind):
    c = hooked("sh", "-c", "true")
    c.config["process"]["args"] = ["sh", "-c", f"echo process >>{c.notes}/log"]
    add_hook(c, kind, "echo because-of-this >&2; exit 7")
    result = c.create()
    assert result.returncode == 1
    assert kind in result.stderr
    assert c.state() is None
    assert log_of(c) == []


def test_failure_says_what_the_hook_said(hooked):
    c = hooked("true")
    add_hook(c, "createRuntime", "echo because-of-this >&2; exit 7")
    result = c.run()
    assert result.returncode == 1 and "because-of-this" in result.stderr and "7" in result.stderr


@pytest.mark.parametrize("kind", AT_CREATE)
def test_later_hooks_do_not_run_after_a_failure(hooked, kind):
    c = hooked("true")
    add_hook(c, kind, "exit 1")
    add_hook(c, kind, f"echo second >>{c.notes}/log")
    assert c.run().returncode == 1
    assert "second" not in log_of(c)


def test_poststop_runs_after_a_failed_create(hooked):
    c = hooked("true")
    add_hook(c, "createRuntime", "exit 1")
    add_hook(c, "poststop", f"echo poststop >>{c.notes}/log")
    assert c.create().returncode == 1
    assert log_of(c) == ["poststop"]


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_failure_at_start(hooked, kind):
    c = hooked("sleep", "1000")
    add_hook(c, kind, "exit 7")
    assert c.create().returncode == 0
    result = c.start()
    assert result.returncode == 1 and kind.lower() in result.stderr.lower()
    wait_for(lambda: c.status in ("stopped", None), "the container to be stopped")


def test_start_container_failure_keeps_the_program_from_running(hooked):
    c = hooked("true")
    c.config["process"]["args"] = ["sh", "-c", f"echo process >>{c.notes}/log"]
    add_hook(c, "startContainer", "exit 7")
    assert c.run().returncode == 1
    assert log_of(c) == []


def test_failure_of_poststop_is_no_failure(hooked):
    c = hooked("true")
    add_hook(c, "poststop", "exit 7")
    add_hook(c, "poststop", f"echo second >>{c.notes}/log")
    c.create(), c.start()
    c.wait_stopped()
    assert c.delete().returncode == 0
    assert log_of(c) == ["second"]


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_timeout(hooked, kind):
    c = hooked("true")
    add_hook(c, kind, "exec sleep 1000", timeout=1)
    begin = time.monotonic()
    result = c.create()
    took = time.monotonic() - begin
    assert result.returncode == 1 and 0.9 < took < 5
    assert c.state() is None


def test_timeout_of_one_that_is_quick(hooked):
    c = hooked("true")
    add_hook(c, "createRuntime", "exit 0", timeout=5)
    begin = time.monotonic()
    assert c.run().returncode == 0
    assert time.monotonic() - begin < 4


def test_missing_program(hooked):
    c = hooked("true")
    c.config["hooks"]["createRuntime"] = [{"path": "/no/such/hook"}]
    result = c.run()
    assert result.returncode == 1
    assert "/no/such/hook" in result.stderr and "no such file or directory" in result.stderr


def test_relative_path_is_refused(hooked):
    c = hooked("true")
    c.config["hooks"]["createRuntime"] = [{"path": "sh"}]
    assert c.run().returncode == 1


def test_hook_that_reads_nothing(hooked):
    """A hook that leaves its standard input alone is no failure, however large the state."""
    c = hooked("true")
    c.config["annotations"] = {f"key{n}": "x" * 1000 for n in range(200)}
    add_hook(c, "createRuntime", "exec true")
    assert c.run().returncode == 0


def test_hook_inherits_no_descriptor(hooked):
    c = hooked("true")
    add_hook(c, "createRuntime", f"ls /proc/self/fd >{c.notes}/fds")
    assert c.run().returncode == 0
    assert set((c.notes / "fds").read_text().split()) <= {"0", "1", "2", "3"}
