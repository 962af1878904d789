"""One test for each class of the known holes of container runtimes that can be shown at this level."""
import os
import pathlib
import stat
import subprocess
import time

import pytest

from harness import ConsoleSocket, layout, parse_status


def test_cve_2019_5736_proc_self_exe_is_not_the_hosts_binary(box, runtime):
    """A container whose program is /proc/self/exe must not get hold of a writable runtime."""
    before = pathlib.Path(runtime).read_bytes()
    c = box("sh", "-c", "true")
    c.config["process"]["args"] = ["/proc/self/exe", "--version"]
    c.run()
    seen = box("sleep", "1000").up()
    victim = seen.exec("/proc/self/exe")  # whatever this is, it is not a way to the binary
    assert victim.returncode != 0 or victim.stdout == ""
    assert pathlib.Path(runtime).read_bytes() == before


def test_cve_2019_5736_waiting_init_is_not_the_hosts_binary(box, runtime):
    c = box("sleep", "1000")
    c.create()
    exe = os.stat(f"/proc/{c.pid}/exe")
    host = os.stat(runtime)
    assert (exe.st_dev, exe.st_ino) != (host.st_dev, host.st_ino)
    with pytest.raises(OSError):
        os.close(os.open(f"/proc/{c.pid}/exe", os.O_WRONLY))


def test_cve_2019_5736_nothing_of_the_host_is_mapped(box, runtime):
    c = box("sleep", "1000")
    c.create()
    mapped = {line.split(None, 5)[5] for line in pathlib.Path(f"/proc/{c.pid}/maps").read_text().splitlines() if len(line.split(None, 5)) == 6}
    assert os.path.realpath(runtime) not in mapped
    assert not any(m.startswith(("/lib", "/usr")) for m in mapped)


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9, 10, 11])
def test_cve_2024_21626_cwd_through_a_leaked_descriptor(box, number):
    for directory in ("proc/self/fd", "proc/self/task/1/fd", "proc/thread-self/fd"):
        c = box("sh", "-c", "ls ../../../../../; pwd")
        c.config["process"]["cwd"] = f"/{directory}/{number}"
        result = c.run()
        assert result.returncode == 1, result.stdout
        assert result.stdout == ""


@pytest.mark.parametrize("number", [3, 5, 7, 8, 9, 10])
def test_cve_2024_21626_exec(box, number):
    c = box("sleep", "1000").up()
    result = c.exec_flags(["--cwd", f"/proc/self/fd/{number}"], "ls")
    assert result.returncode == 255 and result.stdout == ""


def test_cve_2024_21626_symlink_as_cwd(box):
    c = box("ls")
    (c.bundle / "rootfs/work").symlink_to("/proc/self/fd/7")
    c.config["process"]["cwd"] = "/work"
    result = c.run()
    assert result.returncode == 1 and result.stdout == ""


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_cve_2023_27561_symlinked_proc_and_sys(box, name):
    """/proc or /sys of the image is a symlink: mounting there would put the real one elsewhere."""
    c = box("true")
    rootfs = c.bundle / "rootfs"
    (rootfs / name).rmdir()
    (rootfs / "elsewhere").mkdir()
    (rootfs / name).symlink_to("/elsewhere")
    result = c.run()
    assert result.returncode == 1 and name in result.stderr


def test_cve_2026_41579_symlinked_dev(box, workdir):
    """/dev of the image is a symlink: no node may be made on the host."""
    outside = workdir / "outside"
    outside.mkdir()
    c = box("true")
    (c.bundle / "rootfs/dev").rmdir()
    (c.bundle / "rootfs/dev").symlink_to(outside)
    c.run()
    assert list(outside.iterdir()) == []
    c = box("true")
    c.config["mounts"] = [m for m in c.config["mounts"] if not m["destination"].startswith("/dev")]
    (c.bundle / "rootfs/dev").rmdir()
    (c.bundle / "rootfs/dev").symlink_to(outside)
    c.run()
    assert list(outside.iterdir()) == []


