"""Witnesses of what is declared, and whether a witness plays as it claims.

A change of a schema is shown by a value that one side may write and the other refuses; of a size, a rate or a deadline
by an exchange that stays within what the one document allows and not within what the other does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from attrs import evolve, frozen

from spec.abstraction import Input
from spec.authoring.diffing.changes import ORDERS, Change, Witness, shown
from spec.authoring.diffing.moving import WHO, Unplayable, wait
from spec.authoring.diffing.playing import Heard, Play, Step, Steps
from spec.authoring.diffing.refining import Apart, Side
from spec.authoring.diffing.schemas import closed, values_refused
from spec.expressions import pointer_put
from spec.messages import reader_of
from spec.model import Document, Form
from spec.parameters import Rate, resolve

__all__ = ["Stand", "moment", "plays", "witnessed"]

Settings = tuple[Mapping[str, str], Mapping[str, str]]


@frozen
class Stand:
    """One pair of deployments: both documents under way, and what was set for them."""

    old: Side
    new: Side
    settings: Settings

    def sides(self, order: str) -> tuple[Side, Side]:
        """The side of the client and that of the server."""
        return (self.old, self.new) if order == "server_first" else (self.new, self.old)


def witnessed(found: Change, stands: Iterator[Stand]) -> Change:
    """The change with a witness for each order in which it is not safe and has none, where one can be made."""
    have = {witness.order for witness in found.witnesses}
    missing = [order for order in ORDERS if found.verdict(order) != "safe" and order not in have]
    for stand in stands if missing else ():
        for order in tuple(missing):
            made = _made(found, order, stand)
            if made is not None:
                missing.remove(order)
                found = evolve(found, witnesses=(*found.witnesses, made))
        if not missing:
            break
    return found


def _made(found: Change, order: str, stand: Stand) -> Witness | None:
    row, at = found.rule.row, found.new_at or found.old_at
    try:
        if row == "M16":
            return _sized(order, stand)
        if row == "T10":
            return _burst(found, order, stand)
        if at.startswith(("/messages/", "/wire/envelope/")) and "/client" in at:
            return _sent(found, order, stand)
        if at.startswith(("/messages/", "/wire/envelope/")) and "/server" in at:
            return _received(found, order, stand)
    except (Unplayable, AttributeError, LookupError, TypeError, ValueError):
        # Nothing is claimed of what cannot be played.
        return None
    return None


# ------------------------------------------------------------------------------------------------------- exchanges


def _accepting(side: Side, name: str) -> Iterator[tuple[Steps, Play]]:
    """The ways into states in which a valid message of a type is not refused."""
    for state, word in side.layer.exact.cover().items():
        wanted = next((i for i in side.layer.exact.inputs(state) if _plain(i, name, side.document)), None)
        if wanted is None:
            continue
        play, steps = side.play(), list[Step]()
        try:
            for number, one in enumerate(word):
                for step in side.mover.steps(one, play, number):
                    play.step(step)
                    steps.append(step)
            heard = [h for s in side.mover.steps(wanted, play, 9) for h in play.copy().step(s)]
        except Unplayable:
            continue
        if not _rejected(side.document, heard):
            yield tuple(steps), play


def _plain(wanted: Input, name: str, document: Document) -> bool:
    good = {"valid", "within", "fresh", "same"}
    return wanted.kind == "receive" and wanted.name == name and all(value in good for _, value in wanted.facts)


def _rejected(document: Document, heard: Sequence[Heard]) -> bool:
    return any(
        one.client == WHO and (one.what in ("closed", "refused") or one.name == document.error_message) for one in heard
    )


def _shown(order: str, stand: Stand, steps: Steps, kind: str = "exchange") -> Witness | None:
    """The witness that these steps are, where the client is refused by the other document and not by its own."""
    client, server = stand.sides(order)
    one, other = client.play(), server.play()
    heard: tuple[list[Heard], list[Heard]] = ([], [])
    for step in steps:
        heard = one.step(step), other.step(step)
    if _rejected(client.document, heard[0]) or not _rejected(server.document, heard[1]):
        return None
    return Witness(kind, order, stand.settings, steps, shown(heard[0], WHO), shown(heard[1], WHO))


def _sent(found: Change, order: str, stand: Stand) -> Witness | None:
    """A message that a client may send by its own document, and the other server refuses."""
    client, server = stand.sides(order)
    at = found.new_at or found.old_at
    if at.startswith("/wire/"):
        names = [m.name for m in client.document.messages.values() if m.client is not None]
        return next((w for name in names if (w := _enveloped(name, order, stand)) is not None), None)
    name = at.split("/")[2].replace("~1", "/").replace("~0", "~")
    forms = [side.document.messages[name].client for side in (client, server)]
    if None in forms:
        return None
    mine, theirs = forms
    assert mine is not None
    assert theirs is not None
    tries = 0
    for value in values_refused(theirs.schema, _written(found, mine.schema), _members(found)):
        for steps, _ in _accepting(client, name):
            made = _shown(order, stand, (*steps, client.mover.accepted(name, value, tries)))
            tries += 1
            if made is not None:
                return made
        if tries > 12:
            break
    return None


def _written(found: Change, schema: Mapping[str, Any]) -> Any:
    """What a sender writes by a schema: where it is about unknown members, these too."""
    return schema if found.rule.row == "M15" else closed(schema)


def _members(found: Change) -> list[str]:
    """The members of the message that a change is about, from the outermost."""
    parts = (found.new_at or found.old_at).split("/")
    return [part for before, part in pairwise(parts) if before == "properties"]


def _enveloped(name: str, order: str, stand: Stand) -> Witness | None:
    """The same of what every message has: its id at the edges of what the client's document allows."""
    client, server = stand.sides(order)
    mine, theirs = (side.document.envelope.client.schema for side in (client, server))
    pointer = client.document.envelope.id
    for steps, _ in _accepting(client, name):
        form = client.document.messages[name].client
        assert form is not None
        base = client.mover.accepted(name, _example(form), 0)
        for value in values_refused(theirs, closed(mine), []):
            if not isinstance(value, dict):
                continue
            body = {**base.data["body"], **{k: v for k, v in value.items() if f"/{k}" in (pointer,)}}
            for key in set(base.data["body"]) - set(mine.get("properties", base.data["body"])):
                body.pop(key)
            made = _shown(order, stand, (*steps, evolve(base, data={"body": body})))
            if made is not None:
                return made
        made = _shown(order, stand, (*steps, base))
        if made is not None:
            return made
    return None


