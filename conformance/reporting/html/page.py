"""The page: what stands on it, in which order, and how it is put together."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.guarantee import in_words
from conformance.reporting.exchange import remark, replay
from conformance.reporting.html.elements import Content, Markup, el, join, prose
from conformance.reporting.html.sequence import sequence
from conformance.reporting.html.statechart import statechart
from conformance.reporting.html.timing import timing
from conformance.reporting.run import SHOWN, Event, Run, clocks_in_words, plural, read_run

__all__ = ["render"]

_FOLDER = Path(__file__).parent

_SECTIONS = (
    ("failures", "Failures"),
    ("states", "States and moves"),
    ("rules", "Rules"),
    ("timers", "Timers"),
    ("cases", "Cases"),
    ("run", "Run"),
)

_FEW = 4
"""How many cases of a rule are listed at once; more are folded away."""

_REACHED = {
    "reached": "pass",
    "unreached": "inconclusive",
    "not applicable": "not applicable",
    "elsewhere": "not applicable",
}


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    run = read_run(events)
    style, script = (_FOLDER.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    title = f"{run.title}: {run.verdict}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content=run.header["tool"]),
        el("title", title),
        el("style", Markup(style)),
    )
    body = el("body", _top(run), el("main", _sections(run), id="main"), el("script", Markup(script)))
    return "<!DOCTYPE html>\n" + el("html", head, body, lang="en") + "\n"


def _policy(style: str, script: str) -> str:
    """Nothing is loaded and nothing sent, and no other script or style runs than those that are written here."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    style_hash, script_hash = hashes
    allowed = f"style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


# ---------------------------------------------------------------------------------------------------------- top


def _top(run: Run) -> Markup:
    header = run.header
    theme = el("button", "Dark or light", id="theme", type="button", hidden=True, title="t")
    started = f", {header['started']}" if header.get("started") else ""
    about = el("p", f"{header['tool']} at ", el("code", header["target"]), f", level {header['level']}{started}")
    links = el("nav", (el("a", text, href=f"#{name}") for name, text in _SECTIONS), aria_label="Sections")
    heading = el("h1", header["protocol"], f" {header['version']} ", _chip(run.verdict))
    skip = el("a", "To the report", href="#main", class_="skip")
    return el("header", skip, el("div", heading, theme, class_="line"), about, _state(run), _counts(run), links)


def _state(run: Run) -> Markup:
    """What a reader must know before anything else."""
    told: list[Content] = []
    if run.reason:
        kind = "Truncated" if run.cut_off else "Partial"
        told.append(el("p", el("b", f"{kind}: "), run.reason, class_="alert"))
    told += [el("p", el("b", "Baseline: "), misfit, class_="alert") for misfit in run.misfits]
    told += [el("p", el("b", "Flaky: "), flaky, class_="alert") for flaky in (run.baseline or {}).get("flaky", ())]
    stated = in_words(run.header.get("guarantee"))
    if stated:
        given = "Guarantee given: " if run.guarantee["holds"] else "Guarantee not given: "
        told.append(el("p", el("b", given), stated[0]))
    if run.coverage:
        told.append(el("p", el("b", "Reached: "), ", ".join(_reached(run.coverage))))
    return join(told)


def _reached(coverage: Mapping[str, Any]) -> Iterator[str]:
    """How many rules, states and transitions, and of how many: the numbers of the other reports."""
    rules, states, rows = (coverage[name] for name in ("rules", "states", "transitions"))
    yield f"{len(rules['reached'])} of {len(rules['reached']) + len(rules['unreached'])} rules that apply"
    yield f"{len(states['reached'])} of {len(states['all'])} states"
    yield f"{len(rows['reached'])} of {len(rows['reached']) + len(rows['unreached'])} rows and cases of the document"


def _counts(run: Run) -> Markup:
    """The counts by verdict; with a script, each shows or hides its cases."""
    duration = f" in {run.duration:.1f} s" if run.duration is not None else ""
    pills = [
        el("li", el("button", f"{count} {verdict}", type="button", aria_pressed="true", data_verdict=verdict))
        for verdict, count in run.counts.items()
        if count
    ]
    total = el("p", f"{len(run.cases)} of {run.header['cases']} cases{duration}")
    search = el("input", type="search", id="search", placeholder="Search (/)", aria_label="Search in cases and rules")
    found = el("output", id="found", aria_live="polite")
    hint = el("small", "/ search · j k next and previous failure · t dark or light")
    return join([total, el("ul", pills, id="counts"), el("div", search, found, hint, id="tools", hidden=True)])


def _chip(verdict: str) -> Markup:
    return el("span", verdict, class_=f"chip {verdict.replace(' ', '-')}")


# ----------------------------------------------------------------------------------------------------- sections


def _sections(run: Run) -> Iterator[Markup]:
    content: Mapping[str, Content] = {
        "failures": _failures(run),
        "states": statechart(run) or el("p", "The stream has no chart of the document."),
        "rules": _rules(run),
        "timers": timing(run) or el("p", "No timer was measured."),
        "cases": _cases(run),
        "run": _about(run),
    }
    for name, title in _SECTIONS:
        yield el(
            "section", el("h2", title, id=f"{name}-title"), content[name], id=name, aria_labelledby=f"{name}-title"
        )


