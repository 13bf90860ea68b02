"""The gate from the outside: the worked example of the documentation as it stands there, and how a gate ends early.

Without `HANDFAST_MATRIX=all` the last stage of the example alone, at which most is said.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import frozen
from jsonschema_rs import validator_for

from conformance.gating.outcome import SCHEMA
from conformance.gating.verdict import FIRST
from spec.cli import main
from spec.exits import Exit
from tests.extent import ALL
from tests.matrix.kit import ROOT, SECRET
from tests.test_command import Ended, environment, handfast, reference

PAGE = (ROOT / "docs/rollout.md").read_text()
QUICK = ("--set", "auth_deadline=700ms")

Address = Callable[[str], str]


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    """The address of a reference server at a stage, started when first asked for."""
    addresses: dict[str, str] = {}
    with ExitStack() as stack:

        def address(stage: str) -> str:
            if stage not in addresses:
                addresses[stage], _ = stack.enter_context(reference(*QUICK, "--set", f"rollout={stage}"))
            return addresses[stage]

        yield address


def blocks(kind: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@frozen
class Told:
    """What the page promises of a command: what it prints, a line that ends in an ellipsis only so far."""

    lines: Sequence[str]

    def holds(self, printed: str) -> bool:
        said = printed.splitlines()
        return all(
            any(line.startswith(wanted.removesuffix("…").rstrip()) for line in said)
            if wanted.endswith("…")
            else wanted in said
            for wanted in self.lines
        )


FILE, ALLOWED = blocks("toml")
STAGES = PAGE.partition("## Worked example")[2].split("**Legacy.**")[1]
TOLD = [Told(block.splitlines()[1:]) for block in blocks("console", STAGES)]
# Stage of the gate -> the server that is wrong there and what is said of it, and what is said of the right one.
EXAMPLE = {
    "legacy": ("message", TOLD[0], TOLD[1]),
    "dual": ("legacy", TOLD[2], TOLD[3]),
    "message": ("dual", TOLD[4], TOLD[5]),
}


@pytest.mark.parametrize("stage", EXAMPLE if ALL else ["message"])
def test_a_team_moves_from_legacy_through_dual_to_message(
    tmp_path: Path, server: Address, stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At each stage the gate stops the wrong server with the reason, and lets the right one out.

    The command runs in this process, which spares its start; each target has one of its own anyway.
    """

    def gated(reports: str, stage: str) -> Ended:
        words = ("gate", "release/gate.toml", "--shrink", "0", "--reports", reports, "--report", "github:annotations")
        code = main([*words, "--url", f"staging={server(stage)}"])
        return Ended(code, *capsys.readouterr())

    monkeypatch.setenv("CHAT_SECRET", SECRET)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.chdir(tmp_path)
    wrong, stopped, go = EXAMPLE[stage]
    gate = tmp_path / "release" / "gate.toml"
    gate.parent.mkdir()
    gate.write_text(FILE.replace('"legacy"', f'"{stage}"'))

    refused = gated("wrong", wrong)
    gate.write_text(gate.read_text() + ALLOWED)
    passed = gated("right", stage)

    assert stopped.lines
    assert stopped.holds(refused.out), refused.said
    assert refused.code == (Exit.UNREACHABLE if stage == "legacy" else Exit.NONCONFORMANT)
    assert go.holds(passed.out), passed.said
    assert passed.code == Exit.CONFORMANT
    schema = validator_for(json.loads(SCHEMA.read_text()))
    for folder, verdict, ended in (("wrong", "stop", refused), ("right", "go", passed)):
        report = json.loads((tmp_path / folder / "gate.json").read_text())
        schema.validate(report)
        assert (report["verdict"], report["exit"]) == (verdict, ended.code)
        run = json.loads((tmp_path / folder / "staging.json").read_text())
        assert report["targets"][0]["counts"] == run["counts"]
        assert main(["report", f"{folder}/gate.json", "--as", "markdown"]) == Exit.CONFORMANT
        assert capsys.readouterr().out == (tmp_path / folder / "gate.md").read_text()
    told = [(tmp_path / folder / "gate.md").read_text() for folder in ("wrong", "right")]
    assert (tmp_path / "summary").read_text() == "".join(told)
    assert (tmp_path / "annotations").read_text() == f"::notice title=handfast gate::{go.lines[0]}\n"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET not in path.read_text(), path
            assert "eyJ" not in path.read_text(), path


def test_the_page_promises_something_of_every_command() -> None:
    """Its blocks are those that the test above plays; a promise that is not kept is seen."""
    assert len(TOLD) == 2 * len(EXAMPLE)
    assert all(told.lines for told in TOLD)
    assert not TOLD[0].holds("\n".join(TOLD[1].lines))
    assert Told(["Stop: a …"]).holds("Stop: a, b\n")
    assert not Told(["Stop: a …"]).holds("Go: a\n")


def test_the_page_lists_the_reasons_in_the_order_of_their_codes() -> None:
    """Which is the one by which a gate ends; and every kind of reason is there."""
    rows = re.findall(r"^\| (`.*?) \| .* \| (\d+) \|$", PAGE, re.MULTILINE)
    codes = list(dict.fromkeys(int(code) for _, code in rows))
    schema = json.loads(SCHEMA.read_text())

    assert codes == [int(code) for code in FIRST]
    assert {name for names, _ in rows for name in re.findall("`([a-z]+)`", names)} == {
        *schema["$defs"]["reason"]["properties"]["kind"]["enum"]
    }


def test_a_gate_that_is_interrupted_says_so(tmp_path: Path) -> None:
    """With the code of an interruption, and with its reports; what it has begun ends with it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = FILE.replace("8080", str(silent.getsockname()[1]))
        (tmp_path / "gate.toml").write_text(text + text[text.index("[[target]]") :].replace("staging", "other"))
        with subprocess.Popen(
            [sys.executable, "-m", "spec", "gate", "gate.toml"],
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(ROOT), CHAT_SECRET=SECRET),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "staging is being checked" in process.stderr.readline()
            # The check has begun when it knocks.
            with silent.accept()[0]:
                process.send_signal(signal.SIGINT)
                out, err = process.communicate()

    assert process.returncode == Exit.INTERRUPTED, err
    assert "Traceback" not in out + err
    assert "staging was not checked, since the gate was interrupted" in out
    assert "other was not checked, since the gate was interrupted" in out
    report = json.loads((tmp_path / "handfast-gate/gate.json").read_text())
    assert [reason["kind"] for reason in report["reasons"]] == ["interrupted", "interrupted"]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The one that the package has."""
    assert main(["gate", "--schema"]) == Exit.CONFORMANT
    assert capsys.readouterr().out == SCHEMA.read_text()


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """Every line that is wrong, before anything is sent, and no report."""
    (tmp_path / "gate.toml").write_text('[documents]\nnew = "chat"\n\n[policy]\ntier = "gold"\n')
    ended = handfast(tmp_path, "gate", "gate.toml")

    assert ended.code == Exit.USAGE
    assert "gate.toml:5: [policy] `tier` is one of nothing, token, mint" in ended.err
    assert "no target is named" in ended.err
    assert not (tmp_path / "handfast-gate").exists()
