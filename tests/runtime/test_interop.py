"""Containers made by one runtime and handled by another under the same --root: runc's state.json and exec.fifo are ours."""
import json
import os
import shutil
import subprocess

import pytest

import harness
from harness import Container, wait_for

# Debian's runc, and another one when $CELLA_RUNC names it.
PATHS = ["runc", *filter(None, [os.environ.get("CELLA_RUNC")])]


@pytest.fixture(params=PATHS)
def runc(request):
    path = shutil.which(request.param)
    if not path:
        pytest.skip(f"{request.param} is not installed")
    return path


def other(container, runtime):
    """The same container as another runtime sees it."""
    return Container(runtime, container.bundle, container.id, container.root, container.config)


@pytest.fixture
def both(box, runc):
    """both("cella") makes a container handle for cella and one for runc; the first creates it."""
    def make(creator):
        mine = box("sleep", "1000")
        theirs = other(mine, runc)
        made, by = (mine, theirs) if creator == "cella" else (theirs, mine)
        result = made.create()
        assert result.returncode == 0, result.stderr
        return mine, theirs, made, by
    return make


@pytest.mark.parametrize("creator", ["cella", "runc"])
def test_state_and_list_agree(both, creator):
    mine, theirs, _, _ = both(creator)
    one, two = mine.state(), theirs.state()
    for state in (one, two):
        state.pop("owner")  # runc has it in its list alone
        state["created"] = state["created"].rstrip("0Z")  # Go leaves zeros at the end out
    assert one == two
    assert one["status"] == "created"
    ours, runcs = (json.loads(c.list("--format", "json").stdout)[0] for c in (mine, theirs))
    assert {k: v for k, v in ours.items() if k != "created"} == {k: v for k, v in runcs.items() if k != "created"}
    assert mine.list().stdout.split()[:6] == theirs.list().stdout.split()[:6]


@pytest.mark.parametrize("creator", ["cella", "runc"])
def test_created_by_one_and_started_by_the_other(both, creator):
    mine, theirs, _, by = both(creator)
    result = by.start(timeout=10)
    assert result.returncode == 0, result.stderr
    # The program runs a moment after runc's start returns.
    wait_for(lambda: harness.comm(mine.pid) == "sleep", "the program")
    assert mine.status == theirs.status == "running"
    assert by.exec("echo", "hello").stdout == "hello\n"
    assert by.pids() == [mine.pid]
    again = by.start(timeout=10)
    assert again.returncode == 1 and "cannot start an already running container" in again.stderr


@pytest.mark.parametrize("creator", ["cella", "runc"])
def test_killed_and_deleted_by_the_other(both, creator):
    mine, theirs, made, by = both(creator)
    assert made.start().returncode == 0
    result = by.kill("KILL")
    assert result.returncode == 0, result.stderr
    mine.wait_stopped()
    assert theirs.status == "stopped"
    late = by.kill("KILL")
    assert late.returncode == 1 and "container not running" in late.stderr
    result = by.delete()
    assert result.returncode == 0, result.stderr
    assert mine.state() is None and theirs.state() is None


@pytest.mark.parametrize("creator", ["cella", "runc"])
def test_deleted_by_force_by_the_other(both, creator):
    mine, theirs, made, by = both(creator)
    assert made.start().returncode == 0
    assert by.delete().returncode == 1
    assert by.delete("--force").returncode == 0
    assert made.state() is None


def test_frozen_by_runc_is_paused_here(both):
    mine, theirs, made, _ = both("runc")
    assert made.start().returncode == 0
    assert theirs.pause().returncode == 0
    assert mine.status == "paused"
    refused = mine.exec("true")
    assert refused.returncode == 255 and "paused" in refused.stderr
    result = mine.resume()
    assert result.returncode == 0, result.stderr
    assert mine.status == theirs.status == "running"


def test_poststop_hooks_of_runcs_container_run_here(box, runc, workdir):
    mine = box("sleep", "1000")
    mark = workdir / "stopped"
    mine.config["hooks"] = {"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {mark}"]}]}
    assert other(mine, runc).create().returncode == 0
    result = mine.delete("--force")
    assert result.returncode == 0, result.stderr
    assert json.loads(mark.read_text())["id"] == mine.id


def test_config_of_runc_spec_runs(box, runc, workdir):
    # runc 1.1 writes ambient capabilities that are not inheritable, and goes on without them.
    directory = workdir / "spec"
    directory.mkdir()
    subprocess.run([runc, "spec", "--bundle", str(directory)], check=True)
    container = box()
    config = json.loads((directory / "config.json").read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["grep", "CapAmb", "/proc/self/status"]
    container.config = config
    result = container.run()
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["CapAmb:", "0" * 16]


@pytest.mark.parametrize("creator", ["cella", "runc"])
def test_updated_by_both_in_turn(both, creator):
    """Each reads what the other has written to state.json, and leaves a state that the other works with."""
    mine, theirs, made, _ = both(creator)
    assert made.start().returncode == 0
    wait_for(lambda: harness.comm(mine.pid) == "sleep", "the program")
    # By the controller's own name on v1, in the container's only group on v2.
    path = lambda controller: mine.cgroups().get(controller) or mine.cgroups()[""]
    limits = lambda: [(path("pids") / "pids.max").read_text().strip(),
                      next((path("memory") / n).read_text().strip() for n in ("memory.limit_in_bytes", "memory.max")
                           if (path("memory") / n).exists())]
    steps = [(mine, ("--pids-limit", "31", "--memory", "64m"), ["31", str(64 << 20)]),
             (theirs, ("--pids-limit", "32"), ["32", str(64 << 20)]),
             (mine, ("--memory", "48m"), ["32", str(48 << 20)]),
             (theirs, ("--memory", "40m", "--pids-limit", "33"), ["33", str(40 << 20)])]
    for one, flags, expected in steps:
        result = one.cmd("update", *flags, one.id)
        assert result.returncode == 0, result.stderr
        assert limits() == expected
    for one in (mine, theirs):
        assert one.status == "running"
        assert one.exec("echo", "hello").stdout == "hello\n"
        events = one.cmd("events", "--stats", one.id)
        assert json.loads(events.stdout)["data"]["pids"]["limit"] == 33
