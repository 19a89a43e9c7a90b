"""Entities as they are read: a document with the id and the version it has.

Always: an entity is a dict, so whatever takes a dict takes it; equal documents are equal whatever their id.
Does not know: where it was read. Changing it changes nothing in the database until it is put back.
"""

from __future__ import annotations

from typing import Any

from ._entidb import EntityId

__all__ = ["Entity"]


class Entity(dict[Any, Any]):
    """A document that was read, with its ``id`` and its ``version``.

    ``collection.put(entity)`` stores it under the id it has; ``collection.replace(entity.id, entity,
    version=entity.version)`` does so only when nobody else has changed it since.
    """

    __slots__ = ("id", "version")

    id: EntityId
    version: int

    def __repr__(self) -> str:
        return f"Entity({getattr(self, 'id', None)}, {super().__repr__()})"
