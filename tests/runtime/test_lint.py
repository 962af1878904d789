"""cella lint: everything that is wrong with a bundle and everything that this host lacks, and nothing is made."""
import json
import os
import pathlib
import re
import socket
import subprocess

import pytest

from harness import AS_USER, REPO, add_namespace, our_cgroups

# Beside the checkout, or beside the folder of several.
SCHEMA = next((path for path in (folder / "shared/reference/runtime-spec/schema" for folder in REPO.parents[:2])
               if path.exists()), REPO.parent / "shared/reference/runtime-spec/schema")


def lint(container, *flags):
    """What lint says about the container's bundle: {pointer: (severity, message)}, and its exit status."""
    container.write()
    result = container.cmd("lint", "--format", "json", *flags, container.bundle)
    assert result.stderr == ""
    said = json.loads(result.stdout)
    assert all(set(one) == {"pointer", "message", "severity"} for one in said)
    return {one["pointer"]: (one["severity"], one["message"]) for one in said}, result.returncode


def only(container, pointer, severity="error"):
    """The message of the one finding that lint has."""
    found, status = lint(container)
    assert list(found) == [pointer], found
    assert found[pointer][0] == severity and status == (1 if severity == "error" else 0)
    return found[pointer][1]


def test_nothing_to_say(box):
    c = box("true")
    c.write()
    for flags in ([], ["--format", "json"]):
        result = c.cmd("lint", *flags, c.bundle)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == ("[]\n" if flags else "")


def test_text_is_a_line_a_finding(box):
    c = box("true")
    c.config["future"] = 1
    c.config["process"]["cwd"] = "relative"
    c.write()
    result = c.cmd("lint", c.bundle)
    assert result.returncode == 1
    assert result.stdout == ("error: /process/cwd: must be an absolute path\n"
                             "warning: /future: is not a known property and is ignored\n")


def test_strict_makes_errors_of_what_is_ignored(box):
    c = box("true")
    c.config["future"] = 1
    assert lint(c) == ({"/future": ("warning", "is not a known property and is ignored")}, 0)
    c.global_args = ["--strict"]
    found, status = lint(c)
    c.global_args = []
    assert found["/future"][0] == "error" and status == 1


def test_it_makes_nothing(box, test_id):
    c = box("true")
    c.config["linux"]["cgroupsPath"] = f"/{test_id}"
    c.config["mounts"].append({"destination": "/made/by/nobody", "type": "tmpfs", "source": "x"})
    c.config["hooks"] = {"createRuntime": [{"path": "/bin/touch", "args": ["touch", str(c.bundle / "ran")]}]}
    c.write()
    before = sorted(os.walk(c.bundle))
    assert c.cmd("lint", c.bundle).returncode == 0
    assert sorted(os.walk(c.bundle)) == before and not c.root.exists() and not our_cgroups(test_id)


def test_without_a_config(box, workdir):
    result = box("true").cmd("lint", workdir)
    assert result.returncode == 1 and "config.json: no such file or directory" in result.stderr
    result = box("true").cmd("lint", workdir / "nothing")
    assert result.returncode == 1 and "no such file or directory" in result.stderr


# --- the root filesystem and the program

def test_no_root_filesystem(box):
    c = box("true")
    c.config["root"]["path"] = "elsewhere"
    assert "no such file or directory" in only(c, "/root/path")
    (c.bundle / "elsewhere").write_text("")
    assert "not a directory" in only(c, "/root/path")


def test_program_that_is_not_there(box):
    c = box("no-such-program")
    assert "PATH" in only(c, "/process/args/0")
    c.config["process"]["args"] = ["/bin/no-such-program"]
    assert "no such file or directory" in only(c, "/process/args/0")
    c.config["process"]["args"] = ["/etc"]
    assert "is a directory" in only(c, "/process/args/0")
    (c.rootfs / "plain").write_text("")
    c.config["process"]["args"] = ["/plain"]
    assert "permission denied" in only(c, "/process/args/0")


