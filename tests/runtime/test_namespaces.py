"""Namespaces: new ones, joined ones, and what is set up in them."""
import os
import pathlib
import subprocess

import pytest

from harness import add_namespace, chown_tree, drop_namespace, has_namespace, map_ids, mount_at, namespaces, wait_for

PROC_NAME = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "user": "user", "cgroup": "cgroup",
             "time": "time"}


def ns_of(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{PROC_NAME[kind]}")


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "mount", "cgroup", "time", "user"])
def test_new(box, kind):
    if not has_namespace(PROC_NAME[kind]):
        pytest.skip(f"this kernel has no {kind} namespaces")
    c = box("sleep", "1000")
    if kind == "user":
        map_ids(c)
    else:
        add_namespace(c.config, kind)
    c.up()
    assert ns_of(c.pid, kind) != ns_of("self", kind)
    assert ns_of(c.pid, "user") == ns_of("self", "user") or kind == "user"


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup"])
def test_not_asked_for(box, kind):
    c = box("sleep", "1000")
    drop_namespace(c.config, kind)
    if kind == "uts":
        del c.config["hostname"]
    if kind == "network":
        c.config["mounts"] = [m for m in c.config["mounts"] if m["destination"] != "/sys"]
        c.config["mounts"] = [m for m in c.config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    c.up()
    assert ns_of(c.pid, kind) == ns_of("self", kind)


@pytest.mark.parametrize("kind, flag", [("network", "--net"), ("ipc", "--ipc"), ("uts", "--uts"), ("cgroup", "--cgroup"),
                                        ("pid", "--pid"), ("time", "--time")])
def test_joined_by_path(box, holder, kind, flag):
    if not has_namespace(PROC_NAME[kind]):
        pytest.skip(f"this kernel has no {kind} namespaces")
    there = holder(flag)
    c = box("sleep", "1000")
    add_namespace(c.config, kind, there.ns(PROC_NAME[kind]))
    if kind == "uts":
        del c.config["hostname"]
    c.up()
    assert ns_of(c.pid, kind) == there.id(PROC_NAME[kind])
    # and a process that comes later is there too
    assert c.sh(f"readlink /proc/self/ns/{PROC_NAME[kind]}").strip() == there.id(PROC_NAME[kind])


def test_joined_mount_namespace(box, holder):
    there = holder("--mount")
    c = box("sleep", "1000")
    add_namespace(c.config, "mount", there.ns("mnt"))
    c.up()
    assert ns_of(c.pid, "mount") == there.id("mnt")
    assert c.sh("test -e /bin/busybox && echo inside") == "inside\n"


def test_all_namespaces_are_the_callers(box):
    """Without a mount namespace nothing can be mounted; what is left is a changed root."""
    c = box("sleep", "1000")
    del c.config["hostname"]
    c.config.update(mounts=[], root={"path": "rootfs"})
    c.config["linux"].update(namespaces=[], maskedPaths=[], readonlyPaths=[])
    c.up()
    for kind, name in PROC_NAME.items():
        if has_namespace(name):
            assert ns_of(c.pid, kind) == ns_of("self", kind)
    assert os.readlink(f"/proc/{c.pid}/root") == str(c.bundle / "rootfs")


def test_joined_user_namespace(box, holder):
    there = holder("--user")
    for name in ("uid_map", "gid_map"):
        pathlib.Path(f"/proc/{there.pid}/{name}").write_text("0 100000 65536")
    c = box("sleep", "1000")
    chown_tree(c.bundle / "rootfs", 100000, 100000)
    add_namespace(c.config, "user", there.ns("user"))
    c.up()
    assert ns_of(c.pid, "user") == there.id("user")
    assert c.sh("cat /proc/self/uid_map").split() == ["0", "100000", "65536"]
    assert c.sh("id -u").strip() == "0"


def test_two_containers_share_a_pid_namespace(box):
    one = box("sleep", "1000").up()
    two = box("sh", "-c", "ps; sleep 1000")
    add_namespace(two.config, "pid", f"/proc/{one.pid}/ns/pid")
    two.up()
    assert ns_of(two.pid, "pid") == ns_of(one.pid, "pid")
    wait_for(lambda: "sleep 1000" in two.output(), "ps")
    assert two.delete("--force").returncode == 0
    assert one.status == "running"


def test_joining_a_missing_path_fails(box, workdir):
    c = box("true")
    add_namespace(c.config, "network", workdir / "nothing")
    result = c.run()
    assert result.returncode == 1
    assert str(workdir / "nothing") in result.stderr


def test_joining_another_kind_fails(box, holder):
    c = box("true")
    add_namespace(c.config, "network", holder("--uts").ns("uts"))
    assert c.run().returncode == 1


def test_loopback_is_up(box):
    result = box("ip", "addr", "show", "lo").run()
    assert "LOOPBACK,UP" in result.stdout
    assert "127.0.0.1/8" in result.stdout


def test_loopback_works(box):
    assert box("sh", "-c", "ping -c 1 -W 1 127.0.0.1 >/dev/null && echo ok || (nc -l -p 9 -e true & sleep 0.1; nc 127.0.0.1 9 </dev/null && echo ok)").run().stdout == "ok\n"


def test_hostname(box):
    c = box("hostname")
    c.config["hostname"] = "inner-room"
    before = os.uname().nodename
    assert c.run().stdout == "inner-room\n"
    assert os.uname().nodename == before


def test_hostname_needs_a_uts_namespace(box):
    """Anything else would rename the machine."""
    c = box("true")
    drop_namespace(c.config, "uts")
    before = os.uname().nodename
    c.config["hostname"] = before  # the machine's own name: harmless if the runtime gets it wrong
    assert c.run().returncode == 1


def test_domainname(box):
    c = box("cat", "/proc/sys/kernel/domainname")
    c.config["domainname"] = "example.org"
    assert c.run().stdout == "example.org\n"


def test_domainname_needs_a_uts_namespace(box):
    c = box("true")
    drop_namespace(c.config, "uts")
    del c.config["hostname"]
    path = pathlib.Path("/proc/sys/kernel/domainname")
    before = path.read_text()
    c.config["domainname"] = before.strip()  # harmless if the runtime gets it wrong
    result = c.run()
    assert result.returncode == 1 and "/domainname" in result.stderr and path.read_text() == before


def test_pid_namespace_starts_at_one(box):
    assert box("sh", "-c", "echo $$").run().stdout == "1\n"


def test_ipc_is_empty(box):
    assert box("cat", "/proc/sysvipc/shm").run().stdout.count("\n") == 1


def test_network_is_empty(box):
    assert box("ls", "/sys/class/net").run().stdout.split() == ["lo"]


def test_cgroup_namespace_hides_the_path(box):
    c = box("cat", "/proc/self/cgroup")
    add_namespace(c.config, "cgroup")
    assert {line.rsplit(":", 1)[1] for line in c.run().stdout.splitlines()} == {"/"}


def test_user_namespace(box):
    c = box("sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups; touch /mine; stat -c %u:%g /mine")
    map_ids(c)
    c.config["root"]["readonly"] = False
    result = c.run()
    assert result.returncode == 0, result.stderr
    words = result.stdout.split()
    assert words == ["0", "0", "0", "100000", "65536", "0", "100000", "65536", "allow", "0:0"]
    made = (c.bundle / "rootfs/mine").stat()
    assert (made.st_uid, made.st_gid) == (100000, 100000)


def test_user_namespace_several_ranges(box):
    c = box("sh", "-c", "cat /proc/self/uid_map; id -u; id -g; id -G")
    map_ids(c)
    ranges = [{"containerID": 0, "hostID": 100000, "size": 1000}, {"containerID": 1000, "hostID": 1000, "size": 1},
              {"containerID": 1001, "hostID": 101001, "size": 64535}]
    c.config["linux"].update(uidMappings=ranges, gidMappings=ranges)
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 1002]}
    result = c.run()
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines[:3]] == [[str(r["containerID"]), str(r["hostID"]), str(r["size"])] for r in ranges]
    assert lines[3:] == ["1000", "1000", "1000 5 1002"]


