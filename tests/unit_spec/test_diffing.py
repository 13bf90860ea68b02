"""Comparing documents: the catalogue row by row, both ways round, with what shows each change; policies and formats."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from spec.authoring.diffing.changes import ORDERS, Change
from spec.authoring.diffing.comparing import Comparison, compare
from spec.authoring.diffing.locating import document_at
from spec.authoring.diffing.policy import Ignore, Judgement, Policy, judge, read_policy
from spec.authoring.diffing.reporting import KINDS, render
from spec.authoring.diffing.rules import FIXES, INEXPRESSIBLE, RULES, WAIVED
from spec.authoring.diffing.witnesses import plays
from spec.authoring.mutants.patches import Patch, add, remove, replace
from spec.cli import main
from spec.compiling import compile_source
from spec.exits import Exit, Stop
from spec.loading import Source
from tests.unit_spec.diffing_pairs import PAIRS, chat, edited, packaged, pair

ROOT = Path(__file__).parent.parent.parent
NAMES = ("old.yaml", "new.yaml")

ROWS = {
    *(f"M{number:02}" for number in range(1, 21)),
    *(f"S{number:02}" for number in range(1, 19)),
    *(f"T{number:02}" for number in range(1, 13)),
    *(f"E{number:02}" for number in range(1, 10)),
    *(f"A{number:02}" for number in range(1, 10)),
    *(f"V{number:02}" for number in range(1, 11)),
    *(f"R{number:02}" for number in range(1, 5)),
}
"""The 82 rows of the catalogue."""

NO_WITNESS = {
    "M05.client": "the member is ignored: what is lost shows in nothing that is said",
    "M07.client": "the same, the other way round",
    "M07.server": "what never came always shows in nothing that must come",
    "M14.client": "what is left out is on no wire",
    "M14.server": "the same",
    "M17": "what is played has no wire: on any, a frame of the one is no message of the other",
    "M19": "what cannot be decided cannot be shown",
    "M20": "who remembers the old name is no part of an exchange",
    "S10": "that something may now stay away shows in no one exchange",
    "S11": "the same, the other way round",
    "S14": "that an order may now be lost shows in no one exchange",
    "S15": "the same, the other way round",
    "T08.loosened": "that something may now be later shows in no one exchange",
    "T08.tightened": "the same, the other way round",
    "T04.lengthened": "the finite machine has no timers beside the states",
    "T04.shortened": "the same, the other way round",
    "T05.shrunk": "what is played restarts nothing",
    "T05.enlarged": "the same, the other way round",
    "T12.shortened": "links need other connections, and what is played takes none up",
    "T12.lengthened": "the same, the other way round",
    "V04.required": "no guard asks for it, so no server of the engine refuses it",
    "V04.dropped": "the same, the other way round",
    "V04.changed": "the same",
    "E09": "no frame holds such a code",
    "T09": "what may be deployed is not what is",
    "E01": "no case raises it",
    "E02": "the same, the other way round",
    "A09.enlarged": "a promise that is gone shows in no one exchange",
    "A09.reduced": "the same, the other way round",
    "A10": "what is remembered shows only once it counts",
    "V06": "chat refuses several credentials, so which of them counts shows in nothing",
    "V08": "the stages are compared one by one; this says which of them is the default",
    "V10": "a policy on the document, and no exchange",
    "X01": "what nothing shows has no witness",
}
"""Rules whose pair has no witness, though it is not safe, and why."""


@cache
def compared(rule: str, *, back: bool = False) -> tuple[Source, Source, Comparison]:
    """A rule's pair, or the same the other way round, with what comparing it comes to."""
    old, new = pair(rule)[:: -1 if back else 1]
    return old, new, compare(old, new)


def found(comparison: Comparison, rule: str) -> list[Change]:
    """The changes by a rule."""
    return [one for one in comparison.changes if one.rule.id == rule]


def resolved(rule: str, order: str) -> set[str]:
    """What the table's word on an order can come to."""
    word = getattr(RULES[rule], order)
    return {"receiver": {"safe", "breaks"}, "lost": {"warns", "breaks"}}.get(word, {word})


def judged(comparison: Comparison, **policy: Any) -> Judgement:
    """A comparison by a policy that leaves versions alone, unless it says otherwise."""
    return judge(comparison, Policy(**{"versions": "ignore", **policy}), date(2026, 11, 1))


