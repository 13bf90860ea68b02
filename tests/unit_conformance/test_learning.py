"""Learning: machines found again from answers, what is believed of these, and how it is told beside the document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pydot
import pytest
import trio
from attrs import define, evolve, field

from conformance.asking import Heard, Output, expected_of
from conformance.commands.learn import LEARN
from conformance.inference import infer
from conformance.learned import KINDS, Told
from conformance.learning import Contradiction, Learned, Lessons
from conformance.machines import Machine, deviations, named, shortest
from conformance.plan import Plan
from spec.abstraction import CLOSED, Input, Layer, Mealy, difference, hsi
from spec.exits import Exit, Stop
from tests.unit_conformance.kit import STAGES, arranged, plan

Play = Callable[["Server", tuple[Input, ...], Heard], Heard]


@define
class Server:
    """A server that is a machine; `play` may change what it says."""

    machine: Machine
    plan: Plan
    play: Play = lambda server, word, heard: heard
    asked: int = 0
    words: list[tuple[Input, ...]] = field(factory=list)

    @property
    def layer(self) -> Layer:
        return self.plan.layer

    async def ask(self, word: Sequence[Input], known: Sequence[Output] = ()) -> Heard:
        self.asked += 1
        self.words.append(tuple(word))
        await trio.lowlevel.checkpoint()
        over = self.machine.after(word) in self.machine.final
        return self.play(self, tuple(word), Heard(self.machine.outputs(word), over))


def learnt(server: Server, extra: int = 0) -> Machine:
    """What is learnt of a server, its states named."""

    async def main() -> Machine:
        lessons = Lessons(server, 200)  # type: ignore[arg-type]
        await lessons.ask(hsi(server.layer.machine, extra))
        return await infer(lessons, extra)

    return named(trio.run(main), server.layer.machine)


def changed(**changes: tuple[str, Output]) -> Server:
    """A server like the document but for some steps, named `state__input` by the input's name."""
    stage = "message"
    table = dict(plan(stage).layer.machine.table)
    for key, step in changes.items():
        state, _, name = key.partition("__")
        found = [k for k in table if k[0].replace(".", "_") == state and _called(k[1]) == name]
        assert found, key
        table.update(dict.fromkeys(found, step))
    return Server(Mealy("start", table, frozenset({CLOSED})), plan(stage))


def _called(wanted: Input) -> str:
    return f"{wanted.name or wanted.kind}_{wanted.classes['payload']}" if "payload" in wanted.classes else wanted.name


FRESH, EXPIRING = "connected.v2.fresh", "connected.v2.expiring"


# ------------------------------------------------------------------------------------------------------- learning


@pytest.mark.parametrize("stage", STAGES)
def test_a_server_that_is_the_documents_machine(stage: str) -> None:
    """It is found as it is, and hardly anything is asked beside the suite of the document."""
    server = Server(plan(stage).layer.machine, plan(stage))
    found = learnt(server)

    assert difference(server.layer.machine, found) is None
    assert set(found.states) == set(server.layer.machine.states)
    assert deviations(server.layer.machine, found) == []
    assert server.asked < 2 * len(hsi(server.layer.machine))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"authenticating__malformed": ("authenticating", ("error MESSAGE_INVALID",))}, ["open", "malformed"]),
        ({"authenticating__chat_message_valid": (FRESH, ("chat_message",))}, ["open", "chat_message"]),
        ({"authenticating__other": ("authenticating", ())}, ["open", "other"]),
        ({"connected_v2_fresh__malformed": (CLOSED, ("the transport ended",))}, ["open", "auth", "malformed"]),
        ({"connected_v2_expiring__other": (FRESH, ("error MESSAGE_UNKNOWN_TYPE",))}, ["open", "auth", "other", "wait"]),
    ],
)
def test_a_server_with_a_fault(changes: dict[str, tuple[str, Output]], word: list[str]) -> None:
    """What it really does is found, and the shortest exchange that shows it."""
    server = changed(**changes)
    found = learnt(server)
    trace = shortest(server.layer, found)

    assert difference(server.machine, found) is None
    assert trace is not None
    assert [wanted.name or wanted.kind for wanted in trace.word] == word
    assert trace.expected[:-1] == trace.observed[:-1]
    assert trace.expected[-1] != trace.observed[-1]
    assert trace.rules
    assert {one.state.replace(".", "_") for one in deviations(server.layer.machine, found)} == {
        key.partition("__")[0] for key in changes
    }


