"""update: limits of a container changed while it is there; each read back from its cgroup files."""
import contextlib
import ctypes
import json
import os
import pathlib
import threading

import pytest

from harness import cgroup_mounts, layout, wait_for

LAYOUT = layout()
MIB = 1 << 20


def path_of(container, controller):
    """The container's group with a controller, on any layout; skips where there is none."""
    groups = container.cgroups()
    if controller in groups:
        return groups[controller]
    if LAYOUT == "v2" and (groups[""] / f"{controller}.max").exists() | (controller in ("cpuset", "io")):
        return groups[""]
    pytest.skip(f"no {controller} controller here")


def read(container, controller, v1, v2):
    """The content of a file of the container's group: by its v1 or its v2 name."""
    path = path_of(container, controller)
    name = v1 if controller in container.cgroups() else v2
    if name is None or not (path / name).exists():
        pytest.skip(f"no {name or v1} here")
    return (path / name).read_text().strip()


def update(container, *flags, **kwargs):
    return container.cmd("update", *flags, container.id, **kwargs)


def must_update(container, *flags, **kwargs):
    result = update(container, *flags, **kwargs)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    return result


def state_of(container):
    return json.loads((pathlib.Path(container.root) / container.id / "state.json").read_text())


def kept(container):
    """The resources that state.json has: what a later update, and runc, start from."""
    return state_of(container)["config"]["cgroups"]


def swap_is_counted():
    mount = cgroup_mounts().get("memory")
    return LAYOUT == "v2" or (mount is not None and (mount / "memory.memsw.limit_in_bytes").exists())


@pytest.fixture
def sleeper(box):
    def make(**kinds):
        c = box("sleep", "1000")
        c.config["linux"]["resources"].update(kinds)
        return c.up()
    return make


def weight_of(shares):
    """cpu.weight of v2."""
    return {512: "59", 2048: "174"}[shares]


@pytest.mark.parametrize("flag, value, controller, v1, v2, expected, key, number", [
    ("--memory", "48m", "memory", "memory.limit_in_bytes", "memory.max", str(48 * MIB), "memory", 48 * MIB),
    ("--memory", "33554432", "memory", "memory.limit_in_bytes", "memory.max", "33554432", "memory", 33554432),
    ("--memory-reservation", "16 MiB", "memory", "memory.soft_limit_in_bytes", "memory.low", str(16 * MIB), "memory_reservation", 16 * MIB),
    ("--pids-limit", "17", "pids", "pids.max", "pids.max", "17", "pids_limit", 17),
    ("--pids-limit", "-1", "pids", "pids.max", "pids.max", "max", "pids_limit", -1),
    ("--cpuset-cpus", "0", "cpuset", "cpuset.cpus", "cpuset.cpus", "0", "cpuset_cpus", "0"),
    ("--cpuset-mems", "0", "cpuset", "cpuset.mems", "cpuset.mems", "0", "cpuset_mems", "0"),
    ("--cpu-period", "50000", "cpu", "cpu.cfs_period_us", None, "50000", "cpu_period", 50000),
    ("--cpu-quota", "25000", "cpu", "cpu.cfs_quota_us", None, "25000", "cpu_quota", 25000),
    ("--cpu-quota", "-1", "cpu", "cpu.cfs_quota_us", "cpu.max", {"v1": "-1", "v2": "max 100000"}, "cpu_quota", -1),
    ("--cpu-idle", "1", "cpu", "cpu.idle", "cpu.idle", "1", "cpu_idle", 1),
    ("--cpu-rt-period", "500000", "cpu", "cpu.rt_period_us", None, "500000", "cpu_rt_period", 500000),
    ("--blkio-weight", "300", "blkio", "blkio.bfq.weight", None, "300", "blkio_weight", 300),
])
def test_flag(sleeper, flag, value, controller, v1, v2, expected, key, number):
    c = sleeper()
    read(c, controller, v1, v2)  # skips where it is not there
    must_update(c, flag, value)
    if isinstance(expected, dict):
        expected = expected["v1" if controller in c.cgroups() else "v2"]
    assert read(c, controller, v1, v2) == expected
    assert kept(c)[key] == number


