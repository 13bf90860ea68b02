"""The chart of a document in the header of a run."""

from __future__ import annotations

import pytest

from conformance.charting import ANY, END, START, chart
from conformance.coverage import coverage
from conformance.reporting.html.statechart import statechart
from conformance.reporting.run import Run
from spec.compiling import load
from spec.loading import available
from tests.unit_conformance.kit import plan


def test_the_chart_has_what_coverage_names() -> None:
    """Every row and case of the document is a move, each once, and every leaf a state."""
    drawn, told = chart(plan("message").document), coverage(plan("message"), (), {}, filtered=True)
    pointers = [move["pointer"] for move in drawn["moves"]]

    assert sorted(pointers) == told["transitions"]["unreached"]
    assert set(told["states"]["all"]) <= {state["path"] for state in drawn["states"]}


@pytest.mark.parametrize("name", sorted({packaged.name for packaged in available()}))
def test_every_document_has_a_chart_that_can_be_drawn(name: str) -> None:
    """Moves lead from states to states, to the end, or nowhere; no box is drawn twice."""
    drawn = chart(load(name))
    paths = {state["path"] for state in drawn["states"]}
    svg = str(statechart(Run({"machine": drawn}, None, (), None, {})))

    for move in drawn["moves"]:
        assert move["from"] in {START, ANY, *paths}
        assert move["to"] in {None, END, *paths}
    assert svg.count('class="state ') == len(paths)
