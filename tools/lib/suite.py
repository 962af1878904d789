"""Runs the parts of the test suite for tools/test, counts what they did and says so in the last line."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

REPO = pathlib.Path(__file__).resolve().parents[2]
OUT = REPO / "build/test-results"
BINARY = REPO / "build/release/cella"


class Suite:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.skips, self.failures = [], []

    def ok(self, count=1):
        self.passed += count

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def skip(self, name, reason):
        self.skipped += 1
        self.skips.append(f"{name}: {reason}")

    def check(self, name, *command, **kwargs):
        """Runs one command that counts as one test; its output is shown only when it fails."""
        print(f"== {name}", flush=True)
        result = subprocess.run([str(c) for c in command], cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace", **kwargs)
        if result.returncode == 0:
            self.ok()
            return True
        print(result.stdout)
        print(f"failed: {name}: exit status {result.returncode}: {' '.join(str(c) for c in command)}", flush=True)
        self.fail(name)
        return False


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns], cwd=REPO, capture_output=True)
    return sorted(name for name in out.stdout.decode().split("\0") if name and (REPO / name).exists())


def build(suite, preset, name, *options):
    return (suite.check(f"{name}: configure", "cmake", "--preset", preset, "-DCELLA_WERROR=ON", "-DCELLA_TESTS=ON", *options)
            and suite.check(f"{name}: build", "cmake", "--build", "--preset", preset))


def unit(suite, preset, name):
    """ctest; a GoogleTest binary counts by its cases, any other test as one."""
    print(f"== {name}", flush=True)
    results = OUT / f"unit-{preset}"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    shown = subprocess.run(["ctest", "--preset", preset, "--show-only=json-v1"], cwd=REPO, capture_output=True, text=True)
    if shown.returncode != 0:
        print(shown.stdout, shown.stderr)
        return suite.fail(f"{name}: ctest could not list its tests")
    tests = json.loads(shown.stdout).get("tests", [])
    if not tests:
        return suite.fail(f"{name}: there is not one test")
    junit = results / "ctest.xml"
    run = subprocess.run(["ctest", "--preset", preset, "--timeout", "300", "--output-junit", str(junit), "-j", str(os.cpu_count())],
                         cwd=REPO, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                         env={**os.environ, "GTEST_OUTPUT": f"xml:{results}/"})
    if run.returncode != 0:
        print(run.stdout, run.stderr)
    verdicts = {case.get("name"): case for case in ElementTree.parse(junit).getroot().iter("testcase")}
    for test in tests:
        case = verdicts.get(test["name"])
        verdict = case.get("status") if case is not None else "missing"
        report = results / (pathlib.Path(test.get("command", ["none"])[0]).name + ".xml")
        if not report.exists():
            if verdict == "run":
                suite.ok()
            elif verdict in ("disabled", "notrun") and case.find("skipped") is not None:
                suite.skip(f"{name}: {test['name']}", case.find("skipped").get("message", "skipped"))
            else:
                suite.fail(f"{name}: {test['name']} ({verdict})")
            continue
        failed = 0
        for one in ElementTree.parse(report).getroot().iter("testcase"):
            full = f"{name}: {one.get('classname')}.{one.get('name')}"
            if one.find("failure") is not None:
                failed += 1
                suite.fail(full)
            elif one.get("result") == "skipped":
                suite.skip(full, one.find("skipped").get("message", "").strip().splitlines()[-1])
            elif one.get("status") == "notrun":
                suite.skip(full, "disabled in the source")
            else:
                suite.ok()
        if verdict != "run" and not failed:
            suite.fail(f"{name}: {test['name']}: {verdict}")


def runtime(suite):
    print("== runtime tests", flush=True)
    junit = OUT / "runtime.xml"
    junit.unlink(missing_ok=True)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    env.setdefault("CELLA", str(BINARY))
    run = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "--durations=8", f"--junitxml={junit}", "tests"],
                         cwd=REPO, stdin=subprocess.DEVNULL, env=env)
    if not junit.exists():
        return suite.fail("runtime tests: pytest made no report")
    bad = 0
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        full = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            bad += 1
            suite.fail(full)
        elif case.find("skipped") is not None:
            suite.skip(full, case.find("skipped").get("message", "no reason given"))
        else:
            suite.ok()
    if run.returncode not in (0, 1) or (run.returncode and not bad):
        suite.fail(f"runtime tests: pytest ended with {run.returncode}")


def formatting(suite):
    name = "formatting (clang-format 19)"
    print(f"== {name}", flush=True)
    files = [f for f in tracked("*.cc", "*.h", "*.c") if f.startswith(("src/", "include/", "tests/", "fuzz/", "examples/", "benchmarks/"))]
    result = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *files], cwd=REPO, capture_output=True, text=True)
    if result.returncode == 0:
        return suite.ok()
    wrong = sorted({line.split(":")[0] for line in result.stderr.splitlines() if ": error: " in line})
    print(f"to be formatted: clang-format-19 -i {' '.join(wrong)}")
    suite.fail(name)


def man(suite):
    pages = tracked("docs/man/*")
    suite.check("man page (mandoc lint)", "mandoc", "-T", "lint", "-W", "warning", *pages)


def init(suite):
    if (REPO / "tools/check-init").exists():
        suite.check("init: allocates and throws nothing", "tools/check-init")
    else:
        suite.skip("init: allocates and throws nothing", "tools/check-init is not written yet")


def main():
    parts = ["build", "unit", "layers", "init", "runtime", "format", "man", "clang", "asan"]
    chosen = sys.argv[1:] or parts
    if unknown := set(chosen) - set(parts):
        sys.exit(f"tools/test: unknown part {', '.join(sorted(unknown))}; the parts are {' '.join(parts)}")
    OUT.mkdir(parents=True, exist_ok=True)
    suite, begin = Suite(), time.monotonic()
    built = {}

    def part(name, function, *args):
        if name in chosen:
            start = time.monotonic()
            built[name] = function(*args)
            print(f"   {name}: {time.monotonic() - start:.0f} s", flush=True)

    part("build", build, suite, "release", "release build (g++ 12, warnings are errors)")
    if built.get("build", True):
        part("unit", unit, suite, "release", "unit tests")
    part("layers", suite.check, "layers", "tools/check-layers")
    part("init", init, suite)
    if built.get("build", True):
        part("runtime", runtime, suite)
    part("format", formatting, suite)
    part("man", man, suite)
    part("clang", build, suite, "clang", "clang build (clang 19, warnings are errors)")
    if "asan" in chosen and build(suite, "asan", "asan build"):
        part("asan", unit, suite, "asan", "unit tests under asan and ubsan")

    print(f"\ntook {time.monotonic() - begin:.0f} s")
    for line in suite.skips:
        print(f"skipped: {line}")
    for line in suite.failures:
        print(f"failed: {line}")
    print(f"{suite.passed} passed, {suite.failed} failed, {suite.skipped} skipped")
    sys.exit(1 if suite.failed else 0)


if __name__ == "__main__":
    main()
