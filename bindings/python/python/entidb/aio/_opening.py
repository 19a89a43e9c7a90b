"""What is opened by ``await``, or for a block by ``async with``.

Always: opened once, by whichever comes first. Does not know: what it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar


class Block(Protocol):
    """What a block of ``async with`` can be made of."""

    async def __aenter__(self) -> Self:
        """Begins the block."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None:
        """Ends it."""
        ...


_B = TypeVar("_B", bound=Block)


class Opening(Generic[_B]):
    """Something that is still to be opened: await it, or use it in ``async with``."""

    __slots__ = ("_open", "_opened")

    def __init__(self, open: Callable[[], Awaitable[_B]]) -> None:
        self._open = open
        self._opened: _B | None = None

    def __await__(self) -> Generator[Any, Any, _B]:
        return self._open().__await__()

    async def __aenter__(self) -> _B:
        self._opened = await self._open()
        return await self._opened.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        exception: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> bool | None:
        if self._opened is None:
            return None
        return await self._opened.__aexit__(kind, exception, traceback)
