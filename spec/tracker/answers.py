"""Judging the HTTP answer to an upgrade request."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from attrs import evolve, frozen

from spec.bindings.json import NotJSON, decode
from spec.expressions import Chosen, Moment, read_moment
from spec.machine import Refusal, Upgrade
from spec.model import Document
from spec.tracker.findings import Finding
from spec.tracker.matching import Bound, differences, short

__all__ = ["Answer", "answer_findings", "body_of"]


@frozen
class Answer:
    """An HTTP answer as received; `body` is empty for 101."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    def header(self, name: str) -> str | None:
        """The value of a header, several joined as RFC 9110 section 5.3 says."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def texts(self) -> list[str]:
        """What the answer says, for looking into."""
        return [self.body, *(value for _, value in self.headers)]


def answer_findings(
    document: Document,
    expected: Refusal | Upgrade,
    answer: Answer,
    client: str,
    at: float,
    focus: tuple[str, ...],
    bound: Bound,
) -> list[Finding]:
    """Where an answer is not the one that the opening table gives."""
    rules = expected.rules
    if isinstance(expected, Upgrade):
        if answer.status != 101:
            text = f"the upgrade was refused with {answer.status}{_code(answer)}, expected 101"
            rules = tuple(dict.fromkeys((*rules, *_rules_of(document, _code(answer).strip()))))
            return [Finding("refused", rules, text, client, at, focus=focus)]
        found = _subprotocol(document, expected, answer, rules, client, at)
    else:
        if answer.status == 101:
            text = f"the upgrade was accepted, expected {expected.status} {expected.body.get('code', '')}"
            return [Finding("accepted", rules, text.rstrip(), client, at, focus=focus)]
        found = _refusal(expected, answer, rules, client, at, bound)
    found += _headers(document, expected, answer, client, at)
    return [evolve(finding, focus=focus) for finding in found]


def _subprotocol(
    document: Document, expected: Upgrade, answer: Answer, rules: tuple[str, ...], client: str, at: float
) -> list[Finding]:
    """Whether the subprotocol is the one due; a protocol that names none leaves it to servers."""
    selected = answer.header("sec-websocket-protocol")
    if not any(version.subprotocol for version in document.versions):
        return []
    if selected == expected.subprotocol:
        return []
    rules = tuple(dict.fromkeys((*expected.subprotocol_rules, *rules)))
    text = f"the subprotocol selected is {selected or 'none'}, expected {expected.subprotocol or 'none'}"
    return [Finding("header", rules, text, client, at)]


def _refusal(
    expected: Refusal, answer: Answer, rules: tuple[str, ...], client: str, at: float, bound: Bound
) -> list[Finding]:
    if answer.status != expected.status:
        text = f"answered {answer.status}{_code(answer)}, expected {expected.status} {expected.body.get('code', '')}"
        return [Finding("status", rules, text.rstrip(), client, at)]
    found = []
    for name, value in expected.headers.items():
        got = answer.header(name)
        if not isinstance(value, Moment) and (got is None or not got.lower().startswith(value.lower())):
            found.append(Finding("header", rules, f"{name} is {short(got)}, expected {short(value)}", client, at))
    body = body_of(answer)
    for name, value in expected.body.items():
        got = body.get(name)
        if isinstance(value, Chosen):
            if not (isinstance(got, str) and got):
                found.append(Finding("body", rules, f"the body's {name} is {short(got)}, expected a text", client, at))
            continue
        wanted: Mapping[str, Any]
        given: Mapping[str, Any]
        if isinstance(value, list) and isinstance(got, list) and all(isinstance(one, str) for one in value):
            wanted, given = {name: sorted(value)}, {name: sorted(map(str, got))}
        else:
            wanted, given = {name: value}, {name: got} if name in body else {}
        for difference in differences(wanted, given, "", bound)[:1]:
            check = "code" if name == "code" else "body"
            found.append(Finding(check, rules, f"the body's {difference}", client, at))
    return found


def _headers(document: Document, expected: Refusal | Upgrade, answer: Answer, client: str, at: float) -> list[Finding]:
    """Dates announced in headers: there, in their form, and in order; their values are the deployment's own."""
    found: list[Finding] = []
    moments: dict[str, float | None] = {}
    for name, value in expected.headers.items():
        if not isinstance(value, Moment):
            continue
        got = answer.header(name)
        moments[name] = read_moment(value.form, got) if got is not None else None
        if moments[name] is None:
            text = (
                f"{name} is {short(got)}, which is no {value.form.replace('_', ' ')}" if got else f"{name} is missing"
            )
            found.append(Finding("header", expected.header_rules, text, client, at))
    for rule in document.header_rules:
        dates = [moments.get(name) for name in rule.ordered if name in moments]
        if any(one is not None and two is not None and two < one for one, two in pairwise(dates)):
            text = f"{rule.ordered[-1]} lies before {rule.ordered[0]}"
            found.append(Finding("header", rule.rules, text, client, at))
    return found


def _rules_of(document: Document, code: str) -> tuple[str, ...]:
    """The rules by which a refusal with a code would have been right."""
    return tuple(rule for row in document.opening if row.code == code for rule in row.rules)


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The object that the body of an answer is; an empty one where it is none."""
    try:
        value = decode(answer.body)
    except NotJSON:
        return {}
    return value if isinstance(value, dict) else {}


def _code(answer: Answer) -> str:
    code = body_of(answer).get("code")
    return f" {code}" if isinstance(code, str) else ""
