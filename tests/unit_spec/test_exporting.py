"""Exports: each is read by the tools that it is for, says what the document says, and is stale when that changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spec.authoring.exporting.asyncapi import api
from spec.authoring.exporting.jsonschema import bundle
from spec.authoring.exporting.kinds import KINDS, export
from spec.authoring.exporting.python import text as python_text
from spec.authoring.exporting.typescript import text as typescript_text
from spec.authoring.outlining import Outline, legality, outline, side_name
from spec.cli import main
from spec.loading import available, find, read
from spec.messages import Reader
from spec.strategies import Bodies
from tests.unit_spec.kit import chat

TESTS = Path(__file__).parents[1]
PACKAGED = [f"{entry.name}@{entry.version}" for entry in available()]


@cache
def laid_out(name: str = "chat") -> Outline:
    return outline(read(find(name)))


def edited(**sections: Any) -> Outline:
    """Chat with sections laid over its own, as a document that says what no packaged one does."""
    found = laid_out()
    return Outline({**found.data, **sections}, found.digest, found.states, found.receive)


def spoken(kind: str, folder: Path, *documents: Outline, walks: Any = ()) -> list[Mapping[str, Any]]:
    """What a tool of Node's says of the export of each document."""
    paths = []
    for number, document in enumerate(documents):
        paths.append(folder / f"export-{number}{KINDS[kind].suffix}")
        paths[-1].write_text(export(document, kind), encoding="utf-8")
    return read_by_node(kind, *paths, walks=walks)


def read_by_node(kind: str, *paths: Path, walks: Any = ()) -> list[Mapping[str, Any]]:
    """What a tool of Node's says of each file."""
    command = ["node", str(TESTS / "unit_spec" / "exports.mjs"), kind, json.dumps(walks), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TESTS)
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("kind", KINDS)
def test_every_document_has_every_export(name: str, kind: str) -> None:
    """Always the same, and stamped with the document's digest."""
    first = export(laid_out(name), kind)

    assert export(outline(read(find(name))), kind) == first
    assert laid_out(name).digest in first


# ------------------------------------------------------------------------------------------------------ jsonschema


def validators(document: Outline) -> dict[str, jsonschema_rs.Validator]:
    """A validator for each definition of the bundle."""
    whole = bundle(document)
    return {
        name: jsonschema_rs.validator_for({"$ref": f"#/$defs/{name}", "$defs": whole["$defs"]}, validate_formats=True)
        for name in whole["$defs"]
    }