# --------------------------------------------------------------------------------------------------- the catalogue


def test_every_row_has_rules_or_a_reason() -> None:
    """The 82 rows are in the table, or it is said what the format lacks to write them."""
    rows = {rule.row for rule in RULES.values()}

    assert ROWS - rows - set(INEXPRESSIBLE) == set()
    assert len(ROWS) == 82


def test_every_rule_has_a_pair_or_a_mirror_that_has_one() -> None:
    """But those on versions, which are the policy's, and those that cannot be written."""
    covered = {*PAIRS, *(RULES[rule].mirror for rule in PAIRS)}

    assert {rule.id for rule in RULES.values() if rule.row not in INEXPRESSIBLE} - covered == {"V09"}


def test_mirrors_have_the_answers_swapped() -> None:
    """What new clients meet at an old server is what old clients meet after going back; where not, it is said why."""
    for rule in RULES.values():
        mirror = RULES[rule.mirror]
        swapped = (mirror.clients_first, mirror.server_first) == (rule.server_first, rule.clients_first)
        assert swapped or rule.id in WAIVED or mirror.id in WAIVED, rule.id
        assert mirror.mirror == rule.id or rule.id in WAIVED, rule.id


def test_waivers_and_fixes_name_what_there_is() -> None:
    """No reason is kept for a rule that is gone."""
    assert set(WAIVED) <= set(RULES)
    assert set(FIXES) <= {rule.row for rule in RULES.values()}
    assert set(NO_WITNESS) <= set(RULES)


@pytest.mark.parametrize("rule", PAIRS)
def test_the_smallest_pair_shows_the_rule(rule: str) -> None:
    """With the verdicts of the table, and with witnesses that play as they claim."""
    old, new, comparison = compared(rule)
    [change, *_] = found(comparison, rule)

    for order in ORDERS:
        assert change.verdict(order) in resolved(rule, order), order
    _shown(change, old, new, comparison)


@pytest.mark.parametrize("rule", [rule for rule in PAIRS if rule not in {"S01", "M20", "V10"}])
def test_the_pair_the_other_way_round_shows_the_mirror(rule: str) -> None:
    """With the verdicts of the mirror in the table, and with witnesses that play as they claim."""
    mirror = RULES[rule].mirror
    old, new, comparison = compared(rule, back=True)
    [change, *_] = found(comparison, mirror)

    for order in ORDERS:
        assert change.verdict(order) in resolved(mirror, order), order
    _shown(change, old, new, comparison)


def _shown(change: Change, old: Source, new: Source, comparison: Comparison) -> None:
    documents = compile_source(old), compile_source(new)
    assert all(plays(witness, *documents) for one in comparison.changes for witness in one.witnesses)
    shown = {witness.order for witness in change.witnesses}
    due = {order for order in ORDERS if change.verdict(order) != "safe"}
    assert due == shown or change.rule.id in NO_WITNESS


def test_a_witness_of_another_pair_does_not_play() -> None:
    """The check of witnesses can fail: an exchange that shows one change shows nothing in documents without it."""
    _, _, comparison = compared("T01.shortened")
    [change] = found(comparison, "T01.shortened")
    same = compile_source(chat())

    assert change.witnesses
    assert not any(plays(witness, same, same) for witness in change.witnesses)


CONNECT = "/connection/states/opened/receive/connect"


@pytest.mark.parametrize(
    ("document", "edit", "rule"),
    [
        ("executions", replace("/parameters/ping_timeout/default", "10s"), "T01.shortened"),
        ("executions", replace("/parameters/ping_timeout/default", "30s"), "T01.lengthened"),
        ("executions", remove("/connection/timers/ping_interval"), "X01"),
        ("executions", remove("/opening/rows/0"), "X01"),
        ("chat", remove("/connection/states/connected/states/v1/timers/token_expiry/plus"), "X01"),
        ("sync", remove("/connection/states/active/receive/auth/6/to"), "S08"),
        ("tabs", replace(f"{CONNECT}/8/do/7/decide/2/do/1", {"stop": "session.token_lead"}), "X01"),
        ("tabs", remove("/rooms/session/timers/token_lead/expire/0/do"), "X01"),
        ("executions", replace("/wire/farewell/within", "3s"), "X01"),
        ("hub", replace("/errors/forms/end/payload", {}), "X01"),
        ("hub", replace("/links/link/states/lost/lasts", "1s"), "T12.shortened"),
        ("chat", replace("/wire/frames/largest", "128KiB"), "M16.raised"),
        ("chat", replace("/wire/frames/largest", "9000"), "M16.lowered"),
        ("chat", replace("/connection/due/within", "500ms"), "T03.shortened"),
    ],
)
def test_what_is_declared_is_compared_as_a_value(document: str, edit: Patch, rule: str) -> None:
    """Wherever it stands: in a parameter, or as text; and beside the states."""
    rules = {one.rule.id for one in compare(packaged(document), edited(edit, of=document)).changes}

    assert rule in rules
    assert rule == "X01" or "X01" not in rules


