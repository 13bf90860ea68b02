"""From the checked data of a document to its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spec import model
from spec.expressions import spans
from spec.loading import Source, find, read, shown
from spec.parameters import Parameter, parse_value
from spec.references.names import fact_values, word

__all__ = ["compile_source", "load"]


def load(name: str | Path) -> model.Document:
    """Load a packaged protocol by name, or a document by its path.

    Raises:
        DocumentError: with every problem of the document.
        UnknownProtocol: where nothing has that name.
    """
    return compile_source(read(find(str(name))))


def compile_source(source: Source) -> model.Document:
    """Compile a source that has passed all checks."""
    data = source.data
    opening, connection, errors, tokens = (data[key] for key in ("opening", "connection", "errors", "tokens"))
    ending, envelope = connection["ending"], data["wire"]["envelope"]
    shutdown = ending.get("shutdown", {})
    definitions, refusals = data.get("definitions", {}), data.get("refusals", {})
    parameters = {name: _parameter(name, entry) for name, entry in data.get("parameters", {}).items()}
    return model.Document(
        name=data["protocol"],
        version=data["version"],
        title=data["title"],
        summary=data["summary"],
        digest=source.digest,
        rules={name: _rule(name, entry, source) for name, entry in data.get("rules", {}).items()},
        parameters=parameters,
        versions=tuple(_version(entry) for entry in data.get("versions", ())),
        binding=data["wire"]["binding"],
        largest=_literal("size", data["wire"]["frames"]["largest"]),
        framing={kind: _rules(entry) for kind, entry in data.get("framing", {}).items()},
        envelope=_envelope(envelope, definitions),
        messages={
            name: _message(name, entry, envelope["payload"], definitions) for name, entry in data["messages"].items()
        },
        error_message=errors["message"],
        error_payload=errors["payload"],
        error_in_reply=errors.get("in_reply", "must"),
        close_rules=tuple(errors.get("close_rules", ())),
        close_reasons={int(code): reason for code, reason in errors.get("close_reasons", {}).items()},
        errors={code: _error(code, entry) for code, entry in errors["codes"].items()},
        claims=tokens["claims"],
        ladder=tuple(_step(entry) for entry in tokens["ladder"]),
        recipes=tuple(_recipe(entry) for entry in tokens["recipes"]),
        facts={name: _fact(name, entry, data) for name, entry in data["facts"].items()},
        memories={
            name: model.Memory(name, tuple(entry["key"]), entry["until"])
            for name, entry in data.get("memories", {}).items()
        },
        timers=tuple(_timer(name, "", entry, "/connection") for name, entry in connection.get("timers", {}).items()),
        farewell=_farewell(data["wire"].get("farewell")),
        query=opening.get("query", {}),
        frame_rules=tuple(data["wire"]["frames"].get("rules", ())),
        error_forms={
            name: model.ErrorForm(form["message"], form["payload"], _ends(form.get("close")))
            for name, form in errors.get("forms", {}).items()
        },
        links={name: _link(name, entry) for name, entry in data.get("links", {}).items()},
        cited=frozenset(_cited({name: part for name, part in data.items() if name != "rules"})),
        records={name: tuple(entry["key"]) for name, entry in data.get("records", {}).items()},
        deployment=data.get("deployment", {}),
        http={name: _endpoint(name, entry, refusals, definitions) for name, entry in data.get("http", {}).items()},
        rooms={name: _key(entry["key"]) for name, entry in data.get("rooms", {}).items()},
        groups={
            name: _group(name, entry)
            for name, entry in data.get("rooms", {}).items()
            if "variables" in entry or "timers" in entry
        },
        roles={name: _role(name, entry) for name, entry in data.get("roles", {}).items()},
        registers={name: _register(name, entry) for name, entry in data.get("registers", {}).items()},
        logs={name: _log(name, entry) for name, entry in data.get("logs", {}).items()},
        path=opening["path"],
        other_paths=tuple(opening.get("other_paths", ())),
        refusal_body=opening.get("body", {}),
        header_rules=tuple(_header_rule(entry) for entry in opening.get("headers", ())),
        opening=tuple(_row(entry, f"/opening/rows/{index}", refusals) for index, entry in enumerate(opening["rows"])),
        variables={name: entry.get("from") for name, entry in connection["variables"].items()},
        chosen={name: entry["chosen"] for name, entry in connection["variables"].items() if "chosen" in entry},
        ordered=tuple(connection.get("ordered", ())),
        timely=tuple(connection.get("timely", ())),
        due_within=_literal("duration", connection["due"]["within"]),
        due_rules=tuple(connection["due"]["rules"]),
        answer_close=_rules(ending.get("answer_close", {})),
        forget=_rules(ending.get("forget", {})),
        shutdown_code=shutdown.get("code", 1001),
        shutdown_rules=_rules(shutdown),
        receive=_receive(connection.get("receive", {}), "/connection/receive"),
        states=dict(_states(connection["states"], "", "/connection/states")),
        invariants=tuple(_invariant(entry, envelope["payload"]) for entry in data.get("invariants", ())),
        indistinguishable=tuple(_indistinguishable(entry) for entry in data.get("indistinguishable", ())),
        scenarios=data.get("scenarios", {}),
    )


def _rule(name: str, entry: Mapping[str, Any], source: Source) -> model.Rule:
    place = source.place_of_key(f"/rules/{name}")
    return model.Rule(id=name, **entry, file=shown(place.file), line=place.line)


def _parameter(name: str, entry: Mapping[str, Any]) -> Parameter:
    def parsed(key: str) -> Any:
        return parse_value(entry["type"], entry[key]) if key in entry else None

    return Parameter(
        name=name,
        type=entry["type"],
        default=parsed("default"),
        text=entry["text"],
        minimum=parsed("min"),
        maximum=parsed("max"),
        quick=parsed("quick"),
        values=tuple(entry.get("values", ())),
    )


def _version(entry: Mapping[str, Any]) -> model.Version:
    return model.Version(
        entry["name"], entry.get("subprotocol"), entry.get("applies", {}), entry.get("deprecated", False)
    )


def _rules(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(entry.get("rules", ()))


def _form(entry: Mapping[str, Any], schema: Mapping[str, Any], at: str, definitions: Mapping[str, Any]) -> model.Form:
    """The form whose schema is that of what stands `at` a pointer into the message."""
    unknown, times = entry.get("unknown_members", {}), entry.get("times", {})
    return model.Form(
        # References are resolved in the schema itself, so it carries what they may refer to.
        schema={**schema, "definitions": definitions} if definitions else schema,
        rules=_rules(entry),
        chosen={at + pointer: chosen for pointer, chosen in entry.get("chosen", {}).items()},
        secret=tuple(entry.get("secret", ())),
        echoed=tuple(entry.get("echoed", ())),
        ignores_unknown=unknown.get("treatment", "ignore") == "ignore",
        unknown_rules=_rules(unknown),
        examples=tuple(entry.get("examples", ())),
        text=entry.get("text", ""),
        answered_by=entry.get("answered_by"),
        replies=entry.get("replies", False),
        times=(tuple(at + pointer for pointer in times.get("at", ())), _rules(times)),
    )


_CITING = ("rules", "isolation", "order", "ordered", "timely", "close_rules")


def _cited(value: Any) -> Iterator[str]:
    """Every rule that a part of a document cites."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in _CITING and isinstance(member, list):
                yield from (rule for rule in member if isinstance(rule, str))
            else:
                yield from _cited(member)
    elif isinstance(value, list):
        for item in value:
            yield from _cited(item)


