"""What the parser makes of output that is not as it should be: none of it may pass for a success."""
import pytest

import tap


def failed(text):
    return [a.description for a in tap.parse(text).assertions if a.failed]


def test_assertions_directives_and_details():
    report = tap.parse("TAP version 13\nok 1 - a\n  ---\n  not ok 7\n  ...\nnot ok 2 - b\n# why\nok 3 # SKIP c\n"
                       "not ok 4 # TODO d\n1..4\n")
    assert [(a.description, a.ok, a.directive) for a in report.assertions] == [
        ("a", True, ""), ("b", False, ""), ("c", True, "skip"), ("d", False, "todo")]
    assert [a.failed for a in report.assertions] == [False, True, False, False]
    assert "not ok 7" in report.assertions[0].details and "# why" in report.assertions[1].details
    assert not report.problems


def test_block_before_an_assertion_explains_it():
    assert "reason" in tap.parse("TAP version 13\n  ---\n  reason\n  ...\nnot ok 1 - a\n1..1\n").assertions[0].details


def test_several_streams():
    report = tap.parse("TAP version 13\nok 1 - a\n1..1\nTAP version 13\nnot ok 1 - b\n1..1\n")
    assert [a.failed for a in report.assertions] == [False, True] and not report.problems


@pytest.mark.parametrize("text", [
    "TAP version 13\nok 1 - a\n",  # ended early
    "TAP version 13\n1..2\nok 1 - a\n",
    "TAP version 13\nok 1 - a\nok 3 - c\n1..2\n",
    "TAP version 13\nok 1 - a\n1..1\n1..1\n",
    "TAP version 13\nok 1 - a\n1..2\nTAP version 13\nok 1 - a\n1..1\n",
])
def test_breaches_of_the_protocol_are_problems(text):
    assert tap.parse(text).problems


def test_what_only_looks_like_an_assertion():
    assert failed("TAP version 13\nokay then\nnot okay\nok 1 - not ok\n1..1\n") == []
