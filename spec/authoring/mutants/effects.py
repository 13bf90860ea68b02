"""Operators on effects: what is done is left out, done twice, done wrongly, or done where nothing should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import add, remove, replace
from spec.authoring.mutants.reading import Draft, Row, joined
from spec.expressions import MOMENT_FORMS
from spec.references.names import section

__all__ = [
    "close_code",
    "close_without_error",
    "drop_effect",
    "drop_member",
    "early_join",
    "extra_output",
    "only_sender",
    "other_error",
    "repeat_effect",
    "unanswered",
    "unset_variable",
    "wrong_member",
]

_SENDING = ("send", "reply", "broadcast")


def _effects(draft: Draft) -> Iterator[tuple[Row, str, dict[str, Any]]]:
    for row in draft.rows:
        for index, effect in enumerate(row.do):
            yield row, f"{row.at}/do/{index}", effect


def _noun(effect: dict[str, Any]) -> str:
    kind = next(iter(effect))
    value = effect[kind]
    return f"{kind} {', '.join(value) if isinstance(value, dict) else value}"


def drop_effect(draft: Draft) -> Iterator[Edit]:
    """One of several effects is left out."""
    for row, at, effect in _effects(draft):
        # What is waived changes nothing that is done, only what is waited for.
        if "waive" not in effect and (len(row.do) > 1 or "to" in row.value):
            rules = joined(row.rules, *(draft.readers(name) for name in _written(effect)))
            yield Edit(at, rules, f"`{_noun(effect)}` is not done", (remove(at),))


def _written(effect: dict[str, Any]) -> list[str]:
    """What an effect writes, for others to read."""
    lists = () if "update" in effect else (*effect.get("add", ()), *effect.get("remove", ()))
    return [*effect.get("set", ()), *lists, *(effect[kind] for kind in ("join", "remember") if kind in effect)]


def repeat_effect(draft: Draft) -> Iterator[Edit]:
    """A message is sent twice."""
    for row, at, effect in _effects(draft):
        answers = "error" in effect and not draft.closes(effect["error"], row.state)
        sent = next((effect[kind] for kind in _SENDING if kind in effect), None)
        if answers or (sent is not None and not draft.may_come(row, sent)):
            yield Edit(at, row.rules, f"`{_noun(effect)}` is done twice", (add(at, effect),))


def unset_variable(draft: Draft) -> Iterator[Edit]:
    """A variable is not set, and keeps what it had."""
    for row, at, effect in _effects(draft):
        for name in effect.get("set", ()) if len(effect.get("set", ())) > 1 else ():
            rules = joined(row.rules, draft.readers(name))
            yield Edit(at, rules, f"`{name}` is not set", (remove(f"{at}/set/{name}"),), name)


def other_error(draft: Draft) -> Iterator[Edit]:
    """An error has another code: one that ends the connection as the right one does, and one that does not."""
    codes = list(draft.data["errors"]["codes"])
    for row, at, effect in _effects(draft):
        if "error" not in effect:
            continue
        right = codes.index(effect["error"])
        others = codes[right + 1 :] + codes[:right]
        closes = draft.closes(effect["error"], row.state)
        for alike in (True, False):
            other = next((code for code in others if (draft.closes(code, row.state) == closes) is alike), None)
            if other is not None:
                text = f"the error is `{other}`, and not `{effect['error']}`"
                yield Edit(at, row.rules, text, (replace(f"{at}/error", other),), other)


def close_without_error(draft: Draft) -> Iterator[Edit]:
    """The connection is closed, and no error says why."""
    for row, at, effect in _effects(draft):
        if "error" in effect and draft.closes(effect["error"], row.state):
            close = draft.data["errors"]["codes"][effect["error"]]["close"]
            code = next(iter(close.values())) if isinstance(close, dict) else close
            rules = joined(row.rules, draft.data["errors"].get("close_rules", ()))
            yield Edit(at, rules, f"closed with {code} and no error before", (replace(at, {"close": code}),))


def close_code(draft: Draft) -> Iterator[Edit]:
    """A close has another code."""
    for row, at, effect in _effects(draft):
        if "close" in effect:
            other = 1008 if effect["close"] != 1008 else 1011
            yield Edit(
                at, row.rules, f"closed with {other}, and not {effect['close']}", (replace(f"{at}/close", other),)
            )


def unanswered(draft: Draft) -> Iterator[Edit]:
    """An answer does not name the message that it answers."""
    usual = draft.data["errors"].get("in_reply", "must")
    for row, at, effect in _effects(draft):
        text = f"`{_noun(effect)}` names no message that it answers"
        if "reply" in effect:
            sent = {"send": effect["reply"], **{key: value for key, value in effect.items() if key != "reply"}}
            yield Edit(at, row.rules, text, (replace(at, sent),))
        # Where the document leaves it open (`may`) there is nothing to break; a timer answers nothing.
        elif "error" in effect and row.kind == "case" and effect.get("in_reply", usual) in {"must", "readable"}:
            yield Edit(at, row.rules, text, (add(f"{at}/in_reply", "none"),))
        elif effect.get("in_reply") == "sender":
            yield Edit(at, row.rules, text, (replace(f"{at}/in_reply", "none"),))


def only_sender(draft: Draft) -> Iterator[Edit]:
    """A broadcast reaches nobody but the one who caused it."""
    for row, at, effect in _effects(draft):
        if "broadcast" in effect:
            answer = {"reply": effect["broadcast"], "payload": effect.get("payload", {})}
            yield Edit(at, row.rules, "it is sent to its sender only", (replace(at, answer),))


def early_join(draft: Draft) -> Iterator[Edit]:
    """Who was let in to prove itself is a member at once."""
    for row in draft.opening:
        for room in section(draft.data, "rooms"):
            if "upgrade" in row.value and {"join": room} not in row.do:
                leaf = draft.enter(row.value["upgrade"]["to"])
                never = [i["rules"] for i in draft.data.get("invariants", ()) if leaf in i.get("in", ())]
                effects = [e for other in draft.rows for e in other.do if e.get("to") == room and "broadcast" in e]
                rules = joined(*never, *(e.get("isolation", ()) for e in effects), row.rules)
                patch = add(f"{row.at}/do", [*row.do, {"join": room}])
                yield Edit(row.at, rules, f"joins `{room}` on the upgrade", (patch,), room)


def extra_output(draft: Draft) -> Iterator[Edit]:
    """A message comes that nothing asks for, behind what is due."""
    for row in draft.rows:
        if draft.ends(row) or "refuse" in row.value:
            continue
        for message in _strangers(draft):
            effect = {"send": message, "payload": draft.data["messages"][message]["server"]["examples"][0]}
            rules = joined(row.rules, draft.forbidding(message))
            text = f"`{message}` is sent as well"
            yield Edit(row.at, rules, text, (add(f"{row.at}/do", [*row.do, effect]),), message)


def _strangers(draft: Draft) -> list[str]:
    """A message of each of the kinds that could come: of a room, and to the connection alone."""
    spoken = {effect.get("broadcast") for row in draft.rows for effect in row.do}
    kinds: dict[bool, str] = {}
    for name, forms in draft.data["messages"].items():
        if forms.get("server", {}).get("examples") and name != draft.data["errors"]["message"]:
            kinds[name in spoken] = name
    return list(kinds.values())


def _members(draft: Draft) -> Iterator[tuple[Row, str, dict[str, Any], str, Any, str]]:
    for row, at, effect in _effects(draft):
        payload = effect.get("payload", {})
        for name, value in payload.items() if isinstance(payload, dict) else ():
            message = next(effect[kind] for kind in _SENDING if kind in effect)
            yield row, at, effect, name, value, message


def wrong_member(draft: Draft) -> Iterator[Edit]:
    """A member of a message is a constant, and not what it should say."""
    for row, at, _, name, value, message in _members(draft):
        if value != "$chosen":
            rules = joined(row.rules, draft.always(message, f"/{name}"))
            constant = _constant(draft, message, name, value)
            text = f"`{name}` of `{message}` is always {constant!r}"
            yield Edit(at, rules, text, (replace(f"{at}/payload/{name}", constant),), name)


def _constant(draft: Draft, message: str, name: str, value: Any) -> Any:
    """A value that the member's schema accepts, as far as its type goes."""
    schema = section(draft.data, "messages", message, "server", "payload", "properties", name)
    if schema.get("format") == "date-time" or (isinstance(value, dict) and set(value) & set(MOMENT_FORMS)):
        return "2020-01-01T00:00:00Z"
    return {"integer": 7, "number": 7, "boolean": True, "object": {}, "array": []}.get(
        schema.get("type", ""), "handfast"
    )


def drop_member(draft: Draft) -> Iterator[Edit]:
    """A member of a message is left out."""
    for row, at, effect in _effects(draft):
        for name in effect.get("members", {}):
            text = f"`{effect['send']}` has no `{name}` beside its payload"
            yield Edit(at, row.rules, text, (remove(f"{at}/members"),), name)
    for row, at, effect, name, _, message in _members(draft):
        if len(effect["payload"]) > 1:
            chosen = section(draft.data, "messages", message, "server", "chosen")
            rules = joined(row.rules, draft.always(message, f"/{name}"), draft.form_rules(message))
            # What is chosen is put in by the sender anyway; here it has nothing to choose.
            patch = [remove(f"{at}/payload/{name}")]
            if f"/{name}" not in chosen:
                yield Edit(at, rules, f"`{message}` has no `{name}`", tuple(patch), name)