def test_cve_2021_30465_mount_targets_stay_inside(box, workdir):
    outside = workdir / "outside"
    outside.mkdir()
    for target in (str(outside), "../" * 12 + str(outside).lstrip("/")):
        c = box("cat", "/proc/self/mountinfo")
        (c.bundle / "rootfs/link").symlink_to(target)
        c.config["mounts"].append({"destination": "/link/deep/dir", "type": "tmpfs", "source": "tmpfs"})
        c.config["root"]["readonly"] = False
        c.run()
        assert list(outside.iterdir()) == []


def test_cve_2024_45310_no_empty_files_on_the_host(box, workdir):
    outside, source = workdir / "outside", workdir / "source"
    outside.mkdir()
    source.write_text("x")
    c = box("true")
    (c.bundle / "rootfs/a").symlink_to(outside)
    c.config["mounts"].append({"destination": "/a/b/c/file", "type": "bind", "source": str(source), "options": ["bind"]})
    c.run()
    assert list(outside.iterdir()) == []


def test_cve_2021_30465_race(box, workdir):
    """A process that swaps a directory of the image for a symlink all the time gains nothing."""
    outside = workdir / "outside"
    outside.mkdir()
    c = box("true")
    rootfs = c.bundle / "rootfs"
    (rootfs / "swap").mkdir()
    (rootfs / "other").symlink_to(outside)
    c.config["mounts"].append({"destination": "/swap/a/b", "type": "tmpfs", "source": "tmpfs"})
    c.config["root"]["readonly"] = False
    swapper = subprocess.Popen(["/usr/bin/python3", "-c", """
import ctypes, os, sys
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"swap", -100, b"other", 2)
"""], cwd=rootfs)
    try:
        end = time.monotonic() + 3
        rounds = 0
        while time.monotonic() < end or rounds < 5:
            c.run()
            rounds += 1
            assert list(outside.iterdir()) == []
    finally:
        swapper.kill()
        swapper.wait()


def test_cve_2025_31133_masked_path_through_a_false_dev_null(box):
    """The image's own /dev/null is a symlink: masking must not bind what it points to."""
    c = box("sh", "-c", "cat /secret; echo x >/secret; cat /target")
    rootfs = c.bundle / "rootfs"
    (rootfs / "secret").write_text("the secret")
    (rootfs / "target").write_text("the target\n")
    (rootfs / "dev/null").symlink_to("/target")
    c.config["mounts"] = [m for m in c.config["mounts"] if not m["destination"].startswith("/dev")]
    c.config["linux"]["maskedPaths"] = ["/secret"]
    c.config["root"]["readonly"] = False
    result = c.run()
    assert "the secret" not in result.stdout
    assert (rootfs / "secret").read_text() == "the secret"
    assert (rootfs / "target").read_text() == "the target\n"


def test_cve_2025_31133_null_is_the_real_one(box):
    c = box("sh", "-c", "stat -c %t:%T /dev/null")
    c.config["linux"]["devices"] = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 5, "fileMode": 0o666}]
    c.config["linux"]["maskedPaths"] = ["/etc/hosts"]
    c.config["process"]["args"] = ["sh", "-c", "head -c 3 /etc/hosts | wc -c"]
    result = c.run()
    assert result.returncode == 1 or result.stdout.strip() == "0"


def test_cve_2025_52881_proc_of_the_image(box):
    """The bundle mounts a tmpfs over /proc: labels, sysctls and oom scores must not be written to a false file."""
    c = box("true")
    c.config["mounts"][0] = {"destination": "/proc", "type": "tmpfs", "source": "tmpfs"}
    c.config["linux"]["sysctl"] = {"kernel.shmmax": "123456"}
    before = pathlib.Path("/proc/sys/kernel/shmmax").read_text()
    result = c.run()
    assert pathlib.Path("/proc/sys/kernel/shmmax").read_text() == before
    assert result.returncode == 1 or result.stderr == ""


