"""Bad input: refused before anything is made, with everything that is wrong and where it is."""
import copy
import json
import os
import resource
import subprocess
import time

import pytest

from harness import our_cgroups


def set_at(config, pointer, value):
    *path, last = pointer.strip("/").split("/")
    node = config
    for key in path:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    if isinstance(node, list):
        node[int(last)] = value
    elif value is DELETE:
        del node[last]
    else:
        node[last] = value


DELETE = object()

FINDINGS = [
    ("/ociVersion", DELETE), ("/ociVersion", "2.0.0"), ("/ociVersion", 1),
    ("/root/path", DELETE), ("/root/path", 7), ("/root/readonly", "yes"),
    ("/process/args", []), ("/process/args", "sh"), ("/process/args/0", 5),
    ("/process/cwd", DELETE), ("/process/cwd", "relative"), ("/process/env", {"A": "b"}), ("/process/env/0", None),
    ("/process/user/uid", -1), ("/process/user/uid", "root"), ("/process/user/uid", 2**32), ("/process/user/uid", 1.5),
    ("/process/capabilities/bounding", "CAP_KILL"), ("/process/noNewPrivileges", 1),
    ("/process/rlimits/0/type", "RLIMIT_WHAT"), ("/process/rlimits/0/soft", -1), ("/process/oomScoreAdj", 1001),
    ("/process/terminal", "no"), ("/hostname", 5), ("/mounts/0/destination", DELETE), ("/mounts/0/options", "ro"),
    ("/mounts", {}), ("/hooks", {"createRuntime": [{"path": "relative"}]}), ("/hooks", {"prestart": [{}]}),
    ("/hooks", {"poststop": [{"path": "/bin/true", "timeout": 0}]}),
    ("/linux/namespaces/0/type", "nosuch"), ("/linux/namespaces/0/type", DELETE), ("/linux/rootfsPropagation", "sideways"),
    ("/linux/devices", [{"path": "relative", "type": "c", "major": 1, "minor": 3}]),
    ("/linux/devices", [{"path": "/dev/x", "type": "q", "major": 1, "minor": 3}]),
    ("/linux/maskedPaths", "/proc"), ("/linux/seccomp", {"defaultAction": "SCMP_ACT_WHAT"}), ("/linux/seccomp", {}),
    ("/linux/seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]}),
    ("/linux/resources/memory", {"limit": "64m"}), ("/linux/resources/pids", {"limit": "many"}),
    ("/linux/uidMappings", [{"containerID": 0, "hostID": 0}]), ("/annotations", {"a": 1}),
]

# Where a finding within the value is expected, when it is not the value itself.
INNER = {"/hooks": "/hooks/", "/linux/devices": "/linux/devices/0", "/linux/seccomp": "/linux/seccomp",
         "/linux/resources/memory": "/linux/resources/memory/limit", "/linux/resources/pids": "/linux/resources/pids/limit",
         "/linux/uidMappings": "/linux/uidMappings", "/annotations": "/annotations/a"}


def refused(container, *pointers):
    """Both create and run refuse it with all the pointers, and make nothing."""
    for result in (container.create(), container.run()):
        assert result.returncode == 1
        for pointer in pointers:
            assert pointer in result.stderr, result.stderr
    assert container.state() is None
    assert not list(container.root.glob("*")) if container.root.exists() else True
    assert not our_cgroups(container.id)
    return result.stderr


@pytest.mark.parametrize("pointer, value", FINDINGS, ids=[f"{p}={'absent' if v is DELETE else json.dumps(v)[:30]}" for p, v in FINDINGS])
def test_finding(box, pointer, value):
    c = box("true")
    set_at(c.config, pointer, value if value is DELETE else copy.deepcopy(value))
    refused(c, INNER.get(pointer, pointer))


def test_all_findings_at_once(box):
    c = box("true")
    pointers = ["/process/cwd", "/process/user/uid", "/mounts/0/destination", "/linux/namespaces/1/type", "/hostname", "/root/readonly"]
    for pointer, value in zip(pointers, ["relative", -1, 5, "nosuch", [], "maybe"]):
        set_at(c.config, pointer, value)
    refused(c, *pointers)


def test_findings_are_sentences(box):
    c = box("true")
    c.config["process"]["cwd"] = "relative"
    message = refused(c, "/process/cwd")
    assert "absolute" in message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "42", '{"ociVersion": "1.0.2",}', '{"ociVersion": "1.0.2"} x',
                                  '{"ociVersion": "1.0.2", "ociVersion": "1.0.2"}', "\ufeff{", '{"a": "\\ud800"}'],
                         ids=["empty", "open", "array", "null", "number", "comma", "trailing", "duplicate", "bom", "surrogate"])
