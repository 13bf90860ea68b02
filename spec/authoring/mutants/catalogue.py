"""The catalogue of operators, and the mutants that they make of a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from spec.authoring.mutants import (
    decisions,
    effects,
    envelopes,
    failures,
    logs,
    memories,
    openings,
    schemas,
    timers,
    tokens,
)
from spec.authoring.mutants.mutant import Edit, Mutant
from spec.authoring.mutants.reading import Draft

__all__ = ["OPERATORS", "Operator", "mutants"]


@frozen
class Operator:
    """One kind of fault: its name, and what it does to each place of a document that it applies to."""

    name: str
    edits: Callable[[Draft], Iterator[Edit]]

    @property
    def text(self) -> str:
        """What the fault is, in one sentence."""
        return (self.edits.__doc__ or "").strip()


_EDITS: tuple[Callable[[Draft], Iterator[Edit]], ...] = (
    *(decisions.drop_case, decisions.swap_cases, decisions.drop_row, decisions.swap_rows),
    *(decisions.drop_table_row, decisions.swap_table_rows, decisions.table_value),
    *(decisions.widen_guard, decisions.narrow_guard, decisions.negate_guard),
    *(decisions.redirect, decisions.stay, decisions.reenter, decisions.silence),
    *(effects.drop_effect, effects.repeat_effect, effects.unset_variable, effects.extra_output),
    *(effects.other_error, effects.close_without_error, effects.close_code, effects.unanswered),
    *(effects.only_sender, effects.early_join, effects.wrong_member, effects.drop_member),
    *(failures.error_stays_open, failures.error_close_code, failures.error_closes, failures.retryable),
    *(failures.error_member, failures.close_reason, failures.quote_in_error),
    *(timers.timer_off, timers.timer_late, timers.timer_early, timers.timer_kept),
    *(openings.refusal_status, openings.other_refusal, openings.refusal_body, openings.refusal_header),
    *(openings.quote_in_refusal, openings.refuse, openings.admit, openings.other_subprotocol),
    *(openings.hide_version, openings.credential_place, openings.drop_headers, openings.header_status),
    *(openings.header_form, openings.swap_dates),
    *(tokens.drop_rung, tokens.swap_rungs, tokens.raise_rung, tokens.other_verdict),
    *(tokens.drop_claim, tokens.drop_string_claim),
    *(memories.memory_forgets, memories.memory_keeps, memories.memory_key),
    *(memories.limit_count, memories.limit_window, memories.limit_key),
    *(memories.one_room, memories.constant_variable),
    *(schemas.drop_required, schemas.drop_type, schemas.drop_format, schemas.drop_bound),
    *(schemas.loosen_bound, schemas.tighten_bound, schemas.close_schema, schemas.narrow_time, schemas.frame_size),
    *(envelopes.drop_chosen, envelopes.same_id, envelopes.wrong_time, envelopes.wrong_chosen),
    *(envelopes.other_reply_member,),
    *(logs.one_log, logs.log_identity, logs.log_entry, logs.log_time, logs.page_bound),
    *(logs.to_sender_too, logs.put_out, logs.one_choice),
    *(logs.rung_moment, logs.rung_subjects, logs.rung_accepts),
)

OPERATORS: Mapping[str, Operator] = {
    operator.name: operator for operator in (Operator(edits.__name__.replace("_", "-"), edits) for edits in _EDITS)
}


def mutants(data: dict[str, Any], parameters: Mapping[str, Any]) -> Iterator[Mutant]:
    """Every mutant of a document's data, for a deployment's parameters (parsed), by operator and place.

    Some are no documents, where the format does not allow the fault at that place: reading them says so.
    """
    draft = Draft(data, parameters)
    for operator in OPERATORS.values():
        for edit in operator.edits(draft):
            yield Mutant(operator.name, edit)
