"""The matrix: every conformant foreign server passes, and every fault of every one is caught by the rule it breaks."""
