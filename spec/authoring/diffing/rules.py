"""The catalogue of changes as data: whom each breaks when the server is upgraded first, and when clients are.

`server_first` is the usual question: old clients meet the new server. `clients_first` is the other: new clients meet
the old server. Diffing in the other direction must give a rule's mirror with the two answers swapped; where that does
not hold, `WAIVED` says why. A row of the catalogue that the document format has no construct for is in `INEXPRESSIBLE`.

Where this differs from what is usually said: every effect of our documents is obligatory (`must`), so an output that is
added leaves new clients waiting at an old server, and one that is dropped leaves old clients waiting at a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

__all__ = ["FIXES", "INEXPRESSIBLE", "RULES", "WAIVED", "Rule", "Verdict"]

Verdict = Literal["breaks", "warns", "safe", "receiver", "lost"]
"""`receiver`: safe where the receiver ignores what it does not know, else breaks; `lost`: the same, but warns."""

B: Verdict = "breaks"
W: Verdict = "warns"
S: Verdict = "safe"
U: Verdict = "receiver"
L: Verdict = "lost"


@frozen
class Rule:
    """One kind of change. `row` is its row of the catalogue, `side` who sends what changed, empty where nobody does.

    `codegen` and `docs` are what those profiles say beyond the wire; `security` marks what lets more in, or lets more
    out, and is for people to look at though nobody's exchange breaks.
    """

    id: str
    title: str
    server_first: Verdict
    clients_first: Verdict
    mirror: str
    codegen: Verdict = S
    docs: Verdict = S
    security: bool = False

    @property
    def row(self) -> str:
        return self.id.partition(".")[0]

    @property
    def side(self) -> str:
        words = self.id.split(".")
        return next((word for word in words if word in ("client", "server")), "")

    @property
    def fix(self) -> str:
        """What an author can do instead."""
        return FIXES.get(self.row, "")


_TABLE = (
    # Messages.
    Rule("M01.client", "a message of clients is gone", B, S, "M02.client", codegen=B),
    Rule("M01.server", "a message of servers is gone", S, U, "M02.server", codegen=B),
    Rule("M02.client", "clients have a new message", S, B, "M01.client", codegen=W),
    Rule("M02.server", "servers have a new message", U, S, "M01.server", codegen=W),
    Rule("M03", "a part of every message is somewhere else", B, B, "M03", codegen=B),
    Rule("M04.client", "a new member is required of clients", B, U, "M06.client", codegen=B),
    Rule("M04.server", "servers send a new member always", U, B, "M06.server", codegen=W),
    Rule("M05.client", "clients may send a new member", S, L, "M07.client"),
    Rule("M05.server", "servers may send a new member", U, S, "M07.server"),
    Rule("M06.client", "a member that clients sent always is gone", U, B, "M04.client", codegen=B),
    Rule("M06.server", "a member that servers sent always is gone", B, U, "M04.server", codegen=B),
    Rule("M07.client", "a member that clients could send is gone", L, S, "M05.client", codegen=B),
    Rule("M07.server", "a member that servers could send is gone", W, U, "M05.server", codegen=B),
    Rule("M08.client", "a member that clients could leave out is required", B, S, "M09.client", codegen=B),
    Rule("M08.server", "a member that servers could leave out comes always", S, B, "M09.server", codegen=W),
    Rule("M09.client", "clients may leave a member out", S, B, "M08.client", codegen=W),
    Rule("M09.server", "servers may leave a member out", B, S, "M08.server", codegen=B),
    Rule("M10.client", "fewer values are accepted of clients", B, S, "M11.client", codegen=W),
    Rule("M10.server", "servers send fewer values", S, B, "M11.server", codegen=W),
    Rule("M11.client", "more values are accepted of clients", S, B, "M10.client", codegen=W),
    Rule("M11.server", "servers send more values", B, S, "M10.server", codegen=B),
    Rule("M12.client", "clients may name one thing more", S, B, "M13.client", codegen=W),
    Rule("M12.server", "servers may name one thing more", B, S, "M13.server", codegen=B),
    Rule("M13.client", "clients may no longer name something", B, S, "M12.client", codegen=B),
    Rule("M13.server", "servers no longer name something", S, B, "M12.server", codegen=B),
    Rule("M14.client", "what clients leave out means something else", W, W, "M14.client"),
    Rule("M14.server", "what servers leave out means something else", W, W, "M14.server"),
    Rule("M15.client.refused", "unknown members of clients are refused", B, S, "M15.client.ignored"),
    Rule("M15.client.ignored", "unknown members of clients are ignored", S, B, "M15.client.refused"),
    Rule("M15.server.refused", "clients refuse unknown members", S, B, "M15.server.ignored"),
    Rule("M15.server.ignored", "clients ignore unknown members", B, S, "M15.server.refused"),
    Rule("M16.lowered", "the largest message is smaller", B, S, "M16.raised"),
    Rule("M16.raised", "the largest message is larger", S, B, "M16.lowered"),
    Rule("M17", "messages are written otherwise", B, B, "M17", codegen=B),
    Rule("M18.client.tightened", "fewer ids are accepted of clients", B, S, "M18.client.loosened"),
    Rule("M18.client.loosened", "more ids are accepted of clients", S, B, "M18.client.tightened"),
    Rule("M18.server.tightened", "servers use fewer ids, or each only once", S, B, "M18.server.loosened"),
    Rule("M18.server.loosened", "servers use more ids, or one twice", B, S, "M18.server.tightened"),
    Rule("M19", "values changed in a way that could not be decided", W, W, "M19"),
    Rule("M20", "a retired name is used again", B, B, "M20", codegen=B),
    # States and transitions.
    Rule("S01", "what was accepted is refused", B, S, "S02"),
    Rule("S02", "what was refused as unknown is accepted", S, B, "S01"),
    Rule("S03", "what was refused by a rule is accepted", W, B, "S01"),
    Rule("S04", "something more is sent", B, B, "S05"),
    Rule("S05", "something is sent no longer", B, B, "S04"),
    Rule("S06", "a step was inserted", B, B, "S07", codegen=W),
    Rule("S07", "a step was removed", B, B, "S06", codegen=W),
    Rule("S08", "an input leads to a state that acts otherwise", B, B, "S08"),
    Rule("S09", "written otherwise, and acts the same", S, S, "S09", codegen=W, docs=W),
    Rule("S10", "what was obligatory is no longer", B, S, "S11"),
    Rule("S11", "what was optional is obligatory", S, B, "S10"),
    Rule("S13.allowed", "a message may come at any time", B, S, "S13.withdrawn"),
    Rule("S13.withdrawn", "a message no longer comes at any time", S, B, "S13.allowed"),
    Rule("S14", "an order or isolation is no longer promised", B, S, "S15"),
    Rule("S15", "an order or isolation is promised", S, B, "S14"),
    Rule("S17", "a connection begins otherwise", B, B, "S17"),
    Rule("S18", "what no exchange reaches was changed", S, S, "S18"),
    # Timers and limits.
    Rule("T01.shortened", "clients have less time", B, S, "T01.lengthened"),
    Rule("T01.lengthened", "clients have more time", S, B, "T01.shortened"),
    Rule("T02.added", "clients have a deadline that they had not", B, S, "T02.removed"),
    Rule("T02.removed", "a deadline of clients is gone", S, B, "T02.added"),
    Rule("T03.lengthened", "something comes later", B, W, "T03.shortened"),
    Rule("T03.shortened", "something comes sooner", W, B, "T03.lengthened"),
    Rule("T04.lengthened", "a heartbeat comes less often", B, S, "T04.shortened"),
    Rule("T04.shortened", "a heartbeat comes more often", S, B, "T04.lengthened"),
    Rule("T05.shrunk", "what a client sends no longer restarts a timer", B, S, "T05.enlarged"),
    Rule("T05.enlarged", "what a client sends restarts a timer", S, B, "T05.shrunk"),
    Rule("T06.escalated", "an expiry now ends the connection", B, W, "T06.eased"),
    Rule("T06.eased", "an expiry no longer ends the connection", W, B, "T06.escalated"),
    Rule("T06.changed", "an expiry is told otherwise", B, B, "T06.changed"),
    Rule("T07", "a timer counts from another moment", B, B, "T07"),
    Rule("T08.tightened", "timers must be more punctual", S, B, "T08.loosened"),
    Rule("T08.loosened", "timers may be less punctual", B, S, "T08.tightened"),
    Rule("T09", "other values may be deployed", W, W, "T09"),
    Rule("T10.lowered", "fewer are let through", B, S, "T10.raised"),
    Rule("T10.raised", "more are let through", S, B, "T10.lowered"),
    Rule("T12.shortened", "what was lost can be taken up for less time", B, S, "T12.lengthened"),
    Rule("T12.lengthened", "what was lost can be taken up for longer", S, B, "T12.shortened"),
    # Errors and closes.
    Rule("E01", "there is a new error code", W, S, "E02", codegen=W),
    Rule("E02", "an error code is gone", S, W, "E01", codegen=B),
    Rule("E03", "whether to try again is told otherwise", B, B, "E03"),
    Rule("E04.closes", "an error now ends the connection", B, W, "E04.stays"),
    Rule("E04.stays", "an error no longer ends the connection", W, B, "E04.closes"),
    Rule("E05", "a condition has another close code or HTTP status", B, B, "E05"),
    Rule("E06", "a text for people was changed", S, S, "E06", docs=W),
    Rule("E07", "of two errors the other one wins", W, W, "E07"),
    Rule("E08", "an error or a refusal says something else", B, B, "E08"),
    Rule("E09", "a close code cannot be sent", B, B, "E05"),
    Rule("E10", "a condition has another error code", B, B, "E10"),
    # Authentication.
    Rule("A01.removed", "a credential is no longer taken there", B, S, "A01.added"),
    Rule("A01.added", "a credential is taken in one place more", S, B, "A01.removed"),
    Rule("A02.required", "authentication is now required", B, S, "A02.relaxed"),
    Rule("A02.relaxed", "authentication is no longer required", S, B, "A02.required", security=True),
    Rule("A04", "a credential is taken elsewhere", B, B, "A04"),
    Rule("A05.tightened", "a token is refused that was accepted", B, S, "A05.loosened"),
    Rule("A05.loosened", "a token is accepted that was refused", S, B, "A05.tightened", security=True),
    Rule("A06.shortened", "a token counts for less time", B, S, "A06.lengthened"),
    Rule("A06.lengthened", "a token counts for longer", S, B, "A06.shortened", security=True),
    Rule("A07.removed", "a token can no longer be replaced", B, S, "A07.added"),
    Rule("A07.added", "a token can be replaced", S, B, "A07.removed"),
    Rule("A08", "the end of a token is told otherwise", B, B, "A08"),
    Rule("A09.enlarged", "less is promised of what stays unsaid", W, S, "A09.reduced", security=True),
    Rule("A09.reduced", "more is promised of what stays unsaid", S, W, "A09.enlarged"),
    Rule("A10", "what is remembered of tokens was changed", W, W, "A10", security=True),
    # Opening and versions.
    Rule("V01.removed", "a version is no longer served", B, S, "V01.added"),
    Rule("V01.added", "a version is served that was not", S, B, "V01.removed"),
    Rule("V02", "who offers nothing gets something else", B, B, "V02"),
    Rule("V03", "an offer is answered by another version", B, B, "V03"),
    Rule("V04.required", "every request must have something more", B, S, "V04.dropped"),
    Rule("V04.dropped", "a request need no longer have something", S, B, "V04.required"),
    Rule("V04.changed", "every request must have something else", B, B, "V04.changed"),
    Rule("V05.early", "a deprecated version is gone before its sunset", B, S, "V01.added"),
    Rule("V05.late", "a deprecated version is gone behind its sunset", W, S, "V01.added"),
    Rule("V06", "of two credentials the other one counts", B, B, "V06"),
    Rule("V07.tightened", "a request is refused for its path or origin", B, S, "V07.loosened"),
    Rule("V07.loosened", "a request is no longer refused for its path or origin", S, B, "V07.tightened", security=True),
    Rule("V08", "a deployment that sets nothing has another value", W, W, "V08"),
    Rule("V09", "the version does not tell of a breaking change", S, S, "V09", codegen=S, docs=S),
    Rule("V10", "a deprecation has no sunset, or one that was moved forward", W, S, "V10"),
    Rule("V11.removed", "an answer lacks a header", B, S, "V11.added"),
    Rule("V11.added", "an answer has a header more", S, B, "V11.removed"),
    # Rooms.
    Rule("R01", "more clients hear of it", B, B, "R02", security=True),
    Rule("R02", "fewer clients hear of it", B, B, "R01"),
    Rule("R03.added", "who joins is told more", B, B, "R03.removed"),
    Rule("R03.removed", "who joins is told less", B, B, "R03.added"),
    Rule("R04.added", "members hear of who comes and goes", B, B, "R04.removed"),
    Rule("R04.removed", "members no longer hear of who comes and goes", B, B, "R04.added"),
    # What the catalogue has no row for.
    Rule("C01", "a message says something else", B, B, "C01"),
    Rule("P01", "a parameter is there, or gone", S, S, "P01", codegen=W),
    Rule("D01", "prose, examples or recipes were changed", S, S, "D01", docs=W),
    Rule("D02", "rules were added, dropped or cited elsewhere", S, S, "D02", docs=W),
    Rule("X01", "a difference that no rule explains", W, W, "X01"),
)

RULES: Mapping[str, Rule] = {rule.id: rule for rule in _TABLE}

WAIVED: Mapping[str, str] = {
    "M05.server": "nobody misses a member that never came, and somebody may miss one that did",
    "M07.server": "the same, the other way round",
    "S01": "refusing is told in one way, accepting in two: what was refused by a rule somebody may rely on",
    "S03": "its reverse is S01: nobody relies on an error in place of what was accepted",
    "V05.early": "its reverse is V01.added: a version that comes has no sunset behind it",
    "V05.late": "its reverse is V01.added, which cannot know that nobody was meant to be left",
    "V10": "a policy on the newer document alone",
    "M20": "a name that goes again is M01: nobody remembers that it was retired once",
    "E09": "its reverse is E05: one that can be sent comes in its place",
}
"""Rules whose mirror does not have the answers swapped, with the reason."""

INEXPRESSIBLE: Mapping[str, str] = {
    "S12": "documents put obligations on servers alone",
    "S16": "nothing bounds what is in flight or subscribed",
    "T11": "documents do not tell clients when to connect again",
    "A03": "tokens have no scopes or roles",
}
"""Rows of the catalogue for which no minimal pair can be written, with what the format lacks."""

FIXES: Mapping[str, str] = {
    "M01": "keep the message until no client sends it, and refuse it from a version of its own",
    "M02": "let a version or a capability say who may send it",
    "M03": "serve both spellings under two subprotocols",
    "M04": "make the member optional, with what its absence means",
    "M05": "say what a server that does not know the member does",
    "M06": "go on sending it",
    "M07": "go on reading it, or retire its name",
    "M08": "leave it optional",
    "M09": "go on sending it always",
    "M10": "accept the old values too",
    "M11": "send the new values under a new member or version",
    "M12": "declare from the beginning what a reader does with a name that it does not know",
    "M13": "go on accepting it",
    "M14": "give a new member another default",
    "M15": "refuse unknown members in a new version only",
    "M16": "keep the larger limit",
    "M17": "serve both under two subprotocols",
    "M18": "keep what an id may be",
    "M19": "write the schema so that it can be decided, or say in a test what it means",
    "M20": "take a name that was never used",
    "S01": "go on accepting it in a version of its own",
    "S02": "let a version or a capability say who may do it",
    "S03": "let a version or a capability say who may do it",
    "S04": "send it only to clients that asked for it, or under a new version",
    "S05": "go on sending it",
    "S06": "make the step optional until every client takes it",
    "S07": "go on accepting the step",
    "S08": "keep the target, or make the change a version",
    "S10": "keep the obligation",
    "S13": "send it only under a version whose clients expect it",
    "S14": "keep the order",
    "S17": "make the change a version",
    "T01": "keep the longer time",
    "T02": "let the deadline be a parameter that is far away at first",
    "T03": "keep the shorter time",
    "T04": "keep the interval, or tell clients of it at run time",
    "T05": "let what restarted it restart it",
    "T06": "keep how the expiry is told in the old version",
    "T07": "keep what the timer counts from",
    "T12": "keep the longer time",
    "T10": "keep the larger limit, or tell clients of it at run time",
    "E01": "say what clients do with a code that they do not know",
    "E03": "use a new code",
    "E04": "use a new code",
    "E05": "keep the code",
    "E08": "add members, and keep those that are there",
    "E09": "take a code from 4000 to 4999",
    "E10": "keep the code of a condition",
    "A01": "take both until nobody uses the old one",
    "A02": "let a version say where it is required",
    "A04": "take both until nobody uses the old one",
    "A05": "accept the old tokens until the last has expired",
    "A06": "keep the longer time",
    "A07": "go on accepting new tokens",
    "A08": "keep how it is told in the old version",
    "V01": "serve both in a stage of a rollout (`dual`)",
    "V02": "keep what an offer of nothing means",
    "V03": "keep the order of preference",
    "V04": "let a request without it be served as before",
    "V05": "wait for the sunset",
    "V07": "keep the old path beside the new one",
    "V09": "raise the version",
    "V10": "give a sunset, and do not move it forward",
    "V11": "go on sending it",
    "R01": "use a room or a message of its own",
    "R02": "use a room or a message of its own",
    "R03": "send it only under a version whose clients expect it",
    "R04": "send it only under a version whose clients expect it",
    "C01": "use a new member or message",
    "X01": "look at it: nothing shows that it is safe",
}
"""What an author can do instead, by row."""
