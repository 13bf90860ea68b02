"""TLS: the same server behind a certificate."""

from __future__ import annotations

import ssl

import pytest
import trio
import trustme
from trio_websocket import open_websocket

from tests.unit_server.kit import ROOM, Client, answer_of, read_all, request, socket_server, token

pytestmark = pytest.mark.trio


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and that of a client who trusts it."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_chat_over_tls_from_the_welcome_to_the_close() -> None:
    """Messages, errors and closes arrive, and broken text is closed with 1007 there too."""
    server_side, client_side = contexts()
    with trio.fail_after(30):
        async with socket_server(ssl_context=server_side) as server:
            port = server.ports[0]
            async with open_websocket("localhost", port, ROOM, use_ssl=client_side, subprotocols=["chat.v2"]) as socket:
                ana = Client(socket)
                await ana.send("auth", token=token(now=0, life=4e9))
                assert (await ana.receive())["type"] == "recipe_update"
                await ana.send("nonsense")
                assert await ana.error() == "MESSAGE_UNKNOWN_TYPE"
                await socket.send_message(b"binary")
                assert (await ana.closed())[0] == 1003
                await ana.leave()
            await server.hubs[0].empty()


async def test_refusals_over_tls_are_whole() -> None:
    """An answer has its body when the server ends the connection."""
    server_side, client_side = contexts()
    with trio.fail_after(30):
        async with socket_server(ssl_context=server_side) as server:
            stream = await trio.open_ssl_over_tcp_stream(
                "localhost", server.ports[0], ssl_context=client_side, https_compatible=True
            )
            async with stream:
                await stream.send_all(request("/nowhere", {"Host": "test"}))
                status, headers, body = answer_of(await read_all(stream))

    assert (status, headers["content-length"]) == (404, str(len(body)))


async def test_a_peer_that_speaks_no_tls_harms_nobody() -> None:
    """It is dropped, and the next one served."""
    server_side, client_side = contexts()
    with trio.fail_after(30):
        async with socket_server(ssl_context=server_side) as server:
            async with await trio.open_tcp_stream("localhost", server.ports[0]) as stream:
                await stream.send_all(request(ROOM, {"Host": "test"}))
                await read_all(stream)
            async with open_websocket("localhost", server.ports[0], ROOM, use_ssl=client_side) as socket:
                assert len(server) == 1
                await Client(socket).leave()
