"""features: the document is complete, and every claim in it is what a container then finds to be so."""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from harness import AS_USER, add_namespace, layout, parse_mounts, parse_status

HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
# What the specification knows (defs-linux.json); a claim is about these and nothing else.
NAMESPACES = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
MODES = ["MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY",
         "MPOL_WEIGHTED_INTERLEAVE"]
POLICY_FLAGS = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]
BINDS = {"bind", "rbind", "copy-symlink", "src-nofollow"}
OPTIONS_OF_TABLES = ["idmap", "ridmap", "tmpcopyup"]  # understood, and claimed once they are done
REFUSED = "not supported yet"


def call(runtime, *args, **kwargs):
    return subprocess.run([runtime, *args], capture_output=True, text=True, timeout=30, **kwargs)


@pytest.fixture(scope="module")
def features():
    from harness import runtime_path
    return json.loads(call(runtime_path(), "features").stdout)


@pytest.fixture(scope="module")
def linux(features):
    return features["linux"]


def works(container, **kwargs):
    result = container.run(**kwargs)
    assert result.returncode == 0, result.stderr
    return result


def is_refused(container):
    """Is what the config asks for refused as a whole? What only this host lacks is another error, or none."""
    result = container.run()
    return REFUSED in result.stderr


# --- the document

def test_nothing_but_the_document(runtime, workdir):
    result = call(runtime, "--root", workdir / "none", "features", env={}, cwd="/")
    assert result.returncode == 0 and result.stderr == ""
    assert isinstance(json.loads(result.stdout), dict) and result.stdout.endswith("}\n")
    assert not (workdir / "none").exists(), "no state directory is made"


def test_without_privileges_and_whatever_the_options(runtime, workdir):
    (workdir / "file").write_text("")
    plain = call(runtime, "features").stdout
    assert subprocess.run([*AS_USER, runtime, "features"], capture_output=True, text=True, env={}).stdout == plain
    for flags in (["--root", workdir / "file"], ["--systemd-cgroup"], ["--debug=false"], ["--rootless", "true"]):
        result = call(runtime, *flags, "features")
        assert (result.stdout, result.stderr) == (plain, ""), flags


def test_takes_no_argument(runtime):
    assert call(runtime, "features", "x").returncode == 1


def test_is_complete(features, linux):
    """Nothing is left out: for callers that would mean that it is not known."""
    assert list(features) == ["ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux", "annotations",
                              "potentiallyUnsafeConfigAnnotations"]
    assert set(linux) == {"namespaces", "capabilities", "cgroup", "seccomp", "apparmor", "selinux", "intelRdt", "memoryPolicy",
                          "mountExtensions", "netDevices"}
    assert set(linux["cgroup"]) == {"v1", "v2", "systemd", "systemdUser", "rdma"}
    assert set(linux["seccomp"]) == {"enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"}
    assert set(linux["intelRdt"]) == {"enabled", "schemata", "monitoring"}
    assert set(linux["memoryPolicy"]) == {"modes", "flags"}
    assert set(linux["mountExtensions"]) == {"idmap"} and set(linux["mountExtensions"]["idmap"]) == {"enabled"}
    assert set(linux["netDevices"]) == set(linux["apparmor"]) == set(linux["selinux"]) == {"enabled"}

    def values(value):
        return [v for inner in (value.values() if isinstance(value, dict) else value) for v in values(inner)] \
            if isinstance(value, (dict, list)) else [value]
    assert all(isinstance(v, (str, bool)) for v in values(features))


def test_has_the_structure_of_runcs(features):
    runc = shutil.which("runc")
    if runc is None:
        pytest.skip("needs runc to compare with")

    def kinds(value, pointer=""):
        if isinstance(value, dict) and not pointer.endswith("/annotations"):
            return {p: k for key, inner in value.items() for p, k in kinds(inner, f"{pointer}/{key}").items()}
        return {pointer: type(value)}
    theirs = kinds(json.loads(call(runc, "features").stdout))
    ours = kinds(features)
    assert {p: k for p, k in theirs.items() if ours.get(p) is not k} == {}


