"""The gofer of a sandboxed container with file access "proxy": that files are served is test_sandbox_files.py's; here is what it
and the kernel are on the host."""
import json
import os
import pathlib
import shutil

import pytest

import harness
import test_guest
from harness import wait_for


@pytest.fixture
def proxied(box):
    def make(*args):
        c = box(*args)
        c.config["annotations"] = {"dev.cella.isolation": "sandbox", "dev.cella.sandbox.file-access": "proxy"}
        return c
    return make


def gofer_of(c):
    """The pid, or None: a process of that name in the container's cgroup."""
    paths = json.loads((c.root / c.id / "state.json").read_text())["cgroup_paths"].values()
    for path in paths:
        for pid in pathlib.Path(path, "cgroup.procs").read_text().split():
            if harness.comm(int(pid)) == "cella-gofer":
                return int(pid)
    return None


def descriptors(pid):
    """{number: where it leads}."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            pass
    return found


FILES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_FOWNER": 3, "CAP_FSETID": 4}


def test_the_gofers_jail(proxied):
    c = proxied("sleep", "1000").up()
    pid = gofer_of(c)
    assert pid
    status = harness.status_of(pid)
    wanted = sum(1 << bit for bit in FILES.values())
    for kind in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[kind], 16) == wanted, kind
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
    for kind in ("user", "mnt", "pid", "ipc", "uts", "net"):
        own = os.readlink(f"/proc/{pid}/ns/{kind}")
        assert own != os.readlink(f"/proc/self/ns/{kind}") and own != os.readlink(f"/proc/{c.pid}/ns/{kind}"), kind
    # Nothing but the container's files and a procfs, which shows processes alone.
    assert sorted(os.listdir(f"/proc/{pid}/root")) == ["0", "proc"]
    mounts = harness.parse_mounts(pathlib.Path(f"/proc/{pid}/mountinfo").read_text())
    assert sorted(mounts) == ["/", "/0", "/proc"]
    assert "cpuinfo" not in os.listdir(f"/proc/{pid}/root/proc")
    # Of each root there is nothing above but the jail's.
    for number in descriptors(pid):
        info = os.stat(f"/proc/{pid}/fd/{number}")
        root = os.stat(c.rootfs)
        if (info.st_dev, info.st_ino) == (root.st_dev, root.st_ino):
            above = os.stat(f"/proc/{pid}/fd/{number}/..")
            jail = os.stat(f"/proc/{pid}/root/")
            assert (above.st_dev, above.st_ino) == (jail.st_dev, jail.st_ino)
            break
    else:
        pytest.fail("it has no root")


def test_the_kernel_has_no_directories(proxied):
    c = proxied("sleep", "1000")
    c.config["mounts"].append({"destination": "/data", "type": "bind", "source": str(c.bundle), "options": ["bind"]})
    c.up()
    status = harness.status_of(c.pid)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    for number in descriptors(c.pid):
        assert not os.path.isdir(f"/proc/{c.pid}/fd/{number}"), number


def test_the_gofer_ends_with_the_kernel(proxied):
    c = proxied("sleep", "1000").up()
    pid = gofer_of(c)
    c.kill("KILL")
    c.wait_stopped()
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or harness.status_of(pid)["State"][0] == "Z", "the gofer's end")


def test_the_guest_sees_errors_when_the_gofer_is_gone(proxied):
    c = proxied("sh", "-c", "echo ready; while :; do read x </nosuch; done 2>&1")
    c.up()
    wait_for(lambda: "ready" in c.output(), "the program")
    os.kill(gofer_of(c), 9)
    wait_for(lambda: "I/O error" in c.output() or "Input/output error" in c.output(), "an error")


def test_single_files_and_read_only_binds(proxied, workdir):
    (workdir / "one").write_text("one\n")
    (workdir / "two").write_text("two\n")
    (workdir / "directory").mkdir()
    c = proxied("sh", "-c", "cat /one /two; echo more >>/one; echo more >>/two; touch /directory/x; cat /one")
    for name, options in [("one", ["bind"]), ("two", ["bind", "ro"]), ("directory", ["bind", "ro"])]:
        c.config["mounts"].append({"destination": f"/{name}", "type": "bind", "source": str(workdir / name),
                                   "options": options})
    result = c.run()
    assert result.stdout == "one\ntwo\none\nmore\n"
    assert result.stderr.count("Read-only file system") == 2
    assert (workdir / "one").read_text() == "one\nmore\n" and (workdir / "two").read_text() == "two\n"
    assert list((workdir / "directory").iterdir()) == []


def test_an_unlinked_file_is_truncated(proxied):
    c = proxied("sh", "-c", "exec 3>/tmp/file; echo content >&3; rm /tmp/file; truncate -s 3 /proc/self/fd/3; wc -c </proc/self/fd/3")
    c.config["root"]["readonly"] = False
    c.config["mounts"] = [m for m in c.config["mounts"] if m["destination"] != "/tmp"]
    (c.rootfs / "tmp").mkdir(exist_ok=True)
    result = c.run()
    assert (result.returncode, result.stdout.strip()) == (0, "3"), result.stderr


@pytest.mark.parametrize("family", ["files", "io", "locks"])
def test_guest_programs_on_the_hosts_files(proxied, family):
    # test_guest.py gives them a tmpfs to work in; here all that they do is done by the gofer.
    program = test_guest.PROGRAMS / f"guest_{family}"
    assert program.exists(), f"{program} is not built"
    c = proxied(f"/{program.name}", "--gtest_color=no")
    shutil.copy(program, c.rootfs)
    (c.rootfs / "tmp").mkdir(exist_ok=True)
    (c.rootfs / "tmp").chmod(0o1777)
    c.config["process"]["noNewPrivileges"] = False
    c.config["process"]["capabilities"] = {kind: test_guest.CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    c.config["root"]["readonly"] = False
    c.config["mounts"] = [m for m in c.config["mounts"] if m["destination"] != "/tmp"]
    result = c.run(timeout=test_guest.TIMEOUT)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
