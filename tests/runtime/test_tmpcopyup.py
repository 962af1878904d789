"""The option tmpcopyup: a tmpfs begins with a copy of what it covers."""
import os
import re
import socket
import stat
import struct
import subprocess
import threading

import pytest

from harness import add_mount, map_ids, mounts_in

# Prints one line for each path below /up, in order: type and mode, owner, size or device, time, target of a link.
LIST = "cd /up && find . | sort | while read -r p; do stat -c '%n %f %u:%g %s %t,%T %Y' \"$p\"; readlink \"$p\"; done; true"


def listing(root):
    """What LIST prints, of a directory of the host."""
    lines = []
    paths = sorted(["."] + ["./" + os.path.relpath(os.path.join(base, name), root)
                            for base, dirs, files in os.walk(root) for name in dirs + files])
    for path in paths:
        s = os.lstat(os.path.join(root, path))
        size = s.st_size
        lines.append(f"{path} {s.st_mode:x} {s.st_uid}:{s.st_gid} {size} "
                     f"{os.major(s.st_rdev):x},{os.minor(s.st_rdev):x} {int(s.st_mtime)}")
        if stat.S_ISLNK(s.st_mode):
            lines.append(os.readlink(os.path.join(root, path)))
    return lines


def without_directory_sizes(lines):
    """Each filesystem has its own idea of how large a directory is."""
    return [re.sub(r"^(\S+ 4\S{3} \S+) \d+ ", r"\1 ", line) for line in lines]


def may_look_everywhere(container):
    for capabilities in container.config["process"]["capabilities"].values():
        capabilities.append("CAP_DAC_OVERRIDE")


@pytest.fixture
def covered(box):
    """A container whose root filesystem has things of every kind in /up, which a tmpfs covers."""
    c = box("sh", "-c", LIST)
    may_look_everywhere(c)
    up = c.rootfs / "up"
    up.mkdir()
    (up / "file").write_text("content\n")
    (up / "empty").write_text("")
    (up / "dir/deep/er").mkdir(parents=True)
    (up / "dir/deep/er/bottom").write_text("bottom\n")
    (up / "dir/empty").mkdir()
    (up / "dir/link").symlink_to("../file")
    (up / "dangling").symlink_to("/nowhere/at/all")
    os.mkfifo(up / "fifo", 0o640)
    os.mknod(up / "null", 0o20666, os.makedev(1, 3))
    os.mknod(up / "block", 0o60640, os.makedev(7, 300))
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(up)
        s.bind("socket")
        os.chdir("/")
    (up / "big").write_bytes(bytes(range(256)) * 1024)
    os.chmod(up / "null", 0o666)
    os.chmod(up / "big", 0o4711)
    os.chmod(up / "dir", 0o3750)
    os.chown(up / "dir/deep", 1000, 1001)
    os.chown(up / "file", 5, 6)
    os.chown(up / "dangling", 7, 8, follow_symlinks=False)
    os.chown(up, 9, 10)
    os.chmod(up, 0o2751)
    os.chmod(up / "big", 0o4711)
    for number, (base, dirs, files) in enumerate(os.walk(up, topdown=False)):
        for k, name in enumerate(sorted(dirs + files)):
            os.utime(os.path.join(base, name), (1000 + number, 100000 * (number + 1) + k), follow_symlinks=False)
    os.utime(up, (77, 7777))
    add_mount(c, "/up", options=["tmpcopyup"])
    return c


def test_everything_is_there(covered):
    expected = listing(covered.rootfs / "up")
    result = covered.run()
    assert result.returncode == 0, result.stderr
    assert without_directory_sizes(result.stdout.splitlines()) == without_directory_sizes(expected)
    assert mounts_in(covered)["/up"].type == "tmpfs"


def test_content(covered):
    covered.config["process"]["args"] = ["sh", "-c", "cat /up/file /up/dir/link /up/dir/deep/er/bottom; md5sum </up/big"]
    expected = subprocess.run(["md5sum"], stdin=open(covered.rootfs / "up/big"), capture_output=True, text=True).stdout
    assert covered.run().stdout == "content\ncontent\nbottom\n" + expected


def test_the_image_is_not_written(covered):
    before = listing(covered.rootfs / "up")
    covered.config["process"]["args"] = ["sh", "-c", "rm -r /up/dir; echo x >/up/file; ls -A /up"]
    result = covered.run()
    assert result.returncode == 0 and "dir" not in result.stdout.split()
    assert listing(covered.rootfs / "up") == before


