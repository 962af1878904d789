"""--dry-run: the numbered steps, and nothing else: nothing is made, and no privilege is needed."""
import json
import os
import re
import subprocess

import pytest

from harness import AS_USER, our_cgroups, our_processes


def text_steps(output):
    return re.findall(r"^\s*(\d+)[.:]?\s+(\S.*)$", output, re.MULTILINE)


def nothing_made(container, test_id):
    assert container.state() is None
    assert not our_cgroups(test_id) and not our_processes(container.id)
    assert not container.root.exists() or not list(container.root.iterdir())


@pytest.mark.parametrize("command", ["create", "run"])
def test_text(box, test_id, command):
    c = box("true")
    c.write()
    result = c.cmd(command, "--dry-run", "--bundle", c.bundle, c.id)
    assert result.returncode == 0, result.stderr
    steps = text_steps(result.stdout)
    assert [int(n) for n, _ in steps] == list(range(int(steps[0][0]), int(steps[0][0]) + len(steps)))
    for word in ("/dev/shm", "/proc/kcore", "mqueue"):
        assert word in result.stdout, word
    nothing_made(c, test_id)


@pytest.mark.parametrize("command", ["create", "run"])
def test_json(box, test_id, command):
    c = box("true")
    c.write()
    result = c.cmd(command, "--dry-run=json", "--bundle", c.bundle, c.id)
    assert result.returncode == 0, result.stderr
    plan = json.loads(result.stdout)
    steps = plan["steps"] if isinstance(plan, dict) else plan
    assert len(steps) > 20
    nothing_made(c, test_id)


def test_it_runs_no_hook(box, workdir):
    c = box("true")
    c.config["hooks"] = {"createRuntime": [{"path": "/bin/touch", "args": ["touch", str(workdir / "ran")]}]}
    c.write()
    assert c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id).returncode == 0
    assert not (workdir / "ran").exists()


def test_same_config_same_plan(box):
    c = box("true")
    c.write()
    first, second = (c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id).stdout for _ in range(2))
    assert first == second


def test_as_an_ordinary_user(box, runtime):
    if subprocess.run([*AS_USER, "test", "-x", runtime]).returncode != 0:
        pytest.skip(f"the user 1000 cannot execute {runtime}")
    c = box("true")
    c.write()
    before = set(os.listdir("/tmp"))
    result = subprocess.run([*AS_USER, runtime, "--root", str(c.root), "create", "--dry-run", "--bundle", str(c.bundle), c.id],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr
    assert text_steps(result.stdout)
    assert set(os.listdir("/tmp")) == before


def test_bad_config_is_refused_here_too(box):
    c = box("true")
    c.config["process"]["cwd"] = "relative"
    c.write()
    result = c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id)
    assert result.returncode == 1 and "/process/cwd" in result.stderr


def test_exec(box):
    c = box("sleep", "1000").up()
    before = c.pids()
    result = c.exec_flags(["--dry-run"], "touch", "/tmp/x")
    assert result.returncode == 0, result.stderr
    assert text_steps(result.stdout)
    assert c.pids() == before
    result = c.exec_flags(["--dry-run=json"], "touch", "/tmp/x")
    assert json.loads(result.stdout)


def test_bad_format(box):
    c = box("true")
    c.write()
    assert c.cmd("create", "--dry-run=xml", "--bundle", c.bundle, c.id).returncode != 0