def test_a_state_that_the_document_has_not() -> None:
    """A server that ends a connection at the second mistake is found where one state more is looked for."""
    once = changed(connected_v2_expiring__malformed=("warned", ("error MESSAGE_INVALID",)))
    table = {**once.machine.table}
    for (state, wanted), step in plan("message").layer.machine.table.items():
        if state == EXPIRING:
            table["warned", wanted] = (CLOSED, step[1]) if wanted.name == "malformed" else step
    server = evolve(once, machine=Mealy("start", table, frozenset({CLOSED})))
    found = learnt(server, extra=1)

    assert difference(server.machine, found) is None
    assert set(found.states) - set(server.layer.machine.states) == {f"{EXPIRING} (2)"}


# ------------------------------------------------------------------------------------------------------ believing


def test_what_is_said_once_and_not_again_is_not_believed() -> None:
    """A server is not another machine because of one late answer."""

    def late(server: Server, word: tuple[Input, ...], heard: Heard) -> Heard:
        return Heard(((),), False) if server.asked == 7 else heard

    server = evolve(Server(plan("message").layer.machine, plan("message")), play=late)

    assert difference(server.layer.machine, learnt(server)) is None


def test_a_server_that_contradicts_itself() -> None:
    """It is told in which exchange, with both answers."""

    def fickle(server: Server, word: tuple[Input, ...], heard: Heard) -> Heard:
        said = heard.outputs
        if len(said) == 2 and word[-1].name == "other" and server.words.count(word) % 2:
            return Heard((said[0], ("error MESSAGE_INVALID", "close 1008")), True)
        return heard

    server = evolve(Server(plan("message").layer.machine, plan("message")), play=fickle)
    with pytest.raises(Contradiction) as raised:
        learnt(server)

    assert {answers[-1] for answers in raised.value.answers} == {
        ("error AUTH_REQUIRED", "close 1008"),
        ("error MESSAGE_INVALID", "close 1008"),
    }


def test_what_waits_too_long_is_taken_from_the_document() -> None:
    """And told as such."""

    def endless(server: Server, word: tuple[Input, ...], heard: Heard) -> Heard:
        waits = [index for index, wanted in enumerate(word) if wanted.kind == "wait"]
        return Heard(heard.outputs[: waits[1]], False, endless=True) if len(waits) > 1 else heard

    server = evolve(Server(plan("message").layer.machine, plan("message")), play=endless)

    async def main() -> Lessons:
        lessons = Lessons(server, 200)  # type: ignore[arg-type]
        await lessons.ask(hsi(server.layer.machine))
        return lessons

    assumed = trio.run(main).assumed
    assert assumed
    assert all([wanted.kind for wanted in word].count("wait") == 2 for word in assumed)


@pytest.mark.parametrize(
    ("heard", "expected", "output"),
    [
        ([("recipe_update", False), ("recipe_update", True)], ("recipe_update",), ("recipe_update",)),
        ([("recipe_update", True)], ("recipe_update",), ("recipe_update",)),
        ([("recipe_update", True), ("chat_message", False)], ("chat_message",), ("chat_message",)),
        ([("error A", False), ("close 1008", False)], ("error A",), ("error A", "close 1008")),
        ([("recipe_update", True), ("other", False)], None, ("other",)),
    ],
)
def test_what_comes_unasked_is_an_answer_only_where_it_is_expected(
    heard: list[tuple[str, bool]], expected: Output | None, output: Output
) -> None:
    """Messages that a server may send at any time say nothing of what it was asked."""
    assert expected_of(heard, expected) == output


# -------------------------------------------------------------------------------------------------------- telling


def told(server: Server, contradiction: Contradiction | None = None) -> Told:
    machine = learnt(server) if contradiction is None else None
    layer = evolve(server.layer, left_out=("a thing: why",))
    learned = Learned(layer, machine, contradiction, 12, 1, ((*_word(server, "open", "wait"),),), 1.5)
    return Told(arranged("rollout=message"), learned)


@cache
def told_of_a_fault() -> Told:
    return told(changed(authenticating__malformed=("authenticating", ("error MESSAGE_INVALID",))))


