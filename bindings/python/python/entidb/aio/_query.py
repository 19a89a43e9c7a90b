"""Queries, awaited.

Always: a query is immutable, every method gives another one, and nothing is read before it is awaited. Does not know: how results
are found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

from .. import _entidb, query
from .._entidb import EntityId
from ..entity import Entity
from ..query import Explanation, Expression, Field, Order, Page
from ._cursor import Cursor

if TYPE_CHECKING:
    from ._collection import Collection

# Inside the class `list` is its method.
_Entities: TypeAlias = list[Entity]
_Ids: TypeAlias = list[EntityId]


class Query:
    """A query: iterate over it with ``async for``, or await ``first``, ``list``, ``count`` and so on.

    Each use sees the collection as it is then.
    """

    __slots__ = ("_collection", "_query")

    def __init__(self, collection: Collection, conditions: Iterable[Expression] = ()) -> None:
        self._collection = collection
        # The query alone, which is asked of no collection of its own.
        self._query = query.Query(cast(_entidb.Collection, None), conditions)

    def _with(self, made: query.Query) -> Query:
        other = object.__new__(Query)
        other._collection = self._collection
        other._query = made
        return other

    def where(self, *conditions: Expression) -> Query:
        """Adds conditions; all must match."""
        return self._with(self._query.where(*conditions))

    def order_by(self, *fields: str | Field | Order) -> Query:
        """Sorts by these fields, the most significant first; ``"-at"``, ``-f.at`` and ``f.at.desc()`` are descending."""
        return self._with(self._query.order_by(*fields))

    def limit(self, count: int | None) -> Query:
        """Returns at most ``count`` results, on all pages together."""
        return self._with(self._query.limit(count))

    def offset(self, count: int) -> Query:
        """Skips the first ``count`` results, before the first page only."""
        return self._with(self._query.offset(count))

    def after(self, token: bytes | None) -> Query:
        """Continues behind the page or entity of a token; ``None`` begins at the start."""
        return self._with(self._query.after(token))

    def __getitem__(self, part: slice) -> Query:
        """A part of the results: ``query[:10]`` is ``limit(10)``, ``query[20:30]`` is ``offset(20)`` and ``limit(10)``."""
        return self._with(self._query[part])

    def __bool__(self) -> NoReturn:
        raise TypeError("a query is neither true nor false by itself; await exists(), first() or count()")

    def __len__(self) -> NoReturn:
        raise TypeError("a query has no length before it is run; await count()")

    def _cursor(self, made: query.Query) -> Cursor:
        request = made._request()
        return Cursor(self._collection, lambda collection: collection._cursor(request))

    def __aiter__(self) -> Cursor:
        return self._cursor(self._query)

    async def list(self) -> _Entities:
        """All results. They are read batch by batch."""
        return [entity async for entity in self]

    async def page(self, size: int) -> Page:
        """A page of at most ``size`` results, with the token of the next page for ``after``.

        ``limit`` and ``offset`` are of the answer as a whole: a limit of 25 gives pages of 10, 10 and 5.
        """
        async with self._cursor(self._query._paged(size)) as cursor:
            page = Page([entity async for entity in cursor])
            page.token = await cursor.token()
            return page

    async def ids(self) -> _Ids:
        """The ids of all results."""
        return [entity.id async for entity in self]

    async def first(self) -> Entity | None:
        """The first result, or ``None``."""
        async with self._cursor(self._query._paged(1)) as cursor:
            async for entity in cursor:
                return entity
        return None

    async def exists(self) -> bool:
        """Whether there is a result."""
        return await self.first() is not None

    async def count(self) -> int:
        """The number of results."""
        request = self._query._request()
        return await self._collection._read(lambda collection: collection._find_count(request))

    async def delete(self) -> int:
        """Deletes the results, all or none, and returns how many there were."""
        request = self._query._request()
        return await self._collection._write(lambda collection: collection._find_delete(request))

    async def explain(self) -> Explanation:
        """The plan of the query, without running it."""
        request = self._query._request()
        return await self._collection._read(lambda collection: collection._find_explain(request))

    def __repr__(self) -> str:
        request = self._query._request()
        del request["v"]
        return f"<entidb.aio.Query of {self._collection.name!r} {request}>"