def test_a_document_does_not_differ_from_itself() -> None:
    """Nor from a copy that is written otherwise in no member."""
    assert compare(chat(), chat()).changes == ()


def test_a_refactored_schema_is_no_change_of_values() -> None:
    """Containment holds both ways, so nothing is told but that it is written otherwise."""
    content = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 4000}]}
    new = edited(replace("/messages/chat_message/client/payload/properties/content", content))

    assert {one.rule.id for one in compare(chat(), new).changes} == {"S09"}


def test_a_message_may_break_a_receiver_that_refuses_what_it_does_not_know() -> None:
    """The same new member is safe for a reader that ignores it."""
    closed = add("/messages/chat_message/server/payload/additionalProperties", False)
    more = add("/messages/chat_message/server/payload/properties/mood", {"type": "string"})
    [lenient] = found(compare(chat(), edited(more)), "M05.server")
    [strict] = found(compare(edited(closed), edited(closed, more)), "M05.server")

    assert (lenient.server_first, strict.server_first) == ("safe", "breaks")


def test_a_change_in_one_stage_says_so() -> None:
    """What shows in some deployments only names them."""
    [change] = found(compared("T01.shortened")[2], "T01.shortened")

    assert change.stages == ("rollout message", "rollout dual")


def test_identifiers_and_fingerprints_are_stable() -> None:
    """The same change has the same in every run; another change of the same rule has another fingerprint."""
    [change] = found(compared("M10.client")[2], "M10.client")
    [again] = found(compared("M10.client")[2], "M10.client")
    [other] = found(
        compare(chat(), edited(replace("/messages/chat_message/client/payload/properties/content/maxLength", 10))),
        "M10.client",
    )

    assert change.id == "M10.client@/messages/chat_message/client/payload/properties/content"
    assert re.fullmatch(r"[0-9a-f]{12}", change.fingerprint)
    assert change.fingerprint == again.fingerprint != other.fingerprint
    assert change.id == other.id


# --------------------------------------------------------------------------------------------------------- policies


def test_the_order_of_the_upgrade_decides_what_fails() -> None:
    """A new value for clients is safe while the server goes first, and breaks where clients do."""
    comparison = compared("M10.client", back=True)[2]

    assert not judged(comparison).fails("error")
    assert judged(comparison, order="clients-first").fails("error")
    assert judged(comparison, order="both").fails("error")


def test_profiles_add_what_exchanges_do_not_show() -> None:
    """A change of prose counts for documentation alone."""
    comparison = compared("D01")[2]

    levels = [judged(comparison, profile=profile).findings[0].level for profile in ("wire", "codegen", "docs")]
    assert levels == ["info", "info", "warning"]


def test_security_is_told_though_nothing_breaks() -> None:
    """Whoever lets in what was kept out is warned."""
    [finding] = [one for one in judged(compared("A05.tightened", back=True)[2]).findings if one.change.rule.security]

    assert finding.change.server_first == "safe"
    assert finding.level == "warning"


def test_severities_and_stability_overrule() -> None:
    """A rule, a row or a glob has the severity that the policy gives it; a draft is nobody's promise."""
    comparison = compared("M10.client")[2]

    assert judged(comparison, severity={"M10": "warning"}).counted()["error"] == 0
    assert judged(comparison, severity={"M10.*": "none"}).findings == ()
    assert judged(comparison, stability={"/messages/chat_message/*": "draft"}).findings[0].level == "info"
    assert judged(comparison, stability={"/messages/chat_message/*": "beta"}).findings[0].level == "warning"


