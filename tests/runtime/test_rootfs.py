"""The root filesystem: pivot, mounts and their options, devices, masks."""
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from harness import (REPO, add_mount, add_namespace, cgroup_mounts, chown_tree, drop_namespace, in_private_mounts, mount_at,
                     mounts_in, parse_mounts)

DEVICES = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}


# root

def test_the_root_is_the_bundles(box):
    c = box("cat", "/mark")
    (c.bundle / "rootfs/mark").write_text("this one\n")
    assert c.run().stdout == "this one\n"


def test_the_root_may_be_the_bundle_itself(box):
    c = box("test", "-e", "/config.json", rootfs=None)
    (c.bundle / "rootfs").rmdir()
    subprocess.run([REPO / "tools/make-rootfs", "busybox", c.bundle], check=True)
    c.config["root"]["path"] = "."
    assert c.run().returncode == 0


def test_readonly_root(box):
    c = box("sh", "-c", "touch /x; echo $?")
    assert c.run().stdout == "1\n"
    assert "ro" in mounts_in(c)["/"].options


def test_writable_root(box):
    c = box("sh", "-c", "echo hi >/x")
    c.config["root"]["readonly"] = False
    assert c.run().returncode == 0
    assert (c.bundle / "rootfs/x").read_text() == "hi\n"


def test_host_is_out_of_reach(box):
    c = box("sh", "-c", "ls /; cd /; cd ../../../..; ls; readlink /proc/1/root")
    output = c.run().stdout
    assert c.id not in output and "work" not in output.split()
    # what was pivoted away is gone
    assert set(mounts_in(c)) <= {"/", "/proc", "/dev", "/sys"} | {p for p in mounts_in(c) if p.startswith(("/proc/", "/dev/", "/sys/"))}


def test_absolute_root_path(box, workdir):
    c = box("true")
    shutil.move(c.bundle / "rootfs", workdir / "elsewhere")
    c.config["root"]["path"] = str(workdir / "elsewhere")
    assert c.run().returncode == 0


def test_missing_root(box):
    c = box("true")
    c.config["root"]["path"] = "nothing"
    result = c.run()
    assert result.returncode == 1
    assert "nothing" in result.stderr and "no such file or directory" in result.stderr


def test_no_pivot(box):
    c = box("sh", "-c", "cat /etc/hosts; ls /proc/self/fd >/dev/null && echo proc")
    c.write()
    result = c.cmd("run", "--no-pivot", "--bundle", c.bundle, c.id)
    assert (result.returncode, result.stdout) == (0, "127.0.0.1 localhost\nproc\n"), result.stderr


@pytest.mark.parametrize("propagation, seen", [("private", set()), ("rprivate", set()), ("slave", set()), ("rslave", set()),
                                               ("shared", {"shared"}), ("rshared", {"shared"}),
                                               ("unbindable", {"unbindable"}), ("runbindable", {"unbindable"})])
def test_root_propagation(box, propagation, seen):
    c = box()
    c.config["linux"]["rootfsPropagation"] = propagation
    root = c.bundle / "rootfs"
    in_private_mounts(c, f"mount --bind {root} {root}; mount --make-private {root}")
    assert {field.split(":")[0] for field in mounts_in(c)["/"].propagation} == seen


@pytest.mark.parametrize("propagation, recursive", [("shared", False), ("rshared", True), ("unbindable", False),
                                                    ("runbindable", True), ("private", True), ("slave", True)])
def test_root_propagation_of_what_is_below(box, source, propagation, recursive):
    """The "r" of those that the root gets at the end; the others have kept the container apart from its beginning."""
    c = box()
    c.config["linux"]["rootfsPropagation"] = propagation
    add_mount(c, "/from", "bind", source, ["rbind"])
    mounts = mounts_in(c)
    kind = propagation.removeprefix("r")
    for point in ("/proc", "/dev", "/from"):
        found = {field.split(":")[0] for field in mounts[point].propagation}
        assert (kind in found) == (recursive and kind not in ("private", "slave")), point


