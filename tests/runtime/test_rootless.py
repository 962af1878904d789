"""As an ordinary user."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import AS_USER, add_mount, add_namespace, drop_namespace, in_private_mounts, mounts_in

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
    """newuidmap reads /etc/subuid: a copy with our user in it, seen by the test's own mount namespace only."""
    for kind in ("subuid", "subgid"):
        (tmp / kind).write_text(f"{UID}:300000:65536\n")
    # newuidmap wants a user that has a name
    passwd = pathlib.Path("/etc/passwd").read_text()
    if f":x:{UID}:" not in passwd:
        (tmp / "passwd").write_text(passwd + f"celltest:x:{UID}:{UID}::/:/bin/sh\n")
    return " ; ".join(f"touch /etc/{f.name} 2>/dev/null; mount --bind {f} /etc/{f.name}" for f in tmp.iterdir())


def test_several_ids_with_newuidmap(rootless, workdir):
    if not shutil.which("newuidmap"):
        pytest.skip("newuidmap is missing (Debian's uidmap)")
    tmp = workdir / "etc"
    tmp.mkdir()
    script = sub_ids(tmp)
    c = rootless("sh", "-c", "cat /proc/self/uid_map; id -u; id -g")
    c.prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c", script + ' ; exec "$@"', "sh", *AS_USER]
    several = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": 300000, "size": 65536}]
    c.config["linux"].update(uidMappings=several, gidMappings=several)
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
