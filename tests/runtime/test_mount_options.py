"""Every mount option, one by one: its effect is read back from the mount table, and from what works in the mount."""
import os
import re
import shutil
import subprocess

import pytest

from harness import add_mount, in_private_mounts, map_ids, mount_at, mounts_in, parse_mounts, parse_status

FLAGS = ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow")
NO_EFFECT = "has no effect"


def flags_of(mount):
    """What the options of a mount can change of it, access times as one word."""
    flags = {flag for flag in FLAGS if flag in mount.options} - {"noatime"}
    return flags | ({"noatime"} & mount.options or {"relatime"} & mount.options or {"strictatime"})


def run(container):
    """The mounts that the container sees, and what the runtime says."""
    container.config["process"]["args"] = ["cat", "/proc/self/mountinfo"]
    result = container.run()
    assert result.returncode == 0, result.stderr
    return parse_mounts(result.stdout), result.stderr


# the mount's own flags

NEW = [
    ([], {"relatime"}),
    (["defaults"], {"relatime"}),
    *[([flag], {flag, "relatime"}) for flag in FLAGS if flag != "noatime"],
    (["rw"], {"relatime"}), (["suid"], {"relatime"}), (["dev"], {"relatime"}), (["exec"], {"relatime"}),
    (["symfollow"], {"relatime"}), (["diratime"], {"relatime"}), (["atime"], {"relatime"}),
    (["ro", "rw"], {"relatime"}), (["rw", "ro"], {"ro", "relatime"}), (["nosymfollow", "symfollow"], {"relatime"}),
    (["noatime"], {"noatime"}), (["strictatime"], {"strictatime"}), (["relatime"], {"relatime"}),
    (["nostrictatime"], {"relatime"}), (["norelatime", "strictatime"], {"strictatime"}),
    # mount(2)'s order, whichever comes first
    (["noatime", "strictatime"], {"strictatime"}), (["strictatime", "noatime"], {"strictatime"}),
    (["relatime", "noatime"], {"noatime"}), (["relatime", "strictatime"], {"strictatime"}),
    (["strictatime", "nostrictatime"], {"relatime"}), (["noatime", "atime", "nodiratime"], {"nodiratime", "relatime"}),
    # a new mount has nothing below it
    (["rro"], {"ro", "relatime"}), (["rnosuid"], {"nosuid", "relatime"}), (["rnodev"], {"nodev", "relatime"}),
    (["rnoexec"], {"noexec", "relatime"}), (["rnosymfollow"], {"nosymfollow", "relatime"}),
    (["rnodiratime"], {"nodiratime", "relatime"}), (["rnoatime"], {"noatime"}), (["rstrictatime"], {"strictatime"}),
    (["rrelatime"], {"relatime"}), (["strictatime", "rnoatime"], {"noatime"}), (["noexec", "rexec"], {"relatime"}),
    (["ro", "rrw"], {"relatime"}), (["noatime", "ratime"], {"relatime"}),
]


@pytest.mark.parametrize("options, seen", NEW, ids=lambda v: ",".join(v) if isinstance(v, list) else "")
def test_new_mount(box, options, seen):
    c = box()
    add_mount(c, "/mnt", options=options)
    mounts, said = run(c)
    assert flags_of(mounts["/mnt"]) == seen
    assert NO_EFFECT not in said


