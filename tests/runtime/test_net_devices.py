"""linux.netDevices: a device of the host's is in the container while that is there, and comes back as it was.

The host of these tests is a network namespace of their own, where the runtime is run; the state directory and its mounts
are the machine's, so that leak_check sees what is left of them.
"""
import json
import os
import pathlib
import random
import subprocess

import pytest

from harness import AS_USER, Holder, add_namespace, drop_namespace, leaks
from test_journal import duration, kill_after

ROUNDS = int(os.environ.get("CELLA_KILL_ROUNDS", "100"))
NO_NET_ADMIN = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
NET_ADMIN = ["CAP_NET_ADMIN"]
ADDRESSES = ["192.0.2.1/24", "198.51.100.7/32", "2001:db8::1/64"]


class Namespace:
    """A network namespace, and ip(8) in it."""

    def __init__(self, path):
        self.enter = ["nsenter", f"--net={path}"]

    def ip(self, *args):
        result = subprocess.run([*self.enter, "ip", *args], capture_output=True, text=True, timeout=10)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def names(self):
        return {link["ifname"] for link in json.loads(self.ip("-j", "link"))} - {"lo"}

    def device(self, name):
        """What must not change: {"name": …, "mtu": …, "mac": …, "up": …, "addresses": …}."""
        link = json.loads(self.ip("-j", "-d", "addr", "show", "dev", name))[0]
        kept = ("local", "prefixlen", "address", "broadcast", "label", "scope", "metric", "noprefixroute", "deprecated")
        # The link-local address that every device gets when it is up comes and goes by itself.
        addresses = [{k: a[k] for k in kept if k in a} for a in link["addr_info"]
                     if not (a["family"] == "inet6" and a["scope"] == "link")]
        return {"name": link["ifname"], "index": link["ifindex"], "mtu": link["mtu"], "mac": link["address"],
                "up": "UP" in link["flags"], "addresses": addresses}

    def addresses(self, name):
        return [f"{a['local']}/{a['prefixlen']}" for a in self.device(name)["addresses"]]


class Host(Namespace):
    def __init__(self, path, box):
        super().__init__(path)
        self.make_box = box

    def veth(self, name, *addresses, mtu=1400, up=True):
        """One end of a pair, up, with the addresses; the other end is NAME-peer and stays."""
        self.ip("link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", f"{name}-peer")
        for address in addresses:
            self.ip("addr", "add", *address.split(), "dev", name)
        self.ip("link", "set", f"{name}-peer", "up")
        if up:
            self.ip("link", "set", name, "up")
        return self.device(name)

    def box(self, devices, *args, capabilities=()):
        """A container that borrows the devices {name on the host: name inside, or None}."""
        container = self.make_box(*(args or ("sleep", "1000")))
        container.prefix = list(self.enter)
        container.config["linux"]["netDevices"] = {k: {"name": v} if v else {} for k, v in devices.items()}
        for kind in ("bounding", "effective", "permitted"):
            container.config["process"]["capabilities"][kind] += capabilities
        return container


@pytest.fixture
def host_namespace():
    holder = Holder("host", "--net", "--uts")  # not by the test's id: it is no leak while it is there
    yield holder.ns("net")
    holder.close()


@pytest.fixture
def host(host_namespace, box):  # in this order: box deletes its containers there
    return Host(host_namespace, box)


def inside(container):
    return Namespace(f"/proc/{container.pid}/ns/net")


def fails(result, *texts):
    assert result.returncode == 1, result.stderr
    for text in texts:
        assert text in result.stderr, result.stderr


# --- there and back

@pytest.mark.parametrize("name", [None, "eth0"])
def test_moved_renamed_and_returned(host, name):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": name}).up()
    new = name or "dev-a"
    assert c.sh("ls /sys/class/net").split() == sorted(["lo", new])
    assert c.sh(f"cat /sys/class/net/{new}/mtu /sys/class/net/{new}/address").split() == ["1400", before["mac"]]
    shown = c.sh(f"ip addr show dev {new}")
    assert "UP" in shown and all(address in shown for address in ADDRESSES)
    assert inside(c).addresses(new) == ADDRESSES
    assert host.names() == {"dev-a-peer"}
    assert c.delete("--force").returncode == 0
    assert host.device("dev-a") == before


def test_packets_pass(host):
    host.veth("dev-a", "192.0.2.1/24")
    host.ip("addr", "add", "192.0.2.2/24", "dev", "dev-a-peer")
    c = host.box({"dev-a": "eth0"}, capabilities=["CAP_NET_RAW"]).up()
    assert "1 packets received" in c.sh("ping -c 1 -W 5 192.0.2.2")


