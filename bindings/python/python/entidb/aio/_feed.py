"""The change feed, awaited.

Always: a reader that waits has no thread; the commit wakes it. Does not know: who reads.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Literal, Self

from .. import _entidb
from ..changes import ChangeBatch
from ..errors import ClosedError
from ._scope import Scope
from ._threads import feed_number, finish, forget, settled, wait_for, wake_feeds


class ChangeFeed:
    """A reader of committed changes, in commit order. ``async for`` waits for more; with ``wait=False`` it ends after those that exist."""

    __slots__ = ("_feed", "_is_closed", "_number", "_scope", "_wait")

    def __init__(self, scope: Scope, feed: _entidb.ChangeFeed, wait: bool) -> None:
        self._scope = scope
        self._feed = feed
        self._wait = wait
        self._number = feed_number()
        self._is_closed = False
        feed._watch(self._number)

    async def next(self, timeout: float | None = None) -> ChangeBatch | None:
        """The next changes. Waits up to ``timeout`` seconds for a commit, and returns ``None`` if none comes.

        Without a timeout it waits without end; 0 does not wait. After an error the feed keeps its position.
        """
        until = None if timeout is None else time.monotonic() + timeout
        if timeout is not None and not timeout > 0:
            return await self._scope.reads.run(self._feed.next, timeout)
        while True:
            woken = wait_for(self._number)
            try:
                batch = await self._scope.reads.run(self._feed.next, 0)
                if batch is not None:
                    return batch
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return None
                await settled(woken, lambda: finish(woken), left)
            finally:
                forget(self._number)

    def close(self) -> None:
        """Closes it: a call that waits, and every later one, raises ``ClosedError``. Closing again does nothing."""
        self._is_closed = True
        self._feed.close()
        # What waits is woken by it, and looks once more.
        wake_feeds()

    async def unread(self) -> None:
        """Makes the next call return the last batch again."""
        await self._scope.reads.run(self._feed.unread)

    @property
    async def position(self) -> str:
        """The position after the last batch, ``await feed.position``. Store it, and pass it as ``since`` to continue there."""
        return await self._scope.reads.run(lambda: self._feed.position)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChangeBatch:
        try:
            batch = await self.next(None if self._wait else 0)
        except ClosedError:
            if self._is_closed:
                raise StopAsyncIteration from None
            raise
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None = None,
        _exception: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> Literal[False]:
        self.close()
        return False

    def __repr__(self) -> str:
        return repr(self._feed).replace("entidb.ChangeFeed", "entidb.aio.ChangeFeed")
