"""run: exit statuses, standard streams, detaching, signals."""
import os
import pathlib
import signal
import subprocess

import pytest

from harness import comm, wait_for


@pytest.mark.parametrize("args, status", [
    (["true"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "exit 255"], 255),
    (["sh", "-c", "kill -KILL $$; sleep 9"], None), (["busybox", "false"], 1),
])
def test_exit_status(box, args, status):
    if status is None:
        # pid 1 cannot kill itself: let a child be killed, and the shell report it
        args, status = ["sh", "-c", "sh -c 'kill -KILL $$'; exit $?"], 128 + 9
    assert box(*args).run().returncode == status


def test_exit_status_of_a_killed_first_process(box):
    c = box("sleep", "1000")
    c.write()
    process = subprocess.Popen(c.command("run", "--bundle", c.bundle, c.id), stdin=subprocess.DEVNULL)
    wait_for(lambda: c.status == "running", "it to run")
    c.kill("KILL")
    assert process.wait(10) == 128 + 9


def test_output_and_error_are_kept_apart(box):
    result = box("sh", "-c", "echo out; echo err >&2").run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "out\n", "err\n")


def test_input(box):
    assert box("cat").run(input="hello\n").stdout == "hello\n"


def test_much_output(box):
    result = box("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x").run()
    assert len(result.stdout) == 3000000


def test_run_leaves_nothing(box):
    c = box("true")
    assert c.run().returncode == 0
    assert c.state() is None


def test_keep(box):
    c = box("true")
    assert c.run("--keep").returncode == 0
    assert c.status == "stopped"
    assert c.delete().returncode == 0


@pytest.mark.parametrize("flag", ["--detach", "-d"])
def test_detach(box, flag):
    c = box("sh", "-c", "echo here; sleep 1000")
    c.write()
    result = c.detached("run", flag, "--bundle", c.bundle, c.id)
    assert result.returncode == 0, result.stderr
    assert c.status == "running"
    wait_for(lambda: c.output() == "here\n", "its output")


@pytest.mark.parametrize("command", ["run_detached", "create"])
def test_pid_file(box, command, workdir):
    c = box("sleep", "1000")
    file = workdir / "pid"
    assert getattr(c, command)("--pid-file", file).returncode == 0
    assert file.read_text() == str(c.pid)


def test_bundle_flag_forms(box):
    c = box("true")
    c.write()
    for flags in (["--bundle", c.bundle], [f"--bundle={c.bundle}"], ["-b", c.bundle], ["-bundle", c.bundle]):
        result = c.cmd("run", *flags, c.id)
        assert result.returncode == 0, (flags, result.stderr)


def test_bundle_is_the_working_directory_by_default(box):
    c = box("echo", "here")
    c.write()
    assert c.cmd("run", c.id, cwd=c.bundle).stdout == "here\n"


@pytest.mark.parametrize("path", [["/no/such/program"], ["no-such-program"]])
def test_missing_program(box, path):
    result = box(*path).run()
    assert result.returncode == 1
    assert "no such file or directory" in result.stderr or "executable file not found in" in result.stderr
    assert path[0] in result.stderr


def test_program_that_may_not_be_executed(box):
    result = box("/etc/passwd").run()
    assert result.returncode == 1
    assert "permission denied" in result.stderr.lower()


def test_program_that_is_a_directory(box):
    result = box("/etc").run()
    assert result.returncode == 1
    assert any(words in result.stderr for words in ("is a directory", "permission denied"))


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(box, sig):
    name = sig.name.removeprefix("SIG")
    c = box("sh", "-c", f'trap "exit 7" {name}; echo ready; while :; do sleep 0.02; done')
    c.write()
    process = subprocess.Popen(c.command("run", "--bundle", c.bundle, c.id), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(sig)
    assert process.wait(10) == 7
    process.stdout.close()


def test_debian(box):
    result = box("bash", "-c", "python3 -c 'print(6*7)'; perl -e 'print \"perl\\n\"'; . /etc/os-release; echo $ID",
                 rootfs="debian").run()
    assert (result.returncode, result.stdout) == (0, "42\nperl\ndebian\n"), result.stderr


def test_two_at_once(box):
    containers = [box("sh", "-c", f"sleep 0.2; exit {n + 10}") for n in range(6)]
    processes = []
    for c in containers:
        c.write()
        processes.append(subprocess.Popen(c.command("run", "--bundle", c.bundle, c.id), stdin=subprocess.DEVNULL))
    assert [p.wait(20) for p in processes] == [n + 10 for n in range(6)]


def test_the_first_process_is_reaped_by_nobody_else(box):
    """A detached container's process is a child of whoever adopts orphans, never of a runtime that stays."""
    c = box("sleep", "1000")
    c.run_detached()
    parent = int(pathlib.Path(f"/proc/{c.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert comm(parent) != os.path.basename(c.runtime)
