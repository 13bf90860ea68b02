"""The target file: what is read, and what is told of one that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.targetfile import KEYS, read_target_file
from spec.exits import Exit, Stop

WHOLE = """
[target]
url = "wss://chat.example/base"
protocol = "chat"
ca = "authority.pem"
connections = 20
owned = true

[parameters]
auth_deadline = "700ms"
origins = ["https://app.example"]

[tokens]
secret = "env:CHAT_SECRET"
issuer = "https://issuer.example"
command = ["mint", "--for", "suite"]

[addresses]
pool = ["10.0.0.1", "10.0.0.2"]

[run]
level = "smoke"
seed = 7
skip = ["timers"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "handfast.toml"
    path.write_text(text, encoding="utf-8")
    return path


def told(path: Path) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(Stop) as stopped:
        read_target_file(path)
    assert stopped.value.exit is Exit.USAGE
    return str(stopped.value)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Every section as it stands; one that is missing is empty."""
    data = read_target_file(written(tmp_path, WHOLE))

    assert data["target"] == {
        "url": "wss://chat.example/base",
        "protocol": "chat",
        "ca": "authority.pem",
        "connections": 20,
        "owned": True,
    }
    assert data["parameters"] == {"auth_deadline": "700ms", "origins": ["https://app.example"]}
    assert data["tokens"]["command"] == ["mint", "--for", "suite"]
    assert data["addresses"] == {"pool": ["10.0.0.1", "10.0.0.2"]}
    assert data["run"] == {"level": "smoke", "seed": 7, "skip": ["timers"]}
    assert read_target_file(written(tmp_path, "")) == {section: {} for section in KEYS}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[targt]\nurl = 'x'", "there is no section [targt]; did you mean `target`?"),
        ("[parameter]\n", "there is no section [parameter]; did you mean `parameters`?"),
        ("[zzz]\n", "there is no section [zzz]; known: target, parameters, tokens, deployment, addresses, run"),
        ("[target]\nurll = 'x'", "[target] has no key `urll`; did you mean `url`?"),
        ("[tokens]\nisuer = 'x'", "[tokens] has no key `isuer`; did you mean `issuer`?"),
        ("[addresses]\nzzz = 1", "[addresses] has no key `zzz`; known: pool"),
        ("[target]\nurl = 7", "[target] `url` must be of type str"),
        ("[target]\nconnections = '7'", "[target] `connections` must be of type int"),
        ("[target]\nconnections = true", "[target] `connections` must be of type int"),
        ("[run]\nrun = 'timers'", "[run] `run` must be of type list"),
        ("[run]\nskip = ['timers', 7]", "[run] `skip` must be a list of texts"),
        ("[addresses]\npool = [127]", "[addresses] `pool` must be a list of texts"),
        ("[run]\nseed = 1.5", "[run] `seed` must be of type int"),
        ("target = 'x'", "[target] must be a table"),
        ("parameters = 3", "[parameters] must be a table"),
        ("[target\n", "line 1"),
        ("[target]\nurl = 'a'\nurl = 'b'\n", "line 3"),
    ],
)
def test_what_does_not_fit_is_told_with_its_file(text: str, said: str, tmp_path: Path) -> None:
    """The file, the section, the key, and the nearest known name."""
    path = written(tmp_path, text)
    found = told(path)

    assert said in found
    assert str(path) in found


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """One line for each, so that a file is mended in one go."""
    found = told(written(tmp_path, "[targt]\n[tokens]\nkidd = 'x'\nsecret = 3\n"))

    assert len(found.splitlines()) == 3
    assert "[targt]" in found
    assert "`kidd`" in found
    assert "`secret`" in found


def test_a_secret_is_never_quoted(tmp_path: Path) -> None:
    """Neither one that stands where it must not nor one behind a wrong key."""
    for text in ("[tokens]\nsecrets = 'hunter2'", "[tokens]\nsecret = ['hunter2']", "[tokens]\nsecret = hunter2"):
        assert "hunter2" not in told(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Missing, a folder, or no UTF-8."""
    assert "No such file" in told(tmp_path / "none.toml")
    assert "Is a directory" in told(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[target]\nurl = '\xff'\n")
    assert "latin.toml" in told(path)