# (options, flags of the source, what is seen at the mount, and at the one below it)
BIND = [
    (["bind"], "", {"relatime"}, None),
    (["bind", "defaults"], "noexec", {"noexec", "relatime"}, None),
    *[(["rbind", flag], "", {flag, "relatime"}, {"relatime"}) for flag in FLAGS if flag != "noatime"],
    (["rbind", "noatime"], "", {"noatime"}, {"relatime"}), (["rbind", "strictatime"], "", {"strictatime"}, {"relatime"}),
    (["rbind", "relatime"], "noatime", {"relatime"}, {"noatime"}), (["rbind", "atime"], "noatime", {"relatime"}, {"noatime"}),
    (["rbind", "nostrictatime"], "strictatime", {"relatime"}, {"strictatime"}),
    (["rbind", "noatime", "strictatime"], "", {"strictatime"}, {"relatime"}),
    (["rbind", "rw"], "ro", {"relatime"}, {"ro", "relatime"}), (["rbind", "suid"], "nosuid", {"relatime"}, {"nosuid", "relatime"}),
    (["rbind", "dev"], "nodev", {"relatime"}, {"nodev", "relatime"}), (["rbind", "exec"], "noexec", {"relatime"}, {"noexec", "relatime"}),
    (["rbind", "diratime"], "nodiratime", {"relatime"}, {"nodiratime", "relatime"}),
    (["rbind", "symfollow"], "nosymfollow", {"relatime"}, {"nosymfollow", "relatime"}),
    *[(["rbind", "r" + flag], "", {flag, "relatime"}, {flag, "relatime"}) for flag in FLAGS if flag != "noatime"],
    (["rbind", "rnoatime"], "", {"noatime"}, {"noatime"}), (["rbind", "rstrictatime"], "", {"strictatime"}, {"strictatime"}),
    (["rbind", "rrelatime"], "noatime", {"relatime"}, {"relatime"}), (["rbind", "ratime"], "noatime", {"relatime"}, {"relatime"}),
    (["rbind", "rnostrictatime"], "strictatime", {"relatime"}, {"relatime"}),
    (["rbind", "rrw"], "ro", {"relatime"}, {"relatime"}), (["rbind", "rsuid"], "nosuid", {"relatime"}, {"relatime"}),
    (["rbind", "rdev"], "nodev", {"relatime"}, {"relatime"}), (["rbind", "rexec"], "noexec", {"relatime"}, {"relatime"}),
    (["rbind", "rdiratime"], "nodiratime", {"relatime"}, {"relatime"}),
    (["rbind", "rsymfollow"], "nosymfollow", {"relatime"}, {"relatime"}),
    (["rbind", "ro", "rnosuid", "rnoexec", "rexec"], "", {"ro", "nosuid", "relatime"}, {"nosuid", "relatime"}),
    # what is not spoken of stays
    (["rbind", "ro"], "nosuid,noexec,noatime", {"ro", "nosuid", "noexec", "noatime"}, {"nosuid", "noexec", "noatime"}),
]


@pytest.mark.parametrize("options, source_options, top, below", BIND,
                         ids=lambda v: ",".join(v) if isinstance(v, list) else v if isinstance(v, str) else "")
def test_bind(box, source, options, source_options, top, below):
    c = box()
    # mount(8) of Debian 12 does not know all of them
    change = f"-o remount,bind,{source_options}"
    script = f"mount -t tmpfs t {source}; mkdir {source}/sub; mount -t tmpfs s {source}/sub;"
    for path in (source / "sub", source):
        if source_options == "nosymfollow":
            script += f" mount -i -o remount,bind,nosymfollow {path} || exit 77;"
        elif source_options:
            script += f" mount {change} {path};"
    in_private_mounts(c, script)
    add_mount(c, "/mnt", "bind", source, options)
    mounts, said = run(c)
    assert flags_of(mounts["/mnt"]) == top
    assert flags_of(mounts["/mnt/sub"]) == below if below else "/mnt/sub" not in mounts
    assert NO_EFFECT not in said


# What a flag forbids, as a shell line that succeeds without it. /mnt has in it: null, a device; busybox; link, to it.
FORBIDDEN = {
    "ro": "echo x >/mnt/new", "rro": "echo x >/mnt/new", "noexec": "/mnt/busybox true", "rnoexec": "/mnt/busybox true",
    "nodev": "echo x >/mnt/null", "rnodev": "echo x >/mnt/null", "nosymfollow": "cat /mnt/link >/dev/null",
    "rnosymfollow": "cat /mnt/link >/dev/null",
}


