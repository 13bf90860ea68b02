"""The tracker: what an observed peer may be doing, as a set of hypotheses; the oracle on the wire."""

from spec.tracker.answers import Answer
from spec.tracker.findings import Finding
from spec.tracker.following import Slack
from spec.tracker.hypothesis import Firing
from spec.tracker.tracker import Tracker

__all__ = ["Answer", "Finding", "Firing", "Slack", "Tracker"]
