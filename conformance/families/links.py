"""Links: who may take one up and for how long, what is kept of it for whoever asks for it again, and its lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from conformance.exploring import Route, queried_by, taken_up, ticket
from conformance.families.negotiations import credential_headers, facts
from conformance.families.rooms import say
from conformance.plan import Plan
from conformance.scripts import Case, Close, Idle, Open, Post, Reset, Send, Settle, Step, token
from spec.expressions import compile_expression, with_member
from spec.model import Drop, Fact, Link, Update

FAMILY = "links"

_LATE = 0.5
"""How long behind the end of a window is waited, in seconds, beside what timers may be late."""

Query = Mapping[str, Any]

_NONE: Query = {}

_QUIET = (Settle(), Idle(None))
"""Until a server has noticed that a connection has ended."""


def cases(plan: Plan) -> Iterator[Case]:
    """For links that an opening takes up by its query."""
    if taken_up(plan.document) is None or not plan.explorer.ways:
        return
    scene = _Scene(plan, next(route for route in plan.routes.values() if route.sends))
    yield from _taken(scene)
    yield from _windows(scene)
    for fact in scene.asked():
        yield from _resumed(scene, fact)
        yield from _refused(scene, fact)
    yield from _lists(scene)


@frozen
class _Scene:
    """The plan, and the way to where a connection is used."""

    plan: Plan
    home: Route

    @property
    def link(self) -> Link:
        return next(iter(self.plan.document.links.values()))

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules on taking a link up."""
        names = {fact.name for fact in self.plan.document.facts.values() if fact.kind == "link"}
        rows = [row for row in self.plan.document.opening if names & {*row.when}]
        return tuple(dict.fromkeys(rule for row in rows for rule in row.rules))

    def asked(self) -> list[Fact]:
        """The facts by which a request for a link names a former one."""
        found = [fact for endpoint in self.plan.document.http.values() for fact in facts(self.plan, endpoint, "link")]
        return [fact for fact in found if queried_by(fact.options["key"]) is not None]

    def made(self, client: str, way: int = 0, subject: str | None = None, query: Query = _NONE) -> Post:
        """A request that makes a link."""
        entry = self.plan.entry(Open(client), subject, way)[0]
        assert isinstance(entry, Post)
        return evolve(entry, query=(*entry.query, *query.items()))

    def opening(self, client: str, of: str | None = None, subject: str | None = None) -> Open:
        """An opening that takes up the link that a client has made."""
        headers = credential_headers(self.plan, token(subject=subject or client))
        return Open(client, headers=headers, query=(ticket(self.plan.document, of or client),))

    def entered(
        self,
        client: str,
        way: int = 0,
        subject: str | None = None,
        query: Query = _NONE,
        rules: tuple[str, ...] = (),
    ) -> tuple[Step, ...]:
        """A client in its place, by a link that was asked for in a way; its messages are there for rules."""
        made = self.made(client, way, subject, query)
        steps = self.home.steps(client, subject=subject or client)
        steps = tuple(evolve(step, rules=rules) if isinstance(step, Send) else step for step in steps)
        return tuple(made if isinstance(step, Post) else step for step in steps)

    def key(self, client: str, field: str | None = None) -> dict[str, Any]:
        return {"$link": {"of": client, "field": field or self.link.key}}

    def fillings(self, client: str) -> tuple[Step, ...]:
        """Something in every list of a client's link."""
        sends = (self.plan.send(client, message) for message, _, _ in self.adding())
        return tuple(step for send in sends for step in (send, Settle()))

    def adding(self) -> list[tuple[str, str, str]]:
        """The client messages that add to a list: the message, the list, and the pointer to what is added."""
        return self._updates("add")

    def removing(self) -> list[tuple[str, str, str]]:
        """The client messages that remove from a list."""
        return self._updates("remove")

    def _updates(self, how: str) -> list[tuple[str, str, str]]:
        found = []
        for message in self.plan.client_messages():
            for case in self.plan.cases_of(self.home.state, message.name):
                for effect in case.do:
                    changed: Mapping[str, Any] = getattr(effect, how) if isinstance(effect, Update) else {}
                    for name, item in changed.items():
                        if str(item).startswith("$message.payload#"):
                            found.append((message.name, name, str(item).partition("#")[2]))
        return found

    def dropping(self) -> list[str]:
        """The client messages by which a link is forgotten."""
        return [
            message.name
            for message in self.plan.client_messages()
            for case in self.plan.cases_of(self.home.state, message.name)
            if any(isinstance(effect, Drop) for effect in case.do)
        ]

    def ends(self, client: str) -> dict[str, tuple[Step, ...]]:
        """How a connection is lost."""
        return {
            "close": (Close(client), *_QUIET),
            "fin": (Reset(client, gently=True), *_QUIET),
            "reset": (Reset(client), *_QUIET),
        }

    def case(self, name: str, steps: tuple[Step, ...], client: str | None = None, rules: tuple[str, ...] = ()) -> Case:
        """A case; with a client, it ends by showing how things are for it."""
        script = self.plan.probed(steps, client) if client is not None else steps
        return self.plan.case(FAMILY, name, script, rules=rules)


