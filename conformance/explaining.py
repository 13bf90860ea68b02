"""What a rule is: its text, every place of the document that cites it, and the cases that are there for it."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator
from typing import Any

from conformance.arranging import arrange, bare_arguments
from conformance.families import all_cases
from conformance.plan import Plan
from conformance.scripts import Case
from spec.compiling import compile_source, load
from spec.exits import Exit, Stop
from spec.loading import Source, available, find, read, shown
from spec.model import Document

__all__ = ["cases_by_rule", "explain"]


def explain(identifier: str, protocol: str | None) -> str:
    """The explanation as text; raises Stop for a rule that no protocol has."""
    sources = [read(find(protocol))] if protocol else [read(packaged.path) for packaged in available()]
    wanted = identifier.upper()
    for source in sources:
        if wanted in source.data["rules"]:
            return _explained(wanted, source, compile_source(source), protocol)
    known = [rule for source in sources for rule in source.data["rules"]]
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.4)
    raise Stop(Exit.USAGE, f"there is no rule `{identifier}`", f"did you mean `{near[0]}`?" if near else None)


def _explained(identifier: str, source: Source, document: Document, protocol: str | None) -> str:
    rule = document.rules[identifier]
    level = rule.level.upper().replace("_", " ")
    lines = [f"{identifier} {level} ({document.name} {document.version})", ""]
    lines += textwrap.wrap(rule.text, 100, initial_indent="  ", subsequent_indent="  ")
    lines += ["", f"  observed: {rule.observe}" + (f" ({rule.reason})" if rule.reason else "")]
    if rule.applies:
        told = ", ".join(f"{k} {' or '.join(v) if isinstance(v, list) else v}" for k, v in rule.applies.items())
        lines.append(f"  applies where: {told}")
    lines += ["", "  in the document:"]
    for pointer in _cited(source.data, identifier):
        place = source.place(pointer)
        lines.append(f"    {shown(place.file)}:{place.line}  {pointer}")
    cases = _cases(document, identifier, protocol or document.name)
    lines += ["", f"  tested by {len(cases)} cases" + (":" if cases else "")]
    lines += [f"    {name}" for name in cases[:12]]
    if len(cases) > 12:
        lines.append(f"    … and {len(cases) - 12} more: handfast list {document.name} --cases")
    return "\n".join(lines) + "\n"


def _cited(value: Any, identifier: str, pointer: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if pointer == "" and key == "rules":
                continue
            yield from _cited(member, identifier, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _cited(member, identifier, f"{pointer}/{index}")
    elif value == identifier:
        yield pointer.rpartition("/rules/")[0] or pointer


def _cases(document: Document, identifier: str, protocol: str) -> list[str]:
    """The cases that cite a rule."""
    return [case.id for case in _planned(document, protocol) if identifier in case.rules]


def cases_by_rule(protocol: str) -> dict[str, dict[str, int]]:
    """How many cases of each family are there for each rule of a document, named as for `handfast check`."""
    found: dict[str, dict[str, int]] = {}
    for case in _planned(load(protocol), protocol):
        for rule in case.rules:
            families = found.setdefault(rule, {})
            families[case.family] = families.get(case.family, 0) + 1
    return found


def _planned(document: Document, protocol: str) -> list[Case]:
    """Every case, each once, at the parameters of each rollout stage that the document knows."""
    found: dict[str, Case] = {}
    stages = document.parameters["rollout"].values if "rollout" in document.parameters else ("",)
    for stage in stages:
        arguments = bare_arguments(protocol=protocol, set=[f"rollout={stage}"] if stage else [])
        for case in all_cases(Plan(arrange(arguments, "ws://127.0.0.1:1").target)):
            found.setdefault(case.id, case)
    return list(found.values())
