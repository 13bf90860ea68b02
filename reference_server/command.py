"""`handfast serve`: the reference server from the command line."""

from __future__ import annotations

import argparse
import gc
from typing import TYPE_CHECKING, Any

from spec.cli import Command
from spec.exits import Exit, Stop
from spec.keyring import key_arguments

if TYPE_CHECKING:
    import ssl

    import trio

    from reference_server.inspector.serving import Inspection
    from reference_server.server import Server
    from reference_server.site import Mount

__all__ = ["SERVE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "protocols", nargs="*", metavar="PROTOCOL[=PREFIX]",
        help="packaged protocols, each at its own paths, or at these below a prefix (default: chat)",
    )  # fmt: skip
    parser.add_argument("--document", metavar="PATH", help="a document to serve instead of a packaged protocol")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: %(default)s)")
    keys = parser.add_argument_group(
        "keys", "What tokens are verified with: one at least, where there are tokens; of a pair either half."
    )
    key_arguments(keys)
    keys.add_argument("--issuer", help="the only `iss` accepted")
    keys.add_argument("--audience", help="what `aud` must be or contain")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="parameters",
        help="a parameter of every protocol that has it, such as auth_deadline=2s, or of one: chat.auth_deadline=2s",
    )  # fmt: skip
    parser.add_argument(
        "--with", metavar="NAME=env:VARIABLE", action="append", default=[], dest="deployment",
        help="what the document asks of a deployment, such as service_token=env:SERVICE (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--store", metavar="sqlite:PATH", help="where logs that outlive the server are kept (default: in memory)"
    )
    parser.add_argument("--quick", action="store_true", help="run with the document's quick-test values")
    parser.add_argument("--tls-cert", metavar="PATH", help="the certificate chain (PEM); serves wss")
    parser.add_argument("--tls-key", metavar="PATH", help="its private key (PEM)")
    parser.add_argument("--log", choices=("text", "json"), default="text", help="the form of the log on stderr")
    parser.add_argument(
        "--metrics-port", type=_port, metavar="PORT",
        help="serve /healthz and /metrics there (default: beside the protocol)",
    )  # fmt: skip
    parser.add_argument("--max-connections", type=_count, default=10_000, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--inspect", action="store_true",
        help="serve the inspector at /_inspect/: everybody who reaches it sees the state and can act as a client",
    )  # fmt: skip
    parser.add_argument(
        "--inspect-password", metavar="env:NAME",
        help="what the inspector asks for: env:NAME or file:PATH; needed where --host is no loopback address",
    )  # fmt: skip
    parser.add_argument(
        "--drain", default="5s", metavar="DURATION", help="how long a shutdown waits for peers (default: %(default)s)"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write a whole number from 1")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from reference_server.arranging import mounted_by

    with mounted_by(arguments) as mounts:
        return _serve(arguments, mounts)


def _serve(arguments: argparse.Namespace, mounts: list[Mount]) -> int:
    from functools import partial

    from reference_server.inspecting import inspection_of

    context = _tls(arguments.tls_cert, arguments.tls_key)
    drain = _drain(arguments.drain)
    inspection = inspection_of(arguments, mounts, secure=context is not None)

    import trio

    from reference_server.logs import BackgroundLines, make_log
    from reference_server.server import serve
    from reference_server.settings import Settings

    lines = BackgroundLines(2)
    start = partial(
        serve,
        *mounts,
        host=arguments.host,
        port=arguments.port,
        ssl_context=context,
        operations_port=arguments.metrics_port,
        settings=Settings(max_connections=arguments.max_connections, operations=arguments.metrics_port is None),
        log=make_log(arguments.log, lines),
        inspection=inspection,
    )
    _raise_file_limit()
    # What was loaded stays: no search for garbage need look at it again.
    gc.freeze()
    try:
        scheme = "ws" if context is None else "wss"
        run = partial(_until_signalled, start, scheme, arguments.host, drain, inspects=inspection)
        problem = trio.run(run)
    finally:
        lines.close()
    if problem is not None:
        why = problem.strerror or type(problem).__name__
        where = f"{arguments.host}:{arguments.port}"
        raise Stop(Exit.USAGE, f"cannot listen on {where}: {why}", "`--port 0` takes a free port")
    return Exit.CONFORMANT


async def _until_signalled(
    start: Any, scheme: str, host: str, drain: float, *, inspects: Inspection | None
) -> OSError | None:
    """Serve until a signal ends it; gives back what kept the server from listening, if anything."""
    import signal

    import trio

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            try:
                server = await nursery.start(start)
            except OSError as problem:
                return problem
            name = f"[{host}]" if ":" in host else host
            print(f"listening on {scheme}://{name}:{server.ports[0]}", flush=True)
            server.log.info(
                "server.listening", ports=list(server.ports), protocols=[mount.document.name for mount in server.mounts]
            )
            if inspects is not None:
                print(f"inspect at {scheme.replace('ws', 'http')}://{name}:{server.ports[0]}/_inspect/", flush=True)
                if not inspects.local and not inspects.secure:
                    server.log.warning("inspector.plaintext", host=host)
            nursery.start_soon(_obey, signals, server, drain, nursery.cancel_scope)
            await server.finished.wait()
            nursery.cancel_scope.cancel()
    return None


async def _obey(signals: Any, server: Server, drain: float, scope: trio.CancelScope) -> None:
    """The first signal shuts down in order, the second at once."""
    import trio

    await anext(signals)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.shutdown, drain)
        await anext(signals)
        scope.cancel()


# ------------------------------------------------------------------------------------------- from flags to values


def _tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise Stop(Exit.USAGE, "TLS needs both halves", "write `--tls-cert PATH --tls-key PATH`")
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as problem:
        reason = problem.strerror or type(problem).__name__
        raise Stop(Exit.USAGE, f"the certificate or its key cannot be used: {reason}") from None
    return context


def _drain(text: str) -> float:
    from spec.parameters import parse_value

    try:
        return float(parse_value("duration", text))
    except ValueError as problem:
        raise Stop(Exit.USAGE, f"`--drain`: {problem}") from None


def _raise_file_limit() -> None:
    """Every connection is a file descriptor; take as many as the system grants without asking."""
    import contextlib
    import resource

    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


SERVE = Command("serve", "run the reference server of a protocol", _arguments, _run)
