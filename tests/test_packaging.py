"""What a wheel holds: everything that the packages read at run time, and that it runs from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("spec", "reference_server", "conformance")
KINDS = (".py", ".yaml", ".json", ".css", ".html", ".js", "py.typed")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel of the project holds, built from a copy without anything left from other builds."""
    source, wheels, installed = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "installed"))
    for path in ROOT.glob("*.*"):
        if path.is_file():
            shutil.copy(path, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*build, "--wheel-dir", wheels, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = wheels.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(installed)
    return installed


def files(root: Path, *suffixes: str) -> set[str]:
    """The files of the packages under a folder, with these endings."""
    return {
        str(path.relative_to(root))
        for name in PACKAGES
        for path in (root / name).rglob("*")
        if path.name.endswith(suffixes) and path.is_file()
    }


@pytest.mark.parametrize("suffix", KINDS)
def test_a_wheel_holds_every_file_of_the_packages(installed: Path, suffix: str) -> None:
    """Modules of every folder, documents, JSON Schemas, and the marks that the packages are typed."""
    expected = files(ROOT, suffix)

    assert expected != set()
    assert files(installed, suffix) == expected


def test_every_kind_of_file_is_asked_for() -> None:
    """The packages have no file of a kind that the test above passes over."""
    assert files(ROOT, "") - files(ROOT, ".pyc") == files(ROOT, *KINDS)


def test_a_wheel_brings_the_packages_and_no_more(installed: Path) -> None:
    """The tests and the documents of the project stay at home."""
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == set(PACKAGES)


def test_every_package_is_typed(installed: Path) -> None:
    """Type checkers of who imports them take their annotations."""
    assert all((installed / name / "py.typed").is_file() for name in PACKAGES)


def test_the_command_runs_from_a_wheel(installed: Path, tmp_path: Path) -> None:
    """It finds its own modules and documents there, and every subcommand."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    where = f"import {', '.join(PACKAGES)}; print(*spec.__path__, *reference_server.__path__, *conformance.__path__)"
    listing = "from spec.cli import main; assert main(['--help']) == 0; assert main(['list']) == 0"
    done = subprocess.run(
        [sys.executable, "-c", f"{where}; {listing}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(" ".join(str(installed / name) for name in PACKAGES))
    for word in ("serve", "check", "demo", "chat"):
        assert word in done.stdout
