"""Hostile wire: what no WebSocket library sends, below the messages; and after each of it, others are served as before.

A case has three parts: a bystander talks, an attacker does something, and then the bystander and a fresh client are
served. What the attacker sends in breach of RFC 6455 would be accepted if it were whole, so that a server that lets it
pass is heard to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from conformance.exploring import Route, opened
from conformance.families.rooms import longest_text, say
from conformance.plan import NOT_OWNED, Plan
from conformance.scripts import (
    Case,
    Close,
    Expire,
    Frame,
    Frames,
    HalfClose,
    Hold,
    Idle,
    Knock,
    Ping,
    Release,
    Reset,
    Send,
    Settle,
    Stall,
    Step,
)
from spec.model import TimerRule

FAMILY = "hostile"

_LONGEST = 6.0
"""A timer that runs longer than this, in seconds, is not waited for."""

_FLOOD = 500
"""How many pings or fragments make one wave of a flood."""

_WAVES = (0.25, 0.25, 0.25, 0.18)
"""What share of a timer passes before each wave; the last one comes when it is nearly over."""

_PAGES, _MORE_PAGES = 40, 250
"""How many of the longest messages a client that does not read is sent, and how many at the level `deep`."""

_PING, _PONG, _CLOSE = 0x9, 0xA, 0x8


def cases(plan: Plan) -> Iterator[Case]:
    """Breaches and odd but lawful frames by state, handshakes, stalls, floods, ends, and a reader that stops."""
    if not plan.document.framing:
        return
    stages = list(_stages(plan))
    if not plan.target.owned:
        plan.untried.update(dict.fromkeys((r for rules in plan.document.framing.values() for r in rules), NOT_OWNED))
    for stage in stages:
        for part in (_breaches, _lawful, _pings, _stalls, _ends):
            yield from part(stage)
    if stages:
        yield from _handshakes(stages[-1])
        yield from _slow(stages[-1])


@frozen
class _Stage:
    """A state in which attacks are tried: `word` is a message that is accepted there, and `home` where people talk."""

    plan: Plan
    route: Route
    word: Send
    home: Route | None
    spoken: str
    whole: bool

    @property
    def talks(self) -> bool:
        """Whether the attacker's word would reach others."""
        return self.word.message == self.spoken and self.home is not None

    def rules(self, kind: str) -> tuple[str, ...]:
        return self.plan.document.framing.get(kind, ())

    def frames(self, *frames: Frame, **more: Any) -> Frames:
        """Frames of the attacker's, into which its word is cut."""
        return Frames("ana", frames, of=self.word, **more)

    def case(self, name: str, attack: tuple[Step, ...], rules: tuple[str, ...], *, enter: bool = True) -> Case:
        """The three parts of a case."""
        before: tuple[Step, ...] = ()
        after: tuple[Step, ...] = self.plan.routes[self.route.state].steps("dan")
        if self.home is not None:
            before = (*self.home.steps("ben"), say(self.plan, "ben", self.spoken, "before"), Settle())
            after = (say(self.plan, "ben", self.spoken, "after"), Settle(), *self.home.steps("dan"))
        here = self.route.steps("ana") if enter else ()
        where = f"{self.route.state}/" if enter else ""
        steps = (*before, *here, *attack, Settle(), *after)
        case = self.plan.case(FAMILY, f"{where}{name}", steps, rules=rules)
        # What should not come is heard while the others are served.
        return evolve(case, hostile=True, quiet=self.plan.deep)


def _stages(plan: Plan) -> Iterator[_Stage]:
    """The first state of every kind, or every state at the level `deep`; the last one is where people talk."""
    speaking = plan.broadcasts()
    home, spoken = (plan.members[speaking[0][0]], speaking[0][1]) if speaking else (None, "")
    quiet = [route for state, route in plan.leaves() if all(state != loud for loud, _ in speaking)]
    loud = [plan.members[state] for state, _ in speaking]
    chosen = [*quiet, *reversed(loud)] if plan.deep else [*quiet[:1], *loud[:1]]
    for route in chosen:
        probe = plan.probe(route.steps("ana"), "ana")
        if probe and isinstance(probe[0], Send):
            yield _Stage(plan, route, probe[0], home, spoken, whole=plan.deep or route is chosen[-1])


# ------------------------------------------------------------------------------------------------------- breaches