@pytest.mark.parametrize("option", FORBIDDEN)
def test_what_a_flag_forbids(box, source, option):
    os.mknod(source / "null", 0o20666, os.makedev(1, 3))
    os.chmod(source / "null", 0o666)
    (source / "link").symlink_to("file")
    for options, status in (([], "0\n"), ([option], "1\n")):
        c = box("sh", "-c", f"({FORBIDDEN[option]}) 2>/dev/null && echo 0 || echo 1")
        shutil.copy(c.rootfs / "bin/busybox", source / "busybox")
        add_mount(c, "/mnt", "bind", source, ["rbind", *options])
        assert c.run().stdout == status


@pytest.mark.parametrize("option, moved", [("noatime", False), ("strictatime", True)])
def test_access_times(box, source, option, moved):
    os.utime(source / "file", (1000, 10**9))
    c = box("sh", "-c", "cat /mnt/file; stat -c %X /mnt/file; sleep 0.01")
    add_mount(c, "/mnt", "bind", source, ["bind", option])
    seen = c.run().stdout.splitlines()[1]
    assert (seen != "1000") == moved


@pytest.mark.parametrize("option, uids", [("suid", "1000 0 0 0"), ("nosuid", "1000 1000 1000 1000"),
                                          ("rnosuid", "1000 1000 1000 1000")])
def test_set_user_id_bit(box, source, option, uids):
    c = box("/mnt/cat", "/proc/self/status", rootfs="debian")
    shutil.copy(c.rootfs / "bin/cat", source / "cat")
    os.chmod(source / "cat", 0o4755)
    c.config["process"].update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=False)
    add_mount(c, "/mnt", "bind", source, ["bind", option])
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert parse_status(result.stdout)["Uid"].split() == uids.split()


# the filesystem's flags

@pytest.mark.parametrize("options, seen", [
    (["sync"], {"sync"}), (["dirsync"], {"dirsync"}), (["mand"], {"mand"}), (["lazytime"], {"lazytime"}),
    (["async"], set()), (["sync", "async"], set()), (["async", "sync"], {"sync"}), (["mand", "nomand"], set()),
    (["nomand"], set()), (["lazytime", "nolazytime"], set()), (["nolazytime"], set()), (["noiversion"], set()),
    (["loud"], set()), (["sync", "dirsync", "lazytime"], {"sync", "dirsync", "lazytime"}),
    (["iversion", "sync", "noexec"], {"sync", "noexec"}), (["silent", "dirsync"], {"dirsync"}),
], ids=",".join)
def test_flags_of_the_filesystem(box, options, seen):
    c = box()
    add_mount(c, "/mnt", options=[*options, "size=64k"])
    mounts, said = run(c)
    mount = mounts["/mnt"]
    assert mount.all_options & {"sync", "dirsync", "mand", "lazytime", "noexec"} == seen
    assert "size=64k" in mount.super_options
    assert NO_EFFECT not in said


@pytest.mark.parametrize("options, flags", [(["iversion"], {"MS_I_VERSION"}), (["silent"], {"MS_SILENT"}),
                                            (["silent", "loud", "iversion"], {"MS_I_VERSION"}),
                                            (["silent", "iversion", "noiversion"], {"MS_SILENT"})], ids=",".join)
def test_flags_that_no_table_shows(box, workdir, options, flags):
    """The kernel keeps them to itself; so what it is told is looked at."""
    if not shutil.which("strace"):
        pytest.skip("strace is missing")
    c = box("true")
    add_mount(c, "/mnt", options=options)
    log = workdir / "trace"
    c.prefix = ["strace", "-f", "-qq", "-e", "trace=mount", "-o", str(log)]
    result = c.run()
    assert result.returncode == 0, result.stderr
    calls = [line for line in log.read_text().splitlines() if re.search(r'mount\("tmpfs", "\.", "tmpfs"', line)]
    assert len(calls) == 1
    assert set(re.findall("MS_I_VERSION|MS_SILENT", calls[0])) == flags
    assert calls[0].endswith("= 0")