def test_program_is_looked_for_inside(box):
    """A link of the image's leads to a file of the image's, never to the host's."""
    assert os.path.exists("/usr/bin/env")
    c = box("/program")
    (c.rootfs / "program").symlink_to("/usr/bin/python3")
    assert "no such file or directory" in only(c, "/process/args/0")
    (c.rootfs / "program").unlink()
    (c.rootfs / "program").symlink_to("../../../../bin/busybox")
    assert lint(c) == ({}, 0)


def test_program_that_a_mount_may_bring(box):
    c = box("/opt/bin/program")
    c.config["mounts"].append({"destination": "/opt/bin", "type": "tmpfs", "source": "x"})
    assert lint(c) == ({}, 0)
    c.config["process"]["args"] = ["no-such-program"]
    assert "may bring it" in only(c, "/process/args/0", "warning")


def test_working_directory_that_is_a_file(box):
    c = box("true")
    c.config["process"]["cwd"] = "/etc/passwd"
    assert "not a directory" in only(c, "/process/cwd")


# --- the process

def test_limits_above_the_callers(box):
    c = box("true")
    c.prefix = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource", "prlimit", "--nofile=500:500"]
    assert "500" in only(c, "/process/rlimits/0/hard")
    c.prefix = []
    assert lint(c) == ({}, 0)


def test_capabilities_that_the_runtime_lacks(box):
    c = box("true")
    c.config["process"]["capabilities"]["permitted"].append("CAP_SYS_MODULE")
    c.config["process"]["capabilities"]["bounding"].append("CAP_SYS_MODULE")
    c.prefix = ["setpriv", "--bounding-set", "-sys_module", "--inh-caps", "-sys_module"]
    found, status = lint(c)
    assert {pointer: severity for pointer, (severity, _) in found.items()} == {
        "/process/capabilities/permitted": "warning", "/process/capabilities/bounding": "warning"}
    assert status == 0


def test_variable_given_twice(box):
    c = box("true")
    c.config["process"]["env"] += ["A=1", "A=2"]
    assert "entry 3" in only(c, "/process/env/4", "warning")


def test_cpus_that_are_not_online(box):
    c = box("true")
    c.config["process"]["execCPUAffinity"] = {"initial": "0,60000"}
    assert "60000" in only(c, "/process/execCPUAffinity/initial", "warning")


def test_ids_that_are_not_mapped(box):
    c = box("true")
    add_namespace(c.config, "user")
    for key in ("uidMappings", "gidMappings"):
        c.config["linux"][key] = [{"containerID": 0, "hostID": 100000, "size": 10}]
    c.config["process"]["user"] = {"uid": 10, "gid": 3, "additionalGids": [4, 11]}
    found, status = lint(c)
    # The default mounts name a group, too.
    assert {"/process/user/uid", "/process/user/additionalGids/1"} <= set(found) and status == 1
    assert "/process/user/gid" not in found


# --- hooks and mounts

@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "poststart", "poststop"])
def test_hooks(box, kind):
    c = box("true")
    plain = c.bundle / "plain"
    plain.write_text("#!/bin/sh\n")
    c.config["hooks"] = {kind: [{"path": "/bin/true"}, {"path": "/no/such/hook"}, {"path": str(plain)}, {"path": "/etc"}]}
    found, status = lint(c)
    errors = {pointer: message for pointer, (severity, message) in found.items() if severity == "error"}
    assert sorted(errors) == [f"/hooks/{kind}/{i}/path" for i in (1, 2, 3)] and status == 1
    assert "chmod" in errors[f"/hooks/{kind}/2/path"]


def test_hook_of_the_container(box):
    c = box("true")
    c.config["hooks"] = {"startContainer": [{"path": "/bin/true"}, {"path": "/usr/bin/python3"}]}
    assert not (c.rootfs / "usr/bin/python3").exists()
    assert "root filesystem" in only(c, "/hooks/startContainer/1/path")