# --------------------------------------------------------------------------------------------------------- taking up


def _taken(scene: _Scene) -> Iterator[Case]:
    name = str(taken_up(scene.plan.document))
    made, rules = scene.made("ana"), scene.rules
    chosen = [n for n, f in scene.link.fields.items() if f.chosen is not None and n != scene.link.key]
    strange: dict[str, Any] = {"empty": "", "unknown": {"$id": "no-such-link"}}
    strange["longer"] = {"$join": [scene.key("ana"), "x"]}
    strange |= {f"by-{other}": scene.key("ana", other) for other in chosen}
    for kind, value in strange.items():
        opening = evolve(scene.opening("ana"), query=((name, value),))
        yield scene.case(f"taken/{kind}", (made, opening, Settle()), rules=rules)
    yield scene.case("taken/absent", (made, evolve(scene.opening("ana"), query=()), Settle()), rules=rules)
    others = scene.opening("ben", "ana")
    yield scene.case("taken/by-another", (made, others, Settle(), *scene.entered("ana")[1:]), "ana", rules)
    here = scene.entered("ana")
    yield scene.case("taken/live", (*here, scene.opening("amy", "ana", "ana"), Settle()), "ana", rules)
    yield scene.case("taken/live-by-another", (*here, others, Settle()), "ana", rules)
    begun = (made, scene.opening("ana"), Settle())
    yield scene.case("taken/live-at-once", (*begun, scene.opening("amy", "ana", "ana"), Settle()), rules=rules)
    again = scene.opening("amy", "ana", "ana")
    for end, steps in scene.ends("ana").items():
        yield scene.case(f"taken/lost-by-{end}", (*here, *steps, again, Settle()), rules=rules)
        yield scene.case(f"taken/lost-by-{end}/by-another", (*here, *steps, others, Settle()), rules=rules)
    for message in scene.dropping():
        gone = (*here, scene.plan.send("ana", message), *_QUIET, again, Settle())
        yield scene.case(f"taken/behind-{message}", gone, rules=rules)
    two = (*scene.entered("ana"), *scene.entered("amy", subject="ana"))
    yield scene.case("taken/two-of-one-subject", (*two, *scene.fillings("ana")), "amy", rules)


def _windows(scene: _Scene) -> Iterator[Case]:
    window, plan = _seconds(scene, scene.link.initial), scene.plan
    if window is None:
        return
    made, rest = scene.made("ana"), scene.entered("ana")[1:]
    yield scene.case("window/within", (made, Idle(min(1.0, window / 2)), *rest), "ana", scene.rules)
    late = _past(scene, window)
    if late > plan.longest:
        plan.left_out.append(f"a link that is older than `{scene.link.initial}` lasts: that takes {window:.0f} s")
        return
    yield scene.case("window/past", (made, Idle(late), scene.opening("ana"), Settle()), rules=scene.rules)
    others = scene.opening("ben", "ana")
    yield scene.case("window/past-by-another", (made, Idle(late), others, Settle()), rules=scene.rules)


def _seconds(scene: _Scene, state: str) -> float | None:
    """For how long a link is in a state; None where time does not end it."""
    lasts = scene.link.states[state].lasts
    return sum(float(compile_expression(part)({"parameters": scene.plan.parameters})) for part in lasts) or None


def _past(scene: _Scene, window: float) -> float:
    allowed: float = scene.plan.parameters["timer_late"].of(window)
    return window + allowed + _LATE


# ---------------------------------------------------------------------------------------------------------- resuming


