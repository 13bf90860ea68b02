"""Reports as a user has them: every kind of one run, exit codes, and what a leaking server cannot put into them."""

from __future__ import annotations

import json
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from jsonschema_rs import validator_for
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from conformance import failures, learned, sidebyside
from conformance.gating.outcome import FORMAT as GATE_FORMAT
from conformance.gating.outcome import SCHEMA as GATE_SCHEMA
from conformance.mutating import matrix
from conformance.reporting import KINDS
from spec.cli import main
from spec.exits import Exit
from tests.matrix.kit import ROOT, SECRET, serving
from tests.matrix.kit import check as checked
from tests.test_command import Ended, handfast
from tests.unit_conformance.test_reporting import folded_back, junit, schema_of

DIFF_SCHEMA = ROOT / "spec/format/diff.schema.json"
TABLE = (ROOT / "docs/reports.md").read_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kind of report of one run against a server that throws every token back."""
    folder = tmp_path_factory.mktemp("run")
    reports = [word for kind in KINDS for word in ("--report", f"{kind}:report.{kind}")]
    chosen = [word for glob in ("tokens", "timers", "opening", "rooms") for word in ("--run", glob)]
    with serving("chat_websockets", "message", "token-echoed") as address:
        found = checked(address, "message", folder, *chosen, "--shrink", "1", *reports)
    assert found.code == 1
    (folder / "output").write_text(found.output)
    return folder


def test_every_report_of_one_run_tells_the_same_numbers(run: Path) -> None:
    """And a report made again from the stream is the one that the run wrote."""
    texts = {kind: (run / f"report.{kind}").read_text() for kind in KINDS}
    counts = {kind: dict(folded_back(kind, texts[kind])) for kind in KINDS if kind != "junit"}
    [expected] = {json.dumps(found, sort_keys=True) for found in counts.values()}
    told = json.loads(expected)

    sums = junit(texts["junit"])
    assert sums["tests"] == sum(told.values())
    assert sums["failures"] == told["fail"]
    assert sums["skipped"] == told.get("not applicable", 0)
    for kind in KINDS:
        again = handfast(run, "report", "report.jsonl", "--as", kind)
        assert (again.code, again.out) == (0, texts[kind]), kind


def test_a_run_satisfies_the_published_schemas(run: Path) -> None:
    """Those that the command prints; and every member of a real run is described in them."""
    for kind in ("json", "jsonl"):
        assert json.loads(handfast(run, "report", "--as", kind, "--schema").out)["$schema"].endswith("2020-12/schema")
        schema = validator_for(schema_of(kind))
        text = (run / f"report.{kind}").read_text()
        for value in map(json.loads, text.splitlines()) if kind == "jsonl" else [json.loads(text)]:
            schema.validate(value)
    assert handfast(run, "report", "--as", "html", "--schema").code == Exit.USAGE


def test_nothing_that_leaks_is_in_any_file(run: Path) -> None:
    """Reports, failures, output: no token, no part of one that a line of it would show, no key."""
    for path in run.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "eyJ" not in text, path
            assert SECRET not in text, path


@contextmanager
def shouting() -> Iterator[str]:
    """A server whose answers are no HTTP, and quote all that it was sent."""

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = connection.recv(65536).decode("latin-1").replace("\r\n", " ")
                connection.sendall(f"NO {head} and the key is {SECRET}\r\n\r\n".encode("latin-1"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_an_answer_that_is_no_http_leaks_nothing(tmp_path: Path) -> None:
    """Not through the texts of errors either, on the terminal or in reports."""
    with shouting() as address:
        words = ("--protocol", "chat", "--secret", "env:SERVER_SECRET", "--set", "rollout=legacy")
        reports = [word for kind in KINDS for word in ("--report", f"{kind}:report.{kind}")]
        ended = handfast(tmp_path, "check", address, *words, *reports)

    assert ended.code == Exit.UNREACHABLE
    written = ended.said + "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "eyJ" not in written
    assert SECRET not in written


PLANTED = 'a "planted" secret/with+signs & spaces'


@contextmanager
def blabbing() -> Iterator[str]:
    """A server that says its key to everybody, in headers, messages and close reasons, as it is and encoded."""
    ways = {PLANTED, json.dumps(PLANTED), quote(PLANTED), b64encode(PLANTED.encode()).decode(), PLANTED[5:25]}

    def blab(connection: ServerConnection) -> None:
        for way in sorted(ways):
            connection.send(json.dumps({"type": "error", "payload": {"code": way, "message": f"{'x' * 30} {way}"}}))
        connection.close(1008, PLANTED)

    def with_header(connection: ServerConnection, request: Request, response: Response) -> Response:
        response.headers["X-Key"] = quote(PLANTED)
        return response

    with serve(blab, "127.0.0.1", 0, process_response=with_header) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


GATE = """[documents]
new = "chat"
[[target]]
name = "eu"
url = "URL"
tokens = {secret = "env:PLANTED"}
run = {level = "smoke", run = ["opening/offer/none/**"]}
"""


def test_a_planted_secret_is_in_nothing_that_any_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of check, replay, compare and gate: reports, failures and all that they say.

    The commands run in this process, which spares their start; the gate's target has one of its own.
    """

    def run(*words: str) -> Ended:
        return Ended(main(words), *capsys.readouterr())

    monkeypatch.setenv("PLANTED", PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    words = ("--protocol", "chat", "--secret", "env:PLANTED", "--run", "opening/offer/none/**", "--level", "smoke")
    reports = [word for kind in KINDS for word in ("--report", f"{kind}:report.{kind}")]
    with blabbing() as url:
        (tmp_path / "gate.toml").write_text(GATE.replace("URL", url))
        ran = run("check", url, *words, "--shrink", "0", *reports)
        saved = next((tmp_path / "handfast-failures").iterdir())
        replayed = run("replay", str(saved), "--secret", "env:PLANTED")
        alike = run("compare", url, url, *words, "--report", "json:compared.json")
        stopped = run("gate", "gate.toml", "--shrink", "0", "--report", "github:annotations")

    assert (ran.code, replayed.code, stopped.code) == (1, 1, 1), ran.said + replayed.said + stopped.said
    # On a busy machine a server and itself may have nothing left that can be compared.
    assert alike.code in (0, 1, 4), alike.said
    written = {str(path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    written |= {"check": ran.said, "replay": replayed.said, "compare": alike.said, "gate": stopped.said}
    assert len(written) > 20
    for name, text in written.items():
        for start in range(len(PLANTED) - 15):
            assert PLANTED[start : start + 16] not in text, name
            assert json.dumps(PLANTED)[1:-1][start : start + 16] not in text, name
        assert quote(PLANTED) not in text, name
        assert b64encode(PLANTED.encode()).decode()[:24] not in text, name
    assert "secret>" in written[str(tmp_path / "report.json")]
    assert "secret>" in replayed.said


def test_a_report_goes_to_standard_output_alone(run: Path) -> None:
    """So that it can be piped."""
    made = handfast(run, "report", "report.jsonl", "--as", "sarif", "--output", "-")

    assert json.loads(made.out)["version"] == "2.1.0"
    assert made.err == ""


# ------------------------------------------------------------------------------------------------ what is written


def rows(title: str) -> dict[str, list[str]]:
    """The rows of a table of the page, by their first cells."""
    section = TABLE.partition(f"## {title}")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if "|" in line]
    cells = [[cell.strip().strip("`") for cell in line] for line in lines]
    return {row[0]: row[1:] for row in cells[2:]}


def test_the_kinds_of_reports_are_in_the_table() -> None:
    """Each with the version of its format and the schema that it satisfies."""
    others = {
        "gate` json": [GATE_FORMAT, GATE_SCHEMA.name],
        "diff` json": [_format(DIFF_SCHEMA), DIFF_SCHEMA.name],
        "compat` json": ["handfast-compat/1", "-"],
        "compare` json": [str(sidebyside.FORMAT), "-"],
        "learn` json": [str(learned.FORMAT), "-"],
        "mutate` json": [str(matrix.FORMAT), "-"],
        "replay` file": [str(failures.FORMAT), "-"],
    }
    assert {name: row[:2] for name, row in rows("Kinds").items()} == others | {
        kind.name: [kind.version, kind.schema] for kind in KINDS.values()
    }


def _format(schema: Path) -> str:
    return str(json.loads(schema.read_text())["properties"]["format"]["const"])


def test_the_exit_codes_are_in_the_table() -> None:
    """As they are."""
    assert {int(code): row[0] for code, row in rows("Exit codes").items()} == {int(code): code.meaning for code in Exit}


def test_the_formats_are_as_old_as_the_table_says(run: Path) -> None:
    """The number that a report carries is the one that the page promises."""
    [first] = {json.loads(line)["format"] for line in (run / "report.jsonl").read_text().splitlines()[:1]}
    assert str(first) == KINDS["jsonl"].version == KINDS["json"].version
    assert re.search(r'"format": 1\b', (run / "report.json").read_text())


# -------------------------------------------------------------------------------------------------------- baseline


def test_the_life_of_a_baseline(tmp_path: Path) -> None:
    """Written from a run, it lets the same failures through, and goes when they are mended."""
    chosen = ("--run", "rooms", "--shrink", "0", "--report", "jsonl:r.jsonl")
    update = ("baseline", "update", "known.toml", "--from", "r.jsonl")
    with serving("chat_websockets", "message", "reauth-joins-twice") as address:
        assert checked(address, "message", tmp_path, *chosen).code == 1
        assert handfast(tmp_path, *update, "--reason", "copies are doubled").code == 0
        again = checked(address, "message", tmp_path, *chosen, "--baseline", "known.toml")
    with serving("chat_websockets", "message") as address:
        mended = checked(address, "message", tmp_path, *chosen, "--baseline", "known.toml")

    assert (again.code, again.report["verdict"]) == (0, "conformant"), again.output
    assert again.report["counts"]["known"] > 0
    assert mended.code == 1
    assert "is fixed" in mended.report["baseline"]["misfits"][0]
    assert "remove the entry" in mended.output
    assert handfast(tmp_path, *update).code == 0
    assert "[[known]]" not in (tmp_path / "known.toml").read_text()