@pytest.mark.parametrize("options, seen", [
    ([], "2751 9:10"), (["mode=1777"], "1777 0:0"), (["uid=3", "gid=4"], "2751 3:4"), (["mode=700", "uid=3"], "700 3:0"),
    (["ro"], "2751 9:10"), (["noexec", "nodev", "size=1m"], "2751 9:10")], ids=lambda v: ",".join(v) if isinstance(v, list) else "")
def test_the_directory_itself(covered, options, seen):
    covered.config["mounts"][-1]["options"] += options
    covered.config["process"]["args"] = ["sh", "-c", "stat -c '%a %u:%g' /up; cat /up/dir/deep/er/bottom"]
    result = covered.run()
    assert result.stdout == f"{seen}\nbottom\n", result.stderr


def test_read_only(covered):
    covered.config["mounts"][-1]["options"].append("ro")
    covered.config["process"]["args"] = ["sh", "-c", "cat /up/dir/deep/er/bottom; echo x >/up/x"]
    result = covered.run()
    assert result.stdout == "bottom\n" and "Read-only file system" in result.stderr


def test_missing_target(box):
    c = box("sh", "-c", "ls -A /new; stat -c %a /new")
    c.config["root"]["readonly"] = False
    add_mount(c, "/new", options=["tmpcopyup"])
    assert c.run().stdout == "755\n"


def test_through_a_link_of_the_image(covered):
    (covered.rootfs / "link").symlink_to("up")
    covered.config["mounts"][-1]["destination"] = "/link"
    covered.config["process"]["args"] = ["sh", "-c", "cat /up/file; cat /proc/self/mountinfo"]
    result = covered.run()
    assert result.stdout.startswith("content\n") and " /up " in result.stdout


def test_what_is_mounted_below_is_copied(covered, source):
    covered.config["mounts"].insert(-1, {"destination": "/up/dir/empty", "type": "bind", "source": str(source), "options": ["bind"]})
    covered.config["process"]["args"] = ["sh", "-c", "cat /up/dir/empty/file; echo changed >/up/dir/empty/file"]
    assert covered.run().stdout == "from the host\n"
    assert (source / "file").read_text() == "from the host\n"


def test_in_a_user_namespace(box):
    c = box("sh", "-c", LIST)
    up = c.rootfs / "up"
    (up / "dir").mkdir(parents=True)
    (up / "dir/file").write_text("mine\n")
    (up / "link").symlink_to("dir/file")
    map_ids(c)
    may_look_everywhere(c)
    os.chown(up / "dir", 100005, 100006)
    os.chmod(up / "dir", 0o700)
    add_mount(c, "/up", options=["tmpcopyup"])
    result = c.run()
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[2] == "0:0" and lines[1].split()[:3] == ["./dir", "41c0", "5:6"]
    assert lines[2].split()[2] == "0:0" and lines[4] == "dir/file"


def test_what_the_users_root_may_not_read(box):
    """A file of somebody outside the user namespace is an error that names it, not a hole in the copy."""
    c = box("true")
    (c.rootfs / "up").mkdir()
    map_ids(c)
    (c.rootfs / "up/secret").write_text("the host's\n")
    (c.rootfs / "up/secret").chmod(0o600)
    add_mount(c, "/up", options=["tmpcopyup"])
    result = c.run()
    assert result.returncode == 1
    assert "mounting tmpfs on /up: copying secret to it: permission denied" in result.stderr


@pytest.mark.parametrize("options, make", [
    (["size=64k"], lambda up: (up / "large").write_bytes(b"x" * 100_000)),
    (["nr_inodes=20"], lambda up: [(up / f"large{i}").write_text("") for i in range(30)])], ids=["size", "inodes"])
def test_too_small(box, options, make):
    c = box("true")
    (c.rootfs / "up").mkdir()
    make(c.rootfs / "up")
    add_mount(c, "/up", options=["tmpcopyup", *options])
    result = c.run()
    assert result.returncode == 1
    assert "mounting tmpfs on /up: copying large" in result.stderr and "no space left on device" in result.stderr


def test_holes_stay_holes(box):
    """A file that would not fit if it were copied byte by byte."""
    c = box("sh", "-c", "stat -c '%s %b' /up/sparse; tail -c 4 /up/sparse; dd if=/up/sparse bs=1 skip=65536 count=3 2>/dev/null")
    (c.rootfs / "up").mkdir()
    with open(c.rootfs / "up/sparse", "wb") as file:
        file.seek(65536)
        file.write(b"mid")
        file.seek((1 << 30) - 4)
        file.write(b"end\n")
        file.truncate(1 << 30)
    (c.rootfs / "up/hole").write_bytes(b"")
    os.truncate(c.rootfs / "up/hole", 1 << 34)
    add_mount(c, "/up", options=["tmpcopyup", "size=1m"])
    lines = c.run().stdout.splitlines()
    assert lines[0].split()[0] == str(1 << 30) and int(lines[0].split()[1]) < 64
    assert lines[1:] == ["end", "mid"]


