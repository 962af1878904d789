"""What is known about each program of runtime-tools' validation/, and what of it cannot pass, with the reason.

An exclusion is as narrow as the program allows: an assertion by its text, or, for a program that ends before it asserts
anything, its exit status. The tests check that what is excluded still fails, and with the evidence that is given, so that
no line can outlive its reason. `runc` tells what Debian 12's runc 1.1.5 does with it on the same machine.
"""
import dataclasses
import pathlib
import typing

PROGRAMS = """
config_updates_without_affect create default delete delete_only_create_resources delete_resources hooks hooks_stdin
hostname kill kill_no_effect killsig linux_cgroups_blkio linux_cgroups_cpus linux_cgroups_devices linux_cgroups_hugetlb
linux_cgroups_memory linux_cgroups_network linux_cgroups_pids linux_cgroups_relative_blkio linux_cgroups_relative_cpus
linux_cgroups_relative_devices linux_cgroups_relative_hugetlb linux_cgroups_relative_memory
linux_cgroups_relative_network linux_cgroups_relative_pids linux_devices linux_masked_paths linux_mount_label
linux_ns_itype linux_ns_nopath linux_ns_path linux_ns_path_type linux_process_apparmor_profile linux_readonly_paths
linux_rootfs_propagation linux_seccomp linux_sysctl linux_uid_mappings misc_props mounts pidfile poststart
poststart_fail poststop poststop_fail prestart prestart_fail process process_capabilities process_capabilities_fail
process_oom_score_adj process_rlimits process_rlimits_fail process_user root_readonly_true start state
""".split()

# These look at cgroups, and know v1 only: cgroups.FindCgroup() of runtime-tools.
NEED_CGROUP_V1 = {p for p in PROGRAMS if p.startswith("linux_cgroups_")} | {"delete_resources", "delete_only_create_resources"}

# These make no assertion: they have something to say when they fail, and nothing else.
SILENT = {"hooks", "poststart", "poststart_fail", "poststop", "poststop_fail", "prestart", "prestart_fail",
          "process_rlimits_fail"}

# What a program that expects an error must have been told, lest another error pass for that one.
EXPECTED_ERROR = {"process_rlimits_fail": "RLIMIT_TEST", "prestart_fail": "prestart hook"}

# These send a signal as soon as the status is running, for which `kill` waits so long (in seconds): for killsig until its
# shell has set the trap, since the kernel drops a signal for which pid 1 has no handler; for pidfile until its `true` has
# ended, which makes the outcome one and the same.
SLOW_KILL = {"killsig": 1, "pidfile": 1}

# poststart takes for granted that a program writes its line before a hook, which is called once that program has been
# executed, writes one: it is run again, up to RACE_ATTEMPTS times, when it says that it lost.
RACES = {"poststart": "MUST be called after the user-specified process is executed"}
RACE_ATTEMPTS = 5

EXIT = "exit status"  # stands for the exit status of a program in place of an assertion
SAYS = "diagnostic"  # stands for what a program of SILENT has to say


@dataclasses.dataclass(frozen=True)
class Excluded:
    program: str
    assertion: str  # a regular expression for the whole text
    evidence: str  # a regular expression, found in what the program says about it or on standard error
    reason: str
    runc: str
    applies: typing.Callable[[], bool] = lambda: True  # whether the machine is one on which it cannot pass


SAME = "fails in the same way"


def v1_controllers():
    lines = pathlib.Path("/proc/cgroups").read_text().splitlines()[1:]
    return {name for name, hierarchy, *_ in map(str.split, lines) if hierarchy != "0"}


def lacks_file(name, controller):
    """Whether no cgroup of a v1 controller has the file: the root has none of some, so any other is looked at."""
    def lacks():
        root = pathlib.Path("/sys/fs/cgroup", controller)
        return not any(root.glob(f"*/{name}")) and not (root / name).exists()
    return lacks


def lacks_controller(name):
    return lambda: name not in v1_controllers()


def lacks_capability(number):
    status = pathlib.Path("/proc/self/status").read_text()
    mask = int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)
    return lambda: not mask >> number & 1


def lacks(path):
    return lambda: not pathlib.Path(path).exists()