@pytest.mark.parametrize("option", ["iversion", "silent"])
def test_mounts_by_mount2_take_everything_else(box, option):
    """What only mount(2) can say does not stand in the way of what only mount_setattr(2) can."""
    c = box("sh", "-c", "cat /mnt/busybox.conf; cat /proc/self/mountinfo >&2; stat -c %a /mnt")
    (c.rootfs / "mnt").mkdir(exist_ok=True)
    (c.rootfs / "mnt").chmod(0o2750)
    (c.rootfs / "mnt/busybox.conf").write_text("kept\n")
    add_mount(c, "/mnt", options=[option, "rnoexec", "shared", "nosymfollow", "tmpcopyup"])
    result = c.run()
    assert result.stdout == "kept\n2750\n", result.stderr
    mount = parse_mounts("\n".join(line for line in result.stderr.splitlines() if " - " in line))["/mnt"]
    assert {"noexec", "nosymfollow"} <= mount.options
    assert any(f.startswith("shared:") for f in mount.propagation)


@pytest.mark.parametrize("option", ["sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime", "iversion",
                                    "noiversion", "silent", "loud", "norelatime", "rnorelatime"])
def test_what_a_bind_mount_cannot_have_is_said(box, source, option):
    c = box("true")
    add_mount(c, "/mnt", "bind", source, ["bind", "rw", option])
    place = f"/mounts/{len(c.config['mounts']) - 1}/options/2"
    result = c.run()
    assert result.returncode == 0
    assert f"{place}: {option} {NO_EFFECT}" in result.stderr


def test_an_option_of_a_filesystem_has_no_effect_on_a_bind_mount(box, source):
    """mount(2) ignores the data of a bind mount, so runc does too; --strict takes the warning as an error."""
    c = box("true")
    add_mount(c, "/mnt", "bind", source, ["bind", "size=4k"])
    said = f"/mounts/{len(c.config['mounts']) - 1}/options/1: \"size=4k\" has no effect"
    result = c.run()
    assert result.returncode == 0 and said in result.stderr
    c.global_args = ["--strict"]
    result = c.run()
    assert result.returncode == 1 and said in result.stderr


@pytest.mark.parametrize("type, option, text", [
    ("tmpfs", "nonsense", "Unknown parameter 'nonsense'"), ("tmpfs", "size=many", "Bad value for 'size'"),
    ("tmpfs", "rsync", "Unknown parameter 'rsync'"), ("proc", "hidepid=9", "hidepid"),
    ("overlay", "lower=/a", "Unknown parameter 'lower'"), ("devpts", "ptmxmode=x", "Bad value for 'ptmxmode'")])
def test_the_filesystem_refuses_in_its_own_words(box, type, option, text):
    c = box("true")
    add_mount(c, "/mnt", type, type, [option])
    result = c.run()
    assert result.returncode == 1
    assert f"mounting {type} on /mnt: " in result.stderr and text in result.stderr


# propagation

KINDS = {"private": [], "slave": ["master:"], "shared": ["shared:", "master:"], "unbindable": ["unbindable"]}


def kinds_of(mount):
    return [re.match("[a-z]+:?", field).group() for field in mount.propagation if not field.startswith("propagate_from")]


@pytest.mark.parametrize("recursive", ["", "r"])
@pytest.mark.parametrize("kind", KINDS)
def test_propagation_of_bind_mounts(box, source, kind, recursive):
    c = box()
    in_private_mounts(c, f"mount -t tmpfs t {source}; mkdir {source}/sub; mount -t tmpfs s {source}/sub; "
                         f"mount --make-rshared {source}")
    add_mount(c, "/mnt", "bind", source, ["rbind", recursive + kind])
    mounts, _ = run(c)
    assert kinds_of(mounts["/mnt"]) == KINDS[kind]
    assert kinds_of(mounts["/mnt/sub"]) == (KINDS[kind] if recursive else ["master:"])


