"""linux.intelRdt. Machines with resctrl are rare: what is done there is tested on a tree of files, in src/rdt."""
import pytest

from harness import our_cgroups


@pytest.fixture
def rdt(box):
    if any(line.split(" - ")[1].startswith("resctrl ") for line in open("/proc/self/mountinfo")):
        pytest.skip("resctrl is mounted here: what is tested is its absence")

    def make(**fields):
        c = box("true")
        c.config["linux"]["intelRdt"] = fields
        return c
    return make


@pytest.mark.parametrize("fields", [{}, {"closID": "gold"}, {"closID": "/"}, {"l3CacheSchema": "L3:0=f"},
                                    {"memBwSchema": "MB:0=20"}, {"schemata": ["L3:0=f", "MB:0=20"]},
                                    {"enableMonitoring": True}])
def test_without_resctrl_it_is_refused_by_name_before_anything_is_made(rdt, test_id, fields):
    c = rdt(**fields)
    for result in (c.create(), c.run(), c.cmd("create", "--dry-run", "--bundle", c.bundle, c.id)):
        assert result.returncode == 1
        assert "linux.intelRdt needs a mounted resctrl filesystem" in result.stderr, result.stderr
        assert c.state() is None and not our_cgroups(test_id)


@pytest.mark.parametrize("fields, where", [
    ({"closID": "../gold"}, "closID"), ({"closID": "."}, "closID"), ({"memBwSchema": "L3:0=f"}, "memBwSchema"),
    ({"memBwSchema": "MB:0=20\nL3:0=f"}, "memBwSchema"), ({"schemata": ["L3:0=f\nMB:0=20"]}, "schemata/0"),
    ({"enableMonitoring": "yes"}, "enableMonitoring")])
def test_what_no_resctrl_takes_is_found_in_the_config(rdt, fields, where):
    result = rdt(**fields).run()
    assert result.returncode == 1 and f"/linux/intelRdt/{where}: " in result.stderr, result.stderr
