"""The files of a sandboxed container: its root, what is mounted and bound, and what the host's mounts say of it."""
import os
import shutil
import subprocess

import pytest

import harness
from test_sandbox import option, sandbox  # noqa: F401, a fixture


def test_root_is_the_hosts(sandbox):
    c = sandbox("sh", "-c", "echo there >/file; mkdir /dir; cat /file; chmod 640 /file; chown 5:6 /file")
    c.config["root"]["readonly"] = False
    c.config["process"]["capabilities"] = {k: ["CAP_CHOWN"] for k in ("bounding", "effective", "permitted")}
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "there\n"), result.stderr
    status = (c.rootfs / "file").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (5, 6, 0o640)


def test_modes_are_the_guests(sandbox):
    c = sandbox("sh", "-c", "umask 0; mkdir /d; touch /f; mkfifo /p; umask 27; mkdir /e; touch /g; umask 77; echo >/h")
    c.config["root"]["readonly"] = False
    old = os.umask(0o77)
    try:
        result = c.run()
    finally:
        os.umask(old)
    assert result.returncode == 0, result.stderr
    modes = {name: (c.rootfs / name).stat().st_mode & 0o777 for name in "dfpegh"}
    assert modes == {"d": 0o777, "f": 0o666, "p": 0o666, "e": 0o750, "g": 0o640, "h": 0o600}


def test_names_on_the_host_change(sandbox):
    c = sandbox("sh", "-ec", "echo 1 >/a; mv /a /b; ln /b /c; ln -s b /d; mkdir /e; mv /b /e/f; rm /c; rmdir /e 2>/dev/null || cat /e/f")
    c.config["root"]["readonly"] = False
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr
    assert (c.rootfs / "e/f").read_text() == "1\n" and os.readlink(c.rootfs / "d") == "b"
    assert not any((c.rootfs / name).exists() for name in "abc")


def test_read_only_root(sandbox):
    c = sandbox("sh", "-c", "echo x >/file")
    result = c.run()
    assert result.returncode != 0 and "Read-only file system" in result.stderr
    assert not (c.rootfs / "file").exists()


def test_overlay_keeps_the_bundle(sandbox):
    c = sandbox("sh", "-c", "echo new >/file; rm /etc/passwd; echo more >>/etc/group; mkdir -p /a/b; cat /file")
    (c.rootfs / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (c.rootfs / "etc/group").write_text("root:x:0:\n")
    c.config["root"]["readonly"] = False
    option(c, "overlay", "true")
    before = sorted(p.name for p in c.rootfs.iterdir())
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "new\n"), result.stderr
    assert sorted(p.name for p in c.rootfs.iterdir()) == before
    assert (c.rootfs / "etc/passwd").exists() and (c.rootfs / "etc/group").read_text() == "root:x:0:\n"


def test_masked_and_read_only_paths(sandbox):
    c = sandbox("sh", "-c", "ls /secret; cat /etc/key; echo x >/data/file; cat /data/file")
    for name in ("secret", "data"):
        (c.rootfs / name).mkdir()
        (c.rootfs / name / "file").write_text("content\n")
    (c.rootfs / "etc/key").write_text("key\n")
    c.config["root"]["readonly"] = False
    c.config["linux"]["maskedPaths"] += ["/secret", "/etc/key", "/not/there"]
    c.config["linux"]["readonlyPaths"] += ["/data"]
    result = c.run()
    assert result.stdout == "content\n"
    assert "Read-only file system" in result.stderr
    assert (c.rootfs / "data/file").read_text() == "content\n"


def bind(c, source, destination, *options):
    c.config["mounts"].append({"destination": destination, "type": "bind", "source": str(source),
                               "options": ["bind", *options]})


def test_bind_mounts(sandbox, source):
    c = sandbox("sh", "-c", "cat /in/file; echo written >/in/new; echo no >/ro/file; cat /ro/file; ls /in")
    bind(c, source, "/in")
    bind(c, source, "/ro", "ro")
    result = c.run()
    assert result.stdout == "from the host\nfrom the host\nfile\nnew\nsub\n"
    assert "Read-only file system" in result.stderr
    assert (source / "new").read_text() == "written\n"


@pytest.mark.parametrize("options, propagation, is_seen", [
    (["rslave"], None, True), (["slave"], "private", False), ([], None, True), ([], "slave", True), ([], "rprivate", False),
    (["rprivate"], None, False), (["private"], "slave", False), (["rslave", "runbindable"], None, False)])
