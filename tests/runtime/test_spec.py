"""spec: the config.json to start from, compared with what the installed runc writes."""
import json
import os
import shutil
import stat
import subprocess

import pytest

from harness import AS_USER

# Where the two may differ, and why.
ALLOWED = {
    "/ociVersion": "each writes the version of the specification that it follows",
    "/process/capabilities/ambient": "runc wrote ambient capabilities until 1.1; without inheritable ones, which it has not "
                                     "written since CVE-2022-29162, a process cannot have them",
}


def write_spec(command, directory, *flags, prefix=()):
    directory.mkdir()
    os.chown(directory, 1000, 1000)
    result = subprocess.run([*prefix, command, "spec", *flags], cwd=directory, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return (directory / "config.json").read_text()


def leaves(value, pointer=""):
    """(pointer, scalar) of everything in a document, in its order; empty objects and arrays are leaves, too."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{pointer}/{key}")
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{pointer}/{index}")
    else:
        yield pointer, value


def comparable(text):
    return [leaf for leaf in leaves(json.loads(text)) if not any((leaf[0] + "/").startswith(a + "/") for a in ALLOWED)]


@pytest.mark.parametrize("who", ["root", "user"])
@pytest.mark.parametrize("flags", [[], ["--rootless"]], ids=["plain", "rootless"])
def test_is_what_runc_writes(runtime, workdir, who, flags):
    runc = shutil.which("runc")
    if runc is None:
        pytest.skip("needs runc to compare with")
    prefix = AS_USER if who == "user" else []
    ours = write_spec(runtime, workdir / "ours", *flags, prefix=prefix)
    theirs = write_spec(runc, workdir / "theirs", *flags, prefix=prefix)
    assert comparable(ours) == comparable(theirs), "in the same order, too"
    assert ours.count("\n\t") == len(ours.splitlines()) - 2, "indented by tabs, as runc does it"


@pytest.mark.parametrize("form", [["--bundle", "DIR"], ["-b", "DIR"], ["--bundle=DIR"], ["-bundle", "DIR"]])
def test_bundle(runtime, workdir, form):
    bundle = workdir / "bundle"
    bundle.mkdir()
    flags = [word.replace("DIR", str(bundle)) for word in form]
    result = subprocess.run([runtime, "spec", *flags], cwd="/", capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert json.loads((bundle / "config.json").read_text())["root"] == {"path": "rootfs", "readonly": True}
    assert stat.S_IMODE((bundle / "config.json").stat().st_mode) & 0o133 == 0


def test_an_existing_file_is_left_alone(runtime, workdir):
    (workdir / "config.json").write_text("mine")
    result = subprocess.run([runtime, "spec"], cwd=workdir, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1 and "exists" in result.stderr
    assert (workdir / "config.json").read_text() == "mine"


def test_a_link_is_not_followed(runtime, workdir):
    (workdir / "config.json").symlink_to(workdir / "elsewhere")
    result = subprocess.run([runtime, "spec"], cwd=workdir, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1 and not (workdir / "elsewhere").exists()


def test_a_missing_directory_is_an_error(runtime, workdir):
    result = subprocess.run([runtime, "spec", "--bundle", workdir / "none"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 1 and "no such file or directory" in result.stderr.lower()


def test_what_it_writes_runs(runtime, box):
    c = box("true")  # for its bundle and its end
    (c.bundle / "config.json").unlink(missing_ok=True)
    assert subprocess.run([runtime, "spec", "--bundle", c.bundle], timeout=30).returncode == 0
    c.config = json.loads((c.bundle / "config.json").read_text())
    c.config["process"].update(terminal=False, args=["cat", "/proc/sys/kernel/hostname"])
    result = c.run()
    assert (result.returncode, result.stdout) == (0, "runc\n"), result.stderr
