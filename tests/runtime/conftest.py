"""Fixtures for tests of the real binary, as root, on real root filesystems.

The runtime under test is $CELLA (default build/release/cella). Its command line is runc's, so the same tests run against
a runc or a crun: `CELLA=/usr/sbin/runc pytest tests/runtime`. Where the kernel or the machine lacks something, the test is
skipped and says what is missing; a test never depends on the name of the runtime.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

import pytest

import harness
from harness import Container, Holder, REPO


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("the runtime tests need root", 2)
    if not os.access(harness.runtime_path(), os.X_OK):
        pytest.exit(f"no runtime at {harness.runtime_path()}: build it, or set CELLA", 2)
    # What the machine's own service manager hands down is nothing that a container of a test should see.
    for name in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)


def pytest_report_header():
    version = subprocess.run([harness.runtime_path(), "--version"], capture_output=True, text=True, timeout=10)
    return f"runtime: {harness.runtime_path()} ({version.stdout.splitlines()[0] if version.stdout else 'no version'})"


@pytest.fixture(scope="session")
def runtime():
    """The path of the binary under test."""
    return harness.runtime_path()


@pytest.fixture(scope="session")
def session_dir():
    # Not pytest's tmp_path: an ordinary user must be able to pass through.
    path = pathlib.Path(tempfile.mkdtemp(prefix="cella-session-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def busybox_rootfs(session_dir):
    """A busybox root filesystem that tests copy and never change."""
    path = session_dir / "busybox"
    subprocess.run([REPO / "tools/make-rootfs", "busybox", path], check=True)
    return path


@pytest.fixture(scope="session")
def debian_rootfs(session_dir):
    """A small Debian with bash, python3 and perl, shared by the tests of a session: they leave it as it was."""
    path = session_dir / "debian"
    subprocess.run([REPO / "tools/make-rootfs", "debian", path], check=True)
    return path


@pytest.fixture
def test_id():
    """Part of the name of everything that the test makes; what still carries it afterwards is a leak."""
    return "ct" + uuid.uuid4().hex[:10]


@pytest.fixture
def workdir(test_id):
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"cella-{test_id}-"))
    path.chmod(0o755)
    yield path


@pytest.fixture(autouse=True)
def leak_check(test_id, workdir):
    """Fails a test after which a cgroup, a mount, a process or a file of a container is left."""
    yield
    leaks = harness.leaks(test_id, workdir)
    harness.remove_leaks(test_id, workdir)
    shutil.rmtree(workdir, ignore_errors=True)
    assert not leaks, "left behind: " + "; ".join(leaks)


@pytest.fixture
def box(runtime, workdir, test_id, request, leak_check):
    """box(*args, rootfs="busybox"|"debian"|None) makes a bundle that runs args, and a Container that is not there yet.

    Its `config` may be changed until create or run writes it. Every one is deleted by force when the test is over.
    """
    made = []

    def make(*args, rootfs="busybox", id=None, bundle=None):
        number = len(made)
        if bundle is None:
            bundle = workdir / f"bundle{number}"
            bundle.mkdir()
            config = harness.default_config(test_id)
            if rootfs == "busybox":
                shutil.copytree(request.getfixturevalue("busybox_rootfs"), bundle / "rootfs", symlinks=True)
            elif rootfs == "debian":
                config["root"]["path"] = str(request.getfixturevalue("debian_rootfs"))
            elif rootfs is None:
                (bundle / "rootfs").mkdir()
            else:
                raise ValueError(rootfs)
        else:
            config = harness.default_config(test_id)
        if args:
            config["process"]["args"] = [str(a) for a in args]
        container = Container(runtime, bundle, id or f"{test_id}-{number}", workdir / "root", config)
        made.append(container)
        return container

    yield make
    problems = []
    for container in made:
        result = container.delete("--force")
        if result.returncode != 0:
            problems.append(result.stderr.strip())
    assert not problems, f"delete --force failed: {problems}"


@pytest.fixture
def source(workdir):
    """A directory of the host to be bound, with a file and a directory in it."""
    path = workdir / "source"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_text("from the host\n")
    return path


@pytest.fixture
def holder(test_id):
    """holder("--net", …) holds new namespaces open: a process made by unshare(1) with those options."""
    made = []

    def make(*flags):
        made.append(Holder(test_id, *flags))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def in_debian(box):
    """in_debian(python source, change) runs the source in a Debian container and returns the result of `run`."""
    def run(source, change=None, **kwargs):
        container = box("python3", "-c", source, rootfs="debian")
        if change:
            change(container.config)
        return container.run(**kwargs)
    return run
