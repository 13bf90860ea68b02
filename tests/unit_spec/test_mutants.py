"""Mutants: every operator does what it says and nothing else, and what can be told apart is not called equivalent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from attrs import evolve

from spec.authoring.mutants import OPERATORS, Endless, Mutant, Original, mutants
from spec.authoring.mutants.mutant import Edit, lean
from spec.authoring.mutants.patches import add, patched, remove, replace
from spec.compiling import compile_source
from spec.expressions import pointer_get
from spec.loading import DocumentError, Source, find, read
from spec.model import Document
from spec.parameters import resolve
from tests.extent import share

STAGES = ("message", "dual", "legacy")

# With these, every decision of chat can be asked for.
SETTINGS = {"origins": "https://app.example"}

CONNECTED = "/connection/states/connected/receive"

# Why an edit can make no document: the format wants every decision complete, and no guard that never passes.
NO_DOCUMENT = ("no case decides", "is never `")


@cache
def chat() -> Source:
    """The packaged document of chat."""
    return read(find("chat"))


@cache
def document() -> Document:
    return compile_source(chat())


@cache
def every() -> tuple[Mutant, ...]:
    """Every mutant of chat."""
    return tuple(mutants(chat().data, resolve(document().parameters, SETTINGS, quick=True)))


@cache
def of_sync() -> tuple[Mutant, ...]:
    """Every mutant of sync."""
    source = read(find("sync"))
    return tuple(mutants(source.data, resolve(compile_source(source).parameters, {})))


@cache
def original(rollout: str) -> Original:
    return Original(document(), resolve(document().parameters, {**SETTINGS, "rollout": rollout}, quick=True))


def named(name: str) -> Mutant:
    return next(mutant for mutant in every() if mutant.id == name)


def problems(mutant: Mutant) -> list[str]:
    """What the format says against a mutant."""
    try:
        mutant.source(chat().data)
    except DocumentError as error:
        return [problem.message for problem in error.problems]
    return []


def compiled(mutant: Mutant) -> Document | None:
    """The document of a mutant, None where it is none."""
    try:
        return compile_source(mutant.source(chat().data))
    except DocumentError:
        return None


def apart(mutated: Document) -> list[str | None]:
    """What tells a document from chat in each stage of a rollout."""
    return [
        original(rollout).apart(mutated, resolve(mutated.parameters, {**SETTINGS, "rollout": rollout}, quick=True))
        for rollout in STAGES
    ]


def changed(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """The JSON Pointers at which two values differ; a list that changed its length differs as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            place = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in before or key not in after:
                yield place
            else:
                yield from changed(before[key], after[key], place)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, two) in enumerate(zip(before, after, strict=True)):
            yield from changed(one, two, f"{at}/{index}")
    elif before != after or type(before) is not type(after):
        yield at


# ----------------------------------------------------------------------------------------------------- the catalogue


def test_the_catalogue_is_large_and_every_mutant_has_a_name_of_its_own() -> None:
    """At least 25 operators, each with a sentence; every mutant says what was changed and which rules that breaks."""
    assert len(OPERATORS) >= 25
    assert all(operator.text.endswith(".") for operator in OPERATORS.values())
    assert len({mutant.id for mutant in every()}) == len(every())
    for mutant in every():
        assert mutant.text, mutant.id
        assert mutant.rules, mutant.id
        assert set(mutant.rules) <= set(document().rules), mutant.id


_OF_LOGS = {
    "log-entry",
    "log-identity",
    "log-time",
    "one-choice",
    "one-log",
    "page-bound",
    "put-out",
    "rung-accepts",
    "rung-moment",
    "rung-subjects",
    "to-sender-too",
}
"""What chat has no place for, and sync has."""


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - _OF_LOGS))
def test_an_operator_makes_documents_that_behave_otherwise(operator: str) -> None:
    """It applies to chat, what it makes compiles, and not all of it is equivalent."""
    made = (compiled(mutant) for mutant in every() if mutant.operator == operator)

    assert any(any(apart(one)) for one in made if one is not None)


