"""Messages: valid bodies are accepted, others refused as specified, in every state and by every client message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.edges import invalid_payloads, sprinkled_payloads, valid_payloads
from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Case, Idle, Raw, Send, Settle, Step
from spec.expressions import compile_expression, pointer_get, with_member
from spec.model import Message

FAMILY = "messages"

_TIMES = {
    "offset": "2026-01-01T05:30:00+05:30",
    "negative-offset": "2025-12-31T16:00:00-08:00",
    "zero-offset": "2026-01-01T00:00:00+00:00",
    "lower-case": "2026-01-01t00:00:00z",
    "no-fraction": "2026-01-01T00:00:00Z",
    "nanoseconds": "2026-01-01T00:00:00.123456789Z",
    "long-ago": "1970-01-01T00:00:00Z",
}

_BAD_TIMES = {
    "empty": "",
    "date-only": "2026-01-01",
    "no-zone": "2026-01-01T00:00:00",
    "words": "now",
    "month-13": "2026-13-01T00:00:00Z",
    "day-30-of-february": "2026-02-30T00:00:00Z",
    "hour-24": "2026-01-01T24:00:00Z",
    "number": 1767225600,
    "null": None,
}

_AROUND = {
    "in-array": ("[", "]"),
    "in-object": ('{"message":', "}"),
    "twice": ("", "{}"),
    "with-tail": ("", ";"),
    "spaced": (" \r\n\t", "\n "),
}

_UNKNOWN_TYPES = {
    "unknown": "handfast_unknown",
    "empty": "",
    "prototype": "__proto__",
    "constructor": "constructor",
    "to-string": "toString",
    "long": "x" * 300,
    "space": "auth ",
    "unicode": "chat_message\u200b",
}


def cases(plan: Plan) -> Iterator[Case]:
    """For each state: valid and invalid bodies, texts that are no message, unknown types, and frames."""
    whole: set[str] = set()
    for state, route in plan.leaves():
        top = state.partition(".")[0]
        everything = plan.deep or top not in whole
        for message in plan.client_messages():
            yield from _bodies(plan, state, route, message, whole=everything)
        yield from _texts(plan, state, route, whole=everything)
        yield from _frames(plan, state, route)
        whole.add(top)


def _watched(plan: Plan, route: Route) -> tuple[Step, ...]:
    """A client in a state, and where that is a room's, another member who would notice what reaches the room."""
    watcher = route.steps("ben") if any(state == route.state for state, _ in plan.broadcasts()) else ()
    return (*route.steps("ana"), *watcher)


def _bodies(plan: Plan, state: str, route: Route, message: Message, *, whole: bool) -> Iterator[Case]:
    assert message.client is not None
    where = f"{message.name}/{state}"
    plain = plan.send("ana", message.name, label="tried")
    # These ids are the same in every run: a token of a subject of its own keeps them from being replays.
    owned = plan.send("ana", message.name, label="owned", left=3000.0)
    members = plan.binding.members
    accepted: dict[str, Send] = {
        "unknown-members": evolve(
            plain,
            change={"/handfast": {"a": [1]}, "/metadata": None},
            rules=plan.document.envelope.client.unknown_rules,
        ),
    }
    accepted = accepted if members else {}
    if isinstance(plain.payload, Mapping):
        # Claims beside the token say nothing.
        payload = {
            **dict.fromkeys(plan.document.claims.get("strings", ()), "handfast-other"),
            "handfast": True,
            "user_id": "somebody-else",
            "in_reply_to": "x",
            **plain.payload,
        }
        more = evolve(plain, payload=payload, rules=message.client.unknown_rules)
        accepted["payload-unknown-members"] = more
    strangers = {"handfast": True, **_told_by_servers(plan)}
    for name, payload in sprinkled_payloads(message.client, plain.payload, strangers).items():
        accepted[f"payload-{name}"] = evolve(plain, payload=payload, rules=message.client.unknown_rules)
    if members and not plan.binding.enveloped:
        accepted["without-an-id"] = evolve(plain, drop=(plan.document.envelope.id,))
        accepted["id-empty"] = evolve(plain, id="")
    if members and _has_id(plan, plain):
        accepted["id-shortest"] = evolve(owned, id="x")
        accepted["id-longest"] = evolve(owned, id="i" * 128)
        accepted["id-unicode"] = evolve(owned, id="\U0001f35c" * 128)
    if whole:
        for pointers, rules in (plan.document.envelope.client.times, message.client.times):
            for name, text in _TIMES.items() if pointers else ():
                accepted[f"time-{name}"] = _at(plan, plain, pointers, text, rules)
        for name, payload in valid_payloads(message.client, plain.payload).items():
            accepted[f"payload-{name}"] = evolve(plain, payload=payload)
    heard = (state, message.name) in plan.broadcasts()
    for name, send in accepted.items():
        here = _watched(plan, route) if heard else route.steps("ana")
        # What comes where nothing is due is to come before the probe, or it would be blamed on that.
        silent = () if plan.rehearse((*here, send)).outputs else (Idle(None),)
        steps = plan.probed((*here, send, Settle(), *silent), "ana")
        yield plan.case(FAMILY, f"{where}/valid/{name}", steps, rules=_rules(plan, route, send))
    for name, send in _refused(plan, route, plain, message, whole=whole).items():
        steps = plan.probed((*_watched(plan, route), send, Settle()), "ana")
        yield plan.case(FAMILY, f"{where}/invalid/{name}", steps, rules=_rules(plan, route, send))


