"""Several protocols on one port: which of them a request is for."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from reference_server.clock import Clock
from reference_server.server import open_server
from reference_server.site import Clash, Mount, check_site, mounted
from spec.model import Document
from spec.parameters import resolve
from tests.unit_server.kit import NOW, ROOM, chat, clients, connect, edited, policy


def mount(document: Document | None = None, prefix: str = "") -> Mount:
    document = document or chat()
    values = resolve(document.parameters, {})
    return Mount(document, values, policy(document, values), prefix)


def moved(path: str) -> Document:
    """Chat at another path."""
    return edited(("path: /v1/chat/{recipe_id}\n", f"path: {path}\n"))


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/v1/chat/soup", 0),
        ("/v1/chat/soup?access_token=x", 0),
        ("/below/v1/chat/soup", 1),
        ("/below/elsewhere", 1),
        ("/below", 0),
        ("/belowed/v1/chat/soup", 0),
        ("/elsewhere", 0),
        ("*", 0),
    ],
)
def test_a_request_is_for_whose_path_it_is(target: str, place: int) -> None:
    assert mounted([mount(), mount(prefix="/below")], target) == place


def test_a_prefix_is_none_of_what_the_protocol_sees() -> None:
    assert mount(prefix="/below").below("/below/v1/chat/soup?x=1") == "/v1/chat/soup?x=1"
    assert mount(prefix="/below").below("/v1/chat/soup") is None


@pytest.mark.parametrize(
    ("path", "prefix", "clashes"),
    [
        ("/v1/chat/{recipe_id}", "", True),
        ("/v1/{kind}/{recipe_id}", "", True),
        ("/v1/chat/{recipe_id}/{more}", "", False),
        ("/v2/chat/{recipe_id}", "", False),
        ("/v1/chat/{recipe_id}", "/below", False),
        ("/chat/{recipe_id}", "/v1", True),
    ],
)
def test_two_that_serve_one_path_clash(path: str, prefix: str, clashes: bool) -> None:
    site = [mount(), mount(moved(path), prefix)]
    if clashes:
        with pytest.raises(Clash, match="both serve"):
            check_site(site)
    else:
        check_site(site)


@pytest.mark.trio
async def test_protocols_of_a_port_share_nothing_but_the_port(autojump_clock: MockClock) -> None:
    """A room of one is none of the other's, though both are named alike."""
    async with open_server(mount(), mount(prefix="/below"), clock=Clock(NOW)) as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        ben = await connect(server, nursery, f"/below{ROOM}")
        await ana.authenticate("ana")
        await ben.authenticate("ben")
        await ana.send("chat_message", content="soup")
        await ben.send("chat_message", content="broth")

        assert (await ben.receive())["payload"]["content"] == "broth"
        assert (await ana.receive())["payload"]["content"] == "soup"
        assert [len(hub) for hub in server.hubs] == [1, 1]
        assert len(server) == 2
