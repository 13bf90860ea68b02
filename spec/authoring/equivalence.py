"""Whether a mutant can be told from the document it was made of.

Citations and texts are no behaviour. What is given to decisions (schemas, checks of tokens, memories, limits, timers)
is compared as it stands; decisions by what they come to for every combination of classes; and where these differ, the
connection layer by its abstraction, for which states that behave alike and combinations that cannot be are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from attrs import define, field

from spec.abstraction import Layer, abstract, difference
from spec.authoring.outcomes import OPENING, Outcome, Outcomes, plain
from spec.expressions import compile_expression
from spec.model import Case, Document, Fail, TimerRule
from spec.parameters import holds

__all__ = ["Endless", "Original"]

Parameters = Mapping[str, Any]


class Endless(Exception):
    """Timers that start each other without end: a server of such a document would do nothing else."""


@define
class Original:
    """A right document under a deployment's parameters, which mutants are compared with; `machine` is its layer."""

    document: Document
    parameters: Parameters
    _machine: Layer | None = None
    _given: dict[str, Any] = field(init=False)
    _outcomes: Outcomes = field(init=False)
    _known: dict[tuple[str, frozenset[str]], Outcome] = field(factory=dict)
    _layer: Layer = field(init=False)
    _reached: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._given = dict(_given(self.document, self.parameters))
        self._outcomes = Outcomes(self.document, self.parameters)
        self._layer = self._machine or abstract(self.document, self.parameters)
        self._reached = {place.partition(" in ")[0] for place in self._layer.exact.states}

    def apart(self, mutant: Document, parameters: Parameters) -> str | None:
        """What tells a mutant from this, None where nothing does; raises Endless."""
        given = next(self.given_apart(mutant, parameters), None)
        if given is not None:
            return given
        differing = list(self._deciding(mutant, parameters))
        if not differing:
            return None
        beyond = next((name for name, right, other in differing if not _abstracted(right, other)), None)
        if beyond is not None:
            return beyond
        try:
            word = difference(self._layer.exact, abstract(mutant, parameters).exact)
        except RecursionError:
            raise Endless from None
        return None if word is None else "; ".join(map(str, word))

    def given_apart(self, other: Document, parameters: Parameters) -> Iterator[str]:
        """The names of what decisions take as given, and another document gives otherwise."""
        given = dict(_given(other, parameters))
        return (name for name in {**self._given, **given} if self._given.get(name) != given.get(name))

    def decided_apart(self, other: Document, parameters: Parameters) -> Iterator[str]:
        """The names of the decisions that come to something else in another document with the same facts.

        Raises LookupError where it has others. What is written alike over the same tables comes to the same.
        """
        mine, theirs = self._outcomes, Outcomes(other, parameters)
        tables = mine.tables() == theirs.tables()
        for name in dict.fromkeys((*mine.decisions(), *theirs.decisions())):
            if not (tables and mine.written(name) == theirs.written(name)) and self._happens(name):
                facts = mine.asked(name) | theirs.asked(name)
                if mine.outcome(name, facts) != theirs.outcome(name, facts):
                    yield name

    def _deciding(self, mutant: Document, parameters: Parameters) -> Iterator[tuple[str, Outcome, Outcome]]:
        pairs = self._pairs(Outcomes(mutant, parameters))
        return ((name, right, other) for name, right, other in pairs if right != other and self._happens(name))

    def _happens(self, name: str) -> bool:
        """Whether a connection can be in the state that a decision is for; the opening is for all."""
        return name == OPENING or name.rpartition(" in ")[2] in self._reached

    def _pairs(self, mutant: Outcomes) -> Iterator[tuple[str, Outcome, Outcome]]:
        """What every decision comes to in the right document and in the mutant, for what either asks."""
        for name in dict.fromkeys((*self._outcomes.decisions(), *mutant.decisions())):
            facts = self._outcomes.asked(name) | mutant.asked(name)
            if (name, facts) not in self._known:
                self._known[name, facts] = self._outcomes.outcome(name, facts)
            yield name, self._known[name, facts], mutant.outcome(name, facts)


