"""What the change feed gives: changes, in batches.

Always: a batch is of one commit. Does not know: how it was read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ._entidb import EntityId

__all__ = ["Change", "ChangeBatch"]


class Change:
    """One committed change.

    ``kind`` is ``"insert"``, ``"update"``, ``"delete"``, ``"collection_created"``, ``"collection_renamed"``,
    ``"collection_dropped"``, ``"index_created"`` or ``"index_dropped"``.
    """

    __slots__ = ("collection", "document", "id", "index", "kind", "name")

    kind: str
    collection: str
    #: The entity, for changes of entities.
    id: EntityId | None
    #: The document after an insert or update.
    document: dict[Any, Any] | None
    #: The new name of a renamed collection, or the name of a dropped index.
    name: str | None
    #: The definition of a created index.
    index: dict[str, Any] | None

    def __init__(
        self,
        kind: str,
        collection: str,
        id: EntityId | None = None,
        document: dict[Any, Any] | None = None,
        name: str | None = None,
        index: dict[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.collection = collection
        self.id = id
        self.document = document
        self.name = name
        self.index = index

    def _parts(self) -> tuple[Any, ...]:
        return self.kind, self.collection, self.id, self.document, self.name, self.index

    def __eq__(self, other: object) -> bool:
        return self._parts() == other._parts() if isinstance(other, Change) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name in ("id", "document", "name", "index") if (value := getattr(self, name))]
        return f"Change({', '.join([repr(self.kind), repr(self.collection), *shown])})"


class ChangeBatch(NamedTuple):
    """Changes of one commit, in the order they were made: all of them, or the next of a commit with many."""

    #: The commit.
    sequence: int
    changes: list[Change]
    #: Where to go on after this batch.
    position: str
    #: Whether it is the last batch of its commit, which most often is the only one.
    ends_commit: bool
