"""Drawing with Hypothesis: frozen values from a strategy, the same for the same seed, and nothing left behind.

The source of chance is our own. Hypothesis's takes constants from the modules that happen to be loaded, so that the
same seed would draw other values in another process, and it keeps what it found there in a folder of the user's.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, PrimitiveProvider
from hypothesis.internal.intervalsets import IntervalSet

from conformance.scripts import Case, Step

__all__ = ["Draw", "Script", "drawn", "drawn_cases"]

T = TypeVar("T")

_BACKEND = "handfast"
_MOST = 60
"""How much longer than it must be a text or a row of bytes is drawn."""

_FAR, _WIDE = 2**63, 256
_DECISIONS = st.binary(min_size=128, max_size=128)


class Draw:
    """Draws values within one example; small decisions are drawn many at a time, since each draw has its price."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw
        self._decisions = b""

    def __call__(self, strategy: st.SearchStrategy[T]) -> T:
        value: T = self._draw(strategy)
        return value

    def below(self, end: int) -> int:
        """A number from zero on, below a small one."""
        if len(self._decisions) < 2:
            self._decisions = self(_DECISIONS)
        number, self._decisions = int.from_bytes(self._decisions[:2], "big"), self._decisions[2:]
        return number * end >> 16

    def among(self, choices: Sequence[T]) -> T:
        """One of some things."""
        return choices[self.below(len(choices))]

    def percent(self, share: int) -> bool:
        """True in so many draws of a hundred."""
        return self.below(100) < share


Script = tuple[tuple[Step, ...], tuple[str, ...]]
"""Steps, and the rules that they touch when they are rehearsed."""


def drawn_cases(
    make: Callable[[Draw], Script], count: int, seed: int, family: str, name: str = "", wait: float = 0.0
) -> Iterator[Case]:
    """Up to `count` cases of a family, numbered, that wait about so many seconds."""
    prefix = f"{family}/{name}/" if name else f"{family}/"
    for number, (steps, rules) in enumerate(drawn(make, count, seed, prefix), 1):
        yield Case(f"{prefix}{number}", family, rules, steps, wait=wait)


# Made once: Hypothesis reads the source of what it makes a strategy of.
@st.composite
def _whole(draw: Callable[[st.SearchStrategy[Any]], Any], make: Callable[[Draw], T]) -> T:
    return make(Draw(draw))


def drawn(make: Callable[[Draw], T], count: int, seed: int, name: str) -> list[T]:
    """Up to `count` values that `make` draws, doubles left out; the same for the same seed and name."""
    found: dict[str, T] = {}
    simplest: list[T] = []

    with _source(random.Random(f"{seed} {name}")) as source:

        def collect(value: T) -> None:
            # Hypothesis begins with the simplest example, for which it draws nothing; it may be the only one.
            if source.drew:
                found.setdefault(repr(value), value)
            else:
                simplest[:] = [value]
            source.drew = False

        options = settings(
            max_examples=count + 1,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            print_blob=False,
            backend=_BACKEND,
        )
        options(given(_whole(make))(collect))()
    return list(found.values()) or simplest


@contextmanager
def _source(chance: random.Random) -> Iterator[type[_Source]]:
    """Let Hypothesis draw from a source of chance, and keep its hands off the folder in which we were called."""

    source = type("Source", (_Source,), {"chance": chance})
    AVAILABLE_PROVIDERS[_BACKEND] = source
    # A place where nothing can be made: Hypothesis does without.
    set_hypothesis_home_dir(Path(os.devnull, "handfast"))
    try:
        yield source
    finally:
        set_hypothesis_home_dir(None)
        del AVAILABLE_PROVIDERS[_BACKEND]


class _Source(PrimitiveProvider):
    """Even chances, but that one number in eight of a wide range stands at an end of it."""

    lifetime = "test_function"
    drew = False
    chance: random.Random

    @property
    def random(self) -> random.Random:
        type(self).drew = True
        return self.chance

    def draw_boolean(self, p: float = 0.5) -> bool:
        return self.random.random() < p

    def draw_integer(
        self,
        min_value: int | None = None,
        max_value: int | None = None,
        *,
        weights: Mapping[int, float] | None = None,
        shrink_towards: int = 0,
    ) -> int:
        low = min_value if min_value is not None else min(-_FAR, (max_value or 0) - _FAR)
        high = max_value if max_value is not None else max(_FAR, low + _FAR)
        if high - low > _WIDE and self.random.random() < 0.125:
            return self.random.choice([low, low + 1, high - 1, high])
        return self.random.randint(low, high)

    def draw_float(
        self,
        *,
        min_value: float = -math.inf,
        max_value: float = math.inf,
        allow_nan: bool = True,
        smallest_nonzero_magnitude: float = 0.0,
    ) -> float:
        low, high = max(min_value, -sys.float_info.max / 2), min(max_value, sys.float_info.max / 2)
        # Numbers of every size, and not only those near the greatest.
        size = 10.0 ** self.random.randint(-20, 20)
        found = self.random.uniform(max(low, -size), min(high, size)) if low <= size and high >= -size else low
        return found if abs(found) >= smallest_nonzero_magnitude else min(max(0.0, low), high)

    def draw_string(self, intervals: IntervalSet, min_size: int = 0, max_size: int = _MOST) -> str:
        size = self.random.randint(min_size, min(max_size, min_size + _MOST))
        return "".join(chr(intervals[self.random.randrange(len(intervals))]) for _ in range(size))

    def draw_bytes(self, min_size: int = 0, max_size: int = _MOST) -> bytes:
        return self.random.randbytes(self.random.randint(min_size, min(max_size, min_size + _MOST)))