# --- claims of the top level

@pytest.mark.parametrize("which", ["ociVersionMin", "ociVersionMax"])
def test_oci_version(box, features, which):
    c = box("true")
    c.config["ociVersion"] = features[which]
    works(c)


def test_hooks(box, workdir, features):
    assert features["hooks"] == HOOKS
    c = box("true")
    log = workdir / "log"
    c.config["mounts"].append({"destination": str(workdir), "type": "bind", "source": str(workdir), "options": ["bind"]})
    c.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} >>{log}"]}]
                         for kind in features["hooks"]}
    works(c)
    assert sorted(log.read_text().split()) == sorted(features["hooks"])


def test_mount_options(box, workdir, features):
    """Each is understood: handed on to the filesystem it would be refused, as the last mount shows."""
    assert "rro" in features["mountOptions"], "CRI-O and containerd look for it"
    (workdir / "source").mkdir()
    c = box("cat", "/proc/self/mountinfo")
    c.config["root"]["readonly"] = False

    def add(option):
        bind = option in BINDS or option in OPTIONS_OF_TABLES[:2]
        mount = {"destination": f"/m/{option}", "type": "bind" if bind else "tmpfs",
                 "source": str(workdir / "source") if bind else "tmpfs", "options": [option]}
        if option in OPTIONS_OF_TABLES[:2]:
            mount.update(uidMappings=[{"containerID": 0, "hostID": 1000, "size": 1}],
                         gidMappings=[{"containerID": 0, "hostID": 1000, "size": 1}])
        if bind and option not in ("bind", "rbind"):
            mount["options"].append("bind")
        if option == "remount":
            mount["destination"] = "/m/noexec"  # it needs a mount that is there
        c.config["mounts"].append(mount)
    (c.rootfs / "m/dest-nofollow").mkdir(parents=True)  # that one is never made
    for option in features["mountOptions"]:
        add(option)
    mounts = parse_mounts(works(c).stdout)
    assert [o for o in features["mountOptions"] if f"/m/{o}" not in mounts] == ["remount"]
    for option in ("ro", "rro", "nosuid", "noexec", "nodev", "noatime"):
        assert option.removeprefix("r" if option == "rro" else "") in mounts[f"/m/{option}"].options
    add("no_such_option")
    assert c.run().returncode == 1


@pytest.mark.parametrize("option", OPTIONS_OF_TABLES)
def test_mount_option_claimed_when_not_refused(box, workdir, features, option):
    (workdir / "source").mkdir()
    c = box("true")
    c.config["root"]["readonly"] = False
    bind = option != "tmpcopyup"
    c.config["mounts"].append({"destination": "/m", "type": "bind" if bind else "tmpfs",
                               "source": str(workdir / "source") if bind else "tmpfs", "options": [option]})
    if bind:
        c.config["mounts"][-1]["options"].append("bind")
        c.config["mounts"][-1].update({k: [{"containerID": 0, "hostID": 1000, "size": 1}]
                                       for k in ("uidMappings", "gidMappings")})
    assert is_refused(c) == (option not in features["mountOptions"])


# --- linux

def test_namespaces(box, linux):
    assert linux["namespaces"] == NAMESPACES
    files = {"network": "net", "mount": "mnt"}
    c = box("sh", "-c", "cd /proc/self/ns && for n in *; do echo $n $(readlink $n); done")
    for kind in linux["namespaces"]:
        add_namespace(c.config, kind)
    c.config["linux"]["uidMappings"] = c.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    inside = dict(line.split() for line in works(c).stdout.splitlines())
    for kind in linux["namespaces"]:
        name = files.get(kind, kind)
        assert inside[name] != os.readlink(f"/proc/self/ns/{name}"), kind


