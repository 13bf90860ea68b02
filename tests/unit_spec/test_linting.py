"""`handfast lint`: every rule finds the bad example of its page, and nothing in the good one; policies and formats."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from spec.authoring.linting.catalogue import RULES
from spec.authoring.linting.judging import Judgement, findings_of, lint
from spec.authoring.linting.policy import Finding, read_policy
from spec.authoring.linting.reporting import KINDS
from spec.authoring.starting.command import started
from spec.cli import main
from spec.exits import Stop
from spec.loading import DocumentError, available, read_text

PAGES = Path(__file__).parents[2] / "docs" / "lint"
BASE = started("lamp", "lamp.yaml")


def laid_over(base: Any, patch: Any) -> Any:
    """A merge patch (RFC 7396): mappings are united, `~` deletes, and all else replaces."""
    if not isinstance(patch, dict):
        return patch
    found = dict(base) if isinstance(base, dict) else {}
    for name, member in patch.items():
        if member is None:
            found.pop(name, None)
        else:
            found[name] = laid_over(found.get(name), member)
    return found


def parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


TEMPLATE = parsed(BASE)


def written(fragment: str) -> str:
    """The document that a fragment of a page makes of the template."""
    return json.dumps(laid_over(TEMPLATE, parsed(fragment)), indent=1, ensure_ascii=False)


def found(text: str) -> set[str]:
    """The rules by which something is wrong with a document."""
    try:
        return {one.code for one in findings_of(read_text(text, "lamp.yaml"))}
    except DocumentError as error:
        return {problem.code for problem in error.problems}


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(RULES)
    listed = re.findall(r"^\| \[`([a-z-]+)`\]\(\1\.md\) \| (\w+) \| (.*) \|$", (PAGES / "README.md").read_text(), re.M)
    assert listed == [(rule.code, rule.level, rule.title) for rule in RULES.values()]


@pytest.mark.parametrize("code", RULES)
def test_the_examples_of_a_page_are_bad_and_good(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text()
    rule = RULES[code]
    assert text.startswith(f"# `{code}`: {rule.title}\n\nSeverity: {rule.level}.\n")
    bad, good = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    assert found(written(bad)) == {code}
    assert found(written(good)) == set()


@pytest.mark.parametrize("entry", available(), ids=lambda entry: f"{entry.name}@{entry.version}")
def test_packaged_documents_have_nothing_wrong(entry: Any) -> None:
    judgement = lint([entry.path])
    assert [str(one) for one in judgement.findings if one.ignored is None] == []
    assert judgement.stale == ()


def test_a_new_document_has_nothing_wrong() -> None:
    assert found(BASE) == set()


def example(code: str, folder: Path) -> Path:
    """A document with what a page calls bad, in a folder of its own."""
    path = folder / "lamp.yaml"
    bad = re.findall(r"^```yaml\n(.*?)^```$", (PAGES / f"{code}.md").read_text(), re.M | re.S)[0]
    path.write_text(written(bad))
    return path


def judged(tmp_path: Path, policy: str, today: date = date(2026, 1, 1)) -> Judgement:
    """What becomes of an unused name by a policy that lies beside its document."""
    path = example("unused-name", tmp_path)
    (tmp_path / "lint.toml").write_text(policy)
    return lint([path], today=today)


def test_a_policy_beside_a_document_says_how_bad_something_is(tmp_path: Path) -> None:
    [one] = judged(tmp_path, '[severity]\n"unused-*" = "info"\n').findings
    assert (one.code, one.level) == ("unused-name", "info")
    silent = judged(tmp_path, '[severity]\n"*" = "none"\n')
    assert silent.findings == ()
    assert not silent.fails("info")


IGNORE = '[[ignore]]\nrule = "unused-*"\nat = "/parameters/*"\nreason = "the next version reads it"\n'


def test_what_is_ignored_counts_for_nothing_until_its_day_has_passed(tmp_path: Path) -> None:
    for end, today, stale in (
        ("", date(2026, 1, 1), False),
        ("expires = 2026-06-30\n", date(2026, 6, 30), False),
        ("expires = 2026-06-30\n", date(2026, 7, 1), True),
    ):
        judgement = judged(tmp_path, IGNORE + end, today)
        [one] = judgement.findings
        assert one.ignored == (None if stale else "the next version reads it")
        assert bool(judgement.stale) == stale == judgement.fails("warning")


def test_an_exception_that_fits_nothing_is_stale_unless_it_is_about_other_documents(tmp_path: Path) -> None:
    [stale] = judged(tmp_path, IGNORE.replace("parameters", "facts")).stale
    assert stale.endswith("the `ignore` of `unused-*` at /facts/* fits nothing")
    assert judged(tmp_path, IGNORE + 'document = "v2.yaml"\n').stale == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules = 1\n", "there is no `rules`"),
        ('[severity]\nsinks = "error"\n', "no rule fits `sinks`"),
        ('[severity]\nsink = "bad"\n', "`severity.sink` is one of none, info, warning, error"),
        ('[[ignore]]\nrule = "sinks"\nreason = "x"\n', "no rule fits `sinks`"),
        ('[[ignore]]\nrule = "sink"\n', "the `ignore` of `sink` has no `reason`"),
        ('[[ignore]]\nrule = "sink"\nreason = "x"\nat = 1\n', "`at` of `sink` is text"),
        ('[[ignore]]\nrule = "sink"\nreason = "x"\nexpires = "soon"\n', "`expires` of `sink` is a day"),
        ('[[ignore]]\nreason = "x"\n', "an `ignore` names a `rule`"),
        ("[ignore]\n", "`ignore` is a list of tables"),
        ("[", "is no TOML"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "lint.toml").write_text(text)
    with pytest.raises(Stop, match=re.escape(says)):
        read_policy(tmp_path / "lint.toml")


def told(kind: str, tmp_path: Path) -> str:
    """The bad example of a page in a format, with a finding that is ignored beside it."""
    judgement = judged(tmp_path, IGNORE)
    other = lint([example("sink", tmp_path)])
    return KINDS[kind](Judgement((*other.findings, *judgement.findings), ("an exception",)))


def test_formats_tell_where_what_and_how_bad(tmp_path: Path) -> None:
    text = told("text", tmp_path).splitlines()
    assert re.match(r".*lamp\.yaml:\d+:\d+: warning sink: .*\(close for something.*\)$", text[0])
    assert text[1].endswith("nothing uses the parameter `quiet`: the next version reads it")
    assert text[2] == "stale: an exception; take it out"
    data = json.loads(told("json", tmp_path))
    assert data["counts"] == {"error": 0, "warning": 1, "info": 0, "ignored": 1}
    assert [one["code"] for one in data["findings"]] == ["sink", "unused-name"]
    assert data["findings"][0]["pointer"] == "/connection/states/present"
    lines = told("github", tmp_path).splitlines()
    assert re.match(r"::warning file=.*lamp\.yaml,line=\d+,col=\d+,title=sink::no input", lines[0])
    assert lines[1:] == ["::error title=stale exception::an exception"]
    [run] = json.loads(told("sarif", tmp_path))["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {"sink", "unused-name"}
    assert [bool(result.get("suppressions")) for result in run["results"]] == [False, True]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] > 1


def test_no_format_breaks_on_what_documents_say() -> None:
    from spec.loading import Place

    odd = Finding("sink", "error", Place("a:b,c%\n.yaml", 1, 1), "/x", "::warning::\r\n]]>", "50 % <b>")
    [line] = KINDS["github"](Judgement((odd,))).splitlines()
    assert line == "::error file=a%3Ab%2Cc%25%0A.yaml,line=1,col=1,title=sink::::warning::%0D%0A]]> (50 %25 <b>)"
    for kind in ("json", "sarif"):
        assert json.loads(KINDS[kind](Judgement((odd,))))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = example("sink", tmp_path)
    assert main(["lint", str(path)]) == 2
    assert "warning sink: " in capsys.readouterr().out
    assert main(["lint", str(path), "--fail-on", "error"]) == 0
    (tmp_path / "mine.toml").write_text('[severity]\nsink = "none"\n')
    capsys.readouterr()
    assert main(["lint", str(path), "--policy", str(tmp_path / "mine.toml")]) == 0
    assert capsys.readouterr().out == ""
    assert main(["lint", str(example("document", tmp_path)), "--format", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "document"
    assert main(["lint", "--rules"]) == 0
    assert set(RULES) == {line.split()[0] for line in capsys.readouterr().out.splitlines()}


@pytest.mark.parametrize(
    ("words", "says"),
    [([], "no document is named"), (["chatt"], "did you mean `chat`"), (["none.yaml"], "there is no file")],
)
def test_slips_are_told(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", *words]) == 2
    assert says in capsys.readouterr().err
