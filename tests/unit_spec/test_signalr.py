"""The SignalR binding: the published frames, every cut of them, round trips, and the codec of the real client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.bindings.json import decode as read_json
from spec.bindings.signalr.handshake import HandshakeRequest, HandshakeResponse, encode_handshake, read_request
from spec.bindings.signalr.messages import (
    ABSENT,
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Malformed,
    Message,
    Ping,
    Sequence,
    StreamInvocation,
    StreamItem,
    Unknown,
    decode,
    encode,
)
from spec.bindings.signalr.negotiation import (
    Negotiated,
    Redirected,
    Refused,
    Transport,
    encode_answer,
    read_answer,
    served_version,
)
from spec.bindings.signalr.protocol import Event, Fault, Hub, Misuse, Phase
from spec.bindings.signalr.records import Broken, Records, terminated

# -------------------------------------------------------------------------------- what HubProtocol.md shows, verbatim

EXAMPLES = """\
{
    "type": 1,
    "invocationId": "123",
    "target": "Send",
    "arguments": [
        42,
        "Test Message"
    ]
}

{
    "type": 1,
    "target": "Send",
    "arguments": [
        42,
        "Test Message"
    ]
}

{
    "type": 1,
    "invocationId": "123",
    "target": "Send",
    "arguments": [
        42
    ],
    "streamIds": [
        "1"
    ]
}

{
    "type": 1,
    "headers": {
        "Foo": "Bar"
    },
    "invocationId": "123",
    "target": "Send",
    "arguments": [
        42,
        "Test Message"
    ]
}

{
    "type": 4,
    "invocationId": "123",
    "target": "Send",
    "arguments": [
        42,
        "Test Message"
    ]
}

{
    "type": 2,
    "invocationId": "123",
    "item": 42
}

{
    "type": 3,
    "invocationId": "123"
}

{
    "type": 3,
    "invocationId": "123",
    "result": 42
}

{
    "type": 3,
    "invocationId": "123",
    "error": "It didn't work!"
}

{
    "type": 5,
    "invocationId": "123"
}

{
    "type": 6
}

{
    "type": 7
}

{
    "type": 7,
    "error": "Connection closed because of an error!"
}

{
    "type": 7,
    "error": "Connection closed because of an error!",
    "allowReconnect": true
}

{
    "type": 8,
    "sequenceId": 1394
}

