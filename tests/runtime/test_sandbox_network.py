"""The networks of a sandboxed container: "none", a loopback inside the kernel, and "host", sockets of the host's in the
container's network namespace. What a program sees of either is test_guest.py's; here it is what they reach.
"""
import shutil
import subprocess

import pytest

from harness import Holder, add_namespace, wait_for
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


# --- Python's sockets

TALK = """
import socket, threading
def serve(listener):
    connection, _ = listener.accept()
    with connection: connection.sendall(connection.recv(100).upper())
for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)), (socket.AF_UNIX, "/tmp/s")):
    with socket.socket(family) as listener:
        listener.bind(address); listener.listen()
        thread = threading.Thread(target=serve, args=(listener,)); thread.start()
        with socket.socket(family) as client:
            client.connect(listener.getsockname()); client.sendall(b"asked"); print(client.recv(100))
        thread.join()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
    one.bind(("127.0.0.1", 0)); two.sendto(b"datagram", one.getsockname()); print(one.recvfrom(100)[0])
print(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][-1])
"""
SAID = "b'ASKED'\n" * 3 + "b'datagram'\n('127.0.0.1', 80)\n"
LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', 7001)); print('ready', flush=True); time.sleep(1000)"
AWAY = """
import socket
try: socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error: print(error)
"""


@pytest.fixture
def python(box, debian_rootfs):
    def make(network, script):
        c = box("python3", "-c", script)
        c.config["root"] = {"path": str(debian_rootfs), "readonly": True}
        c.config["annotations"] = {"dev.cella.isolation": "sandbox", "dev.cella.sandbox.network": network}
        c.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]})
        return c
    return make


def listening(pid):
    """Local TCP ports that somebody listens at in the network namespace of a process."""
    lines = subprocess.run(["nsenter", "-t", str(pid), "-n", "cat", "/proc/net/tcp"], capture_output=True, text=True,
                           check=True).stdout.splitlines()[1:]
    return {int(line.split()[1].split(":")[1], 16) for line in lines if line.split()[3] == "0A"}


@pytest.mark.parametrize("network", ["none", "host"])
def test_sockets(python, network):
    result = python(network, TALK).run()
    assert (result.stdout, result.stderr, result.returncode) == (SAID, "", 0)


@pytest.mark.parametrize("network, seen", [("none", set()), ("host", {7001})])
def test_where_the_sockets_are(python, network, seen):
    c = python(network, LISTEN).up()
    wait_for(lambda: c.output() == "ready\n", "the guest to listen")
    assert listening(c.pid) == seen


@pytest.mark.parametrize("network", ["none", "host"])
def test_there_is_no_way_out(python, network):
    """The network namespace of the test's container has loopback alone."""
    assert python(network, AWAY).run().stdout == "[Errno 101] Network is unreachable\n"


def test_interfaces(box):
    c = box("sh", "-c", "ifconfig; ls /sys/class/net")
    result = c.run("--isolation=sandbox")
    assert result.stdout.count("Link encap") == 1 and result.stdout.endswith("lo\n")


def test_sandbox_network_is_refused_by_name(python):
    result = python("sandbox", "").run()
    assert result.returncode == 1 and "network" in result.stderr and "sandbox" in result.stderr


# --- low ports, and what sysctls say about them

BIND = """
import socket
for port in 79, 80:
    try: socket.socket().bind(("", port)); print("bound")
    except OSError as error: print(error.strerror)
"""


@pytest.mark.parametrize("network", ["none", "host"])
@pytest.mark.parametrize("capabilities, sysctl, said", [
    ([], None, "Permission denied\nPermission denied\n"),
    (["CAP_NET_BIND_SERVICE"], None, "bound\nbound\n"),
    ([], "80", "Permission denied\nbound\n"),
    (["CAP_NET_BIND_SERVICE"], "80", "bound\nbound\n"),
])
def test_low_ports(python, network, capabilities, sysctl, said):
    c = python(network, BIND)
    c.config["process"]["capabilities"] = {kind: capabilities for kind in ("bounding", "effective", "permitted")}
    if sysctl:
        c.config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": sysctl}
    result = c.run()
    assert (result.stdout, result.stderr) == (said, "")


def test_sysctls_of_the_hosts_network(python):
    c = python("host", "import time; print('ready', flush=True); time.sleep(1000)")
    c.config["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77"}
    c.up()
    seen = subprocess.run(["nsenter", "-t", str(c.pid), "-n", "cat", "/proc/sys/net/ipv4/ip_default_ttl"],
                          capture_output=True, text=True, check=True).stdout
    assert seen == "77\n"
    assert c.exec("cat", "/proc/sys/net/ipv4/ip_default_ttl").stdout == "77\n"
