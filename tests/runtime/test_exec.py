"""exec: a second process in a running container."""
import json
import os
import pathlib
import time

import pytest

from harness import ConsoleSocket, add_namespace, cgroups_of, comm, get_size, on_pty, parse_status, status_of, wait_for

ALL_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@pytest.fixture
def running(box):
    return box("sleep", "1000").up()


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 128 + 15),
                                            ("kill -KILL $$", 128 + 9)])
def test_exit_status(running, script, status):
    assert running.exec("sh", "-c", script).returncode == status


def test_streams(running):
    result = running.exec("sh", "-c", "cat; echo err >&2", input="hello\n")
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello\n", "err\n")


def test_arguments_are_passed_untouched(running):
    words = ["--help", "-x", "a b", "", "$HOME", "--", "ü"]
    result = running.exec("sh", "-c", 'for w; do echo "<$w>"; done', "sh", *words)
    assert result.stdout.splitlines() == [f"<{w}>" for w in words]


def test_environment(running):
    result = running.exec_flags(["--env", "ONE=1", "--env", "TWO=2 2", "--env=THREE="], "env")
    lines = result.stdout.splitlines()
    assert {"ONE=1", "TWO=2 2", "THREE="} <= set(lines)
    assert any(line.startswith("PATH=/usr/local/sbin") for line in lines), "the container's own environment"


def test_cwd(running):
    assert running.exec_flags(["--cwd", "/usr"], "pwd").stdout == "/usr\n"
    assert running.exec("pwd").stdout == "/\n"


def test_missing_cwd(running):
    result = running.exec_flags(["--cwd", "/no/such"], "pwd")
    assert result.returncode == 255
    assert "/no/such" in result.stderr


@pytest.mark.parametrize("flag, expected", [("1000:1001", "1000 1001"), ("1000", "1000 0"), ("0:5", "0 5")])
def test_user(running, flag, expected):
    for form in (["--user", flag], ["-u", flag]):
        assert running.exec_flags(form, "sh", "-c", "echo $(id -u) $(id -g)").stdout.strip() == expected


@pytest.mark.parametrize("flag", ["user", "1000:", "0x10", "1000x", "-1", "1000:user", "4294967296", " 5"])
def test_user_must_be_numeric(running, flag):
    """crun CVE-2026-30892, CVE-2016-3697: names and half-read numbers must never become an id."""
    result = running.exec_flags([f"--user={flag}"], "id", "-u")
    assert result.returncode != 0
    assert result.stdout == ""


def test_additional_groups(running):
    result = running.exec_flags(["--user", "1000:1000", "--additional-gids", "7", "--additional-gids", "8"], "cat", "/proc/self/status")
    assert {"7", "8"} <= set(parse_status(result.stdout)["Groups"].split())


def test_capabilities(running):
    plain = parse_status(running.exec("cat", "/proc/self/status").stdout)
    more = parse_status(running.exec_flags(["--cap", "CAP_SYS_TIME"], "cat", "/proc/self/status").stdout)
    bit = 1 << 25
    assert not int(plain["CapEff"], 16) & bit
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert int(more[kind], 16) & bit
    assert int(more["CapInh"], 16) == 0


def test_no_new_privs(box):
    c = box("sleep", "1000")
    c.config["process"]["noNewPrivileges"] = False
    c.up()
    assert parse_status(c.exec("cat", "/proc/self/status").stdout)["NoNewPrivs"] == "0"
    assert parse_status(c.exec_flags(["--no-new-privs"], "cat", "/proc/self/status").stdout)["NoNewPrivs"] == "1"