def _failures(run: Run) -> Content:
    groups = [_rule_broken(run, verdict, *group) for verdict in SHOWN for group in run.by_rule(verdict)]
    known = [_rule_broken(run, "known", *group) for group in run.by_rule("known")]
    return [*groups, *known] or el("p", "None.")


def _rule_broken(run: Run, verdict: str, rule: str, cases: Iterable[Event]) -> Markup:
    cases = list(cases)
    head = el("h3", _chip(verdict), " ", el("code", rule), f" {run.level(rule)} · {plural(len(cases), 'case')}")
    text = el("p", prose(run.rule(rule).get("text")), class_="rule")
    listed = [_case(run, case, opened=number == 0 and verdict != "known") for number, case in enumerate(cases)]
    few, more = (listed, []) if len(listed) <= _FEW + 1 else (listed[:_FEW], listed[_FEW:])
    others = el("details", el("summary", f"{len(more)} other cases"), more, class_="others") if more else None
    return el("article", head, text, few, others, class_=verdict)


def _case(run: Run, case: Event, *, opened: bool) -> Markup:
    summary = el("summary", el("code", case["id"]), " ", el("span", prose(case.get("known") or case["message"])))
    others = [finding for finding in case.get("findings", ()) if finding["text"] != case["message"]]
    more = [
        el("li", f"{finding['check']}: ", prose(finding["text"]), f" ({' '.join(finding['rules'])})")
        for finding in others
    ]
    told = [el("p", prose(one)) for one in (case["message"] if case.get("known") else None, remark(case)) if one]
    command = replay(run, case)
    again = el("p", "Replay: ", el("code", command)) if command else None
    body = (sequence(case, run.header.get("started")), el("ul", more) if more else None, told, again)
    name = f"case-{_anchor(case['id'])}"
    return el("details", summary, body, id=name, open=opened, data_verdict=case["verdict"], class_="case")


def _anchor(identifier: str) -> str:
    return hashlib.sha256(identifier.encode(errors="replace")).hexdigest()[:12]


def _rules(run: Run) -> Markup:
    broken = {
        case["rules"][0]: case["verdict"]
        for verdict in reversed(SHOWN)
        for case in run.by_verdict(verdict)
        if case["rules"]
    }
    status = {rule: (kind, why) for kind, found in run.coverage.get("rules", {}).items() for rule, why in found.items()}
    rows = []
    for name, rule in run.header["rules"].items():
        kind, why = status.get(name, ("unknown", ""))
        verdict = broken.get(name) or _REACHED.get(kind, "inconclusive")
        chip = el("span", broken.get(name) or kind, class_=f"chip {verdict.replace(' ', '-')}")
        many = sum(name in case["rules"] for case in run.cases)
        cells = (el("th", el("code", name), scope="row"), el("td", run.level(name)), el("td", chip), el("td", many))
        rows.append(
            el("tr", cells, el("td", prose(rule["text"]), el("br") if why else None, el("small", why) if why else None))
        )
    return el(
        "div", el("table", _heads("Rule", "Level", "Became", "Cases", "Text"), el("tbody", rows)), class_="scroll"
    )


def _cases(run: Run) -> Markup:
    rows = []
    for case in run.cases:
        shown = case["verdict"] in (*SHOWN, "known")
        name = el("code", case["id"])
        link = el("a", name, href=f"#case-{_anchor(case['id'])}") if shown else name
        cells = (el("td", _chip(case["verdict"])), el("th", link, scope="row"), el("td", " ".join(case["rules"])))
        rows.append(
            el(
                "tr",
                cells,
                el("td", f"{case['duration_s']:.2f} s", class_="number"),
                el("td", prose(case["message"])),
                data_verdict=case["verdict"],
            )
        )
    table = el("table", _heads("Verdict", "Case", "Rules", "Took", "Said"), el("tbody", rows))
    return el("div", table, class_="scroll")


def _about(run: Run) -> Markup:
    header = run.header
    told = {
        "document": header["document"],
        "seed": header["seed"],
        "fails on": header["fail_on"],
        "tier": header["tier"],
        "keys": ", ".join(f"{key['alg']} {key['kid'] or ''}" for key in header["keys"]) or "none",
        "chosen": f"{' '.join(header['run']) or 'all'}, without {' '.join(header['skip']) or 'none'}",
        **header["parameters"],
    }
    if run.calibration:
        told["round trip"] = f"{run.calibration['round_trip_s'] * 1000:.1f} ms"
        told["clock"] = clocks_in_words(run.calibration.get("clock"))
    rows = [el("tr", el("th", name, scope="row"), el("td", el("code", value))) for name, value in told.items()]
    stated = [el("li", line) for line in in_words(header.get("guarantee"))]
    stated += [el("li", f"assumed: {line}") for line in (header.get("guarantee") or {}).get("assumptions", ())]
    return join([el("div", el("table", el("tbody", rows)), class_="scroll"), el("ul", stated) if stated else None])


def _heads(*names: str) -> Markup:
    return el("thead", el("tr", (el("th", name, scope="col") for name in names)))