def _farewell(entry: Mapping[str, Any] | None) -> tuple[str, float] | None:
    return None if entry is None else (entry["message"], parse_value("duration", entry["within"]))


def _endpoint(
    name: str, entry: Mapping[str, Any], refusals: Mapping[str, int], definitions: Mapping[str, Any]
) -> model.Endpoint:
    return model.Endpoint(
        name=name,
        method=entry["method"],
        path=entry["path"],
        schema={**entry["body"], "definitions": definitions} if definitions else entry["body"],
        examples=tuple(entry["examples"]),
        error_body=entry.get("error_body", {}),
        rows=tuple(
            _endpoint_row(row, f"/http/{name}/rows/{index}", refusals) for index, row in enumerate(entry["rows"])
        ),
    )


def _endpoint_row(entry: Mapping[str, Any], pointer: str, refusals: Mapping[str, int]) -> model.EndpointRow:
    when, rules = _guard(entry.get("when", {})), tuple(entry["rules"])
    if "refuse" in entry:
        refuse = entry["refuse"]
        return model.EndpointRow(when, rules, pointer, refusals[refuse["code"]], refuse.get("body", {}), refuse["code"])
    answer = entry["answer"]
    do = _effects(entry, pointer)
    return model.EndpointRow(when, rules, pointer, answer["status"], answer["body"], do=do)