def test_every_namespace_and_cgroup_is_the_containers(box):
    c = box("sleep", "1000")
    add_namespace(c.config, "cgroup")
    c.up()
    pid_file = c.bundle / "exec.pid"
    result = c.detached("exec", "--detach", "--pid-file", pid_file, c.id, "sleep", "1000")
    assert result.returncode == 0, result.stderr
    pid = int(pid_file.read_text())
    for kind in ("pid", "net", "ipc", "uts", "mnt", "cgroup", "user"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/{c.pid}/ns/{kind}"), kind
    assert cgroups_of(pid) == cgroups_of(c.pid)
    assert os.readlink(f"/proc/{pid}/root") == os.readlink(f"/proc/{c.pid}/root")


@pytest.mark.parametrize("flag", ["--detach", "-d"])
def test_detach(running, flag):
    pid_file = running.bundle / "exec.pid"
    begin = time.monotonic()
    result = running.detached("exec", flag, "--pid-file", pid_file, running.id, "sh", "-c", "echo here; sleep 1000")
    assert result.returncode == 0 and time.monotonic() - begin < 5
    pid = int(pid_file.read_text())
    assert pid in running.pids()
    wait_for(lambda: running.output() == "here\n", "its output")


def test_pid_file_in_the_foreground(running):
    pid_file = running.bundle / "exec.pid"
    assert running.exec_flags(["--pid-file", pid_file], "true").returncode == 0
    assert int(pid_file.read_text()) > 1


@pytest.mark.parametrize("flag", ["--process", "-p"])
def test_process_file(running, flag):
    file = running.bundle / "process.json"
    file.write_text(json.dumps({
        "args": ["sh", "-c", "echo $A $(pwd) $(id -u) $(umask)"], "env": ["A=b", "PATH=/bin:/usr/bin"], "cwd": "/tmp",
        "user": {"uid": 1000, "gid": 1000, "umask": 0o27}}))
    result = running.cmd("exec", flag, file, running.id)
    assert (result.returncode, result.stdout) == (0, "b /tmp 1000 0027\n"), result.stderr


def test_broken_process_file(running):
    file = running.bundle / "process.json"
    file.write_text('{"args": [')
    result = running.cmd("exec", "--process", file, running.id)
    assert result.returncode == 255 and result.stderr


@pytest.mark.parametrize("path", [["/no/such/program"], ["no-such-program"]])
def test_missing_program(running, path):
    result = running.exec(*path)
    assert result.returncode == 255
    assert "no such file or directory" in result.stderr or "executable file not found in" in result.stderr


def test_missing_program_leaves_no_pid_file_that_lies(running):
    """conmon tells "the runtime failed" from "the command failed" by the pid file."""
    pid_file = running.bundle / "exec.pid"
    running.detached("exec", "--detach", "--pid-file", pid_file, running.id, "/no/such/program")
    assert not pid_file.exists() or not pid_file.read_text() or comm(int(pid_file.read_text())) is None


def test_terminal_through_console_socket(running):
    with ConsoleSocket(running.bundle / "console") as console:
        result = running.detached("exec", "--tty", "--detach", "--console-socket", console.path, running.id,
                                  "sh", "-c", "tty; stty size; read line; echo got $line")
        assert result.returncode == 0, result.stderr
        console.receive()
        console.read_until(rb"/dev/pts/\d+")
        console.write(b"word\n")
        console.read_until(rb"got word")


def test_terminal_in_the_foreground(running):
    output, status = on_pty(running.command("exec", "-t", running.id, "sh", "-c", "tty; test -t 0 && exit 5"))
    assert status == 5
    assert "/dev/pts/" in output


def test_terminal_size(running):
    file = running.bundle / "process.json"
    file.write_text(json.dumps({"args": ["sleep", "1000"], "env": ["PATH=/bin"], "cwd": "/", "terminal": True,
                                "consoleSize": {"height": 33, "width": 99}, "user": {"uid": 0, "gid": 0}}))
    with ConsoleSocket(running.bundle / "console") as console:
        result = running.detached("exec", "--process", file, "--detach", "--console-socket", console.path, running.id)
        assert result.returncode == 0, result.stderr
        assert get_size(console.receive()) == (33, 99)


def test_before_start(box):
    """A created container can be joined: its init is there."""
    c = box("sleep", "1000")
    c.create()
    assert c.exec("echo", "early").stdout == "early\n"


def test_no_descriptor_leaks_in(running):
    read, write = os.pipe()
    try:
        listed = running.exec("ls", "/proc/self/fd", pass_fds=(write,)).stdout.split()
        assert set(listed) == {"0", "1", "2", "3"}  # 3 is ls's own
    finally:
        os.close(read), os.close(write)


def test_preserved_descriptors(running):
    read, write = os.pipe()
    running.prefix = ["bash", "-c", f'exec 3>&{write} {write}>&-; exec "$@"', "sh"]
    try:
        result = running.exec_flags(["--preserve-fds", "1"], "sh", "-c", "echo through >&3", pass_fds=(write,))
        assert result.returncode == 0, result.stderr
        assert os.read(read, 100) == b"through\n"
    finally:
        running.prefix = []
        os.close(read), os.close(write)


def test_oom_score_and_limits_are_the_containers(box):
    c = box("sleep", "1000")
    c.config["process"]["oomScoreAdj"] = 321
    c.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 77, "soft": 66}]
    c.up()
    assert c.sh("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn").split() == ["321", "66", "77"]


def test_ten_at_once(running):
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda n: running.exec("sh", "-c", f"exit {n}").returncode, range(10)))
    assert results == list(range(10))


def test_container_ends_while_exec_runs(box):
    c = box("sleep", "0.5").up()
    assert c.exec("sleep", "1000").returncode == 128 + 9
    c.wait_stopped()


def test_detached_process_dies_with_the_container(running):
    pid_file = running.bundle / "exec.pid"
    running.detached("exec", "-d", "--pid-file", pid_file, running.id, "sleep", "1000")
    pid = int(pid_file.read_text())
    assert status_of(pid)["State"][0] in "SR"
    running.delete("--force")
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it to go")


@pytest.mark.parametrize("args", [[], ["--cap", "CAP_NO_SUCH"]])
def test_inheritable_and_ambient_stay_empty(running, args):
    """CVE-2022-29162"""
    status = parse_status(running.exec_flags(args, "cat", "/proc/self/status").stdout or "CapInh:\t0\nCapAmb:\t0\n")
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