def test_not_a_config(box, text):
    c = box("true")
    c.written = text
    refused(c)


def test_deep_nesting(box):
    c = box("true")
    c.written = '{"annotations": ' + "[" * 200000 + "]" * 200000 + "}"
    refused(c)


def test_binary_file(box):
    c = box("true")
    c.write()
    (c.bundle / "config.json").write_bytes(bytes(range(256)) * 100)
    assert c.cmd("run", "--bundle", c.bundle, c.id).returncode == 1


@pytest.mark.parametrize("kind", ["directory", "fifo", "socket"])
def test_config_that_is_no_file(box, kind):
    """A fifo without a writer would hold up whoever opens it."""
    import socket
    c = box("true")
    path = c.bundle / "config.json"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        socket.socket(socket.AF_UNIX).bind(str(path))
    for command in (["run", "--bundle", c.bundle, c.id], ["lint", c.bundle]):
        result = c.cmd(*command, timeout=10)
        assert result.returncode == 1 and "config.json: " in result.stderr
    if kind == "socket":
        path.unlink()


@pytest.mark.parametrize("content, said", [
    (b"\xef\xbb\xbf{}", "line 1, column 1: a byte order mark"),
    (b'{\n "a": "\xff"}', "line 2, column 8: invalid UTF-8"),
    (b'{"a": "\x00"}', "line 1, column 8: a NUL byte"),
    (b'{"a": "\x07"}', "line 1, column 8: a control character"),
    (b"{}\n{}", "line 2, column 1: something follows the document"),
    (b'{"a":' + b"[" * 600, "is nested deeper than 512 levels: line 1, column 517"),
    (b"", "the document is empty"),
], ids=["bom", "utf8", "nul", "control", "trailing", "deep", "empty"])
def test_the_place_of_a_syntax_error_is_told(box, content, said):
    c = box("true")
    (c.bundle / "config.json").write_bytes(content)
    result = c.cmd("run", "--bundle", c.bundle, c.id)
    assert result.returncode == 1 and said in result.stderr


def test_findings_do_not_control_the_terminal(box):
    c = box("true")
    c.config["linux"]["sysctl"] = {"net.\x1b[2J\u009b2J": "1"}
    message = refused(c, "/linux/sysctl/")
    assert "\\x1b[2J\\x9b2J" in message and not set(message) & {"\x1b", "\u009b"}


HUGE = 50_000_000


