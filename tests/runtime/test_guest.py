"""The guest programs (tests/guest/) in the sandbox: what passes on Linux, where ctest runs them, must pass there too.

Each program is run once, in a container of its own, and each of its cases is a test here.
"""
import re
import shutil
import subprocess

import pytest

import harness
from harness import REPO

PROGRAMS = REPO / "build/release/tests/guest"
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                "CAP_MKNOD", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT",
                "CAP_SYS_NICE", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"]
TIMEOUT = 120  # of one program, in seconds


def families():
    return sorted(path.stem for path in (REPO / "tests/guest").glob("*.cc"))


def cases():
    """All (family, case), as the programs list them."""
    for family in families():
        program = PROGRAMS / f"guest_{family}"
        if not program.exists():
            yield pytest.param(family, None, id=f"{family}-not-built")
            continue
        listed = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True, timeout=20)
        suite = ""
        for line in listed.stdout.splitlines():
            name = line.split("#")[0].rstrip()
            if name.endswith("."):
                suite = name
            elif name.startswith("  "):
                yield pytest.param(family, suite + name.strip(), id=f"{family}-{suite}{name.strip()}")


class Run:
    """What one program did: {case: (verdict, what it said)}."""

    def __init__(self, result):
        self.result, self.verdicts = result, {}
        said = []
        for line in result.stdout.splitlines():
            verdict = re.match(r"\[ +(OK|FAILED|SKIPPED|RUN) +\] ([^ ,]+)", line)
            if not verdict:
                said.append(line)
            elif verdict[1] == "RUN":
                said = []
            else:
                self.verdicts.setdefault(verdict[2], (verdict[1], "\n".join(said)))


@pytest.fixture(scope="module")
def runs():
    return {}


@pytest.fixture(autouse=True)
def leak_check(test_id, workdir):
    """As everywhere, but only after the one test of a family that runs its program: the others look at its results."""
    yield
    made = any(workdir.iterdir())
    leaks = harness.leaks(test_id, workdir) if made else []
    if made:
        harness.remove_leaks(test_id, workdir)
    shutil.rmtree(workdir, ignore_errors=True)
    assert not leaks, "left behind: " + "; ".join(leaks)


def run_in_sandbox(box, family):
    container = box(f"/guest_{family}", "--gtest_color=no")
    shutil.copy(PROGRAMS / f"guest_{family}", container.rootfs)
    process = container.config["process"]
    process["noNewPrivileges"] = False
    process["capabilities"] = {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")}
    container.config["root"]["readonly"] = False
    container.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]})
    return Run(container.run("--isolation=sandbox", timeout=TIMEOUT))


@pytest.mark.parametrize("family, case", list(cases()))
def test_case(box, runs, family, case):
    assert case is not None, f"{PROGRAMS}/guest_{family} is not built"
    if family not in runs:
        runs[family] = run_in_sandbox(box, family)
    run = runs[family]
    assert case in run.verdicts, f"the program ended before it: exit status {run.result.returncode}: {run.result.stderr}"
    verdict, said = run.verdicts[case]
    if verdict == "SKIPPED":
        pytest.skip(said.strip().splitlines()[-1] if said.strip() else "the program gives no reason")
    assert verdict == "OK", said