@pytest.mark.parametrize("root, option, kinds, reaches", [
    ("rslave", "rslave", {"master"}, False), ("rprivate", "rprivate", set(), False), (None, "rslave", {"master"}, False),
    ("rslave", "rshared", {"shared", "master"}, False), ("rshared", "rshared", {"shared"}, True),
    ("shared", "rshared", {"shared"}, True), ("rshared", "rslave", {"master", "shared"}, False)])
def test_mounts_reach_the_host_where_all_is_shared(box, source, workdir, root, option, kinds, reaches):
    """What Kubernetes calls bidirectional: a shared root, and a bind mount with rshared. Nothing less does it."""
    c = box("sh", "-c", "cat /proc/self/mountinfo; mount -t tmpfs late /from/sub && touch /from/sub/mounted")
    everything = ["CAP_SYS_ADMIN"]
    c.config["process"]["capabilities"] = {k: everything for k in ("bounding", "effective", "permitted")}
    if root:
        c.config["linux"]["rootfsPropagation"] = root
    add_mount(c, "/from", "bind", source, ["rbind", option])
    c.prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'mount --bind {source} {source}; mount --make-shared {source}; "$@"; ls {source}/sub >{workdir}/seen', "sh"]
    result = c.run()
    assert {f.split(":")[0] for f in parse_mounts(result.stdout)["/from"].propagation} == kinds, result.stderr
    assert (workdir / "seen").read_text().split() == (["mounted"] if reaches else [])


def test_mounts_of_a_user_namespace_never_reach_the_host(box, source, workdir):
    c = box("sh", "-c", "mount -t tmpfs late /from/sub && touch /from/sub/mounted && echo mounted")
    chown_tree(c.bundle / "rootfs", 100000, 100000)
    chown_tree(source, 100000, 100000)
    one = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c.config["linux"].update(uidMappings=one, gidMappings=one, rootfsPropagation="rshared")
    add_namespace(c.config, "user")
    c.config["process"]["capabilities"] = {k: ["CAP_SYS_ADMIN"] for k in ("bounding", "effective", "permitted")}
    add_mount(c, "/from", "bind", source, ["rbind", "rshared"])
    c.prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'mount --bind {source} {source}; mount --make-shared {source}; "$@"; ls {source}/sub >{workdir}/seen', "sh"]
    result = c.run()
    assert result.stdout == "mounted\n", result.stderr
    assert (workdir / "seen").read_text() == ""


def test_slave_sees_later_mounts(box, source):
    """With rootfsPropagation rslave a mount that the host makes later arrives in the container."""
    c = box("sh", "-c", "sleep 0.4; cat /from/late/x")
    c.config["linux"]["rootfsPropagation"] = "rslave"
    (source / "late").mkdir()
    add_mount(c, "/from", "bind", source, ["rbind", "rslave"])
    in_private_mounts(c, f"mount --bind {source} {source}; mount --make-shared {source}; "
                         f"(sleep 0.2; mount -t tmpfs late {source}/late; echo late >{source}/late/x) >/dev/null 2>&1 &")
    result = c.run()
    assert result.stdout == "late\n", result.stderr


# mounts

@pytest.mark.parametrize("option", ["nosuid", "nodev", "noexec", "ro", "noatime", "nodiratime", "relatime", "nosymfollow",
                                    "sync", "dirsync"])
def test_tmpfs_flags(box, option):
    c = box()
    add_mount(c, "/mnt", options=[option])
    assert option in mounts_in(c)["/mnt"].all_options


def test_strictatime(box):
    c = box()
    add_mount(c, "/mnt", options=["strictatime"])
    assert not {"relatime", "noatime"} & mounts_in(c)["/mnt"].options


