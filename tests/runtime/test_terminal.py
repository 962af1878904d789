"""Terminals: through a console socket, and of an interactive run."""
import os

import pytest

from harness import ConsoleSocket, get_size, set_size, wait_for


@pytest.fixture
def console(workdir):
    with ConsoleSocket(workdir / "console") as one:
        yield one


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
    link = os.readlink(f"/proc/{c.pid}/fd/0")
    assert link in ("/dev/pts/0", "/dev/console")
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
    output, _ = c.run_pty(size=(22, 77))
    assert "22 77" in output


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
