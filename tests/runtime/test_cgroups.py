"""cgroups: made, joined, limited, frozen and removed; read back from the kernel, whichever layout it has."""
import os
import pathlib

import pytest

from harness import cgroup_mounts, cgroups_of, comm, layout, our_cgroups, wait_for

LAYOUT = layout()


def resources(container, **kinds):
    container.config["linux"]["resources"].update(kinds)


def value(container, v1, v2):
    """The content of a control file: "controller/file" of v1, file of v2."""
    groups = container.cgroups()
    if v1:
        controller, name = v1.split("/")
        if controller in groups:
            return (groups[controller] / name).read_text().strip()
    if v2 and LAYOUT == "v2":
        path = groups[""] / v2
        if path.exists():
            return path.read_text().strip()
    pytest.skip(f"no controller for {v1 or v2} here")


@pytest.fixture
def sleeper(box):
    def make(**kinds):
        c = box("sleep", "1000")
        resources(c, **kinds)
        return c.up()
    return make


def test_made_and_joined(box):
    c = box("sleep", "1000").up()
    groups = c.cgroups()
    ours = {k: p for k, p in groups.items() if c.id in str(p)}
    assert "memory" in ours or LAYOUT == "v2", groups
    for controller, path in ours.items():
        assert str(c.pid) in (path / "cgroup.procs").read_text().split(), controller
    assert set(groups) == set(cgroup_mounts()), "one place in every hierarchy"


def test_removed(box, test_id):
    c = box("sleep", "1000").up()
    assert our_cgroups(test_id)
    c.delete("--force")
    assert not our_cgroups(test_id)


@pytest.mark.parametrize("prefix", ["/", ""])
def test_cgroups_path(box, test_id, prefix):
    c = box("sleep", "1000")
    c.config["linux"]["cgroupsPath"] = f"{prefix}{test_id}-parent/inner"
    c.up()
    controller = "" if LAYOUT == "v2" else "memory"
    path = c.cgroups()[controller]
    assert path.parts[-2:] == (f"{test_id}-parent", "inner")
    if prefix:
        assert path.parent.parent == cgroup_mounts()[controller]
    c.delete("--force")
    assert not path.exists()
    for left in our_cgroups(test_id):  # the parent is the caller's, and its own to remove
        assert left.name == f"{test_id}-parent"
        left.rmdir()


def test_memory_limit(sleeper):
    assert value(sleeper(memory={"limit": 64 << 20}), "memory/memory.limit_in_bytes", "memory.max") == str(64 << 20)


