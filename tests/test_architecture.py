"""Which package may import which, what must be importable without an event loop, and what importing costs.

`spec` is the floor: the reference server and the suite stand on it, and neither on the other, since a server and its
judge that shared code would share mistakes. Families only describe cases, so they need neither a loop nor a generator.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parent.parent
OURS = ("spec", "reference_server", "conformance", "tests")
MAY_IMPORT: Mapping[str, Collection[str]] = {
    "spec": (),
    "reference_server": ("spec",),
    "conformance": ("spec",),
}
LOOPS = ("trio", "trio_websocket", "asyncio", "anyio")


# --------------------------------------------------------------------------------------------------- the checker


@frozen
class Import:
    """One import of a module."""

    name: str
    line: int
    typing_only: bool


class Tree:
    """The modules of the packages in a folder, by dotted name, with what each imports."""

    def __init__(self, root: Path) -> None:
        self.paths = {_dotted(path.relative_to(root)): path for name in OURS for path in (root / name).rglob("*.py")}
        self.imports = {name: list(self._imports(name, path)) for name, path in self.paths.items()}

    def within(self, package: str) -> list[str]:
        """The modules of a package, at any depth."""
        return [name for name in sorted(self.paths) if f"{name}.".startswith(f"{package}.")]

    def _imports(self, module: str, path: Path) -> Iterator[Import]:
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        pending: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), False)]
        while pending:
            node, typing_only = pending.pop()
            if isinstance(node, ast.If) and _asks_for_typing(node.test):
                pending += [(child, True) for child in node.body] + [(child, typing_only) for child in node.orelse]
                continue
            pending += [(child, typing_only) for child in ast.iter_child_nodes(node)]
            for name in self._names(node, package):
                yield Import(name, getattr(node, "lineno", 0), typing_only)

    def _names(self, node: ast.AST, package: str) -> Iterator[str]:
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=module, names=aliases, level=level):
                base = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                origin = ".".join([*base, *([module] if module else [])])
                yield origin
                yield from (name for alias in aliases if (name := f"{origin}.{alias.name}") in self.paths)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name

    def wrong_arrows(self) -> list[str]:
        """Imports between packages that must not know each other, for types too."""
        return [
            f"{module}:{found.line} imports {found.name}"
            for package, allowed in MAY_IMPORT.items()
            for module in self.within(package)
            for found in self.imports[module]
            if _top(found.name) in OURS and _top(found.name) not in (package, *allowed)
        ]

    def direct(self, package: str, forbidden: Collection[str]) -> list[str]:
        """Imports of what is forbidden in the modules of a package, for types too."""
        return [
            f"{module}:{found.line} imports {found.name}"
            for module in self.within(package)
            for found in self.imports[module]
            if _top(found.name) in forbidden
        ]

    def reaching(self, package: str, forbidden: Collection[str]) -> list[str]:
        """The ways by which running the modules of a package imports what is forbidden, the shortest to each."""
        ways = {module: module for start in self.within(package) for module in _with_parents(start)}
        pending, wrong = list(ways), []
        for module in pending:
            for found in self.imports[module]:
                if found.typing_only:
                    continue
                if _top(found.name) in forbidden:
                    wrong.append(f"{ways[module]}:{found.line} -> {found.name}")
                for name in (name for name in _with_parents(found.name) if name in self.paths and name not in ways):
                    ways[name] = f"{ways[module]}:{found.line} -> {name}"
                    pending.append(name)
        return wrong


def _dotted(path: Path) -> str:
    parts = path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts
    return ".".join(parts)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _with_parents(name: str) -> Iterator[str]:
    """Importing `a.b.c` runs `a` and `a.b` as well."""
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _asks_for_typing(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False


def loaded_by(code: str) -> set[str]:
    """The third-party packages that code imports, in an interpreter of its own."""
    probe = f"import json, sys; before = set(sys.modules)\n{code}\nprint(json.dumps([*set(sys.modules) - before]))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True)
    return {_top(name) for name in json.loads(done.stdout.splitlines()[-1])} - sys.stdlib_module_names - {*OURS}


# ------------------------------------------------------------------------------------------------ what is true


@pytest.fixture(scope="module")
def project() -> Tree:
    """The project as it is."""
    return Tree(ROOT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_checker_reads_the_project(project: Tree, package: str) -> None:
    """Every package is there, with modules that import something."""
    assert package in project.paths
    assert any(project.imports[module] for module in project.within(package))


def test_packages_import_only_what_they_stand_on(project: Tree) -> None:
    """The server and the suite know the spec; the spec knows neither, they not each other, and nobody the tests."""
    assert project.wrong_arrows() == []


def test_the_spec_has_no_event_loop(project: Tree) -> None:
    """Time and input come into the interpreter as arguments."""
    assert project.direct("spec", LOOPS) == []


def test_families_need_neither_a_loop_nor_a_generator(project: Tree) -> None:
    """Not through any module that they import, either: listing and explaining cases stays quick."""
    assert project.within("conformance.families") != ["conformance.families"]
    assert project.reaching("conformance.families", (*LOOPS, "hypothesis")) == []
    assert not {*LOOPS, "hypothesis"} & loaded_by("import conformance.families")


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_importing_a_package_is_cheap(package: str) -> None:
    """Its `__init__` pulls in nothing from outside the standard library."""
    assert loaded_by(f"import {package}") == set()


def test_help_is_cheap() -> None:
    """`handfast --help` names every command without the libraries that running one takes."""
    heavy = {"trio", "trio_websocket", "rich", "jsonschema_rs", "hypothesis", "httpx", "cryptography"}

    assert loaded_by("from spec.cli import main; assert main(['--help']) == 0") & heavy == set()


# ---------------------------------------------------------------------------------- that the checker can find it


def planted(root: Path, sources: Mapping[str, str]) -> Tree:
    """A tree of the packages with these files in it."""
    for folder in ("spec", "reference_server", "conformance", "conformance/families", "tests"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").touch()
    for path, source in sources.items():
        (root / path).write_text(source)
    return Tree(root)


@pytest.mark.parametrize(
    ("path", "source", "says"),
    [
        ("spec/a.py", "import conformance", "spec.a:1 imports conformance"),
        ("spec/a.py", "\nfrom reference_server import b", "spec.a:2 imports reference_server"),
        ("spec/a.py", "def f():\n    import conformance.families", "spec.a:2 imports conformance.families"),
        ("spec/a.py", "if TYPE_CHECKING:\n    import conformance", "spec.a:2 imports conformance"),
        ("spec/a.py", "import tests.kit", "spec.a:1 imports tests.kit"),
        ("spec/a.py", "importlib.import_module('conformance')", "spec.a:1 imports conformance"),
        ("conformance/a.py", "import reference_server", "conformance.a:1 imports reference_server"),
        ("conformance/families/a.py", "from reference_server.b import c", "families.a:1 imports reference_server.b"),
        ("reference_server/a.py", "from conformance import b", "reference_server.a:1 imports conformance"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path: Path, path: str, source: str, says: str) -> None:
    """Wherever it stands, and however it is written."""
    [wrong] = planted(tmp_path, {path: source}).wrong_arrows()

    assert wrong.endswith(says)


def test_right_arrows_are_let_through(tmp_path: Path) -> None:
    """To the spec, within a package, to names that only begin like a package's, and to the standard library."""
    tree = planted(
        tmp_path,
        {
            "conformance/a.py": "import json, specific\nfrom spec import b\nfrom . import families\nfrom .b import c",
            "reference_server/a.py": "import spec.b\nfrom reference_server import c",
        },
    )

    assert tree.wrong_arrows() == []


