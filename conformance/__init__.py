"""The conformance suite: families describe, the player talks, the tracker judges, reports fold."""
