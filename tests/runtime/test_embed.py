"""examples/embed: a program that reaches containers through the library's public headers alone."""
import os
import subprocess

import pytest

import harness

EMBED = harness.REPO / "build/release/examples/embed"


@pytest.fixture
def embed(busybox_rootfs, workdir, test_id):
    if not os.access(EMBED, os.X_OK):
        pytest.skip(f"{EMBED} is not built")

    def run(rootfs=busybox_rootfs):
        return subprocess.run([EMBED, str(rootfs), str(workdir / "root")], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=harness.TIMEOUT, env={"PATH": os.environ["PATH"], "CELLA_TEST": test_id})
    return run


def test_whole_life_of_an_embedded_container(embed):
    result = embed()
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == ["first: hello from embedded", "first: got input"]
    assert lines[2].startswith("second: pid ") and lines[2].endswith(" of embedded")
    assert lines[3:] == ["second ended with 7", "running, processes: 1", "paused, processes: 1", "running, processes: 1",
                         "pids: 1 of 32", "first ended with 137", "stopped, processes: 0", "gone"]
    assert result.stderr == ""


def test_what_fails_leaves_nothing(embed, workdir):
    result = embed(workdir / "missing")
    assert result.returncode == 1
    assert "no such file or directory" in result.stderr
