"""One origin for a page and a server behind it: files from memory, and everything below some paths passed through.

A page may ask only its own origin for a negotiation, as in a deployment in which both stand behind one host.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

__all__ = ["front"]


class _Front(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, files: Mapping[str, Path], behind: str, below: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.below = files, below
        host, _, port = behind.rpartition(":")
        self.behind = host, int(port)


class _Handler(StreamRequestHandler):
    # Nothing behind a head is read here.
    rbufsize = 0

    def handle(self) -> None:
        assert isinstance(self.server, _Front)
        lines = []
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        if not lines:
            return
        path = lines[0].split()[1].decode().partition("?")[0]
        if path.startswith(self.server.below):
            self._pass(b"".join([*lines, b"\r\n"]))
        else:
            self._serve(self.server.files.get(path.lstrip("/") or "index.html"))

    def _serve(self, file: Path | None) -> None:
        body = file.read_bytes() if file is not None else b""
        kind = (
            SimpleHTTPRequestHandler.extensions_map.get(file.suffix, "text/html") if file is not None else "text/plain"
        )
        kind = "text/javascript" if file is not None and file.suffix == ".js" else kind
        head = f"HTTP/1.1 {200 if file else 404} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        self.wfile.write(f"{head}Connection: close\r\n\r\n".encode() + body)

    def _pass(self, head: bytes) -> None:
        assert isinstance(self.server, _Front)
        with socket.create_connection(self.server.behind) as far:
            far.sendall(head)
            back = threading.Thread(target=_pump, args=(far, self.connection))
            back.start()
            _pump(self.connection, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def front(files: Mapping[str, Path], behind: str, below: str) -> Iterator[str]:
    """An origin with these files, and what stands below a path at `behind` (`host:port`); gives its URL."""
    with _Front(files, behind, below) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