def test_cve_2019_19921_proc_must_be_proc(box, workdir):
    """/proc bound from somewhere else is refused."""
    (workdir / "fake").mkdir()
    c = box("true")
    c.config["mounts"][0] = {"destination": "/proc", "type": "bind", "source": str(workdir / "fake"), "options": ["rbind"]}
    assert c.run().returncode == 1


@pytest.mark.parametrize("destination", ["/proc/self", "/proc/sys", "/proc/self/attr", "/proc/1/attr/exec"])
def test_cve_2019_16884_mounts_inside_proc_are_refused(box, workdir, destination):
    (workdir / "fake").mkdir()
    c = box("true")
    c.config["mounts"].append({"destination": destination, "type": "bind", "source": str(workdir / "fake"), "options": ["bind"]})
    assert c.run().returncode == 1


def test_cve_2022_29162_inheritable_capabilities(box):
    status = parse_status(box("cat", "/proc/self/status").run().stdout)
    assert int(status["CapInh"], 16) == 0 and int(status["CapAmb"], 16) == 0


def test_cve_2016_9962_no_foreign_descriptor(box):
    """Neither the first process nor one that joins has a descriptor that leads outside."""
    c = box("sh", "-c", "ls -l /proc/self/fd; sleep 1000").up()
    for pid in c.pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            assert int(fd) <= 2, os.readlink(f"/proc/{pid}/fd/{fd}")
    lines = c.exec("ls", "/proc/self/fd").stdout.split()
    assert set(lines) == {"0", "1", "2", "3"}