def _word(server: Server, *names: str) -> list[Input]:
    """Inputs of the document that lead to a state each, by their names."""
    state, word = "start", []
    for name in names:
        inputs = server.layer.machine.inputs(state)
        wanted = next(w for w in inputs if (w.name or w.kind) == name and w.classes.get("offer") in {None, "chat.v2"})
        word.append(wanted)
        state = server.layer.machine.after([wanted], state)
    return word


def test_equivalent() -> None:
    """Both machines are told, and no difference."""
    found = told(Server(plan("message").layer.machine, plan("message")))
    data = json.loads(found.report("json"))

    assert (found.verdict, found.exit) == ("equivalent", Exit.CONFORMANT)
    assert (data["trace"], data["differences"], data["states"]) == (None, [], {"document": 5, "server": 5})
    assert len(data["machines"]["server"]["transitions"]) == len(plan("message").layer.machine.table)
    assert data["left_out"] == ["a thing: why"]
    assert "verdict: the server implements the document's machine" in found.report("text")
    assert "waits too long, taken from the document: open(" in found.report("text")


def test_different() -> None:
    """The shortest exchange, the rule of the document's step, and every row that differs."""
    found = told_of_a_fault()
    data, text = json.loads(found.report("json")), found.report("text")

    assert (found.verdict, found.exit) == ("different", Exit.NONCONFORMANT)
    assert data["trace"]["rules"][0] == "CHAT-AUTH-3"
    assert data["trace"]["steps"][-1] == {
        "input": "malformed",
        "document": ["error MESSAGE_INVALID", "close 1008"],
        "server": ["error MESSAGE_INVALID"],
    }
    assert [(row["state"], row["input"]) for row in data["differences"]] == [("authenticating", "malformed")]
    assert "CHAT-AUTH-3 MUST" in text
    assert "error MESSAGE_INVALID → authenticating" in text
    assert "verdict: the server implements another machine" in text


def test_contradictory() -> None:
    """Both answers to the exchange, side by side."""
    server = Server(plan("message").layer.machine, plan("message"))
    word = tuple(_word(server, "open", "other"))
    answers = ((("101 chat.v2",), ("error A", "close 1008")), (("101 chat.v2",), ()))
    found = told(server, Contradiction(word, answers))
    text = found.report("text")

    assert (found.verdict, found.exit) == ("contradictory", Exit.NONCONFORMANT)
    assert "the server answered the same exchange in two ways:" in text
    assert "error A, close 1008" in text
    assert "silence" in text
    assert json.loads(found.report("json"))["contradiction"]["inputs"] == [str(wanted) for wanted in word]
    assert "server" not in found.report("mermaid")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_diagrams() -> None:
    """Both machines in each; refused inputs are one edge of a state, differing ones are drawn and marked."""
    found = told_of_a_fault()
    mermaid, dot = found.report("mermaid"), found.report("dot")
    [graph] = pydot.graph_from_dot_data(dot) or []

    assert [cluster.get_name() for cluster in graph.get_subgraphs()] == ["cluster_document", "cluster_server"]
    red = [e for c in graph.get_subgraphs() for e in c.get_edges() if e.get_attributes().get("color") == "red"]
    assert sorted(edge.get_attributes()["label"] for edge in red) == [
        '"malformed / error MESSAGE_INVALID"',
        '"malformed / error MESSAGE_INVALID, close 1008"',
    ]
    assert "    server_1 --> server_1 : ≠ malformed / error MESSAGE_INVALID\n" in mermaid
    assert "    document_1 --> document_4 : 19 inputs / refused or closed\n" in mermaid
    for line in mermaid.splitlines()[1:]:
        name, _, label = line.strip().partition(" : ")
        assert not set(label) & set(":;{}\"'#<>[]"), line
        assert all(part.replace("_", "").isalnum() for part in name.split(" --> ") if part not in {"[*]", "}"}) or (
            name.startswith("state ")
        )
    assert set(KINDS) == {"text", "json", "mermaid", "dot"}


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install."""
    monkeypatch.setitem(sys.modules, "aalpy", None)
    arguments: Any = object()
    with pytest.raises(Stop, match=r"learning needs AALpy\n  pip install 'handfast\[learn\]'") as stop:
        LEARN.run(arguments)

    assert stop.value.exit is Exit.USAGE
