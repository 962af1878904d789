"""Networks of the sandbox: `none` is loopback inside the kernel, `host` sockets of the container's network namespace."""
import subprocess

import pytest

from harness import wait_for

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