EXCLUDED = [
    # What specification 1.3 says otherwise.
    Excluded("hooks_stdin", 'the state of the container MUST be passed to "prestart" hook over stdin',
             r'wrong status \\"creating\\".*expected \\"created\\"',
             "prestart hooks run during the create operation (config.md, Prestart), and the status is `created` only "
             "when that has finished (runtime.md, State)", SAME + "; for poststart as well"),
    Excluded("poststart_fail", SAYS, "if any poststart hook fails, the runtime MUST log a warning",
             "a failed poststart hook is an error and stops the container (runtime.md, Lifecycle, 9)", SAME),
    Excluded("prestart", SAYS, "MUST be called after the `start` operation is called",
             "prestart hooks are called as part of the create operation (config.md, Prestart)", SAME),
    Excluded("process_capabilities_fail", EXIT, "Any value which cannot be mapped to a relevant kernel interface MUST",
             "an unknown capability is a warning, not an error (config.md, Linux Process)", SAME),
    Excluded("start", "`start` operation MUST generate an error if `process` was not set", "there is nothing to execute",
             "the program asserts the opposite of its text, that `start` succeeds without a process",
             "cannot create such a container"),

    # What no runtime can do.
    Excluded("hooks", SAYS, "Hooks MUST be called in the listed order",
             "the program expects lines such as `post-start1`, and has its hooks write `post-start1 called`; with the "
             "text that it expects it would use a nil error and panic", SAME),
    Excluded("pidfile", "create with '--pid-file' option works", "container not running",
             "after all of --pid-file was checked, the program kills a container that ran `true` and expects to succeed; "
             "killing a stopped one must fail (runtime.md, Kill)", SAME),
    Excluded("process_rlimits", "has expected soft RLIMIT_NOFILE", '"actual": 3999,',
             "runtimetest is written in Go, whose runtime raises its own soft limit since 1.19", SAME),
    *[Excluded(program, "devices c 10:229 rwm is set correctly", "expect: c 10:229 rwm, actual: b 0:0 m",
               "the program expects the kernel's devices.list in the order of the rules; that list is a set of exceptions, "
               "to which the devices that every container has belong too", SAME)
      for program in ("linux_cgroups_devices", "linux_cgroups_relative_devices")],

    # What callers of a runtime rely on.
    *[Excluded("delete", assertion, evidence,
               "`delete` ends a created container, as callers do when something between create and start fails",
               SAME)
      for assertion, evidence in (
          ("attempting to `delete` a container that is not `stopped` MUST generate an error", ""),
          ("attempting to `delete` a container that is not `stopped` MUST have no effect on the container",
           "does not exist"))],
    Excluded("linux_ns_itype", "cannot run validation tests: exit status 1", "mounting needs a mount namespace",
             "the config has mounts and no mount namespace; the mounts would be made in the machine's, and stay there",
             "passes, and leaves them: the program cannot remove its bundle"),

    # What this machine or its kernel lacks.
    *[Excluded(program, assertion, "blkio.leaf_weight: no such file",
               "blkio.leaf_weight went with the CFQ scheduler in Linux 5.0", SAME, lacks_file("blkio.leaf_weight", "blkio"))
      for program, assertion in (("linux_cgroups_blkio", EXIT), ("linux_cgroups_relative_blkio", "exit status 1"))],
    *[Excluded(program, assertion, "controller hugetlb is not available", "there is no hugetlb controller in v1", SAME,
               lacks_controller("hugetlb"))
      for program, assertion in (("linux_cgroups_hugetlb", EXIT), ("linux_cgroups_relative_hugetlb", "exit status 1"))],
    *[Excluded(program, assertion, "controller net_cls is not available", "there is no net_cls controller", SAME,
               lacks_controller("net_cls"))
      for program, assertion in (("linux_cgroups_network", EXIT), ("linux_cgroups_relative_network", "exit status 1"))],
    *[Excluded(program, "memory kernel is set correctly", "actual: 9223372036854771712",
               "the kernel takes no limit of its own memory any more (Linux 5.16), and the specification recommends none",
               "sets no kernel memory limit, nor one of TCP buffers")
      for program in ("linux_cgroups_memory", "linux_cgroups_relative_memory")],
    Excluded("linux_mount_label", EXIT, "SELinux is not enabled in this kernel", "there is no SELinux",
             "fails: the kernel refuses the mount option", lacks("/sys/fs/selinux/enforce")),
    Excluded("linux_process_apparmor_profile", EXIT, "AppArmor", "there is no AppArmor profile `acme_secure_profile`", SAME),
    Excluded("process_capabilities", r"(expected|has expected) .*capability CAP_SYS_RESOURCE.*", "",
             "this machine's root lacks CAP_SYS_RESOURCE, and what a runtime lacks it cannot grant (config.md, Linux Process)",
             "refuses to start the container", lacks_capability(24)),
]