@pytest.mark.parametrize("options, seen", [
    (["private"], []), (["rprivate"], []), (["slave"], []), (["rslave"], []), (["shared"], ["shared:"]),
    (["rshared"], ["shared:"]), (["unbindable"], ["unbindable"]), (["runbindable"], ["unbindable"]),
    (["shared", "private"], []), (["private", "shared"], ["shared:"]), (["unbindable", "rslave"], ["unbindable"])], ids=",".join)
def test_propagation_of_new_mounts(box, options, seen):
    c = box()
    add_mount(c, "/mnt", options=options)
    assert kinds_of(mounts_in(c)["/mnt"]) == seen


def test_several_propagations(box, source):
    """In their order, as runc does it: shared and then slave is a slave of nobody but the source."""
    c = box()
    in_private_mounts(c, f"mount -t tmpfs t {source}; mount --make-shared {source}")
    add_mount(c, "/one", "bind", source, ["bind", "slave", "shared"])
    add_mount(c, "/two", "bind", source, ["bind", "shared", "private"])
    c.config["root"]["readonly"] = False
    mounts, _ = run(c)
    assert kinds_of(mounts["/one"]) == ["shared:", "master:"]
    assert kinds_of(mounts["/two"]) == []


# remount

def test_remount_of_a_filesystem(box):
    c = box()
    add_mount(c, "/mnt", options=["nosuid", "sync", "size=64k"])
    add_mount(c, "/mnt", options=["remount", "noexec", "async", "lazytime", "size=128k", "private"])
    mounts, _ = run(c)
    mount = mounts["/mnt"]
    assert {"nosuid", "noexec"} <= mount.options
    assert {"lazytime", "size=128k"} <= mount.super_options and "sync" not in mount.super_options


@pytest.mark.parametrize("option", ["ro", "rro"])
def test_remount_read_only(box, option):
    c = box("sh", "-c", "cat /mnt/etc/passwd >/dev/null; echo x >/mnt/x")
    add_mount(c, "/mnt", options=["rw", "mode=755"])
    add_mount(c, "/mnt", options=["remount", option])
    result = c.run()
    assert result.returncode == 1 and "Read-only file system" in result.stderr


def test_remount_read_write(box):
    c = box("sh", "-c", "echo x >/mnt/x && cat /mnt/x")
    c.config["root"]["readonly"] = False
    add_mount(c, "/mnt", "sysfs", "sysfs", ["ro"])
    add_mount(c, "/mnt", "sysfs", "sysfs", ["remount", "rw", "noexec"])
    mounts, _ = run(c)
    assert flags_of(mounts["/mnt"]) == {"noexec", "relatime"} and "rw" in mounts["/mnt"].super_options


def test_remount_of_a_bind_mount(box, source):
    c = box()
    in_private_mounts(c, f"mount -t tmpfs s {source}/sub")
    add_mount(c, "/mnt", "bind", source, ["rbind", "noexec"])
    add_mount(c, "/mnt", "bind", "/nowhere", ["bind", "remount", "ro", "exec", "rnosuid"])
    mounts, _ = run(c)
    assert flags_of(mounts["/mnt"]) == {"ro", "nosuid", "relatime"}
    assert flags_of(mounts["/mnt/sub"]) == {"nosuid", "relatime"}
    assert "rw" in mounts["/mnt"].super_options


def test_remount_of_dev_read_only_comes_last(box):
    c = box("sh", "-c", "echo x >/dev/null && touch /dev/new")
    add_mount(c, "/dev", options=["remount", "ro"])
    result = c.run()
    assert result.returncode == 1 and "Read-only file system" in result.stderr


