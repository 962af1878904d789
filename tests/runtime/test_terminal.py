"""Terminals: through a console socket, and of an interactive run."""
import os

import pytest

from harness import ConsoleSocket, get_size, on_pty, set_size, wait_for


@pytest.fixture
def console(workdir):
    with ConsoleSocket(workdir / "console") as one:
        yield one


@pytest.fixture(params=["namespaces", "sandbox"])
def box(box, request):
    """What programs and callers see of a terminal is the same with both engines."""
    def make(*args, **kwargs):
        c = box(*args, **kwargs)
        c.config["annotations"] = {"dev.cella.isolation": request.param}
        c.is_sandbox = request.param == "sandbox"
        return c
    return make


def terminal(container, **more):
    container.config["process"].update(terminal=True, **more)
    return container


def test_console_socket(box, console):
    c = terminal(box("sh", "-c", "tty; read line; echo got $line; sleep 1000"))
    assert c.create("--console-socket", console.path).returncode == 0
    console.receive()
    assert os.isatty(console.master)
    assert c.start().returncode == 0
    console.read_until(rb"/dev/(pts/\d+|console)")
    console.write(b"word\n")
    console.read_until(rb"got word")


def test_run_detached(box, console):
    c = terminal(box("sh", "-c", "echo hello; sleep 1000"))
    assert c.run_detached("--console-socket", console.path).returncode == 0
    console.receive()
    console.read_until(b"hello")