@pytest.mark.parametrize("operator", sorted(_OF_LOGS))
def test_an_operator_of_logs_makes_documents_of_sync(operator: str) -> None:
    """It applies to sync, and what it makes is another document."""
    source = read(find("sync"))
    made = [mutant for mutant in of_sync() if mutant.operator == operator]

    assert made
    assert all(mutant.rules for mutant in made)
    assert any(mutant.source(source.data).data != source.data for mutant in made)
    assert not any(mutant.operator == operator for mutant in every())


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_changes_what_it_says_and_nothing_else(operator: str) -> None:
    """Whatever differs lies where the patch says, and the right document is as it was."""
    whole = lean(chat().data)
    for mutant in (mutant for mutant in every() if mutant.operator == operator):
        # Where an item goes from a list or comes into it, the list differs.
        moved = [o["path"].rpartition("/") for o in mutant.edit.patch if o["op"] != "replace"]
        edited = [operation["path"] for operation in mutant.edit.patch]
        edited += [listed for listed, _, index in moved if index.isdigit()]
        places = list(changed(whole, mutant.data(chat().data)))
        assert places, mutant.id
        for place in places:
            assert any(f"{place}/".startswith(f"{path}/") for path in edited), (mutant.id, place)
    assert lean(chat().data) == whole


def test_only_what_the_format_forbids_is_no_document() -> None:
    """An edit that makes no document leaves something undecided, or asks for what can never be."""
    for mutant in share(every(), 4):
        assert all(any(word in problem for word in NO_DOCUMENT) for problem in problems(mutant)), mutant.id


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        (f"drop-case@{CONNECTED}/auth/4", f"{CONNECTED}/auth/4/in", "connected.v1"),
        (f"other-error@{CONNECTED}/other/0/do/0=AUTH_REQUIRED", f"{CONNECTED}/other/0/do/0/error", "AUTH_REQUIRED"),
        ("redirect@/opening/rows/11=authenticating", "/opening/rows/11/upgrade/to", "authenticating"),
        ("limit-count@/facts/attempts/rate=11", "/parameters/mutant/default", "11/1s"),
        ("timer-late@/connection/states/authenticating/timers/auth_deadline", "/parameters/mutant/default", "1.4s"),
        ("same-id@/wire/envelope/server/chosen/~1id", "/wire/envelope/server/chosen/~1id/kind", "value"),
        ("drop-rung@/tokens/ladder/7", "/tokens/ladder/7", None),
        ("refusal-status@/refusals/NOT_FOUND", "/refusals/NOT_FOUND", 403),
    ],
)
def test_a_mutant_has_the_fault_that_it_is_named_after(name: str, at: str, value: Any) -> None:
    """In the data that is served."""
    assert pointer_get(named(name).data(chat().data), at) == value


def test_rules_of_what_only_others_show_are_theirs_too() -> None:
    """A state is told by what it does, and what is written by what reads it."""
    led_astray = named("redirect@/connection/states/authenticating/receive/auth/5=connected.v1").rules
    forgotten = named("drop-effect@/connection/states/authenticating/receive/auth/5/do/1").rules

    assert led_astray[0] == "CHAT-AUTH-1"
    assert "CHAT-REAUTH-1" in led_astray
    assert "CHAT-MSG-2" not in led_astray
    assert forgotten[:3] == ("CHAT-AUTH-1", "CHAT-AUTH-7", "CHAT-REAUTH-4")


# --------------------------------------------------------------------------------------------------------- patches


def test_patches_are_applied_in_their_order_to_a_copy() -> None:
    """RFC 6902: members and items are added, removed and replaced; keys are escaped as in pointers."""
    data = {"rows": [1, 2, 3], "a/b": {"c": True}}
    patch = (add("/rows/1", "new"), remove("/rows/0"), replace("/a~1b/c", None), add("/rows/-", "last"), add("/d", {}))

    assert patched(data, patch) == {"rows": ["new", 2, 3, "last"], "a/b": {"c": None}, "d": {}}
    assert data == {"rows": [1, 2, 3], "a/b": {"c": True}}


@pytest.mark.parametrize("patch", [remove("/none"), replace("/none", 1), remove("/rows/7"), add("/none/inner", 1)])
def test_a_patch_of_what_is_not_there_is_refused(patch: Any) -> None:
    """An operator that has lost its way is not quietly without effect."""
    with pytest.raises(LookupError):
        patched({"rows": [1]}, [patch])