@pytest.mark.parametrize("type, options", [("tmpfs", ["remount", "size=1m"]), ("bind", ["remount", "ro"])])
def test_remount_of_what_is_no_mount(box, type, options):
    c = box("true")
    (c.rootfs / "plain").mkdir()
    add_mount(c, "/plain", type, "tmpfs", options)
    result = c.run()
    assert result.returncode == 1 and "remounting /plain: " in result.stderr


# destinations and sources

@pytest.mark.parametrize("destination", ["mnt/here", "./mnt/./here", "/mnt/../mnt/here"])
def test_relative_destination(box, destination):
    c = box()
    c.config["root"]["readonly"] = False
    add_mount(c, destination)
    assert mounts_in(c)["/mnt/here"].type == "tmpfs"


@pytest.mark.parametrize("readonly", [True, False])
def test_destination_is_the_root(box, source, readonly):
    """It becomes the root; what is mounted after it is inside."""
    c = box("sh", "-c", "cat /mark; touch /new && echo writable; cat /sub/file")
    shutil.copytree(c.rootfs, source / "root", symlinks=True)
    (source / "root/mark").write_text("the other root\n")
    c.config["root"]["readonly"] = readonly
    c.config["mounts"].insert(0, {"destination": "/", "type": "bind", "source": str(source / "root"), "options": ["rbind"]})
    (source / "root/sub").mkdir()
    add_mount(c, "/sub", "bind", source, ["bind"])
    result = c.run()
    assert result.stdout == "the other root\n" + ("" if readonly else "writable\n") + "from the host\n", result.stderr
    assert not (c.rootfs / "new").exists()


def test_nested_destinations_through_links(box, source):
    c = box("sh", "-c", "cat /real/in/file; readlink /outer")
    c.config["root"]["readonly"] = False
    (c.rootfs / "real").mkdir()
    (c.rootfs / "outer").symlink_to("/real")
    add_mount(c, "/outer")
    add_mount(c, "/outer/in", "bind", source, ["bind"])
    assert c.run().stdout == "from the host\n/real\n"


def test_file_over_a_file_of_proc(box, source):
    c = box("cat", "/proc/uptime")
    add_mount(c, "/proc/uptime", "bind", source / "file", ["bind", "ro"])
    assert c.run().stdout == "from the host\n"


def test_missing_source_is_named(box, workdir):
    for type, source, options in (("bind", workdir / "none", ["bind"]), ("ext4", workdir / "none", ["ro"])):
        c = box("true")
        add_mount(c, "/mnt", type, source, options)
        result = c.run()
        assert result.returncode == 1
        assert str(workdir / "none") in result.stderr and "/mnt" in result.stderr
        assert "no such file or directory" in result.stderr


