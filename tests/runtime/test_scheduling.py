"""Who runs when and where: process.scheduler, ioPriority and execCPUAffinity, read back from the kernel inside."""
import json
import os
import pathlib
import struct
import subprocess

import pytest

from harness import cgroup_mounts

POLICIES = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
            "SCHED_DEADLINE": 6}
FLAGS = {"RESET_ON_FORK": 1, "RECLAIM": 2, "DL_OVERRUN": 4, "KEEP_POLICY": 8, "KEEP_PARAMS": 16, "UTIL_CLAMP_MIN": 32,
         "UTIL_CLAMP_MAX": 64}

# Prints struct sched_attr without its size, and what ioprio_get(2) gives.
READ = """
import ctypes, platform, struct
libc = ctypes.CDLL(None, use_errno=True)
getattr_, ioprio = {"x86_64": (315, 252), "aarch64": (275, 31)}[platform.machine()]
attr = ctypes.create_string_buffer(56)
if libc.syscall(getattr_, 0, attr, 56, 0) != 0: raise OSError(ctypes.get_errno(), "sched_getattr")
print(*struct.unpack("IIQiIQQQII", attr.raw)[1:8], libc.syscall(ioprio, 1, 0))
"""


def scheduler(policy, *flags, **more):
    return {"policy": policy, **({"flags": [f"SCHED_FLAG_{f}" for f in flags]} if flags else {}), **more}


def decoded(text):
    policy, flags, nice, priority, runtime, deadline, period, ioprio = (int(word) for word in text.split())
    return {"policy": policy, "flags": flags, "nice": nice, "priority": priority, "runtime": runtime, "deadline": deadline,
            "period": period, "ioprio": (ioprio >> 13, ioprio & 7)}


def real_time(config):
    """A share of real time for the container's cpu cgroup, where the kernel keeps one (CONFIG_RT_GROUP_SCHED)."""
    if "cpu" in cgroup_mounts() and (cgroup_mounts()["cpu"] / "cpu.rt_runtime_us").exists():
        config["linux"]["resources"]["cpu"] = {"realtimeRuntime": 10000, "realtimePeriod": 1000000}


def may_schedule(policy, nice=0, priority=0, flags=0, deadline=0):
    """Does the kernel let this very process do so?"""
    attr = struct.pack("IIQiIQQQII", 56, policy, flags, nice, priority, deadline // 10, deadline, deadline, 0, 0)
    source = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall({314 if os.uname().machine == 'x86_64' else 274}, 0, {attr!r}, 0) != 0)"
    return subprocess.run(["/usr/bin/python3", "-c", source]).returncode == 0


@pytest.fixture
def seen(in_debian):
    """What a process so scheduled finds."""
    def run(wanted, change=lambda config: None, **process):
        def configure(config):
            config["process"].update(scheduler=wanted, **process)
            change(config)
        result = in_debian(READ, configure)
        assert result.returncode == 0, result.stderr
        return decoded(result.stdout)
    return run


@pytest.mark.parametrize("policy", ["SCHED_OTHER", "SCHED_BATCH"])
@pytest.mark.parametrize("nice", [0, 7, -7, 19])
def test_fair_policies(seen, policy, nice):
    if not may_schedule(POLICIES[policy], nice=nice):
        pytest.skip("this machine's root lacks CAP_SYS_NICE")
    attributes = seen(scheduler(policy, nice=nice))
    assert (attributes["policy"], attributes["nice"], attributes["flags"]) == (POLICIES[policy], nice, 0)


def test_idle(seen):
    assert seen(scheduler("SCHED_IDLE"))["policy"] == POLICIES["SCHED_IDLE"]


@pytest.mark.parametrize("policy", ["SCHED_FIFO", "SCHED_RR"])
@pytest.mark.parametrize("priority", [1, 99])
def test_real_time_policies(seen, policy, priority):
    if not may_schedule(POLICIES[policy], priority=priority):
        pytest.skip("this machine lets nobody have a real-time policy")
    attributes = seen(scheduler(policy, priority=priority), real_time)
    assert (attributes["policy"], attributes["priority"], attributes["nice"]) == (POLICIES[policy], priority, 0)


def test_real_time_without_a_share_of_it_says_so(box):
    if "cpu" not in cgroup_mounts() or not (cgroup_mounts()["cpu"] / "cpu.rt_runtime_us").exists():
        pytest.skip("only the cpu controller of cgroup v1 with CONFIG_RT_GROUP_SCHED keeps shares")
    c = box("true")
    c.config["process"]["scheduler"] = scheduler("SCHED_FIFO", priority=5)
    result = c.run()
    assert result.returncode == 1
    assert "setting the scheduler SCHED_FIFO, priority 5: operation not permitted" in result.stderr, result.stderr


