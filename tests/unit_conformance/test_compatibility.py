"""Scripts of one document against the server of another; and the judge of what `diff` calls safe."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any
from unittest import mock

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from conformance.compatibility.memory import Played, Server, play
from conformance.compatibility.running import Compatibility, Failure, compatible, plan_of, played_at
from conformance.compatibility.telling import FORMATS
from conformance.families import all_cases
from conformance.mutating.deployments import chosen_parameters
from conformance.mutating.rehearsing import judge_of
from conformance.plan import Plan
from conformance.scripts import Case
from spec.authoring.diffing.comparing import compare
from spec.authoring.diffing.policy import Policy, judge
from spec.authoring.diffing.witnesses import plays
from spec.authoring.mutants import mutants
from spec.authoring.mutants.mutant import lean
from spec.authoring.mutants.patches import Patch, add, patched, remove, replace
from spec.cli import main
from spec.compiling import compile_source
from spec.exits import Exit
from spec.loading import DocumentError, Source, find, read, read_data
from spec.parameters import resolve
from tests.unit_spec.diffing_pairs import AUTH, IN, SAID, chat, edited

EDITS = int(os.environ.get("HANDFAST_EDITS", "12"))
SEED = int(os.environ.get("HANDFAST_SEED", "20261121"))
"""How many random edits are tried, and which: `HANDFAST_EDITS=1000` tries as many as a release needs."""

EACH = 1 if EDITS >= 1000 or os.environ.get("HANDFAST_MATRIX") == "all" else 3
"""Of scripts that are all alike to a test, every so manieth is played; all where the whole is asked for."""

STAGE = {"rollout": "message", "origins": "https://app.example"}


@cache
def plan() -> Plan:
    """Chat in the stage that the edits are tried in."""
    return plan_of(chat(), STAGE)


@cache
def home() -> Server:
    """The server of that plan's own document."""
    return Server(plan().document, plan().parameters, plan().book.judge)


FAMILIES = {"transitions", "rooms", "timers", "scenarios", "histories", "limits", "messages"}
"""The families that a client which does nothing wrong can be in; tokens of every spelling are judged by one check."""


@cache
def at_home() -> list[tuple[Case, Played | None]]:
    """What comes of scripts at the server of their own document; usually those on contents and tokens are a sample."""
    numbers: Counter[str] = Counter()
    found = []
    for case in all_cases(plan()):
        numbers[case.family] += 1
        if EACH > 1 and case.family in ("messages", "tokens") and numbers[case.family] % (2 * EACH):
            continue
        found.append((case, play(case, plan().target, home())))
    return found


def lawful() -> Iterator[Case]:
    """Scripts in which no client is refused anything; of those on contents some."""
    for number, (case, result) in enumerate(at_home()):
        if case.family == "messages" and EACH == 1 and number % 4:
            continue
        if case.family in FAMILIES and result is not None and result.passed and not result.refused:
            yield case


def server(source: Source) -> Server:
    """The server of another document in the same stage."""
    document = compile_source(source)
    known = {name: value for name, value in STAGE.items() if name in document.parameters}
    parameters = resolve(document.parameters, known)
    return Server(document, parameters, judge_of(document, parameters, plan().book))


def broken(source: Source) -> Failure | None:
    """The first script of a client that does nothing wrong that fails at a server of another document."""
    there = server(source)
    for case in lawful():
        found = played_at(case, plan(), there, home())
        if isinstance(found, Failure) and found.lawful:
            return found
    return None


# ------------------------------------------------------------------------------------------------- the two versions


@cache
def rollout() -> Compatibility:
    """What becomes of version 1's scripts at version 2's server."""
    with mock.patch("conformance.compatibility.running.all_cases", lambda plan: list(all_cases(plan))[::EACH]):
        return compatible(read(find("chat@1")), read(find("chat@2")), {"origins": "https://app.example"}, level="smoke")


@pytest.mark.parametrize(
    ("stage", "breaks"), [("rollout legacy", False), ("rollout dual", False), ("rollout message", True)]
)
def test_the_stages_of_the_rollout_bridge_the_versions(stage: str, breaks: bool) -> None:
    """Clients of version 1 are served in `legacy` and `dual`, and no longer in `message`."""
    [found] = [one for one in rollout().stages if one.name == stage]

    assert bool(found.broken) == breaks
    assert found.played > 500 / EACH


def test_every_script_of_a_document_passes_at_its_own_server() -> None:
    """In memory as on the wire, or a failure elsewhere would show nothing."""
    assert [case.id for case, result in at_home() if result is not None and not result.passed] == []
    assert sum(result is not None for _, result in at_home()) > 1000 / EACH


