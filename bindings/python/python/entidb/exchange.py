"""Documents and ids for JSON and for pydantic.

Always: what has no one form in JSON is refused, never rounded or dropped. Does not know: databases. ``pydantic`` is used when
it asks, and not needed.
"""

from __future__ import annotations

from typing import Any

from ._entidb import EntityId, Vector
from .errors import EntidbError

__all__ = ["json_default"]


def json_default(value: Any) -> Any:
    """What ``json.dumps(document, default=entidb.json_default)`` writes for values JSON has no form for.

    Ids and ``uuid.UUID`` are text, ``datetime`` and ``date`` are text of ISO 8601, a ``Decimal`` is text of all its digits, and a
    ``Vector`` a list. Other types are refused: bytes, for instance, have no one form in JSON.
    """
    # Not imported before they are needed: a value of these classes has brought them.
    from datetime import date
    from decimal import Decimal
    from uuid import UUID

    if isinstance(value, (EntityId, UUID, Decimal)):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Vector):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no one form in JSON; convert it before")


def _id_schema() -> Any:
    from pydantic_core import core_schema  # type: ignore[import-not-found, unused-ignore]

    def read(value: Any) -> EntityId:
        try:
            return EntityId(value)
        except EntidbError as error:
            raise ValueError(str(error)) from None

    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.to_string_ser_schema(when_used="json")
    )


def _entity_schema(kind: type[Any]) -> Any:
    from pydantic_core import core_schema  # type: ignore[import-not-found, unused-ignore]

    return core_schema.is_instance_schema(
        kind,
        serialization=core_schema.plain_serializer_function_ser_schema(
            lambda entity: entity.as_dict(), when_used="json"
        ),
    )


def _id_serializer() -> Any:
    """What pydantic asks an id for that stands where its type is not known."""
    try:
        from pydantic_core import SchemaSerializer  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise AttributeError("__pydantic_serializer__") from None
    return SchemaSerializer(_id_schema())
