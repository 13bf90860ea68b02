"""Operators on the opening: statuses, codes, headers, subprotocols, and doors that are open or shut."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import Patch, add, remove, replace
from spec.authoring.mutants.reading import Draft, Row, Rules, joined, values_of
from spec.expressions import MOMENT_FORMS

__all__ = [
    "admit",
    "credential_place",
    "drop_headers",
    "header_form",
    "header_status",
    "hide_version",
    "other_refusal",
    "other_subprotocol",
    "quote_in_refusal",
    "refusal_body",
    "refusal_header",
    "refusal_status",
    "refuse",
    "swap_dates",
]


def _refusing(draft: Draft) -> list[Row]:
    return [row for row in draft.opening if "refuse" in row.value]


def _upgrading(draft: Draft) -> list[Row]:
    return [row for row in draft.opening if "upgrade" in row.value]


def refusal_status(draft: Draft) -> Iterator[Edit]:
    """A refusal has another status."""
    for code, status in draft.data.get("refusals", {}).items():
        rules = joined(*(row.rules for row in _refusing(draft) if row.value["refuse"]["code"] == code))
        if rules:
            other = 403 if status != 403 else 400
            at = f"/refusals/{code}"
            yield Edit(at, rules, f"`{code}` is told with {other}, and not {status}", (replace(at, other),))


def other_refusal(draft: Draft) -> Iterator[Edit]:
    """A request is refused with another code of the same status, or with any other where there is none."""
    statuses = draft.data.get("refusals", {})
    for row in _refusing(draft):
        code, at = row.value["refuse"]["code"], f"{row.at}/refuse/code"
        others = sorted((other for other in statuses if other != code), key=lambda o: statuses[o] != statuses[code])
        yield Edit(at, row.rules, f"the code is `{others[0]}`, and not `{code}`", (replace(at, others[0]),))


def refusal_body(draft: Draft) -> Iterator[Edit]:
    """A member of a refusal's body is left out."""
    for row in _refusing(draft):
        for name in row.value["refuse"].get("body", {}):
            at = f"{row.at}/refuse/body/{name}"
            yield Edit(at, row.rules, f"the body has no `{name}`", (remove(at),))
    every = joined(*(row.rules for row in _refusing(draft)))
    for name in draft.data["opening"].get("body", {}):
        at = f"/opening/body/{name}"
        yield Edit(at, every, f"no refusal's body has `{name}`", (remove(at),))


def refusal_header(draft: Draft) -> Iterator[Edit]:
    """A header of a refusal is left out, or says something else."""
    for row in _refusing(draft):
        for name in row.value["refuse"].get("headers", {}):
            at = f"{row.at}/refuse/headers/{name}"
            yield Edit(at, row.rules, f"there is no `{name}`", (remove(at),), "none")
            yield Edit(at, row.rules, f"`{name}` is another", (replace(at, "handfast"),), "other")


def quote_in_refusal(draft: Draft) -> Iterator[Edit]:
    """A refusal quotes the credential that it refuses."""
    # Where no credential was looked at, or there is none, there is nothing to quote.
    nothing = {"none", "absent"}
    for name, fact in draft.data["facts"].items():
        if fact["kind"] == "credentials":
            tokens = [other for other, entry in draft.data["facts"].items() if entry.get("of") == f"${name}"]
            asked = {
                row.at: row
                for one in (name, *tokens)
                for row in _refusing(draft)
                if one in row.when and not nothing & set(values_of(row.when[one]))
            }
            for row in asked.values():
                patch = add(f"{row.at}/refuse/body", {**row.value["refuse"].get("body", {}), "quoted": f"${name}"})
                yield Edit(row.at, joined(draft.leaking(), row.rules), "the body quotes the credential", (patch,), name)


def refuse(draft: Draft) -> Iterator[Edit]:
    """Who should be let in is refused."""
    codes = [row.value["refuse"]["code"] for row in _refusing(draft)]
    for row in _upgrading(draft) if codes else ():
        patch: list[Patch] = [remove(f"{row.at}/upgrade"), add(f"{row.at}/refuse", {"code": codes[-1]})]
        if "do" in row.value:
            patch.insert(0, remove(f"{row.at}/do"))
        yield Edit(row.at, row.rules, f"refused with `{codes[-1]}`, and not upgraded", tuple(patch))


