"""graphql-transport-ws by the PyPI package `strawberry-graphql`, on its ASGI integration, as its guide sets it up."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import AsyncGenerator
from datetime import timedelta

import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from tests.foreign.chat_websockets.settings import duration, size

_TICK = 0.02


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        count = 0
        while True:
            yield count
            count += 1
            await asyncio.sleep(_TICK)


def main() -> None:
    """Serve on a free port, which is told on the standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    given = {"init_wait": "3s", "message_bytes": "64KiB", **dict(pair.split("=", 1) for pair in arguments.set)}
    app = GraphQL(
        strawberry.Schema(query=Query, subscription=Subscription),
        subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
        connection_init_wait_timeout=timedelta(seconds=duration(given["init_wait"])),
    )
    listener = socket.create_server(("127.0.0.1", arguments.port))
    largest = size(given["message_bytes"])
    server = uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", ws_max_size=largest, log_level="critical"))
    print(f"listening on ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
