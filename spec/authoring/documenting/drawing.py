"""Drawings in SVG: the states with their arrows, and exchanges as sequences.

They take the colours of the page that they stand in (`currentColor`), so they are readable in the dark and in print.
States stand below each other, nested; arrows leave and enter at the right, each at a height of its own, so that no two
labels meet however many there are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from html import escape

from attrs import define, field, frozen

from spec.authoring.outlining import CLOSED, START, Outline
from spec.authoring.outlining.arrows import Arrow, arrows

__all__ = ["Step", "sequence", "states"]

_LINE, _SIGN, _PAD, _LANE = 16, 7.2, 12, 16
_WRAP = 36
_ANY = ""
_EDGE, _SPOKEN, _WIDEST = 40.0, 6.6, 34
"""Of sequences: the room beside the outer lines, and that of a letter; texts so wide that one client fits a phone."""


@define
class _Box:
    """A state on the drawing; `slots` are the arrows that begin or end at it, with the height that each takes."""

    path: str
    title: str
    depth: int
    slots: list[tuple[Arrow, bool, int]] = field(factory=list)
    top: float = 0.0
    bottom: float = 0.0


def states(document: Outline, identifier: str, title: str, says: str) -> str:
    """The states of a document; refused requests and what leaves no state are not drawn."""
    shown = [arrow for arrow in arrows(document) if (arrow.source, arrow.target) != (START, CLOSED)]
    boxes = _boxes(document, shown)
    ends, height = _placed(boxes)
    left = _PAD + max(len(box.title) * _SIGN + 2 * _PAD + box.depth * _PAD for box in boxes.values())
    width = max(left, 200.0) + _PAD * (1 + max(box.depth for box in boxes.values()))
    labels = max((len(line) for arrow in shown for line in _wrapped(arrow)), default=0) * _SIGN + 2 * _PAD
    lanes = _lanes(ends)
    total = width + labels + _LANE * (2 + max(lanes.values(), default=0))
    parts = [_box(box, width) for box in boxes.values()]
    for arrow, (out, into) in ends.items():
        lane = width + labels + _LANE * (1 + lanes[arrow])
        begin, end = _edge(boxes[arrow.source], width), _edge(boxes[arrow.target], width)
        parts.append(_arrow(arrow, begin, end, out, into, lane, width))
    return _svg(identifier, title, says, total, height + _PAD, parts)


def _boxes(document: Outline, shown: Sequence[Arrow]) -> dict[str, _Box]:
    boxes = {START: _Box(START, "start", 0)}
    if any(arrow.source == _ANY for arrow in shown):
        boxes[_ANY] = _Box(_ANY, "any state", 0)
    boxes |= {path: _Box(path, state.name, path.count(".")) for path, state in document.states.items()}
    boxes[CLOSED] = _Box(CLOSED, "closed", 0)
    for arrow in shown:
        boxes[arrow.source].slots.append((arrow, True, max(1, len(_wrapped(arrow)))))
        boxes[arrow.target].slots.append((arrow, False, 1))
    return boxes


def _placed(boxes: dict[str, _Box]) -> tuple[dict[Arrow, tuple[float, float]], float]:
    """Give each box its place and each end of an arrow its height; a box ends behind the boxes within it."""
    out: dict[Arrow, float] = {}
    into: dict[Arrow, float] = {}
    y, opened = float(_PAD), list[_Box]()
    for box in boxes.values():
        while opened and not _inner(box.path, opened[-1].path):
            y = _ended(opened.pop(), y)
        box.top = y
        y += _PAD / 2 + _LINE
        for arrow, leaves, lines in box.slots:
            (out if leaves else into)[arrow] = y + (lines - 0.5) * _LINE
            y += lines * _LINE + 4
        y += 4
        opened.append(box)
    while opened:
        y = _ended(opened.pop(), y)
    return {arrow: (out[arrow], into[arrow]) for arrow in out}, y


def _ended(box: _Box, y: float) -> float:
    box.bottom = y
    return y + (_PAD if box.depth == 0 else 6)


def _inner(path: str, ancestor: str) -> bool:
    return bool(ancestor) and path.startswith(f"{ancestor}.")


def _lanes(ends: dict[Arrow, tuple[float, float]]) -> dict[Arrow, int]:
    """A lane for each arrow, the same for arrows that do not pass each other."""
    found: dict[Arrow, int] = {}
    for arrow in sorted(ends, key=lambda arrow: abs(ends[arrow][0] - ends[arrow][1])):
        low, high = sorted(ends[arrow])
        taken = {found[other] for other in found if min(ends[other]) <= high and max(ends[other]) >= low}
        found[arrow] = next(lane for lane in range(len(ends) + 1) if lane not in taken)
    return found


def _edge(box: _Box, width: float) -> float:
    return width - box.depth * _PAD


def _box(box: _Box, width: float) -> str:
    x = _PAD + box.depth * _PAD
    round_ = 18 if box.path in {START, CLOSED} else 6
    dash = ' stroke-dasharray="5 4"' if box.path == _ANY else ""
    return (
        f'<rect x="{x}" y="{box.top:.0f}" width="{_edge(box, width) - x:.0f}" height="{box.bottom - box.top:.0f}" '
        f'rx="{round_}" class="state"{dash}/>'
        f'<text x="{x + _PAD}" y="{box.top + _LINE + 2:.0f}" class="name">{escape(box.title)}</text>'
    )


def _wrapped(arrow: Arrow) -> list[str]:
    return textwrap.wrap(", ".join(arrow.labels), _WRAP, break_on_hyphens=False)


def _arrow(arrow: Arrow, begin: float, end: float, out: float, into: float, lane: float, aside: float) -> str:
    """An arrow, whose words stand behind `aside`."""
    ending = " ends" if arrow.target == CLOSED else ""
    lines = _wrapped(arrow)
    x, top = aside + _PAD, out - 5 - (len(lines) - 1) * _LINE
    texts = "".join(
        f'<text x="{x:.0f}" y="{top + number * _LINE:.0f}">{escape(line)}</text>' for number, line in enumerate(lines)
    )
    turn = 4 if into > out else -4
    path = f"M{begin:.0f} {out:.0f}H{lane - 4:.0f}q4 0 4 {turn}V{into - turn:.0f}q0 {turn} -4 {turn}H{end + 7:.0f}"
    head = f"M{end + 8:.0f} {into - 4:.0f}L{end:.0f} {into:.0f}L{end + 8:.0f} {into + 4:.0f}Z"
    return f'<g class="arrow{ending}"><path d="{path}" class="line"/><path d="{head}" class="head"/>{texts}</g>'


# --------------------------------------------------------------------------------------------------------- sequences


@frozen
class Step:
    """One step of an exchange: from whom to whom (the same for what one does alone), and what."""

    source: str
    target: str
    text: str


def sequence(steps: Sequence[Step], identifier: str, title: str, says: str) -> str:
    """An exchange, from top to bottom; the server stands at the right."""
    sides = list(dict.fromkeys(side for step in steps for side in (step.source, step.target)))
    sides = [*(side for side in sides if side != "server"), "server"]
    apart = max(190.0, max(len(line) for step in steps for line in _told(step)) * _SPOKEN + 2 * _PAD)
    at = dict(zip(sides, _columns(len(sides), apart), strict=True))
    y, parts = 60.0, list[str]()
    for step in steps:
        parts += _message(step, at, y)
        y += _LINE * len(_told(step)) + 14
    heads = [
        f'<line x1="{x:.0f}" y1="34" x2="{x:.0f}" y2="{y - 10:.0f}" class="life"/>'
        f'<text x="{x:.0f}" y="24" class="name" text-anchor="middle">{escape(side)}</text>'
        for side, x in at.items()
    ]
    return _svg(identifier, title, says, max(at.values()) + _EDGE, y, [*heads, *parts])


def _columns(count: int, apart: float) -> Iterator[float]:
    """Where the sides stand: clients near each other, and the server so far that every text has room."""
    for number in range(count - 1):
        yield _EDGE + 110 * number
    yield _EDGE + 110 * max(0, count - 2) + apart


def _told(step: Step) -> list[str]:
    return textwrap.wrap(step.text, _WIDEST) or [""]


def _message(step: Step, at: dict[str, float], y: float) -> Iterator[str]:
    lines = _told(step)
    if step.source == step.target:
        for number, line in enumerate(lines):
            x = at[step.source] + 8
            yield f'<text x="{x:.0f}" y="{y + number * _LINE - 5:.0f}" class="note">{escape(line)}</text>'
        return
    bottom = y + _LINE * (len(lines) - 1)
    begin, end = at[step.source], at[step.target]
    last = max(x for side, x in at.items() if side != "server") if len(at) > 1 else begin
    middle = (last + at["server"]) / 2
    for number, line in enumerate(lines):
        yield f'<text x="{middle:.0f}" y="{y + number * _LINE - 5:.0f}" text-anchor="middle">{escape(line)}</text>'
    back = 8 if end > begin else -8
    yield f'<g class="arrow"><path d="M{begin:.0f} {bottom:.0f}H{end - back:.0f}" class="line"/>'
    head = f"M{end - back:.0f} {bottom - 4:.0f}L{end:.0f} {bottom:.0f}L{end - back:.0f} {bottom + 4:.0f}Z"
    yield f'<path d="{head}" class="head"/></g>'


def _svg(identifier: str, title: str, says: str, width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{identifier}-t {identifier}-d" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f'<title id="{identifier}-t">{escape(title)}</title><desc id="{identifier}-d">{escape(says)}</desc>'
        + "".join(parts)
        + "</svg>"
    )
