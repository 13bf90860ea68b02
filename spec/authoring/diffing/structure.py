"""Changes of what a document declares: messages, errors, parameters, tokens, versions, promises, prose.

Decisions (rows, cases, timers, facts' tables) are not looked at here: what two of them do is compared by playing. Every
member of a document belongs to one of the tables below or is told as a difference that no rule explains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import define, field

from spec.authoring.diffing.changes import Change, change
from spec.authoring.diffing.declared import LOOKS
from spec.authoring.diffing.schemas import subs
from spec.model import Document
from spec.parameters import Rate, Tolerance, format_value, parse_value

__all__ = ["Pair", "leaves", "spelled", "structure", "sunset_passed"]

Data = Mapping[str, Any]


@define
class Pair:
    """Two documents as data and as models, with the parameters of the deployments that are compared."""

    old: Data
    new: Data
    documents: tuple[Document, Document]
    parameters: tuple[Mapping[str, Any], Mapping[str, Any]]
    found: list[Change] = field(factory=list)

    def say(self, rule: str, at: str, text: str, *, ignores: bool = True, only: str = "") -> None:
        """Tell a change at a place of both documents, or `only` of the old or the new one."""
        old_at, new_at = ("" if only == "new" else at), ("" if only == "old" else at)
        self.found.append(change(rule, old_at, new_at, text, ignores=ignores))

    def value(self, index: int, expression: Any, kind: str) -> Any:
        """What an expression that reads a parameter comes to by default, or a text form says; None of others."""
        if str(expression).startswith("$parameters."):
            found = self.documents[index].parameters.get(str(expression).removeprefix("$parameters."))
            return found.default if found is not None else None
        return None if expression is None or str(expression).startswith("$") else parse_value(kind, expression)


def structure(pair: Pair) -> list[Change]:
    """The changes of what is declared."""
    for look in (
        _envelope,
        _messages,
        _errors,
        _tokens,
        _facts,
        _versions,
        _parameters,
        _limits,
        _promises,
        *LOOKS,
        _prose,
    ):
        look(pair)
    return pair.found


def leaves(old: Any, new: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ: pointers with both values, None where one has none; lists as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from leaves(old.get(key), new.get(key), f"{at}/{_escaped(str(key))}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (mine, other) in enumerate(zip(old, new, strict=True)):
            yield from leaves(mine, other, f"{at}/{index}")
    elif old != new or type(old) is not type(new):
        yield at, old, new


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _both(pair: Pair, *path: str) -> tuple[Any, Any]:
    return _section(pair.old, path), _section(pair.new, path)


def _section(data: Data, path: tuple[str, ...]) -> Any:
    found: Any = data
    for part in path:
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return found


# ------------------------------------------------------------------------------------------------------- messages


def _messages(pair: Pair) -> None:
    old, new = _both(pair, "messages")
    retired = _section(pair.old, ("retired", "messages"))
    for name in dict.fromkeys((*old, *new)):
        for role in ("client", "server"):
            at = f"/messages/{_escaped(name)}/{role}"
            before, after = old.get(name, {}).get(role), new.get(name, {}).get(role)
            if before is None and after is not None:
                pair.say(f"M02.{role}", at, f"`{name}` of {role}s is new", only="new")
                if name in (retired or ()):
                    pair.say("M20", at, f"`{name}` is retired, and is used again", only="new")
            elif after is None and before is not None:
                pair.say(f"M01.{role}", at, f"`{name}` of {role}s is gone", only="old")
            elif before is not None:
                _form(pair, role, at, before, after, "payload")


def _form(pair: Pair, role: str, at: str, before: Data, after: Data, schema: str) -> None:
    _schema(pair, role, f"{at}/{schema}", before[schema], after[schema], after.get("unknown_members"))
    one, other = (_section(form, ("unknown_members",)).get("treatment", "ignore") for form in (before, after))
    if one != other:
        word = "refused" if other == "refuse" else "ignored"
        pair.say(f"M15.{role}.{word}", f"{at}/unknown_members", f"members that are not named are {word}")
    named = [form[schema].get("properties", {}) for form in (before, after)]
    both = [{k: v for k, v in form.get("chosen", {}).items() if _kept(k, named)} for form in (before, after)]
    _chosen(pair, at, *both)


def _kept(pointer: str, named: list[Data]) -> bool:
    """Whether both schemas name the member that a pointer goes into; of one that comes or goes, that is told."""
    first = (_parts(pointer) or [""])[0]
    return all(first in names for names in named)


def _schema(pair: Pair, role: str, at: str, before: Data, after: Data, unknown: Any) -> None:
    ignores = not isinstance(unknown, Mapping) or unknown.get("treatment", "ignore") == "ignore"
    definitions = [data.get("definitions", {}) for data in (pair.old, pair.new)]
    if before == after and definitions[0] == definitions[1]:
        return
    whole = [{**s, "definitions": d} if d else s for s, d in zip((before, after), definitions, strict=True)]
    for sub in subs(*whole):
        row, _, word = sub.row.partition(".")
        where = at + "".join(
            f"/properties/{part}" if part != "*" else "/additionalProperties" for part in _parts(sub.at)
        )
        told = f"{sub.text} at {sub.at}" if row not in ("M04", "M05", "M06", "M07") else sub.text
        rule = f"{row}.{role}" + (f".{word}" if word else "")
        pair.say(
            "M19" if row == "M19" else rule,
            where,
            told,
            ignores=ignores and after.get("additionalProperties", True) is not False,
        )


def _parts(pointer: str) -> list[str]:
    return [part for part in pointer.split("/") if part]


def _chosen(pair: Pair, at: str, before: Data, after: Data) -> None:
    for pointer in dict.fromkeys((*before, *after)):
        one, other = before.get(pointer), after.get(pointer)
        where = f"{at}/chosen/{_escaped(pointer)}"
        if one is None or other is None:
            pair.say("C01", where, f"who chooses {pointer} is another one")
        elif one.get("unique") != other.get("unique"):
            rule = "M18.server.loosened" if other.get("unique") is None else "M18.server.tightened"
            pair.say(rule, where, f"unique {one.get('unique', 'nowhere')} → {other.get('unique', 'nowhere')}")
        elif one.get("kind") != other.get("kind"):
            pair.say("C01", where, f"kind {one.get('kind')} → {other.get('kind')}")


def _envelope(pair: Pair) -> None:
    if pair.old["wire"]["binding"] != pair.new["wire"]["binding"]:
        pair.say("M17", "/wire/binding", f"{pair.old['wire']['binding']} → {pair.new['wire']['binding']}")
    old, new = _both(pair, "wire", "envelope")
    for part in ("discriminator", "id", "reply_to", "payload"):
        if old[part] != new[part]:
            pair.say("M03", f"/wire/envelope/{part}", f"{old[part] or 'the whole'} → {new[part] or 'the whole'}")
    for role in ("client", "server"):
        before, after = old[role], new[role]
        known = len(pair.found)
        _form(pair, role, f"/wire/envelope/{role}", before, after, "schema")
        pair.found[known:] = [_as_id(found, role, new["id"]) for found in pair.found[known:]]


def _as_id(found: Change, role: str, pointer: str) -> Change:
    """A change of what an id may be is one of its own row."""
    at = f"/wire/envelope/{role}/schema" + "".join(f"/properties/{part}" for part in _parts(pointer))
    if found.new_at != at or found.rule.row not in ("M10", "M11"):
        return found
    word = "tightened" if found.rule.row == "M10" else "loosened"
    return change(f"M18.{role}.{word}", found.old_at, found.new_at, found.text)


# --------------------------------------------------------------------------------------------------------- errors


def _errors(pair: Pair) -> None:
    old, new = _both(pair, "errors", "codes")
    retired = _section(pair.old, ("retired", "errors"))
    for code in dict.fromkeys((*old, *new)):
        at = f"/errors/codes/{_escaped(code)}"
        if code not in old:
            pair.say("E01", at, f"`{code}` is new", only="new")
            if code in (retired or ()):
                pair.say("M20", at, f"`{code}` is retired, and is used again", only="new")
        elif code not in new:
            pair.say("E02", at, f"`{code}` is gone", only="old")
        else:
            _code(pair, at, code, old[code], new[code])
    before, after = _both(pair, "errors")
    for name in ("payload", "close_reasons", "message"):
        if before.get(name) != after.get(name):
            pair.say("E08", f"/errors/{name}", f"what an error says was changed ({name})")
    before, after = _both(pair, "refusals")
    for code in dict.fromkeys((*before, *after)):
        at, one, other = f"/refusals/{_escaped(code)}", before.get(code), after.get(code)
        if one is None or other is None:
            pair.say(
                "E01" if one is None else "E02",
                at,
                f"`{code}` is {'new' if one is None else 'gone'}",
                only="new" if one is None else "old",
            )
        elif one != other:
            pair.say("E05", at, f"HTTP status {one} → {other}")
    before, after = (data["opening"].get("body", {}) for data in (pair.old, pair.new))
    if before != after:
        pair.say("E08", "/opening/body", "what a refusal says was changed")


def _code(pair: Pair, at: str, code: str, before: Data, after: Data) -> None:
    if before.get("retryable") != after.get("retryable"):
        word = "can be tried again" if after.get("retryable") else "is final"
        pair.say("E03", at, f"`{code}` {word}")
    one, other = (_where(entry.get("close", "none"), pair) for entry in (before, after))
    if one != other:
        rule = "E04.closes" if one == "none" else "E04.stays" if other == "none" else "E05"
        if isinstance(one, Mapping) and isinstance(other, Mapping) and set(one) != set(other):
            rule = "E04.closes" if set(one) < set(other) else "E04.stays" if set(other) < set(one) else "E05"
        elif isinstance(one, Mapping) != isinstance(other, Mapping) and "none" not in (one, other):
            rule = "E04.closes" if isinstance(one, Mapping) else "E04.stays"
        pair.say(rule, at, f"`{code}` closes {_closing(one)} → {_closing(other)}")
    if before.get("text") != after.get("text"):
        pair.say("E06", f"{at}/text", f"the text of `{code}` was changed")


def _where(close: Any, pair: Pair) -> Any:
    """How an error closes, in the states that both documents have: in others nobody was, or will be."""
    if not isinstance(close, Mapping):
        return close
    common = pair.documents[0].states.keys() & pair.documents[1].states.keys()
    return {state: code for state, code in close.items() if state in common} or "none"


def _closing(close: Any) -> str:
    if isinstance(close, Mapping):
        return ", ".join(f"{code} in {state}" for state, code in close.items())
    return str(close)


# --------------------------------------------------------------------------------------------------------- tokens


def _tokens(pair: Pair) -> None:
    old, new = _both(pair, "tokens", "claims")
    for name, word in (("required", "is required"), ("strings", "must be a string")):
        mine, other = old.get(name, []), new.get(name, [])
        for claim in [c for c in other if c not in mine]:
            pair.say("A05.tightened", f"/tokens/claims/{name}", f"the claim `{claim}` {word}")
        for claim in [c for c in mine if c not in other]:
            pair.say("A05.loosened", f"/tokens/claims/{name}", f"the claim `{claim}` {word} no longer")
    if old.get("subject") != new.get("subject"):
        pair.say("A04", "/tokens/claims/subject", f"the subject is `{old.get('subject')}` → `{new.get('subject')}`")
    _ladder(pair)


def _ladder(pair: Pair) -> None:
    old, new = (data["tokens"]["ladder"] for data in (pair.old, pair.new))
    before, after = ({entry["step"]: entry["verdict"] for entry in ladder} for ladder in (old, new))
    for step in before.keys() - after.keys():
        pair.say("A05.loosened", "/tokens/ladder", f"tokens are no longer checked for `{step}`")
    for step in after.keys() - before.keys():
        pair.say("A05.tightened", "/tokens/ladder", f"tokens are checked for `{step}`")
    common = [step for step in before if step in after]
    if common != [step for step in after if step in before]:
        pair.say("E07", "/tokens/ladder", "the checks of a token run in another order")
    for step in common:
        if before[step] != after[step]:
            pair.say("E10", "/tokens/ladder", f"a token that fails `{step}` is {before[step]} → {after[step]}")


def _facts(pair: Pair) -> None:
    old, new = _both(pair, "facts")
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        at = f"/facts/{_escaped(name)}"
        if one is None or other is None or one["kind"] != other["kind"]:
            continue
        if one["kind"] == "credentials" and one["places"] != other["places"]:
            _places(pair, at, one["places"], other["places"])
        if one["kind"] == "limit" and one["key"] != other["key"]:
            pair.say("T10.lowered", f"{at}/key", f"what counts together is {one['key']} → {other['key']}")
            pair.say("T10.raised", f"{at}/key", f"what counts together is {one['key']} → {other['key']}")
    before, after = _both(pair, "memories")
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            pair.say("A10", f"/memories/{_escaped(name)}", f"what `{name}` keeps, or for how long, was changed")


def _places(pair: Pair, at: str, one: list[Data], other: list[Data]) -> None:
    gone = [place for place in one if place not in other]
    more = [place for place in other if place not in one]
    if gone and more:
        pair.say("A04", f"{at}/places", f"{_place(gone[0])} → {_place(more[0])}")
    elif gone:
        pair.say("A01.removed", f"{at}/places", f"no credential is taken from {_place(gone[0])}")
    elif more:
        pair.say("A01.added", f"{at}/places", f"a credential is taken from {_place(more[0])} too")
    else:
        pair.say("V06", f"{at}/places", "of several credentials another one counts")


def _place(place: Data) -> str:
    return f"the header {place['header']}" if "header" in place else f"the query parameter {place['query']}"


# ------------------------------------------------------------------------------------------------------- versions


def _versions(pair: Pair) -> None:
    old, new = ({v["name"]: v for v in data.get("versions", ())} for data in (pair.old, pair.new))
    served = [{v.get("subprotocol") for v in versions.values()} - {None} for versions in (old, new)]
    for name in dict.fromkeys((*old, *new)):
        at, before, after = "/versions", old.get(name, {}), new.get(name, {})
        protocol = before.get("subprotocol") or after.get("subprotocol")
        if protocol in served[0] - served[1]:
            rule = (
                "V01.removed"
                if not before.get("deprecated")
                else "V05.late"
                if sunset_passed(pair.documents[0])
                else "V05.early"
            )
            pair.say(rule, at, f"`{protocol}` is no longer served", only="old")
        elif protocol in served[1] - served[0]:
            pair.say("V01.added", at, f"`{protocol}` is served", only="new")
            if protocol in (_section(pair.old, ("retired", "subprotocols")) or ()):
                pair.say("M20", at, f"`{protocol}` is retired, and is used again", only="new")
        elif after.get("deprecated") and not before.get("deprecated") and not _sunset_of(pair.new):
            pair.say("V10", at, f"`{name}` is deprecated, and no parameter `sunset` says until when")


def _sunset_of(data: Data) -> Any:
    return data.get("parameters", {}).get("sunset", {}).get("default")


# ----------------------------------------------------------------------------------------------------- parameters


def _parameters(pair: Pair) -> None:
    old, new = pair.documents[0].parameters, pair.documents[1].parameters
    for name in dict.fromkeys((*old, *new)):
        at = f"/parameters/{_escaped(name)}"
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            pair.say(
                "P01", at, f"`{name}` is {'new' if before is None else 'gone'}", only="new" if before is None else "old"
            )
            continue
        bounds = [(p.type, p.minimum, p.maximum, p.values) for p in (before, after)]
        if bounds[0] != bounds[1]:
            pair.say("T09", at, f"what `{name}` may be was changed")
        if before.default != after.default:
            told = f"`{name}` is {format_value(before.default)} → {format_value(after.default)} where nobody sets it"
            if name == "sunset" and after.default < before.default:
                pair.say("V10", at, told)
            elif before.type in ("choice", "switch", "list", "text", "integer", "date") or before.type != after.type:
                pair.say("V08", at, told)


def _limits(pair: Pair) -> None:
    """Numbers that are used in one known way: sizes, rates, tolerances, deadlines of servers, leeway."""
    one, other = (pair.value(i, d["wire"]["frames"]["largest"], "size") for i, d in enumerate((pair.old, pair.new)))
    _moved(pair, "/wire/frames/largest", one, other, ("M16.lowered", "M16.raised"), "the largest message has {} bytes")
    for name in [n for n, fact in pair.old["facts"].items() if fact["kind"] == "limit"]:
        fact = pair.new["facts"].get(name, {})
        if fact.get("kind") == "limit":
            rates = [pair.value(i, f["rate"], "rate") for i, f in enumerate((pair.old["facts"][name], fact))]
            _rate(pair, f"/facts/{_escaped(name)}/rate", *rates)
    one, other = (
        pair.value(i, d["connection"]["due"]["within"], "duration") for i, d in enumerate((pair.old, pair.new))
    )
    _moved(
        pair, "/connection/due/within", one, other, ("T03.shortened", "T03.lengthened"), "what is due comes within {} s"
    )
    for name, rules, text in (
        ("leeway", ("A06.shortened", "A06.lengthened"), "a token counts {} s behind its end"),
        ("token_bytes", ("A05.tightened", "A05.loosened"), "a token has at most {} characters"),
    ):
        values = [d.parameters[name].default if name in d.parameters else None for d in pair.documents]
        _moved(pair, f"/parameters/{name}", values[0], values[1], rules, text)
    _tolerance(pair)


def _tolerance(pair: Pair) -> None:
    one, other = (d.parameters["timer_late"].default if "timer_late" in d.parameters else None for d in pair.documents)
    if one == other or not isinstance(one, Tolerance) or not isinstance(other, Tolerance):
        return
    looser = other.seconds >= one.seconds and other.share >= one.share
    tighter = other.seconds <= one.seconds and other.share <= one.share
    told = f"timers may be {format_value(one)} → {format_value(other)} late"
    for rule, holds in (("T08.loosened", not tighter), ("T08.tightened", not looser)):
        if holds:
            pair.say(rule, "/parameters/timer_late", told)


def _moved(pair: Pair, at: str, one: Any, other: Any, rules: tuple[str, str], text: str) -> None:
    if one is None or other is None or one == other:
        return
    shown = [f"{value:g}" if isinstance(value, float) else str(value) for value in (one, other)]
    pair.say(rules[0] if other < one else rules[1], at, text.format(" → ".join(shown)))


def _rate(pair: Pair, at: str, one: Any, other: Any) -> None:
    if not (isinstance(one, Rate) and isinstance(other, Rate)) or one == other:
        return
    told = f"{format_value(one)} → {format_value(other)}"
    # More in a shorter window is neither more nor fewer: a burst passes that did not, and a stream may no longer.
    if other.count < one.count or other.window > one.window:
        pair.say("T10.lowered", at, told)
    if other.count > one.count or other.window < one.window:
        pair.say("T10.raised", at, told)


# ------------------------------------------------------------------------------------------------------- promises

_LEVELS = {"must": 2, "must_not": 2, "should": 1, "should_not": 1, "may": 0}


def _promises(pair: Pair) -> None:
    old, new = _both(pair, "rules")
    for name in dict.fromkeys((*old, *new)):
        at, before, after = f"/rules/{_escaped(name)}", old.get(name), new.get(name)
        if before is None or after is None:
            pair.say(
                "D02", at, f"`{name}` is {'new' if before is None else 'gone'}", only="new" if before is None else "old"
            )
            continue
        if before["level"] != after["level"]:
            weaker = _LEVELS[after["level"]] < _LEVELS[before["level"]]
            pair.say("S10" if weaker else "S11", at, f"`{name}` {before['level']} → {after['level']}")
        if {k: v for k, v in before.items() if k != "level"} != {k: v for k, v in after.items() if k != "level"}:
            pair.say("D01", at, f"`{name}` reads otherwise")
    one, other = pair.old["connection"].get("ordered"), pair.new["connection"].get("ordered")
    if bool(one) != bool(other):
        pair.say("S14" if one else "S15", "/connection/ordered", "whether a connection's messages keep their order")
    _broadcasts(pair)
    for name in ("invariants", "indistinguishable"):
        _invariants(pair, name)
    one, other = (d["connection"]["ending"].get("shutdown", {}).get("code", 1001) for d in (pair.old, pair.new))
    if one != other:
        pair.say("E05", "/connection/ending/shutdown", f"a server that stops closes with {one} → {other}")
    for kind in dict.fromkeys((*pair.old.get("framing", {}), *pair.new.get("framing", {}))):
        if (kind in pair.old.get("framing", {})) != (kind in pair.new.get("framing", {})):
            was = kind in pair.old["framing"]
            pair.say(
                "S10" if was else "S11",
                f"/framing/{kind}",
                f"what holds of `{kind}` frames is {'gone' if was else 'new'}",
            )


def _broadcasts(pair: Pair) -> None:
    before, after = (dict(_spoken(data["connection"])) for data in (pair.old, pair.new))
    for key in [key for key in before if key in after]:
        for word in ("isolation", "order"):
            if bool(before[key][word]) != bool(after[key][word]):
                text = f"the {word} of `{key}` is {'promised' if after[key][word] else 'no longer promised'}"
                pair.say("S15" if after[key][word] else "S14", "/connection", text)


def _spoken(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, Mapping):
        if "broadcast" in value:
            yield str(value["broadcast"]), {word: value.get(word) for word in ("isolation", "order")}
        for member in value.values():
            yield from _spoken(member)
    elif isinstance(value, list):
        for member in value:
            yield from _spoken(member)


def _invariants(pair: Pair, name: str) -> None:
    old, new = ([_unruled(entry) for entry in data.get(name, ())] for data in (pair.old, pair.new))
    for entry in old:
        if entry not in new:
            pair.say("A09.enlarged", f"/{name}", f"no longer promised: {_promise(entry)}")
    for entry in new:
        if entry not in old:
            pair.say("A09.reduced", f"/{name}", f"promised: {_promise(entry)}")


def _unruled(entry: Data) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("rules", "text")}


def _promise(entry: Data) -> str:
    return ", ".join(f"{key} {value}" for key, value in entry.items())


# ---------------------------------------------------------------------------------------------- prose and the rest

_PROSE = (
    (r"/(title|summary)", "D01"),
    (r"/scenarios(/.*)?", "D01"),
    (r"/retired(/.*)?", "D01"),
    (r"/tokens/recipes(/.*)?", "D01"),
    (r"/parameters/[^/]+/(text|quick)", "D01"),
    (r"/opening/other_paths(/.*)?", "D01"),
    (r"/messages/[^/]+/(client|server)/(text|examples|secret|echoed)(/.*)?", "D01"),
    (r"/wire/envelope/(client|server)/(text|times)(/.*)?", "D01"),
    (r"/connection(/.*)?/text", "D01"),
    (r".*/rules(/\d+)?", "D02"),
    (r"/connection/(ordered|timely)(/.*)?", "D02"),
    (r"/errors/close_rules(/.*)?", "D02"),
)
"""What says something to people or names rules: pointers, and the rule of their change."""

_KNOWN = (
    r"/version",
    r"/rules/.*",
    r"/parameters/[^/]+(/(default|min|max|values|type))?(/.*)?",
    r"/definitions/.*",
    r"/messages/.*",
    r"/wire/(binding|frames/largest)",
    r"/wire/envelope/.*",
    r"/errors/.*",
    r"/refusals/.*",
    r"/tokens/(claims|ladder).*",
    r"/versions.*",
    r"/memories/.*",
    r"/framing/.*",
    r"/invariants.*",
    r"/indistinguishable.*",
    r"/connection/due/within",
    r"/connection/ending.*",
    r"/connection/(ordered|timely).*",
    r"/opening/body.*",
    r"/facts/.*",
    r"/opening/.*",
    r"/connection/.*",
    r"/rooms/.*",
)
"""What is looked at elsewhere: by the functions above, or by playing."""


def spelled(at: str) -> str | None:
    """The rule of what only says something to people, or names rules; None for all else."""
    return next((rule for pattern, rule in _PROSE if re.fullmatch(pattern, at)), None)


def sunset_passed(document: Document) -> bool:
    """Whether the sunset that a document gives has passed, by the day on which somebody asks."""
    found = document.parameters.get("sunset")
    return found is not None and found.default is not None and found.default <= datetime.now(UTC)


def _prose(pair: Pair) -> None:
    told: dict[str, str] = {}
    known = {one.new_at or one.old_at for one in pair.found}
    for at, _, _ in leaves(pair.old, pair.new):
        rule = spelled(at)
        if at in known:
            continue
        if rule is not None:
            told.setdefault(_upper(at), rule)
        elif not any(re.fullmatch(pattern, at) for pattern in _KNOWN):
            pair.say("X01", at, "nothing is known of what this means to anybody")
    for at, rule in told.items():
        pair.say(rule, at, "prose, examples or recipes" if rule == "D01" else "which rules are cited")


def _upper(at: str) -> str:
    """A place that is told once for all within it."""
    return "/".join(at.split("/")[:4])