def _resumed(scene: _Scene, fact: Fact) -> Iterator[Case]:
    """What was a connection's is its successor's, once and in time."""
    name, plan = str(queried_by(fact.options["key"])), scene.plan
    here = (*scene.entered("ana"), *scene.fillings("ana"))
    rules = _rules(scene, here, name)
    mine: dict[str, Any] = {"subject": "ana", "rules": rules}

    def case(kind: str, *steps: Step, of: str | None = "amy") -> Case:
        return scene.case(f"{name}/{kind}", steps, of, rules)

    back = scene.entered("amy", **mine, query={name: scene.key("ana")})
    yield case("live", *here, *back)
    yield case("live-and-empty", *scene.entered("ana"), *back)
    made, opening, *rest = back
    yield case("live-until-the-handshake", *here, made, opening, *_QUIET, *plan.probe(here, "ana"), *rest)
    for end, steps in scene.ends("ana").items():
        yield case(f"lost-by-{end}", *here, *steps, *back)
        yield case(f"lost-by-{end}/and-empty", *scene.entered("ana"), *steps, *back)
    lost = (*here, *scene.ends("ana")["close"])
    yield case("changed-behind", *lost, *back, *_changes(scene, "amy"))
    yield from _spoken(scene, name, lost, back, rules)
    again = scene.entered("abe", **mine, query={name: scene.key("ana")})
    yield case("used-twice", *lost, *back, *again, of="abe")
    yield case("used-twice-while-live", *here, *back, *again, of="abe")
    both = tuple(scene.made(who, subject="ana", query={name: scene.key("ana")}) for who in ("amy", "abe"))
    race = (*lost, *both, *back[1:], *again[1:])
    yield case("asked-for-twice", *race, of="abe")
    chained = scene.entered("abe", **mine, query={name: scene.key("amy")})
    yield case("in-a-row", *lost, *back, *scene.ends("amy")["close"], *chained, of="abe")
    issued = (scene.made("ana"), Settle())
    yield case("of-none-that-connected", *issued, *back)
    for strange, value in {"empty": "", "unknown": {"$id": "no-such-link"}}.items():
        yield case(strange, *lost, *scene.entered("amy", **mine, query={name: value}))
    for other in [n for n, f in scene.link.fields.items() if f.chosen is not None and n != scene.link.key]:
        yield case(f"by-{other}", *lost, *scene.entered("amy", **mine, query={name: scene.key("ana", other)}))
    for message in scene.dropping():
        yield case(f"behind-{message}", *here, plan.send("ana", message), *_QUIET, *back)
    for number in range(1, len(plan.explorer.ways)):
        old = (*scene.entered("ana", number), *scene.fillings("ana"), *scene.ends("ana")["close"])
        yield case(f"of-way-{number + 1}", *old, *back)
        new = scene.entered("amy", number, **mine, query={name: scene.key("ana")})
        yield case(f"by-way-{number + 1}", *lost, *new)
    yield from _late(scene, name, lost, back, rules)


def _rules(scene: _Scene, here: tuple[Step, ...], name: str) -> tuple[str, ...]:
    """The rules of a negotiation that resumes, and not those of one that does not."""
    plain = scene.plan.rehearse((scene.made("amy", subject="ana"),)).rules
    resuming = scene.plan.rehearse((*here, scene.made("amy", subject="ana", query={name: scene.key("ana")}))).rules
    return tuple(rule for rule in resuming if rule not in plain) or resuming


def _changes(scene: _Scene, client: str) -> tuple[Step, ...]:
    sends = [scene.plan.send(client, message) for message, _, _ in (*scene.removing(), *scene.adding())]
    return tuple(step for send in sends for step in (send, Settle()))


def _spoken(
    scene: _Scene, name: str, lost: tuple[Step, ...], back: tuple[Step, ...], rules: tuple[str, ...]
) -> Iterator[Case]:
    """A membership comes back with the handshake, and not before."""
    plan = scene.plan
    for state, message in plan.broadcasts()[:1]:
        others = plan.members[state].steps("ben")
        made, opening, *rest = back
        talk = [say(plan, "ben", message, text, rules=rules) for text in ("too early", "in time", "and more")]
        steps = (*others, *lost, made, opening, Settle(), talk[0], *_QUIET, *rest, talk[1], Settle(), talk[2], Settle())
        yield scene.case(f"{name}/heard", steps, "amy", rules)
        here = tuple(step for step in lost if not (isinstance(step, Close) and step.client == "ana"))
        taken = (*others, *here, *back, *talk[:2], Settle())
        yield scene.case(f"{name}/heard-once", taken, "amy", rules)


