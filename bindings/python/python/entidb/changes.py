"""What the change feed and the history give: changes, in batches, and versions of an entity.

Always: a batch is of one commit. Does not know: how it was read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ._entidb import EntityId
from .entity import Entity

__all__ = ["Change", "ChangeBatch", "EntityVersion"]


class EntityVersion(NamedTuple):
    """An entity as it was for a time; ``entity.version`` is the commit that wrote it."""

    entity: Entity
    #: The commit that replaced or deleted it; ``None`` for what is there now.
    until: int | None


class Change:
    """One committed change.

    ``kind`` is ``"insert"``, ``"update"``, ``"delete"``, ``"collection_created"``, ``"collection_renamed"``,
    ``"collection_dropped"``, ``"index_created"``, ``"index_dropped"``, ``"key_inserted"`` or ``"key_removed"``.
    """

    __slots__ = ("before", "collection", "document", "id", "index", "key", "kind", "name")

    kind: str
    collection: str
    #: The entity, for changes of entities and of their keys.
    id: EntityId | None
    #: The document after an insert or update.
    document: dict[Any, Any] | None
    #: The new name of a renamed collection, or the name of a dropped index or of the manual index of a key.
    name: str | None
    #: The definition of a created index.
    index: dict[str, Any] | None
    #: The document before an update or delete, from ``db.changes(before=True)``.
    before: dict[Any, Any] | None
    #: The key of a manual index that the change added to the entity or removed from it. Deleting an entity removes its keys without
    #: a change for each.
    key: Any

    def __init__(
        self,
        kind: str,
        collection: str,
        id: EntityId | None = None,
        document: dict[Any, Any] | None = None,
        name: str | None = None,
        index: dict[str, Any] | None = None,
        before: dict[Any, Any] | None = None,
        key: Any = None,
    ) -> None:
        self.kind = kind
        self.collection = collection
        self.id = id
        self.document = document
        self.name = name
        self.index = index
        self.before = before
        self.key = key

    def _parts(self) -> tuple[Any, ...]:
        return self.kind, self.collection, self.id, self.document, self.name, self.index, self.before, self.key

    def __eq__(self, other: object) -> bool:
        return self._parts() == other._parts() if isinstance(other, Change) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name in ("id", "document", "name", "index", "before", "key") if (value := getattr(self, name))]
        return f"Change({', '.join([repr(self.kind), repr(self.collection), *shown])})"


class ChangeBatch(NamedTuple):
    """What one commit changed: all of it, or the next part of a large commit.

    An entity is in a commit once, with what the commit made of it. Changes of collections and indexes come first, in the
    order they were made, then entities by collection and id.
    """

    #: The commit.
    sequence: int
    changes: list[Change]
    #: Where to go on after this batch.
    position: str
    #: Whether it is the last batch of its commit, which most often is the only one.
    ends_commit: bool
    #: When the commit was made, by the clock of the system, which may have been set back between two commits.
    time: datetime
