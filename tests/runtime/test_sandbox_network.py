"""The networks of a sandboxed container: "none", a loopback inside the kernel, and "host", sockets of the host's in the
container's network namespace. What a program sees of either is test_guest.py's; here it is what they reach.
"""
import shutil
import subprocess

import pytest

from harness import Holder, add_namespace
from test_guest import CAPABILITIES, PROGRAMS, TIMEOUT, Run

SERVE = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 4711))
print("ready", flush=True)
connection, _ = listener.accept()
connection.sendall(connection.recv(100).upper())
"""


@pytest.fixture
def sandbox(box):
    """sandbox(network, *args, …) is a box with that network."""
    def make(network, *args, **kwargs):
        c = box(*args, **kwargs)
        c.config["annotations"] = {"dev.cella.isolation": "sandbox", "dev.cella.sandbox.network": network}
        return c
    return make


@pytest.fixture
def network(test_id):
    """A network namespace in which lo is up."""
    holder = Holder(test_id, "--net")
    subprocess.run(["nsenter", f"--net={holder.ns('net')}", "ip", "link", "set", "lo", "up"], check=True, timeout=10)
    yield holder
    holder.close()


def inside(network, *command):
    return subprocess.Popen(["nsenter", f"--net={network.ns('net')}", *command], stdout=subprocess.PIPE, text=True)


def test_none_is_a_loopback_and_no_more(sandbox):
    c = sandbox("none", "sh", "-c", """
        mkdir /tmp/www; echo found > /tmp/www/page
        httpd -p 127.0.0.1:80 -h /tmp/www
        wget -qO- http://localhost/page
        wget -qO- http://192.0.2.1/ 2>&1
        ls /sys/class/net; cat /proc/net/route""")
    c.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    c.config["process"]["capabilities"] = {kind: ["CAP_NET_BIND_SERVICE"] for kind in ("bounding", "effective", "permitted")}
    lines = c.run().stdout.splitlines()
    assert lines[0] == "found"
    assert "Network is unreachable" in lines[1]
    assert lines[2] == "lo"
    assert len(lines) == 4, "a route"


def test_none_does_not_reach_the_host(sandbox, network):
    server = inside(network, "python3", "-c", SERVE)
    assert server.stdout.readline() == "ready\n"
    c = sandbox("none", "sh", "-c", "echo hello | nc 127.0.0.1 4711")
    add_namespace(c.config, "network", network.ns("net"))
    result = c.run()
    server.kill()
    server.communicate()
    assert result.returncode != 0 and result.stdout == ""


def test_host_connects_to_a_server(sandbox, network):
    server = inside(network, "python3", "-c", SERVE)
    assert server.stdout.readline() == "ready\n"
    c = sandbox("host", "sh", "-c", "echo hello | nc 127.0.0.1 4711")
    add_namespace(c.config, "network", network.ns("net"))
    result = c.run()
    server.communicate(timeout=10)
    assert result.stdout == "HELLO\n", result.stderr


def test_host_shows_the_interfaces_of_the_namespace(sandbox, network):
    subprocess.run(["nsenter", f"--net={network.ns('net')}", "sh", "-c",
                    "ip link add veth7 type veth peer name peer7 && ip addr add 192.0.2.7/24 dev veth7 && ip link set veth7 up && ip link set peer7 up"],
                   check=True, timeout=10)
    c = sandbox("host", "sh", "-c", "ip addr; ip route; cat /proc/net/dev")
    add_namespace(c.config, "network", network.ns("net"))
    result = c.run()
    assert "inet 192.0.2.7/24" in result.stdout, result.stdout + result.stderr
    assert "192.0.2.0/24 dev veth7" in result.stdout
    assert result.stdout.count("veth7:") == 2


@pytest.mark.parametrize("family, cases", [("inet", 80), ("sockets", 100), ("fuzz", 1)])
def test_host_passes_the_guest_programs(sandbox, network, family, cases):
    """Whether a loopback is ours or the host's, a program sees none of it."""
    program = PROGRAMS / f"guest_{family}"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    c = sandbox("host", f"/guest_{family}", "--gtest_color=no")
    shutil.copy(program, c.rootfs)
    add_namespace(c.config, "network", network.ns("net"))
    process = c.config["process"]
    process["noNewPrivileges"] = False
    process["capabilities"] = {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    c.config["root"]["readonly"] = False
    c.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]})
    run = Run(c.run(timeout=TIMEOUT))
    assert len(run.verdicts) >= cases and run.result.returncode in (0, 1), run.result.stderr
    assert {case: said for case, (verdict, said) in run.verdicts.items() if verdict == "FAILED"} == {}
