"""Cursors over entities, awaited.

Always: one state from the first entity to the last, that at the first step; entities come in batches, each by one call. Does not know:
the query.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Self

from .. import _entidb
from ..entity import Entity

if TYPE_CHECKING:
    from ._collection import Collection


class Cursor:
    """A cursor over the results of a query, or over a collection: iterate over it with ``async for``, once."""

    __slots__ = ("_at", "_batch", "_begin", "_collection", "_cursor", "_is_closed", "_token")

    def __init__(self, collection: Collection, begin: Callable[[_entidb.Collection], _entidb.Cursor]) -> None:
        self._collection = collection
        self._begin = begin
        self._cursor: _entidb.Cursor | None = None
        self._batch: list[Entity] = []
        self._at = 0
        self._token: bytes | None = None
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def _more(self) -> bool:
        """Reads the next batch; false at the end."""
        if self._is_closed:
            return False
        known, begin = self._cursor, self._begin

        def read(collection: _entidb.Collection) -> tuple[_entidb.Cursor, list[Entity], bytes | None]:
            cursor = begin(collection) if known is None else known
            batch = cursor._batch()
            return cursor, batch, None if batch else cursor.token()

        try:
            self._cursor, self._batch, token = await self._collection._read(read)
        except BaseException:
            # It has ended, as a call of it that is cut off does.
            self.close()
            raise
        self._at = 0
        if not self._batch:
            self.close()
            self._token = token
        return bool(self._batch)

    async def __anext__(self) -> Entity:
        if self._at >= len(self._batch) and not await self._more():
            raise StopAsyncIteration
        self._at += 1
        return self._batch[self._at - 1]

    async def take(self, count: int) -> list[Entity]:
        """The next entities, at most ``count``, in a list."""
        taken: list[Entity] = []
        while len(taken) < count and (self._at < len(self._batch) or await self._more()):
            part = self._batch[self._at : self._at + count - len(taken)]
            self._at += len(part)
            taken += part
        return taken

    async def token(self) -> bytes | None:
        """The page token of the last entity, for ``Query.after``; ``None`` before the first."""
        cursor, position = self._cursor, self._at - 1
        if cursor is None or position < 0:
            return self._token
        return await self._collection._read(lambda _: cursor._token_at(position))

    def close(self) -> None:
        """Ends the cursor and frees its snapshot."""
        self._is_closed = True
        self._batch = []
        self._at = 0
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> Literal[False]:
        self.close()
        return False
