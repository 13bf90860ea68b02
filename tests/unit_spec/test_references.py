"""Names in documents: what is cited must be declared, and every dangling name is told where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.loading import available, digest_of, read
from spec.references import check
from spec.references.names import Names
from tests.unit_spec.test_loading import CHAT, edited, marked, problems_of

# Each edit marks where the problem must be told; the problem must contain the given text.
DANGLING = {
    "a rule of a case": (
        ("rules: [CHAT-MSG-6]", "rules: [§CHAT-MSG-66]"),
        "there is no rule `CHAT-MSG-66` (did you mean `CHAT-MSG-6`?)",
    ),
    "a rule of an ending": (
        ("forget: {rules: [ALL-CLOSE-4]", "forget: {rules: [§ALL-CLOS-4]"),
        "no rule `ALL-CLOS-4` (did you mean",
    ),
    "a rule of a shutdown": (("1001, rules: [ALL-CLOSE-3", "1001, rules: [§ALL-CLOSE-33"), "no rule `ALL-CLOSE-33`"),
    "a rule of isolation": (("isolation: [CHAT-MSG-3]", "isolation: [§CHAT-MSG-33]"), "no rule `CHAT-MSG-33`"),
    "a rule of order": (("order: [CHAT-MSG-9]", "order: [§CHAT-MSG-99]"), "no rule `CHAT-MSG-99`"),
    "a rule of closes": (("close_rules: [ALL-CLOSE-1]", "close_rules: [§ALL-CLOSE-9]"), "no rule `ALL-CLOSE-9`"),
    "a rule of a chosen value": (
        ("unique: connection, rules: [CHAT-MSG-1]", "unique: connection, rules: [§CHAT-MSG-0]"),
        "no rule `CHAT-MSG-0`",
    ),
    "a parameter in an expression": (
        ("after: $parameters.auth_deadline", "after: §$parameters.auth_deadlin"),
        "there is no parameter `auth_deadlin` (did you mean `auth_deadline`?)",
    ),
    "a parameter of a fact": (
        ("kind: parameter, parameter: rollout", "kind: parameter, parameter: §rolout"),
        "there is no parameter `rolout` (did you mean `rollout`?)",
    ),
    "a fact of a parameter that is no choice and no switch": (
        ("kind: parameter, parameter: rollout", "kind: parameter, parameter: §sunset"),
        "`sunset` is a parameter of type `date`",
    ),
    "a parameter that a rule hangs on": (
        ("applies: {origins: configured}", "applies: {origns: §configured}"),
        "there is no parameter `origns` (did you mean `origins`?)",
    ),
    "a value that a rule hangs on": (
        ("applies: {rollout: [dual, message]}", "applies: {rollout: [dual, §massage]}"),
        "the parameter `rollout` is never `massage` (did you mean `message`?)",
    ),
    "a word for a parameter that is no choice": (
        ("applies: {origins: configured}", "applies: {origins: §set}"),
        "the parameter `origins` is never `set` (known: configured)",
    ),
    "a truth value for a parameter that is no switch": (
        ("applies: {origins: configured}", "applies: {origins: §true}"),
        "`origins` is no switch",
    ),
    "a fact in a guard": (
        ("when: {running: stopping}", "when: {runing: §stopping}"),
        "there is no fact `runing` (did you mean `running`?)",
    ),
    "a value of a fact": (
        ("when: {running: stopping}", "when: {running: §stoping}"),
        "the fact `running` is never `stoping` (did you mean `stopping`?)",
    ),
    "a value of a parameter's fact": (
        ("when: {rollout: dual, version: v1}", "when: {rollout: §duel, version: v1}"),
        "the fact `rollout` is never `duel` (did you mean `dual`?)",
    ),
    "a value of a table": (
        ("when: {rollout: dual, version: v1}", "when: {rollout: dual, version: §v3}"),
        "the fact `version` is never `v3` (known: v1, v2, unserved)",
    ),
    "an offer in the wrong order": (
        ("offer: [none, chat.v2, chat.v1+chat.v2]", "offer: [none, chat.v2, §chat.v2+chat.v1]"),
        "the fact `offer` is never `chat.v2+chat.v1`",
    ),
    "a row's value": (("is: unserved", "is: §unservd"), "`unservd` is not among the values of `version`"),
    "a fact of an exchange": (
        ("facts: {token: valid}", "facts: {token: §vaild}"),
        "the fact `token` is never `vaild` (did you mean `valid`?)",
    ),
    "a state that a case goes to": (
        ("to: connected.v2.expiring", "to: §connected.expiring"),
        "there is no state `connected.expiring` (did you mean `connected.v2.expiring`?)",
    ),
    "a state that an upgrade goes to": (
        ("subprotocol: chat.v1, to: connected.v1", "subprotocol: chat.v1, to: §connected.v0"),
        "there is no state `connected.v0`",
    ),
    "a state that a case is for": (("- in: connected.v2.expiring", "- in: §expiring"), "there is no state `expiring`"),
    "a state of an invariant": (("in: [authenticating]", "in: [§authenticated]"), "no state `authenticated`"),
    "a state of a close code": (("close: {authenticating: 1008}", "close: {§authentic: 1008}"), "no state `authentic`"),
    "an inner state": (("initial: fresh", "initial: §frsh"), "`v2` has no inner state `frsh` (did you mean `fresh`?)"),
    "a subprotocol": (
        ("upgrade: {subprotocol: chat.v1,", "upgrade: {subprotocol: §chat.v9,"),
        "there is no subprotocol `chat.v9`",
    ),
    "a stage in which a version is served": (
        ("chat.v2, applies: {rollout: [dual, message]", "chat.v2, applies: {rollout: [dual, §late]"),
        "the parameter `rollout` is never `late`",
    ),
    "a message that is sent": (
        ("send: recipe_update, payload", "send: §recipe_updates, payload"),
        "there is no message `recipe_updates` (did you mean `recipe_update`?)",
    ),
    "a message that only clients send": (
        ("reply: recipe_update, payload", "reply: §auth, payload"),
        "`auth` is not a message that servers send",
    ),
    "a message that only servers send": (
        ("{client: ana, send: auth, token: valid}", "{client: ana, send: §error, token: valid}"),
        "`error` is not a message that clients send",
    ),
    "a message that is expected": (("expect: recipe_update", "expect: §recipe"), "there is no message `recipe`"),
    "a message that is never sent": (("never: [auth_required]", "never: [§auth_needed]"), "no message `auth_needed`"),
    "a message that may be sent": (("{message: recipe_update", "{message: §recip_update"), "no message `recip_update`"),
    "a message that tells errors": (("  message: error\n", "  message: §eror\n"), "there is no message `eror`"),
    "an input": (
        ("    not_utf8: [", "    §not_utf: ["),
        "`not_utf` is neither a message that clients send nor another input (did you mean `not_utf8`?)",
    ),
    "a message named like an input": (
        ("messages:\n", "messages:\n  §binary: {server: {payload: {}}}\n"),
        "`binary` is the name of an input, and cannot be that of a message (reserved: oversize, binary, not_utf8, ",
    ),
    "a message named like what befalls a member of a room": (
        ("messages:\n", "messages:\n  §joined: {client: {payload: {}}}\n"),
        "`joined` is the name of an input",
    ),
    "an error": (("error: AUTH_REQUIRED", "error: §AUTH_REQIRED"), "no error `AUTH_REQIRED` (did you mean"),
    "a room that is joined": (("{join: recipe}", "{join: §kitchen}"), "there is no room `kitchen` (known: recipe)"),
    "a room that is told": (("                to: recipe", "                to: §recipes"), "no room `recipes`"),
    "a memory that is kept": (("remember: accepted_auths", "remember: §accepted"), "there is no memory `accepted`"),
    "a memory of a fact": (("memory, memory: accepted_auths", "memory, memory: §auths"), "there is no memory `auths`"),
    "a variable that is set": (("{set: {subject:", "{set: {§sbject:"), "there is no variable `sbject`"),
    "a code of a refusal": (
        ("refuse: {code: NOT_FOUND}", "refuse: {code: §NOT_FOUD}"),
        "there is no refusal `NOT_FOUD` (did you mean `NOT_FOUND`?)",
    ),
    "a refusal that only messages tell": (
        ("refuse: {code: NOT_FOUND}", "refuse: {code: §RATE_LIMITED}"),
        "there is no refusal `RATE_LIMITED`",
    ),
    "a class of tokens": (
        ("{client: eve, send: auth, token: invalid}", "{client: eve, send: auth, token: §forged}"),
        "tokens are never `forged` (known: absent, invalid, expired, valid)",
    ),
    "a class of a credential": (
        ("credential: {header: valid}", "credential: {header: §vlid}"),
        "never `vlid` (did you",
    ),
    "a recipe of an example": (
        ("examples: [{token: $token.valid}]", "examples: [{token: §$token.vald}]"),
        "there is no recipe `vald` (did you mean `valid`?)",
    ),
    "a token that nothing judges": (
        ("presented: {kind: token, of: $credential}", "presented: {kind: token, of: §$credentials}"),
        "nothing is called `$credentials` (did you mean `$credential`?)",
    ),
    "a header that is ordered": (
        ("ordered: [Deprecation, Sunset]", "ordered: [Deprecation, §Sunst]"),
        "`Sunst` is not a header that is set here (did you mean `Sunset`?)",
    ),
    "a definition": (
        ("{content: {type: string, minLength: 1", "{content: {$ref: §'#/definitions/text', minLength: 1"),
        "there is no definition `#/definitions/text`",
    ),
    "a root": (("at: $expires", "at: §$expire"), "nothing is called `$expire` (did you mean `$expires`?)"),
    "a root in a template": (("{time: $expires}", "{time: §$expirs}"), "nothing is called `$expirs`"),
    "a part of the path": (("$path.recipe_id", "§$path.recipe"), "no part of the path called `recipe` (did you mean"),
    "a member of errors": (("code: $error.code,", "code: §$error.cod,"), "no member of errors called `cod`"),
    "a member of messages": (("$message.id]", "§$message.ids]"), "messages have no member `ids` (did you mean `id`?)"),
    "a pointer into no message": (
        ('"$message.payload#/token"', '§"$message.payload#/tokens"'),
        "no client message has `/tokens` in its payload",
    ),
    "something of what is chosen": (("message: $chosen", "message: §$chosen.text"), "`$chosen` stands alone"),
    "a root alone": (("until: $token.expiry", "until: §$path"), "`$path` needs one member, as in `$path.recipe_id`"),
    "no expression": (("until: $token.expiry", "until: §$token expiry"), "`$token expiry` is no expression"),
    "a chosen member": (
        ("        /revision:", "        §/revison:"),
        "the payload has no `/revison` (did you mean `/revision`?)",
    ),
    "a chosen member of the envelope": (("        /id: {kind", "        §/ids: {kind"), "envelope has no `/ids`"),
    "a secret": (("secret: [/token]", "secret: [§/tokn]"), "the payload has no `/tokn` (did you mean `/token`?)"),
    "an echo": (("echoed: [/recipe_id, /recipe]", "echoed: [/recipe_id, §/recip]"), "the payload has no `/recip`"),
    "a time": (("at: [/timestamp]", "at: [§/timestmp]"), "(did you mean `/timestamp`?)"),
    "the place of the type": (("discriminator: /type", "discriminator: §/typ"), "the server's envelope has no `/typ`"),
    "a member that is always there": (("with: {/recipe_id:", "with: {§/payload/recipe_id:"), "the payload has no"),
    "a default that does not parse": (("default: 5s", "default: §5 parsecs"), "'5 parsecs' is no duration"),
    "a quick value that does not parse": (("quick: 700ms", "quick: §fast"), "`quick` of `auth_deadline`: 'fast'"),
    "a rate that does not parse": (("default: 10/60s", "default: §10 a minute"), "is no rate"),
    "a date that does not parse": (("default: 2026-01-01T00:00:00Z", "default: §2026-13-01"), "is no date"),
    "a default below its bound": (("default: 5s", "default: §50ms"), "is 50ms, below its `min` 100ms"),
    "a default above its bound": (("default: 64KiB", "default: §64MiB"), "is 64MiB, above its `max` 16MiB"),
    "a quick value below its bound": (("quick: 700ms", "quick: §7ms"), "`quick` of `auth_deadline` is 7ms, below"),
    "a default outside the choice": (
        ("default: message", "default: §massage"),
        "`default` of `rollout` is `massage`, which is none of its values (did you mean `message`?)",
    ),
    "a duration of an exchange": (("within: 50ms", "within: §50 msec"), "'50 msec' is no duration"),
    "a duration of a step": (("left: 30s", "left: §30x"), "'30x' is no duration"),
}


@pytest.mark.parametrize("name", DANGLING)
def test_a_dangling_name_is_told_where_it_stands(name: str) -> None:
    edit, message = DANGLING[name]
    text, places = marked(edited(edit))

    problems = problems_of(text)

    assert len(problems) == 1, "\n".join(map(str, problems))
    assert message in str(problems[0])
    assert [(problems[0].place.line, problems[0].place.column)] == places


def test_bounds_that_cross_are_told() -> None:
    problems = problems_of(edited(("min: 100ms", "min: 20m")))

    assert [problem.message for problem in problems] == [
        "`default` of `auth_deadline` is 5s, below its `min` 20m",
        "`min` of `auth_deadline` is 20m, and its `max` only 10m",
        "`quick` of `auth_deadline` is 700ms, below its `min` 20m",
    ]


def test_a_step_and_a_recipe_are_called_by_name_once() -> None:
    source = read(CHAT)
    tokens = source.data["tokens"]
    tokens["recipes"][3]["step"] = "signatur"
    tokens["recipes"].append(dict(tokens["recipes"][0]))
    tokens["ladder"].append(dict(tokens["ladder"][0]))

    assert [(problem.message, problem.hint) for problem in check(source)] == [
        ("`absent` is in `ladder` already", None),
        ("`valid` is in `recipes` already", None),
        ("there is no step `signatur`", "did you mean `signature`?"),
    ]


def test_a_name_that_is_gone_is_told_at_every_use() -> None:
    source = read(CHAT)
    del source.data["errors"]["codes"]["TOKEN_INVALID"]

    problems = check(source)

    assert {problem.message for problem in problems} == {"there is no error `TOKEN_INVALID`"}
    assert [problem.pointer for problem in problems] == [
        "/connection/states/authenticating/receive/auth/2/do/0/error",
        "/connection/states/connected/receive/auth/1/do/0/error",
    ]


def test_a_misspelt_declaration_does_not_make_its_uses_dangle() -> None:
    text, places = marked(edited(("  states:\n    auth", "  §staets:\n    auth"), ("{kind: payload}", "§5")))

    problems = problems_of(text)

    assert [(problem.place.line, problem.place.column) for problem in problems] == sorted(places)


def test_the_packaged_protocols_name_nothing_that_is_not_there() -> None:
    for entry in available():
        assert check(read(entry.path)) == []


def test_every_kind_of_fact_has_values() -> None:
    names = Names.of(read(CHAT).data)

    assert all(names.facts.values())
    assert names.facts["offer"] == ("none", "other", "chat.v1", "chat.v2", "chat.v1+chat.v2")
    assert names.facts["rollout"] == ("legacy", "dual", "message")
    assert names.facts["payload"] == ("valid", "invalid")


SOURCE = read(CHAT)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, inner in members for found in _paths(inner, (*path, key)))]


PATHS = [path for path in _paths(SOURCE.data) if path and path[0] != "tokens"]


@given(st.sampled_from(PATHS), st.sampled_from([None, 5, "x", "$", "$x", True, [], {}, [5], ["x"], {"x": 5}, [{}]]))
@settings(deadline=None, max_examples=300)
def test_data_that_does_not_fit_the_schema_breaks_nothing(path: tuple[str | int, ...], scrap: Any) -> None:
    """The checks run beside other problems, so that any part of the data may be of the wrong form."""
    data = _replaced(SOURCE.data, path, scrap)

    for problem in check(evolve(SOURCE, data=data, digest=digest_of(data))):
        assert problem.message


def _replaced(value: Any, path: tuple[str | int, ...], scrap: Any) -> Any:
    if not path:
        return scrap
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], scrap)
    return copy