@pytest.mark.parametrize("pair", [("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("ro", "rw"), ("noatime", "atime"),
                                  ("nodiratime", "diratime")])
def test_later_option_wins(box, pair):
    no, yes = pair
    c = box()
    add_mount(c, "/one", options=[no, yes])
    add_mount(c, "/two", options=[yes, no])
    mounts = mounts_in(c)
    assert no not in mounts["/one"].options and no in mounts["/two"].options


def test_tmpfs_data(box):
    c = box()
    add_mount(c, "/mnt", options=["size=64k", "mode=1750", "uid=5", "gid=6", "nr_inodes=77"])
    options = mounts_in(c)["/mnt"].super_options
    assert {"size=64k", "mode=1750", "uid=5", "gid=6", "nr_inodes=77"} <= options


def test_tmpfs_is_a_fresh_one(box):
    c = box("sh", "-c", "ls -A /tmp; echo x >/tmp/y && cat /tmp/y")
    (c.bundle / "rootfs/tmp/below").write_text("")
    add_mount(c, "/tmp")
    assert c.run().stdout == "x\n"


def test_bind(box, source):
    c = box("sh", "-c", "cat /mnt/file; echo written >/mnt/new")
    add_mount(c, "/mnt", "bind", source, ["bind"])
    assert c.run().stdout == "from the host\n"
    assert (source / "new").read_text() == "written\n"


@pytest.mark.parametrize("type", ["", "none", "bind"])
def test_bind_by_option_whatever_the_type(box, source, type):
    c = box("cat", "/mnt/file")
    add_mount(c, "/mnt", type, source, ["bind"])
    assert c.run().stdout == "from the host\n"


def test_bind_of_a_file(box, source):
    c = box("cat", "/made/for/it")
    c.config["root"]["readonly"] = False
    add_mount(c, "/made/for/it", "bind", source / "file", ["bind", "ro"])
    assert c.run().stdout == "from the host\n"


def test_bind_source_relative_to_the_bundle(box):
    c = box("cat", "/mnt")
    (c.bundle / "beside").write_text("beside\n")
    add_mount(c, "/mnt", "bind", "beside", ["bind"])
    assert c.run().stdout == "beside\n"


@pytest.mark.parametrize("option", ["ro", "nosuid", "nodev", "noexec", "noatime"])
def test_bind_flags(box, source, option):
    c = box()
    add_mount(c, "/mnt", "bind", source, ["bind", option])
    assert option in mounts_in(c)["/mnt"].options


def test_readonly_bind(box, source):
    c = box("sh", "-c", "echo x >/mnt/new")
    add_mount(c, "/mnt", "bind", source, ["rbind", "ro"])
    result = c.run()
    assert result.returncode == 1 and "Read-only file system" in result.stderr
    assert not (source / "new").exists()


def test_bind_takes_the_top_only(box, source):
    c = box()
    in_private_mounts(c, f"mount -t tmpfs inner {source}/sub")
    add_mount(c, "/mnt", "bind", source, ["bind"])
    assert "/mnt/sub" not in mounts_in(c)


def test_rbind_takes_what_is_below(box, source):
    c = box()
    in_private_mounts(c, f"mount -t tmpfs inner {source}/sub")
    add_mount(c, "/mnt", "bind", source, ["rbind", "ro"])
    mounts = mounts_in(c)
    assert "ro" in mounts["/mnt"].options
    assert "rw" in mounts["/mnt/sub"].options, "a plain ro is for the top only"


@pytest.mark.parametrize("option, flag", [("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"),
                                          ("rnoatime", "noatime"), ("rnodiratime", "nodiratime"), ("rnosymfollow", "nosymfollow")])
def test_recursive_attributes(box, source, option, flag):
    c = box()
    in_private_mounts(c, f"mount -t tmpfs inner {source}/sub")
    add_mount(c, "/mnt", "bind", source, ["rbind", option])
    mounts = mounts_in(c)
    assert flag in mounts["/mnt"].options
    assert flag in mounts["/mnt/sub"].options


def test_recursive_clearing(box, source):
    c = box()
    in_private_mounts(c, f"mount -t tmpfs -o noexec,nodev inner {source}/sub")
    add_mount(c, "/mnt", "bind", source, ["rbind", "rexec", "rdev"])
    assert not {"noexec", "nodev"} & mounts_in(c)["/mnt/sub"].options


@pytest.mark.parametrize("option, seen", [("rprivate", None), ("private", None), ("rshared", "shared:"), ("shared", "shared:"),
                                          ("rslave", None), ("unbindable", "unbindable")])
def test_mount_propagation(box, source, option, seen):
    c = box()
    add_mount(c, "/mnt", "bind", source, ["rbind", option])
    fields = mounts_in(c)["/mnt"].propagation
    assert any(f.startswith(seen) for f in fields) if seen else not any(f.startswith(("shared:", "unbindable")) for f in fields)


def test_order_of_mounts(box, source):
    c = box("sh", "-c", "cat /mnt/in/file; ls /mnt")
    add_mount(c, "/mnt")
    add_mount(c, "/mnt/in", "bind", source, ["bind"])
    assert c.run().stdout == "from the host\nin\n"


def test_later_mount_hides_earlier(box, source):
    c = box("ls", "-A", "/mnt")
    add_mount(c, "/mnt", "bind", source, ["bind"])
    add_mount(c, "/mnt")
    assert c.run().stdout == ""


def test_mount_points_are_made(box):
    c = box()
    c.config["root"]["readonly"] = False
    add_mount(c, "/deep/down/there")
    assert "/deep/down/there" in mounts_in(c)
    assert (c.bundle / "rootfs/deep/down/there").is_dir()


def test_mount_point_through_a_symlink_stays_inside(box, workdir):
    c = box()
    outside = workdir / "outside"
    outside.mkdir()
    (c.bundle / "rootfs/link").symlink_to(outside)
    add_mount(c, "/link/new")
    assert f"{outside}/new" in mounts_in(c)
    assert not list(outside.iterdir())
    assert (c.bundle / "rootfs" / str(outside).lstrip("/") / "new").is_dir()


@pytest.mark.parametrize("link", ["../run/made/resolv.conf", "/run/made/resolv.conf", "again", "/../../run/made/resolv.conf"])
def test_file_through_a_dangling_link(box, workdir, link):
    """Debian's /etc/resolv.conf leads to what is only there while systemd runs: the file is made where it leads."""
    (workdir / "file").write_text("from the host\n")
    c = box("cat", "/run/made/resolv.conf", "/etc/resolv.conf")
    (c.rootfs / "etc").mkdir(exist_ok=True)
    (c.rootfs / "etc/resolv.conf").symlink_to(link)
    (c.rootfs / "etc/again").symlink_to("../run/made/resolv.conf")
    c.config["mounts"] += [{"destination": "/run", "type": "tmpfs", "source": "tmpfs"},
                           {"destination": "/etc/resolv.conf", "source": str(workdir / "file"), "options": ["bind"]}]
    result = c.run()
    assert result.stdout == "from the host\n" * 2, result.stderr


def test_directory_through_dangling_links(box):
    c = box("sh", "-c", "grep ' /b/c/d ' /proc/self/mountinfo && grep ' /x/y ' /proc/self/mountinfo")
    (c.rootfs / "a").symlink_to("b/c")
    (c.rootfs / "l").symlink_to("/m")
    (c.rootfs / "m").symlink_to("x")
    c.config["root"]["readonly"] = False
    c.config["mounts"] += [{"destination": "/a/d", "type": "tmpfs", "source": "tmpfs"},
                           {"destination": "/l/y", "type": "tmpfs", "source": "tmpfs"}]
    result = c.run()
    assert result.returncode == 0, result.stderr


def test_links_in_a_circle(box):
    c = box("true")
    (c.rootfs / "a").symlink_to("b")
    (c.rootfs / "b").symlink_to("a")
    c.config["mounts"].append({"destination": "/a/x", "type": "tmpfs", "source": "tmpfs"})
    result = c.run()
    assert result.returncode == 1 and "symbolic links" in result.stderr.lower()


def test_deep_mount_point(box):
    path = "/d" * 300
    c = box("grep", f" {path} ", "/proc/self/mountinfo")
    c.config["mounts"].append({"destination": path, "type": "tmpfs", "source": "tmpfs"})
    result = c.run()
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("destination", ["/new/../other", "/../../other", "/proc/../other"])
def test_dots_in_a_mount_point(box, destination):
    c = box("grep", " /other ", "/proc/self/mountinfo")
    c.config["mounts"].append({"destination": destination, "type": "tmpfs", "source": "tmpfs"})
    result = c.run()
    assert result.returncode == 0, result.stderr


def test_missing_bind_source(box, workdir):
    c = box("true")
    add_mount(c, "/mnt", "bind", workdir / "nothing", ["bind"])
    result = c.run()
    assert result.returncode == 1
    assert str(workdir / "nothing") in result.stderr and "no such file or directory" in result.stderr


def test_unknown_filesystem(box):
    c = box("true")
    add_mount(c, "/mnt", "nosuchfs", "x")
    result = c.run()
    assert result.returncode == 1
    assert "/mnt" in result.stderr and "no such device" in result.stderr


def test_bad_mount_data(box):
    c = box("true")
    add_mount(c, "/mnt", options=["size=lots"])
    result = c.run()
    assert result.returncode == 1
    assert "/mnt" in result.stderr and "invalid argument" in result.stderr.lower()


def test_overlay(box, workdir):
    for name in ("lower", "upper", "work"):
        (workdir / name).mkdir()
    (workdir / "lower/file").write_text("lower\n")
    c = box("sh", "-c", "cat /mnt/file; echo upper >/mnt/file")
    add_mount(c, "/mnt", "overlay", "overlay", [f"lowerdir={workdir}/lower", f"upperdir={workdir}/upper", f"workdir={workdir}/work"])
    result = c.run()
    assert result.stdout == "lower\n", result.stderr
    assert (workdir / "upper/file").read_text() == "upper\n" and (workdir / "lower/file").read_text() == "lower\n"


@pytest.mark.parametrize("option", ["nosymfollow", "noexec"])
def test_overlay_with_long_options(box, workdir, option):
    """fsconfig(2) takes 255 characters of one option, so mount(2) makes it: with the same flags."""
    names = [workdir / ("l" * 60 + str(i)) for i in range(6)]
    for name in names:
        name.mkdir()
        (name / name.name[-1]).touch()
    c = box("sh", "-c", "ls /over && cat /proc/self/mountinfo")
    c.config["mounts"].append({"destination": "/over", "type": "overlay", "source": "overlay",
                               "options": ["lowerdir=" + ":".join(map(str, names)), option]})
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[:6] == list("012345")
    over = parse_mounts("\n".join(line for line in result.stdout.splitlines() if " - " in line))["/over"]
    assert option in over.all_options


def test_proc(box):
    c = box("sh", "-c", "cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l")
    lines = c.run().stdout.splitlines()
    assert lines[0] == "sh" and int(lines[1]) <= 3
    assert mounts_in(c)["/proc"].type == "proc"


def test_sysfs(box):
    sys = mounts_in(box())["/sys"]
    assert sys.type == "sysfs" and {"ro", "nosuid", "nodev", "noexec"} <= sys.options


def test_devpts(box):
    pts = mounts_in(box())["/dev/pts"]
    assert pts.type == "devpts" and {"nosuid", "noexec"} <= pts.options
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= pts.super_options


def test_devpts_is_a_new_instance(box):
    assert box("ls", "/dev/pts").run().stdout.split() == ["ptmx"]


def test_mqueue(box):
    mount = mounts_in(box())["/dev/mqueue"]
    assert mount.type == "mqueue" and {"nosuid", "nodev", "noexec"} <= mount.options


def test_shm(box):
    mount = mounts_in(box())["/dev/shm"]
    assert mount.type == "tmpfs" and "size=65536k" in mount.super_options
    assert box("stat", "-c", "%a", "/dev/shm").run().stdout == "1777\n"


@pytest.mark.parametrize("namespace", [False, True])
def test_cgroup_v1_mount(box, namespace):
    """/sys/fs/cgroup lists the controllers, and each shows the container's own cgroup, read-only."""
    controllers = {name: path for name, path in cgroup_mounts().items() if name and not name.startswith("name=")}
    if not controllers:
        pytest.skip("no cgroup v1 controller is mounted here")
    c = box("sh", "-c", "ls /sys/fs/cgroup; cat /sys/fs/cgroup/memory/cgroup.procs; mkdir /sys/fs/cgroup/memory/x; echo $?")
    if namespace:
        add_namespace(c.config, "cgroup")
    result = c.run()
    assert set(controllers) <= set(result.stdout.split()), result.stderr
    assert "1" in result.stdout.splitlines(), "its own process is in the cgroup that it sees"
    assert result.stdout.splitlines()[-1] == "1", "and it is read-only"
    mounts = mounts_in(c)
    for name in controllers:
        assert {"ro", "nosuid", "nodev", "noexec"} <= mounts[f"/sys/fs/cgroup/{name}"].options


def test_cgroup2_mount(box):
    if list(cgroup_mounts()) != [""]:
        pytest.skip("cgroup v2 is not the only hierarchy here")
    c = box("cat", "/sys/fs/cgroup/cgroup.procs")
    add_namespace(c.config, "cgroup")
    assert "1" in c.run().stdout.split()


# devices

def test_default_devices(box):
    c = box("sh", "-c", "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done")
    lines = c.run().stdout.splitlines()
    assert lines == [f"/dev/{name} character special file {number} 666 0:0" for name, number in DEVICES.items()]


def test_default_devices_work(box):
    c = box("sh", "-c", "echo x >/dev/null && head -c 4 /dev/zero | od -An -tx1; head -c 8 /dev/random | wc -c; "
                        "head -c 8 /dev/urandom | wc -c; echo x >/dev/full")
    result = c.run()
    assert result.stdout.split() == ["00", "00", "00", "00", "8", "8"]
    assert result.returncode == 1 and "No space left on device" in result.stderr


def test_ptmx_works(in_debian):
    result = in_debian("import pty,os; m,s=pty.openpty(); print(os.ttyname(s)); os.write(s,b'x'); print(os.read(m,1))")
    assert result.stdout == "/dev/pts/0\nb'x'\n", result.stderr


def test_dev_symlinks(box):
    c = box("sh", "-c", "for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done")
    assert c.run().stdout.splitlines() == ["fd /proc/self/fd", "stdin /proc/self/fd/0", "stdout /proc/self/fd/1",
                                           "stderr /proc/self/fd/2", "ptmx pts/ptmx"]


def test_nothing_else_in_dev(box):
    names = set(box("ls", "/dev").run().stdout.split())
    assert names <= {*DEVICES, "fd", "stdin", "stdout", "stderr", "core", "ptmx", "pts", "shm", "mqueue", "console"}


def test_configured_devices(box):
    c = box("stat", "-c", "%n %F %t:%T %a %u:%g", "/dev/mine", "/dev/pipe", "/dev/deep/block")
    c.config["linux"]["devices"] = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622, "uid": 0, "gid": 0},
        {"path": "/dev/deep/block", "type": "b", "major": 7, "minor": 99, "fileMode": 0o600},
    ]
    assert c.run().stdout.splitlines() == ["/dev/mine character special file 1:3 640 5:6", "/dev/pipe fifo 0:0 622 0:0",
                                           "/dev/deep/block block special file 7:63 600 0:0"]