@pytest.mark.parametrize("name", PACKAGED)
def test_the_bundle_is_a_schema(name: str) -> None:
    """Of JSON Schema 2020-12, with every reference in it."""
    whole = bundle(laid_out(name))

    assert jsonschema_rs.meta.is_valid(whole)
    assert set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(whole))) <= set(whole["$defs"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_bundle_takes_what_the_reader_takes(data: st.DataObject) -> None:
    """Valid messages and broken ones, of each type."""
    bodies, reader, schemas = Bodies(chat()), Reader(chat(), "client"), validators(laid_out())
    name = data.draw(st.sampled_from(sorted(laid_out().messages("client"))))
    body = data.draw(bodies.valid(name, {}))
    if data.draw(st.booleans()):
        body, _ = data.draw(bodies.mutated(name, body))
    read = reader.read_value(body)

    assert schemas[side_name("client", name)].is_valid(body) == (read.valid and read.input == name)


def test_the_bundle_refuses_what_the_receiver_refuses() -> None:
    """Unknown members are refused exactly where the document says so."""
    messages = json.loads(json.dumps(laid_out().data["messages"]))
    messages["auth"]["client"]["unknown_members"] = {"treatment": "refuse"}
    body = {"type": "auth", "id": "1", "timestamp": "2026-01-01T00:00:00Z", "payload": {"token": "t", "more": 1}}

    assert validators(laid_out())["ClientAuth"].is_valid(body)
    assert not validators(edited(messages=messages))["ClientAuth"].is_valid(body)
    assert validators(edited(messages=messages))["ClientAuth"].is_valid({**body, "payload": {"token": "t"}})


FLAT: Mapping[str, Any] = {
    "definitions": {
        "tree": {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/definitions/tree"}}}}
    },
    "wire": {
        "binding": "json",
        "envelope": {
            "discriminator": "/type",
            "payload": "",
            "client": {"schema": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}},
            "server": {"schema": {"type": "object"}},
        },
    },
    "messages": {
        "grow-it": {
            "client": {
                "payload": {
                    "type": "object",
                    "required": ["tree", "class"],
                    "properties": {
                        "tree": {"$ref": "#/definitions/tree"},
                        "class": {"enum": ["a", 1, None]},
                        "size": {"type": ["integer", "null"], "minimum": 0},
                        "named": {"type": "object", "additionalProperties": {"type": "number"}},
                    },
                },
            },
        },
        "grown": {"server": {"payload": {"type": "object", "properties": {}}}},
    },
}
"""Flat messages, a definition that refers to itself, and names that are no identifiers."""


def test_flat_messages_are_united_with_their_envelope() -> None:
    """And may refer to definitions, which come along."""
    valid = validators(edited(**FLAT))["ClientGrowIt"].is_valid

    assert valid({"type": "grow-it", "tree": {"below": [{}, {"below": []}]}, "class": None})
    assert not valid({"type": "grow", "tree": {}, "class": "a"})
    assert not valid({"type": "grow-it", "tree": {"below": [1]}, "class": "a"})
    assert not valid({"type": "grow-it", "tree": {}})


# ---------------------------------------------------------------------------------------------------------- asyncapi


@pytest.mark.node
def test_asyncapi_is_accepted(tmp_path: Path) -> None:
    """By the parser of its makers, who read from it which messages are legal in which state."""
    documents = [laid_out(name) for name in PACKAGED]
    for document, found in zip(documents, spoken("asyncapi", tmp_path, *documents), strict=True):
        assert found["problems"] == []
        for state, messages in legality(document).sent.items():
            assert found["operations"].get(f"receive_{state.replace('.', '_')}", []) == list(messages)


@pytest.mark.node
def test_a_wrong_asyncapi_is_not(tmp_path: Path) -> None:
    """The parser finds a reference that leads nowhere."""
    wrong = json.dumps(api(laid_out())).replace('"#/components/schemas/ClientAuth"', '"#/components/schemas/Nothing"')
    (tmp_path / "wrong.json").write_text(wrong)
    [found] = read_by_node("asyncapi", tmp_path / "wrong.json")

    assert found["problems"] != []


# -------------------------------------------------------------------------------------------------------- typescript

USE = """\
import type { AllowedIn, ClientMessage, CloseCode, ServerMessage } from "./made";
import { ErrorCode, allowed, errors } from "./made";
export function show(message: ServerMessage): string {
  switch (message.type) {
    case "chat_message": return message.payload.content;
    case "recipe_update": return String(message.payload.revision + 1);
    case "auth_required": return message.payload.expires_at;
    case "error": return message.payload.code === ErrorCode.AUTH_TIMEOUT ? "late" : message.payload.message;
  }
}
const head = { id: "1", timestamp: "2026-01-01T00:00:00Z" };
export const auth: AllowedIn<"authenticating"> = { ...head, type: "auth", payload: { token: "t" } };
export const every: ClientMessage = auth;
export const again: boolean = errors[ErrorCode.RATE_LIMITED].retryable;
export const names: readonly ["auth"] = allowed.authenticating;
export const code: CloseCode = 1008;
"""
MISUSE = {
    "a message that the state does not allow": 'export const x: AllowedIn<"authenticating">["type"] = "chat_message";',
    "a payload that lacks a member": 'export const x: ClientMessage = { ...head, type: "auth", payload: {} };',
    "a type that nobody sends": 'export const x: ServerMessage["type"] = "gossip";',
    "a close code that is never sent": "export const x: CloseCode = 1000;",
}


def compiled(folder: Path, module: str, use: str) -> str:
    """What the compiler says of a module and a program that uses it; empty where it says nothing."""
    (folder / "made.ts").write_text(module, encoding="utf-8")
    (folder / "use.ts").write_text(use, encoding="utf-8")
    return compiler(folder, "made.ts", "use.ts")


def compiler(folder: Path, *modules: str) -> str:
    """What the compiler says of modules, at its strictest."""
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
    path = TESTS / "node_modules" / "typescript" / "bin" / "tsc"
    command = ["node", str(path), *options, "--noUnusedLocals", *modules]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder).stdout


@pytest.mark.node
def test_typescript_compiles_and_narrows(tmp_path: Path) -> None:
    """Strictly: a switch over what the server sends is complete, and each misuse is an error of its own line."""
    use = USE + "".join(
        f"{{ // @ts-expect-error: {why}\n{line.removeprefix('export ')} void x; }}\n" for why, line in MISUSE.items()
    )

    assert compiled(tmp_path, typescript_text(laid_out()), use) == ""
    assert "error TS" in compiled(tmp_path, typescript_text(laid_out()), USE + MISUSE["a type that nobody sends"])


@pytest.mark.node
def test_typescript_of_odd_documents_compiles(tmp_path: Path) -> None:
    """Flat messages, definitions that refer to themselves, names that are no identifiers."""
    use = 'import type { ClientGrowIt } from "./made";'
    use += 'export const x: ClientGrowIt = { type: "grow-it", class: 1, tree: { below: [{}] } };'

    assert compiled(tmp_path, typescript_text(edited(**FLAT)), use) == ""


@pytest.mark.node
def test_typescript_of_every_document_compiles(tmp_path: Path) -> None:
    """With nothing to use it."""
    for number, name in enumerate(PACKAGED):
        (tmp_path / f"made-{number}.ts").write_text(typescript_text(laid_out(name)), encoding="utf-8")

    assert compiler(tmp_path, *[f"made-{number}.ts" for number in range(len(PACKAGED))]) == ""


# ------------------------------------------------------------------------------------------------------------ python

PYTHON_USE = """\
from made import ALLOWED, CloseCode, ClientAuth, ErrorCode, RETRYABLE, ServerMessage, State

def show(message: ServerMessage) -> str:
    if message["type"] == "chat_message":
        return message["payload"]["content"]
    return message["type"]

auth: ClientAuth = {"type": "auth", "id": "1", "timestamp": "", "payload": {"token": "t"}}
assert "auth" in ALLOWED[State.AUTHENTICATING] and not RETRYABLE[ErrorCode.TOKEN_INVALID]
code: CloseCode = 1008
"""
PYTHON_MISUSE = 'wrong: ClientAuth = {"type": "auth", "id": "1", "timestamp": "", "payload": {}}\n'


def typed(folder: Path, module: str, use: str) -> str:
    """What mypy says of a module and a program that uses it, which is run as well."""
    (folder / "made.py").write_text(module, encoding="utf-8")
    (folder / "use.py").write_text(use, encoding="utf-8")
    subprocess.run([sys.executable, "use.py"], check=True, cwd=folder)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        "",
        "--cache-dir",
        "cache",
        "use.py",
        "made.py",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder).stdout


