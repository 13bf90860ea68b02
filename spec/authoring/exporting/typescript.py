"""TypeScript: a type for every message, discriminated unions of them, codes, and what is allowed in which state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spec.authoring.exporting.codes import close_codes, retryable
from spec.authoring.exporting.stamp import stamp
from spec.authoring.outlining import Legality, Outline, definitions, legality, message_schema, side_name

__all__ = ["text"]

_PLAIN = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_LIMITS = ("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern", "format")


def text(document: Outline) -> str:
    """The module; it has no imports and needs TypeScript 4.9."""
    lines = [
        "/**",
        f" * {_safe(document.data['title'])}, version {document.version}.",
        " *",
        f" * Made from {stamp(document)}",
        f" * by `handfast export {document.name} --to typescript`; do not edit it, make it anew.",
        " */",
        "",
        f"export const documentDigest = {_literal('sha256:' + document.digest)};",
        "",
    ]
    for name, schema in definitions(document).items():
        lines += [*_comment(schema), f"export type {_title(name)} = {_type(schema, '')};", ""]
    for role in ("client", "server"):
        lines += _messages(document, role)
    lines += [*_codes(document), *_states(document, legality(document))]
    return "\n".join(lines).rstrip("\n") + "\n"


def _messages(document: Outline, role: str) -> Iterator[str]:
    titles = {name: side_name(role, name) for name in document.messages(role)}
    for name, title in titles.items():
        schema = message_schema(document, role, name)
        yield from _comment(schema)
        yield f"export type {title} = {_type(schema, '')};"
        yield ""
    yield f"/** Whatever a {role} sends. */"
    yield f"export type {role.title()}Message = {_union(titles.values())};"
    yield ""
    yield f"/** The messages that a {role} sends, by name. */"
    yield f"export interface {role.title()}Messages {{"
    yield from (f"  readonly {_literal(name)}: {title};" for name, title in titles.items())
    yield "}"
    yield f"export type {role.title()}MessageName = keyof {role.title()}Messages;"
    yield ""


def _codes(document: Outline) -> Iterator[str]:
    yield from _constants("ErrorCode", "What an error message may say.", document.errors)
    yield "/** What a client needs to know of an error. */"
    yield "export interface ErrorTold { readonly retryable: boolean; readonly text: string }"
    yield "export const errors: { readonly [Code in ErrorCode]: ErrorTold } = {"
    for code, entry in document.errors.items():
        again = "true" if retryable(document, code) else "false"
        yield f"  {_literal(code)}: {{ retryable: {again}, text: {_literal(entry.get('text', ''))} }},"
    yield "};"
    yield ""
    yield from _constants("RefusalCode", "Why a request is refused by HTTP.", document.section("refusals"))
    yield "/** The close codes that a server may send. */"
    yield f"export const closeCodes = {json.dumps(close_codes(document))} as const;"
    yield "export type CloseCode = (typeof closeCodes)[number];"
    yield ""


def _constants(title: str, what: str, names: Iterable[str]) -> Iterator[str]:
    yield f"/** {what} */"
    yield f"export const {title} = {{"
    yield from (f"  {_literal(name)}: {_literal(name)}," for name in names)
    yield "} as const;"
    yield f"export type {title} = (typeof {title})[keyof typeof {title}];"
    yield ""


def _states(document: Outline, legal: Legality) -> Iterator[str]:
    yield "/** The states that a connection can be in. */"
    yield f"export type State = {_union(map(_literal, document.leaves))};"
    yield ""
    for role, title, table in (("client", "Allowed", legal.sent), ("server", "Heard", legal.heard)):
        verb = "may send" if role == "client" else "may be sent"
        yield f"/** What a client {verb} in each state. */"
        yield f"export interface {title} {{"
        for state, names in table.items():
            yield f"  readonly {_literal(state)}: {_union(side_name(role, name) for name in names)};"
        yield "}"
        yield f"export type {title}In<S extends State> = {title}[S];"
        yield ""
        yield f"/** The names of what a client {verb} in each state. */"
        yield f"export const {title.lower()} = {{"
        for state, names in table.items():
            yield f"  {_literal(state)}: [{', '.join(map(_literal, names))}],"
        yield f"}} as const satisfies {{ readonly [S in State]: readonly {role.title()}MessageName[] }};"
        yield ""


# ------------------------------------------------------------------------------------------------------------ types


def _type(schema: Any, indent: str) -> str:
    """The TypeScript of a schema; what no type can say stands in comments."""
    if not isinstance(schema, Mapping):
        return "unknown" if schema is not False else "never"
    if "$ref" in schema:
        return _title(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _union(map(_literal, schema["enum"]))
    for key, sign in (("allOf", " & "), ("anyOf", " | "), ("oneOf", " | ")):
        if key in schema:
            return sign.join(f"({_type(inner, indent)})" for inner in schema[key]) or "unknown"
    kinds = schema.get("type", "object" if "properties" in schema else None)
    kinds = [kinds] if isinstance(kinds, str) else kinds or []
    return _union(_one(kind, schema, indent) for kind in kinds) if kinds else "unknown"


def _one(kind: str, schema: Mapping[str, Any], indent: str) -> str:
    if kind == "array":
        return f"readonly ({_type(schema.get('items'), indent)})[]"
    return _object(schema, indent) if kind == "object" else _PLAIN.get(kind, "unknown")


def _object(schema: Mapping[str, Any], indent: str) -> str:
    named, required = schema.get("properties", {}), set(schema.get("required", ()))
    named = {**named, **{name: {} for name in schema.get("required", ()) if name not in named}}
    if not named:
        return f"{{ readonly [name: string]: {_type(schema.get('additionalProperties'), indent)} }}"
    inner = indent + "  "
    lines = ["{"]
    for name, member in named.items():
        lines += [inner + line for line in _comment(member)]
        mark = "" if name in required else "?"
        lines.append(f"{inner}readonly {_literal(name)}{mark}: {_type(member, inner)};")
    return "\n".join([*lines, f"{indent}}}"])


def _comment(schema: Any) -> list[str]:
    """The description of a schema and its limits."""
    if not isinstance(schema, Mapping):
        return []
    limits = [f"{name}: {_literal(schema[name])}" for name in _LIMITS if name in schema]
    told = " ".join([*([schema["description"]] if "description" in schema else []), *limits])
    return [f"/** {_safe(told)} */"] if told else []


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "never"


def _literal(value: Any) -> str:
    if isinstance(value, dict | list):
        return "unknown"
    # Since ECMAScript 2019 every JSON text is an expression.
    return json.dumps(value, ensure_ascii=False)


def _title(name: str) -> str:
    """A definition's name as a type's."""
    title = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", name))
    return title if title[:1].isalpha() else f"Type{title}"


def _safe(told: str) -> str:
    return " ".join(told.replace("*/", "* /").split())
