"""The fixture `handfast_check`: the same checks as `conformance.testing`, told as pytest tells failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from conformance import testing
from conformance.testing import NotConformant, Opened
from spec.exits import Stop

if TYPE_CHECKING:
    from conformance.reporting.run import Run

__all__ = ["Check"]


@frozen
class Check:
    """Checks servers; `said` are options that hold where a call says nothing else."""

    said: Mapping[str, Any]

    def __call__(self, where: str | Opened | None = None, **options: Any) -> Run:
        """As `conformance.testing.handfast_check`; the test fails with the report, and without a traceback."""
        try:
            return testing.handfast_check(self._where(where), **self._options(options))
        except (NotConformant, Stop) as problem:
            told = str(problem)
        pytest.fail(told, pytrace=False)

    async def under_trio(self, where: str | Opened | None = None, **options: Any) -> Run:
        """The same for tests that run under Trio, such as those of pytest-trio."""
        try:
            return await testing.handfast_check_async(self._where(where), **self._options(options))
        except (NotConformant, Stop) as problem:
            told = str(problem)
        pytest.fail(told, pytrace=False)

    def _where(self, where: str | Opened | None) -> str | Opened | None:
        return self.said.get("url") if where is None else where

    def _options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        said = {name: value for name, value in self.said.items() if name not in {"url", "deployed"}}
        known = {"with_": self.said["deployed"]} if "deployed" in self.said else {}
        return {**said, **known, **options}