def admit(draft: Draft) -> Iterator[Edit]:
    """Who should be refused is let in."""
    door = _upgrading(draft)[-1].value["upgrade"]
    upgrades = {name for name, fact in draft.data["facts"].items() if fact["kind"] == "upgrade"}
    for row in _refusing(draft):
        # Who asks for no upgrade cannot be given one.
        if upgrades & set(row.when):
            continue
        patch = (remove(f"{row.at}/refuse"), add(f"{row.at}/upgrade", door))
        yield Edit(row.at, row.rules, "upgraded, and not refused", patch)


def other_subprotocol(draft: Draft) -> Iterator[Edit]:
    """An upgrade answers with another subprotocol, or with none."""
    names = ["none", *(version["subprotocol"] for version in draft.data["versions"] if "subprotocol" in version)]
    for row in _upgrading(draft):
        right, at = row.value["upgrade"]["subprotocol"], f"{row.at}/upgrade/subprotocol"
        for other in names:
            if other != right:
                rules = joined(row.value["upgrade"].get("rules", ()), row.rules)
                yield Edit(at, rules, f"the subprotocol is {other}, and not {right}", (replace(at, other),), other)


def hide_version(draft: Draft) -> Iterator[Edit]:
    """A version that is served is not among those told."""
    told = [row.rules for row in _refusing(draft) if "$served" in row.value["refuse"].get("body", {}).values()]
    for index, version in enumerate(draft.data["versions"]):
        if told and "subprotocol" in version:
            at = f"/versions/{index}/subprotocol"
            yield Edit(at, joined(*told), f"`{version['subprotocol']}` is not told to be served", (remove(at),))


def credential_place(draft: Draft) -> Iterator[Edit]:
    """Credentials are looked for in one place less."""
    for name, fact in draft.data["facts"].items():
        places = fact.get("places", ())
        tokens = [other for other, entry in draft.data["facts"].items() if entry.get("of") == f"${name}"]
        rules = joined(*(row.rules for asked in (name, *tokens) for row in draft.asking(asked)))
        for index, place in enumerate(places) if len(places) > 1 else ():
            at = f"/facts/{name}/places/{index}"
            where = place.get("header") or f"the query's `{place['query']}`"
            yield Edit(at, rules, f"no credential is looked for in {where}", (remove(at),))


# ------------------------------------------------------------------------------------------------------- headers


def _header_rules(draft: Draft) -> Iterator[tuple[str, dict[str, Any], Rules]]:
    for index, entry in enumerate(draft.data["opening"].get("headers", ())):
        yield f"/opening/headers/{index}", entry, tuple(entry["rules"])


def drop_headers(draft: Draft) -> Iterator[Edit]:
    """A header is not set."""
    for at, entry, rules in _header_rules(draft):
        values = entry["set"]
        for name in values:
            ordered = [other for other in entry.get("ordered", ()) if other != name]
            patch: list[Patch] = [remove(f"{at}/set/{name}")]
            if "ordered" in entry:
                patch.append(replace(f"{at}/ordered", ordered) if len(ordered) > 1 else remove(f"{at}/ordered"))
            yield Edit(at, rules, f"`{name}` is not set", tuple(patch), name)


def header_status(draft: Draft) -> Iterator[Edit]:
    """Answers of one status go without the headers."""
    for at, entry, rules in _header_rules(draft):
        statuses = entry["statuses"]
        for status in statuses if len(statuses) > 1 else ():
            left = [other for other in statuses if other != status]
            patch = replace(f"{at}/statuses", left)
            yield Edit(at, rules, f"answers with {status} have no such headers", (patch,), str(status))


def header_form(draft: Draft) -> Iterator[Edit]:
    """A moment in a header is written in another form."""
    for at, entry, rules in _header_rules(draft):
        for name, value in entry["set"].items():
            for form in set(value) & (set(MOMENT_FORMS) - {"time"}) if isinstance(value, dict) else ():
                place = f"{at}/set/{name}"
                yield Edit(place, rules, f"`{name}` is RFC 3339", (replace(place, {"time": value[form]}),))


def swap_dates(draft: Draft) -> Iterator[Edit]:
    """The moments of two headers that come in an order are changed for each other."""
    for at, entry, rules in _header_rules(draft):
        ordered = entry.get("ordered", ())
        values = entry["set"]
        for first, second in pairwise(ordered):
            one, two = (next(iter(values[name].items())) for name in (first, second))
            patch = (replace(f"{at}/set/{first}", {one[0]: two[1]}), replace(f"{at}/set/{second}", {two[0]: one[1]}))
            yield Edit(at, rules, f"`{first}` and `{second}` have each other's moment", patch)