def test_capabilities(box, workdir, linux):
    c = box("cat", "/proc/self/status")
    log = workdir / "log"
    c.global_args = ["--debug", "--log", log]
    # The bounding set takes any; of the others a runtime can give only what it has.
    c.config["process"]["capabilities"] = {"bounding": list(linux["capabilities"])}
    bounding = int(parse_status(works(c).stdout)["CapBnd"], 16)
    ours = int(parse_status(open("/proc/self/status").read())["CapBnd"], 16)
    assert bounding == ours & (1 << len(linux["capabilities"])) - 1
    assert "unknown capability" not in log.read_text()
    c.config["process"]["capabilities"]["bounding"].append("CAP_OF_TOMORROW")
    works(c)
    assert re.search(r'CAP_OF_TOMORROW\\*" is not a known capability', log.read_text())


def test_cgroup_versions(box, linux):
    """Of the layouts that this host has; v1 and v2 are both there on a hybrid one."""
    groups = box("sleep", "1000").up().cgroups()
    if layout() in ("v2", "hybrid"):
        assert ("" in groups) == linux["cgroup"]["v2"]
    if layout() in ("v1", "hybrid"):
        assert any(groups) == linux["cgroup"]["v1"]


@pytest.mark.parametrize("claim, flags", [("systemd", []), ("systemdUser", ["--rootless", "true"])])
def test_systemd(box, linux, claim, flags):
    c = box("true")
    c.global_args = ["--systemd-cgroup", *flags]
    c.config["linux"]["cgroupsPath"] = "system.slice:cella:test"
    assert is_refused(c) == (not linux["cgroup"][claim])


def test_rdma(box, linux):
    c = box("true")
    c.config["linux"]["resources"]["rdma"] = {"mlx5_0": {"hcaHandles": 3}}
    result = c.run()
    done_or_missing = "rdma" in result.stderr and ("not available" in result.stderr or "rdma.max" in result.stderr)
    assert (result.returncode == 0 or done_or_missing) == linux["cgroup"]["rdma"], result.stderr


# --- linux.seccomp

ARGUMENT = {"index": 0, "value": 70000, "valueTwo": 1}


def with_rule(container, action="SCMP_ACT_ERRNO", args=None, **more):
    """A filter whose one rule is about a syscall that nobody here makes."""
    rule = {"names": ["kexec_load"], "action": action, **({"args": args} if args else {})}
    container.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule], **more}
    return container


