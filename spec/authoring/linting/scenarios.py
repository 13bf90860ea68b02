"""Scenarios: example exchanges that the machine of the document has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

from spec.authoring.diffing.playing import Endless, Heard, Play, Step, token
from spec.authoring.diffing.samples import completed, sample
from spec.authoring.linting.subject import Found, Subject
from spec.bindings.registry import BINDINGS
from spec.bindings.seam import Binding, Decoder, Text
from spec.expressions import compile_expression, pointer_put
from spec.loading.nodes import join
from spec.model import Document
from spec.parameters import holds, parse_value

__all__ = ["refused_scenarios"]

_LONG = 86400.0
_PLACE = "soup"


def refused_scenarios(subject: Subject) -> Iterator[Found]:
    """Scenarios that the document's own server does not take part in, or that no deployment lets happen."""
    for name, scenario in subject.document.scenarios.items():
        fitting = [p for p in subject.deployments if holds(scenario.get("applies", {}), p)]
        if not fitting:
            path = ("scenarios", name)
            yield Found(
                join(path), f"no deployment lets `{name}` happen", "say in `applies` where it does", at_key=True
            )
        for parameters in fitting:
            told = _Stage(subject.document, parameters).played(scenario["steps"])
            if told is not None:
                pointer = join(("scenarios", name, "steps", str(told[0])))
                yield Found(pointer, f"`{name}` does not go on here: {told[1]}", "say what the machine does")
                break


@define
class _Stage:
    """A scenario being played; what clients heard and no step has asked for yet waits in `heard`."""

    document: Document
    parameters: Mapping[str, Any]
    heard: list[Heard] = field(factory=list)
    play: Play = field(init=False)
    _binding: Binding = field(init=False)
    _decoders: dict[str, Decoder] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.play = Play(self.document, self.parameters)
        self._binding = BINDINGS[self.document.binding]

    def played(self, steps: list[Mapping[str, Any]]) -> tuple[int, str] | None:
        """The number of the first step that does not happen, and why; None where all do."""
        for number, step in enumerate(steps):
            try:
                why = self._step(step, number)
            except Endless:
                why = "timers start each other without end"
            except (ArithmeticError, LookupError, TypeError, ValueError):
                # What is amiss in a document that loads shows only here: an expression that has no value yet.
                why = "a server cannot go on, since something that it reads has no value here"
            if why is not None:
                return number, why
        return None

    def _step(self, step: Mapping[str, Any], number: int) -> str | None:
        client = step.get("client", "client")
        if "expect" in step:
            return self._expect(client, "message", str(step["expect"]))
        if "closed" in step:
            return self._expect(client, "closed", str(step["closed"]))
        if "open" in step:
            self._decoders[client] = self._binding.decoder("client", None)
            self.heard += self.play.step(self._open(client, step["open"]))
            refused = next((one for one in self.heard if one.client == client and one.what == "refused"), None)
            return f"the request is answered {refused}" if refused else None
        if "send" in step:
            if self.play.connection(client) is None:
                return f"`{client}` has no connection"
            self.heard += self.play.step(self._send(client, step, number))
        return None

    def _expect(self, client: str, what: str, name: str) -> str | None:
        """Take what is expected from what was heard; where it has not come, let time pass to the next timer."""
        for waited in (False, True):
            found = next((one for one in self.heard if (one.client, one.what, one.name) == (client, what, name)), None)
            if found is not None:
                self.heard.remove(found)
                return None
            due = self.play.due(client)
            if not waited and due is not None:
                self.heard += self.play.step(Step(client, "wait", "", {"seconds": due}))
        came = ", ".join(str(one) for one in self.heard if one.client == client and one.what != "upgraded") or "nothing"
        return f"`{client}` is to hear {name}, and hears {came}"

    def _open(self, client: str, request: Mapping[str, Any]) -> Step:
        path = re.sub(r"\{[^{}]*\}", _PLACE, self.document.path)
        data: dict[str, Any] = {"target": path, "offer": list(request.get("offer", ()))}
        for place in self.document.credential_places():
            kind = "header" if "header" in place else "query"
            if kind not in request.get("credential", {}):
                continue
            symbol = self._token(client, request["credential"][kind], _LONG)
            if kind == "header":
                data["headers"] = [[place["header"], {"$bearer": [place["scheme"], symbol]}]]
            else:
                data["query"] = [[place["query"], symbol]]
        return Step(client, "open", "", data)

    def _send(self, client: str, step: Mapping[str, Any], number: int) -> Step:
        name, envelope = step["send"], self.document.envelope
        form = self.document.messages[name].client
        assert form is not None
        payload = step.get("payload", form.examples[0] if form.examples else sample(form.schema))
        life = parse_value("duration", step["left"]) if "left" in step else _LONG
        body: dict[str, Any] = {}
        pointer_put(body, envelope.discriminator, name)
        pointer_put(body, envelope.id, self._binding.identifier(f"{client}-{number}"))
        pointer_put(body, envelope.payload, self._filled(payload, client, step.get("token", "valid"), life))
        written = self._binding.encode(self.play.value(completed(body, envelope.client.schema)), json.dumps)
        read = self._decoders[client].feed(Text(written, len(written)))
        return Step(client, "send", "", {"body": next((one for one in read if isinstance(one, dict)), body)})

    def _filled(self, value: Any, client: str, kind: str, life: float) -> Any:
        if isinstance(value, str) and value.startswith("$token."):
            return self._token(client, kind, life)
        if isinstance(value, str) and value.startswith("$parameters."):
            return compile_expression(value)({"parameters": self.parameters})
        if isinstance(value, Mapping):
            return {name: self._filled(member, client, kind, life) for name, member in value.items()}
        return [self._filled(item, client, kind, life) for item in value] if isinstance(value, list) else value

    def _token(self, client: str, kind: str, life: float) -> Any:
        claims = set(self.document.claims.get("required", ())) - {"exp"}
        steps = [step for step, verdict in self.document.verdicts.items() if verdict == kind and step != "absent"]
        return token(client, steps[-1] if steps and kind != "valid" else None, life, claims)
