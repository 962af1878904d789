"""A parser for the Test Anything Protocol, version 13, as runtime-tools writes it: several streams may follow one another,
and a YAML block stands before or after the assertion that it explains."""
import dataclasses
import re

ASSERTION = re.compile(r"(?P<not>not )?ok\b(?:\s+(?P<number>\d+))?(?:\s+-)?\s*(?P<description>.*)")
DIRECTIVE = re.compile(r"#\s*(?P<word>skip|todo)\b", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d+)\s*(#.*)?$")


@dataclasses.dataclass
class Assertion:
    description: str
    ok: bool
    directive: str  # "skip", "todo" or ""
    details: str = ""  # every line about it, to be read by people and by a pattern

    @property
    def failed(self):
        return not self.ok and not self.directive


@dataclasses.dataclass
class Report:
    assertions: list
    preamble: str  # what was said before the first assertion
    problems: list  # where this is not the protocol


def parse(text):
    """Never raises: what breaks the protocol is a problem of the report."""
    report = Report([], "", [])
    before, expected, plan, streams = [], 1, None, 0

    def end_stream():
        if streams and plan is None:
            report.problems.append(f"stream {streams} has no plan: it ended early")
        elif streams and plan != expected - 1:
            report.problems.append(f"stream {streams} plans {plan} assertions and makes {expected - 1}")

    in_yaml = False
    for line in text.splitlines():
        if in_yaml or line.strip() == "---":
            in_yaml = line.strip() != "..."
        elif line.startswith("TAP version"):
            end_stream()
            streams, expected, plan = streams + 1, 1, None
        elif found := PLAN.match(line):
            if plan is not None:
                report.problems.append(f"stream {streams} has two plans")
            plan = int(found[1])
        elif found := ASSERTION.match(line):
            if int(found["number"] or expected) != expected:
                report.problems.append(f"number {found['number']} where {expected} is due: {line}")
            directive = DIRECTIVE.search(found["description"])
            report.assertions.append(Assertion(DIRECTIVE.sub("", found["description"]).strip(), not found["not"],
                                               directive["word"].lower() if directive else "", "\n".join(before)))
            before, expected = [], expected + 1
            continue
        before.append(line)
        if report.assertions:
            report.assertions[-1].details += "\n" + line
        else:
            report.preamble += line + "\n"
    end_stream()
    return report
