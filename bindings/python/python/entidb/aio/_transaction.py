"""Transactions, awaited.

Always: calls of a write transaction are made one after the other, in their order, on a thread that never waits for the write lock.
As a block it commits at its end, and aborts on an exception. Does not know: what is changed.
"""

from __future__ import annotations

import contextvars
from types import TracebackType
from typing import Any, Literal, Self

from .. import _entidb
from ..interface import Durability
from ._collection import Collection
from ._scope import Scope, inside


class Transaction:
    """A transaction: it commits as a whole or not at all.

    ``async with db.transaction() as tx:`` commits at the end of the block, and aborts when an exception leaves it. Other calls of the
    loop go on meanwhile; other writes wait until it ends. Inside the block a write that is not of the transaction raises
    ``DeadlockError`` at once.
    """

    __slots__ = ("__weakref__", "_mark", "_scope", "_transaction")

    def __init__(self, scope: Scope, transaction: _entidb.Transaction) -> None:
        self._transaction = transaction
        self._scope = scope.of(transaction, not transaction.is_read_only)
        self._mark: contextvars.Token[Any] | None = None

    @property
    def is_open(self) -> bool:
        """True until it is committed or aborted."""
        return self._transaction.is_open

    @property
    def is_read_only(self) -> bool:
        """True for a read transaction."""
        return self._transaction.is_read_only

    @property
    async def sequence(self) -> int:
        """The sequence of the commit that it sees, or that it became: ``await tx.sequence``."""
        return await self._scope.own(lambda: self._transaction.sequence)

    @property
    async def position(self) -> str:
        """The position in the change feed after the commit that a read transaction sees: ``await tx.position``."""
        return await self._scope.own(lambda: self._transaction.position)

    def collection(self, name: str) -> Collection:
        """The collection with this name, as this transaction sees it."""
        return Collection(self._scope, name)

    async def collections(self) -> list[str]:
        """The names of the collections it sees."""
        return await self._scope.own(self._transaction.collections)

    async def create_collection(self, name: str) -> Collection:
        """Creates an empty collection."""
        await self._scope.own(lambda: self._transaction.create_collection(name))
        return self.collection(name)

    async def rename_collection(self, old: str, new: str) -> None:
        """Renames a collection."""
        await self._scope.own(lambda: self._transaction.rename_collection(old, new))

    async def drop_collection(self, name: str) -> None:
        """Drops a collection with its entities and indexes."""
        await self._scope.own(lambda: self._transaction.drop_collection(name))

    async def savepoint(self) -> Savepoint:
        """Sets a savepoint for ``rollback_to``.

        ``async with await tx.savepoint():`` rolls back when an exception leaves the block.
        """
        return Savepoint(self._scope, await self._scope.own(self._transaction.savepoint))

    async def rollback_to(self, savepoint: Savepoint) -> None:
        """Undoes all changes since a savepoint."""
        await self._scope.own(lambda: self._transaction.rollback_to(savepoint._savepoint))

    async def commit(self, durability: Durability | None = None) -> int:
        """Commits, and returns the sequence of the commit."""
        return await self._scope.own(lambda: self._transaction.commit(durability))

    async def abort(self) -> None:
        """Aborts: the changes are lost."""
        await self._scope.own(self._transaction.abort)

    async def __aenter__(self) -> Self:
        await self._scope.own(self._transaction.__enter__)
        if self._scope.is_write_transaction:
            self._mark = inside.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        exception: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> Literal[False]:
        mark, self._mark = self._mark, None
        if mark is not None:
            try:
                inside.reset(mark)
            except ValueError:
                pass  # Left in another context than it was entered in.
        await self._scope.own(lambda: self._transaction.__exit__(kind, exception, traceback))
        return False

    def __repr__(self) -> str:
        return repr(self._transaction).replace("entidb.Transaction", "entidb.aio.Transaction")


class Savepoint:
    """A place in a transaction to which its changes can be undone."""

    __slots__ = ("_savepoint", "_scope")

    def __init__(self, scope: Scope, savepoint: _entidb.Savepoint) -> None:
        self._scope = scope
        self._savepoint = savepoint

    async def rollback(self) -> None:
        """Undoes all changes since the savepoint."""
        await self._scope.own(self._savepoint.rollback)

    async def __aenter__(self) -> Self:
        await self._scope.own(self._savepoint.__enter__)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        exception: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> Literal[False]:
        await self._scope.own(lambda: self._savepoint.__exit__(kind, exception, traceback))
        return False

    def __repr__(self) -> str:
        return repr(self._savepoint).replace("entidb.Savepoint", "entidb.aio.Savepoint")