def test_filesystem_of_a_block_device(box, workdir):
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("there are no loop devices")
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is missing")
    image = workdir / "image"
    with open(image, "wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no free loop device: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        c = box("sh", "-c", "ls /mnt; cat /proc/self/mountinfo")
        # the cgroup's devices are the container's, at this time already
        major, minor = os.major(os.stat(device).st_rdev), os.minor(os.stat(device).st_rdev)
        c.config["linux"]["resources"]["devices"].append(
            {"allow": True, "type": "b", "major": major, "minor": minor, "access": "rw"})
        add_mount(c, "/mnt", "ext4", device, ["nodev", "iversion", "errors=continue", "sync"])
        result = c.run()
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("lost+found\n")
        mount = parse_mounts(result.stdout.split("\n", 1)[1])["/mnt"]
        assert mount.type == "ext4" and mount.source == device
        assert {"nodev", "sync"} <= mount.all_options
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.parametrize("type", ["mqueue", "sysfs", "devpts", "tmpfs", "cgroup"])
def test_flags_of_every_kind(box, type):
    c = box()
    if type == "cgroup":
        mount_at(c.config, "/sys/fs/cgroup")["options"] = ["nosuid", "nodev", "noexec", "ro", "noatime"]
    else:
        add_mount(c, "/mnt", type, type, ["nosuid", "nodev", "noexec", "ro", "noatime"])
    mount = mounts_in(c)["/sys/fs/cgroup" if type == "cgroup" else "/mnt"]
    assert flags_of(mount) == {"nosuid", "nodev", "noexec", "ro", "noatime"}


# crun's options for symbolic links

@pytest.fixture
def link(source):
    (source / "link").symlink_to("file")
    return source / "link"


@pytest.mark.parametrize("user", [False, True])
def test_copy_symlink(box, link, user):
    c = box("sh", "-c", "readlink /copied; cat /proc/self/mountinfo | grep -c copied")
    c.config["root"]["readonly"] = False
    add_mount(c, "/copied", "bind", link, ["bind", "copy-symlink", "ro"])
    if user:
        map_ids(c)
    result = c.run()
    assert result.stdout == "file\n0\n", result.stderr
    assert os.readlink(c.rootfs / "copied") == "file"


def test_copy_symlink_that_is_there(box, link):
    c = box("readlink", "/copied")
    (c.rootfs / "copied").symlink_to("file")
    add_mount(c, "/copied", "bind", link, ["bind", "copy-symlink"])
    assert c.run().stdout == "file\n"


@pytest.mark.parametrize("target", ["other", None])
def test_copy_symlink_over_something_else(box, link, target):
    c = box("true")
    if target:
        (c.rootfs / "copied").symlink_to(target)
    else:
        (c.rootfs / "copied").write_text("a file")
    add_mount(c, "/copied", "bind", link, ["bind", "copy-symlink"])
    result = c.run()
    assert result.returncode == 1
    assert "/copied: the image has something else in the place of the link" in result.stderr


def test_copy_symlink_of_what_is_none(box, source):
    c = box("cat", "/mnt/file")
    add_mount(c, "/mnt", "bind", source, ["rbind", "copy-symlink"])
    assert c.run().stdout == "from the host\n"


def test_copy_symlink_stays_inside(box, link, workdir):
    """The directory that the image says the link is in is looked for inside the root."""
    outside = workdir / "outside"
    outside.mkdir()
    c = box("true")
    c.config["root"]["readonly"] = False
    (c.rootfs / "out").symlink_to(f"../../../../../../../..{outside}")
    add_mount(c, "/out/copied", "bind", link, ["bind", "copy-symlink"])
    c.run()
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("options, script, seen", [
    (["dest-nofollow"], "cat /target; cat /real", "from the host\nthe image's\n"),
    (["src-nofollow", "dest-nofollow"], "readlink /target; cat /real", "file\nthe image's\n"),
    (["src-nofollow"], "readlink /target; readlink /real", "real\nfile\n"),
    ([], "readlink /target; cat /real", "real\nfrom the host\n")], ids=lambda v: ",".join(v) if isinstance(v, list) else "")
def test_nofollow(box, link, options, script, seen, user):
    c = box("sh", "-c", script)
    (c.rootfs / "real").write_text("the image's\n")
    (c.rootfs / "target").symlink_to("real")
    add_mount(c, "/target", "bind", link, ["bind", *options])
    if user:
        map_ids(c)
    result = c.run()
    assert result.stdout == seen, result.stderr


def test_destination_that_is_not_followed_must_be_there(box, source):
    c = box("true")
    c.config["root"]["readonly"] = False
    add_mount(c, "/target", "bind", source / "file", ["bind", "dest-nofollow"])
    result = c.run()
    assert result.returncode == 1 and "/target: no such file or directory" in result.stderr
    assert not (c.rootfs / "target").exists()


@pytest.mark.parametrize("destination", ["/proc/self", "/sys/class", "/dev/pts/ptmx", "/proc/self/exe"])
def test_links_of_the_kernel_are_not_covered(box, source, destination):
    c = box("true")
    add_mount(c, destination, "bind", source / "file", ["bind", "dest-nofollow"])
    result = c.run()
    assert result.returncode == 1 and f"{destination}: the target is inside a" in result.stderr
