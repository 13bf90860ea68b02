"""The suite's own client below the WebSocket library: frames as RFC 6455 prints them, and URLs taken apart."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from conformance.framing import BINARY, CLOSE, PING, TEXT, encode_frame
from conformance.wire import Endpoint, NotWebSocket, Unreachable, Wire

# RFC 6455 section 5.7: opcode, final, payload, and the octets of the unmasked frame.
GOLDEN = [
    (TEXT, True, b"Hello", "81 05 48 65 6c 6c 6f"),
    (TEXT, False, b"Hel", "01 03 48 65 6c"),
    (0x0, True, b"lo", "80 02 6c 6f"),
    (PING, True, b"Hello", "89 05 48 65 6c 6c 6f"),
    (BINARY, True, bytes(range(256)), "82 7e 01 00" + bytes(range(256)).hex()),
    (BINARY, True, b"\xa5" * 65536, "82 7f 00 00 00 00 00 01 00 00" + "a5" * 65536),
    # And where the length changes its form (section 5.2).
    (CLOSE, True, b"", "88 00"),
    (TEXT, True, b"x" * 125, "81 7d" + "78" * 125),
    (TEXT, True, b"x" * 126, "81 7e 00 7e" + "78" * 126),
    (TEXT, True, b"x" * 65535, "81 7e ff ff" + "78" * 65535),
]


def unmasked(frame: bytes) -> bytes:
    """A client's frame as the same frame of a server: the mask bit cleared, the key gone, the payload in the clear."""
    assert frame[1] & 0x80, "a client's frame is masked (section 5.3)"
    size = {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
    key, payload = frame[size : size + 4], frame[size + 4 :]
    clear = bytes(octet ^ key[index % 4] for index, octet in enumerate(payload))
    return bytes([frame[0], frame[1] & 0x7F]) + frame[2:size] + clear


@pytest.mark.parametrize(("opcode", "final", "payload", "octets"), GOLDEN)
def test_frames_are_those_of_the_rfc(opcode: int, final: bool, payload: bytes, octets: str) -> None:
    """Head, length and payload, octet for octet, once the mask is taken off."""
    assert unmasked(encode_frame(opcode, payload, final=final)) == bytes.fromhex(octets)


def test_the_masked_frame_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key that section 5.7 uses, the whole masked frame is the one that stands there."""
    monkeypatch.setattr(os, "urandom", lambda size: bytes.fromhex("37fa213d")[:size])

    assert encode_frame(TEXT, b"Hello") == bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")


def test_every_frame_has_a_fresh_mask() -> None:
    """Section 5.3 wants keys that cannot be foreseen."""
    assert len({encode_frame(TEXT, b"Hello") for _ in range(8)}) > 1


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "prefix", "again", "authority"),
    [
        ("ws://localhost", False, "localhost", 80, "", "ws://localhost:80", "localhost"),
        ("ws://localhost/", False, "localhost", 80, "", "ws://localhost:80", "localhost"),
        ("ws://localhost:8000", False, "localhost", 8000, "", "ws://localhost:8000", "localhost:8000"),
        ("wss://chat.example", True, "chat.example", 443, "", "wss://chat.example:443", "chat.example"),
        ("wss://chat.example:80", True, "chat.example", 80, "", "wss://chat.example:80", "chat.example:80"),
        ("WSS://Chat.Example/Base/", True, "chat.example", 443, "/Base", "wss://chat.example:443/Base", "chat.example"),
        ("ws://h:1/a/b//", False, "h", 1, "/a/b", "ws://h:1/a/b", "h:1"),
        ("ws://[::1]:9/x", False, "::1", 9, "/x", "ws://[::1]:9/x", "[::1]:9"),
        ("ws://127.0.0.1:80", False, "127.0.0.1", 80, "", "ws://127.0.0.1:80", "127.0.0.1"),
    ],
)
def test_urls(url: str, secure: bool, host: str, port: int, prefix: str, again: str, authority: str) -> None:
    """What they name, how they are written again, and what the Host header says."""
    found = Endpoint.parse(url)

    assert (found.secure, found.host, found.port, found.prefix) == (secure, host, port, prefix)
    assert (found.url, found.authority) == (again, authority)
    assert Endpoint.parse(found.url) == found


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is no ws:// or wss:// URL"),
        ("localhost:8000", "is no ws:// or wss:// URL"),
        ("http://localhost", "is no ws:// or wss:// URL"),
        ("https://localhost", "is no ws:// or wss:// URL"),
        ("ws:localhost", "names no host"),
        ("ws://", "names no host"),
        ("ws:///path", "names no host"),
        ("ws://:8000", "names no host"),
        ("ws://h?token=x", "has no query"),
        ("ws://h/#x", "no fragment"),
        ("ws://user@h", "no user"),
        ("ws://user:hunter2@h", "no user"),
        ("ws://:hunter2@h", "no user"),
        ("http://user:hunter2@h", "the URL is no ws:// or wss:// URL"),
        ("user:hunter2@h", "the URL is no ws:// or wss:// URL"),
        ("ws://user:hunter2@", "the URL names no host"),
        ("ws://h:99999", "[Pp]ort"),
        ("ws://h:x", "[Pp]ort"),
        ("ws://[::1", "IPv6"),
    ],
)
def test_what_is_no_base_is_told(url: str, said: str) -> None:
    """With a text that people can read, and without what may be a password."""
    with pytest.raises(ValueError, match=said) as told:
        Endpoint.parse(url)
    assert "hunter2" not in str(told.value)


# ------------------------------------------------------------------------------------------ against wrong servers


def against(answer: bytes, use: Callable[[Wire], Any]) -> Any:
    """What a wire makes of a server that says the same to everybody and then closes."""

    async def main() -> Any:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                with suppress(trio.BrokenResourceError):
                    await stream.receive_some(65536)
                    await stream.send_all(answer)

        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, serve, listeners)
            port = listeners[0].socket.getsockname()[1]
            wire = Wire(Endpoint.parse(f"ws://127.0.0.1:{port}"), trio.current_time, lambda kind, value, at: None)
            await wire.connect()
            try:
                result = await use(wire)
            except (Unreachable, NotWebSocket) as problem:
                result = problem
            await wire.aclose()
            nursery.cancel_scope.cancel()
        return result

    return trio.run(main)


async def upgrade(wire: Wire) -> tuple[int, str]:
    answer, _ = await wire.upgrade("/v1/chat/x", [("Sec-WebSocket-Protocol", "chat.v2")], websocket=True)
    return answer.status, answer.body


def test_an_http_answer_is_an_answer() -> None:
    """Whatever its status; its body is read to its end, chunked or not, or cut off by the close."""
    plain = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}more"
    chunked = b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    endless = b"HTTP/1.1 401 No\r\n\r\n{}"

    assert against(plain, upgrade) == (404, "{}")
    assert against(chunked, upgrade) == (400, "{}")
    assert against(endless, upgrade) == (401, "{}")


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"", Unreachable, "without an answer"),
        (b"HTTP/1.1 1", Unreachable, "without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Unreachable, "without an answer"),
        (b"220 mail.example ESMTP\r\n\r\n", NotWebSocket, "is not HTTP"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", NotWebSocket, "is not HTTP"),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            NotWebSocket,
            "Sec-WebSocket-Accept",
        ),
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", NotWebSocket, "Sec-WebSocket-Accept"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1024 * 1024 + 1), NotWebSocket, "over 1 MiB"),
    ],
)
def test_what_is_no_websocket_server_is_told(answer: bytes, kind: type[Exception], said: str) -> None:
    """By kind: nothing came, no HTTP came, or an upgrade that RFC 6455 section 4.1 does not let a client accept."""
    found = against(answer, upgrade)

    assert isinstance(found, kind)
    assert said in str(found)


def test_nothing_listening_is_told() -> None:
    """With the reason that the system gives."""

    async def main() -> None:
        wire = Wire(Endpoint.parse("ws://127.0.0.1:1"), trio.current_time, lambda kind, value, at: None)
        await wire.connect()

    with pytest.raises(Unreachable, match="refused"):
        trio.run(main)


def waited(use: Callable[[Wire], Any]) -> tuple[str, float]:
    """What a wire says, and after how many seconds, of a transport on which nothing ever comes."""

    async def main() -> tuple[str, float]:
        wire = Wire(Endpoint.parse("wss://127.0.0.1:1"), trio.current_time, lambda kind, value, at: None)
        # Nobody is at the other end of it; it takes what is sent.
        wire._stream, _far = trio.testing.memory_stream_pair()
        began = trio.current_time()
        with pytest.raises(Unreachable) as told:
            await use(wire)
        return str(told.value), trio.current_time() - began

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for its answer, nor for its connection, nor for its TLS."""

    async def never(*_: Any, **__: Any) -> None:
        await trio.sleep_forever()

    async def silent(*_: Any, **__: Any) -> trio.abc.Stream:
        return trio.testing.memory_stream_pair()[0]

    assert waited(upgrade) == ("no answer within 10 s", 10.0)
    monkeypatch.setattr(trio, "open_tcp_stream", never)
    assert waited(Wire.connect) == ("no connection within 10 s", 10.0)
    monkeypatch.setattr(trio, "open_tcp_stream", silent)
    assert waited(Wire.connect) == ("no connection within 10 s", 10.0)


# --------------------------------------------------------------------------------------------- below the messages


def with_peer(peer: Callable[[trio.SocketStream], Any], use: Callable[[Wire], Any], *, narrow: bool = False) -> Any:
    """What a use of a wire comes to, whose other end a peer holds."""

    async def main() -> Any:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, peer, listeners)
            port = listeners[0].socket.getsockname()[1]
            wire = Wire(Endpoint.parse(f"ws://127.0.0.1:{port}"), trio.current_time, lambda kind, value, at: None)
            await wire.connect(narrow=narrow)
            result = await use(wire)
            await wire.aclose()
            nursery.cancel_scope.cancel()
        return result

    return trio.run(main)


