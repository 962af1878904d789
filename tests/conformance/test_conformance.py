"""OCI's own conformance programs (validation/ of opencontainers/runtime-tools), each one a test.

They run in parallel, since most of their time is spent asleep, and each in a box of its own. CELLA names the runtime.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import programs
import tap

REPO = pathlib.Path(__file__).resolve().parents[2]
OUT = REPO / "build/conformance"
RUNTIME = os.environ.get("CELLA") or str(REPO / "build/release/cella")
TIMEOUT = 120  # of one program, in seconds; each takes less than 20
SHOWN = 4000  # of what a program has written, in characters
LACKING = 3  # exit status of tools/make-conformance


@pytest.fixture(scope="session")
def built():
    made = subprocess.run([REPO / "tools/make-conformance"], capture_output=True, text=True)
    if made.returncode == LACKING:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    return OUT


class Run:
    """One program, run in a box: what it said, what it forgot to delete, and what the runtime leaked."""

    def __init__(self, program, directory):
        directory = pathlib.Path(directory, program)
        directory.mkdir(parents=True)
        runtime = RUNTIME
        if program in programs.SLOW_KILL:
            runtime = directory / "runtime"
            runtime.write_text(f'#!/bin/sh\n[ "$1" != kill ] || sleep {programs.SLOW_KILL[program]}\nexec {RUNTIME} "$@"\n')
            runtime.chmod(0o755)
        box = [REPO / "tests/conformance/box", directory, str(TIMEOUT), OUT / "bin" / program]
        result = subprocess.run(box, cwd=OUT, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                env={**os.environ, "RUNTIME": str(runtime)})
        self.program, self.status, self.box_says = program, result.returncode, result.stdout + result.stderr
        for name in ("stdout", "stderr", "leaked"):
            path = directory / name
            setattr(self, name, path.read_text(errors="replace") if path.exists() else "")
        shutil.rmtree(directory, ignore_errors=True)

    def failures(self):
        """[(assertion, what was said about it)] of all that is not as it should be, before exclusions."""
        report = tap.parse(self.stdout)
        found = [(a.description, a.details) for a in report.assertions if a.failed]
        if self.status != 0:
            found.append((programs.EXIT, f"{self.status}\n{self.stderr}\n{self.box_says}"))
        found += [("protocol", problem) for problem in report.problems]
        if self.program in programs.SILENT:
            if '"error":' in report.preamble or "WARNING" in self.stderr:
                found.append((programs.SAYS, report.preamble))
        elif not report.assertions and self.status == 0:
            found.append(("no assertion", self.stdout))
        expected = programs.EXPECTED_ERROR.get(self.program)
        if expected and expected not in self.stderr:
            found.append((f"an error about {expected}", ""))
        return found


def run_program(program, directory):
    lost = programs.RACES.get(program)
    for attempt in range(programs.RACE_ATTEMPTS):
        run = Run(program, directory)
        if not lost or lost not in run.stdout:
            break
    return run


@pytest.fixture(scope="session")
def runs(built, request):
    """{program: future of its Run}, of the programs that were asked for."""
    chosen = {item.callspec.params["program"] for item in request.session.items if "callspec" in dir(item)
              and "program" in item.callspec.params}
    directory = tempfile.mkdtemp(prefix="cella-conformance-")
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        yield {program: pool.submit(run_program, program, directory) for program in programs.PROGRAMS
               if program in chosen and runnable(program)}
    shutil.rmtree(directory, ignore_errors=True)


def runnable(program):
    return program not in programs.NEED_CGROUP_V1 or programs.v1_controllers()


def test_every_program_is_listed(built):
    assert sorted(path.name for path in (built / "bin").iterdir()) == sorted(programs.PROGRAMS)


@pytest.mark.parametrize("program", programs.PROGRAMS)
def test_conformance(runs, program):
    if not runnable(program):
        pytest.skip("no cgroup v1 controller on this machine, and the program knows no v2")
    run = runs[program].result()
    failures = run.failures()
    shown = run.stderr + run.stdout[-SHOWN:]
    for excluded in programs.EXCLUDED:
        if excluded.program != program or not excluded.applies():
            continue
        explained = [failure for failure in failures if re.fullmatch(excluded.assertion, failure[0])
                     and re.search(excluded.evidence, failure[1] + run.stderr)]
        assert explained, f"no longer fails, or for another reason: {excluded}\n{failures}\n{shown}"
        failures = [failure for failure in failures if failure not in explained]
    assert not failures, "\n".join(f"not ok: {what}\n{details}" for what, details in failures) + shown
    assert not run.leaked, f"left behind by the runtime:\n{run.leaked}"
