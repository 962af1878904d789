"""As an ordinary user."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from harness import (AS_USER, add_mount, add_namespace, cgroup_mounts, cgroups_of, comm, drop_namespace,
                     in_private_mounts, layout, mounts_in, wait_for)

UID = 1000


@pytest.fixture
def rootless(box, workdir):
    """A box of the user 1000: own state directory, own root filesystem, one mapped id, what `spec --rootless` asks for."""
    def make(*args):
        c = box(*args)
        c.prefix = list(AS_USER)
        home = workdir / "home"
        (home / "run").mkdir(parents=True, exist_ok=True)
        for path in (home, home / "run", c.bundle):
            os.chown(path, UID, UID)
        subprocess.run(["chown", "-hR", f"{UID}:{UID}", c.bundle], check=True)
        c.root = home / "run" / "cella"
        c.env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
        c.global_args = ["--rootless", "true"]
        for kind in ("network", "cgroup"):
            drop_namespace(c.config, kind)
        add_namespace(c.config, "user")
        one = [{"containerID": 0, "hostID": UID, "size": 1}]
        c.config["linux"].update(uidMappings=one, gidMappings=one)
        del c.config["linux"]["resources"]
        c.config["mounts"] = [m for m in c.config["mounts"] if m["destination"] not in ("/sys", "/sys/fs/cgroup")]
        for m in c.config["mounts"]:
            m["options"] = [o for o in m.get("options", []) if not o.startswith("gid=")]
        c.config["mounts"].append({"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]})
        return c
    return make


@pytest.fixture(autouse=True)
def user_may_reach_the_runtime(runtime):
    if subprocess.run([*AS_USER, "test", "-x", runtime]).returncode != 0:
        pytest.skip(f"the user {UID} cannot execute {runtime}")


def test_run(rootless):
    c = rootless("sh", "-c", "id -u; cat /proc/self/uid_map; hostname; echo $$; exit 4")
    result = c.run()
    assert result.returncode == 4, result.stderr
    assert result.stdout.split() == ["0", "0", str(UID), "1", "box", "1"]


def test_setgroups_is_denied(rootless):
    result = rootless("cat", "/proc/self/setgroups").run()
    assert result.stdout == "deny\n", result.stderr


def test_life_cycle(rootless):
    c = rootless("sleep", "1000").up()
    assert c.status == "running"
    assert c.exec("id", "-u").stdout == "0\n"
    assert c.kill("KILL").returncode == 0
    c.wait_stopped()
    assert c.delete().returncode == 0


def test_writable_root(rootless):
    c = rootless("sh", "-c", "echo x >/made")
    c.config["root"]["readonly"] = False
    assert c.run().returncode == 0
    assert (c.bundle / "rootfs/made").stat().st_uid == UID


def test_devices_are_bound_from_the_host(rootless):
    result = rootless("sh", "-c", "head -c 2 /dev/zero | wc -c; echo x >/dev/null && stat -c %t:%T /dev/null").run()
    assert result.stdout.split() == ["2", "1:3"], result.stderr


def test_without_pivot_root(rootless):
    """The host's mounts are locked together there: they can be covered, not taken away."""
    result = rootless("sh", "-c", "ls -d /proc/self/ns && ls /sys | wc -l").run("--no-pivot")
    assert result.returncode == 0 and result.stdout.startswith("/proc/self/ns\n"), result.stderr


def test_root_is_found_by_itself(rootless):
    """Without --root the state is kept in XDG_RUNTIME_DIR."""
    c = rootless("true")
    c.write()
    command = [*c.prefix, c.runtime, "run", "--bundle", str(c.bundle), c.id]
    result = subprocess.run(command, env=c.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=c.bundle)
    assert result.returncode == 0, result.stderr


def test_terminal(rootless):
    c = rootless("sh", "-c", "tty; exit 3")
    c.config["process"]["terminal"] = True
    os.environ.update({k: v for k, v in c.env.items() if k == "XDG_RUNTIME_DIR"})
    try:
        output, status = c.run_pty()
    finally:
        os.environ.pop("XDG_RUNTIME_DIR", None)
    assert status == 3 and "/dev/pts/" in output


