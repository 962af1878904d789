"""What the runtime tests are made of: the default config, Container, consoles, namespace holders, leak checks."""
import array
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 30  # of one command, in seconds: far above what any should take

AS_USER = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]


def runtime_path():
    return os.environ.get("CELLA") or str(REPO / "build/release/cella")


def default_config(marker="none"):
    """What `runc spec` writes, without a terminal."""
    caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
                    f"CELLA_TEST={marker}"],
            "cwd": "/",
            "capabilities": {kind: list(caps) for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                            "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def namespaces(config):
    """The namespaces of a config as {type: entry}."""
    return {n["type"]: n for n in config["linux"]["namespaces"]}


def add_namespace(config, type, path=None):
    drop_namespace(config, type)
    config["linux"]["namespaces"].append({"type": type, **({"path": str(path)} if path else {})})


def drop_namespace(config, type):
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != type]


def mount_at(config, destination):
    return next(m for m in config["mounts"] if m["destination"] == destination)


def wait_for(condition, what="condition", timeout=10):
    """Returns the first true value of condition(); fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.01)


class Container:
    """One container of the runtime under test, and the commands on it. Each returns a CompletedProcess with text."""

    def __init__(self, runtime, bundle, id, root, config):
        self.runtime, self.bundle, self.id, self.root, self.config = runtime, pathlib.Path(bundle), id, root, config
        self.prefix = []       # put before the runtime: setpriv, unshare …
        self.global_args = []  # before the command
        self.written = None    # when set, written as it is instead of `config`
        self.env = None

    @property
    def rootfs(self):
        return self.bundle / self.config["root"]["path"]

    def write(self):
        text = self.written if self.written is not None else json.dumps(self.config, indent=1)
        (self.bundle / "config.json").write_text(text)

    def command(self, *args):
        return [*self.prefix, self.runtime, "--root", str(self.root), *self.global_args, *[str(a) for a in args]]

    def cmd(self, *args, input=None, timeout=TIMEOUT, **kwargs):
        """Runs a command whose output ends with it; a container that lives on must not be given these pipes."""
        if input is None:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        else:
            kwargs["input"] = input
        kwargs.setdefault("env", self.env)
        return subprocess.run(self.command(*args), capture_output=True, text=True, timeout=timeout, **kwargs)

    def detached(self, *args, timeout=TIMEOUT, **kwargs):
        """Runs a command whose container goes on: its output goes to files, see output()."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("env", self.env)
        out, err = self.bundle / "stdout", self.bundle / "stderr"
        with open(out, "w") as stdout, open(err, "w") as stderr:
            result = subprocess.run(self.command(*args), stdout=stdout, stderr=stderr, timeout=timeout, **kwargs)
        result.stdout, result.stderr = out.read_text(), err.read_text()
        return result

    def output(self):
        return (self.bundle / "stdout").read_text()

    def run(self, *flags, **kwargs):
        self.write()
        return self.cmd("run", "--bundle", self.bundle, *flags, self.id, **kwargs)

    def run_detached(self, *flags, **kwargs):
        self.write()
        return self.detached("run", "--detach", "--bundle", self.bundle, *flags, self.id, **kwargs)

    def create(self, *flags, **kwargs):
        self.write()
        return self.detached("create", "--bundle", self.bundle, *flags, self.id, **kwargs)

    def start(self, **kwargs):
        return self.cmd("start", self.id, **kwargs)

    def up(self, *flags):
        """Creates and starts the container (its args must go on for a while)."""
        for result in (self.create(*flags), self.start()):
            assert result.returncode == 0, result.stderr
        return self

    def state(self):
        """The object that `state` prints, None when there is no such container."""
        result = self.cmd("state", self.id)
        return json.loads(result.stdout) if result.returncode == 0 else None

    @property
    def status(self):
        state = self.state()
        return state and state["status"]

    @property
    def pid(self):
        return self.state()["pid"]

    def wait_stopped(self):
        wait_for(lambda: self.status == "stopped", f"{self.id} to stop")

    def kill(self, *args):
        return self.cmd("kill", self.id, *args)

    def delete(self, *flags):
        return self.cmd("delete", *flags, self.id)

    def exec(self, *args, **kwargs):
        """exec with flags before the id left out: exec_flags() takes them."""
        return self.cmd("exec", self.id, *args, **kwargs)

    def exec_flags(self, flags, *args, **kwargs):
        return self.cmd("exec", *flags, self.id, *args, **kwargs)

    def sh(self, script):
        """The output of a shell script run in the container, which must succeed."""
        result = self.exec("sh", "-c", script)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def ps(self, *flags):
        return self.cmd("ps", *flags, self.id)

    def pids(self):
        """The host's pids of the container's processes."""
        result = self.ps("--format", "json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) or []

    def list(self, *args):
        return self.cmd("list", *args)

    def pause(self):
        return self.cmd("pause", self.id)

    def resume(self):
        return self.cmd("resume", self.id)

    def cgroups(self):
        """The cgroup directories of the container's first process: {controller: path}, "" is v2."""
        return cgroups_of(self.pid)

    def run_pty(self, *flags, input=b"", size=None):
        """`run` on a new terminal; returns (output, exit status). Input is typed once there is output."""
        self.write()
        return on_pty(self.command("run", "--bundle", self.bundle, *flags, self.id), input, size)


def lead_session(command):
    """As a shell does, runs the command on the session's terminal, and ends as it does. When a leader ends that still has
    the terminal, Linux throws away what the other end has not read yet."""
    status = 127
    try:
        pid = os.fork()
        if pid == 0:
            os.execvp(command[0], command)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        fcntl.ioctl(0, termios.TIOCNOTTY)
    finally:
        os._exit(status if status >= 0 else 128 - status)


def on_pty(command, input=b"", size=None, timeout=TIMEOUT):
    """Runs a command on a new terminal; returns (what it wrote, exit status)."""
    pid, master = pty.fork()
    if pid == 0:
        lead_session(command)
    if size:
        set_size(master, *size)
    output, end = b"", time.monotonic() + timeout
    typed = False
    while True:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            break
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            output += data
        if input and not typed and output:
            os.write(master, input)
            typed = True
    os.close(master)
    _, status = os.waitpid(pid, 0)
    return output.decode(errors="replace").replace("\r\n", "\n"), os.waitstatus_to_exitcode(status)


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def get_size(fd):
    return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))[:2]


