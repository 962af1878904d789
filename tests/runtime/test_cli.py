"""The command line: what callers type, and what they parse."""
import json
import re
import subprocess

import pytest

from harness import default_config

COMMANDS = ["create", "start", "run", "exec", "state", "list", "ps", "kill", "delete", "pause", "resume", "spec", "features"]


@pytest.fixture
def cli(runtime, workdir):
    def run(*args, **kwargs):
        return subprocess.run([runtime, *[str(a) for a in args]], capture_output=True, text=True, timeout=10,
                              stdin=subprocess.DEVNULL, **kwargs)
    return run


@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_version(cli, flag):
    result = cli(flag)
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"\S+ version \S+", lines[0])
    assert re.fullmatch(r"commit: \S*", lines[1])
    assert re.fullmatch(r"spec: 1\.\d+\.\d+\S*", lines[2])


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help(cli, flag):
    result = cli(flag)
    assert result.returncode == 0
    for word in COMMANDS + ["--root", "--log", "--log-format", "--debug", "--systemd-cgroup", "--rootless", "--version"]:
        assert word in result.stdout, word


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(cli, command):
    for flag in ("--help", "-h"):
        result = cli(command, flag)
        assert result.returncode == 0 and command in result.stdout


@pytest.mark.parametrize("command, flags", [
    ("create", "--bundle --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds"),
    ("run", "--bundle --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --detach --keep"),
    ("exec", "--console-socket --pidfd-socket --cwd --env --tty --user --additional-gids --process --detach --pid-file --process-label "
             "--apparmor --no-new-privs --cap --preserve-fds --cgroup --ignore-paused"),
    ("delete", "--force"), ("list", "--format --quiet"), ("ps", "--format"), ("spec", "--bundle --rootless")])
def test_flags_of_a_command(cli, command, flags):
    text = cli(command, "--help").stdout
    assert [f for f in flags.split() if f not in text] == []


def test_unknown_command(cli):
    result = cli("bogus")
    assert result.returncode != 0 and "bogus" in result.stderr


def test_no_command(cli):
    result = cli()
    assert "create" in result.stdout + result.stderr


def test_unknown_flag(cli):
    result = cli("--bogus", "list")
    assert result.returncode != 0 and "bogus" in result.stderr + result.stdout
    result = cli("state", "--bogus", "x")
    assert result.returncode != 0 and "bogus" in result.stderr + result.stdout


@pytest.mark.parametrize("command", ["create", "start", "run", "state", "kill", "delete", "pause", "resume", "ps", "exec"])
def test_missing_id(cli, command):
    result = cli(command)
    assert result.returncode != 0 and result.stderr


@pytest.mark.parametrize("command", ["create", "start", "run", "state", "pause", "resume", "delete"])
def test_too_many_arguments(cli, command, workdir):
    result = cli("--root", workdir / "root", command, "one", "two")
    assert result.returncode != 0 and result.stderr


def test_flag_without_its_value(cli):
    result = cli("create", "--bundle")
    assert result.returncode != 0
    assert "flag needs an argument" in result.stderr + result.stdout or "requires an argument" in result.stderr + result.stdout


def test_single_dash_long_options(box, workdir):
    c = box("sleep", "1000")
    c.write()
    result = c.detached("run", "-detach", "-bundle", c.bundle, "-pid-file", workdir / "pid", "-no-subreaper", c.id)
    assert result.returncode == 0, result.stderr
    assert int((workdir / "pid").read_text()) == c.pid
    assert c.cmd("exec", "-cwd", "/etc", "-user", "5", c.id, "sh", "-c", "pwd; id -u").stdout == "/etc\n5\n"
    result = subprocess.run([c.runtime, "-root", str(c.root), "list", "-quiet"], capture_output=True, text=True)
    assert result.stdout.split() == [c.id]
    assert c.cmd("delete", "-force", c.id).returncode == 0


def test_flag_with_equals(box, workdir):
    c = box("true")
    c.write()
    assert subprocess.run([c.runtime, f"--root={c.root}", f"--log={workdir}/log", "--log-format=json", "--debug=false", "run", f"--bundle={c.bundle}",
                           "--no-pivot=false", c.id]).returncode == 0


