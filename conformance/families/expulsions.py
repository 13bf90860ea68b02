"""Expulsions by post: whoever a request names is put out, with what is said of it, nobody else, and stays out.

Members are told apart by what they were given when they came: their subject, their room, and what they said of
themselves. A request names them by the parts of a room's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from conformance.families.endpoints import post
from conformance.members import Company, companies, sources
from conformance.plan import Plan
from conformance.scripts import Case, Post, Settle, Step
from conformance.symbols import room_claim
from spec import model
from spec.expressions import pointer_put, root_of

FAMILY = "expulsions"

Tried = Iterator[tuple[str, tuple[Step, ...]]]

_BODY = "$request.body#"


def cases(plan: Plan) -> Iterator[Case]:
    """For every row of an endpoint that puts members of a room out."""
    if any(name not in plan.target.deployment for name in plan.document.deployment):
        return
    for endpoint in plan.document.http.values():
        for row in endpoint.rows:
            for effect in row.do:
                if isinstance(effect, model.Expel):
                    for company in companies(plan, effect.members.room):
                        use = _Use(plan, endpoint, row, effect.members, company)
                        for name, steps in use.tried():
                            where = f"{endpoint.name}/{effect.members.room}/{company.state}/{name}"
                            yield plan.case(FAMILY, where, steps, rules=row.rules)


@frozen
class _Use:
    """A row that puts the members of a room out, in the state of one company."""

    plan: Plan
    endpoint: model.Endpoint
    row: model.EndpointRow
    members: model.Members
    company: Company

    @property
    def own(self) -> dict[str, Any]:
        """What members say of themselves that decides which room is theirs: variable -> what is usual."""
        key = self.plan.document.rooms[self.members.room]
        names = [root_of(str(part)) for part in (key if isinstance(key, tuple) else (key,))]
        return {name: self.company.given("ana", name) for name in names if name in self.company.sources}

    def value(self, variable: str, subject: str, room: str) -> Any:
        """What a variable of a member is called in a request."""
        document = self.plan.document
        for state in document.states.values():
            for cases in state.receive.values():
                for case in cases:
                    for effect in case.do:
                        if isinstance(effect, model.Set) and variable in effect.values:
                            return self._named(str(effect.values[variable]), variable, subject, room)
        return None

    def _named(self, source: str, variable: str, subject: str, room: str) -> Any:
        claim = source.partition(".")[2]
        if claim == self.plan.document.claims.get("subject"):
            return {"$subject": subject}
        if claim == room_claim(self.plan.document):
            return {"$room": room}
        return self.company.given("ana", variable) if variable in self.company.sources else None

    def post(self, **change: Any) -> Post:
        """A request that names a member."""
        body: dict[str, Any] = {}
        key = self.members.key if isinstance(self.members.key, tuple) else (self.members.key,)
        own = self.plan.document.rooms[self.members.room]
        for part, mine in zip(key, own if isinstance(own, tuple) else (own,), strict=True):
            pointer_put(body, str(part).removeprefix(_BODY), self.value(root_of(str(mine)), "ana", "a"))
        # The other members are those of the first example.
        for name, value in self.endpoint.examples[0].items():
            wanted = self.endpoint.schema.get("anyOf", [self.endpoint.schema])
            if name not in body and all(name in one.get("required", ()) for one in wanted):
                body[name] = value
        for pointer, value in change.items():
            pointer_put(body, pointer, value)
        return evolve(post(self.plan, self.endpoint), body=body)

    def tried(self) -> Tried:
        join, fence = self.company.join, self.company.fence
        other = {name: {"$id": "other"} for name in self.own}
        audience = (
            *join("ana"),
            *join("ben"),
            *join("cat", at=other),
            *join("dan", room="b"),
            *join("eve", room="c", subject="eve"),
        )
        out = (self.post(), Settle())
        everybody = tuple(step for client in ("ana", "ben", "cat", "dan", "eve") for step in fence(client))
        yield "put-out", (*audience, *out, *everybody)
        yield "nobody-there", (*join("eve", room="c", subject="eve"), *out, *fence("eve"))
        alike = (*join("ann"), *join("amy", label="later"))
        back = (*alike, *join("bob", room="b", label="elsewhere"), *join("zoe", room="d"))
        yield "stays-out", (*audience, *out, *back, *join("ian", room="c", subject="eve", label="ian"))
        unused = (*join("eve", room="c", subject="eve"), *out, *join("ann"), *join("amy", room="b"))
        yield "stays-out-unused", (*unused, *join("ian", room="c", subject="eve", label="ian"))
        for variable in self.own:
            first = {"$join": [{"$subject": "ana"}, ":x"]}
            yield (
                f"{variable}-like-another",
                (
                    *join("ana", at={variable: "x:y"}),
                    *join("eve", room="c", subject="eve", at={variable: "y"}),
                    evolve(self.post(**{self._pointer(variable): "y"}), body=self._named_like(variable, first)),
                    Settle(),
                    *fence("ana"),
                    *fence("eve"),
                ),
            )
        yield from self._refreshed(audience, out)
        for variable, expression in self.members.spares.items():
            pointer = str(expression).removeprefix(_BODY)
            spared = self.post(**{pointer: self.value(variable, "ana", "a")})
            yield f"but-for-{variable}", (*audience, spared, Settle(), *everybody, *back)
            none = self.post(**dict.fromkeys([pointer]))
            yield f"but-for-no-{variable}", (*audience, none, Settle(), *everybody, *back)

    def _pointer(self, variable: str) -> str:
        own = self.plan.document.rooms[self.members.room]
        key = self.members.key if isinstance(self.members.key, tuple) else (self.members.key,)
        pairs = zip(own if isinstance(own, tuple) else (own,), key, strict=True)
        return next(str(part).removeprefix(_BODY) for mine, part in pairs if root_of(str(mine)) == variable)

    def _named_like(self, variable: str, subject: Any) -> Mapping[str, Any]:
        """A body whose parts, one behind the other, are those of another member's room."""
        body = dict(self.post().body)
        for name, value in body.items():
            if value == {"$subject": "ana"}:
                body[name] = subject
        pointer_put(body, self._pointer(variable), "y")
        return body

    def _refreshed(self, audience: tuple[Step, ...], out: tuple[Step, ...]) -> Tried:
        """A token that a member brought later is put out with it."""
        for message, _ in self.plan.secrets():
            if message == self.company.entry or sources(self.plan, message) == {}:
                continue
            brought = self.company.say("ana", message, label="brought")
            yield f"{message}-counts", (*audience, *brought, *out, *self.company.join("ann", label="brought"))