def test_configured_device_replaces_a_default(box):
    c = box("stat", "-c", "%t:%T %a", "/dev/zero")
    c.config["linux"]["devices"] = [{"path": "/dev/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600}]
    assert c.run().stdout.strip() == "1:5 600"


def test_dev_bound_from_the_host_is_left_alone(box):
    c = box("ls", "/dev/null")
    c.config["mounts"] = [m for m in c.config["mounts"] if not m["destination"].startswith("/dev")]
    add_mount(c, "/dev", "bind", "/dev", ["rbind"])
    before = {e.name for e in os.scandir("/dev")}
    assert c.run().returncode == 0
    assert {e.name for e in os.scandir("/dev")} == before


def test_umask_of_the_caller_does_not_matter(box):
    c = box("stat", "-c", "%a", "/dev/null", "/dev", "/dev/shm")
    result = c.run(umask=0o077)
    assert result.stdout.split() == ["666", "755", "1777"]


# masks

def test_masked_file_is_empty(box):
    c = box("sh", "-c", "cat /secret; test -c /secret && echo device; echo x >/secret")
    (c.bundle / "rootfs/secret").write_text("secret")
    c.config["root"]["readonly"] = False
    c.config["linux"]["maskedPaths"] = ["/secret"]
    assert "secret" not in c.run().stdout.replace("/secret", "")
    assert (c.bundle / "rootfs/secret").read_text() == "secret"


def test_masked_directory_is_empty(box):
    c = box("sh", "-c", "ls -A /hidden; touch /hidden/x")
    (c.bundle / "rootfs/hidden").mkdir()
    (c.bundle / "rootfs/hidden/secret").write_text("secret")
    c.config["root"]["readonly"] = False
    c.config["linux"]["maskedPaths"] = ["/hidden"]
    result = c.run()
    assert result.stdout == "" and "Read-only file system" in result.stderr


def test_masks_within_masks(box):
    c = box("sh", "-c", "cat /top /outer/file /outer/inner/file; ls -A /outer")
    root = c.bundle / "rootfs"
    (root / "outer/inner").mkdir(parents=True)
    paths = ["outer/inner/file", "outer/file", "top"]
    for path in paths:
        (root / path).write_text("secret")
    c.config["linux"]["maskedPaths"] = ["/outer", "/top", "/outer/inner", "/outer/file", "/outer/inner/file"]
    result = c.run()
    assert result.stdout == ""
    assert "can't open '/outer/file'" in result.stderr and "can't open '/outer/inner/file'" in result.stderr
    assert [(root / path).read_text() for path in paths] == ["secret"] * 3


DEVICE_KINDS = pytest.mark.parametrize("kind", [stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO],
                                       ids=["block", "character", "fifo"])


@DEVICE_KINDS
def test_masked_device_is_empty(box, kind):
    c = box("sh", "-c", "wc -c </node")
    os.mknod(c.bundle / "rootfs/node", kind | 0o666, 0)
    c.config["linux"]["maskedPaths"] = ["/node"]
    assert c.run().stdout == "0\n"


@DEVICE_KINDS
def test_readonly_path_that_is_a_device(box, kind):
    c = box()
    os.mknod(c.bundle / "rootfs/node", kind | 0o666, 0)
    c.config["root"]["readonly"] = False
    c.config["linux"]["readonlyPaths"] = ["/node"]
    assert "ro" in mounts_in(c)["/node"].options


def test_masked_paths_that_are_missing(box):
    c = box("true")
    c.config["linux"]["maskedPaths"] = ["/no/such", "/proc/no-such"]
    c.config["linux"]["readonlyPaths"] = ["/no/such/either"]
    assert c.run().returncode == 0


def test_default_masks(box):
    c = box("sh", "-c", "for p in kcore keys timer_list; do test -e /proc/$p || continue; head -c 1 /proc/$p | wc -c; done; ls -A /sys/firmware")
    assert set(c.run().stdout.split()) <= {"0"}


@pytest.mark.parametrize("path", ["/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger"])
def test_readonly_paths(box, path):
    if not os.path.exists(path):
        pytest.skip(f"this kernel has no {path}")
    c = box()
    mount_at(c.config, "/proc")["options"] = ["nosuid", "nodev", "noexec"]
    # the flags of the mount below stay
    assert {"ro", "nosuid", "nodev", "noexec"} <= mounts_in(c)[path].options


def test_readonly_path_cannot_be_written(box):
    c = box("sh", "-c", "echo 1 >/proc/sys/kernel/printk")
    result = c.run()
    assert result.returncode == 1 and "Read-only file system" in result.stderr


def test_readonly_path_of_the_image(box):
    c = box("sh", "-c", "touch /etc/x; touch /root/x && echo fine")
    c.config["root"]["readonly"] = False
    c.config["linux"]["readonlyPaths"] = ["/etc"]
    result = c.run()
    assert result.stdout == "fine\n" and "Read-only file system" in result.stderr


def test_sysctl(box):
    c = box("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shmmax")
    before = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(), pathlib.Path("/proc/sys/kernel/shmmax").read_text()
    c.config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "123456"}
    assert c.run().stdout.split() == ["1", "123456"]
    assert (pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(), pathlib.Path("/proc/sys/kernel/shmmax").read_text()) == before


@pytest.mark.parametrize("kind, key, value", [
    ("ipc", "kernel.msgmax", "4321"), ("ipc", "kernel.sem", "300\t32000\t32\t128"), ("ipc", "fs.mqueue.msg_max", "7"),
    ("network", "net.core.somaxconn", "77"), ("network", "net/ipv4/ip_local_port_range", "2000\t3000"),
    ("uts", "kernel.domainname", "example.org"), ("user", "user.max_net_namespaces", "5")])
def test_sysctl_of_each_namespace(box, kind, key, value):
    path = "/proc/sys/" + key.replace(".", "/")
    c = box("cat", path)
    if kind == "user":
        chown_tree(c.bundle / "rootfs", 100000, 100000)
        one = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        c.config["linux"].update(uidMappings=one, gidMappings=one)
        add_namespace(c.config, "user")
    before = pathlib.Path(path).read_text()
    c.config["linux"]["sysctl"] = {key: value}
    result = c.run()
    assert result.stdout == value + "\n", result.stderr
    assert pathlib.Path(path).read_text() == before
    drop_namespace(c.config, kind)
    c.config.pop("hostname" if kind == "uts" else "", None)
    result = c.run()
    assert result.returncode == 1 and "/linux/sysctl/" in result.stderr and f"{kind} namespace" in result.stderr
    assert pathlib.Path(path).read_text() == before


@pytest.mark.parametrize("kind, key", [("network", "net.core.somaxconn"), ("ipc", "kernel.msgmax"), ("uts", "kernel.domainname")])
def test_sysctl_of_the_hosts_own_namespace_that_is_joined(box, holder, kind, key):
    """What is written there would be the host's; a namespace of somebody else's may be changed."""
    file, flag = {"network": ("net", "--net"), "ipc": ("ipc", "--ipc"), "uts": ("uts", "--uts")}[kind]
    path = "/proc/sys/" + key.replace(".", "/")
    c = box("cat", path)
    c.config.pop("hostname")
    before = pathlib.Path(path).read_text()
    c.config["linux"]["sysctl"] = {key: "1234"}
    add_namespace(c.config, kind, f"/proc/{os.getpid()}/ns/{file}")
    for result in (c.run(), c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id)):
        assert result.returncode == 1
        assert f'sysctl "{key}" is not allowed in the host\'s {kind} namespace' in result.stderr, result.stderr
        assert pathlib.Path(path).read_text() == before
    add_namespace(c.config, kind, holder(flag).ns(file))
    assert c.run().stdout == "1234\n"
    assert pathlib.Path(path).read_text() == before