def test_mounts_of_the_hosts_are_seen_as_the_propagation_says(sandbox, box, source, workdir, options, propagation, is_seen):
    """What the host mounts below a bind when the container is there; the container of the namespaces engine agrees."""
    for make in sandbox, box:
        c = make("sleep", "1000")
        c.config["mounts"].append({"destination": "/in", "type": "bind", "source": str(source), "options": ["rbind", *options]})
        if propagation:
            c.config["linux"]["rootfsPropagation"] = propagation
        (workdir / "more").mkdir(exist_ok=True)
        (workdir / "more/later").write_text("")
        c.write()
        script = """mount --bind $source $source; mount --make-shared $source
            $cella run --detach --bundle $bundle $id <&- >&- 2>errors || { cat errors >&2; exit 1; }
            mount --bind more $source/sub; $cella exec $id ls /in/sub"""
        result = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", script], cwd=workdir,
                                capture_output=True, text=True,
                                env={**os.environ, "source": str(source), "id": c.id, "bundle": str(c.bundle),
                                     "cella": f"{c.runtime} --root {c.root}"})
        assert result.returncode == 0, result.stderr
        assert ("later" in result.stdout) == is_seen, (make, result.stdout)
        c.delete("--force")


@pytest.mark.parametrize("propagation, is_seen", [("slave", True), (None, False)])
def test_mounts_below_the_root_are_seen_when_that_is_asked_for(sandbox, workdir, propagation, is_seen):
    c = sandbox("sleep", "1000")
    if propagation:
        c.config["linux"]["rootfsPropagation"] = propagation
    for directory in c.rootfs / "mnt", workdir / "more/later":
        directory.mkdir(parents=True)
    c.write()
    # It has been looked at before, so that whoever keeps names has this one.
    script = """mount --bind $root $root; mount --make-shared $root
        $cella run --detach --bundle $bundle $id <&- >&- 2>errors || { cat errors >&2; exit 1; }
        $cella exec $id ls -a /mnt; mount --bind more $root/mnt; $cella exec $id ls /mnt"""
    result = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", script], cwd=workdir,
                            capture_output=True, text=True,
                            env={**os.environ, "root": str(c.rootfs), "id": c.id, "bundle": str(c.bundle),
                                 "cella": f"{c.runtime} --root {c.root}"})
    assert result.returncode == 0, result.stderr
    assert ("later" in result.stdout) == is_seen, result.stdout
    c.delete("--force")


@pytest.mark.parametrize("kind", ["itself", "below"])
def test_what_the_hosts_mount_forbids_is_forbidden(sandbox, source, kind):
    """noexec, nosuid and ro of a mount of the host's, also of one below what is bound."""
    c = sandbox("sh", "-c", "cd $1; /bin/busybox cp /bin/busybox new; ./true; echo $?; ./passwd; "
                            "grep ' /in ' /proc/mounts | cut -d' ' -f4", "sh", "/in" if kind == "itself" else "/in/sub")
    place = source if kind == "itself" else source / "sub"
    for name in "true", "passwd":
        shutil.copy(c.rootfs / "bin/busybox", place / name)
    (place / "passwd").chmod(0o4755)
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    c.config["process"]["noNewPrivileges"] = False
    c.config["mounts"].append({"destination": "/in", "type": "bind", "source": str(source), "options": ["rbind"]})
    harness.in_private_mounts(c, f"mount --bind {place} {place}; mount -o remount,bind,noexec,nosuid,ro {place}")
    result = c.run()
    assert "./true: Permission denied" in result.stderr and "126" in result.stdout, (result.stdout, result.stderr)
    assert "Read-only file system" in result.stderr
    if kind == "itself":
        assert {"ro", "nosuid", "noexec"} <= set(result.stdout.split("\n")[-2].split(","))
    harness.in_private_mounts(c, f"mount --bind {place} {place}; mount -o remount,bind,nosuid {place}")
    assert "must be suid" in c.run().stderr
    harness.in_private_mounts(c, f"mount --bind {place} {place}")
    assert "must be suid" not in c.run().stderr


def test_options_take_back_what_the_hosts_mount_forbids(sandbox, source):
    c = sandbox("/in/true")
    shutil.copy(c.rootfs / "bin/busybox", source / "true")
    harness.in_private_mounts(c, f"mount --bind {source} {source}; mount -o remount,bind,noexec {source}")
    bind(c, source, "/in")
    assert c.run().returncode != 0
    c.config["mounts"][-1]["options"].append("exec")
    assert c.run().returncode == 0