def _example(form: Form) -> Any:
    from spec.authoring.diffing.samples import sample

    return form.examples[0] if form.examples else sample(form.schema)


def _received(found: Change, order: str, stand: Stand) -> Witness | None:
    """A message that the server may send by its own document, and the client's reader refuses."""
    client, server = stand.sides(order)
    at = found.new_at or found.old_at
    if at.startswith("/wire/"):
        forms = [side.document.envelope.server for side in (client, server)]
        names = [m.name for m in server.document.messages.values() if m.server is not None]
    else:
        name = at.split("/")[2].replace("~1", "/").replace("~0", "~")
        both = [side.document.messages[name].server for side in (client, server)]
        if None in both:
            return None
        forms, names = [form for form in both if form is not None], [name]
    mine, theirs = forms
    reads = mine.schema if mine.ignores_unknown else closed(mine.schema)
    for value in values_refused(reads, _written(found, theirs.schema), _members(found)):
        body = _enclosed(server.document, names[0], value, whole=at.startswith("/wire/"))
        made = Witness("message", order, stand.settings, message=names[0], body=body)
        if body is not None and _misread(made, client.document, server.document):
            return made
    return None


def _enclosed(document: Document, name: str, value: Any, *, whole: bool) -> Any:
    """A message of a server with a payload, or one that is an envelope with the plainest payload."""
    from spec.authoring.diffing.samples import sample

    envelope, form = document.envelope, document.messages[name].server
    assert form is not None
    if whole:
        if not isinstance(value, dict):
            return None
        body = dict(value)
        pointer_put(body, envelope.discriminator, name)
        pointer_put(body, envelope.payload, form.examples[0] if form.examples else sample(form.schema))
        return body
    plain = sample(envelope.server.schema)
    body = dict(plain) if isinstance(plain, dict) else {}
    body = {key: inner for key, inner in body.items() if f"/{key}" != envelope.reply_to}
    if envelope.payload and isinstance(body.get("timestamp"), str):
        body["timestamp"] = "2027-01-15T08:00:00Z"
    pointer_put(body, envelope.discriminator, name)
    if envelope.payload == "" and not isinstance(value, dict):
        return None
    pointer_put(body, envelope.payload, value)
    return body


def _misread(witness: Witness, client: Document, server: Document) -> bool:
    """Whether the server may send the message, and the client's reader takes it for another or for none."""
    sent = reader_of(server, "server").read_value(witness.body)
    read = reader_of(client, "server").read_value(witness.body)
    if sent.input != witness.message or not sent.valid:
        return False
    if read.input != witness.message or not read.valid:
        return True
    form = client.messages[witness.message].server
    assert form is not None
    return not form.ignores_unknown