def test_exceptions_end_and_become_stale() -> None:
    """One that fits counts for nothing until its day; one that fits nothing, or whose day has passed, fails."""
    comparison = compared("M10.client")[2]
    wanted = comparison.changes[0].fingerprint

    assert not judged(comparison, ignores=(Ignore(wanted, "nobody does", date(2026, 12, 1)),)).fails("error")
    late = judged(comparison, ignores=(Ignore(wanted, "nobody does", date(2026, 10, 1)),))
    assert late.fails("error")
    assert late.stale == (f"`{wanted}` was ignored until 2026-10-01",)
    assert judged(comparison, ignores=(Ignore("M01.*", "x"), Ignore("M10.*", "y"))).stale == ("`M01.*` fits no change",)


@pytest.mark.parametrize(("version", "told"), [(1, ["goes back"]), (2, ["stays"]), (3, [])])
def test_the_version_must_tell_of_what_breaks(version: int, told: list[str]) -> None:
    """A breaking change needs a higher version, and none goes back."""
    shorter = replace("/parameters/auth_deadline/default", "3s")
    comparison = compare(chat(), edited(shorter, replace("/version", version)))
    said = [one.change.text for one in judge(comparison, Policy()).findings if one.change.rule.id == "V09"]

    assert len(said) == len(told)
    assert all(word in text for word, text in zip(told, said, strict=True))


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    """Every part of it."""
    path = tmp_path / "policy.toml"
    path.write_text(
        'profile = "docs"\norder = "both"\nversions = "ignore"\n'
        '[severity]\nM05 = "error"\n[stability]\n"/x*" = "beta"\n'
        '[[ignore]]\nchange = "M10.*"\nreason = "nobody does"\nexpires = 2027-01-31\n'
    )

    ignores = (Ignore("M10.*", "nobody does", date(2027, 1, 31)),)
    assert read_policy(path) == Policy("docs", "both", "ignore", {"M05": "error"}, {"/x*": "beta"}, ignores)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profile = 3", "`profile` is one of"),
        ("colour = 'red'", "there is no `colour`"),
        ("[severity]\nM99 = 'error'", "no rule fits `M99`"),
        ("[severity]\nM05 = 'bad'", "is one of"),
        ("severity = 3", "`severity` is a table"),
        ("[[ignore]]\nchange = 'M10.*'", "has no `reason`"),
        ("[[ignore]]\nreason = 'x'", "names a `change`"),
        ("[[ignore]]\nchange = 'x'\nreason = 'y'\nexpires = 'soon'", "is a day"),
        ("ignore = 3", "is a list of tables"),
        ("= 3", "is no TOML"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """With what is wrong with it."""
    path = tmp_path / "policy.toml"
    path.write_text(text)

    with pytest.raises(Stop, match=re.escape(says)):
        read_policy(path)


# ---------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("rule", ["M10.client", "T01.shortened", "S13.withdrawn", "M11.server", "D01"])
def test_json_fits_its_schema(rule: str) -> None:
    """Whatever the witnesses are."""
    schema = json.loads((ROOT / "spec/format/diff.schema.json").read_text())
    back = rule not in PAIRS
    judgement = judged(compared(RULES[rule].mirror if back else rule, back=back)[2])

    jsonschema_rs.validator_for(schema).validate(json.loads(render("json", judgement, NAMES)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_tells_the_change_and_its_witness(kind: str) -> None:
    """The rule, where it is, and what the client does."""
    told = render(kind, judged(compared("M10.client")[2], order="both"), NAMES)

    assert "M10.client" in told
    assert "sends chat_message" in told


@pytest.mark.parametrize("kind", KINDS)
def test_no_format_breaks_on_what_documents_say(kind: str) -> None:
    """Marks of the formats in names and texts are written so that they stay text."""
    bad = '<b>|%0A"&]]>\n::error::'
    more = replace("/errors/codes/TOKEN_INVALID/text", bad), replace("/parameters/rollout/text", bad)
    name = add("/messages/chat_message/client/payload/properties/<b>|x", {"type": "string"})
    told = render(kind, judged(compare(chat(), edited(*more, name)), profile="docs"), NAMES)

    if kind == "junit":
        assert ElementTree.fromstring(told).tag == "testsuite"
    if kind in {"json", "sarif"}:
        assert json.loads(told)
    if kind in {"html", "markdown"}:
        assert "<b>" not in told
    if kind == "github":
        assert all(line.startswith("::") for line in told.splitlines())


def test_sarif_and_junit_know_what_is_ignored() -> None:
    """An exception is a suppression, and a skipped case."""
    judgement = judged(compared("M10.client")[2], ignores=(Ignore("M10.*", "nobody does"),))
    [result] = json.loads(render("sarif", judgement, NAMES))["runs"][0]["results"]

    assert result["suppressions"] == [{"kind": "external", "justification": "nobody does"}]
    assert result["partialFingerprints"]
    assert ElementTree.fromstring(render("junit", judgement, NAMES)).get("skipped") == "1"


# ------------------------------------------------------------------------------------------------------ the command


def copied(folder: Path) -> Path:
    """Chat's document and what it includes, in a folder of its own."""
    (folder / "chat").mkdir()
    for name in ("common.yaml", "connection.yaml", "websocket.yaml", "chat/v2.yaml"):
        (folder / name).write_text((ROOT / "spec/protocols" / name).read_text())
    return folder / "chat/v2.yaml"


def test_the_command_compares_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails where something breaks, and writes reports."""
    path = copied(tmp_path)
    path.write_text(path.read_text().replace("maxLength: 4000", "maxLength: 2000"))

    assert main(["diff", "chat@2", str(path), "--report", f"json:{tmp_path / 'diff.json'}"]) == Exit.NONCONFORMANT
    assert "M10.client" in capsys.readouterr().out
    assert json.loads((tmp_path / "diff.json").read_text())["counts"]["error"] == 2
    assert main(["diff", "chat@2", str(path), "--fail-on", "never"]) == Exit.CONFORMANT
    assert main(["diff", str(path), "chat@2"]) == Exit.CONFORMANT


def test_a_document_can_be_one_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it includes as that revision has it."""
    path = copied(tmp_path)
    monkeypatch.chdir(tmp_path)
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "One"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    path.write_text("gone")
    (tmp_path / "common.yaml").write_text("gone")

    assert document_at("git:HEAD:chat/v2.yaml").digest == chat().digest
    for name, says in (
        ("git:HEAD", "names no document of git"),
        ("git:nowhere:chat/v2.yaml", "git:"),
        ("git:HEAD:chat/v9.yaml", "git:"),
        ("git:HEAD:/etc/passwd", "outside the repository"),
    ):
        with pytest.raises(Stop, match=says):
            document_at(name)


def test_documents_are_compared_with_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--since` takes paths: what is unchanged or new breaks nobody, and what is not does."""
    path = copied(tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = ("-c", "user.name=t", "-c", "user.email=t@example")
    for words in (("init", "-q"), ("add", "."), (*settings, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    (path.parent / "new.yaml").write_text(path.read_text())

    assert main(["diff", "--since", "HEAD", "chat/v2.yaml", "chat/new.yaml"]) == Exit.CONFORMANT
    assert "chat/new.yaml was not there in HEAD" in capsys.readouterr().out
    path.write_text(path.read_text().replace("VERSION_UNSUPPORTED: 400", "VERSION_UNSUPPORTED: 406"))
    assert main(["diff", "--since=HEAD", "chat/new.yaml", "chat/v2.yaml"]) == Exit.NONCONFORMANT
    assert main(["diff", "--since=nowhere", "chat/v2.yaml"]) == Exit.USAGE
    assert main(["diff", "--since=--output=x", "chat/v2.yaml"]) == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chat"], "two documents are compared"),
        (["--since", "HEAD"], "which documents?"),
        (["--since", "HEAD", "a.yaml", "b.yaml", "--report", "json:x"], "a report is about one document"),
        (["chat", "nowhere"], "there is no protocol `nowhere`"),
        (["chat", "chat", "--set", "rollout"], "has no value"),
        (["chat@2", "{edited}", "--set", "rollout=never"], "is one of"),
        (["chat", "chat", "--report", "text"], "names no file"),
        (["chat", "chat", "--report", "pdf:x"], "there is no report `pdf`"),
        (["chat", "chat", "--policy", "nowhere.toml"], "cannot be read"),
    ],
)
def test_slips_are_told(words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never by a traceback."""
    path = copied(tmp_path)
    path.write_text(path.read_text().replace("default: 5s", "default: 3s"))

    assert main(["diff", *(word.format(edited=path) for word in words)]) == Exit.USAGE
    assert says in capsys.readouterr().err


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that cannot be written too."""
    assert main(["diff", "--rules"]) == Exit.CONFORMANT
    told = capsys.readouterr().out
    assert all(rule in told for rule in (*RULES, *INEXPRESSIBLE))