def test_diff_says_of_the_versions_what_the_scripts_show() -> None:
    """Nothing breaks old clients but in `message`, and every difference has a rule that explains it."""
    found = compare(read(find("chat@1")), read(find("chat@2"))).changes

    assert {stage for one in found if one.server_first == "breaks" for stage in one.stages} == {"rollout message"}
    assert all(one.stages for one in found if one.server_first == "breaks")
    assert "X01" not in {one.rule.id for one in found}


@pytest.mark.parametrize(
    "patch",
    [
        replace(f"{IN}/receive/chat_message/2/do", []),
        replace(f"{AUTH}/receive/auth/5/to", "connected.v1"),
        replace("/parameters/reauth_lead/default", "120s"),
        replace(f"{SAID}/properties/content/maxLength", 10),
        replace("/parameters/message_bytes/default", "20KiB"),
    ],
)
def test_a_server_that_breaks_clients_fails_a_script(patch: Patch) -> None:
    """The judge can say no."""
    assert broken(edited(patch)) is not None


def test_what_is_refused_otherwise_breaks_no_lawful_client() -> None:
    """A script that fails there is told apart from those of clients that do nothing wrong."""
    new = edited(replace(f"{AUTH}/receive/other/0/do/0/error", "MESSAGE_INVALID"))
    there = server(new)
    found = [played_at(case, plan(), there, home()) for case, _ in at_home()[::EACH]]
    failures = [one for one in found if isinstance(one, Failure)]

    assert failures
    assert not any(failure.lawful for failure in failures)


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_tell_the_stages(kind: str) -> None:
    """The verdict of each, and which order it is."""
    told = FORMATS[kind](rollout(), ("a", "b"))

    assert "breaks" in told
    assert "rollout message" in told
    assert kind != "json" or any(stage["failures"] for stage in json.loads(told)["stages"])


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails where a client that does nothing wrong is broken, and only there."""
    words = ["compat", "chat@1", "chat@2", "--level", "smoke"]
    asked: list[Any] = []

    def known(old: Source, new: Source, given: dict[str, str], **more: Any) -> Compatibility:
        """What was found already, of the stage that is asked for."""
        asked.append((compile_source(old).version, compile_source(new).version, given, more))
        resolve(compile_source(new).parameters, given)
        stages = [one for one in rollout().stages if one.name == f"rollout {given['rollout']}"]
        return evolve(rollout(), stages=tuple(stages))

    monkeypatch.setattr("conformance.compatibility.running.compatible", known)
    assert main([*words, "--set", "rollout=legacy"]) == Exit.CONFORMANT
    assert main([*words, "--set", "rollout=message", "--format", "markdown"]) == Exit.NONCONFORMANT
    assert "| breaks |" in capsys.readouterr().out
    assert asked[0] == (1, 2, {"rollout": "legacy"}, {"orders": ("server_first",), "level": "smoke"})
    assert main([*words, "--set", "rollout"]) == Exit.USAGE
    assert main([*words, "--set", "rollout=never"]) == Exit.USAGE


# ------------------------------------------------------------------------------------------------------ random edits


@cache
def base() -> dict[str, Any]:
    """Chat without what no server reads."""
    return lean(chat().data)


@cache
def faults() -> Sequence[tuple[Patch, ...]]:
    """The edits of every operator of mutants."""
    return [tuple(mutant.edit.patch) for mutant in mutants(chat().data, chosen_parameters(compile_source(chat())))]


def numbers() -> st.SearchStrategy[tuple[Patch, ...]]:
    """Other values of parameters and bounds."""
    durations = st.sampled_from(["200ms", "1s", "5s", "6s", "60s", "10m"])
    sizes = st.sampled_from(["20KiB", "63KiB", "64KiB", "65KiB", "1MiB"])
    parameter = st.one_of(
        st.tuples(st.sampled_from(DURATIONS), durations).map(lambda pair: (replace(*pair),)),
        sizes.map(lambda value: (replace("/parameters/message_bytes/default", value),)),
        st.integers(1, 40).map(lambda count: (replace("/parameters/auth_rate/default", f"{count}/60s"),)),
    )
    length = st.integers(1, 9000).map(lambda most: (replace(f"{SAID}/properties/content/maxLength", most),))
    ids = st.integers(1, 300).map(lambda most: (replace("/wire/envelope/client/schema/properties/id/maxLength", most),))
    return parameter | length | ids


DURATIONS = tuple(f"/parameters/{name}/default" for name in ("auth_deadline", "reauth_lead", "leeway"))
FORMS = tuple(
    f"/messages/{name}/payload"
    for name in ("auth/client", "chat_message/client", "chat_message/server", "recipe_update/server", "error/server")
)
MEMBER = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"enum": ["a", "b"]}, {"type": ["string", "null"]}, {"type": "boolean"}]
)


def members() -> st.SearchStrategy[tuple[Patch, ...]]:
    """Members that are new, required or not, or of another schema."""

    def made(at: str, schema: Any, required: bool) -> tuple[Patch, ...]:
        more = (add(f"{at}/required/-", "extra"),) if required else ()
        return (add(f"{at}/properties/extra", schema), *more)

    new = st.builds(made, st.sampled_from(FORMS), MEMBER, st.booleans())
    shut = st.sampled_from(FORMS).map(lambda at: (add(f"{at}/additionalProperties", False),))
    other = MEMBER.map(lambda schema: (replace(f"{SAID}/properties/content", schema),))
    return new | shut | other


def texts() -> st.SearchStrategy[tuple[Patch, ...]]:
    """What no exchange shows."""
    places = ("/title", "/summary", f"{IN}/text", "/errors/codes/TOKEN_INVALID/text", "/parameters/leeway/text")
    return st.sampled_from(places).map(lambda at: (replace(at, "Other words."),))


def others() -> st.SearchStrategy[tuple[Patch, ...]]:
    """Codes, retries, permissions, memories, paths, claims, rules."""
    codes = st.sampled_from(sorted(base()["errors"]["codes"]))
    retry = codes.map(lambda code: (replace(f"/errors/codes/{code}/retryable", True),))
    close = st.builds(
        lambda code, value: (replace(f"/errors/codes/{code}/close", value),),
        codes,
        st.sampled_from(["none", 1008, 4000]),
    )
    fixed = st.sampled_from(
        [
            (remove(f"{IN}/may_send"),),
            (remove("/connection/ordered"),),
            (add("/tokens/claims/required/-", "tenant"),),
            (replace("/opening/path", "/v2/chat/{recipe_id}"),),
            (replace("/rooms/recipe/key", "$parameters.rollout"),),
            (replace("/memories/accepted_auths/key", ["$token.sub"]),),
            (replace("/rules/CHAT-MSG-2/level", "should"),),
            (replace("/rules/CHAT-MSG-2/text", "Other words."),),
        ]
    )
    return retry | close | fixed


def drawn() -> st.SearchStrategy[tuple[Patch, ...]]:
    """One edit of a document, or two."""
    one = st.sampled_from(faults()) | numbers() | members() | texts() | others()
    return st.one_of(one, one, st.tuples(one, one).map(lambda pair: (*pair[0], *pair[1])))


def test_nothing_is_called_safe_that_a_script_refutes() -> None:
    """Random edits: where `diff` finds nothing for old clients to look at, every lawful script passes.

    A warning is no claim of safety; what is neither breaking nor warned of is one.
    """
    old = read_data(base(), "old")
    tried: list[str] = []

    @seed(SEED)
    @settings(max_examples=EDITS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(drawn())
    def attempt(patch: tuple[Patch, ...]) -> None:
        try:
            new = read_data(patched(base(), patch), "new")
        except (DocumentError, LookupError):
            return
        comparison = compare(old, new, STAGE)
        safe = all(one.server_first == "safe" for one in comparison.changes)
        tried.append("safe" if safe else "not")
        if safe:
            failure = broken(new)
            assert failure is None, (patch, failure, [one.id for one in comparison.changes])

    _run(attempt)
    assert tried.count("safe") > EDITS / 50
    assert tried.count("not") > EDITS / 10


def _run(attempt: Callable[[], None]) -> None:
    attempt()


# ------------------------------------------------------------------------------------------------------ seeded edits

SEEDED: tuple[tuple[str, tuple[Patch, ...], str, str], ...] = (
    # What a reviewer would say of each: to old clients at the new server, and to new clients at the old one.
    ("a text for people", (replace("/title", "Talk"),), "safe", "safe"),
    ("the text of an error", (replace("/errors/codes/TOKEN_INVALID/text", "No."),), "safe", "safe"),
    (
        "an optional member of servers",
        (add("/messages/chat_message/server/payload/properties/mood", {"type": "string"}),),
        "safe",
        "safe",
    ),
    ("an optional member of clients", (add(f"{SAID}/properties/mood", {"type": "string"}),), "safe", "warns"),
    (
        "a required member of clients",
        (add(f"{SAID}/properties/mood", {"type": "string"}), add(f"{SAID}/required/-", "mood")),
        "breaks",
        "safe",
    ),
    ("shorter messages", (replace(f"{SAID}/properties/content/maxLength", 3999),), "breaks", "safe"),
    ("longer messages", (replace(f"{SAID}/properties/content/maxLength", 4001),), "safe", "breaks"),
    ("an empty message is one", (replace(f"{SAID}/properties/content/minLength", 0),), "safe", "breaks"),
    (
        "nobody is named",
        (replace("/messages/chat_message/server/payload/properties/user_id", {"type": ["string", "null"]}),),
        "breaks",
        "safe",
    ),
    (
        "a member of servers is gone",
        (
            remove("/messages/recipe_update/server/payload/properties/revision"),
            remove("/messages/recipe_update/server/payload/required/1"),
            remove("/messages/recipe_update/server/chosen/~1revision"),
        ),
        "breaks",
        "safe",
    ),
    ("less time to authenticate", (replace("/parameters/auth_deadline/default", "4s"),), "breaks", "safe"),
    ("more time to authenticate", (replace("/parameters/auth_deadline/default", "6s"),), "safe", "breaks"),
    ("no time to authenticate", (remove(f"{AUTH}/timers"),), "safe", "breaks"),
    ("a later call for a token", (replace("/parameters/reauth_lead/default", "30s"),), "breaks", "warns"),
    ("smaller frames", (replace("/parameters/message_bytes/default", "32KiB"),), "breaks", "safe"),
    ("larger frames", (replace("/parameters/message_bytes/default", "128KiB"),), "safe", "breaks"),
    ("fewer attempts", (replace("/parameters/auth_rate/default", "9/60s"),), "breaks", "safe"),
    ("more attempts", (replace("/parameters/auth_rate/default", "11/60s"),), "safe", "breaks"),
    ("another close code", (replace("/errors/codes/TOKEN_INVALID/close", 4003),), "breaks", "breaks"),
    ("an error that closes", (replace("/errors/codes/MESSAGE_UNKNOWN_TYPE/close", 1008),), "breaks", "warns"),
    ("an error that can be tried again", (replace("/errors/codes/AUTH_REPLAYED/retryable", True),), "breaks", "breaks"),
    ("a claim more", (add("/tokens/claims/required/-", "tenant"),), "breaks", "safe"),
    ("a claim less", (remove("/tokens/claims/required/2"),), "safe", "breaks"),
    ("grace for tokens", (replace("/parameters/leeway/default", "5s"),), "safe", "breaks"),
    ("another path", (replace("/opening/path", "/v3/chat/{recipe_id}"),), "breaks", "breaks"),
    ("nobody hears oneself", (replace(f"{IN}/receive/chat_message/2/do", []),), "breaks", "breaks"),
    ("everybody hears everybody", (replace("/rooms/recipe/key", "$parameters.rollout"),), "breaks", "breaks"),
    (
        "a greeting more",
        (
            add(
                "/connection/states/authenticating/receive/auth/5/do/-",
                {
                    "send": "recipe_update",
                    "payload": {"recipe_id": "$recipe_id", "revision": "$chosen", "recipe": "$chosen"},
                },
            ),
        ),
        "breaks",
        "breaks",
    ),
    ("nobody can renew a token", (remove(f"{IN}/receive/auth"),), "breaks", "breaks"),
    ("updates only as answers", (remove(f"{IN}/may_send"),), "safe", "breaks"),
)


@pytest.mark.parametrize(("edit", "server_first", "clients_first"), [s[1:] for s in SEEDED], ids=[s[0] for s in SEEDED])
def test_edits_with_a_known_answer(edit: tuple[Patch, ...], server_first: str, clients_first: str) -> None:
    """Right in both orders of an upgrade, and shown where it breaks something."""
    new = edited(*edit)
    comparison = compare(chat(), new, STAGE)
    documents = compile_source(chat()), compile_source(new)

    for order, expected in (("server_first", server_first), ("clients_first", clients_first)):
        verdicts = {one.verdict(order) for one in comparison.changes}
        worst = "breaks" if "breaks" in verdicts else "warns" if "warns" in verdicts else "safe"
        assert worst == expected, (order, [(one.id, one.verdict(order)) for one in comparison.changes])
        if expected == "breaks":
            shown = [w for one in comparison.changes for w in one.witnesses if w.order == order]
            assert shown
            assert all(plays(witness, *documents) for witness in shown)


def test_there_are_thirty_seeded_edits() -> None:
    """And the policy fails each that breaks old clients."""
    assert len(SEEDED) == 30
    for _, edit, server_first, _ in SEEDED[:6]:
        judged = judge(compare(chat(), edited(*edit), STAGE), Policy(versions="ignore"))
        assert judged.fails("error") == (server_first == "breaks")
