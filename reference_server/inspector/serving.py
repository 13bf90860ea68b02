"""The inspector at `/_inspect/`: its files, its password, and the WebSocket of each page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import trio
from attrs import evolve, field, frozen
from wsproto.utilities import RemoteProtocolError

from reference_server.http import Answer, BadHead, Head, handshake_fault, json_answer, read_body
from reference_server.inspector.access import Access
from reference_server.inspector.catalogue import catalogue
from reference_server.inspector.channel import accept
from reference_server.inspector.masking import Mask
from reference_server.inspector.page import Page
from reference_server.inspector.snapshot import Snapshots
from reference_server.inspector.tracing import Tracer
from spec.bindings.json import encode
from spec.secrets import Secret
from spec.tokens import SigningKey

if TYPE_CHECKING:
    from reference_server.server import Server

__all__ = ["ROOT", "Inspection", "Inspector"]

ROOT = "/_inspect"

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NOT_FOUND = json_answer(404, {"code": "NOT_FOUND"})
_NOT_ALLOWED = json_answer(405, {"code": "METHOD_NOT_ALLOWED"})
_STOPPING = json_answer(503, {"code": "SHUTTING_DOWN"})
_BAD_HANDSHAKE = json_answer(400, {"code": "BAD_HANDSHAKE"})
_FULL = json_answer(503, {"code": "TOO_MANY_PAGES"}, {"Retry-After": "5"})
_PAGES = 8
_BODY = 4096
_COMMAND = 4 * 1024 * 1024


@frozen
class Inspection:
    """How a server is to be inspected: `local` says that it listens on the loopback, `keys` sign development tokens."""

    password: Secret | None = None
    keys: tuple[SigningKey, ...] = field(default=(), repr=False)
    local: bool = True
    secure: bool = False


class Inspector:
    """The inspector of one server; it watches nothing while no page is open."""

    def __init__(self, server: Server, inspection: Inspection) -> None:
        self.server = server
        self.keys: Sequence[SigningKey] = inspection.keys
        self.masks = [
            Mask(mount.document, mount.deployment, hub.world)
            for mount, hub in zip(server.mounts, server.hubs, strict=True)
        ]
        self.snapshots = [Snapshots(hub, mask) for hub, mask in zip(server.hubs, self.masks, strict=True)]
        self._access = Access(inspection.password, inspection.local, inspection.secure, trio.current_time)
        self._pages: set[Page] = set()

    @cached_property
    def catalogues(self) -> list[dict[str, Any]]:
        """What pages can do with each protocol."""
        both = zip(self.server.mounts, self.server.hubs, strict=True)
        return [catalogue(mount, hub, mints=bool(self.keys)) for mount, hub in both]

    def serves(self, target: str) -> bool:
        """Whether a request is for the inspector."""
        path = target.partition("?")[0]
        return path == ROOT or path.startswith(f"{ROOT}/")

    async def serve(self, stream: trio.abc.Stream, head: Head) -> Answer | None:
        """Answer a request, or serve the page that it opens to its end."""
        answer = await self._serve(stream, head)
        return None if answer is None else evolve(answer, headers={**_HEADERS, **answer.headers})

    async def _serve(self, stream: trio.abc.Stream, head: Head) -> Answer | None:
        request = head.request
        refusal = self._access.refusal(request)
        if refusal is not None or self.server.stopping:
            return refusal or _STOPPING
        match request.target.partition("?")[0].removeprefix(ROOT):
            case "":
                return Answer(308, b"", "text/plain", {"Location": f"{ROOT}/"})
            case "/access" if request.method == "GET":
                locked = self._access.locked(request) is not None
                return Answer(200, encode({"locked": locked}).encode(), "application/json")
            case "/password":
                return await self._sign_in(stream, head)
            case "/socket":
                return await self._open(stream, head)
            case name:
                return self._file(name, request.method)

    def _file(self, name: str, method: str) -> Answer:
        """One of the files; they are looked up by name, and no path is ever made of what is asked for."""
        found = _files().get(name)
        if found is None:
            return _NOT_FOUND
        return found if method in {"GET", "HEAD"} else _NOT_ALLOWED

    async def _sign_in(self, stream: trio.abc.Stream, head: Head) -> Answer | None:
        foreign = self._access.foreign(head.request)
        if foreign is not None:
            return foreign
        if head.request.method != "POST":
            return _NOT_ALLOWED
        try:
            body = await read_body(stream, head, _BODY, self.server.settings.head_within)
        except BadHead as problem:
            return problem.answer
        return None if body is None else self._access.sign_in(head.request, body)

    async def _open(self, stream: trio.abc.Stream, head: Head) -> Answer | None:
        request = head.request
        refusal = self._access.foreign(request) or self._access.locked(request) or handshake_fault(head)
        if refusal is not None or request.method != "GET":
            return refusal or _NOT_ALLOWED
        if len(self._pages) >= _PAGES:
            return _FULL
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
        try:
            channel = await accept(stream, headers, request.target, head.rest, _COMMAND)
        except RemoteProtocolError:
            return _BAD_HANDSHAKE
        page = Page(self, channel, request.address, request.header("host")[0])
        self._enter(page)
        try:
            await page.run()
        finally:
            self._leave(page)
        return None

    # -------------------------------------------------------------------------------------------------- watching

    def _enter(self, page: Page) -> None:
        self.server.log.info("inspector.opened", pages=len(self._pages) + 1)
        if not self._pages:
            for place, hub in enumerate(self.server.hubs):
                hub.watcher = Tracer(hub, place, self.masks[place], self._show, self._opened, self._stirred)
        self._pages.add(page)

    def _leave(self, page: Page) -> None:
        self._pages.discard(page)
        if not self._pages:
            for hub in self.server.hubs:
                hub.watcher = None
        self.server.log.info("inspector.closed", pages=len(self._pages))

    def _show(self, entry: Mapping[str, Any]) -> None:
        for page in self._pages:
            page.show(entry)

    def _opened(self, mark: str, connection: int) -> None:
        for page in self._pages:
            page.opened(mark, connection)

    def _stirred(self, place: int) -> None:
        for page in self._pages:
            page.stirred(place)


def _files() -> Mapping[str, Answer]:
    """The files of the page by their paths below the root, read when one is first asked for."""
    if not _FILES:
        for path in resources.files("reference_server.inspector").joinpath("page").iterdir():
            ending = f".{path.name.rpartition('.')[2]}"
            if ending in _KINDS:
                _FILES[f"/{path.name}"] = Answer(200, path.read_bytes(), _KINDS[ending])
        _FILES["/"] = _FILES["/index.html"]
    return _FILES


_FILES: dict[str, Answer] = {}
