"""The layer checker must find what it exists to find."""
import pathlib
import subprocess

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
LAYERS = """\
public : 
base   : public
sys    : public base
json   : base   [rapidjson]
plan   : base
init   : plan/layout.h
cli    : public
"""


def check(tmp_path, files):
    (tmp_path / "include/cella").mkdir(parents=True)
    (tmp_path / "LAYERS").write_text(LAYERS)
    (tmp_path / "src").mkdir()
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return subprocess.run([REPO / "tools/check-layers", tmp_path], capture_output=True, text=True)


@pytest.mark.parametrize("name, text", [
    ("src/sys/fd.cc", '#include <cella/error.h>\n#include "base/result.h"\n#include "sys/fd.h"\n#include <unistd.h>\n'),
    ("src/json/value.cc", "#include <rapidjson/reader.h>\n"),
    ("src/init/main.cc", '#include "plan/layout.h"\nlong r = syscall(1);\n'),
    ("src/plan/plan.cc", '// syscall(1) and #include "cli/x.h" in a comment\n/*\n#include "sys/fd.h"\n*/\n'),
    ("src/plan/plan_test.cc", "long r = syscall(1);\n"),
    ("src/plan/plan.cc", "int n = read_syscall(1); x.syscall(2);\n"),
])
def test_allowed(tmp_path, name, text):
    result = check(tmp_path, {name: text})
    assert (result.returncode, result.stdout) == (0, "")


def test_generated_header(tmp_path):
    result = check(tmp_path, {"src/sys/x.cc": '#include "version.h"\n', "src/sys/version.h.in": "\n"})
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("name, text, expected", [
    ("src/base/x.cc", '#include "sys/fd.h"\n', "src/base/x.cc:1: base may not include sys/fd.h"),
    ("src/base/x_test.cc", '#include "sys/fd.h"\n', "src/base/x_test.cc:1: base may not include sys/fd.h"),
    ("src/init/x.cc", '#include "plan/plan.h"\n', "src/init/x.cc:1: init may not include plan/plan.h"),
    ("src/init/x.cc", "\n#include <cella/error.h>\n", "src/init/x.cc:2: init may not include cella/error.h"),
    ("src/cli/x.cc", '#  include "base/result.h"\n', "cli may not include base/result.h"),
    ("src/sys/x.cc", "#include <rapidjson/reader.h>\n", "<rapidjson/reader.h> belongs to rapidjson, which only json"),
    ("src/plan/x.cc", "return ::syscall(SYS_read);\n", "src/plan/x.cc:1: raw syscall() outside sys/"),
    ("src/sys/x.cc", '#include "fd.h"\n', '"fd.h" must be written with its folder'),
    ("src/sys/x.cc", '#include "nowhere/fd.h"\n', '"nowhere/fd.h" is in no folder of LAYERS'),
    ("src/extra/x.cc", "\n", "the folder extra is not listed in LAYERS"),
    ("include/cella/x.h", '#include "base/result.h"\n', "include/cella/x.h:1: public may not include base/result.h"),
])
def test_violation(tmp_path, name, text, expected):
    result = check(tmp_path, {name: text})
    assert result.returncode == 1
    assert expected in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_this_tree():
    result = subprocess.run([REPO / "tools/check-layers"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