def _envelope(entry: Mapping[str, Any], definitions: Mapping[str, Any]) -> model.Envelope:
    return model.Envelope(
        discriminator=entry["discriminator"],
        id=entry["id"],
        reply_to=entry["reply_to"],
        payload=entry["payload"],
        client=_form(entry["client"], entry["client"]["schema"], "", definitions),
        server=_form(entry["server"], entry["server"]["schema"], "", definitions),
    )


def _message(name: str, entry: Mapping[str, Any], at: str, definitions: Mapping[str, Any]) -> model.Message:
    forms = {role: _form(form, form["payload"], at, definitions) for role, form in entry.items()}
    return model.Message(name, forms.get("client"), forms.get("server"))


def _error(code: str, entry: Mapping[str, Any]) -> model.ErrorCode:
    given = entry["close"]
    close: Any = None if given == "none" else _ends(given)
    if isinstance(given, Mapping):
        close = {state: _ends(ends) for state, ends in given.items()}
    return model.ErrorCode(code, close, entry.get("retryable"), entry["text"])


def _step(entry: Mapping[str, Any]) -> model.LadderStep:
    return model.LadderStep(
        entry["step"],
        entry["verdict"],
        _rules(entry),
        entry.get("accepts", False),
        _literal("duration", entry.get("plus")),
        entry.get("known"),
        tuple(entry.get("never", ())),
    )


def _log(name: str, entry: Mapping[str, Any]) -> model.Log:
    return model.Log(
        name,
        _key(entry["key"]),
        entry.get("identity"),
        entry["number"],
        entry["entry"],
        entry.get("chosen", {}),
        entry.get("lives", "process"),
        _rules(entry),
        entry.get("lacking", {}),
        entry.get("keep"),
    )


def _key(entry: Any) -> Any:
    return tuple(entry) if isinstance(entry, list) else entry


def _group(name: str, entry: Mapping[str, Any]) -> model.Group:
    variables = {key: declared.get("first") for key, declared in entry.get("variables", {}).items()}
    at = f"/rooms/{name}"
    timers = tuple(_timer(key, f"@{name}", timer, at) for key, timer in entry.get("timers", {}).items())
    return model.Group(name, variables, timers)


def _role(name: str, entry: Mapping[str, Any]) -> model.Role:
    prefer = tuple((one["by"], tuple(one["order"])) for one in entry.get("prefer", ()))
    return model.Role(name, entry["of"], prefer, _cases(entry["elected"], f"/roles/{name}/elected"))


def _register(name: str, entry: Mapping[str, Any]) -> model.Register:
    written = (entry["name"], entry["value"], entry["clock"], entry["origin"])
    return model.Register(name, _key(entry["key"]), *written, tuple(entry["resolve"]))


def _members(entry: Any) -> model.Members:
    if isinstance(entry, str):
        return model.Members(entry)
    return model.Members(entry["room"], _key(entry["key"]), entry.get("except", {}))


def _recipe(entry: Mapping[str, Any]) -> model.Recipe:
    return model.Recipe(entry["name"], entry["step"], entry.get("level", "must"), tuple(entry.get("rules", ())), entry)


def _fact(name: str, entry: Mapping[str, Any], data: Mapping[str, Any]) -> model.Fact:
    values = fact_values(entry, data)
    assert values is not None, name
    options = dict(entry)
    for key, kind in (("rate", "rate"), ("limit", "size")):
        if entry["kind"] in ("limit", "size") and key in entry:
            options[key] = _literal(kind, entry[key])
    if entry["kind"] == "table":
        options["rows"] = tuple((_guard(row.get("when", {})), row["is"]) for row in entry["rows"])
    return model.Fact(name, entry["kind"], options, values)


def _guard(entry: Mapping[str, Any]) -> model.Guard:
    return {
        fact: tuple(map(word, wanted)) if isinstance(wanted, list) else (word(wanted),)
        for fact, wanted in entry.items()
    }


def _link(name: str, entry: Mapping[str, Any]) -> model.Link:
    def field(declared: Mapping[str, Any]) -> model.LinkField:
        return model.LinkField(declared.get("list", False), declared.get("chosen"), declared.get("first"))

    return model.Link(
        name=name,
        key=entry["key"],
        fields={key: field(declared) for key, declared in entry["fields"].items()},
        initial=entry["initial"],
        states={
            key: model.LinkState(_spans(state.get("lasts", ())), state.get("then"), state.get("unheld"))
            for key, state in entry["states"].items()
        },
        shape=entry.get("shape", {}),
    )


def _spans(value: Any) -> tuple[Any, ...]:
    return tuple(_literal("duration", span) for span in (value if isinstance(value, list | tuple) else (value,)))