def test_cve_2016_9962_the_joining_process_cannot_be_traced(box):
    """While exec joins, a root inside with CAP_SYS_PTRACE watches for new processes and reads their descriptors."""
    c = box("sh", "-c", "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || ls -l $p/fd 2>/dev/null; done; done | grep -F -e / | grep -v -e /dev/ -e pipe: -e /proc -e rootfs >/tmp/seen")
    c.config["process"]["capabilities"] = {k: ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"] for k in ("bounding", "permitted", "effective")}
    c.config["root"]["readonly"] = False
    c.up()
    for _ in range(20):
        c.exec("true")
    own = {str(c.bundle / name) for name in ("stdout", "stderr")}  # what the container itself was given
    whole, _, _ = (c.bundle / "rootfs/tmp/seen").read_text().rpartition("\n")  # the last line may still be on its way
    targets = {line.split(" -> ")[1] for line in whole.splitlines() if " -> " in line}
    assert not {t for t in targets - own if t.startswith((str(c.root), str(c.bundle)))}


def test_cve_2016_3697_numeric_ids_only(box):
    """A user of the image named 0 or 1000 is not asked for."""
    c = box("id", "-u")
    (c.bundle / "rootfs/etc/passwd").write_text("1000:x:0:0:evil:/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    assert c.run().stdout == "1000\n"
    c = box("sleep", "1000")
    (c.bundle / "rootfs/etc/passwd").write_text("1000:x:0:0:evil:/:/bin/sh\n")
    c.up()
    assert c.exec_flags(["--user", "1000"], "id", "-u").stdout == "1000\n"


def test_cve_2023_25809_cgroups_are_read_only(box):
    """Without a cgroup namespace the mount must not let the container write to the host's tree."""
    where = "/sys/fs/cgroup" if layout() == "v2" else "/sys/fs/cgroup/*"
    c = box("sh", "-c", f"for d in {where}; do mkdir $d/x 2>/dev/null && echo made $d; done; true")
    assert c.run().stdout == ""


def test_cve_2022_0811_sysctl_injection(box):
    for key in ("kernel.shmmax+kernel.core_pattern", "kernel.shm_rmid_forced=1\nkernel.core_pattern", "../kernel/core_pattern"):
        c = box("true")
        c.config["linux"]["sysctl"] = {key: "|/evil"}
        before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
        assert c.run().returncode == 1
        assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_cve_2025_52565_dev_console_is_the_terminal(box, workdir):
    """A symlink at /dev/console of the image is not followed when the terminal is bound there."""
    c = box("sh", "-c", "echo x >/dev/console; stat -c %F /dev/console; sleep 1000")
    c.config["mounts"] = [m for m in c.config["mounts"] if m["destination"] != "/dev"]
    (c.bundle / "rootfs/target").write_text("untouched\n")
    (c.bundle / "rootfs/dev/console").symlink_to("/target")
    c.config["root"]["readonly"] = False
    c.config["process"]["terminal"] = True
    with ConsoleSocket(workdir / "console") as console:
        c.run_detached("--console-socket", console.path)
        assert (c.bundle / "rootfs/target").read_text() == "untouched\n"


def test_setuid_programs_gain_nothing(box):
    c = box("/bin/suid", "id", "-u")
    program = c.bundle / "rootfs/bin/suid"
    program.write_bytes((c.bundle / "rootfs/bin/busybox").read_bytes())
    program.chmod(0o4755)
    c.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    c.config["process"]["args"] = ["sh", "-c", "/bin/suid sh -c 'cat /proc/self/status' | grep CapEff"]
    result = c.run()
    assert int(result.stdout.split()[-1], 16) == 0 if result.stdout else True


def test_root_directory_is_private(box):
    """What --root holds is nobody else's to read or to plant."""
    c = box("sleep", "1000").up()
    for path in c.root.iterdir():
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_IROTH), path


def test_state_directory_id_cannot_escape(box, workdir):
    for id in ("../escape", "..", "a/../../b"):
        c = box("true")
        result = c.cmd("delete", "--force", id)
        assert result.returncode != 0 or not (workdir / "escape").exists()
    assert sorted(p.name for p in workdir.iterdir() if p.name.startswith("bundle")) != []


@pytest.mark.parametrize("option", ["copy-symlink", "dest-nofollow", "src-nofollow"])
def test_cve_2021_30465_links_on_the_way_of_a_link_option(box, workdir, option):
    """The options for symbolic links are about the last component; those before it lead nowhere outside the root."""
    outside = workdir / "outside"
    outside.mkdir()
    (outside / "there").write_text("the host's\n")
    (workdir / "link").symlink_to("somewhere")
    c = box("true")
    c.config["root"]["readonly"] = False
    (c.rootfs / "way").symlink_to("/".join([".."] * 12) + str(outside))
    c.config["mounts"].append({"destination": "/way/there", "type": "bind", "source": str(workdir / "link"),
                               "options": ["bind", option]})
    if option == "dest-nofollow":
        (workdir / "somewhere").write_text("")
    c.run()
    assert (outside / "there").read_text() == "the host's\n" and len(list(outside.iterdir())) == 1


def test_cve_2021_30465_tmpcopyup_follows_no_link(box, workdir):
    """What a link of the image leads to on the host is not copied into the container."""
    (workdir / "secret").write_text("the host's\n")
    c = box("sh", "-c", "readlink /up/absolute; readlink /up/relative; cat /up/absolute /up/relative")
    (c.rootfs / "up").mkdir()
    (c.rootfs / "up/absolute").symlink_to(workdir / "secret")
    (c.rootfs / "up/relative").symlink_to("/".join([".."] * 12) + str(workdir / "secret"))
    c.config["mounts"].append({"destination": "/up", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})
    result = c.run()
    assert len(result.stdout.splitlines()) == 2 and "the host's" not in result.stdout


def test_cve_2021_30465_mount_by_mount2_stays_inside(box, workdir):
    """Options that only mount(2) takes do not bring its paths back."""
    outside = workdir / "outside"
    outside.mkdir()
    c = box("sh", "-c", "cat /proc/self/mountinfo")
    c.config["root"]["readonly"] = False
    (c.rootfs / "way").symlink_to("/".join([".."] * 12) + str(outside))
    c.config["mounts"].append({"destination": "/way/in", "type": "tmpfs", "source": "tmpfs", "options": ["silent"]})
    result = c.run()
    assert result.returncode == 0, result.stderr
    assert f"{outside}/in" in result.stdout, "made inside the root"
    assert list(outside.iterdir()) == []
