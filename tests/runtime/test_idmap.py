"""Id-mapped mounts: whose the files of a bind mount are, and whose become those that are made there."""
import os
import pathlib
import subprocess

import pytest

from harness import add_mount, add_namespace, in_private_mounts, map_ids, parse_mounts


@pytest.fixture(autouse=True)
def owners(source):
    """source/file belongs to 1000:2000, source/root to root."""
    if subprocess.run(["stat", "-f", "-c", "%T", source], capture_output=True, text=True).stdout.strip() in ("overlayfs", "nfs"):
        pytest.skip("the temporary folder's filesystem cannot be id-mapped")
    os.chown(source / "file", 1000, 2000)
    (source / "root").write_text("")
    source.chmod(0o777)
    return source


@pytest.fixture(params=["namespaces", "sandbox"])
def box(box, request):
    def make(*args, **kwargs):
        c = box(*args, **kwargs)
        c.config["annotations"] = {"dev.cella.isolation": request.param}
        return c
    return make


def is_sandboxed(container):
    return container.config["annotations"]["dev.cella.isolation"] == "sandbox"


def maps(container, host, size=1):
    return [{"containerID": container, "hostID": host, "size": size}]


def add_mapped(container, source, options, uids=None, gids=None, destination="/mnt"):
    add_mount(container, destination, "bind", source, options)
    if uids:
        container.config["mounts"][-1].update(uidMappings=uids, gidMappings=gids)


def mapped_holder(holder):
    """A user namespace whose root is the host's 100000."""
    there = holder("--user")
    for kind in ("uid", "gid"):
        pathlib.Path(f"/proc/{there.pid}/{kind}_map").write_text("0 100000 1000")
    return there


def box_that_lists(box, more="true"):
    return box("sh", "-c", f"stat -c '%n %u:%g' /mnt/file /mnt/root; {more}")


# Mount options and mappings of their own, all of which show 1000:2000 as 5:6 and nobody else.
WAYS = [
    (["bind"], maps(1000, 5), maps(2000, 6)),
    (["bind", "idmap"], maps(1000, 5), maps(2000, 6)),
    (["rbind", "ridmap"], maps(1000, 5), maps(2000, 6)),
    (["bind", "idmap=uids=1000-5-1;gids=2000-6-1"], None, None),
    (["rbind", "ridmap=uids=1000-5-1#3000-50-1;gids=2000-6-1"], None, None),
]


@pytest.mark.parametrize("options, uids, gids", WAYS, ids=lambda v: ",".join(v) if v and isinstance(v[0], str) else "")
def test_owners_seen(box, source, options, uids, gids):
    c = box_that_lists(box)
    add_mapped(c, source, options, uids, gids)
    result = c.run()
    assert result.stdout == "/mnt/file 5:6\n/mnt/root 65534:65534\n", result.stderr


def test_owners_of_what_is_made(box, source):
    os.chown(source, 1000, 2000)
    c = box("sh", "-c", "touch /mnt/new && stat -c %u:%g /mnt/new")
    c.config["process"]["user"] = {"uid": 5, "gid": 6}
    add_mapped(c, source, ["bind"], maps(1000, 5), maps(2000, 6))
    result = c.run()
    assert result.stdout == "5:6\n", result.stderr
    made = (source / "new").stat()
    assert (made.st_uid, made.st_gid) == (1000, 2000)


def test_the_source_is_as_it_was(box, source):
    c = box_that_lists(box, "cat /proc/self/mountinfo >&2")
    add_mapped(c, source, ["bind", "noexec", "private"], maps(1000, 5), maps(2000, 6))
    result = c.run()
    mount = parse_mounts("\n".join(line for line in result.stderr.splitlines() if " - " in line))["/mnt"]
    if not is_sandboxed(c):  # its kernel has no such mounts itself
        assert "idmapped" in mount.options
    assert "noexec" in mount.options
    assert (source / "file").stat().st_uid == 1000


@pytest.mark.parametrize("options, seen", [
    # as the container's own user namespace: 0 of the disk is its root
    (["bind", "idmap"], "0:0"), (["rbind", "ridmap"], "0:0"),
    # 0 of the disk is the host's 100005, which is 5 in the container
    (["bind", "idmap=uids=0-100005-1;gids=0-100006-1"], "5:6"),
    (["bind", "idmap=uids=@0-5-1;gids=@0-6-1"], "5:6"),
    (["bind"], "65534:65534"),
], ids=lambda v: ",".join(v) if isinstance(v, list) else "")
def test_in_a_new_user_namespace(box, source, options, seen):
    c = box("sh", "-c", "stat -c %u:%g /mnt/root; touch /mnt/new && stat -c %u:%g /mnt/new")
    map_ids(c)
    add_mapped(c, source, options)
    result = c.run()
    assert result.stdout.split()[0] == seen, result.stderr
    # a file made by the container's root is the disk's root's only where that is mapped to it
    if seen == "0:0":
        assert result.stdout.split()[1] == "0:0"
        assert (source / "new").stat().st_uid == 0


def test_in_a_joined_user_namespace(box, source, holder):
    """The option alone means the user namespace that the container joins."""
    there = mapped_holder(holder)
    c = box("sh", "-c", "stat -c %u:%g /mnt/root")
    map_ids(c)
    add_namespace(c.config, "user", there.ns("user"))
    for key in ("uidMappings", "gidMappings"):
        del c.config["linux"][key]
    add_mapped(c, source, ["bind", "idmap"])
    result = c.run()
    assert result.stdout == "0:0\n", result.stderr