def _sized(order: str, stand: Stand) -> Witness | None:
    """A message that is as large as the client's document allows, and the other one does not."""
    client, server = stand.sides(order)
    size = server.largest + 1
    if size > client.largest:
        return None
    for message in client.document.messages.values():
        if message.client is None:
            continue
        for steps, _ in _accepting(client, message.name):
            step = client.mover.accepted(message.name, _example(message.client), 0)
            step = evolve(step, text=f"{step.text} in {size} bytes", data={**step.data, "pad_to": size})
            made = _shown(order, stand, (*steps, step))
            if made is not None:
                return made
    return None


def _burst(found: Change, order: str, stand: Stand) -> Witness | None:
    """As many of a message, from one address, as the client's document lets through, and the other does not."""
    client, server = stand.sides(order)
    name = (found.new_at or found.old_at).split("/")[2]
    rates = [side.value(side.document.facts[name].options["rate"]) for side in (client, server)]
    if not all(isinstance(rate, Rate) for rate in rates):
        return None
    mine, theirs = rates
    asking = [m for m in client.document.messages.values() if m.client is not None and client.asks(m.name, name)]
    for message in asking:
        for steps, _ in _accepting(client, message.name):
            assert message.client is not None
            said = client.mover.accepted(message.name, _example(message.client), 0)
            crowd: list[Step] = []
            # What fits the other's window is sent within it; what needs a longer one is spread over its own.
            count, pause = min(theirs.count + 1, 200), 0.0
            if theirs.count >= mine.count:
                pause = mine.window / max(1, mine.count) * 1.001
            for index in range(count):
                who = f"{WHO}{index}" if index < count - 1 else WHO
                crowd += [_as_one(step, who, index) for step in (*steps, said)]
                if pause and index < count - 1:
                    crowd.append(wait(who, pause))
            made = _shown(order, stand, tuple(crowd))
            if made is not None:
                return made
    return None


def _as_one(step: Step, client: str, index: int) -> Step:
    """The step as another client's at one address that all share, with an id of its own."""
    data = dict(step.data)
    if step.do == "open":
        data["address"] = "192.0.2.7"
    if step.do == "send":
        data["body"] = {
            key: f"{value}-{index}" if isinstance(value, str) and value.startswith(WHO) else value
            for key, value in data["body"].items()
        }
    return evolve(step, client=client, data=data)


def moment(apart: Apart, order: str, stand: Stand) -> Witness | None:
    """The moment that worked before: something that a client does while only the other document's time is up."""
    client, server = stand.sides(order)
    one, other = client.play(), server.play()
    for step in apart.steps[:-1]:
        one.step(step), other.step(step)
    mine, theirs = one.due(WHO), other.due(WHO)
    if theirs is None or (mine is not None and mine <= theirs):
        return None
    between = theirs + ((mine - theirs) / 2 if mine is not None else 1.0)
    begun = (*apart.steps[:-1], wait(WHO, between))
    one.step(begun[-1])
    if one.connection(WHO) is None:
        return None
    for wanted in client.layer.exact.inputs(apart.standing):
        try:
            steps = client.mover.steps(wanted, one, 90)
        except Unplayable:
            continue
        if wanted.kind != "receive" or len(steps) != 1:
            continue
        every = (*begun, *steps)
        told = _told(client.play(), every), _told(server.play(), every)
        if told[0] and not _rejected(client.document, told[0]) and _rejected(server.document, told[1]):
            return Witness("moment", order, stand.settings, every, shown(told[0], WHO), shown(told[1], WHO))
    return None


def _told(play: Play, steps: Steps) -> list[Heard]:
    """What the client hears in the last two steps: while it waits, and when it does something then."""
    heard: list[list[Heard]] = [play.step(step) for step in steps]
    return [one for came in heard[-2:] for one in came if one.client == WHO]


# --------------------------------------------------------------------------------------------------------- playing


def plays(witness: Witness, old: Document, new: Document) -> bool:
    """Whether a witness is as it claims: on two new engines, or for two readers."""
    client, server = (old, new) if witness.order == "server_first" else (new, old)
    settings = witness.settings if witness.order == "server_first" else witness.settings[::-1]
    if witness.kind == "message":
        return _misread(witness, client, server)
    plays_ = [
        Play(document, resolve(document.parameters, s)) for document, s in zip((client, server), settings, strict=True)
    ]
    heard: list[list[Heard]] = [[], []]
    for step in witness.steps:
        heard = [play.step(step) for play in plays_]
    if witness.kind == "permission":
        allowed = [play.unsolicited(WHO).get(witness.message) for play in plays_]
        return allowed[0] != allowed[1]
    if witness.kind == "moment":
        made = [Play(play.machine.document, play.machine.parameters) for play in plays_]
        heard = [_told(play, witness.steps) for play in made]
    elif witness.narrow:
        heard = [[one for one in came if one.client == WHO] for came in heard]
    told = [shown(came, WHO) for came in heard]
    return told == [witness.expected, witness.actual] and told[0] != told[1]