def test_every_stream_is_the_terminal(box, console):
    c = terminal(box("sh", "-c", "for n in 0 1 2; do test -t $n || exit 1; done; for n in 0 1 2; do readlink /proc/$$/fd/$n; done; echo end; sleep 1000"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    output = console.read_until(b"end")
    assert len(set(output.split()[:3])) == 1


def test_it_is_the_controlling_terminal(box, console):
    c = terminal(box("sh", "-c", "echo x >/dev/tty && echo controlling; sleep 1000"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"controlling")


def test_interrupt_key(box, console):
    c = terminal(box("sh", "-c", "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"ready")
    console.write(b"\x03")
    console.read_until(b"interrupted")


def test_dev_console(box, console):
    c = terminal(box("sh", "-c", "echo to-the-console >/dev/console; sleep 1000"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"to-the-console")


def test_terminal_lives_in_the_container(box, console):
    """The pty is of the container's own devpts instance: the host has no such name."""
    c = terminal(box("sleep", "1000"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    if not c.is_sandbox:  # whose guest has a pty of its kernel's, over one that the host has
        assert os.readlink(f"/proc/{c.pid}/fd/0") in ("/dev/pts/0", "/dev/console")
    assert c.sh("ls /dev/pts").split()[0] == "0"


def test_owner_is_the_user(box, console):
    c = terminal(box("sh", "-c", "stat -c '%u owner' $(tty); sleep 1000"), user={"uid": 1000, "gid": 1000})
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"1000 owner")


def test_configured_size(box, console):
    c = terminal(box("sh", "-c", "stty size; sleep 1000"), consoleSize={"height": 33, "width": 99})
    c.run_detached("--console-socket", console.path)
    assert get_size(console.receive()) == (33, 99)
    console.read_until(b"33 99")


def test_resizing_reaches_the_program(box, console):
    c = terminal(box("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"ready")
    for columns in range(80, 111):
        set_size(console.master, 44, columns)
    set_size(console.master, 44, 111)
    console.read_until(b"44 111")


def test_hang_up(box, console):
    c = terminal(box("sh", "-c", "trap 'exit 0' HUP; echo ready; while :; do sleep 0.05; done"))
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"ready")
    os.close(console.master)
    console.master = None
    wait_for(lambda: c.status == "stopped", "SIGHUP to end it")


def test_interactive_run(box):
    c = terminal(box("sh", "-c", "tty; read line; echo got $line; exit 6"))
    output, status = c.run_pty(input=b"word\n")
    assert status == 6
    assert "/dev/pts/0" in output and "got word" in output


def test_interactive_run_leaves_no_state(box):
    c = terminal(box("true"))
    assert c.run_pty()[1] == 0
    assert c.state() is None


def test_interactive_size_is_the_callers(box):
    c = terminal(box("sh", "-c", "sleep 0.2; stty size"))
    output, status = c.run_pty(size=(22, 77))
    assert status == 0 and "22 77" in output


def test_detached_terminal_needs_a_console_socket(box):
    c = terminal(box("true"))
    result = c.create()
    assert result.returncode == 1 and "console" in result.stderr
    assert c.state() is None


def test_console_socket_without_terminal_is_refused(box, console):
    c = box("true")
    result = c.create("--console-socket", console.path)
    assert result.returncode == 1 and "console" in result.stderr


def test_console_socket_that_is_missing(box, workdir):
    c = terminal(box("true"))
    result = c.create("--console-socket", workdir / "nobody")
    assert result.returncode == 1 and "nobody" in result.stderr
    assert c.state() is None


# --- exec

@pytest.fixture
def running(box):
    c = box("sleep", "1000")
    c.run_detached()
    return c


def test_exec_in_the_foreground(running):
    output, status = on_pty(running.command("exec", "-t", running.id, "sh", "-c", "tty; read line; echo got $line; exit 5"),
                            input=b"word\n")
    assert status == 5
    assert "/dev/pts/" in output and "got word" in output


def test_all_output_of_exec_is_there(running):
    output, status = on_pty(running.command("exec", "-t", running.id, "seq", "30000"))
    assert status == 0
    assert output.split() == [str(n) for n in range(1, 30001)]


def exec_on(console, running, script):
    running.detached("exec", "--tty", "--detach", "--console-socket", console.path, running.id, "sh", "-c", script)
    console.receive()
    console.read_until(b"ready")


def test_exec_is_resized(running, console):
    exec_on(console, running, "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
    set_size(console.master, 44, 111)
    console.read_until(b"44 111")


def test_exec_hangs_up(running, console):
    exec_on(console, running, "trap 'echo hung up >/dev/shm/fate; exit' HUP; echo ready; while :; do sleep 0.05; done")
    os.close(console.master)
    console.master = None
    wait_for(lambda: running.exec("cat", "/dev/shm/fate").stdout == "hung up\n", "SIGHUP")


def test_names_of_terminals_end_with_them(running):
    before = running.sh("ls /dev/pts")
    for _ in range(3):
        output, status = on_pty(running.command("exec", "-t", running.id, "sh", "-c", "ls /dev/pts"))
        assert status == 0 and output.split() == [*sorted(before.split() + ["0"])]
    assert running.sh("ls /dev/pts") == before


# --- job control

def state_of(container, name):
    """Of the process of this name: its state as proc_pid_stat(5) has it, and whether it has the terminal."""
    for line in container.exec("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true").stdout.splitlines():
        comm, state, _, group, _, _, foreground = line.split()[1:8]
        if comm == f"({name})":
            return state, group == foreground
    return None


@pytest.mark.parametrize("rootfs, shell", [("busybox", ["sh", "-i"]), ("debian", ["bash", "--norc", "-i"])])
def test_job_control(box, console, rootfs, shell):
    c = terminal(box(*shell, rootfs=rootfs), env=["PATH=/bin:/usr/bin", "PS1=% ", "TERM=dumb"])
    c.run_detached("--console-socket", console.path)
    console.receive()
    console.read_until(b"% ")

    def enter(line, wanted):
        console.write(line)
        return console.read_until(wanted)

    enter(b"sleep 1000\n", rb"sleep 1000\r\n")
    wait_for(lambda: state_of(c, "sleep") == ("S", True), "sleep to run")
    enter(b"\x1a", rb"[Ss]topped[^%]*% ")
    enter(b"jobs\n", rb"\[1\]\+ +Stopped[^%]*% ")
    enter(b"bg\n", rb"sleep 1000[^%]*% ")
    enter(b"jobs\n", rb"\[1\]\+ +Running[^%]*% ")
    enter(b"fg\n", rb"sleep 1000\r\n")
    wait_for(lambda: state_of(c, "sleep") == ("S", True), "sleep in the foreground")
    enter(b"\x03", rb"% ")
    enter(b"echo status $?\n", rb"\nstatus 130\r\n")
    # From the background it may not read.
    enter(b"cat &\n", rb"% ")
    wait_for(lambda: state_of(c, "cat") == ("T", False), "SIGTTIN")
    enter(b"fg\n", rb"cat\r\n")
    wait_for(lambda: state_of(c, "cat") == ("S", True), "cat in the foreground")
    enter(b"typed\n", rb"typed\r\ntyped\r\n")
    enter(b"\x04", rb"% ")
    console.write(b"exit 7\n")
    wait_for(lambda: c.status == "stopped", "the shell to end")