def test_user_namespace_without_privileges_outside(box):
    c = box("sh", "-c", "hostname changed && hostname; mount -t tmpfs x /tmp && echo mounted")
    map_ids(c)
    everything = ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_SETUID"]
    c.config["process"]["capabilities"] = {k: everything for k in ("bounding", "effective", "permitted")}
    assert c.run().stdout == "changed\nmounted\n"


def test_user_namespace_owns_the_others(box):
    c = box("sleep", "1000")
    map_ids(c)
    c.up()
    # entering its user namespace is enough to enter the network namespace that it owns
    result = subprocess.run(["nsenter", "-t", str(c.pid), "-U", "-n", "ip", "link", "set", "lo", "down"],
                            capture_output=True)
    assert result.returncode == 0, result.stderr


def test_exec_in_a_user_namespace(box):
    c = box("sleep", "1000")
    map_ids(c)
    c.up()
    assert c.sh("id -u; cat /proc/self/uid_map").split() == ["0", "0", "100000", "65536"]
    assert c.exec_flags(["--user", "5:5"], "id", "-u").stdout == "5\n"


def test_time_offsets(box):
    if not has_namespace("time"):
        pytest.skip("this kernel has no time namespaces")
    c = box("cat", "/proc/self/timens_offsets", "/proc/uptime")
    add_namespace(c.config, "time")
    c.config["linux"]["timeOffsets"] = {"boottime": {"secs": 100000, "nanosecs": 5}, "monotonic": {"secs": 2000}}
    result = c.run()
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["monotonic", "2000", "0"] and lines[1] == ["boottime", "100000", "5"]
    here = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    assert abs(float(lines[2][0]) - here - 100000) < 100