def test_mounts(box):
    c = box("true")
    first = len(c.config["mounts"])
    (c.rootfs / "file").write_text("")
    c.config["mounts"] += [
        {"destination": "/mnt", "source": "/no/such/source", "options": ["bind"]},
        {"destination": "/a", "type": "nosuchfs", "source": "x"},
        {"destination": "/file", "type": "tmpfs", "source": "x"},
        {"destination": "relative", "type": "tmpfs", "source": "x"},
        {"destination": "/tmp//", "type": "tmpfs", "source": "x"},
        {"destination": "/tmp", "type": "tmpfs", "source": "x"},
    ]
    found, status = lint(c)
    assert {pointer: severity for pointer, (severity, _) in found.items()} == {
        f"/mounts/{first}/source": "error", f"/mounts/{first + 1}/type": "error",
        f"/mounts/{first + 2}/destination": "error", f"/mounts/{first + 3}/destination": "warning",
        f"/mounts/{first + 5}/destination": "warning"}
    assert status == 1


def test_filesystem_that_is_not_there(box):
    c = box("true")
    first = len(c.config["mounts"])
    c.config["mounts"].append({"destination": "/mnt", "type": "nosuchfs", "source": "x"})
    found, _ = lint(c)
    assert list(found) == [f"/mounts/{first}/type"]  # a warning where the kernel may load modules


def test_procfs_on_a_link(box):
    c = box("true")
    (c.rootfs / "proc").rmdir()
    (c.rootfs / "proc").symlink_to("tmp")
    assert "symbolic link" in only(c, "/mounts/0/destination")


# --- namespaces

def test_paths_of_namespaces(box, workdir):
    c = box("true")
    os.mkfifo(workdir / "fifo")
    for path, said in ((workdir / "nothing", "no such file"), (workdir / "fifo", "is not a namespace"),
                       ("/proc/self/ns/uts", "is not a network namespace")):
        add_namespace(c.config, "network", path)
        index = [n["type"] for n in c.config["linux"]["namespaces"]].index("network")
        assert said in only(c, f"/linux/namespaces/{index}/path")
    add_namespace(c.config, "network", "/proc/self/ns/net")
    assert lint(c) == ({}, 0)


def test_ordinary_user_without_user_namespace(box, runtime):
    if subprocess.run([*AS_USER, "test", "-x", runtime]).returncode != 0:
        pytest.skip(f"the user 1000 cannot execute {runtime}")
    c = box("true")
    c.prefix = AS_USER
    c.bundle.chmod(0o755)
    found, status = lint(c)
    assert found["/linux/namespaces"][0] == "error" and status == 1


# --- resources

@pytest.mark.parametrize("resources, pointer", [
    ({"cpu": {"cpus": "60000"}}, "/cpu/cpus"),
    ({"cpu": {"mems": "60000"}}, "/cpu/mems"),
    ({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}, "/hugepageLimits/0/pageSize"),
    ({"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 7, "rate": 1}]}}, "/blockIO/throttleReadBpsDevice/0"),
    ({"rdma": {"nosuch0": {"hcaObjects": 1}}}, "/rdma/nosuch0"),
    ({"unified": {"nosuch.max": "1"}}, "/unified/nosuch.max"),
])
def test_resources(box, resources, pointer):
    c = box("true")
    c.config["linux"]["resources"].update(resources)
    found, status = lint(c)
    assert found["/linux/resources" + pointer][0] == "error" and status == 1


def test_cgroup_with_processes(box, test_id):
    owner = box("sleep", "1000")
    owner.config["linux"]["cgroupsPath"] = f"/{test_id}-shared"
    owner.up()
    c = box("true")
    c.config["linux"]["cgroupsPath"] = f"/{test_id}-shared"
    assert "processes" in only(c, "/linux/cgroupsPath")


# --- what the kernel has

def test_security_modules(box):
    c = box("true")
    c.config["process"]["selinuxLabel"] = "system_u:object_r:x_t:s0"
    c.config["linux"]["mountLabel"] = "system_u:object_r:x_t:s0"
    c.config["process"]["apparmorProfile"] = "no-such-profile"
    found, _ = lint(c)
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("this kernel runs SELinux")
    assert {"/process/selinuxLabel", "/linux/mountLabel", "/process/apparmorProfile"} == set(found)


def test_seccomp_listener(box, workdir):
    c = box("true")
    c.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(workdir / "s"),
                                    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}
    assert "no such file" in only(c, "/linux/seccomp/listenerPath")
    (workdir / "s").write_text("")
    assert "not a socket" in only(c, "/linux/seccomp/listenerPath")
    (workdir / "s").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workdir / "s"))
        assert lint(c) == ({}, 0)


