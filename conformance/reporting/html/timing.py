"""Timer measurements as plots: for each timer, the window that was allowed and the moment that was observed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from attrs import frozen

from conformance.reporting.html.elements import Markup, el
from conformance.reporting.run import Run

__all__ = ["timing"]

_ROWS = 48
"""How many measurements of a timer are drawn: all that lie outside their windows, and a sample of the others."""

_WIDTH, _ROW, _LEFT, _RIGHT, _AXIS = 720, 7, 46, 46, 34


@frozen
class _Seen:
    """One measurement, in milliseconds from when the timer was due; `at` is None where it did not fire."""

    case: str
    earliest: float
    latest: float
    at: float | None

    @property
    def outside(self) -> bool:
        return self.at is None or not self.earliest <= self.at <= self.latest


def timing(run: Run) -> Markup | None:
    """A plot for each timer; None where nothing was measured."""
    found: dict[tuple[str, str], list[_Seen]] = {}
    for case in run.cases:
        for timer in case.get("timers", ()):
            due, seen = timer["due_s"], timer["seen_s"]
            earliest, latest = (timer["earliest_s"] - due) * 1000, (timer["latest_s"] - due) * 1000
            at = None if seen is None else (seen - due) * 1000
            found.setdefault((timer["state"], timer["timer"]), []).append(_Seen(case["id"], earliest, latest, at))
    return el("div", (_figure(*key, group) for key, group in sorted(found.items()))) if found else None


def _figure(state: str, timer: str, group: Sequence[_Seen]) -> Markup:
    outside = [seen for seen in group if seen.outside]
    fired = [seen.at for seen in group if seen.at is not None]
    told = f"{len(group)} measured, {len(outside)} outside"
    if fired:
        told += (
            f"; median {statistics.median(fired):+.0f} ms, from {min(fired):+.0f} to {max(fired):+.0f} ms of when due"
        )
    drawn = _sample(group)
    told += f"; {len(drawn)} drawn" if len(drawn) < len(group) else ""
    caption = el("figcaption", el("b", timer), f" in {state}: ", el("span", told, class_="bad" if outside else None))
    return el(
        "figure", caption, el("div", _plot(f"{timer} in {state}: {told}", drawn), class_="scroll"), class_="timer"
    )


def _sample(group: Sequence[_Seen]) -> list[_Seen]:
    """What lies outside first, then others evenly from the earliest to the latest."""
    outside = [seen for seen in group if seen.outside][:_ROWS]
    inside = sorted((seen for seen in group if not seen.outside), key=lambda seen: seen.at or 0.0)
    room = min(len(inside), _ROWS - len(outside))
    kept = [inside[position * len(inside) // room] for position in range(room)]
    return [*outside, *kept]


def _plot(label: str, group: Sequence[_Seen]) -> Markup:
    ends = [edge for seen in group for edge in (seen.earliest, seen.latest, 0.0, seen.at or 0.0)]
    low, high = min(ends), max(ends)
    high = high if high > low else low + 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / (high - low)

    def x(moment: float) -> float:
        return round(_LEFT + (moment - low) * scale, 1)

    height = len(group) * _ROW + _AXIS
    marks = [_row(seen, number * _ROW + 4, x) for number, seen in enumerate(group)]
    axis = [_tick(moment, x(moment), height) for moment in _ticks(low, high)]
    due = el("line", x1=x(0), x2=x(0), y1=0, y2=height - _AXIS + 4, class_="due")
    return el("svg", axis, due, marks, viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_label=label, class_="plot")


def _row(seen: _Seen, y: int, x: object) -> Markup:
    assert callable(x)
    start, end = x(seen.earliest), x(seen.latest)
    band = el("rect", x=start, y=y - 2, width=round(max(1.0, end - start), 1), height=5, class_="window")
    when = "did not fire" if seen.at is None else f"{seen.at:+.1f} ms of when due"
    title = el("title", f"{seen.case}: {when}; {seen.earliest:+.0f} to {seen.latest:+.0f} ms allowed")
    if seen.at is None:
        return el("g", title, band, el("text", "✕ none", x=end + 3, y=y + 4, class_="none"))
    return el("g", title, band, el("circle", cx=x(seen.at), cy=y, r=2.6, class_="bad" if seen.outside else "ok"))


def _tick(moment: float, x: float, height: int) -> Markup:
    line = el("line", x1=x, x2=x, y1=0, y2=height - _AXIS + 4, class_="grid")
    return el("g", line, el("text", f"{moment:+.0f} ms" if moment else "due", x=x, y=height - 14, class_="tick"))


def _ticks(low: float, high: float) -> Iterable[float]:
    """Round numbers between two, at most about eight."""
    step = 1.0
    while (high - low) / step > 8:
        step *= 2.5 if str(step).startswith("2") else 2
    first = int(low // step) + (low % step > 0)
    return [number * step for number in range(first, int(high // step) + 1)]