@pytest.mark.parametrize("source", ["import trio", "from trio.abc import Clock", "def f():\n    import trio_websocket"])
def test_a_loop_in_the_spec_is_found(tmp_path: Path, source: str) -> None:
    """At the top of a module or inside a function."""
    assert len(planted(tmp_path, {"spec/a.py": source}).direct("spec", LOOPS)) == 1


@pytest.mark.parametrize(
    "sources",
    [
        {"conformance/families/a.py": "import trio"},
        {"conformance/families/a.py": "from ..b import c", "conformance/b.py": "import trio"},
        {"conformance/families/a.py": "from conformance import b", "conformance/b.py": "def f():\n    import trio"},
        {
            "conformance/families/a.py": "import spec.b",
            "spec/b.py": "from . import c",
            "spec/c.py": "import hypothesis",
        },
        {"conformance/families/a.py": "", "conformance/__init__.py": "from hypothesis import given"},
        {"conformance/families/a.py": "if TYPE_CHECKING:\n    pass\nelse:\n    import trio"},
    ],
)
def test_a_loop_or_generator_within_reach_of_families_is_found(tmp_path: Path, sources: dict[str, str]) -> None:
    """Directly, through other modules, through the packages around them, and where typing is not asked for."""
    assert len(planted(tmp_path, sources).reaching("conformance.families", ("trio", "hypothesis"))) == 1


def test_imports_for_types_are_no_reach(tmp_path: Path) -> None:
    """What only a type checker reads is not imported when families run."""
    tree = planted(
        tmp_path,
        {
            "conformance/families/a.py": "if typing.TYPE_CHECKING:\n    import trio\n    from ..b import c",
            "conformance/b.py": "import trio",
        },
    )

    assert tree.reaching("conformance.families", ("trio",)) == []


def test_the_probe_sees_what_is_loaded() -> None:
    """It names a third-party package, and neither ours nor the standard library's."""
    assert "attrs" in loaded_by("import json, spec.exits, attrs")
    assert not {"json", "spec"} & loaded_by("import json, spec.exits")