def test_sysctls(box):
    c = box("true")
    c.config["linux"]["sysctl"] = {"net.ipv4.no_such_thing": "1", "net.ipv4.ip_forward": "0",
                                   "net/ipv4/conf/eth9.1/forwarding": "0"}
    found, status = lint(c)
    assert {pointer: severity for pointer, (severity, _) in found.items()} == {
        "/linux/sysctl/net.ipv4.no_such_thing": "error", "/linux/sysctl/net~1ipv4~1conf~1eth9.1~1forwarding": "warning"}


def test_without_process(box):
    c = box("true")
    del c.config["process"]
    assert lint(c) == ({"/process": ("warning", "is absent: the container can be created, and not started")}, 0)


def test_interfaces_and_nodes(box):
    c = box("true")
    c.config["linux"]["netDevices"] = {"nosuch0": {}}
    c.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "60000"}
    found, status = lint(c)
    assert {"/linux/netDevices/nosuch0", "/linux/memoryPolicy/nodes"} <= set(found) and status == 1


def test_resctrl(box):
    if "resctrl" in pathlib.Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has resctrl")
    c = box("true")
    c.config["linux"]["intelRdt"] = {"closID": "x"}
    assert "resctrl" in only(c, "/linux/intelRdt")


def test_version_of_the_future(box):
    c = box("true")
    c.config["ociVersion"] = "1.99.0"
    assert "newer" in only(c, "/ociVersion", "warning")


def test_device_of_the_host(box):
    """What cannot be made in a user namespace is bound from the host."""
    c = box("true")
    add_namespace(c.config, "user")
    for key in ("uidMappings", "gidMappings"):
        c.config["linux"][key] = [{"containerID": 0, "hostID": 0, "size": 1000}]
    c.config["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3},
                                    {"path": "/dev/no-such-device", "type": "c", "major": 1, "minor": 3},
                                    {"path": "/dev/zero", "type": "c", "major": 1, "minor": 3}]
    found, _ = lint(c)
    assert {"/linux/devices/1/path", "/linux/devices/2/path"} == set(found)


# --- the examples of the specification

def examples(directory, kind):
    return sorted(path for path in (directory / kind).glob("*.json"))


def prepared(box, path):
    """A bundle with this config, whose root filesystem is there."""
    c = box("true")
    c.written = path.read_text()
    try:
        name = json.loads(c.written)["root"]["path"]
    except (ValueError, KeyError):
        return c
    (c.bundle / name).mkdir(exist_ok=True)
    return c


def dry_run(container):
    container.write()
    return container.cmd("create", "--dry-run", "--bundle", container.bundle, container.id)


@pytest.mark.parametrize("directory", ["ours", "theirs"])
def test_examples(box, directory):
    if directory == "ours":
        root = REPO / "src/oci/testdata"
    else:
        root = SCHEMA / "test/config"
        if not root.exists():
            pytest.skip(f"{root}, the examples of the runtime specification, is not here")
    assert examples(root, "good") and examples(root, "bad")
    for path in examples(root, "good"):
        # This host may lack something, or there may be no program; but the config is good.
        message = dry_run(prepared(box, path)).stderr
        assert "config.json is invalid" not in message, path
    for path in examples(root, "bad"):
        c = prepared(box, path)
        result = dry_run(c)
        assert result.returncode == 1 and "config.json is invalid: 1 finding" in result.stderr, path
        assert c.cmd("lint", c.bundle).returncode == 1