def _abstracted(right: Outcome, mutant: Outcome) -> bool:
    """Whether two outcomes differ only where the abstraction looks: it exceeds no limit, and no misfit has facts."""
    pairs = ((one, mutant[truth]) for truth, one in right.items())
    return all(one == two or (one.limits == two.limits and not one.beyond) for one, two in pairs)


def _given(document: Document, parameters: Parameters) -> Iterator[tuple[str, Any]]:
    """What decisions take as given, by name."""
    envelope = document.envelope
    yield "the envelope", [envelope.discriminator, envelope.id, envelope.reply_to, envelope.payload]
    yield "what is chosen in every message", plain(envelope.server.chosen)
    yield "the schema of the envelope", envelope.client.schema
    for name, message in document.messages.items():
        yield f"the schema of {name}", message.client and message.client.schema
        yield f"what is chosen in {name}", message.server and plain(message.server.chosen)
    yield "the largest message", _value(document.largest, parameters)
    yield "the checks of tokens", [_verdicts(document), document.claims]
    yield "memories", plain(document.memories)
    for name, fact in document.facts.items():
        if fact.kind != "table":
            yield f"the fact {name}", {key: _value(value, parameters) for key, value in fact.options.items()}
    yield "timers beside the states", [[_timer(t, parameters), t.asked, plain(t.expire)] for t in document.timers]
    yield "variables", document.variables
    yield "rooms", document.rooms
    yield "links", plain(document.links)
    yield "the path", document.path
    yield "versions", [v.subprotocol for v in document.versions if v.subprotocol and holds(v.applies, parameters)]
    yield "refusals", document.refusal_body
    raised = {e.code for c in _cases(document) for e in c.do if isinstance(e, Fail)}
    told = [document.error_message, document.error_payload, plain(document.error_forms)]
    yield "errors", [*told, {code: plain(document.errors[code]) for code in raised}]
    yield "close reasons", document.close_reasons
    for path, state in document.states.items():
        yield f"{path}", [state.initial, [_timer(timer, parameters) for timer in state.timers]]


def _cases(document: Document) -> Iterator[Case]:
    for state in document.states.values():
        tables = [*state.receive.values(), *(timer.expire for timer in state.timers), *document.receive.values()]
        yield from (case for cases in tables for case in cases)


def _value(value: Any, parameters: Parameters) -> Any:
    return compile_expression(value)({"parameters": parameters}) if str(value).startswith("$parameters.") else value


def _timer(timer: TimerRule, parameters: Parameters) -> Any:
    before, later = _value(timer.before, parameters) or 0.0, sum(_value(value, parameters) for value in timer.plus)
    return [timer.name, _value(timer.after, parameters), timer.at, before, later]


# ------------------------------------------------------------------------------------------------------- tokens

_READ = ("algorithm", "signature", "claims", "issuer", "not_yet_valid", "expired")
"""The checks of what a token says; before them come those of whether it says anything."""


def _verdicts(document: Document) -> dict[frozenset[str], str]:
    """The verdict on every kind of token, a kind being the set of checks that it fails.

    Of a token that is absent or malformed nothing can be read: it has no algorithm, signature, claims or issuer. And
    no key makes the signature of an algorithm that is not accepted.
    """
    kinds = [frozenset({"algorithm", "signature", "claims", "issuer", kind}) for kind in ("absent", "malformed")]
    for chosen in product((False, True), repeat=len(_READ)):
        failed = frozenset(step for step, fails in zip(_READ, chosen, strict=True) if fails)
        if "algorithm" not in failed or "signature" in failed:
            kinds.append(failed)
    return {kind: _verdict(document, kind) for kind in kinds}


def _verdict(document: Document, failed: frozenset[str]) -> str:
    return next((verdict for step, verdict in document.verdicts.items() if step in failed), "valid")
