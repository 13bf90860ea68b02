"""The web site that the chat page comes from: its files, and the tokens that it hands out."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

__all__ = ["SECRET", "Site", "site"]

SECRET = "what the site and the chat share, long enough for HS256"
_PAGE = Path(__file__).parent / "page"


class Site(ThreadingHTTPServer):
    """Serves the page on a free port of the loopback, and gives each user the tokens granted, then none."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._grants: defaultdict[str, deque[tuple[float, str]]] = defaultdict(deque)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def other_origin(self) -> str:
        """The same site under another name, which makes it another origin."""
        return f"http://localhost:{self.server_port}"

    def page(self, chat: str, user: str, *, recipe: str = "soup", origin: str | None = None) -> str:
        """The address of the page for this chat, recipe and user."""
        return f"{origin or self.origin}/?{urlencode({'server': chat, 'recipe': recipe, 'user': user})}"

    def grant(self, user: str, *, life: float = 900.0, secret: str = SECRET) -> None:
        """Grant a token that lives so many seconds from when the page asks for it."""
        self._grants[user].append((life, secret))

    def token(self, user: str) -> str | None:
        """The next token granted to the user."""
        if not self._grants[user]:
            return None
        life, secret = self._grants[user].popleft()
        now = time()
        return jwt.encode({"sub": user, "iat": now, "exp": now + life}, secret, "HS256")


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(_PAGE))

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path != "/token":
            super().do_GET()
            return
        assert isinstance(self.server, Site)
        token = self.server.token(parse_qs(address.query)["user"][0])
        self.send_response(HTTPStatus.NOT_FOUND if token is None else HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write((token or "").encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def site() -> Iterator[Site]:
    """A site that serves until the block ends."""
    with Site() as site:
        serving = threading.Thread(target=site.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield site
        finally:
            site.shutdown()
            serving.join()