def _rules(plan: Plan, route: Route, send: Step) -> tuple[str, ...]:
    return plan.rehearse([*route.steps("ana"), send]).rules


def _has_id(plan: Plan, send: Send) -> bool:
    """Whether a message has an id: by the envelope, or by its own schema."""
    envelope = plan.document.envelope
    own = envelope.id.removeprefix(envelope.payload) if envelope.id.startswith(envelope.payload) else ""
    return envelope.names_id or (bool(own) and pointer_get(send.payload, own) is not None)


def _at(plan: Plan, send: Send, pointers: Iterable[str], text: Any, rules: tuple[str, ...] = ()) -> Send:
    """A message with another time where it has times: in its payload, or beside it."""
    within = plan.document.envelope.payload
    for pointer in pointers:
        if pointer.startswith(f"{within}/") and pointer_get(send.payload, pointer.removeprefix(within)) is not None:
            send = evolve(send, payload=with_member(send.payload, pointer.removeprefix(within), text))
        else:
            send = evolve(send, change={**send.change, pointer: text})
    return evolve(send, rules=rules)


def _told_by_servers(plan: Plan) -> dict[str, Any]:
    """What servers say of things, which a careless one may take from a client that says it of itself."""
    found: dict[str, Any] = {}
    for message in plan.document.messages.values():
        examples = message.server.examples if message.server is not None else ()
        for example in examples:
            if isinstance(example, Mapping):
                found |= {name: value for name, value in example.items() if name not in found}
    return found


def _is_judged(plan: Plan, route: Route, message: Message) -> bool:
    """Whether the document says what comes of a payload that does not fit, and not only how its binding reads it."""
    cases = plan.cases_of(route.state, message.name)
    kinds = {plan.document.facts[name].kind for case in cases for name in case.when}
    return plan.binding.enveloped or not cases or "payload" in kinds


def _refused(plan: Plan, route: Route, plain: Send, message: Message, *, whole: bool) -> dict[str, Send]:
    assert message.client is not None
    found = {
        f"payload-{name}": evolve(plain, payload=payload)
        for name, payload in invalid_payloads(message.client, plain.payload).items()
        if _is_judged(plan, route, message)
    }
    if not plan.binding.enveloped:
        return found
    envelope = plan.document.envelope
    kind, own, within = envelope.discriminator, envelope.id, envelope.payload
    if _has_id(plan, plain):
        found["id-missing"] = evolve(plain, drop=(own,))
    if within:
        found["payload-missing"] = evolve(plain, drop=(within,))
    if not whole:
        return found
    found |= {
        "type-missing": evolve(plain, drop=(kind,)),
        "type-number": evolve(plain, change={kind: 7}),
        "type-null": evolve(plain, change={kind: None}),
    }
    if _has_id(plan, plain):
        found |= {
            "id-empty": evolve(plain, id=""),
            "id-too-long": evolve(plain, id="i" * 129),
            "id-number": evolve(plain, id=7),
            "id-null": evolve(plain, change={own: None}),
        }
    for pointer in envelope.client.times[0]:
        name = pointer.strip("/").replace("/", "-")
        found[f"{name}-missing"] = evolve(plain, drop=(pointer,))
    if within:
        found |= {
            "payload-null": evolve(plain, change={within: None}),
            "payload-array": evolve(plain, change={within: [1]}),
            "payload-string": evolve(plain, change={within: "{}"}),
        }
    for pointers, _ in (envelope.client.times, message.client.times):
        if pointers:
            found |= {f"time-{name}": _at(plan, plain, pointers, text) for name, text in _BAD_TIMES.items()}
    return found


def _texts(plan: Plan, state: str, route: Route, *, whole: bool) -> Iterator[Case]:
    every = plan.binding.malformed
    malformed = every if whole or not plan.binding.enveloped else _some(every, "brace", "no-members", "array")
    for name, text in malformed.items():
        send = Raw("ana", text=text)
        steps = plan.probed((*_watched(plan, route), send, Settle()), "ana")
        yield plan.case(FAMILY, f"text/{state}/{name}", steps, rules=_rules(plan, route, send))
    if plan.binding.enveloped:
        yield from _around(plan, state, route, whole=whole)
    yield from _strangers(plan, state, route, whole=whole)


