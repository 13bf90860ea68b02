"""Globs over case identifiers."""

from __future__ import annotations

import pytest

from conformance.globs import select
from spec.exits import Exit, Stop

NAMES = ("opening/path/other", "opening/origin", "timers/fresh/lead", "timers/fresh/expiry/early", "timers+/x", "a.b/c")


@pytest.mark.parametrize(
    ("run", "skip", "expected"),
    [
        ((), (), set(NAMES)),
        (("opening",), (), {"opening/path/other", "opening/origin"}),
        (("opening/*",), (), {"opening/path/other", "opening/origin"}),
        (("opening/**",), (), {"opening/path/other", "opening/origin"}),
        (("*/fresh",), (), {"timers/fresh/lead", "timers/fresh/expiry/early"}),
        (("**/early",), (), {"timers/fresh/expiry/early"}),
        (("**/x",), (), {"timers+/x"}),
        (("timers/**/l*d",), (), {"timers/fresh/lead"}),
        (("t*",), (), {"timers/fresh/lead", "timers/fresh/expiry/early", "timers+/x"}),
        (("timers+/?",), (), {"timers+/x"}),
        (("a.b",), (), {"a.b/c"}),
        (("opening/origin", "**/x"), (), {"opening/origin", "timers+/x"}),
        (("opening",), ("**/other",), {"opening/origin"}),
        ((), ("opening", "timers", "a.b"), {"timers+/x"}),
        (("opening/origin",), ("opening",), set()),
    ],
)
def test_what_globs_choose(run: tuple[str, ...], skip: tuple[str, ...], expected: set[str]) -> None:
    """`*` stays within a segment, `**` crosses them, a name stands for all below it, and dots are dots."""
    assert select(NAMES, run, skip) == expected


@pytest.mark.parametrize(
    ("glob", "hint"),
    [
        ("openning", "did you mean `opening`?"),
        ("timers/fresch", "did you mean `timers/fresh`?"),
        ("open", "did you mean `opening`?"),
        ("axb", "did you mean `a.b`?"),
        ("zzz", "`handfast list --cases` shows them"),
        ("*/*/*/*/*", "`handfast list --cases` shows them"),
        ("", "`handfast list --cases` shows them"),
    ],
)
@pytest.mark.parametrize("side", ["run", "skip"])
def test_a_glob_that_matches_nothing_is_told(glob: str, hint: str, side: str) -> None:
    """With the nearest name, whichever side it stands on, and even beside one that matches."""
    given = {"run": ["opening"], "skip": [], side: ["opening", glob]}
    with pytest.raises(Stop) as stopped:
        select(NAMES, given["run"], given["skip"])

    assert stopped.value.exit is Exit.USAGE
    assert f"`{glob}`" in str(stopped.value)
    assert stopped.value.hint == hint