def test_recursive_attributes(sandbox, source):
    """rro is for what is below as well, ro as in runc for the mount alone as far as the host's is concerned."""
    c = sandbox("sh", "-c", "echo x >/in/new; echo x >/in/sub/new; cp /bin/busybox /t/b; /t/b true; echo $?")
    c.config["mounts"].append({"destination": "/in", "type": "bind", "source": str(source), "options": ["rbind", "rro"]})
    c.config["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "t", "options": ["rnoexec"]})
    harness.in_private_mounts(c, f"mount -t tmpfs t {source}/sub")
    result = c.run()
    assert result.stderr.count("Read-only file system") == 2 and result.stdout == "126\n", (result.stdout, result.stderr)


def test_unbindable(sandbox, source):
    script = "mount --bind /in /mnt; mount --bind /in/sub /mnt; mount --bind / /mnt && ls /mnt/in; grep -c unbindable /proc/self/mountinfo"
    c = sandbox("/bin/busybox", "sh", "-c", script.replace("mount -", "/bin/busybox mount -"))
    c.config["process"]["capabilities"] = {k: ["CAP_SYS_ADMIN"] for k in ("bounding", "effective", "permitted")}
    bind(c, source, "/in", "unbindable")
    (c.rootfs / "mnt").mkdir(exist_ok=True)
    result = c.run()
    assert result.stderr.count("Invalid argument") == 2 and result.stdout == "1\n", (result.stdout, result.stderr)
    c.config["linux"]["rootfsPropagation"] = "runbindable"
    assert c.run().stderr.count("Invalid argument") == 3


def test_bind_of_a_single_file(sandbox, source):
    c = sandbox("sh", "-c", "cat /etc/one; echo more >>/etc/one; cat /etc/one; echo new >/etc/one; chmod 600 /etc/one; "
                            "touch -d @1000 /etc/one; cat /etc/two; echo no >/etc/two")
    (source / "other").write_text("second\n")
    bind(c, source / "file", "/etc/one", "rw")
    bind(c, source / "other", "/etc/two", "ro")
    result = c.run()
    assert result.stdout == "from the host\nfrom the host\nmore\nsecond\n", result.stderr
    assert "Read-only file system" in result.stderr
    assert (source / "file").read_text() == "new\n" and (source / "other").read_text() == "second\n"
    assert (source / "file").stat().st_mode & 0o777 == 0o600
    assert (source / "file").stat().st_mtime == 1000


def test_missing_bind_source(sandbox, source):
    c = sandbox("true")
    bind(c, source / "nosuch", "/in")
    result = c.run()
    assert result.returncode != 0 and "nosuch" in result.stderr and "no such file or directory" in result.stderr
    assert c.state() is None


# --- filesystems in memory

def test_copy_up(sandbox):
    c = sandbox("sh", "-c", "cd /kept; cat a/file; readlink link; stat -c '%a %u %g' a/file .; echo more >>a/file; cat a/file")
    kept = c.rootfs / "kept"
    (kept / "a").mkdir(parents=True)
    kept.chmod(0o750)
    (kept / "a/file").write_text("content\n")
    (kept / "a/file").chmod(0o646)
    os.chown(kept / "a/file", 12, 34)
    (kept / "link").symlink_to("a/file")
    c.config["mounts"].append({"destination": "/kept", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert result.stdout == "content\na/file\n646 12 34\n750 0 0\ncontent\nmore\n"
    assert (kept / "a/file").read_text() == "content\n"


def test_limits_of_memory_filesystems(sandbox):
    c = sandbox("sh", "-c", "stat -f -c '%b' /half /pages; cd /few; for i in 1 2 3 4 5 6; do mkdir $i || break; done; ls")
    c.config["linux"]["resources"]["memory"] = {"limit": 64 << 20}
    for place, name in ("/half", "size=50%"), ("/pages", "nr_blocks=8"), ("/few", "nr_inodes=4"):
        c.config["mounts"].append({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": [name]})
    result = c.run()
    assert result.stdout.split() == [str((32 << 20) // 4096), "8", "1", "2", "3"]
    assert "No space left" in result.stderr


def test_names_count_as_inodes(sandbox):
    """tmpfs(5): a file of three names has as much of nr_inodes as three files."""
    c = sandbox("sh", "-c", "cd /few; touch a; ln a b; ln a c; ln a d; rm b; ln a d && ls; rm c; touch 1; mv 1 d; touch 2; touch 3; ls")
    c.config["mounts"].append({"destination": "/few", "type": "tmpfs", "source": "tmpfs", "options": ["nr_inodes=4"]})
    result = c.run()
    assert result.stderr.count("No space left") == 2, result.stderr
    assert result.stdout.split() == ["a", "c", "d", "2", "a", "d"]


def test_devices_in_an_overlay(sandbox):
    c = sandbox("sh", "-ec", "mknod /null c 1 3; echo x >/null; mknod /etc/pipe p; ls -l /null | cut -c1")
    option(c, "overlay", "true")
    c.config["root"]["readonly"] = False
    c.config["process"]["capabilities"] = {k: ["CAP_MKNOD"] for k in ("bounding", "effective", "permitted")}
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "c\n"), result.stderr
    assert not (c.rootfs / "null").exists()


def test_working_directory_is_made(sandbox):
    c = sandbox("pwd")
    c.config["process"]["cwd"] = "/made/just/now"
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "/made/just/now\n"), result.stderr
