"""Two documents compared: what is declared, what servers do, and whether anything is left that nothing explains."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from spec.authoring.diffing.behaviour import Behaviour
from spec.authoring.diffing.changes import Change
from spec.authoring.diffing.deployments import deployments
from spec.authoring.diffing.leftovers import SCHEMAS, leftovers
from spec.authoring.diffing.structure import Pair, leaves, spelled, structure
from spec.authoring.diffing.witnesses import witnessed
from spec.compiling import compile_source
from spec.loading import Source

__all__ = ["Comparison", "compare"]


@frozen
class Comparison:
    """What came of comparing two documents.

    `left_out` says which inputs no exchange made real, with the reason; `stages` names the deployments compared.
    """

    protocol: str
    versions: tuple[int, int]
    digests: tuple[str, str]
    changes: tuple[Change, ...]
    stages: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def compare(old: Source, new: Source, given: Mapping[str, str] | None = None) -> Comparison:
    """Compare two documents; `given` fixes parameters of the deployments that are looked at.

    Raises:
        ParameterProblem: where what is given fits neither document.
    """
    documents = (compile_source(old), compile_source(new))
    versions, digests = (documents[0].version, documents[1].version), (old.digest, new.digest)
    name = documents[1].name
    if old.digest == new.digest:
        return Comparison(name, versions, digests, ())
    pairs = deployments(*documents, given or {})
    stages = tuple(pair.name for pair in pairs if pair.name)
    declared = structure(Pair(old.data, new.data, documents, pairs[0].parameters))
    apart = [(at, one, other) for at, one, other in leaves(old.data, new.data) if spelled(at) is None]
    rest = [at for at, _, _ in apart]
    if not rest:
        return Comparison(name, versions, digests, tuple(_ordered(declared)), stages)
    seen = Behaviour(documents, pairs)
    if not all(re.fullmatch(SCHEMAS, at) for at in rest):
        seen.look()
    changes = [witnessed(one, seen.standing()) for one in _merged(declared, seen.changes)]
    read = {at for at, one, other in apart if _reading(one) != _reading(other)}
    changes += leftovers(seen, changes, rest, _readers(old.data, new.data), read)
    return Comparison(name, versions, digests, tuple(_ordered(changes)), stages, tuple(seen.left_out))


def _readers(*documents: Mapping[str, Any]) -> dict[str, list[str]]:
    """Where parameters are read, by their names."""
    found: dict[str, list[str]] = {}
    for data in documents:
        for at, value, _ in leaves(data, {}):
            for name in re.findall(r"\$parameters\.(\w+)", json.dumps(value, default=str)):
                found.setdefault(name, []).append(at)
    return found


def _reading(value: Any) -> set[str]:
    """The parameters that a value reads."""
    return set(re.findall(r"\$parameters\.(\w+)", json.dumps(value, default=str)))


def _ordered(changes: list[Change]) -> list[Change]:
    """The worst first; within that by rule and place."""
    rank = {"breaks": 0, "warns": 1, "safe": 2}

    def key(one: Change) -> tuple[Any, ...]:
        both = rank[one.server_first], rank[one.clients_first]
        return min(both), both[0], one.rule.id, one.new_at or one.old_at, one.text

    return sorted(changes, key=key)


def _merged(declared: list[Change], seen: list[Change]) -> list[Change]:
    """Each change once; one that is declared has what was seen of it as its witness."""
    found = {(one.rule.id, one.old_at, one.new_at, one.text): one for one in declared}
    for one in seen:
        key = next((known for known in found if known[:3] == (one.rule.id, one.old_at, one.new_at)), None)
        if key is None:
            found[one.rule.id, one.old_at, one.new_at, one.text] = one
        else:
            found[key] = evolve(found[key].joined(one), stages=one.stages)
    return list(found.values())
