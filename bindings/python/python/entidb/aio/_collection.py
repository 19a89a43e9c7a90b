"""Collections and manual indexes, awaited.

Always: the methods are those of ``entidb.Collection``, with the same names and arguments; each call is made on a thread of the package.
Does not know: which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .. import _entidb, manual
from .._entidb import EntityId
from ..changes import EntityVersion
from ..entity import Entity
from ..interface import CollectionStats
from ..patch import Patch
from ..query import Expression, Field, Index, Order
from ._cursor import Cursor
from ._query import Query
from ._scope import Scope

if TYPE_CHECKING:
    from typing import TypeAlias
    from uuid import UUID

    from typing_extensions import Buffer

    _Id: TypeAlias = EntityId | UUID | bytes | str

_T = TypeVar("_T")
_D = TypeVar("_D")

_PAGE = 256


class Collection:
    """Entities under one name, awaited. ``entidb.Collection`` has the words of each method.

    Mapping access (``notes[id]``, ``in``, ``len``) cannot be awaited, and is not offered: use ``get``, ``exists`` and ``count``.
    """

    __slots__ = ("_collection", "_scope", "name")

    name: str
    """The name."""

    def __init__(self, scope: Scope, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a collection is text, not {type(name).__name__}")
        self.name = name
        self._scope = scope
        # A write transaction may be in a call at this moment, which must not be waited for here.
        self._collection = None if scope.transaction is not None else scope.database.collection(name)

    def _taken(self) -> _entidb.Collection:
        """The collection, on a thread that may wait."""
        collection = self._collection
        if collection is None:
            assert self._scope.transaction is not None, "a collection of a database is taken at once"
            collection = self._collection = self._scope.transaction.collection(self.name)
        return collection

    async def _read(self, call: Callable[[_entidb.Collection], _T]) -> _T:
        return await self._scope.reads.run(lambda: call(self._taken()))

    async def _write(self, call: Callable[[_entidb.Collection], _T]) -> _T:
        return await self._scope.write(lambda: call(self._taken()))

    async def put(self, document: Mapping[Any, Any], id: _Id | None = None) -> EntityId:
        """Stores a document, and returns its id."""
        return await self._write(lambda own: own.put(document, id))

    async def insert(self, document: Mapping[Any, Any], id: _Id | None = None) -> EntityId:
        """Stores a document under an id that must not exist."""
        return await self._write(lambda own: own.insert(document, id))

    async def replace(self, id: _Id, document: Mapping[Any, Any], *, version: int | None = None) -> None:
        """Replaces a document, which must exist, and have ``version`` where it is given."""
        await self._write(lambda own: own.replace(id, document, version=version))

    async def put_many(
        self, documents: Iterable[Mapping[Any, Any]], ids: Iterable[_Id | None] | None = None
    ) -> list[EntityId]:
        """Stores many documents in one transaction, all or none, and returns their ids."""
        return await self._write(lambda own: own.put_many(documents, ids))

    async def put_bytes(self, data: Buffer, id: _Id | None = None) -> EntityId:
        """Stores an encoded document."""
        return await self._write(lambda own: own.put_bytes(data, id))

    @overload
    async def get(self, id: _Id, default: None = None, *, at: int | None = None) -> Entity | None: ...
    @overload
    async def get(self, id: _Id, default: _D, *, at: int | None = None) -> Entity | _D: ...
    async def get(self, id: _Id, default: Any = None, *, at: int | None = None) -> Any:
        """The entity with this id, or ``default``; with ``at`` as it was after that commit."""
        return await self._read(lambda own: own.get(id, default, at=at))

    async def history(self, id: _Id) -> list[EntityVersion]:
        """The versions the entity has had and that are kept, the oldest first."""
        return await self._read(lambda own: own.history(id))

    async def get_bytes(self, id: _Id) -> bytes | None:
        """The bytes of the document with this id."""
        return await self._read(lambda own: own.get_bytes(id))

    async def get_many(self, ids: Iterable[_Id]) -> list[Entity | None]:
        """The entities with these ids, in their order."""
        return await self._read(lambda own: own.get_many(ids))

    async def update(self, id: _Id, changes: Mapping[Any, Any] | Patch) -> None:
        """Changes parts of an entity."""
        await self._write(lambda own: own.update(id, changes))

    async def delete(self, id: _Id, *, version: int | None = None) -> bool:
        """Deletes an entity; true if it existed."""
        return await self._write(lambda own: own.delete(id, version=version))

    async def delete_many(self, ids: Iterable[_Id]) -> int:
        """Deletes the entities with these ids in one transaction, and returns how many existed."""
        return await self._write(lambda own: own.delete_many(ids))

    @overload
    async def pop(self, id: _Id, /) -> Entity: ...
    @overload
    async def pop(self, id: _Id, default: _D, /) -> Entity | _D: ...
    async def pop(self, id: _Id, /, *default: Any) -> Any:
        """Deletes an entity, and returns it."""
        return await self._write(lambda own: own.pop(id, *default))

    async def exists(self, id: _Id) -> bool:
        """Whether an entity has this id."""
        return await self._read(lambda own: own.exists(id))

    async def count(self) -> int:
        """The number of entities."""
        return await self._read(lambda own: own.count())

    async def create_index(
        self,
        *paths: str | Field | Order,
        unique: bool = False,
        multi: bool = False,
        name: str | None = None,
        kind: Literal["ordered", "manual"] = "ordered",
    ) -> bool:
        """Creates an index, and waits until it is built. Reads and writes go on meanwhile."""
        if not self._scope.is_write_transaction:
            self._scope.check_deadlock()
        return await self._scope.longs.run(
            lambda: self._taken().create_index(*paths, unique=unique, multi=multi, name=name, kind=kind)
        )

    async def drop_index(self, name: str) -> None:
        """Removes an index."""
        await self._write(lambda own: own.drop_index(name))

    async def indexes(self) -> list[Index]:
        """The indexes."""
        return await self._read(lambda own: own.indexes())

    async def stats(self) -> CollectionStats:
        """The number, the name and the size of the collection and its indexes."""
        return await self._read(lambda own: own.stats())

    async def manual_index(self, name: str) -> ManualIndex:
        """The manual index of this name."""
        return ManualIndex(self, await self._read(lambda own: own.manual_index(name)))

    def find(self, *conditions: Expression) -> Query:
        """A query for the entities that match all conditions."""
        return Query(self, conditions)

    def scan(self, *, after: _Id | None = None, reverse: bool = False, limit: int | None = None) -> Cursor:
        """A cursor over the entities in the order of their ids."""
        return Cursor(self, lambda own: own.scan(after=after, reverse=reverse, limit=limit))

    def __aiter__(self) -> Cursor:
        return self.scan()

    def __repr__(self) -> str:
        return f"<entidb.aio.Collection {self.name!r}>"


class ManualIndex:
    """The keys of an index of the kind ``manual``; made by ``Collection.manual_index``."""

    __slots__ = ("_collection", "_index", "name")

    name: str
    """The name of the index."""

    def __init__(self, collection: Collection, index: manual.ManualIndex) -> None:
        self.name = index.name
        self._collection = collection
        self._index = index

    async def insert(self, key: Any, id: _Id) -> bool:
        """Gives an entity a key; false when it has the key already."""
        return await self._collection._write(lambda _: self._index.insert(key, id))

    async def remove(self, key: Any, id: _Id) -> bool:
        """Takes a key from an entity; false when it has no such key."""
        return await self._collection._write(lambda _: self._index.remove(key, id))

    async def lookup(self, key: Any) -> list[EntityId]:
        """The ids of the entities that have a key, sorted."""
        return await self._collection._read(lambda _: self._index.lookup(key))

    async def range(
        self,
        start: Any = ...,
        stop: Any = ...,
        *,
        open_start: bool = False,
        open_stop: bool = False,
        reverse: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[tuple[Any, EntityId]]:
        """Keys with the ids of their entities, in order, from ``start`` to ``stop``, each included unless it is open."""
        keys = self._index.range(
            start, stop, open_start=open_start, open_stop=open_stop, reverse=reverse, limit=limit
        )

        def take(_: object) -> list[tuple[Any, EntityId]]:
            return [key for _, key in zip(builtin_range(_PAGE), keys)]

        while page := await self._collection._read(take):
            for key in page:
                yield key

    async def count(self) -> int:
        """The number of keys, of all entities together."""
        return await self._collection._read(lambda _: len(self._index))

    async def contains(self, key: Any) -> bool:
        """Whether any entity has this key."""
        return await self._collection._read(lambda _: key in self._index)

    def __aiter__(self) -> AsyncIterator[tuple[Any, EntityId]]:
        return self.range()

    def __repr__(self) -> str:
        return f"aio.ManualIndex({self._collection.name!r}, {self.name!r})"


builtin_range = range
