"""A site: the protocols that one port serves, each below a prefix, and which of them a request is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from attrs import field, frozen

from spec.machine.facts import match_path
from spec.machine.logs import Logs, Store
from spec.model import Document
from spec.tokens import Policy

__all__ = ["Clash", "Mount", "check_site", "mounted"]


class Clash(ValueError):
    """Two protocols of a site serve one path."""


@frozen
class Mount:
    """One protocol as deployed; its paths lie below `prefix`, which is empty or like `/below`.

    `logs` makes its logs, by how many bytes one page of them may hold.
    """

    document: Document
    parameters: Mapping[str, Any]
    policy: Policy
    prefix: str = ""
    deployment: Mapping[str, str] = field(factory=dict, repr=False)
    logs: Callable[[int], Store] = Logs

    @property
    def paths(self) -> tuple[str, ...]:
        """The templates of the paths that the protocol serves, without the prefix."""
        document = self.document
        return tuple(dict.fromkeys((document.path, *(endpoint.path for endpoint in document.http.values()))))

    def below(self, target: str) -> str | None:
        """A request target as the protocol knows it, without the prefix; None for one that lies elsewhere."""
        return target[len(self.prefix) :] if target.startswith(f"{self.prefix}/") else None

    def serves(self, target: str) -> bool:
        """Whether a request target is a path of the protocol."""
        rest = self.below(target)
        return rest is not None and any(match_path(path, rest) is not None for path in self.paths)


def mounted(mounts: Sequence[Mount], target: str) -> int:
    """Which mount a request target is for: whose path it is, else the one with the longest prefix.

    What is no protocol's path is refused by a protocol's own words.
    """
    found = next((index for index, mount in enumerate(mounts) if mount.serves(target)), None)
    if found is not None:
        return found
    near = [index for index, mount in enumerate(mounts) if mount.below(target) is not None]
    return max(near, key=lambda index: len(mounts[index].prefix), default=0)


def check_site(mounts: Iterable[Mount]) -> None:
    """Raises Clash where a request could be for two of the mounts."""
    for one, other in combinations(mounts, 2):
        for left, right in product(one.paths, other.paths):
            left, right = one.prefix + left, other.prefix + right
            if _overlap(left, right):
                names = " and ".join(f"`{mount.document.name}`" for mount in (one, other))
                raise Clash(f"{names} both serve {left if left == right else f'paths like {left} and {right}'}")


def _overlap(left: str, right: str) -> bool:
    """Whether a path fits both templates: in every segment they agree, or one of them takes any."""
    parts = left.split("/"), right.split("/")
    if len(parts[0]) != len(parts[1]):
        return False
    return all(a == b or a.startswith("{") or b.startswith("{") for a, b in zip(*parts, strict=True))