def _literal(kind: str, value: Any) -> Any:
    """What stands there in text form as a value; expressions, which a deployment's parameters decide, as they are."""
    return value if value is None or (isinstance(value, str) and value.startswith("$")) else parse_value(kind, value)


def _effects(entry: Mapping[str, Any], pointer: str) -> tuple[model.Effect, ...]:
    """What a row at a pointer does."""
    return tuple(_effect(effect, f"{pointer}/do/{index}") for index, effect in enumerate(entry.get("do", ())))


def _effect(entry: Mapping[str, Any], pointer: str) -> model.Effect:
    kinds = (
        *("set", "create", "attach", "update", "drop", "holder", "join", "leave", "remember", "append", "read"),
        *("start", "stop", "put", "send", "reply", "broadcast", "error", "add", "remove", "waive"),
        *("decide", "expel", "tell", "vacate", "write", "forget", "close"),
    )
    match next(kind for kind in kinds if kind in entry):
        case "set":
            return model.Set(entry["set"])
        case "add":
            return model.Add(entry["add"])
        case "remove":
            return model.Remove(entry["remove"])
        case "waive":
            return model.Waive(entry["waive"])
        case "create":
            return model.Create(entry["create"], entry.get("fields", {}))
        case "attach":
            return model.Attach(entry["attach"], entry["key"], entry["to"])
        case "update":
            changes = (entry.get(change, {}) for change in ("fields", "add", "remove"))
            return model.Update(entry["update"], *changes)
        case "drop":
            return model.Drop(entry["drop"])
        case "holder":
            return model.Holder(entry["holder"], _effects(entry, pointer))
        case "join":
            return model.Join(entry["join"], entry.get("key"), entry.get("each"))
        case "leave":
            return model.Leave(entry["leave"], entry.get("key"))
        case "remember":
            key = tuple(entry["key"]) if "key" in entry else None
            of = _members(entry["of"]) if "of" in entry else None
            return model.Remember(entry["remember"], key, of, entry.get("spare"))
        case "decide":
            return model.Decide(_cases(entry["decide"], f"{pointer}/decide"))
        case "expel":
            return model.Expel(_members(entry["expel"]), entry["ends"], entry.get("with"), entry.get("payload", {}))
        case "tell":
            return model.Tell(entry["tell"], entry["to"], entry.get("payload", {}))
        case "vacate":
            return model.Vacate(entry["vacate"])
        case "write":
            return model.Write(entry["write"], entry["into"])
        case "forget":
            return model.Forget(entry["forget"])
        case "start":
            return model.Start(entry["start"])
        case "stop":
            return model.Stop(entry["stop"])
        case "put":
            key = tuple(entry["key"]) if "key" in entry else None
            return model.Put(entry["put"], key, entry["value"])
        case "append":
            return model.Append(entry["append"], entry["items"])
        case "read":
            return model.Read(entry["read"], entry["after"], entry.get("most"), entry.get("fewer") == "large")
        case "send":
            members = entry.get("members", {})
            payload = entry.get("payload", {})
            return model.Emit(entry["send"], payload, "free", members, entry.get("each"), entry.get("per"))
        case "reply":
            return model.Emit(entry["reply"], entry.get("payload", {}), "must", per=entry.get("per"))
        case "broadcast":
            return _broadcast(entry)
        case "error":
            told = entry.get("as")
            in_reply = entry.get("in_reply", None if told is None else "none")
            return model.Fail(entry["error"], in_reply, entry.get("to"), told)
    return model.Close(_ends(entry["close"]))


def _broadcast(entry: Mapping[str, Any]) -> model.Broadcast:
    order = entry.get("order", ())
    stream = order if isinstance(order, Mapping) else {"rules": order}
    to = entry["to"]
    return model.Broadcast(
        entry["broadcast"],
        to if isinstance(to, str) else to["room"],
        entry.get("payload", {}),
        entry.get("in_reply", "none"),
        tuple(entry.get("isolation", ())),
        tuple(stream["rules"]),
        each=entry.get("each"),
        others=entry.get("except") == "sender",
        per=stream.get("per"),
        key=None if isinstance(to, str) else _key(to["key"]),
        apart=entry.get("apart", False),
        any_order=entry.get("any_order", False),
    )


def _ends(close: Any) -> model.Ends:
    """How a connection ends: a code, one of several, or a word."""
    return tuple(close) if isinstance(close, list) else close


