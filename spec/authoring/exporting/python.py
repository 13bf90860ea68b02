"""Python: a `TypedDict` for every object, unions of messages, codes, and what is allowed in which state."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field

from spec.authoring.exporting.codes import close_codes, retryable
from spec.authoring.exporting.stamp import stamp
from spec.authoring.outlining import Outline, definitions, legality, message_schema, side_name

__all__ = ["text"]

_PLAIN = {"string": "str", "number": "float", "integer": "int", "boolean": "bool", "null": "None"}


def text(document: Outline) -> str:
    """The module; it needs Python 3.11 and nothing else."""
    types = _Types()
    for name, schema in definitions(document).items():
        types.named(_title(name), schema)
    for role in ("client", "server"):
        titles = [types.message(document, role, name) for name in document.messages(role)]
        types.alias(f"{role.title()}Message", " | ".join(titles) or "NoReturn")
    written = [*types.lines, *_codes(document), *_states(document)]
    lines = [
        f'"""{_safe(str(document.data["title"]))}, version {document.version}.',
        "",
        f"Made from {stamp(document)}",
        f"by `handfast export {document.name} --to python`; do not edit it, make it anew.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping",
        "from enum import StrEnum",
        f"from typing import {', '.join(_used(written))}",
        "",
        f'DOCUMENT_DIGEST: Final = "sha256:{document.digest}"',
        *written,
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _used(lines: list[str]) -> list[str]:
    """The names of `typing` that a module needs."""
    words = {"Final", *re.findall(r"[A-Za-z]+", "\n".join(lines))}
    return [
        name
        for name in ("Any", "Final", "Literal", "NoReturn", "NotRequired", "TypeAlias", "TypedDict")
        if name in words
    ]


@define
class _Types:
    """The types written so far; nested objects come before what has them."""

    lines: list[str] = field(factory=list)
    taken: set[str] = field(factory=set)

    def message(self, document: Outline, role: str, name: str) -> str:
        """Write the type of a message and give its name."""
        return self.named(side_name(role, name), message_schema(document, role, name))

    def named(self, title: str, schema: Any) -> str:
        """Write the type of a schema under a name."""
        if _is_object(schema):
            return self._object(title, schema)
        return self.alias(title, self._type(schema, title))

    def alias(self, title: str, told: str) -> str:
        """Write another name for a type."""
        # Quoted, since a definition may refer to one that comes later or to itself.
        self.lines += ["", f"{title}: TypeAlias = {told!r}"]
        self.taken.add(title)
        return title

    def _object(self, title: str, schema: Mapping[str, Any]) -> str:
        while title in self.taken:
            title += "_"
        self.taken.add(title)
        named, required = schema["properties"], set(schema.get("required", ()))
        named = {**named, **{name: {} for name in schema.get("required", ()) if name not in named}}
        members = {
            name: kind if name in required else f"NotRequired[{kind}]"
            for name, inner in named.items()
            for kind in [self._type(inner, title + _title(name))]
        }
        told = _safe(schema.get("description", ""))
        if all(name.isidentifier() and not keyword.iskeyword(name) and name[:2] != "__" for name in members):
            self.lines += ["", "", f"class {title}(TypedDict):", *([f'    """{told}"""', ""] if told else [])]
            self.lines += [f"    {name}: {kind}" for name, kind in members.items()]
        else:
            self.lines += ["", f"{title} = TypedDict(", f"    {title!r},", "    {"]
            self.lines += [f"        {_literal(name)}: {kind!r}," for name, kind in members.items()]
            self.lines += ["    },", ")"]
        return title

    def _type(self, schema: Any, title: str) -> str:
        if not isinstance(schema, Mapping):
            return "Any"
        if "$ref" in schema:
            return _title(schema["$ref"].rpartition("/")[2])
        if "const" in schema or "enum" in schema:
            return _either(_value(value) for value in schema.get("enum", [schema.get("const")]))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return _either(self._type(inner, f"{title}{number}") for number, inner in enumerate(schema[key], 1))
        if "allOf" in schema:
            return "Any"
        kinds = schema.get("type", "object" if "properties" in schema else None)
        return _either(self._one(kind, schema, title) for kind in ([kinds] if isinstance(kinds, str) else kinds or []))

    def _one(self, kind: str, schema: Mapping[str, Any], title: str) -> str:
        if kind == "array":
            return f"list[{self._type(schema.get('items'), title + 'Item')}]"
        if kind != "object":
            return _PLAIN.get(kind, "Any")
        if schema.get("properties"):
            return self._object(title, schema)
        return f"dict[str, {self._type(schema.get('additionalProperties'), title + 'Value')}]"


def _is_object(schema: Any) -> bool:
    plain = isinstance(schema, Mapping) and not {"$ref", "const", "enum", "anyOf", "oneOf", "allOf"} & set(schema)
    return plain and schema.get("type", "object") == "object" and bool(schema.get("properties"))


def _codes(document: Outline) -> Iterator[str]:
    yield from _enum("ErrorCode", "What an error message may say.", document.errors)
    yield from ("", "RETRYABLE: Final[Mapping[ErrorCode, bool]] = {")
    for code in document.errors:
        yield f"    ErrorCode({_literal(code)}): {retryable(document, code)},"
    yield "}"
    yield from _enum("RefusalCode", "Why a request is refused by HTTP.", document.section("refusals"))
    codes = close_codes(document)
    yield from ("", f"CloseCode: TypeAlias = {_either(f'Literal[{code}]' for code in codes) if codes else 'NoReturn'}")
    yield f"CLOSE_CODES: Final[tuple[int, ...]] = {codes!r}"


def _states(document: Outline) -> Iterator[str]:
    yield from _enum("State", "The states that a connection can be in.", document.leaves)
    legal = legality(document)
    tables = (("ALLOWED", "may send", legal.sent), ("HEARD", "may be sent", legal.heard))
    for name, what, table in tables:
        yield from ("", f"{name}: Final[Mapping[State, frozenset[str]]] = {{")
        for state, messages in table.items():
            yield f"    State({_literal(state)}): frozenset(({''.join(f'{_literal(m)}, ' for m in messages).strip()})),"
        yield from ("}", f'"""The names of what a client {what} in each state."""')


def _enum(title: str, what: str, names: Iterable[str]) -> Iterator[str]:
    yield from ("", "", f"class {title}(StrEnum):", f'    """{what}"""', "")
    taken: set[str] = set()
    for name in names:
        member = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
        member = f"_{member}" if not member[:1].isalpha() else member
        while member in taken:
            member += "_"
        taken.add(member)
        yield f"    {member} = {_literal(name)}"
    yield ""


def _either(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "Any"


def _value(value: Any) -> str:
    if value is None:
        return "None"
    return (
        f"Literal[{_literal(value)}]"
        if isinstance(value, str | int)
        else "float"
        if isinstance(value, float)
        else "Any"
    )


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _title(name: str) -> str:
    title = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", name))
    return title if title.isidentifier() and not keyword.iskeyword(title) else f"Type{title}"


def _safe(told: str) -> str:
    return " ".join(told.replace("\\", "\\\\").replace('"""', "'''").split())
