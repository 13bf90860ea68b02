"""The command `handfast`: put together from the entry points that each package brings, loaded when called."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import NoReturn

from attrs import frozen

from spec.exits import Exit, Stop

__all__ = ["Command", "main"]


@frozen
class Command:
    """A subcommand: `arguments` declares its flags, `run` does it and returns the exit code.

    `run` raises `Stop` for what the user can mend. Its module must import little until `run` is called, since
    `handfast --help` loads every command for its summary.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Stop(Exit.USAGE, _without_values(message), f"see `{self.prog} --help`")

    def nearest(self, flag: str) -> str | None:
        """The flag of this command that is spelled most alike."""
        near = difflib.get_close_matches(flag, self._option_string_actions, n=1, cutoff=0.5)
        return near[0] if near else None


def _without_values(message: str) -> str:
    """An argparse message without the value that it quotes."""
    return re.sub(r"(invalid \w+ value): .*", r"\1", message)


def _commands() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="handfast.commands")}


def _overview(commands: dict[str, EntryPoint]) -> str:
    lines = [
        "usage: handfast COMMAND …",
        "",
        "Executable rules for authenticated WebSocket protocols.",
        "",
        "commands:",
    ]
    loaded: list[Command] = [entry.load() for entry in commands.values()]
    lines += [f"  {command.name:<9} {command.summary}" for command in loaded]
    lines += ["", "`handfast COMMAND --help` tells a command's flags.", "", "exit codes:"]
    lines += [f"  {code.value:<4} {code.meaning}" for code in Exit]
    return "\n".join(lines)


def _dispatch(arguments: Sequence[str]) -> int:
    commands = _commands()
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_overview(commands))
        return Exit.CONFORMANT if arguments else Exit.USAGE
    if arguments[0] in {"-V", "--version"}:
        from importlib.metadata import version

        print(f"handfast {version('handfast')}")
        return Exit.CONFORMANT
    name = arguments[0]
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1, cutoff=0.4)
        hint = f"did you mean `handfast {near[0]}`?" if near else "see `handfast --help`"
        raise Stop(Exit.USAGE, f"there is no command `{name}`", hint)
    command: Command = commands[name].load()
    parser = _Parser(prog=f"handfast {name}", description=command.summary, allow_abbrev=False)
    command.arguments(parser)
    parsed, unknown = parser.parse_known_args(arguments[1:])
    if unknown:
        # What stands behind an unknown flag may be a secret: only the flag itself is named.
        flag = unknown[0].partition("=")[0] if unknown[0].startswith("-") else None
        alike = parser.nearest(flag) if flag else None
        hint = f"did you mean `{alike}`?" if alike else f"see `handfast {name} --help`"
        raise Stop(Exit.USAGE, f"there is no flag `{flag}`" if flag else "there are more arguments than expected", hint)
    return command.run(parsed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (`spec.exits.Exit`)."""
    try:
        return _dispatch(sys.argv[1:] if arguments is None else arguments)
    except Stop as stop:
        print(f"handfast: {stop}", file=sys.stderr)
        return stop.exit
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`handfast list | head`); nothing is left to say to it.
        sys.stderr.close()
        return Exit.INTERRUPTED
    except BaseExceptionGroup as group:
        # Trio wraps what ends its tasks; an interruption is one however deep it lies.
        return _internal(group) if group.subgroup(KeyboardInterrupt) is None else Exit.INTERRUPTED
    except Exception as problem:
        return _internal(problem)


def _internal(problem: BaseException) -> Exit:
    """Tell a fault of our own, which must not be taken for one of the target's."""
    if os.environ.get("HANDFAST_DEBUG"):
        raise problem
    text = f"internal error: {type(problem).__name__}: {problem}"
    print(f"handfast: {text}\n  this is a fault of handfast; HANDFAST_DEBUG=1 shows where", file=sys.stderr)
    return Exit.INTERNAL