def sub_ids(tmp):
    """A command prefix: newuidmap reads /etc/subuid, so our own mount namespace gets one with our user in it."""
    if not shutil.which("newuidmap"):
        pytest.skip("newuidmap is missing (Debian's uidmap)")
    tmp.mkdir()
    for kind in ("subuid", "subgid"):
        (tmp / kind).write_text(f"{UID}:300000:65536\n")
    # newuidmap wants a user that has a name
    passwd = pathlib.Path("/etc/passwd").read_text()
    if f":x:{UID}:" not in passwd:
        (tmp / "passwd").write_text(passwd + f"celltest:x:{UID}:{UID}::/:/bin/sh\n")
    script = " ; ".join(f"touch /etc/{f.name} 2>/dev/null; mount --bind {f} /etc/{f.name}" for f in tmp.iterdir())
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script + ' ; exec "$@"', "sh"]


def map_several(config):
    several = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": 300000, "size": 65536}]
    config["linux"].update(uidMappings=several, gidMappings=several)


def test_several_ids_with_newuidmap(rootless, workdir):
    c = rootless("sh", "-c", "cat /proc/self/uid_map; id -u; id -g")
    c.prefix = [*sub_ids(workdir / "etc"), *AS_USER]
    map_several(c.config)
    c.config["process"]["user"] = {"uid": 33, "gid": 44}
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["0", str(UID), "1", "1", "300000", "65536", "33", "44"]


def test_ids_that_are_not_the_users(rootless):
    c = rootless("true")
    foreign = [{"containerID": 0, "hostID": 0, "size": 1}]
    c.config["linux"].update(uidMappings=foreign, gidMappings=foreign)
    assert c.run().returncode == 1
    assert c.state() is None


def test_failure_leaves_nothing(rootless):
    c = rootless("/no/such/program")
    assert c.run().returncode == 1
    assert list(c.root.glob("*")) == []


def test_without_user_namespace_is_refused(rootless):
    c = rootless("true")
    drop_namespace(c.config, "user")
    c.config["linux"].pop("uidMappings"), c.config["linux"].pop("gidMappings")
    result = c.run()
    assert result.returncode == 1 and result.stderr


def test_what_spec_rootless_writes_runs(rootless):
    # It mounts the cgroups, and an ordinary user's container stays in those of the caller.
    c = rootless()
    c.bundle.joinpath("config.json").unlink(missing_ok=True)
    result = c.cmd("spec", "--rootless", "--bundle", c.bundle)
    assert result.returncode == 0, result.stderr
    c.config = json.loads((c.bundle / "config.json").read_text())
    c.config["process"].update(terminal=False, args=["sh", "-c", "id -u; ls /sys/fs/cgroup | wc -l; touch /sys/fs/cgroup/x"])
    result = c.run()
    assert result.returncode == 1 and "touch" in result.stderr, result.stderr
    user, entries = result.stdout.split()
    assert user == "0" and int(entries) > 0


LOCKED = ["nosuid", "nodev", "noexec"]


@pytest.mark.parametrize("options, seen", [(["bind", "ro"], {"ro", *LOCKED}), (["rbind", "rro"], {"ro", *LOCKED}),
                                           (["bind"], set(LOCKED)), (["rbind", "nosymfollow"], {"nosymfollow", *LOCKED})],
                         ids=lambda v: ",".join(v) if isinstance(v, list) else "")
def test_flags_that_the_host_has_locked_are_kept(rootless, source, options, seen):
    """A bind mount for a user namespace may become stricter, and needs not repeat what the source's mount has."""
    c = rootless()
    in_private_mounts(c, f"mount -t tmpfs -o {','.join(LOCKED)} t {source}")
    c.prefix += AS_USER
    add_mount(c, "/mnt", "bind", source, options)
    assert mounts_in(c)["/mnt"].options & {"ro", "nosymfollow", *LOCKED} == seen


@pytest.mark.parametrize("option", ["suid", "exec", "dev", "rsuid"])
def test_flags_that_the_host_has_locked_cannot_go(rootless, source, option):
    """That is said; runc does the same where an option asks for it."""
    c = rootless("true")
    in_private_mounts(c, f"mount -t tmpfs -o {','.join(LOCKED)} t {source}")
    c.prefix += AS_USER
    add_mount(c, "/mnt", "bind", source, ["rbind", option])
    result = c.run()
    assert result.returncode == 1
    assert f"bind mounting {source} on /mnt: a flag that is to be cleared is locked: operation not permitted" in result.stderr


def test_idmapped_mounts_are_refused(rootless, source):
    c = rootless("true")
    add_mount(c, "/mnt", "bind", source, ["bind", "idmap"])
    result = c.run()
    assert result.returncode == 1
    assert f"/mounts/{len(c.config['mounts']) - 1}: must not have id mappings in a rootless container" in result.stderr


