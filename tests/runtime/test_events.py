"""events: statistics and lack of memory as lines of JSON, with the names of runc's types/events.go."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness import Container, cgroup_mounts, layout, wait_for

LAYOUT = layout()
MIB = 1 << 20


class Events:
    """A running `events`: lines() are those that it has written by now."""

    def __init__(self, container, *flags):
        self.process = subprocess.Popen(container.command("events", *flags, container.id), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.seen = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.seen.append(json.loads(line))

    def of(self, kind):
        return [event for event in self.seen if event["type"] == kind]

    def ended(self, timeout=10):
        status = self.process.wait(timeout)
        self.reader.join()
        return status, self.process.stderr.read()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()


@pytest.fixture
def events():
    made = []

    def make(container, *flags):
        made.append(Events(container, *flags))
        return made[-1]
    yield make
    for one in made:
        one.kill()


@pytest.fixture
def with_memory(box):
    """A container with a memory limit."""
    def make(*args, limit=32 * MIB):
        if "memory" not in cgroup_mounts() and LAYOUT != "v2":
            pytest.skip("no memory controller here")
        c = box(*(args or ("sleep", "1000")))
        c.config["linux"]["resources"]["memory"] = {"limit": limit, "swap": limit} if swap_is_counted() else {"limit": limit}
        return c
    return make


def swap_is_counted():
    mount = cgroup_mounts().get("memory")
    return LAYOUT == "v2" or (mount is not None and (mount / "memory.memsw.limit_in_bytes").exists())


def stats(container):
    result = container.cmd("events", "--stats", container.id)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 1
    event = json.loads(lines[0])
    assert (event["type"], event["id"], set(event)) == ("stats", container.id, {"type", "id", "data"})
    return event["data"]


def watched(one):
    """Is it past the registration, so that nothing is missed from here on? It has written by then."""
    wait_for(lambda: one.of("stats"), "the first statistics")


def test_stats_are_the_kernels(with_memory):
    c = with_memory(limit=48 * MIB)
    c.config["linux"]["resources"]["pids"] = {"limit": 23}
    c.up()
    data = stats(c)
    assert data["memory"]["usage"]["limit"] == 48 * MIB
    assert 0 < data["memory"]["usage"]["usage"] < 48 * MIB
    assert data["pids"] == {"current": 1, "limit": 23}
    assert data["cpu"]["usage"]["total"] > 0
    assert data["intel_rdt"] == {} and data["network_interfaces"] is None
    if "cpuset" in c.cgroups():
        first = (c.cgroups()["cpuset"] / "cpuset.cpus").read_text().split("-")[0].split(",")[0].strip()
        assert data["cpuset"]["cpus"][0] == int(first)
    group = c.cgroups().get("memory") or c.cgroups()[""]
    raw = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    assert set(data["memory"]["raw"]) == set(raw)


def keys_of(value, prefix=""):
    if not isinstance(value, dict):
        return set()
    return {prefix + key for key in value}.union(*(keys_of(v, f"{prefix}{key}.") for key, v in value.items()))


@pytest.mark.parametrize("name", ["runc", os.environ.get("CELLA_RUNC") or "CELLA_RUNC"])
def test_stats_have_the_keys_of_runc(with_memory, name):
    path = shutil.which(name)
    if not path:
        pytest.skip("runc is not installed" if name == "runc" else "CELLA_RUNC names no other runc")
    c = with_memory()
    c.config["linux"]["resources"]["cpu"] = {"quota": 50000, "period": 100000}
    c.up()
    mine = stats(c)
    theirs = stats(Container(path, c.bundle, c.id, c.root, c.config))
    # With a hybrid layout runc does not look into the v2 tree, which has pressure and huge pages. What Go leaves out
    # when it is 0 may be 0 in one and not in the other, a moment later.
    optional = {"psi", "hugetlb", "throttling"}
    counters = {"usage", "max", "cache", "total", "periods", "throttledPeriods", "throttledTime"}

    def compared(data):
        return {key for key in keys_of(data)
                if not optional & set(key.split(".")) and key.rsplit(".", 1)[-1] not in counters}
    assert compared(mine) == compared(theirs)
    for key in ("cpuset", "pids"):
        assert mine[key] == theirs[key]
    for kind in ("usage", "swap", "kernel", "kernelTCP"):
        assert mine["memory"].get(kind, {}).get("limit") == theirs["memory"].get(kind, {}).get("limit"), kind


def test_interval(with_memory, events):
    c = with_memory().up()
    one = events(c, "--interval", "100ms")
    wait_for(lambda: len(one.of("stats")) >= 4, "four lines")
    assert all(event["id"] == c.id for event in one.seen)
    c.kill("KILL")
    status, stderr = one.ended()
    assert status == 0, stderr


def test_the_first_line_comes_after_an_interval(with_memory, events):
    c = with_memory().up()
    one = events(c, "--interval=1h")
    time.sleep(0.3)
    assert one.seen == [] and one.process.poll() is None
    c.kill("KILL")
    assert one.ended() == (0, "")


def test_ends_with_the_container_though_it_is_not_deleted(with_memory, events):
    c = with_memory("sh", "-c", "while [ ! -e /dev/shm/go ]; do sleep 0.05; done").up()
    one = events(c, "--interval", "50ms")
    watched(one)
    c.sh("touch /dev/shm/go")
    assert one.ended() == (0, "")
    assert c.status == "stopped"


def test_oom(with_memory, events):
    """The kernel kills a process of the container; it goes on."""
    c = with_memory().up()
    one = events(c, "--interval", "100ms")
    watched(one)
    assert c.exec("sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}").returncode != 0
    wait_for(lambda: one.of("oom"), "the event")
    assert one.of("oom")[0] == {"type": "oom", "id": c.id}
    assert c.status == "running" and one.process.poll() is None
    before = len(one.of("oom"))
    assert c.exec("sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}").returncode != 0
    wait_for(lambda: len(one.of("oom")) > before, "the next one")


def test_oom_of_the_first_process_is_told_before_the_end(with_memory, events):
    script = "while [ ! -e /dev/shm/go ]; do sleep 0.05; done; x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}"
    c = with_memory("sh", "-c", script).up()
    one = events(c, "--interval", "100ms")
    watched(one)
    c.sh("touch /dev/shm/go")
    status, stderr = one.ended(timeout=20)
    assert status == 0, stderr
    assert one.of("oom")


def test_a_container_without_lack_of_memory_has_no_event(with_memory, events):
    c = with_memory().up()
    one = events(c, "--interval", "50ms")
    watched(one)
    assert c.exec("true").returncode == 0
    c.delete("--force")  # its memory group goes, which cgroup v1 tells on the same descriptor
    assert one.ended()[0] == 0
    assert not one.of("oom")


def test_created_and_paused(with_memory):
    c = with_memory()
    assert c.create().returncode == 0
    assert stats(c)["pids"]["current"] == 1
    assert c.start().returncode == 0
    assert c.pause().returncode == 0
    assert stats(c)["pids"]["current"] == 1


def test_closed_output_ends_it(with_memory):
    c = with_memory().up()
    process = subprocess.Popen(c.command("events", "--interval", "20ms", c.id), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(10) in (1, -signal.SIGPIPE)
    process.stderr.close()


@pytest.mark.parametrize("interval", ["0", "0s", "-1s", "x", "5", "1 s", ""])
def test_bad_interval(with_memory, interval):
    c = with_memory().up()
    result = c.cmd("events", f"--interval={interval}", c.id)
    assert result.returncode == 1 and "interval" in result.stderr and result.stdout == ""


@pytest.mark.parametrize("flags", [[], ["--stats"]])
def test_stopped_is_an_error(with_memory, flags):
    c = with_memory().up()
    c.kill("KILL")
    c.wait_stopped()
    result = c.cmd("events", *flags, c.id)
    assert result.returncode == 1 and "not running" in result.stderr and result.stdout == ""


def test_unknown_container(box):
    c = box()
    result = c.cmd("events", "--stats", "nobody")
    assert result.returncode == 1 and "does not exist" in result.stderr


def test_veth_pairs_are_counted_from_the_containers_side(box, workdir):
    """An embedding program's config may have them; here one is written into the state."""
    c = box("sleep", "1000").up()
    file = pathlib.Path(c.root) / c.id / "state.json"
    state = json.loads(file.read_text())
    state["config"]["networks"].append({"type": "veth", "name": "eth0", "host_interface_name": "lo"})
    file.write_text(json.dumps(state))
    interface, = stats(c)["network_interfaces"]
    assert interface["Name"] == "lo"
    assert set(interface) == {"Name", *(f"{way}{what}" for way in ("Rx", "Tx") for what in ("Bytes", "Packets", "Errors", "Dropped"))}
    assert interface["RxBytes"] <= int(pathlib.Path("/sys/class/net/lo/statistics/tx_bytes").read_text())
