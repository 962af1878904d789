"""--strict: what would be ignored is an error, with all of it in one list; without it each is a warning."""
import json
import subprocess

import pytest

from harness import AS_USER, our_cgroups


def ignored(config):
    """Asks for one thing of each kind that a container can do without; gives the pointers."""
    config["windows"] = {}
    config["process"]["consoleSize"] = {"height": 1, "width": 2}
    config["process"]["user"]["username"] = "Administrator"
    config["process"]["commandLine"] = "x"
    config["process"]["capabilities"]["bounding"].append("CAP_OF_THE_FUTURE")
    config["process"]["capabilities"]["ambient"] = ["CAP_KILL"]
    config["annotations"] = {"org.systemd.property.MemoryMax": "1"}
    config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "x", "options": ["norelatime"]})
    config["mounts"].append({"destination": "/mnt", "source": "/mnt", "options": ["bind", "sync"]})
    config["linux"]["resources"]["memory"] = {"kernel": -1}
    config["linux"]["personality"] = {"domain": "LINUX", "flags": ["X"]}
    config["linux"]["devices"] = [{"path": "/dev/p", "type": "p"}] * 2
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_M68K"],
                                  "syscalls": [{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"},
                                               {"names": ["getpid", "no_such_call"], "action": "SCMP_ACT_ALLOW"}]}
    first = len(config["mounts"]) - 2
    # Those of the parser, and those that only the start finds.
    return ["/windows", "/process/consoleSize", "/process/user/username", "/process/commandLine",
            "/process/capabilities/bounding/3", "/annotations/org.systemd.property.MemoryMax",
            f"/mounts/{first}/options/0", f"/mounts/{first + 1}/options/1", "/linux/resources/memory/kernel",
            "/linux/personality/flags", "/linux/devices/1"], [
                "/process/capabilities/ambient", "/linux/seccomp/architectures/0",
                "/linux/seccomp/syscalls/1/names/1"]


def test_each_is_a_warning_that_names_the_field(box):
    c = box("true")
    early, late = ignored(c.config)
    result = c.run()
    assert result.returncode == 0
    warned = [line.split(": ")[1] for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert sorted(warned) == sorted(early + late)


def test_all_are_errors_with_strict(box):
    c = box("true")
    early, late = ignored(c.config)
    c.global_args = ["--strict"]
    for result in (c.create(), c.run(), c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id)):
        assert result.returncode == 1
        refused = [line.split(": ")[0].strip() for line in result.stderr.splitlines() if line.startswith("  /")]
        assert sorted(refused) == sorted(early)
    c.global_args = []
    assert c.state() is None and not our_cgroups(c.id) and not list(c.root.glob("*"))


def test_what_only_the_start_finds(box):
    c = box("true")
    _, late = ignored(c.config)
    plain = box("true").config
    c.config["process"] = {**plain["process"], "capabilities": {**plain["process"]["capabilities"], "ambient": ["CAP_KILL"]}}
    for key in ("windows", "annotations"):
        del c.config[key]
    c.config["mounts"] = plain["mounts"]
    c.config["linux"] = {**plain["linux"], "seccomp": c.config["linux"]["seccomp"]}
    c.global_args = ["--strict"]
    result = c.run()
    c.global_args = []
    assert result.returncode == 1
    assert sorted(line.split(": ")[0].strip() for line in result.stderr.splitlines() if line.startswith("  /")) == sorted(late)
    assert c.state() is None and not our_cgroups(c.id)


def test_a_bad_config_tells_of_both(box):
    c = box("true")
    c.config["process"]["cwd"] = "relative"
    c.config["future"] = 1
    c.global_args = ["--strict"]
    result = c.run()
    c.global_args = []
    assert result.returncode == 1 and "/process/cwd: " in result.stderr and "/future: " in result.stderr
    assert "/future" not in c.run().stderr  # a warning about something that is refused helps nobody


def test_a_plain_config_is_accepted(box):
    c = box("true")
    c.global_args = ["--strict"]
    result = c.run()
    c.global_args = []
    assert result.returncode == 0 and result.stderr == ""


def test_the_log_has_one_record(box, workdir):
    c = box("true")
    ignored(c.config)
    c.global_args = ["--strict", "--log", workdir / "log", "--log-format", "json"]
    assert c.run().returncode == 1
    c.global_args = []
    record = json.loads((workdir / "log").read_text())
    assert record["level"] == "error" and "/windows: is not a known property" in record["msg"]


def test_warnings_are_in_the_log_with_debug_alone(box, workdir):
    c = box("true")
    c.config["future"] = 1
    log = workdir / "log"
    c.global_args = ["--log", log, "--log-format", "json"]
    assert c.run().returncode == 0 and not log.exists()
    c.global_args.append("--debug")
    assert c.run().returncode == 0
    c.global_args = []
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [r["msg"] for r in records if r["level"] == "warning"] == ["/future: is not a known property and is ignored"]


def test_exec_with_a_process_file(box, workdir):
    c = box("sleep", "1000").up()
    process = workdir / "process.json"
    process.write_text(json.dumps({"args": ["true"], "cwd": "/", "new": 1, "capabilities": {"bounding": ["CAP_NEW"]}}))
    result = c.exec_flags(["--process", process])
    assert result.returncode == 0
    for pointer in ("/new", "/capabilities/bounding/0"):
        assert f"warning: {pointer}: is " in result.stderr
    c.global_args = ["--strict"]
    result = c.exec_flags(["--process", process])
    assert result.returncode == 255 and "/new: is" in result.stderr and "/capabilities/bounding/0: is" in result.stderr
    assert c.exec("true").returncode == 0
    c.global_args = []


def test_exec_does_not_warn_of_the_container_again(box):
    c = box("sleep", "1000")
    c.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                                    "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]}
    c.up()
    assert "warning: /linux/seccomp/syscalls/0/names/0: " in (c.bundle / "stderr").read_text()
    result = c.exec("true")
    assert result.returncode == 0 and result.stderr == ""


def rootless(box, runtime):
    if subprocess.run([*AS_USER, "test", "-x", runtime]).returncode != 0:
        pytest.skip(f"the user 1000 cannot execute {runtime}")
    c = box("true")
    for kind in ("network",):
        c.config["linux"]["namespaces"] = [n for n in c.config["linux"]["namespaces"] if n["type"] != kind]
    c.config["linux"]["namespaces"].append({"type": "user"})
    for key in ("uidMappings", "gidMappings"):
        c.config["linux"][key] = [{"containerID": 0, "hostID": 1000, "size": 1}]
    c.config["mounts"] = [m for m in c.config["mounts"] if m["type"] in ("proc", "tmpfs")]
    c.config["process"]["rlimits"] = []
    c.root = c.bundle / "root"
    c.root.mkdir()
    for path in (c.bundle, c.root):
        subprocess.run(["chown", "1000:1000", path], check=True)
    c.prefix = AS_USER
    return c


def test_what_an_ordinary_user_cannot_have(box, runtime):
    c = rootless(box, runtime)
    c.config["process"]["oomScoreAdj"] = -500
    result = c.run()
    assert result.returncode == 0, result.stderr
    for pointer in ("/process/oomScoreAdj", "/linux/cgroupsPath"):
        assert f"warning: {pointer}: is " in result.stderr
    c.global_args = ["--strict"]
    result = c.run()
    c.global_args = []
    assert result.returncode == 1 and "  /process/oomScoreAdj: is ignored" in result.stderr
    assert c.state() is None
