"""The section [tokens] of a target file as a source of tokens: secrets are named in it, and never written."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from conformance.tokensources import EXPIRES, TOKEN, Command, Login, Reference, Source
from spec.exits import Exit, Stop
from spec.secrets import read_secret

__all__ = ["read_source"]

_SECRET_SOUNDING = (
    "secret",
    "password",
    "passwd",
    "token",
    "assertion",
    "credential",
    "authorization",
    "cookie",
    "key",
)


def read_source(tokens: Mapping[str, Any], flag: str | None) -> Source | None:
    """The source that a flag or the section [tokens] names, None where none does; raises Stop."""
    if flag is not None:
        return Reference(flag)
    named = [name for name in ("token", "command", "http") if name in tokens]
    if len(named) > 1:
        raise Stop(Exit.USAGE, f"[tokens] names {' and '.join(f'`{name}`' for name in named)}", "keep one of them")
    if "token" in tokens:
        return Reference(tokens["token"])
    if "command" in tokens:
        if not tokens["command"]:
            raise Stop(Exit.USAGE, "[tokens] command is empty", 'write it as words: command = ["vault", "read", "…"]')
        return Command(tuple(tokens["command"]))
    return _login(tokens["http"]) if "http" in tokens else None


def _login(given: Mapping[str, Any]) -> Login:
    problems = _login_problems(given)
    if problems:
        raise Stop(Exit.USAGE, "\n".join(f"[tokens.http] {problem}" for problem in problems))
    known: list[str] = []
    headers = {"Accept": "application/json", "User-Agent": "handfast"}
    headers |= {name: _revealed(value, known) for name, value in given.get("headers", {}).items()}
    if "user" in given:
        both = f"{given['user']}:{_revealed(given.get('password', ''), known)}"
        headers["Authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
        known.append(headers["Authorization"].removeprefix("Basic "))
    body = None
    if "form" in given:
        body = urlencode({name: _revealed(value, known) for name, value in given["form"].items()}).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    if "json" in given:
        body = json.dumps(_revealed(given["json"], known)).encode()
        headers.setdefault("Content-Type", "application/json")
    return Login(
        given["url"],
        given.get("method", "POST"),
        headers,
        body if body is not None or given.get("method") == "GET" else b"",
        (given["token"],) if "token" in given else TOKEN,
        (given["expires"],) if "expires" in given else EXPIRES,
        given.get("ca"),
        tuple(known),
    )


_LOGIN: Mapping[str, type] = {
    **dict.fromkeys(("url", "method", "user", "password", "token", "expires", "ca"), str),
    **dict.fromkeys(("headers", "form", "json"), dict),
}


def _login_problems(given: Mapping[str, Any]) -> list[str]:
    found = [f"has no key `{name}`; known: {', '.join(_LOGIN)}" for name in given if name not in _LOGIN]
    found += [
        f"`{name}` is no {'table' if kind is dict else 'text'}"
        for name, kind in _LOGIN.items()
        if name in given and not isinstance(given[name], kind)
    ]
    return found or [*_wrong(given), *_written_secrets(given)]


def _wrong(given: Mapping[str, Any]) -> Iterator[str]:
    parts = urlsplit(given.get("url", ""))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield "has no `url` that is https:// or http://"
    if "@" in parts.netloc:
        yield "`url` names a user: write `user` and `password`"
    if given.get("method", "POST") not in {"GET", "POST", "PUT"}:
        yield "`method` is GET, POST or PUT"
    if "form" in given and "json" in given:
        yield "has `form` and `json`: one body is sent"
    for name in ("token", "expires"):
        if not given.get(name, "/").startswith("/"):
            yield f"`{name}` is no JSON Pointer, such as /access_token"


def _written_secrets(given: Mapping[str, Any]) -> Iterator[str]:
    """What by its name is a secret, and stands there itself; it is not said again."""
    named = [("password", "password", given["password"])] if "password" in given else []
    for table in ("headers", "form", "json"):
        named += [(f"{table}.{name}", name, value) for name, value in given.get(table, {}).items()]
    for place, name, value in named:
        if _sounds_secret(name) and isinstance(value, str) and not value.startswith(("env:", "file:")):
            yield f"`{place}` is a secret: write env:NAME or file:PATH"


def _sounds_secret(name: str) -> bool:
    word = name.lower().replace("-", "_")
    return any(sound in word for sound in _SECRET_SOUNDING) and not word.endswith("_type")


def _revealed(value: Any, known: list[str]) -> Any:
    """A value with what `env:NAME` and `file:PATH` name, noted as known."""
    if isinstance(value, Mapping):
        return {name: _revealed(member, known) for name, member in value.items()}
    if isinstance(value, list):
        return [_revealed(member, known) for member in value]
    if isinstance(value, str) and value.startswith(("env:", "file:")):
        known.append(read_secret(value).reveal())
        return known[-1]
    return value