# ------------------------------------------------------------------------------------------------------ equivalence


@pytest.mark.parametrize(
    "name",
    [
        # What falls to the next row, or to `other`, comes to the same.
        "drop-row@/opening/rows/13",
        "drop-case@/connection/states/authenticating/receive/chat_message/0",
        # No request is of both classes.
        "swap-rows@/opening/rows/8",
        "swap-cases@/connection/states/connected/receive/auth/1",
        # Nobody can read of a token that is not valid whose it is.
        "swap-cases@/connection/states/connected/receive/auth/2",
        # Both checks come to the same class, and whoever fails the first fails the second.
        "swap-rungs@/tokens/ladder/2",
        "drop-rung@/tokens/ladder/2",
        # A member stays a member, a subject that is the same stays the same, a timer fires once.
        "drop-effect@/connection/states/connected/receive/auth/6/do/2",
        "unset-variable@/connection/states/connected/receive/auth/6/do/0=subject",
        "stay@/connection/states/connected/states/v2/states/fresh/timers/reauth_lead/expire/0",
    ],
)
def test_what_no_behaviour_shows_is_equivalent(name: str) -> None:
    """In every stage of a rollout."""
    mutated = compiled(named(name))

    assert mutated is not None
    assert apart(mutated) == [None, None, None]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        # The limit would count what is refused for its payload.
        ("swap-cases@/connection/states/authenticating/receive/auth/0", {"message", "dual"}),
        # A token that is no text is refused for the payload, and not for the token.
        ("swap-cases@/connection/states/connected/receive/auth/0", set(STAGES)),
        # A forged token that has expired would be told to have expired.
        ("raise-rung@/tokens/ladder/7", set(STAGES)),
        ("redirect@/opening/rows/10=connected.v2.fresh", {"legacy"}),
        ("drop-headers@/opening/headers/0=Sunset", {"dual"}),
        ("timer-kept@/connection/states/authenticating/timers/auth_deadline=connected.v2", set(STAGES)),
    ],
)
def test_what_some_behaviour_shows_is_not(name: str, stages: set[str]) -> None:
    """And where it shows is known: only in these stages must it be tried."""
    mutated = compiled(named(name))

    assert mutated is not None
    assert {stage for stage, why in zip(STAGES, apart(mutated), strict=True) if why is not None} == stages


def test_citations_and_texts_are_no_behaviour() -> None:
    """A document that says the same in other words, and cites other rules, is equivalent."""
    patch = [
        replace("/title", "Another title"),
        replace("/opening/rows/1/rules", ["ALL-HTTP-1"]),
        replace("/connection/states/connected/text", "Other words."),
        replace("/messages/chat_message/client/text", "Other words."),
        replace("/connection/states/authenticating/receive/auth/0/rules", ["CHAT-AUTH-5"]),
    ]
    mutated = compiled(Mutant("words", Edit("", (), "", tuple(patch))))

    assert mutated is not None
    assert apart(mutated) == [None, None, None]


def test_a_document_whose_timers_start_each_other_is_told() -> None:
    """A server of it would do nothing else."""
    name = "redirect@/connection/states/connected/states/v2/states/fresh/timers/reauth_lead/expire/0=connected.v2.fresh"
    mutated = compiled(named(name))

    assert mutated is not None
    with pytest.raises(Endless):
        apart(mutated)


def test_other_parameters_are_another_deployment() -> None:
    """What is compared is a document under parameters: with a leeway, a timer that forgets it is late."""
    mutated = compiled(
        Mutant("m", Edit("", (), "", (remove("/connection/states/connected/states/v1/timers/token_expiry/plus"),)))
    )
    assert mutated is not None
    settings = {**SETTINGS, "rollout": "legacy", "leeway": "2s"}
    parameters = resolve(document().parameters, settings, quick=True)

    assert apart(mutated) == [None, None, None]
    assert Original(document(), parameters).apart(mutated, parameters) is not None


def test_a_mutant_keeps_its_name_whatever_else_is_known_of_it() -> None:
    """Names are of operator, place and variant."""
    mutant = named("drop-row@/opening/rows/4")

    assert evolve(mutant, edit=evolve(mutant.edit, text="other words", rules=())).id == mutant.id
