"""The `junit` report: a suite for each rule, with its level as a property, and a test for each case.

There is no standard; what Jenkins' xunit plugin takes (its `junit-10.xsd`) is the strictest in use, and knows
properties of suites only. Hence rules are suites, whatever family their cases are of. A failure is the server's
(`fail`, and `warn` where that fails the run), an error the suite's or the network's, and skipped is what does not apply
or is excused by the baseline. What fails the run and is no case's fault is a test of the suite `(run)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from conformance.reporting.exchange import line, remark, replay, shown
from conformance.reporting.run import NO_RULE, Event, Run, read_run

__all__ = ["render"]

RUN = "(run)"

_ELEMENTS = {
    "fail": "failure",
    "error": "error",
    "inconclusive": "error",
    "not applicable": "skipped",
    "known": "skipped",
}
"""The element by which a test says that it did not pass."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, even escaped (section 2.2)."""


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    run = read_run(events)
    suites = [_suite(run, rule, cases) for rule, cases in _by_rule(run)]
    own = list(_own(run))
    if own:
        suites.append(_element("testsuite", name=RUN, time=_seconds(0.0)))
        suites[-1].extend(own)
    root = _element("testsuites", name=f"handfast {run.title}", time=_seconds(run.duration or 0.0))
    for suite in suites:
        _count(suite)
    root.extend(suites)
    indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _by_rule(run: Run) -> list[tuple[str, list[Event]]]:
    groups: dict[str, list[Event]] = {}
    for case in run.cases:
        groups.setdefault((case["rules"] or [NO_RULE])[0], []).append(case)
    return sorted(groups.items())


def _suite(run: Run, rule: str, cases: Iterable[Event]) -> Element:
    suite = _element("testsuite", name=rule, time=_seconds(sum(case["duration_s"] for case in cases)))
    told = {
        "rule": rule,
        "level": run.rule(rule).get("level", ""),
        "text": run.rule(rule).get("text", ""),
        "target": run.header["target"],
        "verdict of the run": run.verdict,
    }
    properties = SubElement(suite, "properties")
    properties.extend(_element("property", name=name, value=str(value)) for name, value in told.items())
    suite.extend(_test(run, case) for case in cases)
    return suite


def _test(run: Run, case: Event) -> Element:
    family, _, name = case["id"].partition("/")
    test = _element(
        "testcase",
        name=name or family,
        classname=f"{run.header['protocol']}.{family}",
        time=_seconds(case["duration_s"]),
    )
    element = _ELEMENTS.get(case["verdict"])
    if case["verdict"] == "warn" and run.header["fail_on"] == "should":
        element = "failure"
    if element is not None:
        said = case["known"] if case["verdict"] == "known" else case["message"]
        kind = case["findings"][0]["check"] if element == "failure" and case.get("findings") else case["verdict"]
        found = _element(element, type=kind, message=said)
        found.text = _text("\n".join(_exchange(run, case))) if element != "skipped" else None
        test.append(found)
    elif case["verdict"] != "pass":
        out = SubElement(test, "system-out")
        out.text = _text("\n".join((f"{case['verdict']}: {case['message']}", *_exchange(run, case))))
    return test


def _exchange(run: Run, case: Event) -> Iterator[str]:
    yield f"broken: {', '.join(case['rules'])}"
    for entry in shown(case):
        yield line(entry, run.header.get("started"))
    yield from (told for told in (remark(case), replay(run, case)) if told)


def _own(run: Run) -> Iterator[Element]:
    """What fails a run beside its cases."""
    told = [("baseline", "failure", misfit) for misfit in run.misfits]
    told += [("complete", "error", run.reason)] if run.reason else []
    told += [("coverage", "error", f"no case showed {rule}: {why}") for rule, why in run.unreached.items()]
    for number, (name, element, message) in enumerate(told, 1):
        test = _element("testcase", name=f"{name} {number}", classname=f"{run.header['protocol']}.run", time="0.000")
        test.append(_element(element, type=name, message=message))
        yield test


def _count(suite: Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{element}"))))


def _element(tag: str, **attributes: str) -> Element:
    return Element(tag, {name: _text(value) for name, value in attributes.items()})


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
