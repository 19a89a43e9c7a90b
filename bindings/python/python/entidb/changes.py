"""What the change feed gives: commits, and the changes in each.

Always: a commit comes whole. Does not know: how it was read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ._entidb import EntityId

__all__ = ["Change", "Commit"]


class Change(NamedTuple):
    """One committed change.

    ``kind`` is ``"insert"``, ``"update"``, ``"delete"``, ``"collection_created"``, ``"collection_renamed"``,
    ``"collection_dropped"``, ``"index_created"`` or ``"index_dropped"``.
    """

    kind: str
    collection: str
    #: The entity, for changes of entities.
    id: EntityId | None = None
    #: The document after an insert or update.
    document: dict[Any, Any] | None = None
    #: The new name of a renamed collection, or the name of a dropped index.
    name: str | None = None
    #: The definition of a created index.
    index: dict[str, Any] | None = None


class Commit(NamedTuple):
    """The changes of one commit, in the order they were made."""

    sequence: int
    changes: list[Change]


def commit_from(described: dict[str, Any]) -> Commit:
    """The commit that the library describes."""
    return Commit(described["sequence"], [Change(**change) for change in described["changes"]])
