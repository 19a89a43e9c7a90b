"""Entities as they are read: a document with the id and the version it has.

Always: an entity is a dict, so whatever takes a dict takes it; equal documents are equal whatever their id. One that exists
is true, also when its document is empty. A copy, ``dict(note)`` or ``note | {...}``, is a document of its own.
Does not know: where it was read. Changing it changes nothing in the database until it is put back.
"""

from __future__ import annotations

from typing import Any

from ._entidb import EntityId

__all__ = ["Entity"]


class Entity(dict[Any, Any]):
    """A document that was read, with its ``id`` and its ``version``.

    ``collection.put(entity)`` stores it under its id; ``collection.replace(entity.id, entity,
    version=entity.version)`` stores it only if it has not changed since.
    """

    __slots__ = ("id", "version")

    id: EntityId
    version: int

    def __bool__(self) -> bool:
        return True

    def as_dict(self) -> dict[Any, Any]:
        """The document with ``id``, as text, and ``version`` as fields, for JSON. Fields of the document with these names stay."""
        return {"id": str(self.id), "version": self.version} | self

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from .exchange import _entity_schema

        return _entity_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "version": {"type": "integer"}}}

    def __repr__(self) -> str:
        if not hasattr(self, "id"):
            return f"Entity({super().__repr__()})"
        return f"Entity({self.id}, version {self.version}, {super().__repr__()})"