def test_python_is_typed(tmp_path: Path) -> None:
    """Strictly; a union narrows by its discriminator, and a payload that lacks a member is an error."""
    assert "Success" in typed(tmp_path, python_text(laid_out()), PYTHON_USE)
    said = typed(tmp_path, python_text(laid_out()), PYTHON_USE + PYTHON_MISUSE)
    assert 'Missing key "token"' in said


def test_python_of_odd_documents_is_typed(tmp_path: Path) -> None:
    """Flat messages, definitions that refer to themselves, names that are no identifiers or Python's own words."""
    use = 'from made import ClientGrowIt\nx: ClientGrowIt = {"type": "grow-it", "class": 1, "tree": {"below": [{}]}}\n'

    assert "Success" in typed(tmp_path, python_text(edited(**FLAT)), use)


@pytest.mark.parametrize("name", PACKAGED)
def test_python_of_every_document_runs(name: str) -> None:
    """As a module, in whose tables every state stands."""
    found: dict[str, Any] = {}
    exec(compile(python_text(laid_out(name)), name, "exec"), found)

    assert {str(state) for state in found["ALLOWED"]} == set(laid_out(name).leaves)


# ---------------------------------------------------------------------------------------------------------- diagrams

# The lines that `stateDiagram-v2` has been seen to take, as they are written here.
MERMAID = [
    r"%% .*",
    r"stateDiagram-v2",
    r"state \"[^\"]+\" as s\d+ \{",
    r"\}",
    r"s\d+ : [^:;#%{}<>`]+",
    r"\[\*\] --> s\d+",
    r"(\[\*\]|s\d+) --> (\[\*\]|s\d+) : ([^:;#%{}<>`\"]|<br/>)+",
]


@pytest.mark.parametrize("name", PACKAGED)
def test_mermaid_has_the_lines_that_mermaid_takes(name: str) -> None:
    """Every state is declared once, in braces that match, before an arrow names it."""
    lines = [line.strip() for line in export(laid_out(name), "mermaid").splitlines()]

    assert [line for line in lines if not any(re.fullmatch(known, line) for known in MERMAID)] == []
    assert sum(line.endswith("{") for line in lines) == lines.count("}")
    declared = [found for line in lines if (found := re.match(r'(?:state ".*" as )?(s\d+)(?: \{| : )', line))]
    names = [found[1] for found in declared]
    assert len(names) == len(set(names)) == len(laid_out(name).states) + 1
    assert {
        name for line in lines if "-->" in line for name in re.findall(r"\bs\d+\b", line.partition(" : ")[0])
    } <= set(names)