@pytest.mark.parametrize("flags", [[], ["RESET_ON_FORK"], ["RECLAIM", "DL_OVERRUN"]])
def test_deadline(seen, flags):
    if not may_schedule(POLICIES["SCHED_DEADLINE"], deadline=10**7):
        pytest.skip("this machine lets nobody have SCHED_DEADLINE")
    attributes = seen(scheduler("SCHED_DEADLINE", *flags, runtime=10**6, deadline=10**7, period=2 * 10**7))
    assert attributes["policy"] == POLICIES["SCHED_DEADLINE"]
    assert [attributes[name] for name in ("runtime", "deadline", "period")] == [10**6, 10**7, 2 * 10**7]
    assert attributes["flags"] == sum(FLAGS[flag] for flag in flags)


def test_deadline_without_a_period(seen):
    if not may_schedule(POLICIES["SCHED_DEADLINE"], deadline=10**7):
        pytest.skip("this machine lets nobody have SCHED_DEADLINE")
    assert seen(scheduler("SCHED_DEADLINE", runtime=10**6, deadline=10**7))["period"] == 10**7


def test_reset_on_fork(in_debian):
    source = READ + "import os, sys\nsys.stdout.flush()\nif os.fork() == 0: exec(sys.argv[1])\nos.wait()"
    if not may_schedule(0, nice=-3):
        pytest.skip("this machine's root lacks CAP_SYS_NICE")

    def configure(config):
        config["process"]["args"].append(READ)
        config["process"]["scheduler"] = scheduler("SCHED_OTHER", "RESET_ON_FORK", nice=-3)
    result = in_debian(source, configure)
    parent, child = (decoded(line) for line in result.stdout.splitlines())
    assert (parent["nice"], parent["flags"], child["nice"], child["flags"]) == (-3, 1, 0, 0), result.stderr


def test_keep_policy_changes_the_parameters_alone(seen):
    attributes = seen(scheduler("SCHED_BATCH", "KEEP_POLICY", nice=3))
    assert (attributes["policy"], attributes["nice"]) == (POLICIES["SCHED_OTHER"], 3)


def test_keep_params_changes_nothing(seen):
    """The kernel takes the policy for one of the parameters."""
    attributes = seen(scheduler("SCHED_BATCH", "KEEP_PARAMS", nice=3))
    assert (attributes["policy"], attributes["nice"]) == (POLICIES["SCHED_OTHER"], 0)


@pytest.mark.parametrize("flag", ["UTIL_CLAMP_MIN", "UTIL_CLAMP_MAX"])
def test_utilization_clamps(box, flag):
    """The kernel has a word for these even where it is built without CONFIG_UCLAMP_TASK, and no complaint of ours."""
    c = box("true")
    c.config["process"]["scheduler"] = scheduler("SCHED_OTHER", flag)
    result = c.run()
    if may_schedule(0, flags=FLAGS[flag]):
        assert result.returncode == 0, result.stderr
    else:
        assert result.returncode == 1
        assert f"SCHED_OTHER, {flag.lower().replace('_', '-')}: operation not supported" in result.stderr, result.stderr


def test_iso_is_no_policy_of_any_kernel_yet(box):
    c = box("true")
    c.config["process"]["scheduler"] = scheduler("SCHED_ISO")
    result = c.run()
    assert result.returncode == 1 and "setting the scheduler SCHED_ISO: invalid argument" in result.stderr


@pytest.mark.parametrize("wanted, key", [
    ({"policy": "SCHED_NEW"}, "policy"), ({}, "policy"), (scheduler("SCHED_OTHER", nice=20), "nice"),
    (scheduler("SCHED_OTHER", "NEW"), "flags/0"), (scheduler("SCHED_RR"), "priority"),
    (scheduler("SCHED_OTHER", priority=1), "priority"), (scheduler("SCHED_BATCH", runtime=1), "runtime"),
    (scheduler("SCHED_DEADLINE", runtime=5, deadline=4), "deadline")])
def test_what_no_kernel_takes_is_found_in_the_config(box, wanted, key):
    c = box("true")
    c.config["process"]["scheduler"] = wanted
    result = c.run()
    assert result.returncode == 1 and f"/process/scheduler/{key}: " in result.stderr, result.stderr


@pytest.mark.parametrize("name, number, priorities", [("RT", 1, [0, 7]), ("BE", 2, [0, 7]), ("IDLE", 3, [0, 7])])
def test_io_priority(in_debian, name, number, priorities):
    for priority in priorities:
        result = in_debian(READ, lambda config: config["process"].update(
            ioPriority={"class": f"IOPRIO_CLASS_{name}", "priority": priority}))
        assert result.returncode == 0, result.stderr
        assert decoded(result.stdout)["ioprio"] == (number, priority)


@pytest.mark.parametrize("wanted", [{"class": "IOPRIO_CLASS_RT", "priority": 8}, {"class": "IOPRIO_CLASS_RT", "priority": -1},
                                    {"class": "IOPRIO_CLASS_NONE", "priority": 0}])
def test_io_priority_that_is_none(box, wanted):
    c = box("true")
    c.config["process"]["ioPriority"] = wanted
    result = c.run()
    assert result.returncode == 1 and "/process/ioPriority/" in result.stderr


