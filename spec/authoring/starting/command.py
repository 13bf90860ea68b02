"""`handfast new`: a protocol from a template."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from spec.cli import Command

__all__ = ["NEW", "started"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TEMPLATE = Path(__file__).with_name("template.yaml")


def started(name: str, file: str) -> str:
    """The text of a new document; it is in the one layout, lints, serves and checks as it stands."""
    from spec.authoring.formatting.layout import laid_out

    rule = re.sub(r"[^A-Z0-9]", "", name.upper())
    title = re.sub(r"[_-]+", " ", name).strip().capitalize()
    text = _TEMPLATE.read_text(encoding="utf-8")
    for mark, value in {"@name@": name, "@RULE@": rule, "@title@": title, "@path@": name, "@file@": file}.items():
        text = text.replace(mark, value)
    return laid_out(text)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what the protocol is called, such as my_protocol")
    parser.add_argument("--output", metavar="FILE", help="where it is written (default: NAME.yaml)")


def _run(arguments: argparse.Namespace) -> int:
    from spec.exits import Exit, Stop

    name, file = arguments.name, arguments.output or f"{arguments.name}.yaml"
    if not _NAME.fullmatch(name):
        raise Stop(
            Exit.USAGE, f"`{name}` is no name of a protocol", "small letters, digits, `_` and `-`, a letter first"
        )
    try:
        with Path(file).open("x", encoding="utf-8", newline="\n") as new:
            new.write(started(name, file))
    except FileExistsError:
        raise Stop(Exit.USAGE, f"{file} is there already", "name another file with `--output`") from None
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file}: {error.strerror}") from None
    print(f"{file} is written; try:")
    for command in ("lint", "serve --secret env:SECRET --document"):
        print(f"  handfast {command} {file}")
    print(f"  handfast check ws://127.0.0.1:8080 --secret env:SECRET --document {file}")
    return Exit.CONFORMANT


NEW = Command("new", "a new protocol from a template that can be served and checked at once", _arguments, _run)