# --- the schema of the specification, constraint by constraint

class Schema:
    """config-schema.json and what it refers to, as (pointer, a good value, [bad values]) of every property."""

    def __init__(self, folder):
        self.files = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}

    def resolve(self, node, file):
        while "$ref" in node:
            name, _, pointer = node["$ref"].partition("#")
            file = name or file
            if file not in self.files:
                return None, file
            node = self.files[file]
            for key in pointer.strip("/").split("/"):
                node = node[key]
        return node, file

    def members(self, node, file):
        """The properties and required names of an object, with those of allOf."""
        properties, required = dict(node.get("properties", {})), set(node.get("required", []))
        for part in node.get("allOf", []):
            part, _ = self.resolve(part, file)
            more, names = self.members(part, file)
            properties.update(more)
            required |= names
        return properties, required

    def bad(self, node):
        """Values that break one constraint each."""
        kind = node.get("type", "object" if "allOf" in node else None)
        yield from {"string": [7, [], True], "integer": ["7", 1.5, True, {}], "boolean": ["true", 0],
                    "array": [{}, "x", 1], "object": [[], "x", 1]}[kind]
        if "minimum" in node:
            yield node["minimum"] - 1
        if "maximum" in node and node["maximum"] != 511:  # see test_file_modes_with_more_bits
            yield node["maximum"] + 1
        if "enum" in node:
            yield "NO_SUCH_NAME"
        if "pattern" in node:
            yield next(text for text in ("@@", "x y z", "") if not re.search(node["pattern"], text))
        if node.get("minItems"):
            yield []

    def walk(self, node, file, pointer):
        """(pointer, node) of everything below; "0" and "x" stand for the elements of arrays and maps."""
        node, file = self.resolve(node, file)
        if node is None:
            return
        yield pointer, node, self.members(node, file)[1]
        for key, member in self.members(node, file)[0].items():
            yield from self.walk(member, file, f"{pointer}/{key}")
        if isinstance(node.get("items"), dict):
            items = node["items"].get("anyOf", [node["items"]])[0]
            yield from self.walk(items, file, pointer + "/0")
        for member in (node.get("additionalProperties"), *node.get("patternProperties", {}).values()):
            if isinstance(member, dict):
                yield from self.walk(member, file, pointer + "/x")


def put(document, pointer, value):
    keys = pointer.strip("/").split("/")
    for key, following in zip(keys, [*keys[1:], None]):
        new = value if following is None else [] if following == "0" else {}
        if isinstance(document, list):
            document.append(new)
            document = document[0]
        else:
            document = document.setdefault(key, new)


def test_every_constraint_of_the_schema(box):
    if not SCHEMA.exists():
        pytest.skip(f"{SCHEMA}, the schema of the runtime specification, is not here")
    schema = Schema(SCHEMA)
    c = box("true")
    checked = 0
    for pointer, node, required in schema.walk(schema.files["config-schema.json"], "config-schema.json", ""):
        if not pointer:
            continue
        for value in schema.bad(node):
            document = {}
            put(document, pointer, value)
            c.written = json.dumps(document)
            found, _ = lint(c)
            assert pointer in found and found[pointer][0] == "error", (pointer, value, found)
            assert "not a known property" not in found[pointer][1]
            checked += 1
        for name in required:
            document = {}
            put(document, pointer, {})
            c.written = json.dumps(document)
            assert f"{pointer}/{name}" in lint(c)[0], (pointer, name)
            checked += 1
    assert checked > 700


def test_file_modes_with_more_bits(box):
    """The schema stops at 0777; engines pass the bits of stat(2), which runc takes, and set-user-ID is one of them."""
    c = box("true")
    c.config["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o20644}]
    assert lint(c) == ({}, 0)
    c.config["linux"]["devices"][0]["fileMode"] = 0o200000
    assert "65535" in only(c, "/linux/devices/0/fileMode")