def _around(plan: Plan, state: str, route: Route, *, whole: bool) -> Iterator[Case]:
    readable = Raw("ana", text='{"id":"handfast-readable"}')
    steps = plan.probed((*_watched(plan, route), readable, Settle()), "ana")
    yield plan.case(FAMILY, f"text/{state}/only-an-id", steps, rules=_rules(plan, route, readable))
    for message in plan.client_messages():
        # What is valid but for what stands around it, and white space (RFC 8259 section 2), which may.
        plain = plan.send("ana", message.name, label="tried")
        for name, around in _AROUND.items() if whole else ():
            wrapped = evolve(plain, around=around)
            steps = plan.probed((*_watched(plan, route), wrapped, Settle()), "ana")
            yield plan.case(FAMILY, f"text/{state}/{message.name}-{name}", steps, rules=_rules(plan, route, wrapped))


def _strangers(plan: Plan, state: str, route: Route, *, whole: bool) -> Iterator[Case]:
    types = _UNKNOWN_TYPES if whole else _some(_UNKNOWN_TYPES, "unknown", "prototype")
    # Where a payload is a list, anything else could not be read.
    nothing: Any = [] if isinstance(plan.send("ana", plan.client_messages()[-1].name).payload, list) else {}
    unknown: dict[str, Send] = {name: Send("ana", kind, nothing) for name, kind in types.items()}
    for message in plan.server_only():
        assert message.server is not None
        payload = message.server.examples[0] if message.server.examples else {}
        unknown[f"server-only-{message.name}"] = Send("ana", message.name, payload)
    for message in plan.client_messages() if whole else ():
        unknown[f"capitals-{message.name}"] = Send("ana", message.name.upper(), nothing)
    for name, stranger in unknown.items():
        steps = plan.probed((*_watched(plan, route), stranger, Settle()), "ana")
        yield plan.case(FAMILY, f"type/{state}/{name}", steps, rules=_rules(plan, route, stranger))


def _some(table: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: table[name] for name in names}


def _frames(plan: Plan, state: str, route: Route) -> Iterator[Case]:
    largest = int(compile_expression(plan.document.largest)({"parameters": plan.parameters}))
    frames: dict[str, Step] = {
        "binary-empty": Raw("ana", binary=""),
        "binary-json": Raw("ana", binary=b'{"type":"auth"}'.hex()),
        "not-utf8-lone-continuation": Raw("ana", not_utf8="c328"),
        "not-utf8-surrogate": Raw("ana", not_utf8="eda080"),
        "not-utf8-cut-off": Raw("ana", not_utf8=b'{"a":"\xe2\x82'.hex()),
        "not-utf8-inside": Raw("ana", not_utf8=b'{"type":"\xff","id":"x"}'.hex()),
    }
    message = plan.client_messages()[-1].name
    frames["oversize-by-one"] = plan.send("ana", message, pad_to=largest + 1)
    frames["oversize-in-bytes-only"] = plan.send("ana", message, pad_to=largest + 1, pad_with="🍲")
    frames["oversize-in-fragments"] = plan.send("ana", message, pad_to=largest + 1, fragments=4)
    if plan.binding.ends:
        # What is over the limit is over it before it ends.
        frames["oversize-unfinished"] = Raw("ana", text={"$fill": {"text": "x", "times": largest + 1}})
        half = {"$fill": {"text": "x", "times": largest // 2 + 1}}
        pieces = (Raw("ana", text=half), Raw("ana", text=half), Settle())
        yield plan.case(FAMILY, f"frame/{state}/oversize-in-frames", (*_watched(plan, route), *pieces))
    for name, step in frames.items():
        yield plan.case(FAMILY, f"frame/{state}/{name}", (*_watched(plan, route), step, Settle()))
    probe = plan.probe(route.steps("ana"), "ana")
    if probe and isinstance(probe[0], Send):
        limits = tuple(rule for case in plan.cases_of(state, "oversize") for rule in case.rules)
        for name, padded in {
            "largest": evolve(probe[0], pad_to=largest, rules=limits),
            "largest-in-fragments": evolve(probe[0], pad_to=largest, fragments=3, rules=limits),
            "largest-wide": evolve(probe[0], pad_to=largest, pad_with="🍲", rules=limits),
            "in-fragments": evolve(probe[0], fragments=5),
        }.items():
            yield plan.case(FAMILY, f"frame/{state}/{name}", (*route.steps("ana"), padded, Settle()), rules=limits)