def test_bytes_may_go_out_one_at_a_time() -> None:
    """Each in a segment of its own, as far as the peer reads as fast as we write."""
    arrived: list[bytes] = []
    read = trio.Event()

    async def peer(stream: trio.SocketStream) -> None:
        while sum(map(len, arrived)) < 8:
            arrived.append(bytes(await stream.receive_some()))
        read.set()

    async def use(wire: Wire) -> None:
        await wire.send_bytes(b"12345678", 1)
        await read.wait()

    with_peer(peer, use)

    assert b"".join(arrived) == b"12345678"


def test_who_has_finished_still_reads() -> None:
    """The peer sees the end, and what it says then arrives."""

    async def peer(stream: trio.SocketStream) -> None:
        assert await stream.receive_some() == b""
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async def use(wire: Wire) -> int:
        await wire.finish()
        answer = await wire.answer()
        assert answer is not None
        return answer.status

    assert with_peer(peer, use) == 400


@pytest.mark.parametrize("said", [b"", b"no HTTP\r\n\r\n"])
def test_an_end_without_an_answer_is_none(said: bytes) -> None:
    """Nothing, or what is no HTTP, in place of an answer to what was no request."""

    async def peer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(said)

    async def use(wire: Wire) -> Any:
        await wire.send_bytes(b"This is no request\r\n\r\n")
        return await wire.answer()

    assert with_peer(peer, use) is None


def test_a_narrow_connection_holds_little() -> None:
    """Its window and its segments are small from the first on: by these the peer's system sizes its own buffer."""

    async def peer(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async def use(wire: Wire) -> tuple[int, int]:
        sock = wire._stream._socket  # type: ignore[union-attr]
        window = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        return window, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)

    narrow, wide = (with_peer(peer, use, narrow=choice) for choice in (True, False))

    assert narrow[0] <= 16 * 1024 < wide[0]
    assert narrow[1] <= 536 < wide[1]
