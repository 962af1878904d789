"""What the benchmarks share: the runtimes to compare, a bundle, the helpers written in C."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[1]
OUT = REPO / "build/bench"


def enter_view():
    """Goes on inside a private cgroup v1 view, where every peer works."""
    if os.geteuid() != 0:
        sys.exit("the benchmarks need root")
    if os.environ.get("CELLA_BENCH_VIEW") != "1":
        os.environ["CELLA_BENCH_VIEW"] = "1"
        os.execv(REPO / "tools/cgroup-v1-view", ["cgroup-v1-view", "/usr/bin/python3", *sys.argv])


def compile_c(name, source=None, static=False):
    OUT.mkdir(parents=True, exist_ok=True)
    binary = OUT / name
    if source is None:
        source = (REPO / f"benchmarks/{name}.c").read_text()
    subprocess.run(["gcc", "-O2", *(["-static"] if static else []), "-x", "c", "-o", binary, "-"], input=source, text=True, check=True)
    return binary


def find_runtimes():
    """{name: path} in the order of the columns; says which peers are missing and how to get them."""
    debian_runc = next((p for p in ("/usr/sbin/runc", "/usr/bin/runc") if os.access(p, os.X_OK)), None)
    candidates = [
        ("cella", os.environ.get("CELLA", REPO / "build/release/cella"), "build it: cmake --preset release && cmake --build --preset release"),
        ("crun", os.environ.get("CRUN", shutil.which("crun")), "Debian's package crun, or CRUN=PATH"),
        ("runc", os.environ.get("RUNC", debian_runc), "Debian's package runc, or RUNC=PATH"),
        ("runc-new", os.environ.get("RUNC_NEW", REPO / "build/peers/runc"), "tools/get-peers, or RUNC_NEW=PATH"),
    ]
    found = {}
    for name, path, hint in candidates:
        if path and os.access(path, os.X_OK):
            found[name] = str(path)
            version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.splitlines()
            print(f"{name:9} {path}: {version[0] if version else 'no version'}")
        else:
            print(f"{name:9} missing, left out ({hint})")
    return found


class Bench:
    """A bundle with the default config, and a state directory for each runtime."""

    def __init__(self):
        self.runtimes = find_runtimes()
        self.timeit = compile_c("timeit")
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="cella-bench-"))
        self.rootfs = self.work / "rootfs"
        subprocess.run([REPO / "tools/make-rootfs", "busybox", self.rootfs], check=True)
        self.default = self.default_config()

    def default_config(self):
        for name in ("cella", "crun", "runc"):
            if name in self.runtimes:
                subprocess.run([self.runtimes[name], "spec"], cwd=self.work, check=True)
                config = json.loads((self.work / "config.json").read_text())
                print(f"bundle: what `{name} spec` writes, without a terminal; static busybox")
                config["ociVersion"] = "1.0.2"  # the newest that Debian's crun knows
                config["process"]["terminal"] = False
                config["root"]["path"] = str(self.rootfs)
                return config
        sys.exit("no runtime to measure")

    def bundle(self, name, args, change=None):
        path = self.work / name
        path.mkdir()
        config = json.loads(json.dumps(self.default))
        config["process"]["args"] = args
        if change:
            change(config)
        (path / "config.json").write_text(json.dumps(config))
        return path

    def command(self, runtime, *args):
        return [self.runtimes[runtime], "--root", str(self.work / ("root-" + runtime)), *map(str, args)]

    def call(self, runtime, *args, check=True):
        """Runs a command of a runtime; a container that it starts has no streams of ours."""
        error = self.work / "stderr"
        with open(error, "w") as stderr:
            result = subprocess.run(self.command(runtime, *args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, timeout=60)
        if check and result.returncode != 0:
            raise RuntimeError(f"{runtime} {args[0]}: {error.read_text().strip()}")
        return result.returncode

    def output(self, runtime, *args):
        return subprocess.run(self.command(runtime, *args), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout

    def time(self, pause_ms, times, *commands):
        """Nanoseconds of each time; commands are lists, measured together."""
        line = []
        for command in commands:
            line += (["+"] if line else []) + [str(c) for c in command]
        result = subprocess.run([self.timeit, str(pause_ms), str(times), *line], capture_output=True, text=True, timeout=300)
        if result.returncode != 0:
            raise RuntimeError(result.stderr.strip())
        return [int(word) for word in result.stdout.split()]

    def close(self):
        for runtime in self.runtimes:
            root = self.work / ("root-" + runtime)
            for entry in root.iterdir() if root.is_dir() else ():
                self.call(runtime, "delete", "--force", entry.name, check=False)
        # runsc leaves a network namespace mounted in its root directory.
        mounts = [line.split()[1] for line in open("/proc/self/mounts")]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.work}/")), reverse=True):
            subprocess.run(["umount", mount], check=True)
        shutil.rmtree(self.work)


def milliseconds(values):
    return statistics.median(values) / 1e6
