"""The rules of lint: one code, one function, one page (`docs/lint/CODE.md`) with a bad and a good example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from spec.authoring.linting import citations, decisions, errors, scenarios, schemas, secrets, states, timers
from spec.authoring.linting.subject import Found, Subject
from spec.loading.problems import DOCUMENT, INCOMPLETE

__all__ = ["LEVELS", "RULES", "Rule"]

LEVELS = ("none", "info", "warning", "error")


@frozen
class Rule:
    """A rule: its severity where no policy says otherwise, and what finds it.

    Without `check` the loader finds it, and nothing else is asked of such a document.
    """

    code: str
    level: str
    title: str
    check: Callable[[Subject], Iterator[Found]] | None = None


_E, _W = "error", "warning"

RULES: Mapping[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(DOCUMENT, _E, "a document that cannot be used"),
        Rule(INCOMPLETE, _E, "a decision that leaves a case undecided"),
        Rule("overlapping-cases", _E, "a row that never decides", decisions.overlapping_cases),
        Rule("unreachable-state", _E, "a state to which no exchange leads", states.unreachable_states),
        Rule("equivalent-states", _E, "states that behave alike", states.equivalent_states),
        Rule("sink", _W, "a state that no server ever closes from", states.sinks),
        Rule("endless-timer", _E, "timers that start each other without end", timers.endless_timers),
        Rule("unhandled-timer", _E, "a timer of which nothing comes", timers.unhandled_timers),
        Rule("unstarted-timer", _E, "a timer that nothing starts", timers.unstarted_timers),
        Rule("intolerant-timer", _E, "timers without a tolerance", timers.intolerant_timers),
        Rule("untested-error", _E, "an error that no case raises", errors.untested_errors),
        Rule("unsendable-close", _E, "a close code that no server can send", errors.unsendable_closes),
        Rule("long-reason", _E, "a close reason that is too long", errors.long_reasons),
        Rule("unsatisfiable-schema", _E, "a schema that no value fits", schemas.unsatisfiable_schemas),
        Rule("ambiguous-discriminator", _W, "messages that are not told apart", schemas.ambiguous_discriminators),
        Rule("invalid-example", _E, "an example that does not fit its schema", schemas.invalid_examples),
        Rule("browser-header", _W, "credentials that no browser can send", citations.browser_headers),
        Rule("uncited-rule", _E, "a rule that nothing carries out", citations.uncited_rules),
        Rule("retired-name", _E, "a retired name that is in use", citations.retired_names),
        Rule("unused-name", _W, "what is declared and not used", citations.unused_names),
        Rule("no-sunset", _W, "a deprecated version without an end", citations.deprecated_without_sunset),
        Rule("refused-scenario", _E, "a scenario that the machine does not accept", scenarios.refused_scenarios),
        Rule("unmarked-secret", _E, "a token that is not marked as a secret", secrets.unmarked_secrets),
        Rule("echoed-secret", _E, "a secret that comes back", secrets.echoed_secrets),
    )
}