def _breaches(stage: _Stage) -> Iterator[Case]:
    """What fails the connection; a close with any code will do, and so will none."""
    head = Frame(text="{", final=False)
    frames: dict[str, dict[str, tuple[Frame, ...]]] = {
        "unmasked": {"text": (Frame(mask=""),), "ping": (Frame(_PING, text="x", mask=""),)},
        "reserved_bits": {
            "first": (Frame(reserved=0b100),),
            "last": (Frame(reserved=0b001),),
            "in-a-fragment": (Frame(take=9, final=False), Frame(0, reserved=0b010)),
            "of-a-ping": (Frame(_PING, text="x", reserved=0b100),),
        },
        "reserved_opcode": {"data": (Frame(0x3),), "control": (Frame(0xB, text="x"),)},
        "length": {"highest-bit": (Frame(text="x", bits=64, length=2**63),)},
        "interleaved": {"nothing-to-continue": (Frame(0),), "new-message-within-one": (head, Frame())},
        "control": {
            "ping-too-long": (Frame(_PING, text="x" * 126, bits=16),),
            "ping-fragmented": (Frame(_PING, text="x", final=False),),
            "close-too-long": (Frame(_CLOSE, hex="03e8" + "78" * 124, bits=16),),
        },
        "close": {
            "one-byte": (Frame(_CLOSE, hex="03"),),
            "code-1005": (Frame(_CLOSE, hex="03ed"),),
            "code-65535": (Frame(_CLOSE, hex="ffff"),),
            "reason-not-utf8": (Frame(_CLOSE, hex="03e8c328"),),
        },
    }
    for kind, named in frames.items():
        for place, (name, shapes) in enumerate(named.items()):
            if stage.whole or place == 0:
                attack = (stage.frames(*shapes),)
                yield stage.case(f"{kind.replace('_', '-')}/{name}", attack, stage.rules(kind))
    behind = stage.frames(Frame(text="{}", reserved=0b100), Frame(), rules=stage.rules("failed"))
    yield stage.case("failed/behind-a-breach", (behind,), stage.rules("failed"))
    yield from _not_text(stage)


def _not_text(stage: _Stage) -> Iterator[Case]:
    """Text that is not UTF-8 only where its fragments meet, in a message that would else be accepted."""
    refused = tuple(rule for case in stage.plan.document.receive.get("not_utf8", ()) for rule in case.rules)
    # Three bytes of the message are left behind what is wrong: the end of its innermost text and of its objects.
    attacks = {
        "character-cut-short": (Frame(take=-3, final=False), Frame(0, hex="f09f", final=False), Frame(0)),
        "surrogate-in-two": (
            Frame(take=-3, final=False),
            Frame(0, hex="eda0", final=False),
            Frame(0, hex="80", final=False),
            Frame(0),
        ),
    }
    for place, (name, shapes) in enumerate(attacks.items()):
        if stage.whole or place == 0:
            yield stage.case(f"split-text/{name}", (stage.frames(*shapes),), refused)


# --------------------------------------------------------------------------------------------------------- lawful


def _lawful(stage: _Stage) -> Iterator[Case]:
    """Frames that are seldom seen and mean what they always mean."""
    fragments, segments = stage.rules("fragments"), stage.rules("segments")
    wide = evolve(stage.word, pad_to=900, pad_with="🍲")
    single = tuple(Frame(0, take=1, final=False) for _ in range(60))
    sevens = tuple(Frame(0, take=7, final=False) for _ in range(100))
    sizes = (Frame(take=125, final=False), Frame(0, take=126, final=False), Frame(0, take=127, final=False), Frame(0))
    begun, left = Frame(take=20, final=False), Frame(0)
    ping, pong = Frame(_PING, text="within"), Frame(_PONG, text="unasked")
    tried: dict[str, tuple[Frames, tuple[str, ...]]] = {
        "byte-by-byte": (stage.frames(Frame(), each=1), segments),
        "fragments-and-pings": (stage.frames(begun, ping, Frame(0, take=1, final=False), pong, left), fragments),
        "split-characters": (
            Frames("ana", (Frame(take=7, final=False), *sevens, left), of=wide),
            stage.rules("split_text"),
        ),
        "empty-fragments": (
            stage.frames(Frame(take=0, final=False), Frame(0, take=0, final=False), Frame(0, final=False), left),
            fragments,
        ),
        "single-bytes": (stage.frames(Frame(take=1, final=False), *single, left), fragments),
        "lengths": (Frames("ana", sizes, of=evolve(stage.word, pad_to=900)), segments),
        "mask-of-zeros": (stage.frames(Frame(mask="00000000")), segments),
        "length-too-wide": (stage.frames(Frame(bits=64)), ()),
    }
    for place, (name, (step, rules)) in enumerate(tried.items()):
        if stage.whole or place < 3:
            yield stage.case(f"lawful/{name}", (evolve(step, rules=rules),), rules)
    if stage.talks:
        words = tuple(say(stage.plan, "ana", stage.spoken, f"word {n}", rules=segments) for n in range(4))
        mixed: tuple[Step, ...] = (words[0], Ping("ana", "first"), *words[1:3], Ping("ana", "second"), words[3])
    else:
        mixed = (evolve(stage.word, rules=segments), *_behind(stage, segments))
    together = (Hold("ana"), *mixed, Release("ana"))
    yield stage.case("lawful/one-segment", together, segments)
    if stage.talks:
        late = say(stage.plan, "ana", stage.spoken, "late", rules=stage.rules("close"))
        closed = (Hold("ana"), Close("ana", rules=stage.rules("close")), late, Release("ana"))
        yield stage.case("close/behind-a-close", closed, stage.rules("close"))