@pytest.fixture
def listener(workdir):
    """A socket for the notify descriptor; what is sent stays in its backlog."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(workdir / "listener"))
        server.listen(64)
        yield str(workdir / "listener")


def loads(container):
    assert parse_status(works(container).stdout)["Seccomp"] == "2"


def test_seccomp_actions(box, linux, listener):
    assert linux["seccomp"]["enabled"] is True
    for action in linux["seccomp"]["actions"]:
        more = {"listenerPath": listener} if action == "SCMP_ACT_NOTIFY" else {}
        loads(with_rule(box("cat", "/proc/self/status"), action, **more))
    assert with_rule(box("true"), "SCMP_ACT_OF_TOMORROW").run().returncode == 1


def test_seccomp_operators(box, linux):
    for op in linux["seccomp"]["operators"]:
        loads(with_rule(box("cat", "/proc/self/status"), args=[{**ARGUMENT, "op": op}]))
    assert with_rule(box("true"), args=[{**ARGUMENT, "op": "SCMP_CMP_ABOUT"}]).run().returncode == 1


def test_seccomp_architectures(box, workdir, linux):
    log = workdir / "log"
    for arch in linux["seccomp"]["archs"]:
        c = with_rule(box("cat", "/proc/self/status"), architectures=[arch])
        c.global_args = ["--debug", "--log", log]
        loads(c)
    # One of the other byte order, which nothing can run on this machine, is passed over whatever libseccomp knows.
    assert "libseccomp does not know it" not in log.read_text()
    assert with_rule(box("true"), architectures=["SCMP_ARCH_OF_TOMORROW"]).run().returncode == 1


def test_seccomp_flags(box, linux, listener):
    seccomp = linux["seccomp"]
    assert set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])
    for flag in seccomp["knownFlags"]:
        c = with_rule(box("cat", "/proc/self/status"), "SCMP_ACT_NOTIFY", flags=[flag], listenerPath=listener)
        if flag in seccomp["supportedFlags"]:
            loads(c)
        else:
            assert "loading the seccomp filter" in c.run().stderr, "known, but not to this kernel"
    assert with_rule(box("true"), flags=["SECCOMP_FILTER_FLAG_OF_TOMORROW"]).run().returncode == 1


# --- what is claimed as a whole, or not

@pytest.mark.parametrize("lsm, key", [("apparmor", "apparmorProfile"), ("selinux", "selinuxLabel")])
def test_lsm(box, linux, lsm, key):
    c = box("true")
    c.config["process"][key] = "unconfined_of_nobody"
    result = c.run()
    attempted = "not enabled in this kernel" in result.stderr or "applying" in result.stderr
    assert (result.returncode == 0 or attempted) == linux[lsm]["enabled"], result.stderr


@pytest.mark.parametrize("claim, value", [
    ("enabled", {"closID": "cella"}), ("schemata", {"closID": "cella", "schemata": ["L3:0=f"]}),
    ("monitoring", {"closID": "cella", "enableMonitoring": True})])
def test_intel_rdt(box, linux, claim, value):
    if linux["intelRdt"]["enabled"] and os.path.exists("/sys/fs/resctrl/schemata"):
        pytest.skip("would make a group in this machine's resctrl")
    c = box("true")
    c.config["linux"]["intelRdt"] = value
    assert is_refused(c) == (not linux["intelRdt"][claim])


@pytest.mark.parametrize("mode", MODES)
def test_memory_policy_modes(box, linux, mode):
    c = box("true")
    c.config["linux"]["memoryPolicy"] = {"mode": mode, **({} if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") else {"nodes": "0"})}
    assert is_refused(c) == (mode not in linux["memoryPolicy"]["modes"])


@pytest.mark.parametrize("flag", POLICY_FLAGS)
def test_memory_policy_flags(box, linux, flag):
    c = box("true")
    c.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0", "flags": [flag]}
    assert is_refused(c) == (flag not in linux["memoryPolicy"]["flags"])


def test_memory_policy_knows_no_other(linux):
    assert set(linux["memoryPolicy"]["modes"]) in (set(), set(MODES))
    assert set(linux["memoryPolicy"]["flags"]) in (set(), set(POLICY_FLAGS))


def test_idmapped_mounts(box, workdir, linux):
    (workdir / "source").mkdir()
    c = box("true")
    c.config["root"]["readonly"] = False
    mapping = [{"containerID": 0, "hostID": 1000, "size": 1}]
    c.config["mounts"].append({"destination": "/m", "type": "bind", "source": str(workdir / "source"), "options": ["bind"],
                               "uidMappings": mapping, "gidMappings": mapping})
    assert is_refused(c) == (not linux["mountExtensions"]["idmap"]["enabled"])


def test_net_devices(box, linux, test_id):
    c = box("true")
    c.config["linux"]["netDevices"] = {test_id[:12]: {}}  # there is none: whoever can move it, complains about that
    assert is_refused(c) == (not linux["netDevices"]["enabled"])


# --- annotations

def test_annotations(runtime, features):
    annotations = features["annotations"]
    version = call(runtime, "--version").stdout
    assert f"version {annotations['dev.cella.version']}\n" in version
    assert ("commit: " + annotations["dev.cella.commit"] in version) or annotations["dev.cella.commit"] == ""
    assert re.fullmatch(r"\d+\.\d+\.\d+", annotations["io.github.seccomp.libseccomp.version"])
    can = call(runtime, "checkpoint", "--help").returncode == 0
    assert annotations["org.opencontainers.runc.checkpoint.enabled"] == ("true" if can else "false")


def test_unsafe_annotations(box, features):
    unsafe = features["potentiallyUnsafeConfigAnnotations"]
    assert {"bundle", "org.systemd.property.", "org.criu.config"} <= set(unsafe), "those of runc"
    paths = [key for key in unsafe if "hooks" in key or "receiver" in key]
    assert len(paths) == 4
    for key in paths:
        c = box("true")
        c.config["annotations"] = {key: "relative"}
        result = c.run()
        assert result.returncode == 1 and f"/annotations/{key}: must be an absolute path" in result.stderr, result.stderr
