"""Over a long way: the proxy keeps bytes and their order, the suite raises no alarm, and still finds what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.extent import share
from tests.matrix.kit import REFERENCE, SERVERS, check, distant, faults, serving
from tests.matrix.proxy import Way

# What rests on time, order and counts per window.
_FEW = ("--run", "timers/*", "--run", "limits/*", "--run", "histories/*", "--run", "rooms/*/*/burst")

_EVERY = [pytest.param(name, marks=[pytest.mark.node] * (name == "chat_ws")) for name in (REFERENCE, *SERVERS)]


@pytest.mark.trio
async def test_the_proxy_delays_and_keeps_the_order(autojump_clock: MockClock) -> None:
    """Each chunk takes its own time, none overtakes another, and the end comes last."""
    delays = iter([0.05, 0.2, 0.01, 0.3])
    near, source = trio.testing.memory_stream_pair()
    sink, far = trio.testing.memory_stream_pair()
    arrived: dict[float, bytes] = {}
    began = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Way(source, sink, lambda: next(delays)).run)
        for data in (b"one", b"two", b"three"):
            await near.send_all(data)
            await trio.sleep(0.01)
        await near.send_eof()
        while piece := await far.receive_some():
            at = round(trio.current_time() - began, 3)
            arrived[at] = arrived.get(at, b"") + piece

    # The third was drawn a shorter time than the second, and waits for it.
    assert arrived == {0.05: b"one", 0.21: b"twothree"}
    assert round(trio.current_time() - began, 3) == 0.33


@pytest.mark.parametrize("server", share(_EVERY, len(_EVERY)))
def test_a_conformant_server_passes_over_a_long_way(server: str, tmp_path: Path) -> None:
    """Latency and jitter are neither lateness nor disorder."""
    with serving(server, "message") as near, distant(near) as url:
        checked = check(url, "message", tmp_path, *_FEW)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.code == 0


@pytest.mark.parametrize("name", ["deadline-never", "messages-reordered"])
def test_a_fault_is_caught_over_a_long_way(name: str, tmp_path: Path) -> None:
    """A timer that does not fire, which no way explains, and messages that the way did not turn round."""
    fault = next(fault for fault in faults("chat_websockets") if fault.name == name)
    with serving(fault.server, fault.rollout, name) as near, distant(near) as url:
        checked = check(url, fault.rollout, tmp_path, *_FEW)

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault.rules), checked.output
