"""create, start, state, kill, delete, list, pause: what is allowed when, and the words that callers match on."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import comm, drop_namespace, wait_for


def test_create_start_kill_delete(box):
    c = box("sleep", "1000")
    assert c.create().returncode == 0
    assert c.status == "created"
    assert c.start().returncode == 0
    assert c.status == "running"
    assert c.kill("KILL").returncode == 0
    c.wait_stopped()
    assert c.delete().returncode == 0
    assert c.state() is None


def test_state_fields(box):
    c = box("sleep", "1000")
    c.config["annotations"] = {"org.example.one": "1"}
    assert c.create().returncode == 0
    state = c.state()
    assert state["id"] == c.id
    assert re.fullmatch(r"1\.\d+\.\d+\S*", state["ociVersion"])
    assert state["status"] == "created"
    assert state["bundle"] == str(c.bundle)
    assert state["rootfs"] == str(c.bundle / "rootfs")
    assert state["annotations"]["org.example.one"] == "1"
    assert state["owner"] in ("", "root")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", state["created"])
    assert os.path.isdir(f"/proc/{state['pid']}")


def test_pid_is_zero_once_stopped(box):
    c = box("true")
    c.create(), c.start()
    c.wait_stopped()
    assert c.state()["pid"] == 0


def test_program_does_not_run_before_start(box):
    c = box("sh", "-c", "echo started; sleep 1000")
    assert c.create().returncode == 0
    time.sleep(0.1)
    assert c.output() == ""
    assert c.start().returncode == 0
    wait_for(lambda: c.output() == "started\n", "the program")


def test_process_keeps_the_pid_of_created(box):
    c = box("sleep", "1000")
    c.create()
    pid = c.pid
    c.start()
    assert c.pid == pid
    wait_for(lambda: b"sleep" in open(f"/proc/{pid}/cmdline", "rb").read(), "the program")


def test_killed_created_container_is_stopped(box):
    c = box("sleep", "1000")
    c.create()
    assert c.kill("KILL").returncode == 0
    c.wait_stopped()
    assert c.start().returncode == 1
    assert c.delete().returncode == 0


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete", "pause", "resume", "ps"])
def test_missing_container(box, command):
    c = box("true")
    result = c.cmd(command, c.id)
    assert result.returncode == 1
    assert "does not exist" in result.stderr


def test_exec_in_missing_container(box):
    c = box("true")
    result = c.exec("true")
    assert result.returncode == 255
    assert "does not exist" in result.stderr


def test_delete_force_of_missing_container(box):
    assert box("true").delete("--force").returncode == 0
    assert box("true").delete("-f").returncode == 0


def test_id_in_use(box):
    c = box("sleep", "1000").up()
    pid = c.pid
    second = c.create()
    assert second.returncode == 1
    assert "exist" in second.stderr
    assert (c.status, c.pid) == ("running", pid)


def test_start_twice(box):
    c = box("sleep", "1000").up()
    result = c.start()
    assert result.returncode == 1
    assert "cannot start" in result.stderr
    assert c.status == "running"


def test_start_of_stopped(box):
    c = box("true")
    c.create(), c.start()
    c.wait_stopped()
    result = c.start()
    assert result.returncode == 1
    assert "stopped" in result.stderr


def test_delete_of_running(box):
    c = box("sleep", "1000").up()
    result = c.delete()
    assert result.returncode == 1
    assert "not stopped" in result.stderr
    assert c.status == "running"


def test_delete_force_of_running(box):
    c = box("sleep", "1000").up()
    pid = c.pid
    assert c.delete("--force").returncode == 0
    assert c.state() is None
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "its process to be gone")


def test_delete_of_created(box):
    """The specification wants a stopped container; runc deletes a created one as well, and callers rely on it."""
    c = box("sleep", "1000")
    c.create()
    assert c.delete().returncode == 0
    assert c.state() is None


def test_kill_of_stopped(box):
    c = box("true")
    c.create(), c.start()
    c.wait_stopped()
    result = c.kill("TERM")
    assert result.returncode == 1
    assert "container not running" in result.stderr


@pytest.mark.parametrize("flag", ["--all", "-a"])
def test_kill_all_of_stopped(box, flag):
    c = box("true")
    c.create(), c.start()
    c.wait_stopped()
    assert c.cmd("kill", flag, c.id, "KILL").returncode == 0


def test_exec_in_stopped(box):
    c = box("true")
    c.create(), c.start()
    c.wait_stopped()
    result = c.exec("true")
    assert result.returncode == 255
    assert "stopped" in result.stderr


@pytest.mark.parametrize("name", ["USR1", "SIGUSR1", str(int(signal.SIGUSR1)), "usr1"])
def test_kill_names(box, name):
    c = box("sh", "-c", 'trap "echo got; exit 4" USR1; echo ready; while :; do sleep 0.05; done')
    c.up()
    wait_for(lambda: "ready" in c.output(), "the trap")
    assert c.kill(name).returncode == 0
    wait_for(lambda: "got" in c.output(), "the signal")


def test_kill_default_is_term(box):
    c = box("sh", "-c", 'trap "echo got; exit 4" TERM; echo ready; while :; do sleep 0.05; done')
    c.up()
    wait_for(lambda: "ready" in c.output(), "the trap")
    assert c.kill().returncode == 0
    wait_for(lambda: "got" in c.output(), "the signal")


def test_kill_bad_signal(box):
    c = box("sleep", "1000").up()
    result = c.kill("NOSUCHSIGNAL")
    assert result.returncode == 1
    assert "signal" in result.stderr
    assert c.status == "running"


def test_pause_and_resume(box):
    c = box("sh", "-c", "while :; do echo x; sleep 0.01; done").up()
    assert c.pause().returncode == 0
    assert c.status == "paused"
    size = len(c.output())
    time.sleep(0.1)
    assert len(c.output()) == size, "it went on while paused"
    assert c.resume().returncode == 0
    assert c.status == "running"
    wait_for(lambda: len(c.output()) > size, "it to go on")


def test_resume_of_running(box):
    c = box("sleep", "1000").up()
    result = c.resume()
    assert result.returncode == 1
    assert "not paused" in result.stderr


def test_exec_in_paused(box):
    c = box("sleep", "1000").up()
    c.pause()
    result = c.exec("true")
    assert result.returncode == 255
    assert "paused" in result.stderr


def test_delete_force_of_paused(box):
    c = box("sleep", "1000").up()
    c.pause()
    assert c.delete("--force").returncode == 0
    assert c.state() is None


def test_list(box):
    one, two = box("sleep", "1000").up(), box("sleep", "1000")
    two.create()
    entries = {e["id"]: e for e in json.loads(one.list("--format", "json").stdout)}
    assert entries[one.id]["status"] == "running" and entries[one.id]["pid"] == one.pid
    assert entries[two.id]["status"] == "created" and entries[two.id]["bundle"] == str(two.bundle)
    assert sorted(one.list("--quiet").stdout.split()) == sorted([one.id, two.id])
    assert sorted(one.list("-q").stdout.split()) == sorted([one.id, two.id])
    header, *rows = one.list().stdout.splitlines()
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert sorted(r.split()[:4] for r in rows) == sorted(
        [c.id, str(c.pid), s, str(c.bundle)] for c, s in ((one, "running"), (two, "created")))


def test_list_of_nothing(box):
    c = box("true")
    c.root.mkdir()
    assert c.list("--format", "json").stdout.strip() in ("null", "[]")
    assert c.list("--quiet").stdout == ""


def test_ps(box):
    c = box("sh", "-c", "sleep 1000 & sleep 1000 & wait").up()
    wait_for(lambda: len(c.pids()) == 3, "three processes")
    assert c.pid in c.pids()
    table = c.ps().stdout.splitlines()
    assert "PID" in table[0].split()
    assert len(table) == 4


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "../a", "a b", "ü"])
def test_bad_id(box, id, workdir):
    c = box("true", id=id)
    c.id = id
    result = c.create()
    c.id = "nothing"
    assert result.returncode == 1
    assert result.stderr
    assert not list((workdir / "root").glob("*"))


@pytest.mark.parametrize("suffix", ["_x", "+x", ".x", "-x", "A9"])
def test_good_id(box, test_id, suffix):
    c = box("true", id=test_id + suffix)
    assert c.run().returncode == 0


def test_kill_reaches_every_process_of_a_shared_pid_namespace(box):
    c = box("sh", "-c", "sleep 1000 & sleep 1000 & wait")
    drop_namespace(c.config, "pid")
    c.up()
    wait_for(lambda: len(c.pids()) == 3, "three processes")
    pids = c.pids()
    assert c.cmd("kill", "--all", c.id, "KILL").returncode == 0
    wait_for(lambda: not any(comm(p) for p in pids), "them to go")


def test_container_of_a_foreground_run_can_be_deleted(box):
    # The runtime that waits for the program must not keep the container to itself.
    container = box("sleep", "1000")
    container.write()
    with subprocess.Popen(container.command("run", "--bundle", container.bundle, container.id),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_for(lambda: container.status == "running", "the container to run")
        begin = time.monotonic()
        result = container.delete("--force")
        assert result.returncode == 0, result.stderr
        assert time.monotonic() - begin < 5
        assert running.wait(10) == 137
    assert container.state() is None


def test_delete_force_ends_a_start_that_hangs_in_a_hook(box):
    container = box("true")
    container.config["hooks"] = {"startContainer": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]}
    assert container.create().returncode == 0
    with subprocess.Popen(container.command("start", container.id), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        time.sleep(0.3)
        result = container.delete("--force")
        assert result.returncode == 0, result.stderr
        starting.wait(10)


def test_created_container_can_be_paused_and_is_not_started_then(box):
    container = box("true")
    assert container.create().returncode == 0
    result = container.pause()
    assert result.returncode == 0, result.stderr
    assert container.status == "paused"
    refused = container.start(timeout=10)
    assert refused.returncode == 1 and "paused" in refused.stderr
    refused = container.delete()
    assert refused.returncode == 1 and "not stopped" in refused.stderr
    assert container.resume().returncode == 0
    assert container.status == "created"
    assert container.start().returncode == 0
    container.wait_stopped()