{
    "type": 9,
    "sequenceId": 1234
}
"""

SHOWN: list[Message] = [
    Invocation("Send", [42, "Test Message"], "123"),
    Invocation("Send", [42, "Test Message"]),
    Invocation("Send", [42], "123", ["1"]),
    Invocation("Send", [42, "Test Message"], "123", headers={"Foo": "Bar"}),
    StreamInvocation("Send", [42, "Test Message"], "123"),
    StreamItem("123", 42),
    Completion("123"),
    Completion("123", 42),
    Completion("123", error="It didn't work!"),
    CancelInvocation("123"),
    Ping(),
    Close(),
    Close("Connection closed because of an error!"),
    Close("Connection closed because of an error!", True),
    Ack(1394),
    Sequence(1234),
]
PUBLISHED = [*zip(EXAMPLES.strip().split("\n\n"), SHOWN, strict=True)]


@pytest.mark.parametrize(("text", "message"), PUBLISHED)
def test_published_messages_are_read_and_written(text: str, message: Message) -> None:
    """Each example of the text is read as what it shows, and written as an object equal to it."""
    assert decode(text) == message
    assert read_json(encode(message).removesuffix("\x1e")) == json.loads(text)


def test_published_handshakes() -> None:
    """The examples of the text, and the two of real peers."""
    assert read_request('{\n    "protocol": "messagepack",\n    "version": 1\n}') == HandshakeRequest("messagepack", 1)
    assert encode_handshake(HandshakeRequest()) == '{"protocol":"json","version":1}\x1e'
    assert encode_handshake(HandshakeResponse()) == "{}\x1e"
    refusal = HandshakeResponse("Requested protocol 'messagepack' is not available.")
    assert Hub("client").receive(encode_handshake(refusal)) == [refusal]


def test_published_negotiations() -> None:
    """The examples of TransportProtocols.md, whole, and what an answer of each version names as ticket."""
    transports = [
        {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
        {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
        {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
    ]
    name, token = "807809a5-31bf-470d-9e23-afaee35d8a0d", "05265228-1e2c-46c5-82a1-6a5bcc3f0143"
    old = {"connectionId": name, "negotiateVersion": 0, "availableTransports": transports}
    new = {"connectionToken": token, **old, "negotiateVersion": 1}
    for body, ticket in ((old, name), (new, token)):
        answer = read_answer(body)
        assert isinstance(answer, Negotiated)
        assert answer.ticket == ticket
        assert answer.transports[1] == Transport("ServerSentEvents", ("Text",))
        assert encode_answer(answer) == body
    others: list[tuple[dict[str, str], Redirected | Refused]] = [
        (
            {"url": "https://myapp.com/chat", "accessToken": "accessToken"},
            Redirected("https://myapp.com/chat", "accessToken"),
        ),
        ({"url": "https://myapp.com/chat"}, Redirected("https://myapp.com/chat")),
        ({"error": "This connection is not allowed."}, Refused("This connection is not allowed.")),
    ]
    for refused, said in others:
        assert read_answer(refused) == said
        assert encode_answer(said) == refused


# ------------------------------------------------------------------------------------------------------ malformed

MALFORMED = [
    "",
    "{",
    "[]",
    "null",
    '"{}"',
    "{}",
    '{"type":"1","target":"a","arguments":[]}',
    '{"type":true}',
    '{"type":1.5}',
    '{"type":1e999}',
    '{"type":null}',
    '{"type":1,"arguments":[]}',
    '{"type":1,"target":1,"arguments":[]}',
    '{"type":1,"target":"a"}',
    '{"type":1,"target":"a","arguments":{}}',
    '{"type":1,"target":"a","arguments":null}',
    '{"type":1,"target":"a","arguments":[],"invocationId":7}',
    '{"type":1,"target":"a","arguments":[],"streamIds":[1]}',
    '{"type":1,"target":"a","arguments":[],"headers":{"a":1}}',
    '{"type":2,"item":1}',
    '{"type":2,"invocationId":"1"}',
    '{"type":3}',
    '{"type":3,"invocationId":"1","result":1,"error":"e"}',
    '{"type":3,"invocationId":"1","error":1}',
    '{"type":4,"target":"a","arguments":[]}',
    '{"type":5}',
    '{"type":7,"allowReconnect":"true"}',
    '{"type":8}',
    '{"type":8,"sequenceId":-1}',
    '{"type":9,"sequenceId":"1"}',
    '{"type":6}{"type":6}',
    '{"type":NaN}',
]


@pytest.mark.parametrize("record", MALFORMED)
def test_malformed_records_are_refused(record: str) -> None:
    """What lacks a required member, or has one of another type, is no message."""
    with pytest.raises(Malformed):
        decode(record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"type":6,"more":1}', Ping()),
        ('{"type":6.0}', Ping()),
        ('{"type":42,"target":1}', Unknown(42)),
        ('{"type":0}', Unknown(0)),
        ('{"type":1,"target":"a","arguments":[],"invocationId":null}', Invocation("a", [])),
        ('{"type":3,"invocationId":"1","result":null}', Completion("1", None)),
        ('{"type":7,"error":null,"allowReconnect":null}', Close()),
        ('{"type":8,"sequenceId":1.0}', Ack(1)),
        ('\n{"type":6}  ', Ping()),
    ],
)
def test_lenience_is_deliberate(record: str, message: Message | Unknown) -> None:
    """Unnamed members and types are ignored, null is absent where a member is optional, and 1.0 is an integer."""
    assert decode(record) == message


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{}", '{"protocol":"json"}', '{"version":1}', '{"protocol":1,"version":1}', '{"type":1,"target":"a"}']
    + [f'{{"protocol":"json","version":{version}}}' for version in ('"1"', "true", "null", "1.5")],
)
def test_malformed_handshakes_are_refused(record: str) -> None:
    """A request needs both members; a version is an integer."""
    with pytest.raises(Malformed):
        read_request(record)


@pytest.mark.parametrize(
    ("protocol", "version", "spoken"),
    [("json", 1, True), ("json", 2, False), ("messagepack", 1, False), ("", 0, False)],
)
def test_what_is_spoken(protocol: str, version: int, spoken: bool) -> None:
    """This binding speaks `json`, version 1."""
    assert HandshakeRequest(protocol, version).spoken is spoken


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"connectionId": 1, "availableTransports": []},
        {"connectionId": "", "availableTransports": []},
        {"connectionId": "a"},
        {"connectionId": "a", "availableTransports": ["WebSockets"]},
        {"connectionId": "a", "availableTransports": [{"transport": "WebSockets"}]},
        {"connectionId": "a", "availableTransports": [{"transport": "WebSockets", "transferFormats": [1]}]},
        {"connectionId": "a", "negotiateVersion": 1, "availableTransports": []},
        {"connectionId": "a", "negotiateVersion": 2, "connectionToken": "b", "availableTransports": []},
        {"connectionId": "a", "negotiateVersion": True, "connectionToken": "b", "availableTransports": []},
        {"url": 1},
        {"url": "http://a", "accessToken": 1},
        {"error": 1},
    ],
)
def test_malformed_negotiations_are_refused(body: Any) -> None:
    """An answer has what its version needs."""
    with pytest.raises(Malformed):
        read_answer(body)


@pytest.mark.parametrize(
    ("asked", "served"),
    [(None, 0), ("0", 0), ("00", 0), ("1", 1), ("01", 1), ("2", 1), ("9" * 5000, 1)]
    + [(bad, None) for bad in ("", "x", "-1", "1.0", " 1", "+1", "١", "1e0")],
)
def test_negotiated_versions(asked: str | None, served: int | None) -> None:
    """None asked is version 0, one above the newest is answered the newest, and what is no number nothing."""
    assert served_version(asked) == served


# --------------------------------------------------------------------------------------------------- round trips

TEXT = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def _or_absent(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(ABSENT) | strategy


def _messages(name: st.SearchStrategy[str]) -> dict[int, st.SearchStrategy[Any]]:
    """The messages of each type, with names and ids of a strategy."""
    arguments = st.lists(VALUES, max_size=3)
    streams = _or_absent(st.lists(name, max_size=2))
    headers = _or_absent(st.dictionaries(TEXT, TEXT, max_size=2))
    ended = st.tuples(_or_absent(VALUES), st.just(ABSENT)) | st.tuples(st.just(ABSENT), name)
    return {
        1: st.builds(Invocation, name, arguments, _or_absent(name), streams, headers),
        2: st.builds(StreamItem, name, VALUES, headers),
        3: st.builds(lambda name, how, headers: Completion(name, how[0], how[1], headers), name, ended, headers),
        4: st.builds(StreamInvocation, name, arguments, name, streams, headers),
        5: st.builds(CancelInvocation, name, headers),
        6: st.just(Ping()),
        7: st.builds(Close, _or_absent(name), _or_absent(st.booleans())),
        8: st.builds(Ack, st.integers(0, 2**53)),
        9: st.builds(Sequence, st.integers(0, 2**53)),
    }


MESSAGES = st.one_of(*_messages(TEXT).values())


@given(MESSAGES)
def test_what_is_written_is_read(message: Message) -> None:
    """Every message comes back as it was, from one record."""
    (record,) = Records().receive(encode(message))

    assert decode(record) == message


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1e")), max_size=4), st.data())
def test_every_cut_of_the_bytes_gives_the_same_records(texts: list[str], data: st.DataObject) -> None:
    """Where frames end means nothing: not within a record, nor within a character."""
    wire = "".join(map(terminated, texts)).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=8)))
    records = Records()
    frames = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    assert [record for frame in frames for record in records.receive(frame)] == texts
    assert not records.unfinished


def test_a_conversation_cut_at_every_byte() -> None:
    """A handshake and messages in one frame, cut in two at each place, are read alike."""
    calls: list[Message] = [Invocation("Send", ["ü", "🍲"], "1"), Ping(), Close("bye 🍲", False)]
    said: list[Event] = [HandshakeRequest(), *calls]
    wire = encode_handshake(HandshakeRequest()) + "".join(map(encode, calls))
    octets = wire.encode()
    for cut in range(len(octets) + 1):
        hub = Hub("server")
        assert hub.receive(octets[:cut]) + hub.receive(octets[cut:]) == said


@given(st.integers(0, 12), st.lists(st.text("aü🍲", max_size=5), max_size=4), st.data())
def test_what_is_too_large_is_told_as_soon_as_it_is(largest: int, texts: list[str], data: st.DataObject) -> None:
    """The limit itself passes; the first byte over it is told, finished or not, and nothing is read behind it."""
    wire = "".join(map(terminated, texts)).encode()
    cut = data.draw(st.integers(0, len(wire)))
    records = Records(largest)
    ended = records.receive(wire[:cut])
    sizes = [len(text.encode()) for text in texts]
    over = next((number for number, size in enumerate(sizes) if size > largest), None)
    first = None if over is None else sum(size + 1 for size in sizes[:over]) + largest + 1

    assert (records.broken is Broken.OVERSIZE) == (first is not None and cut >= first)
    ended += records.receive(wire[cut:])
    assert ended == texts[:over]
    assert records.broken is (None if over is None else Broken.OVERSIZE)


def test_a_separator_in_a_string_is_escaped() -> None:
    """A record cannot end within a string."""
    message = Invocation("a\x1eb", ["\x1e"])

    assert encode(message).count("\x1e") == 1
    assert decode(encode(message)[:-1]) == message
    with pytest.raises(ValueError, match="0x1E"):
        terminated("a\x1eb")


# --------------------------------------------------------------------------------------------------------- roles


def test_two_sides_talk() -> None:
    """A client need not wait for the answer to its handshake; a server's answer and messages may share a frame."""
    client, server = Hub("client"), Hub("server")
    frame = client.send(HandshakeRequest()) + client.send(Ping()) + client.send(Invocation("GetConnection", [], "0"))
    assert server.receive(frame) == [HandshakeRequest(), Ping(), Invocation("GetConnection", [], "0")]
    frame = server.send(HandshakeResponse()) + server.send(Completion("0", None)) + server.send(Close("bye", True))
    assert client.receive(frame) == [HandshakeResponse(), Completion("0", None), Close("bye", True)]
    assert client.heard is Phase.CLOSED
    assert client.receive(encode(Ping())) == []