def test_cpu_share(sleeper):
    c = sleeper(cpu={"shares": 512})
    assert read(c, "cpu", "cpu.shares", "cpu.weight") in ("512", weight_of(512))
    must_update(c, "--cpu-share", "2048")
    assert read(c, "cpu", "cpu.shares", "cpu.weight") in ("2048", weight_of(2048))
    assert kept(c)["cpu_shares"] == 2048


def test_cpu_quota_keeps_the_period_and_the_other_way_round(sleeper):
    c = sleeper(cpu={"quota": 50000, "period": 200000})

    def both():
        if "cpu" in c.cgroups():
            return read(c, "cpu", "cpu.cfs_quota_us", None) + " " + read(c, "cpu", "cpu.cfs_period_us", None)
        return read(c, "cpu", None, "cpu.max")
    must_update(c, "--cpu-quota", "60000")
    assert both() == "60000 200000"
    must_update(c, "--cpu-period", "100000")
    assert both() == "60000 100000"


def test_cpu_burst(sleeper):
    c = sleeper(cpu={"quota": 50000, "period": 100000})
    assert read(c, "cpu", "cpu.cfs_burst_us", "cpu.max.burst") == "0"
    must_update(c, "--cpu-burst", "10000")
    assert read(c, "cpu", "cpu.cfs_burst_us", "cpu.max.burst") == "10000"
    # Both in one go: more burst than the quota of before allows.
    must_update(c, "--cpu-burst", "70000", "--cpu-quota", "80000")
    assert read(c, "cpu", "cpu.cfs_burst_us", "cpu.max.burst") == "70000"


def test_idle_and_shares(sleeper):
    c = sleeper(cpu={"shares": 512})
    read(c, "cpu", "cpu.idle", "cpu.idle")
    must_update(c, "--cpu-idle", "1")
    must_update(c, "--pids-limit", "40")  # does not stumble over the shares that it was made with
    refused = update(c, "--cpu-share", "2048")
    assert refused.returncode == 1 and "cpu.shares" in refused.stderr and "idle" in refused.stderr
    must_update(c, "--cpu-idle", "0", "--cpu-share", "2048")
    assert read(c, "cpu", "cpu.shares", "cpu.weight") in ("2048", weight_of(2048))


@pytest.mark.parametrize("steps", [
    [("64m", "128m"), ("256m", "300m"), ("32m", "40m"), ("40m", "40m")],  # made, raised, cut, swap forbidden
    [("64m", "64m"), ("128m", "128m"), ("16m", "-1"), ("-1", None), ("32m", "64m")],
], ids=["limits", "unlimited"])
def test_memory_and_swap_in_the_right_order(sleeper, steps):
    """Each bounds the other: a raise begins with one, a cut with the other."""
    if not swap_is_counted():
        pytest.skip("this kernel does not account for swap")
    number = {"m": MIB}
    c = sleeper()
    path_of(c, "memory")
    for memory, swap in steps:
        must_update(c, "--memory", memory, *(["--memory-swap", swap] if swap else []))
        bytes_of = lambda text: -1 if text in ("-1", None) else int(text[:-1]) * number[text[-1]]
        m, s = bytes_of(memory), bytes_of(swap)
        if "memory" in c.cgroups():
            show = lambda value: 9223372036854771712 if value < 0 else value
            assert int(read(c, "memory", "memory.limit_in_bytes", None)) == show(m)
            assert int(read(c, "memory", "memory.memsw.limit_in_bytes", None)) == show(s)
        else:
            show = lambda value: "max" if value < 0 else str(value)
            assert read(c, "memory", None, "memory.max") == show(m)
            assert read(c, "memory", None, "memory.swap.max") == show(s - m if s >= 0 else -1)


def test_memory_above_swap_is_refused_with_both_numbers(sleeper):
    if not swap_is_counted():
        pytest.skip("this kernel does not account for swap")
    c = sleeper(memory={"limit": 64 * MIB, "swap": 96 * MIB})
    before = read(c, "memory", "memory.limit_in_bytes", "memory.max")
    result = update(c, "--memory", "128m")
    assert result.returncode == 1 and "memory" in result.stderr and "swap" in result.stderr
    assert read(c, "memory", "memory.limit_in_bytes", "memory.max") == before
    assert kept(c)["memory"] == 64 * MIB


