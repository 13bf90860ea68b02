"""An exchange as a sequence diagram: a lane for each client and one for the server, an arrow for each message.

It is text in a grid, and no picture: lines wrap on narrow screens, can be searched, copied and read aloud.
"""

from __future__ import annotations

from conformance.reporting.exchange import in_short, shown
from conformance.reporting.html.elements import Markup, el
from conformance.reporting.run import Event

__all__ = ["sequence"]

_LANES = 5
"""How many clients have a lane; those that come later share the last."""

_LONGEST = 60
"""How many lines are shown; the middle of longer ones is left out."""

_SAID = {">": "to the server", "<": "from the server"}


def sequence(case: Event, started: str | None) -> Markup | None:
    """The diagram of a case's exchange; None where it has none."""
    lines = shown(case, _LONGEST)
    if not lines:
        return None
    clients = list(dict.fromkeys(line["client"] for line in lines if line["client"]))
    lanes = {client: min(number, _LANES) for number, client in enumerate(clients, 1)}
    many = max(lanes.values(), default=1)
    names = [*clients[:many], "server"]
    if len(clients) > _LANES:
        names[_LANES - 1] = "others"
    heads = [el("b", name, class_=f"h{number}") for number, name in enumerate(names, 1)]
    rows = [el("li", heads, class_="head", aria_hidden="true"), *(_row(line, lanes, many, started) for line in lines)]
    return el("ol", rows, class_=f"seq n{many}")


def _row(line: Event, lanes: dict[str, int], many: int, started: str | None) -> Markup:
    lane = lanes.get(line["client"], 0)
    lives = [el("i", class_=f"l{number}") for number in range(1, many + 2)]
    who = (
        el("span", f"{line['client']} {_SAID[line['direction']]}: ", class_="sr") if line["direction"] != "." else None
    )
    text = el("span", who, in_short(line["text"], started), class_="text")
    kind = {">": "sent", "<": "heard"}.get(line["direction"], "note")
    arrow = el("s", class_=f"a{lane}") if kind != "note" and lane else None
    return el("li", el("time", f"{line['at'] * 1000:.0f} ms"), lives, text, arrow, class_=kind)