def test_tmpcopyup(rootless):
    c = rootless("sh", "-c", "cat /up/dir/file; stat -c %u /up/dir/file; readlink /up/link")
    (c.rootfs / "up/dir").mkdir(parents=True)
    (c.rootfs / "up/dir/file").write_text("copied\n")
    (c.rootfs / "up/link").symlink_to("dir/file")
    subprocess.run(["chown", "-hR", f"{UID}:{UID}", c.rootfs / "up"], check=True)
    add_mount(c, "/up", options=["tmpcopyup"])
    assert c.run().stdout == "copied\n0\ndir/file\n"


# --- every command, with one id and with several, with cgroups that the user may change and without

@pytest.fixture
def delegated(test_id, leak_check):
    """A cgroup of the user's in every hierarchy, as a service manager hands one down, and a prefix that runs in it."""
    made, entered = [], []
    for mount in sorted(set(cgroup_mounts().values())):
        top = cgroups_of(os.getpid())[next(k for k, m in cgroup_mounts().items() if m == mount)] / f"{test_id}-delegated"
        if mount == cgroup_mounts().get("") and layout() == "v2":
            top = mount / f"{test_id}-delegated"
        made.append(top)
        top.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            if layout() != "v2" and (top / name).exists():
                (top / name).write_text((top.parent / name).read_text())
        here = top
        if layout() == "v2":
            # Processes and groups do not stand side by side there: the caller is in a group of its own.
            here = top / "caller"
            enabled = (top.parent / "cgroup.subtree_control").read_text().split()
            (top / "cgroup.subtree_control").write_text(" ".join("+" + c for c in enabled))
            here.mkdir()
        for path in {top, here}:
            for file in (path, *(path / n for n in ("cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads"))):
                if file.exists():
                    os.chown(file, UID, UID)
        entered.append(here)
    join = "".join(f"echo $$ > {path}/cgroup.procs; " for path in entered)
    yield ["sh", "-c", join + 'exec "$@"', "sh"]
    for top in made:
        def gone(top=top):
            for path in sorted((p for p in top.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
                path.rmdir()
            top.rmdir()
            return True
        retry(gone)


def retry(action):
    """A group is busy for a moment after its last process has gone."""
    for _ in range(100):
        try:
            return action()
        except OSError:
            time.sleep(0.02)
    return action()


@pytest.fixture(params=["one id", "several ids"])
def ids(request, workdir):
    """(prefix, change of the config)"""
    if request.param == "one id":
        return [], lambda config: None
    return sub_ids(workdir / "etc"), map_several


@pytest.fixture
def with_cgroups(ids, delegated, rootless):
    """with_cgroups(*args): a container whose cgroups are its user's."""
    return maker(rootless, ids, delegated)


@pytest.fixture
def without_cgroups(ids, rootless):
    """The same in the cgroups of its caller, which are root's."""
    return maker(rootless, ids, [])


@pytest.fixture(params=["cgroups", "no cgroups"])
def container(request, ids, delegated, rootless):
    return maker(rootless, ids, delegated if request.param == "cgroups" else [])


def maker(rootless, ids, enter):
    def make(*args):
        c = rootless(*(args or ("sleep", "1000")))
        c.prefix = [*enter, *ids[0], *AS_USER]
        ids[1](c.config)
        return c
    return make


def ok(result):
    assert result.returncode == 0, result.stderr
    return result


def test_commands(container):
    c = container("sh", "-c", "trap 'exit 3' TERM; sleep 1000 & sleep 1000 & wait")
    ok(c.create())
    assert c.status == "created"
    ok(c.start())
    state = wait_for(lambda: c.status == "running" and c.state(), "running")
    assert c.id in ok(c.list()).stdout and ok(c.list("-q")).stdout == c.id + "\n"
    assert json.loads(c.list("--format", "json").stdout)[0]["pid"] == state["pid"]
    assert ok(c.exec("sh", "-c", "id -u; id -g")).stdout.split() == ["0", "0"]
    ok(c.detached("exec", "--detach", c.id, "sleep", "999"))
    pids = wait_for(lambda: len(c.pids()) == 4 and c.pids(), "the shell, its children and the other one")
    assert state["pid"] in pids and [comm(p) for p in pids].count("sleep") == 3
    table = ok(c.ps()).stdout.splitlines()
    assert len(table) == 5 and "PID" in table[0]
    refused = c.delete()
    assert refused.returncode == 1 and "stopped" in refused.stderr
    ok(c.kill("TERM"))
    c.wait_stopped()
    assert c.pids() == []
    ok(c.delete())
    assert c.state() is None


def test_run_and_what_it_leaves(container):
    c = container("sh", "-c", "echo $$; exit 5")
    result = c.run()
    assert (result.returncode, result.stdout) == (5, "1\n"), result.stderr
    assert list(c.root.iterdir()) == []
    ok(c.run_detached())
    c.wait_stopped()
    ok(c.delete())


def test_delete_by_force(container):
    c = container().up()
    pid = c.pid
    ok(c.delete("--force"))
    wait_for(lambda: comm(pid) is None, "its end")


def test_kill_of_all(container):
    c = container("sh", "-c", "sleep 1000 & sleep 1000 & wait").up()
    pids = wait_for(lambda: len(c.pids()) == 3 and c.pids(), "three processes")
    ok(c.cmd("kill", "--all", c.id, "KILL"))
    wait_for(lambda: not any(comm(p) for p in pids), "their end")


def test_a_signal_reaches_every_process(container):
    c = container("sh", "-c", "trap : USR1; sleep 1000 & sleep 1000 & while :; do wait; done").up()
    before = wait_for(lambda: len(c.pids()) == 3 and c.pids(), "three processes")
    ok(c.cmd("kill", "--all", c.id, "USR1"))
    wait_for(lambda: c.pids() == [c.pid], f"the end of {before} but the first, which has a handler")


def test_processes_of_pid_namespaces_below(container):
    c = container("unshare", "--pid", "--fork", "sleep", "1000")
    c.config["process"]["capabilities"] = {k: ["CAP_SYS_ADMIN"] for k in ("bounding", "permitted", "effective")}
    c.up()
    wait_for(lambda: sorted(comm(p) for p in c.pids()) == ["sleep", "unshare"], "both")


def test_spec(container):
    c = container()
    (c.bundle / "config.json").unlink(missing_ok=True)
    ok(c.cmd("spec", "--rootless", "--bundle", c.bundle))
    assert json.loads((c.bundle / "config.json").read_text())["linux"]["uidMappings"][0]["hostID"] == UID


def test_limits_and_pause_with_cgroups(with_cgroups):
    c = with_cgroups("sh", "-c", "sleep 1000 & wait")
    c.config["linux"]["resources"] = {"pids": {"limit": 30}}
    c.up()
    pids = c.cgroups().get("pids") or c.cgroups()[""]
    assert c.id in str(pids) and (pids / "pids.max").read_text() == "30\n"
    ok(c.pause())
    assert c.status == "paused"
    ok(c.cmd("update", "--pids-limit", "31", "--memory", "64m", c.id))
    assert (pids / "pids.max").read_text() == "31\n" and c.status == "paused"
    ok(c.resume())
    assert c.status == "running"
    assert ok(c.exec("cat", "/proc/self/cgroup")).stdout.count(c.id) >= 1
    event = json.loads(ok(c.cmd("events", "--stats", c.id)).stdout)
    assert event["data"]["pids"]["limit"] == 31
    assert event["data"]["memory"]["usage"]["limit"] == 64 << 20


def test_events_with_cgroups(with_cgroups):
    c = with_cgroups().up()
    with subprocess.Popen(c.command("events", "--interval", "50ms", c.id), env=c.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["type"] == "stats"
        ok(c.kill("KILL"))
        _, stderr = process.communicate(timeout=10)
        assert process.returncode == 0, stderr


@pytest.mark.parametrize("command", [("pause",), ("update", "--pids-limit", "9"), ("update", "--memory", "64m"), ("events",),
                                     ("events", "--stats")])
def test_without_cgroups_it_is_said_why(without_cgroups, command):
    c = without_cgroups().up()
    result = c.cmd(*command, c.id)
    assert result.returncode == 1 and result.stdout == ""
    assert "cgroup of its own" in result.stderr and "delegat" in result.stderr
    assert c.status == "running"


def test_resume_without_cgroups(without_cgroups):
    result = without_cgroups().up().resume()
    assert result.returncode == 1 and "not paused" in result.stderr


def test_limits_without_cgroups_are_refused_and_nothing_is_left(without_cgroups):
    c = without_cgroups()
    c.config["linux"]["resources"] = {"pids": {"limit": 30}}
    result = c.create()
    assert result.returncode == 1 and "pids" in result.stderr and "cgroup of its own" in result.stderr
    assert list(c.root.iterdir()) == []


def test_a_cgroup_that_was_asked_for_and_cannot_be_made(without_cgroups, test_id):
    c = without_cgroups()
    c.config["linux"]["cgroupsPath"] = f"/{test_id}-mine"
    result = c.create()
    assert result.returncode == 1 and "permission denied" in result.stderr.lower() and "cgroup" in result.stderr
    assert list(c.root.iterdir()) == []