def test_in_the_foreground(host):
    before = host.veth("dev-a", *ADDRESSES)
    result = host.box({"dev-a": "eth0"}, "cat", "/sys/class/net/eth0/operstate").run()
    assert (result.returncode, result.stdout, result.stderr) == (0, "up\n", "")
    assert host.device("dev-a") == before


def test_of_a_container_that_ended_by_itself(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"}, "true").up()
    c.wait_stopped()
    assert host.names() == {"dev-a-peer"}
    assert c.delete().returncode == 0
    assert host.device("dev-a") == before


def test_created_and_never_started(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    assert c.create().returncode == 0
    assert c.delete().returncode == 0
    assert host.device("dev-a") == before


def test_that_was_down(host):
    before = host.veth("dev-a", "192.0.2.1/24", up=False)
    c = host.box({"dev-a": None}).up()
    assert inside(c).device("dev-a")["up"]
    assert c.delete("--force").returncode == 0
    assert not before["up"] and host.device("dev-a") == before


def test_two_that_swap_their_names(host):
    before = [host.veth("dev-a", "192.0.2.1/24"), host.veth("dev-b", "192.0.2.2/24")]
    c = host.box({"dev-a": "dev-b", "dev-b": "dev-a"}).up()
    assert inside(c).addresses("dev-a") == ["192.0.2.2/24"] and inside(c).addresses("dev-b") == ["192.0.2.1/24"]
    assert c.delete("--force").returncode == 0
    assert [host.device("dev-a"), host.device("dev-b")] == before


def test_numbered_by_a_template(host):
    before = [host.veth("dev-a"), host.veth("dev-b")]
    c = host.box({"dev-a": "eth%d", "dev-b": "net%d"}).up()
    assert inside(c).names() == {"eth0", "net0"}
    assert c.delete("--force").returncode == 0
    assert [host.device("dev-a"), host.device("dev-b")] == before


@pytest.mark.parametrize("add", [["dev-a", "type", "macvlan", "mode", "bridge"], ["dev-a", "type", "vxlan", "id", "5"],
                                 ["dev-a", "type", "ifb"], ["dev-a", "tap"]], ids=lambda add: add[-1])
def test_other_kinds(host, add):
    if add[-1] == "tap":
        host.ip("tuntap", "add", "dev", "dev-a", "mode", "tap")
    else:
        host.veth("lower")
        link = ["link", "lower"] if "macvlan" in add else []
        more = ["dstport", "4789", "dev", "lower"] if "vxlan" in add else []
        host.ip("link", "add", *link, "name", *add, *more)
    host.ip("addr", "add", "192.0.2.9/24", "dev", "dev-a")
    host.ip("link", "set", "dev-a", "up")
    before = host.device("dev-a")
    c = host.box({"dev-a": "eth0"}).up()
    assert inside(c).addresses("eth0") == ["192.0.2.9/24"]
    assert c.delete("--force").returncode == 0
    assert host.device("dev-a") == before


def test_into_a_joined_namespace(host, holder):
    pod = holder("--net", "--uts")
    pod_net = Namespace(pod.ns("net"))
    for name in ("one", "two"):  # takes the indexes that the device has on the host
        pod_net.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-peer")
    there = pod_net.names()
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    add_namespace(c.config, "network", pod.ns("net"))
    c.up()
    assert pod_net.names() == there | {"eth0"} and pod_net.addresses("eth0") == ADDRESSES
    assert c.delete("--force").returncode == 0
    assert pod_net.names() == there
    assert host.device("dev-a") == before


def test_into_a_joined_namespace_that_nobody_else_holds(host, holder):
    pod = holder("--net", "--uts")
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    add_namespace(c.config, "network", pod.ns("net"))
    c.up()
    pod.close()
    c.kill("KILL")
    c.wait_stopped()
    assert c.delete().returncode == 0
    assert host.device("dev-a") == before


def test_into_a_user_namespace(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    add_namespace(c.config, "user")
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c.config["linux"].update(uidMappings=ids, gidMappings=ids)
    c.bundle.joinpath("rootfs").chmod(0o755)
    c.up()
    assert inside(c).addresses("eth0") == ADDRESSES
    assert c.delete("--force").returncode == 0
    assert host.device("dev-a") == before


def test_hooks_find_it(host, workdir):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    seen = workdir / "seen"
    script = f"pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); nsenter --net=/proc/$pid/ns/net ip -o addr > {seen}"
    c.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}],
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", f"ip -o link > {seen}.inside"],
                             "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}],
        "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", f"ip -o addr > {seen}.after"],
                      "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}],
    }
    c.up()
    assert "192.0.2.1/24" in seen.read_text()
    assert "eth0" in pathlib.Path(f"{seen}.inside").read_text()
    assert c.delete("--force").returncode == 0
    assert host.device("dev-a") == before
    assert "dev-a" in pathlib.Path(f"{seen}.after").read_text()


