"""Changes to parts of a document.

Always: the operations of a patch are applied in order, all or none. Does not know: the document.
"""

from __future__ import annotations

from typing import Any

from ._entidb import parse_path
from .query import Field

__all__ = ["Patch"]

_SET, _REMOVE, _INCREMENT, _APPEND = range(4)


def _steps(path: str | Field) -> tuple[Any, ...]:
    return path._path if isinstance(path, Field) else parse_path(path)


class Patch:
    """Changes to one document, for ``Collection.update``.

    A path is dotted text, with numbers for positions in arrays (``"lines.0.price"``), or a field of ``entidb.f``::

        notes.update(id, Patch().increment("views", 1).append("tags", "read").remove("draft"))
    """

    __slots__ = ("operations",)

    operations: list[tuple[Any, ...]]

    def __init__(self) -> None:
        self.operations = []

    def set(self, path: str | Field, value: Any) -> Patch:
        """Sets the value at a path, and creates missing maps on the way."""
        self.operations.append((_SET, _steps(path), value))
        return self

    def remove(self, path: str | Field) -> Patch:
        """Removes the value at a path, if there is one."""
        self.operations.append((_REMOVE, _steps(path)))
        return self

    def increment(self, path: str | Field, by: Any = 1) -> Patch:
        """Adds to the number at a path. A missing number counts as zero."""
        self.operations.append((_INCREMENT, _steps(path), by))
        return self

    def append(self, path: str | Field, value: Any) -> Patch:
        """Appends a value to the array at a path. A missing array counts as empty."""
        self.operations.append((_APPEND, _steps(path), value))
        return self

    def __repr__(self) -> str:
        return f"Patch({self.operations})"
