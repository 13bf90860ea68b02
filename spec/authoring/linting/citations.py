"""Names: rules that somebody carries out, names that something uses, and none that was given up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.linting.subject import Found, Subject
from spec.loading.nodes import join
from spec.loading.validating import format_schema
from spec.references.decisions import Tables
from spec.references.slots import slots

__all__ = ["browser_headers", "deprecated_without_sunset", "retired_names", "uncited_rules", "unused_names"]


def uncited_rules(subject: Subject) -> Iterator[Found]:
    """Rules of the document that can be seen and that nothing in it carries out."""
    for name, rule in subject.document.rules.items():
        seen = rule.observe in ("wire", "control")
        if seen and name not in subject.document.cited and subject.own("rules", name):
            text = f"nothing cites `{name}`, so nothing carries it out and nothing tests it"
            yield Found(
                join(("rules", name)), text, "cite it where it holds, or say that it is `excluded`", at_key=True
            )


def retired_names(subject: Subject) -> Iterator[Found]:
    """Names that are retired and in use."""
    data, retired = subject.data, subject.data.get("retired", {})
    spoken = [version["subprotocol"] for version in data.get("versions", ()) if version.get("subprotocol")]
    used = {"messages": data["messages"], "errors": data["errors"]["codes"], "subprotocols": spoken}
    for kind, names in retired.items():
        for index, name in enumerate(names):
            if name in used[kind]:
                text = f"`{name}` is retired, and in use"
                yield Found(
                    join(("retired", kind, str(index))), text, "old peers know it by another meaning: take a new one"
                )


_SECTIONS = {
    "facts": "fact",
    "memories": "memory",
    "rooms": "room",
    "logs": "log",
    "records": "record",
    "links": "link",
    "definitions": "definition",
    "parameters": "parameter",
    "refusals": "refusal",
}


def unused_names(subject: Subject) -> Iterator[Found]:
    """What is declared and that nothing uses."""
    referred, asked, read = _uses(subject.data)
    for section, kind in _SECTIONS.items():
        for name in subject.data.get(section, {}):
            wanted = f"#/definitions/{name}" if kind == "definition" else name
            used = (kind, wanted) in referred or name in asked or name in read
            if kind == "definition":
                used = used or wanted in read
            if not used and subject.own(section, name):
                yield Found(
                    join((section, name)), f"nothing uses the {kind} `{name}`", "use it, or delete it", at_key=True
                )
    sent = {name for what, name in referred if what == "server message"}
    for path, _ in subject.forms():
        if path[2] == "server" and path[1] not in sent and subject.own(*path):
            yield Found(join(path), f"no server ever sends `{path[1]}`", "send it, or delete it", at_key=True)


_ROOT = re.compile(r"\$(?:parameters\.)?([A-Za-z_][\w-]*)")


def _uses(data: Mapping[str, Any]) -> tuple[set[tuple[str, str]], set[str], set[str]]:
    """What is referred to, by kind and name; what guards ask for; and the roots of expressions, with definitions."""
    referred, asked, read = set[tuple[str, str]](), set[str](), set[str]()
    for slot in slots(data, format_schema()):
        if slot.role == "x-refers" and isinstance(slot.value, str):
            referred.add((slot.what, slot.value))
        elif slot.role in ("x-guard", "x-applies") and isinstance(slot.value, Mapping):
            asked.update(slot.value)
    for text in _texts(data):
        if "$" in text:
            read.update(_ROOT.findall(text))
        elif text.startswith("#/definitions/"):
            read.add(text)
    return referred, asked, read


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def deprecated_without_sunset(subject: Subject) -> Iterator[Found]:
    """Versions that clients are told to leave, and not by when."""
    dated = {name for name, entry in subject.document.parameters.items() if entry.type == "date"}
    for index, version in enumerate(subject.data.get("versions", ())):
        if version.get("deprecated") and "sunset" not in dated:
            text = f"`{version['name']}` is deprecated, and no parameter `sunset` says until when it is served"
            yield Found(join(("versions", str(index))), text, "declare `sunset` as a date, and tell it in a header")


def browser_headers(subject: Subject) -> Iterator[Found]:
    """Credentials that an upgrade takes in a header alone: no script in a browser can set one."""
    tables = Tables(subject.names)
    asked = tables.needed([fact for row in subject.document.opening for fact in row.when])
    facts = subject.data.get("facts", {})
    asked |= {str(facts[name].get("of", "")).removeprefix("$") for name in asked}
    for name, fact in facts.items():
        places = fact.get("places", ()) if fact.get("kind") == "credentials" and name in asked else ()
        if places and all("header" in place for place in places):
            text = f"`{name}` is found in headers only, and no script in a browser can set a header of an upgrade"
            yield Found(join(("facts", name)), text, "take it in the first message, or in the query too", at_key=True)
