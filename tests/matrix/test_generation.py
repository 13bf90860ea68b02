"""What is drawn finds faults too: each property alone catches servers that break what it is about.

The seed is fixed, so these are always the same cases; that conformant servers pass what is drawn is seen by every run
of the matrix, each with another seed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extent import share
from tests.matrix.kit import check, faults, serving

# Property, server, fault: contents, histories, races between clients, and time.
_CAUGHT = [
    ("bodies", "chat_websockets", "unknown-members-refused"),
    ("bodies", "chat_websockets", "offset-timestamps-refused"),
    ("sequences", "chat_websockets", "replay-per-connection"),
    ("sequences", "chat_ws", "replay-unchecked-on-reauth"),
    ("interleavings", "chat_websockets", "ghost-members"),
    ("interleavings", "chat_ws", "long-content-overtaken"),
    ("timing", "chat_websockets", "deadline-reset-by-ping"),
]


@pytest.mark.parametrize(
    ("family", "server", "name"),
    [
        pytest.param(*one, marks=[pytest.mark.node] if one[1] == "chat_ws" else [], id="-".join(one))
        for one in share(_CAUGHT, 2)
    ],
)
def test_a_property_catches_a_fault(family: str, server: str, name: str, tmp_path: Path) -> None:
    """With a few dozen examples, and by the rule that the fault breaks."""
    [fault] = [fault for fault in faults(server) if fault.name == name]
    with serving(server, fault.rollout, name) as url:
        checked = check(url, fault.rollout, tmp_path, "--run", f"{family}/*", "--examples", "36", "--seed", "5")

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault.rules), f"{fault.text}\n{checked.output}"
