"""What stands in other people's CI: the action's steps and the template in their shells, hooks, a container's file."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ci.action import Refused, arguments, inputs
from spec.cli import main
from tests.unit_conformance.kit import SECRET
from tests.unit_conformance.orders import serving, written

ROOT = Path(__file__).parent.parent
SHELLS = {"bash": ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")}
"""How a runner calls the shells that a step may name."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HOSTILE = "; touch pwned #$(touch pwned)`touch pwned`"


def read(name: str) -> Any:
    return YAML(typ="safe").load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return written(tmp_path_factory.mktemp("documents"))


@pytest.fixture(scope="module")
def urls(documents: Mapping[str, Path]) -> Iterator[Mapping[str, str]]:
    with serving(documents) as found:
        yield found


def program(path: Path, text: str) -> Path:
    """An executable for a shell to find."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


# ------------------------------------------------------------------------------------------------------ the action

ACTION = read("action.yml")
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}


def step(name: str, folder: Path, given: Mapping[str, str], **more: str) -> tuple[int, str, dict[str, str]]:
    """Run a step of the action as a runner does; gives its exit code, what it printed, and its outputs."""
    asked = STEPS[name]
    known = {f"inputs.{key}": given.get(key, one.get("default", "")) for key, one in ACTION["inputs"].items()}
    known["github.action_path"] = str(ROOT)

    def evaluated(text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], text)

    script = folder / "step.sh"
    script.write_text(asked["run"], encoding="utf-8")
    files = {"GITHUB_OUTPUT": folder / "output", "GITHUB_STEP_SUMMARY": folder / "summary"}
    for path in files.values():
        path.write_text("")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")},
        "RUNNER_TEMP": str(folder / "runner"),
        "PYTHONPATH": str(ROOT),
        **{name: str(path) for name, path in files.items()},
        **{name: evaluated(value) for name, value in asked["env"].items()},
        **more,
    }
    command = [*SHELLS[asked["shell"]], str(script)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^(\S+)<<(?:end-\w+)\n(.*?)\nend-\w+$", files["GITHUB_OUTPUT"].read_text(), re.M | re.S))
    return done.returncode, done.stdout + done.stderr, found


def ran(folder: Path, given: Mapping[str, str], **more: str) -> tuple[int, str, dict[str, str]]:
    """The step that runs handfast, in an environment that the step before has made."""
    program(folder / "runner/handfast/bin/python", f'exec {sys.executable} "$@"')
    return step("Run Handfast", folder, given, ORDERS_SECRET=SECRET, **more)


def test_no_input_is_text_of_a_script() -> None:
    """Every input is a variable of a step, and no script has an expression in it."""
    used = {value for one in STEPS.values() for value in one["env"].values()}

    assert not [name for name, one in STEPS.items() if "${{" in one["run"]]
    assert used == {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]} | {"${{ github.action_path }}"}
    assert {one["shell"] for one in STEPS.values()} <= set(SHELLS)
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.{STEPS['Run Handfast']['id']}.outputs.{name} }}}}"


def test_installing_asks_for_what_is_needed(tmp_path: Path) -> None:
    """An environment of its own, from the action's own source; a Python that is too old is told before."""
    log = tmp_path / "log"
    environment = tmp_path / "runner/handfast/bin/python"
    inner = f'echo "pip $@" >> {log}'
    text = f'case "$1" in -c) exec {sys.executable} "$@";; esac; echo "$@" >> {log}; mkdir -p {environment.parent}; '
    python = program(
        tmp_path / "py thon", f"{text}printf '#!/bin/sh\\n{inner}' > {environment}; chmod +x {environment}"
    )
    code, said, _ = step("Install Handfast", tmp_path, {"python": str(python)})

    assert (code, said) == (0, "")
    made, installed = log.read_text().splitlines()
    assert made == f"-m venv {tmp_path}/runner/handfast"
    assert installed.endswith(f"-m pip install --quiet --disable-pip-version-check {ROOT}")
    old = program(tmp_path / "old", "exit 1")
    code, said, _ = step("Install Handfast", tmp_path, {"python": str(old)})
    assert (code, "Python 3.11 or newer is needed" in said) == (2, True)