@pytest.mark.parametrize(
    ("role", "before", "event"),
    [
        ("client", [], Ping()),
        ("server", [], Ping()),
        ("client", [], HandshakeResponse()),
        ("server", [], HandshakeRequest()),
        ("client", [HandshakeRequest()], HandshakeRequest()),
        ("server", [HandshakeResponse("no")], Ping()),
        ("server", [HandshakeResponse(), Close()], Ping()),
    ],
)
def test_what_may_not_be_said_is_misuse(role: Any, before: list[Any], event: Any) -> None:
    """Out of turn, by the wrong role, or after the end: an error of whoever asks for it."""
    hub = Hub(role)
    for earlier in before:
        hub.send(earlier)
    with pytest.raises(Misuse):
        hub.send(event)


def _binary(hub: Hub) -> list[Event]:
    return hub.receive_binary()


BREACHES: list[tuple[Callable[[Hub], list[Event]], Fault]] = [
    (lambda hub: hub.receive('{"type":6}\x1e[]\x1e{"type":6}\x1e')[1:], Fault("the record is no JSON object")),
    (lambda hub: hub.receive("x" * 65), Fault("the record is too large", oversize=True)),
    (lambda hub: hub.receive(b"\xff\x1e"), Fault("the record is not UTF-8")),
    (_binary, Fault("the frame is binary")),
]