def test_time_offset_into_the_past(box):
    if not has_namespace("time"):
        pytest.skip("this kernel has no time namespaces")
    c = box("cat", "/proc/self/timens_offsets", "/proc/uptime")
    add_namespace(c.config, "time")
    c.config["linux"]["timeOffsets"] = {"boottime": {"secs": -100, "nanosecs": 999999999}}
    result = c.run()
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1] == ["boottime", "-100", "999999999"]
    here = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    assert -101 < float(lines[2][0]) - here < -90


@pytest.mark.parametrize("offsets, said", [
    ({"boottime": {"secs": -2**40}}, "numerical result out of range"), ({"realtime": {"secs": 1}}, "/linux/timeOffsets/realtime"),
    ({"monotonic": {"secs": 1, "nanosecs": 10**9}}, "")])
def test_time_offsets_that_cannot_be(box, offsets, said):
    if not has_namespace("time"):
        pytest.skip("this kernel has no time namespaces")
    c = box("true")
    add_namespace(c.config, "time")
    c.config["linux"]["timeOffsets"] = offsets
    result = c.run()
    assert result.returncode == 1 and said in result.stderr, result.stderr


def test_time_offsets_need_a_new_namespace(box, holder):
    if not has_namespace("time"):
        pytest.skip("this kernel has no time namespaces")
    c = box("true")
    c.config["linux"]["timeOffsets"] = {"boottime": {"secs": 7}}
    assert "/linux/timeOffsets" in c.run().stderr
    add_namespace(c.config, "time", holder("--time").ns("time"))
    assert "/linux/timeOffsets" in c.run().stderr


def test_no_mount_namespace_sharing_by_accident(box):
    """A mount made inside is not seen outside, whatever the propagation of the machine's own root."""
    c = box("sh", "-c", "sleep 1000")
    mount_at(c.config, "/dev/shm")["source"] = "marker-" + c.id
    c.up()
    assert "marker-" + c.id not in pathlib.Path("/proc/self/mountinfo").read_text()
    assert "marker-" + c.id in pathlib.Path(f"/proc/{c.pid}/mountinfo").read_text()


def test_same_namespace_twice_is_refused(box):
    c = box("true")
    c.config["linux"]["namespaces"].append({"type": "pid"})
    assert c.run().returncode == 1
    assert len(namespaces(c.config)) == 5
