"""Tokens that are asked for again while cases are played, so that a run may last longer than one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from conformance.tokenbook import TokenBook
from conformance.tokensources import Given, Source
from spec.exits import Stop

__all__ = ["keep_fresh"]

_EARLY = 60.0
"""How long before its end a token is replaced at the earliest, in seconds: logins are not to come all the time."""

_AGAIN = 2.0
"""After so many seconds a source is asked again that gave nothing new."""


async def _in_a_thread(source: Source) -> Given:
    return await trio.to_thread.run_sync(source.fetch, abandon_on_cancel=True)


async def keep_fresh(
    book: TokenBook, clock: Callable[[], float], ask: Callable[[Source], Awaitable[Given]] = _in_a_thread
) -> None:
    """Ask the book's source for another token in the last quarter of each one's life, or in its last minute.

    A source that fails is asked again. Why it failed is told where a case finds no token that is still valid.
    """
    source, again = book.source, False
    if book.keys or source is None or not source.renews:
        return
    while (expires := book.expires) is not None:
        left = expires - clock()
        await trio.sleep(_AGAIN if again else max(0.0, left - min(_EARLY, left / 4)))
        again = True
        try:
            given = await ask(source)
        except Stop as stop:
            book.unrenewed = str(stop).splitlines()[0]
            continue
        book.renew(given)
        again = book.expires is not None and book.expires <= expires
