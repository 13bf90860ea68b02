"""Recorded exchanges judged offline: what a browser or a run of the suite wrote down, against a document."""