@pytest.mark.parametrize(("breach", "fault"), BREACHES)
def test_nothing_is_read_behind_a_breach(breach: Callable[[Hub], list[Event]], fault: Fault) -> None:
    """The fault is the last event, and what comes behind it is dropped."""
    hub = Hub("server", largest=64)
    hub.receive(encode_handshake(HandshakeRequest()))

    assert breach(hub) == [fault]
    assert hub.receive(encode(Ping())) == []
    assert hub.receive_binary() == []


def test_a_fault_quotes_nothing() -> None:
    """What was wrong is told without the words of whoever sent it."""
    (fault,) = Hub("server").receive('{"protocol":{"secret":"hunter2"}}\x1e')

    assert isinstance(fault, Fault)
    assert "hunter2" not in fault.text


def test_a_message_before_the_answer_to_the_handshake_is_a_breach() -> None:
    """The first record of a server is the answer to the handshake."""
    (fault,) = Hub("client").receive(encode(Ping()))

    assert isinstance(fault, Fault)


# ------------------------------------------------------------------------------------------- the real client's codec


@pytest.fixture(scope="module")
def real(node: str) -> Iterator[Callable[[Any], Any]]:
    """Asks the codec of @microsoft/signalr; None where it refuses."""
    script = Path(__file__).with_name("signalr_codec.mjs")
    with subprocess.Popen([node, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(question: Any) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        assert process.stdin is not None
        process.stdin.close()


# The real codec wants names and ids that are not empty, and a client is never sent types 4 and 5.
_REAL = _messages(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
_TO_CLIENTS = st.one_of(*(strategy for number, strategy in _REAL.items() if number not in (4, 5)))


@pytest.mark.node
@settings(deadline=None)
@given(message=_TO_CLIENTS)
def test_the_real_client_reads_what_we_write(real: Callable[[Any], Any], message: Message) -> None:
    """Every message for a client is one to @microsoft/signalr, and the same."""
    text = encode(message)

    assert real({"read": text + text}) == [json.loads(text[:-1])] * 2


@pytest.mark.node
@settings(deadline=None)
@given(message=st.one_of(*_REAL.values()))
def test_we_read_what_the_real_client_writes(real: Callable[[Any], Any], message: Message) -> None:
    """Every message that @microsoft/signalr writes is read as what it was given."""
    (record,) = Records().receive(real({"write": json.loads(encode(message)[:-1])}))

    assert decode(record) == message


@pytest.mark.node
def test_what_the_real_client_refuses_is_refused(real: Callable[[Any], Any]) -> None:
    """Ours is the stricter of the two: nothing that it refuses passes here, but for names that are empty."""
    for record in MALFORMED:
        real({"read": terminated(record)})
    refused = [record for record in MALFORMED if real({"read": terminated(record)}) is None]
    lenient = [record for record in MALFORMED if record not in refused]

    assert {'{"type":"1","target":"a","arguments":[]}', '{"type":3}', '{"type":2,"item":1}', "{"} <= {*refused}
    assert {'{"type":1,"target":"a"}', '{"type":8,"sequenceId":-1}'} <= {*lenient}
    for text, _ in PUBLISHED:
        assert real({"read": terminated(text)}) is not None


@pytest.mark.node
def test_the_real_client_shakes_hands_with_us(real: Callable[[Any], Any]) -> None:
    """Its handshake is read here, and ours there, with what follows in the same frame."""
    hub = Hub("server")
    assert hub.receive(real({"shake": {"protocol": "json", "version": 1}})) == [HandshakeRequest()]
    rest, response = real({"shaken": hub.send(HandshakeResponse()) + hub.send(Ping())})

    assert (rest, response) == (encode(Ping()), {})