def test_as_an_ordinary_user(seen):
    """They are set before the user is, who could not."""
    attributes = seen(scheduler("SCHED_OTHER", nice=-4), user={"uid": 1000, "gid": 1000},
                      ioPriority={"class": "IOPRIO_CLASS_RT", "priority": 3})
    assert (attributes["nice"], attributes["ioprio"]) == (-4, (1, 3))


def exec_process(container, workdir, args, **more):
    """exec --process with the container's own process and `more`."""
    file = workdir / "process.json"
    file.write_text(json.dumps({**container.config["process"], "args": args, **more}))
    return container.exec_flags(["--process", file])


def test_exec_has_the_containers_or_its_own(box, workdir):
    c = box("sleep", "1000", rootfs="debian")
    c.config["process"]["scheduler"] = scheduler("SCHED_BATCH", nice=2)
    c.config["process"]["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    c.up()
    first = decoded(c.exec("python3", "-c", READ).stdout)
    assert (first["policy"], first["nice"], first["ioprio"]) == (3, 2, (2, 6))
    result = exec_process(c, workdir, ["python3", "-c", READ], scheduler=scheduler("SCHED_IDLE"),
                          ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0})
    second = decoded(result.stdout)
    assert (second["policy"], second["ioprio"]) == (5, (3, 0)), result.stderr


# CPU affinity

CPUS = ["grep", "Cpus_allowed_list", "/proc/self/status"]


def cpus_of(result):
    assert result.returncode == 0, result.stderr
    return result.stdout.split()[1]


@pytest.fixture
def all_cpus():
    """As a list; there must be more than one."""
    text = pathlib.Path("/proc/self/status").read_text()
    cpus = next(line.split()[1] for line in text.splitlines() if line.startswith("Cpus_allowed_list"))
    if len(os.sched_getaffinity(0)) < 2 or not {0, 1} <= os.sched_getaffinity(0):
        pytest.skip("needs the CPUs 0 and 1")
    return cpus


@pytest.mark.parametrize("affinity, seen", [({"initial": "0", "final": "1"}, "1"), ({"final": "1"}, "1"),
                                            ({"final": "0-1,2000"}, "0-1"), ({"final": " 1,\n1-1"}, "1")])
def test_final_affinity(box, workdir, all_cpus, affinity, seen):
    c = box("sleep", "1000").up()
    assert cpus_of(exec_process(c, workdir, CPUS, execCPUAffinity=affinity)) == seen


def test_initial_affinity_stays_without_a_final_one(box, workdir, all_cpus):
    """What becomes of it in the container's cpuset is the kernel's to say: since 6.2 it is kept to, within that."""
    c = box("sleep", "1000").up()
    seen = cpus_of(exec_process(c, workdir, CPUS, execCPUAffinity={"initial": "1"}))
    kernel = tuple(int(n) for n in os.uname().release.split(".")[:2])
    assert seen == ("1" if kernel >= (6, 2) else all_cpus)


def test_affinity_of_the_config_is_for_exec_alone(box, all_cpus):
    c = box("sh", "-c", "grep Cpus_allowed_list /proc/self/status; sleep 1000")
    c.config["process"]["execCPUAffinity"] = {"initial": "0", "final": "1"}
    c.up()
    assert cpus_of(c.exec(*CPUS)) == "1"
    assert c.output().split()[1] == all_cpus


def test_the_runtimes_own_affinity_is_not_inherited(box, workdir, all_cpus):
    c = box("sh", "-c", "grep Cpus_allowed_list /proc/self/status; sleep 1000")
    c.prefix = ["taskset", "-c", "1"]
    c.up()
    assert c.output().split()[1] == all_cpus
    assert cpus_of(c.exec(*CPUS)) == all_cpus
    assert cpus_of(exec_process(c, workdir, CPUS)) == all_cpus


def test_the_cpuset_bounds_it(box, workdir, all_cpus):
    if "cpuset" not in cgroup_mounts():
        pytest.skip("needs the cpuset controller of cgroup v1")
    c = box("sh", "-c", "grep Cpus_allowed_list /proc/self/status; sleep 1000")
    c.config["linux"]["resources"]["cpu"] = {"cpus": "1"}
    c.up()
    assert c.output().split()[1] == "1"
    assert cpus_of(exec_process(c, workdir, CPUS, execCPUAffinity={"final": "0-1"})) == "1"
    result = exec_process(c, workdir, CPUS, execCPUAffinity={"final": "0"})
    assert result.returncode == 255 and "setting the CPU affinity to 0: invalid argument" in result.stderr, result.stderr


@pytest.mark.parametrize("affinity, key", [({"initial": "1-0"}, "initial"), ({"final": "a"}, "final"),
                                           ({"final": "65536"}, "final")])
def test_affinity_that_is_no_list(box, affinity, key):
    c = box("true")
    c.config["process"]["execCPUAffinity"] = affinity
    result = c.run()
    assert result.returncode == 1 and f"/process/execCPUAffinity/{key}: " in result.stderr