def test_a_conformant_server_passes_with_outputs(
    tmp_path: Path, urls: Mapping[str, str], documents: Mapping[str, Path]
) -> None:
    """Every output is there, the reports are where they say, and the step's summary is written."""
    given = {
        "url": urls["good"],
        "document": str(documents["good"]),
        "secret": "env:ORDERS_SECRET",
        "level": "smoke",
        "set": "auth_deadline=5s\n\n  reply_within = 2s  \n",
        "run": "messages/say/**\nopening/**",
        "reports": "out put",
    }
    code, said, found = ran(tmp_path, given)

    assert code == 0, said
    assert set(found) == set(ACTION["outputs"])
    assert (found["verdict"], found["exit-code"], found["failed"]) == ("conformant", "0", "0")
    assert json.loads(found["counts"])["pass"] == int(found["cases"]) > 5
    assert all(
        (tmp_path / found[kind]).stat().st_size for kind in ("jsonl", "json", "junit", "sarif", "markdown", "html")
    )
    assert "conformant" in (tmp_path / "summary").read_text()
    assert json.loads((tmp_path / found["json"]).read_text())["parameters"]["reply_within"] == "2s"
    assert SECRET not in said + "".join(path.read_text() for path in (tmp_path / "out put").iterdir())


def test_a_broken_server_fails_with_outputs_and_annotations(
    tmp_path: Path, urls: Mapping[str, str], documents: Mapping[str, Path]
) -> None:
    """What failed is annotated, and the outputs are there for the steps behind."""
    given = {"url": urls["broken"], "document": str(documents["good"]), "secret": "env:ORDERS_SECRET", "level": "smoke"}
    code, said, found = ran(tmp_path, {**given, "run": "messages/say/authenticating/**"})

    assert (code, found["verdict"], found["exit-code"]) == (1, "nonconformant", "1")
    assert int(found["failed"]) > 0
    assert re.search(r"^::error .*ORDERS-AUTH-2", said, re.M)
    assert list((tmp_path / found["reports"] / "failures").iterdir())


def test_a_gate(tmp_path: Path, urls: Mapping[str, str], documents: Mapping[str, Path]) -> None:
    """It says everything itself but where the candidates are."""
    (tmp_path / "gate.toml").write_text(
        f"""
        [documents]
        new = "{documents["good"]}"
        [[target]]
        name = "candidate"
        url = "ws://127.0.0.1:1"
        tokens = {{secret = "env:ORDERS_SECRET"}}
        run = {{level = "smoke", run = ["messages/say/**"], examples = 0}}
        """
    )
    code, said, found = ran(tmp_path, {"gate": "gate.toml", "url": f"candidate={urls['good']}"})

    assert (code, found["verdict"], found["exit-code"]) == (0, "go", "0"), said
    assert json.loads((tmp_path / found["json"]).read_text())["verdict"] == "go"
    assert (tmp_path / found["markdown"]).exists()
    assert (tmp_path / "summary").read_text() != ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": HOSTILE}, "the input `url` is no ws:// or wss:// URL"),
        ({"protocol": HOSTILE, "set": f"{HOSTILE}=1", "reports": f"x{HOSTILE}"}, "there is no protocol"),
        ({"secret": SECRET}, "the input `secret` says where a secret is"),
        ({"gate": f"--schema{HOSTILE}"}, "pwned"),
    ],
)
def test_hostile_inputs_are_words(tmp_path: Path, given: Mapping[str, str], said: str) -> None:
    """Nothing in them is a command, a flag or another output, and no secret that was given by mistake is said again."""
    (tmp_path / "handfast-reports").mkdir()
    (tmp_path / "handfast-reports/handfast.json").write_text('{"verdict": "conformant", "counts": {"pass": 9}}')
    code, told, found = ran(tmp_path, given)

    assert code == 2
    assert said in told
    assert found.get("verdict", "error") in {"error", "stop"}, "what stood there before is of another run"
    assert SECRET not in told
    assert not list(tmp_path.rglob("pwned"))