def _behind(stage: _Stage, rules: tuple[str, ...]) -> tuple[Step, ...]:
    """Words that are accepted behind the one that a state is left by."""
    entered = (*stage.route.steps("ana"), stage.word)
    follow = stage.plan.probe(entered, "ana")
    if not follow or not isinstance(follow[0], Send) or follow[0].message != stage.spoken:
        return ()
    return tuple(say(stage.plan, "ana", stage.spoken, f"word {n}", rules=rules) for n in range(2))


def _pings(stage: _Stage) -> Iterator[Case]:
    rules = stage.rules("ping")
    full = Frames("ana", (Frame(_PING, hex="00ff" + "80" * 123),), rules=rules)
    plain = (Ping("ana", "handfast", rules), Settle(), Ping("ana", "", rules), Settle(), full, Settle())
    yield stage.case("ping/data", plain, rules)
    begun = Frames("ana", (Frame(text="{", final=False),), rules=stage.rules("fragments"))
    yield stage.case("ping/within-a-message", (begun, Ping("ana", "within", rules), Settle()), rules)
    if stage.whole:
        many = Frames("ana", tuple(Frame(_PING, text=f"number {n}") for n in range(20)), rules=rules)
        yield stage.case("ping/several", (many, Settle()), rules)


# --------------------------------------------------------------------------------------------- stalls, floods, ends


def _stalls(stage: _Stage) -> Iterator[Case]:
    """Frames that do not end, and floods: no timer waits for them, and nobody else does."""
    dues = stage.plan.rehearse(stage.route.steps("ana")).dues.get("ana", {})
    known = [t for path in stage.plan.document.states[stage.route.state].chain for t in _timers(stage.plan, path)]
    restarted = {timer.name for timer in known if timer.restarts}
    near = {timer: due for timer, due in dues.items() if due < _LONGEST and timer not in restarted}
    # What is too large may be refused at its head or never: others talk when that is over.
    wait: tuple[Step, ...] = (Expire("ana"),) if near else (Idle(),)
    rules = stage.plan.rehearse((*stage.route.steps("ana"), *wait)).rules
    soonest = min(near.values(), default=0.2)
    segments = stage.rules("segments")
    kinds: dict[str, Frames] = {
        "half-a-frame": stage.frames(Frame(), cut=-5, rules=segments),
        "half-a-head": stage.frames(Frame(), cut=1, rules=segments),
        "endless-frame": Frames("ana", (Frame(text="x", bits=64, length=2**40),), rules=segments),
    }
    for name, step in kinds.items():
        yield stage.case(f"stalled/{name}", (step, *wait), rules)
    floods: dict[str, Frames] = {
        "pings": Frames("ana", (Frame(_PING, text="flood"),), times=_FLOOD, strains=True),
        "empty-fragments": Frames(
            "ana", (Frame(0, text="", final=False),), times=_FLOOD, strains=True, rules=stage.rules("fragments")
        ),
    }
    for name, wave in floods.items():
        if near or stage.whole:
            begin = (Frames("ana", (Frame(text="{", final=False),), rules=wave.rules),) if wave.rules else ()
            waves = tuple(step for share in _WAVES for step in (Idle(round(soonest * share, 3)), wave))
            yield stage.case(f"flood/{name}", (*begin, *waves, *wait), rules)


def _timers(plan: Plan, state: str) -> tuple[TimerRule, ...]:
    return plan.document.states[state].timers


