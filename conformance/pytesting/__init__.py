"""The plugin of pytest: every case of a run as a test of its own, and `handfast_check` as a fixture.

`plugin` is loaded by every pytest that has Handfast installed, so it imports nothing else until it is asked for a run.
"""
