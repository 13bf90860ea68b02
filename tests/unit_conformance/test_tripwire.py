"""The place where forged tokens point: who comes there is noticed, and who does not is not blamed."""

from __future__ import annotations

import trio

from conformance.tripwire import Tripwire
from tests.unit_conformance.kit import arranged

NOW = 1_800_000_000.0


async def ask(port: int, text: bytes) -> bytes:
    """What is answered to a visitor."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(text)
        return b"".join([part async for part in stream])


def visit(wire: Tripwire, *texts: bytes, name: str = "ana") -> list[bytes]:
    """Listen, send some texts to where tokens of a name point, and give back what was answered."""
    answers: list[bytes] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(wire.watch)
            address = wire.address(name)
            assert address is not None
            host, _, path = address.removeprefix("http://").partition("/")
            for text in texts:
                answers.append(await ask(int(host.partition(":")[2]), text.replace(b"PATH", b"/" + path.encode())))
            nursery.cancel_scope.cancel()

    trio.run(main)
    return answers


REQUEST = b"GET PATH HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_a_visitor_is_noticed_and_gets_no_keys() -> None:
    """By the name of the token that led it there, and by no other."""
    wire = Tripwire()
    answers = visit(wire, REQUEST, name="handfast-1-ana")

    assert answers[0].startswith(b"HTTP/1.1 404 ")
    assert wire.was_touched("handfast-1-ana")
    assert not wire.was_touched("handfast-1-ben")
    assert wire.address("handfast-1-ana") is None, "nothing listens any more"


def test_what_is_no_request_for_keys_is_nothing() -> None:
    """Another path, a TLS hello, and a visitor that says nothing and goes."""
    wire = Tripwire()
    visit(wire, REQUEST.replace(b"PATH", b"/"), b"\x16\x03\x01\x02\x00\x01\r\n\r\n")

    assert not wire.was_touched("ana")


def test_a_query_and_a_name_in_other_letters_are_noticed() -> None:
    """A name stands in the path as a URL writes it."""
    wire = Tripwire()
    visit(wire, REQUEST.replace(b"PATH", b"PATH?version=2"), name="a/b ü")

    assert wire.was_touched("a/b ü")


def test_tokens_point_there_while_it_listens() -> None:
    """And where nothing answers before and after; a breach names the rules of the recipes that point."""
    target = arranged().target
    minting, wire = target.book, target.tripwire
    pointing = {entry.name: entry.rules for entry in minting.document.recipes if "fetched" in entry.name}
    assert set(pointing.values()) == {("ALL-TOKEN-4",)}

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(wire.watch)
            minted = minting.get({"recipe": "fetched-jku"}, "ana", NOW)
            assert _header(minted.text)["jku"] == wire.address("ana")
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert _header(minting.get({"recipe": "fetched-jku"}, "ana", NOW).text)["jku"].startswith("https://keys.invalid/")
    assert minting.fetching == ("ALL-TOKEN-4",)


def _header(token: str) -> dict[str, str]:
    import jwt

    return dict(jwt.get_unverified_header(token))