def _ends(stage: _Stage) -> Iterator[Case]:
    """Transports that end where no connection should: others do not feel it, and nothing is sent for the one."""
    forget, answers = stage.plan.document.forget, stage.plan.document.answer_close
    half = stage.frames(Frame(), cut=-5)
    begun = stage.frames(Frame(take=20, final=False), rules=stage.rules("fragments"))
    ends: dict[str, tuple[tuple[Step, ...], tuple[str, ...]]] = {
        "half-closed": ((HalfClose("ana"),), forget),
        "reset-within-a-frame": ((half, Reset("ana")), forget),
        "fin-within-a-frame": ((half, HalfClose("ana")), forget),
        "fin-within-a-message": ((begun, Reset("ana", gently=True)), forget),
        "fin-behind-a-close": ((Close("ana"), HalfClose("ana")), answers),
    }
    for place, (name, (attack, rules)) in enumerate(ends.items()):
        if stage.whole or place < 2:
            yield stage.case(f"ended/{name}", attack, rules)


# ----------------------------------------------------------------------------------------- handshakes, slow readers

_ASKED: Mapping[str, str] = {
    "Host": "handfast",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
"""The headers of the handshake that RFC 6455 section 1.3 shows."""


def _request(version: str = "1.1", **changed: str | None) -> tuple[Any, ...]:
    """A handshake by lines, with headers changed or (None) left out; `_` stands for `-` in their names."""
    headers = {**_ASKED, **{name.replace("_", "-"): value for name, value in changed.items()}}
    first = {"$join": ["GET ", {"$path": "a"}, f" HTTP/{version}"]}
    return (first, *(f"{name}: {value}" for name, value in headers.items() if value is not None))


def _handshakes(stage: _Stage) -> Iterator[Case]:
    long = {"$join": ["X-Long: ", {"$fill": {"text": "x", "times": 300_000}}]}
    refused: dict[str, Knock] = {
        "no-key": Knock("eve", _request(Sec_WebSocket_Key=None)),
        "short-key": Knock("eve", _request(Sec_WebSocket_Key="c2hvcnQ=")),
        "other-version": Knock("eve", _request(Sec_WebSocket_Version="12")),
        "http-1.0": Knock("eve", _request(version="1.0")),
        "words": Knock("eve", ("This is no request",)),
        "tls": Knock("eve", hex="16030100050100000100" + "00" * 40 + "0d0a0d0a"),
        "http-2": Knock("eve", ("PRI * HTTP/2.0", "", "SM")),
        "no-colon": Knock("eve", (*_request(Upgrade=None), "no colon")),
        "no-name": Knock("eve", (*_request(Upgrade=None), ": nothing")),
        "control-characters": Knock("eve", ("GET /\x00\x07 HTTP/1.1", "Host: handfast")),
    }
    for name, knock in refused.items():
        yield stage.case(f"handshake/{name}", (knock,), stage.rules("handshake"), enter=False)
    # Whatever is answered to these is lawful, as long as others are served.
    begun, other = (Knock(name, _request()[:3], ended=False, due=False) for name in ("eve", "eva"))
    within = Knock("eva", ({"$join": ["GET ", {"$path": "a"}]},), ended=False, due=False)
    unjudged: dict[str, tuple[Step, ...]] = {
        "stalled": (begun, within, Knock("eli", ended=False, due=False)),
        "cut-off": (begun, Reset("eve"), other, Reset("eva", gently=True)),
        "long-header": (Knock("eve", (*_request(), long), due=False), Idle()),
        "many-headers": (Knock("eve", (*_request(), *(f"X-{n}: x" for n in range(5000))), due=False), Idle()),
    }
    for name, steps in unjudged.items():
        yield stage.case(f"handshake/{name}", steps, stage.rules("handshake"), enter=False)
    slowly = opened(stage.route.steps("ana"), each=1)
    yield stage.case("handshake/byte-by-byte", slowly, stage.rules("segments"), enter=False)


def _slow(stage: _Stage) -> Iterator[Case]:
    """One member reads no more while another talks: the others hear everything in time."""
    if not stage.talks:
        return
    plan, pages = stage.plan, _MORE_PAGES if stage.plan.deep else _PAGES
    form = plan.message(stage.spoken).client
    assert form is not None
    size = longest_text(form, 4000)
    page = say(plan, "ana", stage.spoken, {"$fill": {"text": "🍲", "times": min(size, 4000)}})
    talk = tuple(step for n in range(pages) for step in (page, *((Settle(),) if n % 10 == 9 else ())))
    rules = plan.rehearse((*stage.route.steps("ana"), page)).rules
    attack = (*opened(stage.route.steps("eve"), narrow=True), Stall("eve"), *stage.route.steps("ana"), *talk)
    yield stage.case(f"{stage.route.state}/slow-reader", attack, rules, enter=False)