# --- what an address is

def test_addresses_in_all_their_forms(host):
    forms = ["192.0.2.1 peer 192.0.2.200/32 label dev-a:x", "198.51.100.1/24 broadcast 198.51.100.255 noprefixroute",
             "198.51.100.2/24 broadcast 198.51.100.255", "203.0.113.1/24 metric 77",
             "2001:db8::1/64 nodad preferred_lft 0", "2001:db8:1::1 peer 2001:db8:1::2/128",
             "2001:db8:2::1/64 metric 88 noprefixroute"]
    before = host.veth("dev-a", *forms)
    assert len(before["addresses"]) == len(forms)
    c = host.box({"dev-a": "eth0"}).up()
    moved = inside(c).device("eth0")["addresses"]
    assert moved == [{**a, **({"label": "eth0"} if "label" in a else {})} for a in before["addresses"]]
    assert c.delete("--force").returncode == 0
    assert host.device("dev-a") == before


def test_addresses_that_are_not_global_stay(host):
    before = host.veth("dev-a", "192.0.2.1/24", "169.254.1.1/16 scope link", "fe80::5/64")
    c = host.box({"dev-a": "eth0"}).up()
    shown = inside(c).ip("-o", "addr", "show", "dev", "eth0")
    assert "192.0.2.1/24" in shown and "169.254.1.1" not in shown and "fe80::5/64" not in shown
    assert c.delete("--force").returncode == 0
    assert host.device("dev-a") == before
    assert "fe80::5/64" in host.ip("-o", "addr", "show", "dev", "dev-a")


def test_addresses_for_a_time_are_left_out(host):
    host.veth("dev-a", "192.0.2.1/24", "192.0.2.2/24 valid_lft 1000 preferred_lft 1000",
              "2001:db8::2/64 valid_lft 1000 preferred_lft 1000")
    c = host.box({"dev-a": "eth0"}).up()
    assert inside(c).addresses("eth0") == ["192.0.2.1/24"]
    assert c.delete("--force").returncode == 0
    assert host.addresses("dev-a") == ["192.0.2.1/24"]


def test_routes_of_the_prefixes_are_there(host):
    host.veth("dev-a", "192.0.2.1/24", "2001:db8::1/64")
    c = host.box({"dev-a": "eth0"}).up()
    assert "192.0.2.0/24 dev eth0" in inside(c).ip("route")
    assert "2001:db8::/64 dev eth0" in inside(c).ip("-6", "route")
    assert c.delete("--force").returncode == 0
    assert "192.0.2.0/24 dev dev-a" in host.ip("route")
    assert "2001:db8::/64 dev dev-a" in host.ip("-6", "route")


# --- what cannot be done

def test_missing(host):
    before = host.veth("dev-a")
    fails(host.box({"dev-a": None, "nowhere": None}).create(), "moving network device nowhere: no such device")
    assert host.device("dev-a") == before


def test_loopback(host):
    fails(host.box({"lo": "lo1"}).create(), "moving network device lo: every network namespace has a loopback")


def test_port_of_a_bridge(host):
    before = host.veth("dev-a")
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "dev-a", "master", "br0")
    fails(host.box({"dev-a": None}).create(), "moving network device dev-a: it is a port of br0: device or resource busy")
    host.ip("link", "set", "dev-a", "nomaster")
    assert host.device("dev-a")["name"] == before["name"]