def _case(entry: Mapping[str, Any], pointer: str) -> model.Case:
    return model.Case(
        when=_guard(entry.get("when", {})),
        inside=entry.get("in"),
        do=_effects(entry, pointer),
        to=entry.get("to"),
        rules=tuple(entry["rules"]),
        pointer=pointer,
    )


def _cases(entries: list[Any], pointer: str) -> tuple[model.Case, ...]:
    return tuple(_case(entry, f"{pointer}/{index}") for index, entry in enumerate(entries))


def _receive(entry: Mapping[str, Any], pointer: str) -> dict[str, tuple[model.Case, ...]]:
    return {name: _cases(cases, f"{pointer}/{name}") for name, cases in entry.items()}


def _states(entry: Mapping[str, Any], parent: str, pointer: str) -> list[tuple[str, model.State]]:
    found = []
    for name, body in entry.items():
        path, at = (f"{parent}.{name}" if parent else name), f"{pointer}/{name}"
        state = model.State(
            path=path,
            text=body.get("text", ""),
            initial=body.get("initial"),
            timers=tuple(_timer(key, path, timer, at) for key, timer in body.get("timers", {}).items()),
            receive=_receive(body.get("receive", {}), f"{at}/receive"),
            may_send=tuple(
                _permission(item, f"{at}/may_send/{index}") for index, item in enumerate(body.get("may_send", ()))
            ),
        )
        found.append((path, state))
        found.extend(_states(body.get("states", {}), path, f"{at}/states"))
    return found


def _permission(entry: Mapping[str, Any], pointer: str) -> model.Permission:
    guard, effects = _guard(entry.get("when", {})), _effects(entry, pointer)
    return model.Permission(entry["message"], entry.get("payload", {}), guard, effects, _rules(entry))


def _timer(name: str, state: str, entry: Mapping[str, Any], pointer: str) -> model.TimerRule:
    return model.TimerRule(
        name=name,
        state=state,
        after=_literal("duration", entry.get("after")),
        at=entry.get("at"),
        before=_literal("duration", entry.get("before")),
        plus=tuple(_literal("duration", span) for span in spans(entry.get("plus"))),
        expire=_cases(entry["expire"], f"{pointer}/timers/{name}/expire"),
        asked=entry.get("starts") == "asked",
        restarts=tuple(entry.get("restarts", ())),
        times=entry.get("times", 1),
        late=_literal("duration", entry.get("late")),
        members=entry.get("members", 0),
    )


def _row(entry: Mapping[str, Any], pointer: str, refusals: Mapping[str, int]) -> model.OpeningRow:
    when, rules = _guard(entry.get("when", {})), tuple(entry["rules"])
    if "refuse" in entry:
        refuse = entry["refuse"]
        return model.OpeningRow(
            when=when,
            rules=rules,
            pointer=pointer,
            status=refusals[refuse["code"]],
            code=refuse["code"],
            body=refuse.get("body", {}),
            headers=refuse.get("headers", {}),
        )
    upgrade = entry["upgrade"]
    return model.OpeningRow(
        when=when,
        rules=tuple(dict.fromkeys((*rules, *_rules(upgrade)))),
        pointer=pointer,
        status=101,
        subprotocol=None if upgrade["subprotocol"] == "none" else upgrade["subprotocol"],
        to=upgrade["to"],
        subprotocol_rules=_rules(upgrade),
        do=_effects(entry, pointer),
    )


def _header_rule(entry: Mapping[str, Any]) -> model.HeaderRule:
    return model.HeaderRule(
        _guard(entry.get("when", {})),
        tuple(entry["statuses"]),
        entry["set"],
        tuple(entry.get("ordered", ())),
        tuple(entry["rules"]),
    )


def _invariant(entry: Mapping[str, Any], at: str) -> model.Invariant:
    kind = next(key for key in ("never", "always", "never_quoted") if key in entry)
    named = entry[kind]
    return model.Invariant(
        kind=kind,
        messages=() if kind == "never_quoted" else (named,) if isinstance(named, str) else tuple(named),
        states=tuple(entry.get("in", ())),
        members={at + pointer: expression for pointer, expression in entry.get("with", {}).items()},
        characters=entry.get("characters", 16),
        rules=tuple(entry["rules"]),
    )


def _indistinguishable(entry: Mapping[str, Any]) -> model.Indistinguishable:
    return model.Indistinguishable(
        text=entry["text"],
        rules=tuple(entry["rules"]),
        samples=entry["samples"],
        within=parse_value("duration", entry["within"]),
        state=entry["state"],
        first=entry["first"],
        second=entry["second"],
    )