def test_mermaid_of_names_that_it_does_not_take() -> None:
    """Labels lose the signs that are Mermaid's own."""
    states = {"default": {"text": "", "receive": {"a:b;#{}": [{"do": [], "to": "await-auth"}]}}, "await-auth": {}}
    found = laid_out()
    odd = Outline(found.data, found.digest, dict(_states_of(states)), {})
    lines = [line.strip() for line in export(odd, "mermaid").splitlines()]

    assert [line for line in lines if not any(re.fullmatch(known, line) for known in MERMAID)] == []
    assert "s1 --> s2 : a b" in lines


def _states_of(states: Mapping[str, Any]) -> list[tuple[str, Any]]:
    from spec.authoring.outlining.outline import _states

    return [(state.path, state) for state in _states(states, "", {})]


@pytest.mark.node
def test_graphviz_draws_it(tmp_path: Path) -> None:
    """A node for each state that a connection can be in, beside the start, the end and any state."""
    documents = [laid_out(name) for name in PACKAGED]
    for document, found in zip(documents, spoken("dot", tmp_path, *documents), strict=True):
        assert found["problems"] == []
        assert 0 <= found["nodes"] - len(document.leaves) - 2 <= 1


WALKS: list[tuple[list[dict[str, str]], Any]] = [
    ([], "start"),
    ([{"type": "open"}], {"open": "authenticating"}),
    ([{"type": "open", "path": "other"}], "closed"),
    ([{"type": "open"}, {"type": "chat_message"}], "closed"),
    ([{"type": "open"}, {"type": "binary"}], "closed"),
    ([{"type": "open"}, {"type": "auth", "token": "expired"}], "closed"),
    ([{"type": "open"}, {"type": "auth"}], {"open": {"connected": {"v2": "fresh"}}}),
    ([{"type": "open"}, {"type": "auth"}, {"type": "other"}], {"open": {"connected": {"v2": "fresh"}}}),
    ([{"type": "open"}, {"type": "auth"}, {"type": "auth", "subject": "other"}], "closed"),
    ([{"type": "open", "version": "v1"}], {"open": {"connected": "v1"}}),
    ([{"type": "open", "version": "v1"}, {"type": "auth", "in": "connected.v1"}], {"open": {"connected": "v1"}}),
]


@pytest.mark.node
def test_xstate_walks_as_the_document_says(tmp_path: Path) -> None:
    """Openings, messages and their guards lead where the cases lead."""
    [found] = spoken("xstate", tmp_path, laid_out(), walks=[events for events, _ in WALKS])

    assert found["problems"] == []
    assert found["ends"] == [end for _, end in WALKS]


@pytest.mark.node
def test_xstate_takes_every_document(tmp_path: Path) -> None:
    """Every target of it exists."""
    for found in spoken("xstate", tmp_path, *[laid_out(name) for name in PACKAGED], walks=[[]]):
        assert found == {"problems": [], "ends": ["start"]}


# ----------------------------------------------------------------------------------------------------------- command


def test_an_export_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` passes what was just written, and says why it fails another."""
    path = tmp_path / "deep" / "chat.ts"
    words = ["export", "chat", "--to", "typescript", "--output", str(path)]

    assert main(words) == 0
    assert path.read_text(encoding="utf-8") == typescript_text(laid_out())
    assert main([*words, "--check"]) == 0
    made = path.read_text()
    for wrong, why in (
        (made.replace("RATE_LIMITED", "RATE"), "it was edited"),
        (made.replace(laid_out().digest, "0" * 64), "the document has changed"),
        ("export {};", "does not say which document"),
    ):
        path.write_text(wrong)
        assert main([*words, "--check"]) == 1
        assert why in capsys.readouterr().out
        assert path.read_text() == wrong
    path.unlink()
    assert main([*words, "--check"]) == 1
    assert "No such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("chta", "--to", "dot"), "did you mean `chat`?"),
        (("chat", "--to", "dott"), "invalid choice"),
        (("chat", "--to", "dot", "--check"), "which file is to be checked?"),
        (("chat", "--to", "dot", "--output", "/dev/null/x"), "/dev/null/x: "),
    ],
)
def test_what_is_mistyped_is_told(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with the exit code of a usage error."""
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_document_with_problems_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its problems are told."""
    (tmp_path / "bad.yaml").write_text("handfast: 1\n")

    assert main(["export", str(tmp_path / "bad.yaml"), "--to", "dot"]) == 2
    assert "bad.yaml:1:1" in capsys.readouterr().err


def test_the_command_knows_every_kind() -> None:
    """Its choices are written down apart, so that `--help` loads nothing."""
    from spec.authoring.exporting import command

    assert set(command._KINDS) == set(KINDS)
