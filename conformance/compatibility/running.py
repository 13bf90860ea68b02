"""Stage by stage of a rollout: which scripts of one document pass against the server of the other."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from conformance.arranging import arrange, bare_arguments
from conformance.compatibility.memory import Server, play
from conformance.families import all_cases
from conformance.mutating.deployments import VARIABLE
from conformance.mutating.rehearsing import judge_of
from conformance.plan import Plan
from conformance.scripts import Case
from spec.authoring.diffing.deployments import deployments
from spec.compiling import compile_source
from spec.exits import Exit
from spec.loading import Source

__all__ = ["ORDERS", "Compatibility", "Failure", "Stage", "compatible", "plan_of", "played_at"]

ORDERS = ("server_first", "clients_first")


@frozen
class Failure:
    """A script that does not pass any more.

    A `lawful` one is of clients that their own document refuses nothing: these are the ones that an upgrade breaks. The
    others show that something is refused otherwise, or no longer.
    """

    case: str
    rules: tuple[str, ...]
    text: str
    lawful: bool


@frozen
class Stage:
    """One pair of deployments in one order of the upgrade; `left_out` counts scripts that need a socket."""

    order: str
    name: str
    played: int
    left_out: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> int:
        return self.played - len(self.failures)

    @property
    def broken(self) -> tuple[Failure, ...]:
        """The failures of clients that did nothing wrong."""
        return tuple(failure for failure in self.failures if failure.lawful)


@frozen
class Compatibility:
    """What came of two documents."""

    protocol: str
    versions: tuple[int, int]
    stages: tuple[Stage, ...]

    @property
    def exit(self) -> Exit:
        if not sum(stage.played for stage in self.stages):
            return Exit.NOTHING
        return Exit.NONCONFORMANT if any(stage.broken for stage in self.stages) else Exit.CONFORMANT


def compatible(
    old: Source,
    new: Source,
    given: Mapping[str, str] | None = None,
    *,
    orders: Iterable[str] = ORDERS[:1],
    level: str = "complete",
) -> Compatibility:
    """Play the scripts of one document against the other, in every stage and these orders of the upgrade.

    Raises:
        ParameterProblem: where what is given fits neither document.
    """
    documents = (compile_source(old), compile_source(new))
    stages = []
    for order in orders:
        forward = order == "server_first"
        client, server = (old, documents[1]) if forward else (new, documents[0])
        for pair in deployments(*documents, given or {}):
            settings = pair.old if forward else pair.new
            plan = plan_of(client, settings, level)
            parameters = pair.parameters[1 if forward else 0]
            there = Server(server, parameters, judge_of(server, parameters, plan.book))
            stages.append(_stage(order, pair.name, plan, there))
    return Compatibility(documents[1].name, (documents[0].version, documents[1].version), tuple(stages))


def _stage(order: str, name: str, plan: Plan, there: Server) -> Stage:
    home = Server(plan.document, plan.parameters, plan.book.judge)
    played, left_out, failures = 0, 0, []
    for case in all_cases(plan):
        found = played_at(case, plan, there, home)
        left_out += found is None
        played += found is not None
        failures += [found] if isinstance(found, Failure) else []
    return Stage(order, name, played, left_out, tuple(failures))


def played_at(case: Case, plan: Plan, there: Server, home: Server) -> Failure | bool | None:
    """How a case fails at a server; True where it passes, None where it needs a socket.

    At `home`, the server of its own document, it is seen whether its clients do anything that is refused.
    """
    result = play(case, plan.target, there)
    if result is None or result.passed:
        return None if result is None else True
    first, own = result.findings[0], play(case, plan.target, home)
    return Failure(case.id, first.blamed, first.text, lawful=own is not None and own.passed and not own.refused)


def plan_of(source: Source, settings: Mapping[str, str], level: str = "complete") -> Plan:
    """The plan of a document in a deployment that nothing listens at, with a key of its own for tokens."""
    os.environ.setdefault(VARIABLE, secrets.token_urlsafe(32))
    pairs = [f"{name}={value}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.yaml"
        path.write_text(json.dumps(source.data, ensure_ascii=False), encoding="utf-8")
        given: dict[str, Any] = {"secret": f"env:{VARIABLE}", "document": str(path), "target": os.devnull, "set": pairs}
        return Plan(arrange(bare_arguments(**given), "ws://127.0.0.1:1").target, level)
