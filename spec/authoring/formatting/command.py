"""`handfast fmt`: documents in one layout."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["FMT"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("documents", nargs="+", metavar="DOC", help="a packaged protocol by name, or a file's path")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; name the files that are laid out otherwise"
    )


def _run(arguments: argparse.Namespace) -> int:
    from spec.authoring.formatting.layout import Unreadable, laid_out
    from spec.exits import Exit, Stop
    from spec.loading import UnknownProtocol, find

    odd = 0
    for name in arguments.documents:
        try:
            path = find(name)
            text = path.read_bytes().decode("utf-8")
            written = laid_out(text, str(path))
            if written != text:
                odd += 1
                print(path)
                if not arguments.check:
                    path.write_text(written, encoding="utf-8", newline="\n")
        except UnknownProtocol as unknown:
            raise Stop(Exit.USAGE, str(unknown)) from None
        except Unreadable as error:
            raise Stop(Exit.USAGE, "\n".join(map(str, error.problems)) or f"{name}: it is empty") from None
        except (OSError, UnicodeDecodeError) as error:
            raise Stop(Exit.USAGE, f"{name}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    return Exit.NONCONFORMANT if odd and arguments.check else Exit.CONFORMANT


FMT = Command("fmt", "documents in one layout; comments stay", _arguments, _run)