def test_name_that_is_taken_inside(host, holder):
    pod = holder("--net", "--uts")
    pod_net = Namespace(pod.ns("net"))
    pod_net.ip("link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
    pod_net.ip("link", "property", "add", "dev", "peer0", "altname", "eth1")
    before = host.veth("dev-a", *ADDRESSES)
    for name in ("eth0", "eth1", "lo"):
        c = host.box({"dev-a": name})
        add_namespace(c.config, "network", pod.ns("net"))
        fails(c.create(), f"moving network device dev-a: calling it {name} in the container: file exists")
        assert host.device("dev-a") == before


def test_one_name_for_two(host):
    host.veth("dev-a")
    host.veth("dev-b")
    fails(host.box({"dev-a": "eth0", "dev-b": "eth0"}).create(),
          "/linux/netDevices/dev-b/name: must differ from those of the other devices")


def test_runtimes_own_namespace(host):
    before = host.veth("dev-a")
    c = host.box({"dev-a": "eth0"})
    add_namespace(c.config, "network", "/proc/self/ns/net")
    fails(c.create(), "linux.netDevices: the container's network namespace is the runtime's own")
    assert host.device("dev-a") == before


def test_without_a_network_namespace(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    drop_namespace(c.config, "network")
    said = "/linux/netDevices: has no effect without a network namespace"
    c.global_args = ["--strict"]
    fails(c.create(), said)
    c.global_args = []
    result = c.create()
    assert result.returncode == 0 and said in result.stderr
    assert c.start().returncode == 0
    assert host.device("dev-a") == before
    assert c.cmd("delete", "--force", c.id).returncode == 0
    assert host.device("dev-a") == before


def test_without_the_capability(host, holder):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    add_namespace(c.config, "network", holder("--net", "--uts").ns("net"))  # a new one needs it for its loopback
    c.prefix += NO_NET_ADMIN
    fails(c.create(), "moving network device dev-a into the container as eth0", "operation not permitted",
          "CAP_NET_ADMIN is needed")
    c.prefix = list(host.enter)
    assert host.device("dev-a") == before


def test_of_an_ordinary_user(host):
    host.veth("dev-a")
    c = host.box({"dev-a": "eth0"})
    c.prefix += AS_USER
    add_namespace(c.config, "user")
    c.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    c.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    c.write()
    c.root = pathlib.Path(f"{c.bundle}/root")
    fails(c.cmd("create", "--bundle", c.bundle, c.id), "/linux/netDevices: cannot be moved into a rootless container")


# --- what has been moved goes back when the rest fails

def test_second_device_refused_by_the_kernel(host):
    before = host.veth("dev-a", *ADDRESSES)
    host.ip("link", "add", "dev-b", "type", "bridge")  # bound to its namespace
    bridge = host.device("dev-b")
    fails(host.box({"dev-a": "eth0", "dev-b": "eth1"}).create(), "moving network device dev-b into the container as eth1")
    assert [host.device("dev-a"), host.device("dev-b")] == [before, bridge]


def test_address_refused_inside(host, holder):
    pod = holder("--net", "--uts")
    subprocess.run(["nsenter", f"--net={pod.ns('net')}", "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"], check=True)
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    add_namespace(c.config, "network", pod.ns("net"))
    fails(c.create(), "moving network device dev-a into the container as eth0: adding the address 2001:db8::1/64")
    assert host.device("dev-a") == before


@pytest.mark.parametrize("what", ["program", "hook", "mount"])
@pytest.mark.parametrize("command", ["create", "run"])
def test_failed_start(host, command, what):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    if what == "program":
        c.config["process"]["args"] = ["/nowhere"]
    elif what == "hook":
        c.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    else:
        c.config["mounts"].append({"destination": "/x", "type": "bind", "source": "/nowhere", "options": ["bind"]})
    result = c.create() if command == "create" else c.run()
    assert result.returncode != 0
    assert host.device("dev-a") == before
    assert not list(c.root.iterdir())


# --- a container that does not leave it as it was

def change_inside(host, script, devices=None):
    """A stopped container whose program, with CAP_NET_ADMIN, has run the script."""
    c = host.box(devices or {"dev-a": "eth0"}, "sh", "-ec", script, capabilities=NET_ADMIN).up()
    c.wait_stopped()
    return c


def test_changed_inside(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = change_inside(host, "ip addr flush dev eth0; ip addr add 10.0.0.1/8 dev eth0; ip link set eth0 down;"
                            "ip link set eth0 name other; ip link set other mtu 1300 address 02:00:00:00:00:09")
    result = c.delete()
    assert (result.returncode, result.stderr) == (0, "")
    assert host.device("dev-a") == before


def test_deleted_inside(host):
    host.veth("dev-a")
    host.veth("dev-b")
    c = change_inside(host, "ip link del eth0", {"dev-a": "eth0", "dev-b": "eth1"})
    result = c.delete()
    assert result.returncode == 0
    assert "network device dev-a is gone" in result.stderr and "dev-b" not in result.stderr
    assert host.names() == {"dev-b", "dev-b-peer"}


def test_replaced_inside(host):
    """Another device with the same index is not taken for it."""
    before = host.veth("dev-a")
    c = host.box({"dev-a": "eth0"}).up()
    net = inside(c)
    net.ip("link", "del", "eth0")
    net.ip("link", "add", "eth0", "index", str(before["index"]), "type", "ifb")
    result = c.delete("--force")
    assert result.returncode == 0 and "network device dev-a is gone" in result.stderr
    assert host.names() == set()


def test_name_that_is_taken_on_the_host(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"}).up()
    host.ip("link", "add", "dev0", "type", "ifb")
    host.ip("link", "add", "dev-a", "index", str(before["index"]), "type", "ifb")
    result = c.delete("--force")
    assert result.returncode == 0
    assert "network device dev-a comes back as dev1, because its name is taken" in result.stderr
    back = host.device("dev1")
    for key in ("mac", "mtu", "up"):
        assert back[key] == before[key]
    assert host.addresses("dev1") == ADDRESSES


# --- a runtime that is killed, or may not

def test_delete_without_the_capability_can_be_repeated(host):
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"}).up()
    c.prefix += NO_NET_ADMIN
    for _ in range(2):
        fails(c.delete("--force"), "moving network device dev-a out of the container: operation not permitted")
    c.prefix = list(host.enter)
    assert c.status == "stopped" and host.names() == {"dev-a-peer"}
    assert c.delete().returncode == 0
    assert host.device("dev-a") == before


@pytest.mark.parametrize("command", ["create", "run"])
def test_killed(host, test_id, workdir, command):
    before = [host.veth("dev-a", *ADDRESSES), host.veth("dev-b", up=False)]
    c = host.box({"dev-a": "dev-b", "dev-b": "eth0"})
    c.write()
    flags = ["--detach"] if command == "run" else []
    whole = c.command(command, *flags, "--bundle", c.bundle, c.id)
    takes = []
    for _ in range(3):
        takes.append(duration(whole))
        assert c.delete("--force").returncode == 0
    most = sorted(takes)[1] * 1.2
    rng, killed, moved = random.Random(11), 0, 0
    for n in range(ROUNDS // 2):
        killed += kill_after(whole, rng.uniform(0, most))
        moved += "dev-a" not in host.names()
        result = c.delete("--force")
        assert (result.returncode, result.stderr) == (0, ""), n
        assert [host.device("dev-a"), host.device("dev-b")] == before, n
        left = leaks(test_id, workdir)
        assert not left, f"round {n}: {left}"
    assert killed > ROUNDS // 10 and moved > 0, f"{killed} of {ROUNDS // 2} were killed in time, {moved} with a device away"


def test_killed_delete(host):
    before = [host.veth("dev-a", *ADDRESSES), host.veth("dev-b", up=False)]
    c = host.box({"dev-a": "dev-b", "dev-b": "eth0"})
    c.up()
    most = duration(c.command("delete", "--force", c.id)) * 1.2
    rng, killed = random.Random(12), 0
    for n in range(max(10, ROUNDS // 4)):
        assert c.create().returncode == 0
        killed += kill_after(c.command("delete", "--force", c.id), rng.uniform(0, most))
        result = c.delete("--force")
        assert (result.returncode, result.stderr) == (0, ""), n
        assert [host.device("dev-a"), host.device("dev-b")] == before, n
    assert killed > 0


@pytest.mark.parametrize("command, least", [("create", 15), ("delete", 15)])
def test_killed_at_each_call(host, command, least):
    """As above, at each system call that changes something instead of at random instants."""
    before = host.veth("dev-a", *ADDRESSES)
    c = host.box({"dev-a": "eth0"})
    c.write()
    args = ["create", "--bundle", c.bundle, c.id] if command == "create" else ["delete", "--force", c.id]
    killed = 0
    for call in ("sendto", "open_tree", "move_mount", "umount2", "openat", "renameat", "unlinkat"):
        for number in range(1, 100):
            if command == "delete":
                assert c.create().returncode == 0
            c.prefix += ["strace", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}"]
            result = c.detached(*args)
            c.prefix = list(host.enter)
            deleted = c.delete("--force")
            assert (deleted.returncode, deleted.stderr) == (0, ""), (call, number)
            assert host.device("dev-a") == before, (call, number)
            if result.returncode == 0:
                break
            killed += 1
    assert killed >= least, killed