def test_no_secret_is_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the environment, the arguments of the process say where secrets are."""
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    given = {"HANDFAST_INPUT_SECRET": "env:ORDERS_SECRET", "HANDFAST_INPUT_URL": "ws://x", **os.environ}
    words = arguments(inputs(given), Path("reports"))

    assert "--secret=env:ORDERS_SECRET" in words
    assert not [word for word in words if SECRET in word]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "--report=json:x"}, "`url` is no ws:// or wss:// URL"),
        ({"url": "ws://x\n--quick"}, "`url` is no ws:// or wss:// URL"),
        ({"target": f"x\n{HOSTILE}"}, "`target` has several lines"),
        ({"token": "eyJhbGciOiJIUzI1NiJ9.e30.x"}, "`token` says where a secret is"),
        ({"gate": "gate.toml", "protocol": "chat"}, "a gate says everything itself"),
    ],
)
def test_inputs_that_are_refused(given: Mapping[str, str], said: str) -> None:
    """Before handfast is started, and without their values."""
    environment = {f"HANDFAST_INPUT_{name.upper()}": value for name, value in given.items()}
    with pytest.raises(Refused, match=said) as refused:
        arguments(inputs(environment), Path("reports"))

    assert not [value for value in given.values() if value in str(refused.value)]


def test_the_page_names_every_input_and_output() -> None:
    """And every variable of the template."""
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    named = {*ACTION["inputs"], *ACTION["outputs"], *read("ci/gitlab.yml")[".handfast"]["variables"], *HOOKS}

    assert {name for name in named if f"`{name}`" not in page} == set()


# -------------------------------------------------------------------------------------------------------- GitLab


def gitlab(folder: Path, **variables: str) -> tuple[int, list[list[str]]]:
    """Run the template's script as `sh` does; gives its exit code, and the words that handfast was called with."""
    job = read("ci/gitlab.yml")[".handfast"]
    log = folder / "words"
    program(folder / "bin/handfast", f'for word in "$@"; do printf "%s\\0" "$word" >> {log}; done; exit 7')
    environment = {**job["variables"], **variables, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    script = "\n".join(job["script"])
    done = subprocess.run(["sh", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, check=False)
    return done.returncode, [log.read_text().split("\0")[:-1]] if log.exists() else []


def test_the_template_checks(tmp_path: Path) -> None:
    """With what the variables say, each as one word, and the code of handfast as the job's own."""
    code, [words] = gitlab(tmp_path, HANDFAST_URL=HOSTILE, HANDFAST_PROTOCOL="chat", HANDFAST_TARGET="a file.toml")

    assert code == 7
    assert words[0] == "check"
    assert {"--protocol=chat", "--target=a file.toml", "--report=junit:handfast-reports/handfast.xml"} <= set(words)
    assert words[-2:] == ["--", HOSTILE]
    assert not [word for word in words if word.startswith(("--baseline", "--level", "--fail-on"))]
    assert not list(tmp_path.rglob("pwned"))


def test_the_template_gates(tmp_path: Path) -> None:
    """Where a gate is named, with where the candidate is."""
    _, [words] = gitlab(tmp_path, HANDFAST_GATE="gate.toml", HANDFAST_URL="candidate=ws://server:8080")

    assert words == ["gate", "--reports=handfast-reports", "--url=candidate=ws://server:8080", "--", "gate.toml"]


def test_the_template_keeps_the_reports() -> None:
    """Of jobs that fail above all."""
    job = read("ci/gitlab.yml")[".handfast"]

    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"] == "$HANDFAST_REPORTS/*.xml"


@pytest.mark.parametrize(("flag", "kind"), [("--report", "check"), ("--reports", "gate")])
def test_the_flags_of_the_pieces_are_there(flag: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that the action and the template write are flags of the command."""
    with pytest.raises(SystemExit):
        main([kind, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    action = (ROOT / "ci/action.py").read_text() + (ROOT / "ci/gitlab.yml").read_text()
    used = (
        {"--url", "--reports"} if kind == "gate" else set(re.findall(r'"(--[a-z-]+)=', action)) - {"--url", "--reports"}
    )

    assert flag in known
    assert used <= known


# ----------------------------------------------------------------------------------------------------------- hooks

HOOKS = {hook["id"]: hook for hook in read(".pre-commit-hooks.yaml")}


def hook(name: str, folder: Path, *files: str) -> tuple[int, str]:
    """Run a hook as pre-commit does: its entry and arguments, and then the files."""
    asked = HOOKS[name]
    program(folder / "bin/handfast", f'exec {sys.executable} -m spec "$@"')
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = [*shlex.split(asked["entry"]), *asked.get("args", ()), *files]
    command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path, documents: Mapping[str, Path]) -> Path:
    """A project of somebody's, with a document that is committed."""
    (tmp_path / "protocols").mkdir()
    shutil.copy(documents["good"], tmp_path / "protocols/orders.yaml")
    settings = ("-c", "user.name=t", "-c", "user.email=t@example")
    for words in (("init", "-q"), ("add", "protocols"), (*settings, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_hooks_pass_what_is_well(project: Path) -> None:
    """What is as it was, and what is new."""
    shutil.copy(project / "protocols/orders.yaml", project / "protocols/new.yaml")
    code, said = hook("handfast-diff", project, "protocols/orders.yaml", "protocols/new.yaml")

    assert (code, "protocols/new.yaml was not there in HEAD" in said) == (0, True)
    assert all(re.search(one["files"], "some/protocols/orders.yaml") for one in HOOKS.values())


def test_hooks_stop_what_is_not(project: Path) -> None:
    """A state that dangles, a layout that is put right (pre-commit stops where files change), a change that breaks."""
    path = project / "protocols/orders.yaml"
    text = path.read_text()
    path.write_text(text.replace("to: present", "to: presnt"))
    code, said = hook("handfast-lint", project, "protocols/orders.yaml")
    assert (code, "presnt" in said) == (2, True)
    path.write_text(text)
    assert hook("handfast-lint", project, "protocols/orders.yaml") == (0, "")
    path.write_text(text.replace("{close: 1009}", "{close:   1009}"))
    assert hook("handfast-fmt", project, "protocols/orders.yaml")[0] == 0
    assert path.read_text() == text
    path.write_text(text.replace("VERSION_UNSUPPORTED: 400", "VERSION_UNSUPPORTED: 406"))
    code, said = hook("handfast-diff", project, "protocols/orders.yaml")

    assert (code, "git:HEAD:protocols/orders.yaml" in said) == (1, True)


# ----------------------------------------------------------------------------------------------------- the container


def instructions() -> list[tuple[str, str]]:
    """The instructions of the container's file."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Containerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def test_the_container_is_built_of_what_a_wheel_needs() -> None:
    """Each package and the metadata's files, which the ignore file lets through, and nothing else of the project."""
    copied = {word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]}
    packages = {name for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"] if "." not in name}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert copied == {"pyproject.toml", PROJECT["project"]["readme"], *packages}
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert ignored[0] == "*"


def test_the_container_runs_handfast_as_nobody() -> None:
    """On a Python that the project takes, by the command that the project installs."""
    found = dict(instructions())
    oldest = tuple(map(int, re.findall(r"\d+", PROJECT["project"]["requires-python"])))
    versions = [
        tuple(map(int, re.findall(r"python:(\d+)\.(\d+)", rest)[0])) for name, rest in instructions() if name == "FROM"
    ]

    assert json.loads(found["ENTRYPOINT"])[0] in PROJECT["project"]["scripts"]
    assert all(version >= oldest for version in versions)
    assert int(found["USER"].partition(":")[0]) > 0
