"""linux.memoryPolicy, read back from inside with get_mempolicy(2)."""
import os
import pathlib

import pytest

from harness import add_namespace, chown_tree
from test_seccomp import profile, rule

MODES = {"MPOL_DEFAULT": 0, "MPOL_PREFERRED": 1, "MPOL_BIND": 2, "MPOL_INTERLEAVE": 3, "MPOL_LOCAL": 4,
         "MPOL_PREFERRED_MANY": 5, "MPOL_WEIGHTED_INTERLEAVE": 6}
FLAGS = {"MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15}
SINCE = {"MPOL_PREFERRED_MANY": (5, 15), "MPOL_WEIGHTED_INTERLEAVE": (6, 9), "MPOL_F_NUMA_BALANCING": (5, 12)}

# Prints the mode with its flags, and the mask of the first 64 nodes.
READ = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
mode, nodes = ctypes.c_int(-1), (ctypes.c_ulong * 16)()
number = {"x86_64": 239, "aarch64": 236}[platform.machine()]
if libc.syscall(number, ctypes.byref(mode), nodes, ctypes.c_ulong(1024), None, ctypes.c_ulong(0)) != 0:
    raise OSError(ctypes.get_errno(), "get_mempolicy")
print(mode.value, nodes[0])
"""

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/numa_maps"), reason="this kernel has no CONFIG_NUMA")


def needs(*names):
    kernel = tuple(int(n) for n in os.uname().release.split(".")[:2])
    for name in names:
        if kernel < SINCE.get(name, (0, 0)):
            pytest.skip(f"this kernel has no {name}")


def policy(mode, nodes=None, *flags):
    return {"mode": mode, **({} if nodes is None else {"nodes": nodes}), **({"flags": list(flags)} if flags else {})}


def nodes_here():
    text = pathlib.Path("/sys/devices/system/node/has_memory").read_text().strip()
    ranges = [part.split("-") for part in text.split(",")]
    return {n for r in ranges for n in range(int(r[0]), int(r[-1]) + 1)}


@pytest.fixture
def seen(in_debian):
    """(mode, flags, nodes) that a container with the policy sees."""
    def run(wanted, change=lambda config: None):
        def configure(config):
            config["linux"]["memoryPolicy"] = wanted
            change(config)
        result = in_debian(READ, configure)
        assert result.returncode == 0, result.stderr
        return decoded(result.stdout)
    return run


def decoded(text):
    mode, nodes = (int(word) for word in text.split())
    flags = sum(FLAGS.values()) & mode
    return mode & ~flags, flags, {n for n in range(64) if nodes >> n & 1}


@pytest.mark.parametrize("mode", [m for m in MODES if m not in ("MPOL_DEFAULT", "MPOL_LOCAL")])
def test_modes_with_nodes(seen, mode):
    needs(mode)
    assert seen(policy(mode, "0")) == (MODES[mode], 0, {0})


@pytest.mark.parametrize("mode", ["MPOL_DEFAULT", "MPOL_LOCAL"])
def test_modes_without_nodes(seen, mode):
    assert seen(policy(mode)) == (MODES[mode], 0, set())


def test_preferred_without_nodes_is_local(seen):
    assert seen(policy("MPOL_PREFERRED", "")) == (MODES["MPOL_LOCAL"], 0, set())


@pytest.mark.parametrize("flag", ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"])
@pytest.mark.parametrize("mode", ["MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY"])
def test_flags(seen, mode, flag):
    needs(mode)
    assert seen(policy(mode, "0", flag)) == (MODES[mode], FLAGS[flag], {0})


@pytest.mark.parametrize("other", [[], ["MPOL_F_STATIC_NODES"], ["MPOL_F_RELATIVE_NODES"]])
def test_numa_balancing(seen, other):
    needs("MPOL_F_NUMA_BALANCING")
    flags = ["MPOL_F_NUMA_BALANCING", *other]
    assert seen(policy("MPOL_BIND", "0", *flags)) == (2, sum(FLAGS[f] for f in flags), {0})


def test_the_kernel_keeps_the_nodes_that_are_there(seen):
    assert seen(policy("MPOL_INTERLEAVE", "0-63")) == (3, 0, nodes_here())


@pytest.mark.parametrize("nodes, flag, word", [
    ("0", "STATIC", "static"),
    ("3", "RELATIVE", "relative"),  # counted within the allowed ones; beyond the last comes the first, set_mempolicy(2)
])
def test_it_is_what_pages_are_made_with(box, nodes, flag, word):
    if nodes_here() != {0}:
        pytest.skip("written for a machine with node 0 alone")
    c = box("cat", "/proc/self/numa_maps")
    c.config["linux"]["memoryPolicy"] = policy("MPOL_BIND", nodes, f"MPOL_F_{flag}_NODES")
    lines = [line.split() for line in c.run().stdout.splitlines()]
    assert lines and {line[1] for line in lines} == {f"bind={word}:0"}


def test_without_config_there_is_none(in_debian):
    assert decoded(in_debian(READ).stdout) == (0, 0, set())


def test_as_an_ordinary_user_with_a_filter(seen):
    """It is set before the user is, and before the filter that forbids it."""
    def change(config):
        config["process"]["user"] = {"uid": 1000, "gid": 1000}
        config["linux"]["seccomp"] = profile(rule("set_mempolicy", "SCMP_ACT_KILL_PROCESS"))
    assert seen(policy("MPOL_INTERLEAVE", "0"), change) == (3, 0, {0})


def test_in_a_user_namespace(box):
    c = box("cat", "/proc/self/numa_maps")
    chown_tree(c.bundle / "rootfs", 100000, 100000)
    add_namespace(c.config, "user")
    one = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c.config["linux"].update(uidMappings=one, gidMappings=one, memoryPolicy=policy("MPOL_INTERLEAVE", "0"))
    result = c.run()
    assert result.returncode == 0 and " interleave:0 " in result.stdout, result.stderr


def test_exec_has_the_containers(box):
    c = box("sleep", "1000", rootfs="debian")
    c.config["linux"]["memoryPolicy"] = policy("MPOL_BIND", "0", "MPOL_F_RELATIVE_NODES")
    c.up()
    assert decoded(c.exec("python3", "-c", READ).stdout) == (2, 1 << 14, {0})


@pytest.mark.parametrize("wanted, said", [
    (policy("MPOL_BIND", "63"), "MPOL_BIND with the nodes 63: none of the nodes is there for the container"),
    (policy("MPOL_PREFERRED", "62-63", "MPOL_F_STATIC_NODES"),
     "MPOL_PREFERRED,MPOL_F_STATIC_NODES with the nodes 62-63: none of the nodes is there for the container"),
    (policy("MPOL_BIND", "5000"), "MPOL_BIND with the nodes 5000: none of the nodes is there for the container"),
    (policy("MPOL_BIND", "0,5000"), "MPOL_BIND with the nodes 0,5000: not on this kernel, or not in this combination"),
    (policy("MPOL_INTERLEAVE", "0", "MPOL_F_NUMA_BALANCING"),
     "MPOL_INTERLEAVE,MPOL_F_NUMA_BALANCING with the nodes 0: not on this kernel, or not in this combination"),
    (policy("MPOL_LOCAL", "", "MPOL_F_STATIC_NODES"),
     "MPOL_LOCAL,MPOL_F_STATIC_NODES: not on this kernel, or not in this combination"),
])
def test_what_the_kernel_refuses(box, wanted, said):
    if 62 in nodes_here() or 63 in nodes_here():
        pytest.skip("this machine has the nodes that should be missing")
    c = box("true")
    c.config["linux"]["memoryPolicy"] = wanted
    result = c.run()
    assert result.returncode == 1
    assert f"setting the memory policy {said}: invalid argument" in result.stderr.lower().replace(
        said.lower(), said), result.stderr


@pytest.mark.parametrize("wanted, where", [
    (policy("MPOL_BIND", ""), "/linux/memoryPolicy/nodes: must not be empty"),
    (policy("MPOL_LOCAL", "0"), "/linux/memoryPolicy/nodes: must be empty"),
    (policy("MPOL_BIND", "0-"), "/linux/memoryPolicy/nodes: must be a list"),
    (policy("MPOL_BIND", "0", "MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"), "/linux/memoryPolicy/flags"),
    (policy("MPOL_BIND", "0", "MPOL_F_NEW"), "/linux/memoryPolicy/flags/0"),
    (policy("MPOL_NEW", "0"), "/linux/memoryPolicy/mode"),
])
def test_what_no_kernel_takes_is_found_in_the_config(box, wanted, where):
    c = box("true")
    c.config["linux"]["memoryPolicy"] = wanted
    result = c.run()
    assert result.returncode == 1 and where in result.stderr, result.stderr
