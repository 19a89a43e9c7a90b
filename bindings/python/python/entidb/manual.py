"""Manual indexes: keys the program gives to entities, to find them by what the database cannot read.

Always: a key goes with its entity, in the same commit. Does not know: how keys are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ._entidb import EntityId

if TYPE_CHECKING:
    from typing import TypeAlias
    from uuid import UUID

    from ._entidb import Collection

    _Id: TypeAlias = EntityId | UUID | bytes | str

# The first read is small, so that who wants one key pays for few.
_FIRST: Final = 16
_PAGE: Final = 1000


class ManualIndex:
    """The keys of an index of the kind ``manual``; made by ``Collection.manual_index``.

    A key is any value, or a list of values where it has several parts, in the order of values.
    """

    __slots__ = ("_collection", "name")

    name: str
    """The name of the index."""

    def __init__(self, collection: Collection, name: str) -> None:
        self._collection = collection
        self.name = name

    def insert(self, key: Any, id: _Id) -> bool:
        """Gives an entity a key; false when it has the key already."""
        return self._collection._insert_key(self.name, key, id)

    def remove(self, key: Any, id: _Id) -> bool:
        """Takes a key from an entity; false when it has no such key."""
        return self._collection._remove_key(self.name, key, id)

    def lookup(self, key: Any) -> list[EntityId]:
        """The ids of the entities that have a key, sorted."""
        return self._collection._lookup_key(self.name, key)

    def range(
        self,
        start: Any = ...,
        stop: Any = ...,
        *,
        open_start: bool = False,
        open_stop: bool = False,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[Any, EntityId]]:
        """Keys with the ids of their entities, in order, from ``start`` to ``stop``, each included unless it is open.

        A side that is left out ends with the class of the other side's value, as in a query. All keys are of one state, that
        at the first one: changes meanwhile, also those of the loop itself in its transaction, do not show.
        """
        wanted: dict[str, Any] = {"reverse": reverse, "from_open": open_start, "to_open": open_stop}
        if start is not ...:
            wanted["from"] = start
        if stop is not ...:
            wanted["to"] = stop
        if limit is not None and limit < 0:
            raise ValueError(f"limit is at least 0, not {limit}")
        if limit is not None:
            wanted["limit"] = limit
        return self._keys(wanted)

    def _keys(self, wanted: dict[str, Any]) -> Iterator[tuple[Any, EntityId]]:
        cursor = self._collection._scan_keys(self.name, wanted)
        count = _FIRST
        while page := cursor.take(count):
            yield from page
            count = min(count * 4, _PAGE)

    def __len__(self) -> int:
        """The number of keys, of all entities together."""
        return self._collection._count_keys(self.name)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: Any) -> bool:
        """Whether any entity has this key."""
        return next(self.range(key, key, limit=1), None) is not None

    def __iter__(self) -> Iterator[tuple[Any, EntityId]]:
        return self.range()

    def __repr__(self) -> str:
        return f"ManualIndex({self._collection.name!r}, {self.name!r})"