def make_deep(top, levels):
    """Directories one in the other, deeper than a path can say."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "w") as file:
        file.write("here\n")
    os.close(fd)


def test_deep_tree(box, workdir):
    c = box("python3", "-c", """if 1:
        import os
        os.chdir('/mnt')
        for depth in range(10**6):
            try:
                os.chdir('d')
            except FileNotFoundError:
                break
        print(depth, open('bottom').read())
        """, rootfs="debian")
    up = workdir / "up"
    up.mkdir()
    make_deep(up, 3000)
    add_mount(c, "/mnt", "bind", up, ["bind"])
    add_mount(c, "/mnt", options=["tmpcopyup"])
    try:
        result = c.run()
        assert result.returncode == 0, result.stderr
        assert result.stdout == "3000 here\n\n"
    finally:
        subprocess.run(["rm", "-rf", up], check=True)


def test_tree_that_is_too_deep(box):
    c = box("true")
    up = c.rootfs / "up"
    up.mkdir()
    make_deep(up, 5000)
    add_mount(c, "/up", options=["tmpcopyup"])
    try:
        result = c.run()
        assert result.returncode == 1
        assert "mounting tmpfs on /up: what it covers has directories that are too deep" in result.stderr
    finally:
        subprocess.run(["rm", "-rf", up], check=True)


def test_wide_directories(box):
    """More entries than one call returns, with directories among them that are left and come back to."""
    c = box("sh", "-c", "ls /up | wc -l; find /up -name inner | wc -l; find /up -type f | wc -l")
    up = c.rootfs / "up"
    up.mkdir()
    for i in range(2000):
        if i % 7 == 0:
            (up / f"{i}-a-directory-with-a-name-of-some-length/inner").mkdir(parents=True)
        else:
            (up / f"{i}-a-file-with-a-name-of-some-length").write_text(str(i))
    add_mount(c, "/up", options=["tmpcopyup"])
    assert c.run().stdout.split() == ["2000", str(len(range(0, 2000, 7))), str(2000 - len(range(0, 2000, 7)))]


def test_extended_attributes(box, workdir):
    c = box("python3", "-c", """if 1:
        import os
        for name in ('file', 'dir'):
            for key in sorted(os.listxattr('/mnt/' + name)):
                print(name, key, os.getxattr('/mnt/' + name, key).hex())
        """, rootfs="debian")
    up = workdir / "up"
    (up / "dir").mkdir(parents=True)
    (up / "file").write_text("")
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(up / "file", "security.capability", capability)
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, perm, id) for tag, perm, id in (
        (1, 7, 0xffffffff), (2, 4, 1234), (4, 5, 0xffffffff), (16, 5, 0xffffffff), (32, 0, 0xffffffff)))
    os.setxattr(up / "dir", "system.posix_acl_access", acl)
    add_mount(c, "/mnt", "bind", up, ["bind"])
    add_mount(c, "/mnt", options=["tmpcopyup"])
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert f"file security.capability {capability.hex()}" in result.stdout
    assert f"dir system.posix_acl_access {acl.hex()}" in result.stdout


def test_hostile_moves_do_not_lead_out(box, workdir):
    """Directories that are moved elsewhere during the walk: the copy ends or fails, but never holds what is outside."""
    outside = workdir / "outside"
    outside.mkdir()
    (outside / "secret").write_text("the host's\n")
    c = box("find", "/up", "-name", "secret")
    up = c.rootfs / "up"
    make = up / "a/b/c/d"
    make.mkdir(parents=True)
    for i in range(300):
        (make / f"f{i}").write_text("x")
    add_mount(c, "/up", options=["tmpcopyup"])
    stop = threading.Event()

    def move():
        while not stop.is_set():
            try:
                os.rename(up / "a/b", outside / "b")
                os.rename(outside / "b", up / "a/b")
            except OSError:
                pass
    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(20):
            result = c.run()
            assert result.stdout == ""
            if result.returncode != 0:
                assert "mounting tmpfs on /up: " in result.stderr
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("type, source, options", [("bind", "/tmp", ["bind"]), ("proc", "proc", []), ("tmpfs", "t", ["remount"])])
def test_only_for_a_new_tmpfs(box, type, source, options):
    c = box("true")
    add_mount(c, "/up", type, source, [*options, "tmpcopyup"])
    result = c.run()
    assert result.returncode == 1
    assert f"/mounts/{len(c.config['mounts']) - 1}/options/{len(options)}: needs a new tmpfs" in result.stderr