def receive_fds(connection, size=65536, maximum=16):
    """One message with its file descriptors from a connected unix socket."""
    fds = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(size, socket.CMSG_SPACE(maximum * fds.itemsize))
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(value[: len(value) - len(value) % fds.itemsize])
    return data, list(fds)


class ConsoleSocket:
    """The caller's end of --console-socket: receives the master of the container's terminal."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen()
        self.socket.settimeout(TIMEOUT)
        self.master = None

    def receive(self):
        connection, _ = self.socket.accept()
        with connection:
            self.name, fds = receive_fds(connection)
        assert len(fds) == 1, f"expected one descriptor, got {fds}"
        self.master = fds[0]
        return self.master

    def read_until(self, pattern, timeout=10):
        """What the terminal says until the pattern is in it."""
        output, end = b"", time.monotonic() + timeout
        while not re.search(pattern, output):
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            try:
                data = os.read(self.master, 65536) if ready else b""
            except OSError:  # it has hung up
                data = b""
            if not data:
                raise AssertionError(f"no {pattern!r} in {output!r}")
            output += data
        return output.decode(errors="replace").replace("\r\n", "\n")

    def write(self, data):
        os.write(self.master, data)

    def close(self):
        self.socket.close()
        if self.master is not None:
            os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Holder:
    """Namespaces of our own, held by a sleeping process: ns("net") is the path of one."""

    def __init__(self, marker, *flags):
        self.process = subprocess.Popen(["unshare", "--fork", "--kill-child", *flags, "sleep", "1000"],
                                        stdin=subprocess.DEVNULL, env={**os.environ, "CELLA_TEST": marker})
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def sleeping():
            pids = children.read_text().split()
            return pids and comm(pids[0]) == "sleep" and int(pids[0])
        self.pid = wait_for(sleeping, "unshare")

    def ns(self, kind):
        return f"/proc/{self.pid}/ns/{kind}"

    def id(self, kind):
        return os.readlink(self.ns(kind))

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def has_namespace(kind):
    return os.path.exists(f"/proc/self/ns/{kind}")


def status_of(pid):
    """/proc/PID/status as {name: value}."""
    return parse_status(pathlib.Path(f"/proc/{pid}/status").read_text())


def parse_status(text):
    return dict(line.split(":\t", 1) if ":\t" in line else (line.rstrip(":"), "") for line in text.splitlines() if line)


class Mount:
    """One line of mountinfo."""

    def __init__(self, line):
        left, right = line.split(" - ", 1)
        fields = left.split()
        self.id, self.parent, _, self.root, self.point = fields[:5]
        self.options = set(fields[5].split(","))
        self.propagation = fields[6:]
        rest = right.split()
        self.type, self.source, self.super_options = rest[0], rest[1], set(rest[2].split(","))
        self.all_options = self.options | self.super_options


def parse_mounts(text):
    """{mount point: the mount on top} of a mountinfo file."""
    mounts = {}
    for line in text.splitlines():
        one = Mount(line)
        mounts[one.point] = one
    return mounts


def mounts_in(container):
    """The mounts that the container sees, from its own mountinfo; it must be one that ends at once."""
    container.config["process"]["args"] = ["cat", "/proc/self/mountinfo"]
    result = container.run()
    assert result.returncode == 0, result.stderr
    return parse_mounts(result.stdout)


def add_mount(container, destination, type="tmpfs", source="tmpfs", options=()):
    container.config["mounts"].append({"destination": str(destination), "type": type, "source": str(source),
                                       "options": list(options)})


def in_private_mounts(container, script, propagation="private"):
    """The runtime starts in a mount namespace of its own, where the script has been run."""
    container.prefix = ["unshare", "-m", "--propagation", propagation, "sh", "-ec", script + '\nexec "$@"', "sh"]


def cgroup_mounts():
    """Where the controllers are mounted here: {controller: mount point}, "" is the v2 tree."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        one = Mount(line)
        if one.type == "cgroup2":
            found.setdefault("", pathlib.Path(one.point))
        elif one.type == "cgroup":
            for option in one.super_options - {"rw", "ro"}:
                found.setdefault(option, pathlib.Path(one.point))
    return found