@pytest.mark.parametrize("options, below", [(["rbind", "ridmap"], "5:6"), (["rbind", "idmap"], "1000:2000")],
                         ids=["ridmap", "idmap"])
def test_recursive(box, source, options, below):
    c = box("sh", "-c", "stat -c %u:%g /mnt/file /mnt/sub/file")
    add_mapped(c, source, options, maps(1000, 5), maps(2000, 6))
    in_private_mounts(c, f"mount -t tmpfs t {source}/sub; touch {source}/sub/file; chown 1000:2000 {source}/sub/file")
    result = c.run()
    if "Invalid argument" in result.stderr or "cannot be id-mapped" in result.stderr:
        pytest.skip("this kernel cannot id-map a tmpfs (Linux 6.3)")
    assert result.stdout.split() == ["5:6", below], result.stderr


def test_each_mapping_has_one_namespace(box, source):
    c = box("true")
    for i in range(3):
        add_mapped(c, source, ["bind"], maps(1000, 5), maps(2000, 6), f"/mnt{i}")
    add_mapped(c, source, ["bind"], maps(1000, 7), maps(2000, 6), "/other")
    c.write()
    plan = c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id)
    assert plan.returncode == 0, plan.stderr
    assert plan.stdout.count("make a user namespace") == 2
    assert plan.stdout.count("its ids mapped as in") == 4


def test_a_program_has_no_descriptor_of_it(box, source):
    c = box("ls", "/proc/self/fd")
    add_mapped(c, source, ["bind"], maps(1000, 5), maps(2000, 6))
    assert c.run().stdout.split() == ["0", "1", "2", "3"]  # 3 is ls's own


def test_exec_and_life_cycle(box, source):
    c = box("sleep", "1000")
    add_mapped(c, source, ["bind"], maps(1000, 5), maps(2000, 6))
    c.up()
    assert c.sh("stat -c %u /mnt/file") == "5\n"


def test_a_file_can_be_mapped(box, source):
    c = box("stat", "-c", "%u:%g", "/etc/passwd")
    add_mapped(c, source / "file", ["bind", "ro"], maps(1000, 5), maps(2000, 6), "/etc/passwd")
    assert c.run().stdout == "5:6\n"


# refusals

def test_a_filesystem_that_cannot(box):
    c = box("true")
    add_mapped(c, "/proc", ["bind"], maps(1000, 5), maps(2000, 6))
    result = c.run()
    assert result.returncode == 1
    assert "bind mounting /proc on /mnt: its filesystem, or one below it, cannot be id-mapped: invalid argument" in result.stderr


# An id-mapped mount of argv[1] on itself, as the user namespace argv[2]; then the rest is executed. mount(8) of Debian 12
# cannot make one.
MAP_AND_EXECUTE = """if 1:
    import ctypes, os, struct, sys
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    def call(*args):
        result = syscall(*args)
        if result < 0:
            sys.exit(f"{args}: {os.strerror(ctypes.get_errno())}")
        return result
    OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
    path = sys.argv[1].encode()
    tree = call(OPEN_TREE, -100, path, 1)
    users = os.open(sys.argv[2], os.O_RDONLY)
    call(MOUNT_SETATTR, tree, b"", 0x1000, struct.pack("QQQQ", 0x100000, 0, 0, users), 32)
    call(MOVE_MOUNT, tree, b"", -100, path, 4)
    os.execvp(sys.argv[3], sys.argv[3:])
    """


def test_what_is_mapped_already(box, source, holder):
    there = mapped_holder(holder)
    c = box("true")
    add_mapped(c, source, ["bind"], maps(1000, 5), maps(2000, 6))
    c.prefix = ["unshare", "-m", "/usr/bin/python3", "-c", MAP_AND_EXECUTE, str(source), there.ns("user")]
    result = c.run()
    c.prefix = []
    assert result.returncode == 1
    assert f"bind mounting {source} on /mnt: it, or a mount below it, is id-mapped already: operation not permitted" in result.stderr


def test_overlapping_maps(box, source):
    c = box("true")
    add_mapped(c, source, ["bind", "idmap=uids=0-5-10#3-50-1;gids=0-0-1"])
    result = c.run()
    assert result.returncode == 1
    assert f"mapping the ids of {source} for /mnt: making a user namespace for it: invalid argument" in result.stderr


@pytest.mark.parametrize("type, options, text", [
    ("tmpfs", [], "must be a bind mount to have id mappings"), ("bind", ["remount"], "must be a bind mount to have id mappings")])
def test_only_bind_mounts(box, source, type, options, text):
    c = box("true")
    add_mount(c, "/mnt", type, str(source), options)
    c.config["mounts"][-1].update(uidMappings=maps(0, 5), gidMappings=maps(0, 6))
    result = c.run()
    assert result.returncode == 1 and text in result.stderr


def test_nothing_to_map_to(box, source):
    c = box("true")
    add_mapped(c, source, ["bind", "idmap"])
    result = c.run()
    assert result.returncode == 1
    assert f"/mounts/{len(c.config['mounts']) - 1}/options: must come with uidMappings" in result.stderr


def test_in_a_user_namespace_of_the_caller(box, source):
    """Root of a user namespace that is not the host's may not: that is said, and not done without."""
    c = box("true")
    add_mapped(c, source, ["bind"], maps(1000, 5), maps(2000, 6))
    c.prefix = ["unshare", "--user", "--map-root-user"]
    result = c.run()
    assert result.returncode == 1 and "id-mapped mounts need root" in result.stderr
