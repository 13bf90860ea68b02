"""For other tools: annotations of GitHub, JUnit for test reports, SARIF for code scanning."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from spec.authoring.diffing.policy import Finding, Judgement
from spec.authoring.diffing.reporting.words import SIDES, headline, level_of, place, witness_lines

__all__ = ["github", "junit", "sarif"]

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF = {"error": "error", "warning": "warning", "info": "note", "none": "none"}


def github(judgement: Judgement, names: tuple[str, str]) -> str:
    """Workflow commands, one for each change that counts; the file is the newer document, where it is one."""
    lines = []
    for one in judgement.findings:
        if one.ignored or one.level not in _COMMANDS:
            continue
        file = f"file={_property(names[1])}," if _is_file(names[1]) else ""
        title = _property(f"{one.change.rule.id} {one.change.rule.title}")
        lines.append(f"::{_COMMANDS[one.level]} {file}title={title}::{_value(_body(one))}")
    lines += [f"::error title=stale exception::{_value(stale)}" for stale in judgement.stale]
    return "".join(f"{line}\n" for line in lines)


def _body(one: Finding) -> str:
    found = one.change
    said = "; ".join(f"{side}: {found.verdict(order)}" for order, side in SIDES.items())
    lines = [f"{found.text} at {place(found)}", said]
    for witness in found.witnesses:
        lines += [f"{SIDES[witness.order]}:", *(f"  {line}" for line in witness_lines(witness))]
    return "\n".join(lines)


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and not name.startswith("git:")


def _value(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _value(text).replace(":", "%3A").replace(",", "%2C")


def junit(judgement: Judgement, names: tuple[str, str]) -> str:
    """A suite with a case for each change: an error fails, what is ignored is skipped."""
    counts = judgement.counted()
    suite = ElementTree.Element(
        "testsuite",
        name=f"handfast diff {names[0]} {names[1]}",
        tests=str(len(judgement.findings) + len(judgement.stale)),
        failures=str(counts["error"] + len(judgement.stale)),
        skipped=str(counts["ignored"]),
    )
    for one in judgement.findings:
        case = ElementTree.SubElement(suite, "testcase", classname=one.change.rule.id, name=one.change.id)
        if one.ignored:
            ElementTree.SubElement(case, "skipped", message=one.ignored)
        elif one.level == "error":
            failure = ElementTree.SubElement(case, "failure", message=_printable(headline(one.change)))
            failure.text = _printable(_body(one))
        else:
            ElementTree.SubElement(case, "system-out").text = _printable(_body(one))
    for stale in judgement.stale:
        case = ElementTree.SubElement(suite, "testcase", classname="policy", name=stale)
        ElementTree.SubElement(case, "failure", message="stale exception")
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """A text without what XML 1.0 cannot hold."""
    return "".join(char for char in text if char in "\t\n" or (char >= " " and not "\ud800" <= char <= "\udfff"))


def sarif(judgement: Judgement, names: tuple[str, str]) -> str:
    """SARIF 2.1.0, with the fingerprint of each change."""
    rules = list(dict.fromkeys(one.change.rule for one in judgement.findings))
    run = {
        "tool": {
            "driver": {
                "name": "handfast diff",
                "rules": [{"id": rule.id, "shortDescription": {"text": rule.title}} for rule in rules],
            }
        },
        "results": [_result(one, names[1]) for one in judgement.findings],
    }
    whole = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _result(one: Finding, name: str) -> dict[str, Any]:
    found = one.change
    result: dict[str, Any] = {
        "ruleId": found.rule.id,
        "level": _SARIF[one.level],
        "message": {"text": f"{headline(found)}\n{_body(one)}"},
        "partialFingerprints": {"handfast/v1": found.fingerprint},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": place(found)}]}],
        "properties": {"serverFirst": found.server_first, "clientsFirst": found.clients_first, "level": level_of(one)},
    }
    if _is_file(name):
        result["locations"][0]["physicalLocation"] = {"artifactLocation": {"uri": name}}
    if one.ignored:
        result["suppressions"] = [{"kind": "external", "justification": one.ignored}]
    return result
