"""What a protocol is: its summary, the drawing of its states, its parameters."""

from __future__ import annotations

from spec.authoring.documenting.blocks import Block, Figure, Items, Page, Ref, Table, Text
from spec.authoring.documenting.drawing import states
from spec.authoring.documenting.words import coded, value
from spec.authoring.exporting.mermaid import text as mermaid
from spec.authoring.outlining import Outline
from spec.authoring.outlining.decisions import plainly

__all__ = ["page", "parameters"]


def page(document: Outline) -> Page:
    """The first page."""
    versions = ", ".join(str(entry.get("name")) for entry in document.data.get("versions", ()))
    largest = document.section("wire", "frames").get("largest")
    facts = [
        ("Protocol", f"{document.name}, version {document.version}"),
        ("Versions on the wire", versions or "one"),
        ("Path", value(document.section("opening").get("path"))),
        ("Binding", value(document.section("wire").get("binding"))),
        ("Largest message", value(largest)),
        ("Rules", str(len(document.section("rules")))),
        ("Document", f"`sha256:{document.digest[:16]}…`"),
    ]
    says = f"{len(document.states)} states; every arrow is a row of a table under States, Timers or Opening."
    blocks: list[Block] = [
        Text(plainly(document.data["summary"])),
        Table("The protocol at a glance", ("What", "Is"), facts),
        Figure(
            states(document, "states-drawing", "States and what leads from one to another", says),
            mermaid(document),
            "The states of a connection. Dashed arrows end it. What is refused and leaves the state is not drawn.",
            says,
        ),
    ]
    rooms = document.section("rooms")
    if rooms:
        told = [
            f"{coded(name)}: the connections with the same {coded(room.get('key'))}" for name, room in rooms.items()
        ]
        blocks += [Text("Connections meet in rooms:"), Items(told)]
    blocks.append(
        Text(["What a server must do stands in ", Ref("the rules", "rules"), "; all else is made from them."])
    )
    return Page("overview", "Overview", blocks)


def parameters(document: Outline) -> Page | None:
    """What a deployment may change."""
    rows = [
        (
            coded(name),
            plainly(entry.get("text", "")),
            coded(entry.get("type", "")),
            value(entry.get("default")),
            ", ".join(f"{key} {coded(entry[key])}" for key in ("min", "max", "values") if key in entry) or "–",
        )
        for name, entry in document.section("parameters").items()
    ]
    table = Table("What a deployment may change", ("Parameter", "Is", "Type", "Default", "Bounds"), rows)
    return Page("parameters", "Parameters", [table]) if rows else None