@pytest.mark.parametrize("value", ["true", "false", "auto"])
def test_rootless_flag(box, value):
    c = box("true")
    c.global_args = ["--rootless", value]
    assert c.run().returncode == 0 or value == "true"


def test_systemd_cgroup_is_honest(box):
    """Either it is done, or it is said that it cannot be; never silently something else."""
    c = box("true")
    c.global_args = ["--systemd-cgroup"]
    c.config["linux"]["cgroupsPath"] = "system.slice:test:" + c.id
    result = c.run()
    c.global_args = []
    assert result.returncode == 0 or "systemd" in result.stderr


def test_debug(box, workdir):
    c = box("true")
    c.global_args = ["--debug", "--log", workdir / "log"]
    assert c.run().returncode == 0


def test_bad_log_format(cli, workdir):
    result = cli("--root", workdir / "root", "--log-format", "xml", "list")
    assert result.returncode == 1 and "xml" in result.stderr


def test_bad_list_format(cli, workdir):
    (workdir / "root").mkdir()
    result = cli("--root", workdir / "root", "list", "--format", "xml")
    assert result.returncode == 1 and "xml" in result.stderr


def test_spec(cli, workdir):
    result = cli("spec", "--bundle", workdir)
    assert (result.returncode, result.stdout) == (0, "")
    spec, ours = json.loads((workdir / "config.json").read_text()), default_config()
    assert spec["ociVersion"].startswith("1.")
    assert spec["process"]["terminal"] is True and spec["process"]["args"] == ["sh"]
    assert spec["process"]["rlimits"] == ours["process"]["rlimits"] and spec["process"]["noNewPrivileges"] is True
    assert spec["root"] == ours["root"]
    assert [m["destination"] for m in spec["mounts"]] == [m["destination"] for m in ours["mounts"]]
    assert [m.get("options") for m in spec["mounts"]] == [m.get("options") for m in ours["mounts"]]
    assert {"pid", "network", "ipc", "uts", "mount"} <= {n["type"] for n in spec["linux"]["namespaces"]}
    assert set(ours["linux"]["maskedPaths"]) <= set(spec["linux"]["maskedPaths"])
    assert spec["linux"]["readonlyPaths"] == ours["linux"]["readonlyPaths"]


def test_spec_in_the_working_directory(cli, workdir):
    assert cli("spec", cwd=workdir).returncode == 0
    assert (workdir / "config.json").exists()


def test_spec_overwrites_nothing(cli, workdir):
    (workdir / "config.json").write_text("mine")
    result = cli("spec", "-b", workdir)
    assert result.returncode == 1 and "exist" in result.stderr
    assert (workdir / "config.json").read_text() == "mine"


def test_spec_runs(box):
    c = box("true")
    assert c.cmd("spec", "--bundle", c.bundle).returncode == 0
    spec = json.loads((c.bundle / "config.json").read_text())
    spec["process"].update(terminal=False, args=["echo", "works"])
    c.config = spec
    assert c.run().stdout == "works\n"


def test_spec_rootless(cli, workdir):
    assert cli("spec", "--rootless", "--bundle", workdir).returncode == 0
    spec = json.loads((workdir / "config.json").read_text())
    assert "user" in {n["type"] for n in spec["linux"]["namespaces"]}
    assert spec["linux"]["uidMappings"][0]["containerID"] == 0 and spec["linux"]["uidMappings"][0]["size"] == 1
    assert "network" not in {n["type"] for n in spec["linux"]["namespaces"]}


def test_kill_all_flag(box):
    c = box("sh", "-c", "sleep 1000 & sleep 1000 & wait").up()
    assert c.cmd("kill", "--all", c.id, "KILL").returncode == 0
    c.wait_stopped()


def test_containers_of_one_root_are_unknown_to_another(box, workdir):
    c = box("sleep", "1000").up()
    (workdir / "other").mkdir()
    result = subprocess.run([c.runtime, "--root", str(workdir / "other"), "state", c.id], capture_output=True, text=True)
    assert result.returncode == 1 and "does not exist" in result.stderr


def test_errors_are_one_line_on_standard_error(box):
    result = box("true").cmd("state", "nosuch")
    assert result.stdout == "" and len(result.stderr.strip().splitlines()) == 1