def test_memory_reservation(sleeper):
    assert value(sleeper(memory={"limit": 64 << 20, "reservation": 32 << 20}), "memory/memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)


def test_memory_swap(sleeper):
    here = cgroup_mounts().get("memory")
    if here and not (here / "memory.memsw.limit_in_bytes").exists():
        pytest.skip("this kernel does not account for swap")
    c = sleeper(memory={"limit": 64 << 20, "swap": 96 << 20})
    if LAYOUT == "v2":
        assert value(c, None, "memory.swap.max") == str(32 << 20)
    else:
        assert value(c, "memory/memory.memsw.limit_in_bytes", None) == str(96 << 20)


def test_memory_kernel_tcp(sleeper):
    """Unlike memory.kernel, this limit is still there on v1."""
    here = cgroup_mounts().get("memory")
    if not here or not (here / "memory.kmem.tcp.limit_in_bytes").exists():
        pytest.skip("this kernel has no limit of TCP buffers by cgroup")
    c = sleeper(memory={"limit": 64 << 20, "kernelTCP": 32 << 20})
    assert value(c, "memory/memory.kmem.tcp.limit_in_bytes", None) == str(32 << 20)


def test_memory_kernel_is_named_when_it_is_ignored(box):
    c = box("true")
    resources(c, memory={"limit": 64 << 20, "kernel": 32 << 20})
    result = c.run()
    assert result.returncode == 0
    assert "/linux/resources/memory/kernel: is ignored" in result.stderr


def test_memory_limit_is_enforced(box):
    c = box("sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}")
    resources(c, memory={"limit": 16 << 20, "swap": 16 << 20} if (cgroup_mounts().get("memory", pathlib.Path("/")) / "memory.memsw.limit_in_bytes").exists() else {"limit": 16 << 20})
    if not {"memory"} & set(cgroup_mounts()) and LAYOUT != "v2":
        pytest.skip("no memory controller here")
    result = c.run()
    assert result.returncode != 0 and "60000000" not in result.stdout


def test_cpu_shares(sleeper):
    c = sleeper(cpu={"shares": 512})
    if LAYOUT == "v2":
        assert 1 < int(value(c, None, "cpu.weight")) < 100
    else:
        assert value(c, "cpu/cpu.shares", None) == "512"


def test_cpu_quota(sleeper):
    c = sleeper(cpu={"quota": 50000, "period": 100000})
    if LAYOUT == "v2":
        assert value(c, None, "cpu.max") == "50000 100000"
    else:
        if not (cgroup_mounts()["cpu"] / "cpu.cfs_quota_us").exists() and not (c.cgroups()["cpu"] / "cpu.cfs_quota_us").exists():
            pytest.skip("this kernel has no CPU bandwidth control")
        assert (value(c, "cpu/cpu.cfs_quota_us", None), value(c, "cpu/cpu.cfs_period_us", None)) == ("50000", "100000")


def test_cpuset(sleeper):
    cpu = min(os.sched_getaffinity(0))
    assert value(sleeper(cpu={"cpus": str(cpu), "mems": "0"}), "cpuset/cpuset.cpus", "cpuset.cpus") == str(cpu)


def test_cpuset_reaches_the_process(sleeper):
    if "cpuset" not in cgroup_mounts() and LAYOUT != "v2":
        pytest.skip("no cpuset controller here")
    cpu = max(os.sched_getaffinity(0))
    c = sleeper(cpu={"cpus": str(cpu)})
    assert os.sched_getaffinity(c.pid) == {cpu}


def test_pids_limit(sleeper):
    c = sleeper(pids={"limit": 12})
    assert value(c, "pids/pids.max", "pids.max") == "12"


def test_pids_limit_is_enforced(box):
    if "pids" not in cgroup_mounts() and LAYOUT != "v2":
        pytest.skip("no pids controller here")
    c = box("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; echo all")
    resources(c, pids={"limit": 4})
    result = c.run()
    assert "all" not in result.stdout and "fork" in result.stderr.lower()


@pytest.mark.parametrize("limit", [-1])
def test_pids_unlimited(sleeper, limit):
    assert value(sleeper(pids={"limit": limit}), "pids/pids.max", "pids.max") == "max"


def test_blkio_weight(sleeper):
    if not any((m / name).exists() for m in cgroup_mounts().values() for name in ("blkio.weight", "blkio.bfq.weight")):
        pytest.skip("no block device scheduler with weights here")
    c = sleeper(blockIO={"weight": 300})
    groups = c.cgroups()["blkio"]
    assert any((groups / n).exists() and "300" in (groups / n).read_text() for n in ("blkio.weight", "blkio.bfq.weight"))


def test_bad_value_is_an_error(box):
    if "cpuset" not in cgroup_mounts() and LAYOUT != "v2":
        pytest.skip("no cpuset controller here")
    c = box("true")
    resources(c, cpu={"cpus": "4000"})
    result = c.run()
    assert result.returncode == 1 and "cpus" in result.stderr


def test_unified_on_v1_is_refused_or_v2_is_set(box):
    c = box("sleep", "1000")
    resources(c, unified={"pids.max": "9"})
    result = c.create()
    if LAYOUT == "v2":
        assert value(c, None, "pids.max") == "9"
    elif LAYOUT == "v1":
        assert result.returncode == 1


def test_device_is_denied(box):
    c = box("head", "-c", "1", "/dev/mine")
    c.config["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}]
    resources(c, devices=[{"allow": False, "access": "rwm"}, {"allow": False, "type": "c", "major": 1, "minor": 5, "access": "rw"}])
    allowed = box("head", "-c", "1", "/dev/zero").run()
    assert allowed.returncode == 0, "a default device is always allowed"
    c.config["linux"]["devices"][0].update(major=10, minor=229)  # fuse
    resources(c, devices=[{"allow": False, "access": "rwm"}])
    if not _devices_are_controlled():
        pytest.skip("no device controller here")
    c.config["process"]["args"] = ["sh", "-c", "mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg"]
    c.config["process"]["capabilities"] = {k: ["CAP_MKNOD", "CAP_SYSLOG"] for k in ("bounding", "permitted", "effective")}
    c.config["root"]["readonly"] = False
    result = c.run()
    assert result.returncode == 1 and "Operation not permitted" in result.stderr


def _devices_are_controlled():
    return "devices" in cgroup_mounts() or LAYOUT == "v2"


def test_device_allow_rule(box):
    if not _devices_are_controlled():
        pytest.skip("no device controller here")
    c = box("sh", "-c", "mknod /tmp/mem c 1 1 && cat </tmp/mem >/dev/null; echo $?; mknod /tmp/kmsg c 1 11 && : </tmp/kmsg; echo $?")
    caps = ["CAP_MKNOD", "CAP_SYSLOG", "CAP_SYS_RAWIO"]
    c.config["process"]["capabilities"] = {k: caps for k in ("bounding", "permitted", "effective")}
    c.config["root"]["readonly"] = False
    resources(c, devices=[{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rm"}])
    result = c.run()
    assert result.stdout.split()[-1] == "0", result.stderr
    assert result.stdout.split()[0] != "0"


def test_device_list_read_back(box):
    c = box("sleep", "1000").up()
    if "devices" not in c.cgroups():
        pytest.skip("no v1 device controller here")
    lines = set((c.cgroups()["devices"] / "devices.list").read_text().splitlines())
    assert "a *:* rwm" not in lines
    assert {"c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"} <= lines
    assert {"c *:* m", "b *:* m"} <= lines


def test_pause_freezes_every_process(box):
    c = box("sh", "-c", "sleep 1000 & sleep 1000 & wait").up()
    wait_for(lambda: len(c.pids()) == 3, "three processes")
    assert c.pause().returncode == 0
    groups = c.cgroups()

    def frozen():
        """Through either freezer: where both are there, the runtime may choose."""
        states = []
        if "freezer" in groups:
            states.append((groups["freezer"] / "freezer.state").read_text().strip() == "FROZEN")
        if "" in groups and (groups[""] / "cgroup.events").exists():
            states.append("frozen 1" in (groups[""] / "cgroup.events").read_text())
        return any(states)
    assert frozen()
    assert c.resume().returncode == 0
    assert not frozen()


def test_exec_joins_every_cgroup(box):
    c = box("sleep", "1000").up()
    file = c.bundle / "pid"
    c.detached("exec", "--detach", "--pid-file", file, c.id, "sleep", "1000")
    assert cgroups_of(int(file.read_text())) == c.cgroups()


def test_grandchildren_are_killed_with_it(box):
    """Whatever a container without a pid namespace has started goes with `delete --force`."""
    c = box("sh", "-c", "(sleep 1000 & sleep 1000 &) ; sleep 1000")
    c.config["linux"]["namespaces"] = [n for n in c.config["linux"]["namespaces"] if n["type"] != "pid"]
    c.up()
    wait_for(lambda: len(c.pids()) >= 3, "its children")
    pids = c.pids()
    assert c.delete("--force").returncode == 0
    wait_for(lambda: not any(comm(p) == "sleep" for p in pids), "them to go")


def test_sub_cgroups_made_by_the_container_are_removed(box, test_id):
    c = box("sleep", "1000").up()
    for path in set(c.cgroups().values()):
        if test_id in str(path):
            (path / "a").mkdir()
            (path / "a/b").mkdir()
    assert c.delete("--force").returncode == 0
    assert not our_cgroups(test_id)


def test_cgroup_that_a_process_was_moved_to_is_left(box, test_id):
    """delete removes what create made, and nothing else."""
    here = cgroup_mounts().get("pids") or cgroup_mounts()[""]
    other = here / f"{test_id}-other"
    other.mkdir()
    try:
        c = box("true")
        c.create()
        (other / "cgroup.procs").write_text(str(c.pid))
        assert c.start().returncode == 0
        c.wait_stopped()
        assert c.delete().returncode == 0
        assert our_cgroups(test_id) == [other]
    finally:
        other.rmdir()


def test_small_memory_limit(box):
    """A container with 512 KiB starts: what waits inside is small enough."""
    if "memory" not in cgroup_mounts() and LAYOUT != "v2":
        pytest.skip("no memory controller here")
    c = box("/bin/true")
    resources(c, memory={"limit": 512 << 10})
    result = c.run()
    assert result.returncode == 0, result.stderr