def cgroups_of(pid):
    mounts, found = cgroup_mounts(), {}
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in mounts:
                found[controller] = mounts[controller] / path.lstrip("/")
    return found


def layout():
    """v1, v2 or hybrid."""
    mounts = cgroup_mounts()
    if list(mounts) == [""]:
        return "v2"
    return "hybrid" if "" in mounts else "v1"


def host_mounts():
    return parse_mounts(pathlib.Path("/proc/self/mountinfo").read_text())


def our_cgroups(marker):
    found = []
    for mount in set(cgroup_mounts().values()):
        for path, names, _ in os.walk(mount):
            found += [pathlib.Path(path, name) for name in names if marker in name]
    return found


def our_processes(marker):
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            data = pathlib.Path(f"/proc/{entry}/environ").read_bytes() + pathlib.Path(f"/proc/{entry}/cgroup").read_bytes()
            data += pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
            state = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if marker.encode() in data and state != "Z":
            found.append(int(entry))
    return found


def our_mounts(marker):
    text = pathlib.Path("/proc/self/mountinfo").read_text()
    return [Mount(line).point for line in text.splitlines() if marker in line]


def leaks(marker, workdir):
    """What is left of a test, in words. A process may take a moment to go after it was killed."""
    found, end = None, time.monotonic() + 2
    while found is None or (found and time.monotonic() < end):
        found = [f"process {pid} ({comm(pid)})" for pid in our_processes(marker)]
        found += [f"cgroup {path}" for path in our_cgroups(marker)]
        found += [f"mount {point}" for point in our_mounts(marker)]
        root = workdir / "root"
        if root.is_dir():
            found += [f"file {path}" for path in root.rglob("*")]
        if found:
            time.sleep(0.02)
    return found


def remove_leaks(marker, workdir):
    """So that one bad test does not spoil the next."""
    for pid in our_processes(marker):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for point in reversed(our_mounts(marker)):
        subprocess.run(["umount", "-l", point], capture_output=True)
    for path in sorted(our_cgroups(marker), key=lambda p: -len(p.parts)):
        for _ in range(50):
            try:
                if (path / "freezer.state").exists():
                    (path / "freezer.state").write_text("THAWED")
                for sub in sorted(path.rglob("*"), key=lambda p: -len(p.parts)):
                    if sub.is_dir():
                        sub.rmdir()
                path.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)


def chown_tree(path, uid, gid):
    """Gives a tree away, symlinks themselves included."""
    os.chown(path, uid, gid, follow_symlinks=False)
    for base, dirs, files in os.walk(path):
        for name in dirs + files:
            os.chown(os.path.join(base, name), uid, gid, follow_symlinks=False)


def map_ids(container, first=100000, count=65536):
    """Gives the container a user namespace, and the root filesystem to its root."""
    add_namespace(container.config, "user")
    one = [{"containerID": 0, "hostID": first, "size": count}]
    container.config["linux"].update(uidMappings=one, gidMappings=one)
    chown_tree(container.bundle / "rootfs", first, first)
