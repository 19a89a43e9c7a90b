"""What calls are made on: a database, or a transaction of it, and the lanes they wait in.

Always: a write that could only wait for the transaction it is in is refused at once. The time a write waits behind others counts as
waiting for the write lock. Does not know: what is called.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .. import _entidb
from ..errors import BusyError, DeadlockError
from ._threads import Lane, Lanes

if TYPE_CHECKING:
    from ._transaction import Transaction

_T = TypeVar("_T")

#: The write transaction in whose block the running code is.
inside: contextvars.ContextVar[Transaction | None] = contextvars.ContextVar("entidb_aio_transaction", default=None)


class Scope:
    """A database, or a transaction of it."""

    __slots__ = ("database", "is_write_transaction", "lanes", "lock_timeout", "transaction")

    def __init__(
        self,
        database: _entidb.Database,
        lanes: Lanes,
        lock_timeout: float,
        transaction: _entidb.Transaction | None = None,
        is_write_transaction: bool = False,
    ) -> None:
        self.database = database
        self.lanes = lanes
        self.lock_timeout = lock_timeout
        self.transaction = transaction
        self.is_write_transaction = is_write_transaction

    def of(self, transaction: _entidb.Transaction, is_write_transaction: bool) -> Scope:
        """The scope of a transaction of this database."""
        return Scope(self.database, self.lanes, self.lock_timeout, transaction, is_write_transaction)

    @property
    def reads(self) -> Lane:
        """Where reads wait."""
        return self.lanes.transaction if self.is_write_transaction else self.lanes.read

    @property
    def longs(self) -> Lane:
        """Where long work waits."""
        return self.lanes.transaction if self.is_write_transaction else self.lanes.long

    async def own(self, call: Callable[[], _T]) -> _T:
        """Makes a call of the transaction itself."""
        return await self.reads.run(call)

    def check_deadlock(self) -> None:
        """Refuses what would wait for the transaction in whose block it is."""
        other = inside.get()
        if other is not None and other._scope.database is self.database and other.is_open:
            raise DeadlockError(
                "this call would wait for the write transaction in whose block it is; use a collection of that transaction,"
                " or call it after the block"
            )

    async def write(self, call: Callable[[], _T], undo: Callable[[_T], object] | None = None) -> _T:
        """Makes a call that changes something."""
        if self.is_write_transaction:
            return await self.lanes.transaction.undoable(undo, call)
        self.check_deadlock()
        asked = time.monotonic()

        def timely() -> _T:
            if time.monotonic() - asked >= self.lock_timeout:
                self._check_free()
            return call()

        return await self.lanes.write.undoable(undo, timely)

    def _check_free(self) -> None:
        """Raises what waiting for the lock would have, unless it is free by now."""
        try:
            transaction = self.database.transaction(timeout=0)
        except BusyError:
            raise
        except Exception:
            return  # The call itself says what is wrong.
        transaction.abort()