def test_refused_value_takes_the_others_back(sleeper):
    c = sleeper(memory={"limit": 64 * MIB}, pids={"limit": 30})
    path_of(c, "cpuset")
    before = [read(c, *where) for where in (("memory", "memory.limit_in_bytes", "memory.max"), ("pids", "pids.max", "pids.max"))]
    state = state_of(c)
    # The kernel has no such CPU; on v1 it is written first, on v2 last.
    bad = {"memory": {"limit": 32 * MIB}, "pids": {"limit": 20}, "cpu": {"cpus": "4000"}}
    result = update(c, "--resources", "-", input=json.dumps(bad))
    assert result.returncode == 1 and "linux.resources.cpu.cpus" in result.stderr and c.id in result.stderr
    # And one that is last on v1, too.
    if "cpu" in c.cgroups():
        result = update(c, "--memory", "32m", "--cpu-share", "999999999")
        assert result.returncode == 1 and "cpu.shares" in result.stderr
        assert read(c, "cpu", "cpu.shares", None) == "1024"
    after = [read(c, *where) for where in (("memory", "memory.limit_in_bytes", "memory.max"), ("pids", "pids.max", "pids.max"))]
    assert before == after
    assert state_of(c) == state
    assert sorted(p.name for p in (pathlib.Path(c.root) / c.id).iterdir()) == ["state.json"]


