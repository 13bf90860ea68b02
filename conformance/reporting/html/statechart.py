"""The state diagram of the document with what was reached of it, drawn as SVG.

States stand in columns by how many moves lead to them, inner ones in the boxes of outer ones. The start is a bar on the
left and the end one on the right. Moves between the same two are one arrow, with how many of them were reached; those
that do not lead to a neighbour go along lanes below the boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, field, frozen

from conformance.charting import ANY, END, START
from conformance.reporting.html.elements import Markup, el
from conformance.reporting.run import Event, Run

__all__ = ["statechart"]

_WIDE, _HIGH, _PAD, _TITLE, _GAP, _BETWEEN, _LANE, _BAR = 168, 58, 26, 28, 34, 104, 16, 26


@define
class _Box:
    """A state and where it stands."""

    path: str
    inner: list[_Box] = field(factory=list)
    x: float = 0.0
    y: float = 0.0
    wide: float = _WIDE
    high: float = _HIGH

    def place(self, x: float, y: float) -> None:
        """Put the box, and what is in it, at a position."""
        self.x, self.y = x, y
        if not self.inner:
            return
        below = y + _TITLE + 8
        for box in self.inner:
            box.place(x + _PAD, below)
            below += box.high + _GAP
        self.wide = max(box.wide for box in self.inner) + 2 * _PAD
        self.high = below - _GAP + _PAD / 2 - y

    def each(self) -> Iterator[_Box]:
        """The box and all in it, outer before inner."""
        yield self
        for box in self.inner:
            yield from box.each()

    @property
    def middle(self) -> float:
        return self.y + self.high / 2


@frozen
class _Edge:
    """The moves from one state to another."""

    source: str
    target: str
    moves: Sequence[Event]
    reached: int

    @property
    def kind(self) -> str:
        return "none" if not self.reached else "all" if self.reached == len(self.moves) else "some"

    @property
    def label(self) -> str:
        told = f"{self.reached}/{len(self.moves)}"
        return f"in any state {told}" if self.source == ANY else told


def statechart(run: Run) -> Markup | None:
    """The diagram, and the moves in a table; None where the stream has no chart."""
    chart = run.header.get("machine") or {"states": (), "moves": ()}
    if not chart["states"]:
        return None
    reached = set(run.coverage.get("transitions", {}).get("reached", ()))
    visited = set(run.coverage.get("states", {}).get("reached", ()))
    picture = _drawn(chart, reached, visited)
    table = el("table", _head("Move", "From", "To", "Rules"), el("tbody", (_row(m, reached) for m in chart["moves"])))
    listed = el("details", el("summary", "Every move, and whether it was reached"), el("div", table, class_="scroll"))
    return el("div", el("div", picture, class_="scroll chart"), _legend(), listed)


def _head(*names: str) -> Markup:
    return el("thead", el("tr", (el("th", name, scope="col") for name in names)))


def _legend() -> Markup:
    told = (("all", "all its moves were reached"), ("some", "some were"), ("none", "none was"))
    return el("p", (el("span", el("i", class_=f"key {kind}"), text) for kind, text in told), class_="legend")


def _row(move: Event, reached: set[str]) -> Markup:
    was = move["pointer"] in reached
    sign = el("span", "reached" if was else "not reached", class_=f"chip {'pass' if was else 'none'}")
    cells = (el("td", sign, " ", move["on"], el("br"), el("code", move["pointer"])), el("td", move["from"]))
    return el("tr", cells, el("td", move["to"] or "stays"), el("td", " ".join(move["rules"])))


def _drawn(chart: Event, reached: set[str], visited: set[str]) -> Markup:
    tops = _boxes(chart["states"])
    edges = _edges(chart["moves"], reached)
    columns = _columns(tops, edges)
    boxes = {box.path: box for top in tops for box in top.each()}
    x, bottom = float(_BAR + _BETWEEN), 0.0
    for column in columns:
        below = 16.0
        for box in column:
            box.place(x, below)
            below += box.high + _GAP
        x += max(box.wide for box in column) + _BETWEEN
        bottom = max(bottom, below)
    column_of = {inner.path: number for number, column in enumerate(columns) for box in column for inner in box.each()}
    router = _Router(boxes, column_of, len(columns), x, bottom)
    arrows = [router.arrow(edge) for edge in edges if edge.source != edge.target]
    stays = {edge.source: edge for edge in edges if edge.source == edge.target}
    high = max(router.lanes + 12, bottom)
    bars = [_bar(0, high, "start"), _bar(x, high, "end")]
    drawn = sorted(boxes.values(), key=lambda box: box.path.count("."))
    outer = [_state(box, stays.get(box.path), visited) for box in drawn if box.inner]
    leaves = [_state(box, stays.get(box.path), visited) for box in drawn if not box.inner]
    tip = el("path", d="M0 0 8 4 0 8z")
    marker = el(
        "marker", tip, id="tip", viewBox="0 0 8 8", refX=8, refY=4, markerWidth=8, markerHeight=8, orient="auto"
    )
    view = f"0 0 {x + _BAR:.0f} {high:.0f}"
    label = "State diagram: " + ", ".join(f"{edge.source} to {edge.target} {edge.label}" for edge in edges)
    content = (el("defs", marker), bars, outer, arrows, leaves)
    return el("svg", content, viewBox=view, role="img", aria_label=label, width=f"{x + _BAR:.0f}", class_="states")


def _boxes(states: Iterable[Event]) -> list[_Box]:
    boxes: dict[str, _Box] = {}
    tops: list[_Box] = []
    for state in states:
        box = boxes[state["path"]] = _Box(state["path"])
        outer = boxes.get(state["path"].rpartition(".")[0])
        (outer.inner if outer is not None else tops).append(box)
    for box in tops:
        box.place(0, 0)
    return tops


def _edges(moves: Iterable[Event], reached: set[str]) -> list[_Edge]:
    groups: dict[tuple[str, str], list[Event]] = {}
    for move in moves:
        groups.setdefault((move["from"], move["to"] or move["from"]), []).append(move)
    return [
        _Edge(source, target, group, sum(move["pointer"] in reached for move in group))
        for (source, target), group in groups.items()
    ]


def _columns(tops: Sequence[_Box], edges: Iterable[_Edge]) -> list[list[_Box]]:
    """The outermost states by how many moves lead to them at least from the start; what nothing leads to comes last."""
    near: dict[str, set[str]] = {}
    for edge in edges:
        near.setdefault(_top(edge.source), set()).add(_top(edge.target))
    # The usual way in comes first: it is what most of the opening leads to.
    depth, frontier = {START: 0}, [START]
    first = max((e for e in edges if e.source == START and e.target != END), key=lambda e: len(e.moves), default=None)
    if first is not None:
        near[START] = {_top(first.target)}
    while frontier:
        current = frontier.pop(0)
        for name in sorted(near.get(current, set()) - depth.keys()):
            depth[name] = depth[current] + 1
            frontier.append(name)
    last = max(depth.values()) + 1
    columns: dict[int, list[_Box]] = {}
    for box in tops:
        columns.setdefault(depth.get(box.path, last), []).append(box)
    return [columns[number] for number in sorted(columns)]


def _top(path: str) -> str:
    return path.partition(".")[0]


@define
class _Router:
    """Finds the ways of arrows; `lanes` is the next free one below the boxes."""

    boxes: Mapping[str, _Box]
    column: Mapping[str, int]
    columns: int
    right: float
    lanes: float
    _used: dict[tuple[str, str], int] = field(factory=dict)

    def arrow(self, edge: _Edge) -> Markup:
        """An arrow with its label and, as a title, the moves that it stands for."""
        way, (x, y) = self._way(edge)
        label = el("text", edge.label, x=round(x), y=round(y), class_="count")
        moves = "\n".join(move["on"] for move in edge.moves)
        title = el("title", f"{edge.source} → {edge.target}: {edge.reached} of {len(edge.moves)} reached\n{moves}")
        return el("g", title, el("path", d=way, marker_end="url(#tip)"), label, class_=f"edge {edge.kind}")

    def _way(self, edge: _Edge) -> tuple[str, tuple[float, float]]:
        source, target = self.boxes.get(edge.source), self.boxes.get(edge.target)
        first, last = self._column(edge.source), self._column(edge.target)
        if source is None and target is None:
            return self._straight(_BAR, self.right, self._lane())
        if source is not None and target is not None and edge.target.startswith(edge.source + "."):
            return self._inward(source, target)
        if source is not None and target is not None and first == last:
            return self._beside(source, target)
        if last != first + 1:
            return self._around(source, target)
        if source is None and target is not None:
            return self._straight(_BAR, target.x, self._port(target, "in"))
        if source is not None and target is None:
            return self._straight(source.x + source.wide, self.right, self._port(source, "out"))
        assert source is not None
        assert target is not None
        return self._curved(source, target)

    def _column(self, name: str) -> int:
        return -1 if name in {START, ANY} else self.columns if name == END else self.column[name]

    def _lane(self) -> float:
        self.lanes += _LANE
        return self.lanes - _LANE / 2

    def _port(self, box: _Box, side: str) -> float:
        """A height at a side of a box that no other arrow has yet."""
        number = self._used[box.path, side] = self._used.get((box.path, side), -1) + 1
        offset = (number + 1) // 2 * (1 if number % 2 else -1) * 14
        return (box.y + _TITLE / 2 + 2 if box.inner else box.middle) + (max(0, offset) if box.inner else offset)

    def _straight(self, start: float, end: float, y: float) -> tuple[str, tuple[float, float]]:
        return f"M{start:.0f} {y:.0f}H{end:.0f}", (start + 10, y - 5)

    def _curved(self, source: _Box, target: _Box) -> tuple[str, tuple[float, float]]:
        """To a state of the next column."""
        start, begin, end, finish = (
            source.x + source.wide,
            self._port(source, "out"),
            target.x,
            self._port(target, "in"),
        )
        half = (start + end) / 2
        way = f"M{start:.0f} {begin:.0f}C{half:.0f} {begin:.0f} {half:.0f} {finish:.0f} {end:.0f} {finish:.0f}"
        return way, (start + 10, begin - 5)

    def _inward(self, source: _Box, target: _Box) -> tuple[str, tuple[float, float]]:
        """From an outer state to one in it, along its inner edge."""
        x, y = source.x + 11, self._port(target, "in")
        return f"M{x:.0f} {source.y + _TITLE:.0f}V{y:.0f}H{target.x:.0f}", (x + 3, source.y + _TITLE + 10)

    def _beside(self, source: _Box, target: _Box) -> tuple[str, tuple[float, float]]:
        """Between states of one column: straight down or up, side by side with the way back."""
        down = source.y < target.y
        x = min(source.x, target.x) + min(source.wide, target.wide) * (0.35 if down else 0.65)
        start, end = (source.y + source.high, target.y) if down else (source.y, target.y + target.high)
        return f"M{x:.0f} {start:.0f}V{end:.0f}", (x + 6, (start + end) / 2 + 4)

    def _around(self, source: _Box | None, target: _Box | None) -> tuple[str, tuple[float, float]]:
        """Along a lane of its own below the boxes."""
        lane = self._lane()
        shift = (lane % 5) * 3
        way, label = f"M{_BAR:.0f} {lane:.0f}", (_BAR + 10.0, lane - 4)
        if source is not None:
            x, y = source.x + source.wide, self._port(source, "out")
            way, label = f"M{x:.0f} {y:.0f}h{12 + shift:.0f}V{lane:.0f}", (x + 4, y - 5)
        if target is None:
            return f"{way}H{self.right:.0f}", label
        x, y = target.x, self._port(target, "in")
        return f"{way}H{x - 14 - shift:.0f}V{y:.0f}H{x:.0f}", label


def _bar(x: float, high: float, name: str) -> Markup:
    shape = el("rect", x=round(x), y=2, width=_BAR, height=round(high - 4), rx=6)
    middle, centre = high / 2, x + _BAR / 2
    turned = f"rotate(-90 {centre:.0f} {middle:.0f})"
    return el("g", shape, el("text", name, x=round(centre), y=round(middle + 4), transform=turned), class_="bar")


def _state(box: _Box, stays: _Edge | None, visited: set[str]) -> Markup:
    inside = [one for one in visited if f"{one}.".startswith(f"{box.path}.")]
    kind = "outer" if box.inner else "leaf"
    x, y = round(box.x), round(box.y)
    shape = el("rect", x=x, y=y, width=round(box.wide), height=round(box.high), rx=8)
    name = el("text", box.path.rpartition(".")[2], x=x + 12, y=y + 19, class_="name")
    told = el("text", f"stays {stays.label}", x=x + 12, y=y + 37, class_=f"stays {stays.kind}") if stays else None
    if stays and box.inner:
        told = el("text", f"stays {stays.label}", x=x + round(box.wide) - 84, y=y + 19, class_=f"stays {stays.kind}")
    moves = "\n" + "\n".join(move["on"] for move in stays.moves) if stays else ""
    title = el("title", f"{box.path}, {'reached' if inside else 'not reached'}{moves}")
    return el("g", title, shape, name, told, class_=f"state {kind} {'seen' if inside else 'unseen'}")
