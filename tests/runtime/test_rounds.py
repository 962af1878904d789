"""Two hundred rounds, of the sandbox a thousand, leave nothing behind: no cgroup, mount, process, file or descriptor."""
import os
import pathlib

from harness import cgroup_mounts, leaks, wait_for

ROUNDS = int(os.environ.get("CELLA_ROUNDS", "200"))


def count_cgroups():
    return sum(len(list(os.scandir(path))) for path in set(cgroup_mounts().values()))


def test_create_start_kill_delete(box, test_id, workdir):
    c = box("sleep", "1000")
    c.write()
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    cgroups = count_cgroups()
    for n in range(ROUNDS):
        for args in (("create", "--bundle", c.bundle, c.id), ("start", c.id), ("kill", c.id, "KILL")):
            result = c.detached(*args)
            assert result.returncode == 0, (n, args, result.stderr)
        c.wait_stopped()
        result = c.delete()
        assert result.returncode == 0, (n, result.stderr)
    assert not leaks(test_id, workdir)
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts
    assert count_cgroups() == cgroups


def test_run(box, test_id, workdir):
    c = box("true")
    for n in range(ROUNDS // 4):
        result = c.run()
        assert result.returncode == 0, (n, result.stderr)
    assert not leaks(test_id, workdir)


def test_exec(box):
    c = box("sleep", "1000").up()
    for n in range(ROUNDS // 4):
        result = c.exec("sh", "-c", f"exit {n % 200}")
        assert result.returncode == n % 200, result.stderr
    wait_for(lambda: c.pids() == [c.pid], "the last to go")


def test_run_in_the_sandbox(box, test_id, workdir):
    c = box("true")
    c.write()
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    cgroups = count_cgroups()
    for n in range(5 * ROUNDS):
        result = c.cmd("run", "--isolation=sandbox", "--bundle", c.bundle, c.id)
        assert (result.returncode, result.stderr) == (0, ""), n
    assert not leaks(test_id, workdir)
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts
    assert count_cgroups() == cgroups
