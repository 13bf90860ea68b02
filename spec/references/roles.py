"""What stands in each kind of place: names, guards, expressions and values in text form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec.loading.problems import Problem, did_you_mean
from spec.loading.source import Source
from spec.parameters import parse_value
from spec.references.expressions import check_example, check_expression, check_template
from spec.references.names import Names, section, strings, word
from spec.references.slots import Slot

__all__ = ["check_slot"]


def check_slot(slot: Slot, names: Names, source: Source, problems: list[Problem]) -> None:
    """Check one annotated place of a document; what is wrong is added to `problems`."""

    def tell(message: str, hint: str | None, *below: str | int) -> None:
        inner = Slot(slot.role, slot.what, (*slot.path, *below), None)
        place = source.place_of_key(inner.pointer) if slot.is_key else source.place(inner.pointer)
        problems.append(Problem(place, inner.pointer, message, hint))

    match slot.role:
        case "x-refers":
            _refers(slot, names, tell)
        case "x-guard":
            _guard(slot, names, tell)
        case "x-applies":
            _applies(slot, names, tell)
        case "x-template":
            check_template(slot.value, names, tell, check_example if slot.what == "example" else check_expression)
        case "x-expression":
            if isinstance(slot.value, str) and slot.value.startswith("$"):
                check_expression(slot.value, names, tell)
        case "x-parses":
            _parses(slot, tell)


Tell = Callable[..., None]


def _refers(slot: Slot, names: Names, tell: Tell) -> None:
    known, name = names.known[slot.what], slot.value
    if not isinstance(name, str) or name in known:
        return
    hint = did_you_mean(name, known)
    match slot.what:
        case "server message" | "client message" if name in section(names.data, "messages"):
            tell(f"`{name}` is not a message that {slot.what.partition(' ')[0]}s send", hint)
        case "input":
            tell(f"`{name}` is neither a message that clients send nor another input", hint)
        case "definition":
            tell(f"there is no definition `{name}`", hint)
        case "server message" | "client message":
            tell(f"there is no message `{name}`", hint)
        case "token class":
            tell(f"tokens are never `{name}`", hint)
        case _:
            tell(f"there is no {slot.what} `{name}`", hint)


def _options(value: Any) -> list[tuple[str, tuple[int, ...]]]:
    """The values of a guard's entry, each with the path to it."""
    if isinstance(value, list):
        return [(word(item), (index,)) for index, item in enumerate(value) if isinstance(item, str | bool)]
    return [(word(value), ())] if isinstance(value, str | bool) else []


def _guard(slot: Slot, names: Names, tell: Tell) -> None:
    for fact, wanted in section(slot.value).items():
        if fact not in names.facts:
            tell(f"there is no fact `{fact}`", did_you_mean(fact, names.facts), fact)
            continue
        values = names.facts[fact]
        for value, below in _options(wanted) if values is not None else ():
            if value not in (values or ()):
                tell(f"the fact `{fact}` is never `{value}`", did_you_mean(value, values or ()), fact, *below)


def _applies(slot: Slot, names: Names, tell: Tell) -> None:
    parameters = section(names.data, "parameters")
    for name, wanted in section(slot.value).items():
        if name not in parameters:
            tell(f"there is no parameter `{name}`", did_you_mean(name, parameters), name)
            continue
        kind = section(parameters, name).get("type")
        if kind == "switch" or isinstance(wanted, bool):
            if kind != "switch" or not isinstance(wanted, bool):
                tell(f"`{name}` is {'true or false' if kind == 'switch' else 'no switch'}", None, name)
            continue
        known = strings(section(parameters, name).get("values")) if kind == "choice" else ("configured",)
        for value, below in _options(wanted):
            if known and value not in known:
                tell(f"the parameter `{name}` is never `{value}`", did_you_mean(value, known), name, *below)


def _parses(slot: Slot, tell: Tell) -> None:
    if slot.value is None or (isinstance(slot.value, str) and slot.value.startswith("$")):
        return
    try:
        parse_value(slot.what, slot.value)
    except ValueError as error:
        tell(str(error), None)
