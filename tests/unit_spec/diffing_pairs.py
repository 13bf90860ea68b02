"""The smallest pairs of documents, one for each kind of change: chat, edited on one or on both sides.

Compared the other way round, a pair shows the mirror of its rule. `BASE` edits come into both documents.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

from spec.authoring.mutants.patches import Patch, add, patched, remove, replace
from spec.loading import Source, find, read, read_data

AUTH = "/connection/states/authenticating"
IN = "/connection/states/connected"
SAID = "/messages/chat_message/client/payload"
HEARD = "/messages/chat_message/server/payload"
TYPING = {
    "client": {
        "text": "Somebody types.",
        "payload": {"type": "object", "properties": {}},
        "examples": [{}],
    }
}
NOTICE = {
    "server": {"text": "Something to know.", "payload": {"type": "object", "properties": {}}, "rules": ["CHAT-MSG-1"]}
}
UPDATE = {"send": "recipe_update", "payload": {"recipe_id": "$recipe_id", "revision": "$chosen", "recipe": "$chosen"}}
LISTED = add(f"{IN}/receive/typing", [{"do": [], "rules": ["CHAT-MSG-2"]}])
LOBBY = {
    "text": "Known, and not yet inside.",
    "receive": {
        "malformed": [{"do": [{"error": "MESSAGE_INVALID", "in_reply": "readable"}], "rules": ["CHAT-MSG-4"]}],
        "other": [{"do": [{"error": "MESSAGE_UNKNOWN_TYPE"}], "rules": ["CHAT-MSG-5"]}],
        "typing": [{"do": [], "to": "connected.v2", "rules": ["CHAT-MSG-2"]}],
    },
}
KIND = {"enum": ["note", "question"]}
IDS = "/wire/envelope/client/schema/properties/id/maxLength"
SENT = "/wire/envelope/server/schema/properties/id/maxLength"
LAST = f"{AUTH}/receive/auth/5/do/-"
ECHO = {
    "broadcast": "recipe_update",
    "to": "recipe",
    "payload": {"recipe_id": "$recipe_id", "revision": "$chosen", "recipe": "$chosen"},
}
UNSERVED = (
    replace("/facts/version/rows/3/is", "unserved"),
    replace("/facts/version/rows/4/is", "unserved"),
)

Edits = tuple[Patch, ...]

BASE: Mapping[str, Edits] = {
    "M01.client": (add("/messages/typing", TYPING), LISTED),
    "M03": (add("/wire/envelope/server/schema/properties/answers", {"type": "string"}),),
    "M08.client": (add(f"{SAID}/properties/mood", {"type": "string"}),),
    "M08.server": (add(f"{HEARD}/properties/mood", {"type": "string"}),),
    "M13.client": (add(f"{SAID}/properties/kind", KIND),),
    "M13.server": (add(f"{HEARD}/properties/kind", KIND),),
    "M19": (add(f"{SAID}/properties/mood", {"type": "string", "pattern": "^(a|b)*$"}),),
    "M20": (add("/retired", {"messages": ["notice"], "errors": ["TOO_LOUD"]}),),
    "S02": (add("/messages/typing", TYPING),),
    "S06": (add("/messages/typing", TYPING),),
    "S18": (add("/messages/typing", TYPING), add("/connection/states/lobby", LOBBY)),
    "V01.removed": (remove("/versions/1/deprecated"),),
    "V05.early": (replace("/parameters/sunset/default", "2099-01-01T00:00:00Z"),),
    "V05.late": (replace("/parameters/sunset/default", "2020-01-01T00:00:00Z"),),
}

PAIRS: Mapping[str, Edits] = {
    "M01.client": (remove("/messages/typing"), remove(f"{IN}/receive/typing")),
    "M02.server": (add("/messages/notice", NOTICE),),
    "M03": (replace("/wire/envelope/reply_to", "/answers"),),
    "M04.client": (add(f"{SAID}/properties/mood", {"type": "string"}), add(f"{SAID}/required/-", "mood")),
    "M04.server": (add(f"{HEARD}/properties/mood", {"type": "string"}), add(f"{HEARD}/required/-", "mood")),
    "M05.client": (add(f"{SAID}/properties/mood", {"type": "string"}),),
    "M05.server": (add(f"{HEARD}/properties/mood", {"type": "string"}),),
    "M08.client": (add(f"{SAID}/required/-", "mood"),),
    "M08.server": (add(f"{HEARD}/required/-", "mood"),),
    "M10.client": (replace(f"{SAID}/properties/content/maxLength", 2000),),
    "M10.server": (add(f"{HEARD}/properties/content/maxLength", 4000),),
    "M13.client": (replace(f"{SAID}/properties/kind/enum", ["note"]),),
    "M13.server": (replace(f"{HEARD}/properties/kind/enum", ["note"]),),
    "M15.client.refused": (add(f"{SAID}/additionalProperties", False),),
    "M15.server.refused": (add(f"{HEARD}/additionalProperties", False),),
    "M16.lowered": (replace("/parameters/message_bytes/default", "32KiB"),),
    "M14.client": (replace("/messages/pull/client/payload/properties/limit/default", 500),),
    "M14.server": (add(f"{HEARD}/properties/user_id/default", "nobody"),),
    "M17": (replace("/wire/binding", "socketio"),),
    "M18.client.tightened": (replace(IDS, 64),),
    "M18.server.tightened": (replace(SENT, 64),),
    "M19": (replace(f"{SAID}/properties/mood/pattern", "^(b|a)*$"),),
    "M20": (add("/messages/notice", NOTICE),),
    "S01": (replace(f"{IN}/receive/chat_message", [{"do": [{"error": "MESSAGE_INVALID"}], "rules": ["CHAT-MSG-2"]}]),),
    "S02": (LISTED,),
    "S04": (add(f"{IN}/receive/chat_message/2/do/-", UPDATE),),
    "S03": (replace(f"{AUTH}/receive/chat_message/0/do", []),),
    "S06": (add("/connection/states/lobby", LOBBY), replace(f"{AUTH}/receive/auth/5/to", "lobby")),
    "S08": (replace(f"{IN}/receive/auth/6/to", "connected.v1"),),
    "S09": (
        replace(f"{IN}/receive/chat_message/0/when/payload", ["invalid"]),
        add(f"{IN}/receive/chat_message/2", {"when": {"payload": "invalid"}, "do": [], "rules": ["CHAT-MSG-4"]}),
    ),
    "S10": (replace("/rules/CHAT-MSG-9/level", "should"),),
    "S13.withdrawn": (remove(f"{IN}/may_send"),),
    "S14": (remove("/connection/ordered"),),
    "S17": (add("/opening/rows/17/do", [UPDATE]),),
    "S18": (replace("/connection/states/lobby/receive/other/0/do/0/error", "MESSAGE_INVALID"),),
    "T01.shortened": (replace("/parameters/auth_deadline/default", "3s"),),
    "T02.removed": (remove(f"{AUTH}/timers"),),
    "T03.shortened": (replace("/parameters/reauth_lead/default", "120s"),),
    "T06.eased": (replace(f"{AUTH}/timers/auth_deadline/expire/0/do/0/error", "MESSAGE_UNKNOWN_TYPE"),),
    "T06.changed": (replace(f"{AUTH}/timers/auth_deadline/expire/0/do/0/error", "AUTH_REQUIRED"),),
    "T07": (
        replace(
            f"{IN}/states/v2/timers/token_expiry",
            {
                "after": "$parameters.auth_deadline",
                "expire": [{"do": [{"error": "REAUTH_TIMEOUT"}], "rules": ["CHAT-REAUTH-5"]}],
            },
        ),
    ),
    "T08.loosened": (replace("/parameters/timer_late/default", "1s/50%"),),
    "T09": (replace("/parameters/auth_deadline/max", "20m"),),
    "T10.lowered": (replace("/parameters/auth_rate/default", "5/60s"),),
    "E01": (add("/errors/codes/TOO_LOUD", {"close": "none", "retryable": True, "text": "Say less."}),),
    "E03": (replace("/errors/codes/TOKEN_INVALID/retryable", True),),
    "E04.closes": (replace("/errors/codes/MESSAGE_UNKNOWN_TYPE/close", 1008),),
    "E05": (replace("/errors/codes/TOKEN_INVALID/close", 4001),),
    "E06": (replace("/errors/codes/TOKEN_INVALID/text", "Try another one."),),
    "E07": (
        replace(f"{IN}/receive/auth/3/when", {"subject": "other"}),
        replace(f"{IN}/receive/auth/3/do", [{"error": "SUBJECT_MISMATCH"}]),
        replace(f"{IN}/receive/auth/4/when", {"replay": "seen"}),
        replace(f"{IN}/receive/auth/4/do", [{"error": "AUTH_REPLAYED"}]),
    ),
    "E08": (remove("/errors/payload/retryable"), remove("/messages/error/server/payload/required/2")),
    "E10": (replace(f"{AUTH}/receive/other/0/do/0/error", "MESSAGE_INVALID"),),
    "A01.removed": (remove("/facts/credential/places/1"),),
    "A02.relaxed": (
        replace(
            "/opening/rows/7",
            {
                "when": {"version": "v1", "presented": "absent"},
                "upgrade": {"subprotocol": "none", "to": "authenticating"},
                "rules": ["CHAT-LEG-1"],
            },
        ),
    ),
    "A04": (replace("/facts/credential/places/1/query", "access_token"),),
    "A05.tightened": (add("/tokens/claims/required/-", "tenant"),),
    "A06.lengthened": (replace("/parameters/leeway/default", "30s"),),
    "A07.removed": (remove(f"{IN}/receive/auth"),),
    "A08": (replace(f"{IN}/states/v2/timers/token_expiry/expire/0/do/0/error", "TOKEN_EXPIRED"),),
    "A09.enlarged": (remove("/invariants/0"),),
    "A10": (replace("/memories/accepted_auths/key", ["$message.id"]),),
    "V01.removed": (remove("/versions/1"), *UNSERVED),
    "V02": (replace("/opening/rows/17/upgrade/subprotocol", "chat.v2"),),
    "V03": (replace("/opening/rows/16/upgrade/subprotocol", "chat.v1"),),
    "V05.early": (remove("/versions/1"), *UNSERVED),
    "V05.late": (remove("/versions/1"), *UNSERVED),
    "V06": (
        replace("/facts/credential/places", [{"query": "token"}, {"header": "Authorization", "scheme": "Bearer"}]),
    ),
    "V07.tightened": (replace("/opening/path", "/v3/chat/{recipe_id}"),),
    "T04.lengthened": (replace("/parameters/ping_interval/default", "50s"),),
    "T05.shrunk": (remove("/connection/states/open/timers/client_timeout/restarts"),),
    "T12.shortened": (replace("/parameters/resume_window/default", "10s"),),
    "E09": (replace("/connection/receive/oversize/0/do/0/close", 1006),),
    "V04.required": (add("/opening/query/v", "2"),),
    "V04.changed": (replace("/opening/query/EIO", "5"),),
    "V08": (replace("/parameters/rollout/default", "dual"),),
    "V10": (replace("/parameters/sunset/default", "2026-06-01T00:00:00Z"),),
    "V11.removed": (remove("/opening/rows/8/refuse/headers"),),
    "R01": (replace("/rooms/recipe/key", "$parameters.rollout"),),
    "R03.added": (add(LAST, UPDATE),),
    "R04.added": (add(LAST, ECHO),),
    "C01": (replace(f"{IN}/receive/chat_message/2/do/0/payload/user_id", "somebody"),),
    "P01": (add("/parameters/colour", {"type": "text", "default": "red", "text": "A colour."}),),
    "X01": (replace(f"{AUTH}/receive/auth/1/do/0/error", "TOKEN_INVALID"),),
    "D01": (replace("/title", "Talk"),),
    "D02": (add(f"{IN}/receive/chat_message/2/rules/-", "CHAT-MSG-1"),),
}
"""Rule -> the edits that make the newer document."""


DOCUMENT: Mapping[str, str] = {
    "M14.client": "sync",
    "T04.lengthened": "executions",
    "T05.shrunk": "hub",
    "T12.shortened": "hub",
    "V04.required": "executions",
    "V04.changed": "executions",
}
"""The documents that pairs are made of which chat has nothing for."""


@cache
def chat() -> Source:
    """The packaged document of chat, version 2."""
    return read(find("chat@2"))


@cache
def packaged(name: str) -> Source:
    """A packaged document."""
    return chat() if name == "chat" else read(find(name))


def edited(*edits: Patch, of: str = "chat") -> Source:
    """Chat, or another document, with edits."""
    return read_data(patched(packaged(of).data, edits)) if edits else packaged(of)


def pair(rule: str) -> tuple[Source, Source]:
    """The older and the newer document of a rule's pair."""
    base, of = BASE.get(rule, ()), DOCUMENT.get(rule, "chat")
    return edited(*base, of=of), edited(*base, *PAIRS[rule], of=of)


def data() -> dict[str, Any]:
    """Chat's data, to be edited."""
    return copy.deepcopy(chat().data)