@pytest.mark.parametrize("piece, findings", [
    (b'{"destination":"/some/destination/inside","type":"bind","options":["ro"],"x":1},', 1),
    (b'"not an object",', 501),
    (b"1,", 1),
], ids=["mounts", "findings", "values"])
def test_a_huge_config_costs_bounded_time_and_memory(box, piece, findings):
    """50 MB: refused (or read) within seconds and within 1.5 GB, with a bounded report."""
    c = box("true")
    head = b'{"ociVersion":"2.0.0","root":{"path":"rootfs"},"mounts":['
    with open(c.bundle / "config.json", "wb") as file:
        file.write(head + piece * ((HUGE - len(head)) // len(piece)) + b'{"destination":"/x"}]}')
    begin = time.monotonic()
    process = subprocess.Popen(c.command("lint", c.bundle), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, _ = process.communicate(timeout=120)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert process.returncode == 1
    assert sum(line.startswith(b"error: ") for line in output.splitlines()) == findings
    assert peak < 1.5e9 and len(output) < 1e6 and time.monotonic() - begin < 60


def test_unknown_fields_are_ignored(box):
    """The specification: a runtime must ignore what it does not know."""
    c = box("true")
    c.config["ofTheFuture"] = {"x": [1, 2]}
    c.config["process"]["alsoNew"] = True
    assert c.run().returncode == 0


def test_the_same_destination_twice_is_legal(box):
    """config.md: mounts are made in the order of the list; a later one covers an earlier one."""
    c = box("cat", "/mnt/which")
    for name in ("first", "second"):
        (c.bundle / name).mkdir()
        (c.bundle / name / "which").write_text(name)
        c.config["mounts"].append({"destination": "/mnt", "source": name, "options": ["rbind"]})
    assert c.run().stdout == "second"


def test_duplicate_devices(box):
    c = box("true")
    device = {"path": "/dev/x", "type": "c", "major": 1, "minor": 3}
    c.config["linux"]["devices"] = [device, {**device, "minor": 5}]
    refused(c, "/linux/devices/1/path")
    c.config["linux"]["devices"] = [device, device]
    result = c.run()
    assert result.returncode == 0 and "warning: /linux/devices/1: is ignored" in result.stderr


def test_newer_minor_version(box):
    c = box("true")
    c.config["ociVersion"] = "1.9.0"
    assert c.run().returncode == 0


def test_duplicate_rlimit(box):
    c = box("true")
    c.config["process"]["rlimits"] *= 2
    refused(c, "/process/rlimits/1")


def test_duplicate_namespace(box):
    c = box("true")
    c.config["linux"]["namespaces"].append({"type": "pid"})
    refused(c, "/linux/namespaces/5")


def test_hostname_without_uts_namespace(box):
    c = box("true")
    c.config["linux"]["namespaces"] = [n for n in c.config["linux"]["namespaces"] if n["type"] != "uts"]
    c.config["hostname"] = "x"
    refused(c, "/hostname")


def test_mappings_without_user_namespace(box):
    c = box("true")
    c.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 10}]
    refused(c, "/linux/uidMappings")


def test_nul_in_a_string(box):
    c = box("true")
    c.config["process"]["args"] = ["sh", "a\0b"]
    refused(c, "/process/args/1")


def test_missing_bundle(box, workdir):
    result = box("true").cmd("run", "--bundle", workdir / "nothing", "x")
    assert result.returncode == 1
    assert "no such file or directory" in result.stderr and "nothing" in result.stderr


def test_bundle_without_config(box, workdir):
    (workdir / "empty").mkdir()
    result = box("true").cmd("run", "--bundle", workdir / "empty", "x")
    assert result.returncode == 1
    assert "config.json" in result.stderr and "no such file or directory" in result.stderr


def test_without_process(box):
    """runtime.md, Start: create needs no process, and start then fails; run is both."""
    c = box("true")
    del c.config["process"]
    result = c.run()
    assert result.returncode == 1 and "/process: must be present" in result.stderr
    assert c.cmd("state", c.id).returncode == 1

    assert c.create().returncode == 0
    assert c.state()["status"] == "created"
    assert c.exec("true").returncode == 0
    result = c.start()
    assert result.returncode == 1
    assert "the container has no process: there is nothing to execute" in result.stderr
    c.wait_stopped()
    assert c.cmd("delete", c.id).returncode == 0


def test_log_gets_exactly_one_json_object(box, workdir):
    """podman parses the whole log as one object, containerd the last line with level error."""
    for breakage in (lambda c: c.config["process"].update(cwd="relative", args=[]),
                     lambda c: c.config["process"].update(args=["/no/such/program"]),
                     lambda c: c.config["mounts"].append({"destination": "/mnt", "type": "nosuchfs", "source": "x"})):
        c = box("true")
        breakage(c)
        log = workdir / "log.json"
        log.unlink(missing_ok=True)
        c.global_args = ["--log", log, "--log-format", "json"]
        assert c.create().returncode == 1
        record = json.loads(log.read_text())
        c.global_args = []
        assert record["level"] == "error" and record["msg"] and "T" in record["time"]
        assert log.read_text().count("\n") == 1


def test_log_as_text(box, workdir):
    c = box("true")
    c.config["process"]["cwd"] = "relative"
    c.global_args = ["--log", workdir / "log"]
    assert c.create().returncode == 1
    c.global_args = []
    assert "level=error" in (workdir / "log").read_text() and "/process/cwd" in (workdir / "log").read_text()


def test_success_logs_nothing(box, workdir):
    c = box("true")
    c.global_args = ["--log", workdir / "log", "--log-format", "json"]
    assert c.run().returncode == 0
    c.global_args = []
    assert not (workdir / "log").exists() or (workdir / "log").read_text() == ""


@pytest.mark.parametrize("breakage", ["program", "cwd", "mount", "user"])
def test_a_late_failure_leaves_nothing(box, breakage):
    """What the leak check after every test looks at: here the failure comes when everything else is up."""
    c = box("true")
    if breakage == "program":
        c.config["process"]["args"] = ["/no/such/program"]
    elif breakage == "cwd":
        c.config["process"]["cwd"] = "/etc/passwd"
    elif breakage == "mount":
        c.config["mounts"].append({"destination": "/mnt", "type": "bind", "source": "/no/such/source", "options": ["bind"]})
    else:
        c.config["linux"].update(uidMappings=[{"containerID": 0, "hostID": 1000, "size": 1}], gidMappings=[{"containerID": 0, "hostID": 1000, "size": 1}])
        c.config["linux"]["namespaces"].append({"type": "user"})
        c.config["process"]["user"] = {"uid": 77, "gid": 77}
    assert c.run().returncode == 1
    assert c.state() is None


def test_root_directory_that_cannot_be_made(box, workdir):
    (workdir / "file").write_text("")
    c = box("true")
    c.write()
    result = c.cmd("run", "--bundle", c.bundle, c.id)
    assert result.returncode == 0
    c.root = workdir / "file/root"
    result = c.run()
    assert result.returncode == 1 and "not a directory" in result.stderr
    c.root = workdir / "root"
