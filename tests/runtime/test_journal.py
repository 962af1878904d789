"""A create, run or delete that is killed at any instant leaves something that `delete --force` removes completely."""
import os
import random
import signal
import subprocess
import time

import pytest

from harness import leaks

ROUNDS = int(os.environ.get("CELLA_KILL_ROUNDS", "100"))


def kill_after(command, seconds, **kwargs):
    """Runs a command in a process group of its own and kills the command alone after so long; True if it was killed."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True, **kwargs)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    process.send_signal(signal.SIGKILL)
    return process.wait(20) == -signal.SIGKILL


def duration(command):
    begin = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
    return time.perf_counter() - begin


@pytest.mark.parametrize("command", ["create", "run"])
def test_killed(box, test_id, workdir, command):
    c = box("sleep", "1000")
    c.write()
    flags = ["--detach"] if command == "run" else []
    whole = c.command(command, *flags, "--bundle", c.bundle, c.id)
    takes = []
    for _ in range(3):
        takes.append(duration(whole))
        assert c.delete("--force").returncode == 0
    most = sorted(takes)[1] * 1.2
    rng, killed = random.Random(7), 0
    for n in range(ROUNDS // 2):
        killed += kill_after(whole, rng.uniform(0, most))
        result = c.delete("--force")
        assert result.returncode == 0, (n, result.stderr)
        left = leaks(test_id, workdir)
        assert not left, f"round {n}: {left}"
    assert killed > ROUNDS // 10, f"only {killed} of {ROUNDS // 2} were killed in time: the test shows too little"


def test_id_can_be_used_again(box):
    c = box("true")
    c.write()
    whole = c.command("create", "--bundle", c.bundle, c.id)
    kill_after(whole, 0.002)
    c.delete("--force")
    assert c.run().returncode == 0


def test_killed_delete(box, test_id, workdir):
    c = box("sleep", "1000")
    rng = random.Random(8)
    for n in range(max(5, ROUNDS // 10)):
        assert c.create().returncode == 0
        kill_after(c.command("delete", "--force", c.id), rng.uniform(0, 0.01))
        result = c.delete("--force")
        assert result.returncode == 0, (n, result.stderr)
        left = leaks(test_id, workdir)
        assert not left, f"round {n}: {left}"


def test_state_of_a_half_made_container(box):
    """Whatever a killed create left, the other commands answer in bounded time and with words."""
    c = box("sleep", "1000")
    c.write()
    rng = random.Random(9)
    for _ in range(10):
        kill_after(c.command("create", "--bundle", c.bundle, c.id), rng.uniform(0, 0.01))
        for command in ("state", "list", "start"):
            args = [command] if command == "list" else [command, c.id]
            result = c.cmd(*args, timeout=5)
            assert result.returncode in (0, 1)
            assert result.returncode == 0 or result.stderr
        assert c.delete("--force").returncode == 0
