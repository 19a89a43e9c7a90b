"""What the change feed gives: commits, and the changes in each.

Always: a commit comes whole. Does not know: how it was read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ._entidb import EntityId

__all__ = ["Change", "Commit"]


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


class Commit(NamedTuple):
    """The changes of one commit, in the order they were made."""

    sequence: int
    changes: list[Change]


def commit_from(described: dict[str, Any]) -> Commit:
    """The commit that the library describes."""
    return Commit(described["sequence"], [Change(**change) for change in described["changes"]])