def _late(
    scene: _Scene, name: str, lost: tuple[Step, ...], back: tuple[Step, ...], rules: tuple[str, ...]
) -> Iterator[Case]:
    plan = scene.plan
    state = next((s.unheld for s in scene.link.states.values() if s.unheld is not None), None)
    window = _seconds(scene, state) if state is not None else None
    if window is None:
        return
    late = _past(scene, window)
    yield scene.case(f"{name}/within-the-window", (*lost, Idle(min(1.0, window / 2)), *back), "amy", rules)
    if late > plan.longest:
        plan.left_out.append(f"a link that was longer `{state}` than that lasts: that takes {window:.0f} s")
        return
    yield scene.case(f"{name}/past-the-window", (*lost, Idle(late), *back), "amy", rules)
    made, *rest = back
    if late - _LATE < (_seconds(scene, scene.link.initial) or 0.0):
        kept = (*lost, made, Idle(window + 0.1), *rest)
        yield scene.case(f"{name}/asked-for-within-the-window", kept, "amy", rules)


def _refused(scene: _Scene, fact: Fact) -> Iterator[Case]:
    """Another subject's former link: that there is one is all that it is told."""
    name = str(queried_by(fact.options["key"]))
    here = (*scene.entered("ana"), *scene.fillings("ana"))
    theft, bare = scene.made("ben", query={name: scene.key("ana")}), Settle()
    rules = scene.plan.rehearse((*here, theft)).rules
    theft = evolve(theft, rules=rules)
    mine = scene.entered("amy", subject="ana", query={name: scene.key("ana")})
    lost = (*here, *scene.ends("ana")["close"])
    yield scene.case(f"{name}/of-another/live", (*here, theft, bare), "ana", rules)
    yield scene.case(f"{name}/of-another/lost", (*lost, theft, bare, *mine), "amy", rules)
    issued = (scene.made("ana"), theft, bare, *scene.entered("ben")[1:])
    yield scene.case(f"{name}/of-another/that-never-connected", issued, "ben", rules)
    used = (*lost, *mine, theft, bare)
    yield scene.case(f"{name}/of-another/used", used, "amy", rules)
    for message in scene.dropping():
        gone = (*here, scene.plan.send("ana", message), *_QUIET, theft, bare)
        yield scene.case(f"{name}/of-another/behind-{message}", gone, rules=rules)
    for number in facts(scene.plan, scene.plan.document.http[theft.endpoint], "number"):
        given = queried_by(number.options["of"])
        query = tuple((key, "x" if key == given else value) for key, value in theft.query)
        yield scene.case(f"{name}/of-another/behind-{given}", (*here, evolve(theft, query=query), bare), rules=rules)


# ------------------------------------------------------------------------------------------------------------- lists


def _lists(scene: _Scene) -> Iterator[Case]:
    """What lists hold, in the order in which it came: added, added again, removed, and of what is not in them."""
    removing = {name: (message, pointer) for message, name, pointer in scene.removing()}
    steps: tuple[Step, ...] = ()
    for message, name, pointer in scene.adding():
        rules = scene.plan.rehearse((*scene.home.steps("ana"), scene.plan.send("ana", message))).rules

        def added(label: str, message: str = message, pointer: str = pointer) -> tuple[Step, ...]:
            return _named(scene, message, pointer, label)

        def removed(label: str, name: str = name) -> tuple[Step, ...]:
            return _named(scene, *removing[name], label) if name in removing else ()

        grown = (*added("m"), *added("z"), *added("a"), *added("z"))
        shrunk = (*removed("m"), *removed("nothing"), *added("m"), *removed("a"), *removed("z"), *removed("m"))
        here = scene.home.steps("ana")
        yield scene.case(f"lists/{name}/in-order", (*here, *grown, *shrunk), "ana", rules)
        cased = (*added("Case"), *added("case"), *removed("CASE"), *removed("case"))
        yield scene.case(f"lists/{name}/letter-case", (*here, *cased), "ana", rules)
        burst = tuple(step for step in (*grown, *shrunk) if isinstance(step, Send))
        yield scene.case(f"lists/{name}/at-once", (*here, *burst, Settle()), "ana", rules)
        steps += grown
    if steps:
        both = (*scene.home.steps("ana"), *scene.home.steps("ben"), *steps)
        yield scene.case("lists/of-one-connection", both, "ben")


def _named(scene: _Scene, message: str, pointer: str, label: str) -> tuple[Step, ...]:
    send = scene.plan.send("ana", message)
    return (evolve(send, payload=with_member(send.payload, pointer, {"$id": label})), Settle())