def test_limit_below_what_is_in_use(box):
    c = box("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=24 2>/dev/null && echo full && sleep 1000")
    c.config["linux"]["resources"]["memory"] = {"limit": 64 * MIB, "checkBeforeUpdate": True}
    c.up()
    wait_for(lambda: "full" in c.output(), "24 MiB")
    # Not reclaimable without swap; where there is some, it may go there.
    if any(line for line in pathlib.Path("/proc/swaps").read_text().splitlines()[1:]):
        pytest.skip("this machine swaps")
    result = update(c, "--memory", "8m")
    assert result.returncode == 1 and "memory" in result.stderr and "usage" in result.stderr
    assert read(c, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert c.status == "running"


# --- --resources

def test_resources_from_a_file_and_from_standard_input(sleeper, workdir):
    c = sleeper()
    file = workdir / "resources.json"
    file.write_text(json.dumps({"memory": {"limit": 48 * MIB}, "pids": {"limit": 21}}))
    must_update(c, "--resources", file)
    assert read(c, "memory", "memory.limit_in_bytes", "memory.max") == str(48 * MIB)
    assert read(c, "pids", "pids.max", "pids.max") == "21"
    must_update(c, "--resources=-", input=json.dumps({"pids": {"limit": 22}}))
    assert read(c, "pids", "pids.max", "pids.max") == "22"
    assert read(c, "memory", "memory.limit_in_bytes", "memory.max") == str(48 * MIB), "what is absent stays"
    must_update(c, "-r", "-", input="{}")
    assert kept(c)["memory"] == 48 * MIB and kept(c)["pids_limit"] == 22


def test_resources_are_validated_with_pointers(sleeper):
    c = sleeper()
    bad = {"memory": {"limit": "much"}, "cpu": {"cpus": "x"}, "blockIO": {"weight": 5}}
    result = update(c, "-r", "-", input=json.dumps(bad))
    assert result.returncode == 1
    for pointer in ("/memory/limit", "/cpu/cpus", "/blockIO/weight"):
        assert pointer in result.stderr
    assert update(c, "-r", "-", input="{").returncode == 1
    assert update(c, "-r", "/no/such/file").returncode == 1


def test_resources_of_unknown_members_are_told(sleeper):
    result = must_update(sleeper(), "-r", "-", input='{"memory":{"size":1}}')
    assert "/memory/size" in result.stderr


def test_unified(sleeper):
    c = sleeper()
    result = update(c, "-r", "-", input=json.dumps({"unified": {"pids.max": "19"}}))
    if LAYOUT == "v2":
        assert result.returncode == 0, result.stderr
        assert read(c, "pids", None, "pids.max") == "19"
    else:  # the v2 tree, where there is one, has no such controller
        assert result.returncode == 1 and "pids" in result.stderr
        assert "unified" not in kept(c)


def block_device():
    for disk in sorted(pathlib.Path("/sys/block").iterdir()):
        if not disk.name.startswith(("loop", "ram", "zram")):
            return tuple(map(int, (disk / "dev").read_text().split(":")))
    pytest.skip("no block device here")


def test_throttles_by_device(sleeper):
    major, minor = block_device()
    c = sleeper()
    v1 = "blkio" in c.cgroups()
    path = c.cgroups()["blkio"] if v1 else c.cgroups()[""]
    names = {"throttleReadBpsDevice": "blkio.throttle.read_bps_device", "throttleWriteIOPSDevice": "blkio.throttle.write_iops_device"}
    if not (path / (names["throttleReadBpsDevice"] if v1 else "io.max")).exists():
        pytest.skip("no block I/O throttling here")

    def rule(key, rate):
        return {"blockIO": {key: [{"major": major, "minor": minor, "rate": rate}]}}

    def lines(key, v2_key):
        if v1:
            return dict(line.split() for line in (path / names[key]).read_text().splitlines())
        found = {}
        for line in (path / "io.max").read_text().splitlines():
            device, *limits = line.split()
            found[device] = dict(limit.split("=") for limit in limits)[v2_key]
        return found
    device = f"{major}:{minor}"
    must_update(c, "-r", "-", input=json.dumps(rule("throttleReadBpsDevice", 1048576)))
    must_update(c, "-r", "-", input=json.dumps(rule("throttleWriteIOPSDevice", 100)))
    assert lines("throttleReadBpsDevice", "rbps")[device] == "1048576"
    assert lines("throttleWriteIOPSDevice", "wiops")[device] == "100"
    # Changed, not doubled; and a refused update puts the old one back, or takes out what was not there.
    must_update(c, "-r", "-", input=json.dumps(rule("throttleReadBpsDevice", 2097152)))
    assert len(kept(c)["blkio_throttle_read_bps_device"]) == 1
    bad = {**rule("throttleReadBpsDevice", 4096), "hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}
    result = update(c, "-r", "-", input=json.dumps(bad))
    assert result.returncode == 1 and "hugetlb" in result.stderr
    assert lines("throttleReadBpsDevice", "rbps")[device] == "2097152"
    must_update(c, "-r", "-", input=json.dumps(rule("throttleReadBpsDevice", 0)))
    assert lines("throttleReadBpsDevice", "rbps").get(device, "max") == "max"


def test_devices_are_left_alone_unless_given(sleeper):
    c = sleeper()
    devices = c.cgroups().get("devices")
    if devices is None:
        pytest.skip("no v1 device controller here, whose list can be read back")
    (devices / "devices.allow").write_text("c 10:229 rw")  # somebody else's: a GPU's plugin
    must_update(c, "--pids-limit", "30")
    # containerd sends the config's own rules with every update.
    same = {"devices": c.config["linux"]["resources"]["devices"], "pids": {"limit": 31}}
    must_update(c, "-r", "-", input=json.dumps(same))
    assert "c 10:229 rw" in (devices / "devices.list").read_text()
    other = {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "rw"},
                         {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]}
    must_update(c, "-r", "-", input=json.dumps(other))
    listed = (devices / "devices.list").read_text().splitlines()
    assert "c 1:11 r" in listed and "c 1:3 rwm" in listed and "c 10:229 rw" not in listed


# --- when

def test_created(box):
    c = box("sleep", "1000")
    assert c.create().returncode == 0
    must_update(c, "--pids-limit", "18")
    assert read(c, "pids", "pids.max", "pids.max") == "18"
    assert c.status == "created"
    assert c.start().returncode == 0
    assert read(c, "pids", "pids.max", "pids.max") == "18"


def test_paused_stays_paused(sleeper):
    c = sleeper()
    assert c.pause().returncode == 0
    must_update(c, "--pids-limit", "18", "--memory", "64m", "--cpuset-cpus", "0")
    assert read(c, "pids", "pids.max", "pids.max") == "18"
    assert c.status == "paused"
    assert c.resume().returncode == 0
    assert c.status == "running"


def test_stopped_is_an_error(sleeper):
    c = sleeper()
    c.kill("KILL")
    c.wait_stopped()
    result = update(c, "--pids-limit", "18")
    assert result.returncode == 1 and "container not running" in result.stderr


def test_unknown_container(sleeper):
    c = sleeper()
    result = c.cmd("update", "--pids-limit", "3", "nobody")
    assert result.returncode == 1 and "does not exist" in result.stderr


def test_two_updates_at_once_lose_nothing(sleeper):
    c = sleeper()
    path_of(c, "memory")
    flags = [("--pids-limit", "41"), ("--memory", "70m"), ("--memory-reservation", "20m"), ("--cpuset-cpus", "0")] * 3
    results = []
    threads = [threading.Thread(target=lambda f=f: results.append(update(c, *f))) for f in flags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.stderr for r in results if r.returncode != 0] == []
    have = kept(c)
    assert (have["pids_limit"], have["memory"], have["memory_reservation"], have["cpuset_cpus"]) == (41, 70 * MIB, 20 * MIB, "0")


def test_nothing_asked_for(sleeper):
    c = sleeper(pids={"limit": 30})
    must_update(c)
    assert read(c, "pids", "pids.max", "pids.max") == "30"


# --- the command line

@pytest.mark.parametrize("flag, value", [
    ("--memory", "12x"), ("--memory", "-5"), ("--memory-swap", "1.2.3"), ("--memory-reservation", "m"),
    ("--kernel-memory", "x"), ("--pids-limit", "many"), ("--pids-limit", "-2"), ("--cpu-share", "-1"),
    ("--cpu-quota", "1e3"), ("--cpu-period", "0.5"), ("--cpu-idle", "-1"), ("--blkio-weight", "5"),
    ("--blkio-weight", "70000"), ("--cpuset-cpus", "a"), ("--cpuset-mems", "0;1"), ("--cpu-burst", " 5"),
    ("--cpu-rt-runtime", "-7"),
])
def test_bad_value_names_the_flag(sleeper, flag, value):
    c = sleeper()
    before = state_of(c)
    result = update(c, f"{flag}={value}")
    assert result.returncode == 1 and f"flag {flag}" in result.stderr and value.strip() in result.stderr
    assert state_of(c) == before


def test_resources_and_limits_together_are_refused(sleeper):
    result = update(sleeper(), "-r", "-", "--memory", "10m", input="{}")
    assert result.returncode == 1 and "--resources" in result.stderr


def test_kernel_memory_is_accepted_with_a_warning(sleeper):
    c = sleeper()
    assert "--kernel-memory" in must_update(c, "--kernel-memory", "10m").stderr
    assert "kernel-memory" not in c.cmd("update", "--help").stdout


def test_kernel_memory_of_tcp(sleeper):
    c = sleeper()
    if "memory" in c.cgroups():
        must_update(c, "--kernel-memory-tcp", "10m")
        assert read(c, "memory", "memory.kmem.tcp.limit_in_bytes", None) == str(10 * MIB)
    else:
        result = update(c, "--kernel-memory-tcp", "10m")
        assert result.returncode == 1 and "kernelTCP" in result.stderr


@pytest.mark.parametrize("flag, value", [("--l3-cache-schema", "L3:0=f"), ("--mem-bw-schema", "MB:0=20")])
def test_intel_rdt_without_the_hardware_is_refused(sleeper, flag, value):
    if os.path.isdir("/sys/fs/resctrl/info"):
        pytest.skip("this machine has Intel RDT")
    c = sleeper()
    result = update(c, flag, value)
    assert result.returncode == 1 and "Rdt" in result.stderr or "RDT" in result.stderr
    assert "intel_rdt" not in state_of(c)["config"]