@pytest.mark.parametrize("key", ["kernel.panic", "vm.swappiness", "net.ipv4.ip_forward/../../../kernel/panic"])
def test_sysctl_of_the_machine_is_refused(box, key):
    c = box("true")
    c.config["linux"]["sysctl"] = {key: "7"}
    path = pathlib.Path("/proc/sys/kernel/panic")
    before = path.read_text()
    assert c.run().returncode == 1
    assert path.read_text() == before


def test_image_is_as_it_was(box):
    """A container that writes nothing changes nothing but empty mount points."""
    c = box("true")
    root = c.bundle / "rootfs"

    def listing():
        return {str(p.relative_to(root)): (stat.S_IFMT(p.lstat().st_mode), p.lstat().st_mode)
                for p in root.rglob("*")}
    before = listing()
    assert c.run().returncode == 0
    added = set(listing()) - set(before)
    assert added <= {"dev/pts", "dev/shm", "dev/mqueue", "dev"} and {k: listing()[k] for k in before} == before


def test_many_mounts(box, source):
    c = box()
    for n in range(120):
        add_mount(c, f"/tmp/{n}", "bind", source, ["bind", "ro"])
    c.config["root"]["readonly"] = False
    assert sum(point.startswith("/tmp/") for point in mounts_in(c)) == 120


def test_in_a_mount_namespace_with_shared_root(box):
    """On most machines / is shared: nothing of the container's may travel to the host."""
    c = box("sh", "-c", "true")
    c.prefix = ["unshare", "-m", "--propagation", "shared", "sh", "-c",
                '"$@"; status=$?; cat /proc/self/mountinfo; exit $status', "sh"]
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert c.id.split("-")[0] not in result.stdout


def test_bind_mount_ignores_what_a_filesystem_would_take(box, source):
    c = box("cat", "/proc/self/mountinfo")
    c.config["mounts"].append({"destination": "/mnt", "source": str(source), "options": ["bind", "ro", "size=1k", "mode=755"]})
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert all(f"{option} has no effect" in result.stderr for option in ('"size=1k"', '"mode=755"'))
    mount = parse_mounts(result.stdout)["/mnt"]
    assert "ro" in mount.options and "size=1k" not in mount.super_options
