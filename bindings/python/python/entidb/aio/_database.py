"""Databases, awaited.

Always: as ``entidb.Database``, with the same names; what can wait or take long is done on threads of the package. Does not know: files.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from os import PathLike
from types import TracebackType
from typing import Literal, Self, TypeVar, Unpack

from .. import _entidb
from .._entidb import EntityId
from ..errors import InUseError
from ..interface import (
    BackupReport,
    CheckpointReport,
    CompactReport,
    Config,
    Durability,
    KeySlot,
    MemoryOptions,
    OpenReport,
    Options,
    Stats,
    VerifyReport,
)
from ._collection import Collection
from ._feed import ChangeFeed
from ._opening import Opening
from ._scope import Scope
from ._threads import Lane, Lanes
from ._transaction import Transaction

_T = TypeVar("_T")


class Database:
    """An open database, awaited. ``entidb.Database`` has the words of each method."""

    __slots__ = ("__weakref__", "_begun", "_database", "_scope")

    def __init__(self, database: _entidb.Database, lanes: Lanes) -> None:
        self._database = database
        self._scope = Scope(database, lanes, database.config()["lock_timeout_ms"] / 1000)
        self._begun: weakref.ref[Transaction] | None = None

    async def _read(self, call: Callable[[], _T]) -> _T:
        return await self._scope.lanes.read.run(call)

    async def _long(self, call: Callable[[], _T]) -> _T:
        return await self._scope.lanes.long.run(call)

    @property
    def path(self) -> str | None:
        """The folder; ``None`` for one in memory."""
        return self._database.path

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._database.is_closed

    @property
    def last_sequence(self) -> int:
        """The sequence of the newest commit."""
        return self._database.last_sequence

    def collection(self, name: str) -> Collection:
        """The collection with this name. It is created with its first entity."""
        return Collection(self._scope, name)

    async def collections(self) -> list[str]:
        """The names of the collections."""
        return await self._read(self._database.collections)

    async def create_collection(self, name: str) -> Collection:
        """Creates an empty collection."""
        await self._scope.write(lambda: self._database.create_collection(name))
        return self.collection(name)

    async def rename_collection(self, old: str, new: str) -> None:
        """Renames a collection."""
        await self._scope.write(lambda: self._database.rename_collection(old, new))

    async def drop_collection(self, name: str) -> None:
        """Drops a collection with its entities and indexes."""
        await self._scope.write(lambda: self._database.drop_collection(name))

    def transaction(
        self, *, durability: Durability | None = None, timeout: float | None = None
    ) -> Opening[Transaction]:
        """Begins a write transaction: ``async with db.transaction() as tx:``, or ``tx = await db.transaction()``.

        Waits for another one without blocking the loop, up to ``timeout`` seconds.
        """

        async def begin() -> Transaction:
            def taken() -> _entidb.Transaction:
                begun = self._database.transaction(durability=durability, timeout=timeout)
                begun._detach()
                return begun

            if timeout == 0:
                # It asks whether the lock is free, which is no misuse.
                made = await self._scope.lanes.write.undoable(_entidb.Transaction.abort, taken)
            else:
                made = await self._scope.write(taken, _entidb.Transaction.abort)
            transaction = Transaction(self._scope, made)
            self._begun = weakref.ref(transaction)
            return transaction

        return Opening(begin)

    def begin_read(self, *, at: int | None = None) -> Opening[Transaction]:
        """Begins a read transaction; with ``at`` on the database as it was after that commit."""

        async def begin() -> Transaction:
            return Transaction(self._scope, await self._read(lambda: self._database.begin_read(at=at)))

        return Opening(begin)

    def snapshot(self, *, at: int | None = None) -> Opening[Transaction]:
        """As ``begin_read``."""
        return self.begin_read(at=at)

    def changes(self, since: str | None = None, *, wait: bool = True, before: bool = False) -> Opening[ChangeFeed]:
        """A reader of the changes after a position: ``async with db.changes() as feed: async for batch in feed: ...``

        It waits for more; with ``wait=False`` a loop ends after the changes that exist.
        """

        async def begin() -> ChangeFeed:
            feed = await self._read(lambda: self._database.changes(since, before=before))
            return ChangeFeed(self._scope, feed, wait)

        return Opening(begin)

    @property
    async def position(self) -> str:
        """The position in the change feed after the newest commit: ``await db.position``."""
        return await self._read(lambda: self._database.position)

    def new_id(self) -> EntityId:
        """An id that no other call makes, in the order of time."""
        return self._database.new_id()

    async def trim_changes(self, through: int) -> None:
        """Removes the changes up to and including a sequence from the feed."""
        await self._scope.write(lambda: self._database.trim_changes(through))

    async def wait_durable(self, sequence: int | None = None, timeout: float | None = None) -> None:
        """Waits until a commit, by default the newest, is on stable storage."""
        await self._long(lambda: self._database.wait_durable(sequence, timeout))

    async def checkpoint(self) -> CheckpointReport:
        """Writes the data in the log to segments, so that the next open has nothing to replay."""
        return await self._long(self._database.checkpoint)

    async def compact(self) -> CompactReport:
        """Merges all segments, and frees the space of old versions and deleted data."""
        return await self._long(self._database.compact)

    async def verify(self, *, full: bool = False) -> VerifyReport:
        """Checks the database and reports every problem."""
        return await self._long(lambda: self._database.verify(full=full))

    async def backup(self, path: str | PathLike[str]) -> BackupReport:
        """Copies the database, as of one commit, to a new folder."""
        return await self._long(lambda: self._database.backup(path))

    async def keys(self) -> list[KeySlot]:
        """The slots of the keys and passwords that open the database, never the keys."""
        return await self._read(self._database.keys)

    async def change_key(
        self,
        *,
        key: bytes | None = None,
        password: str | bytes | None = None,
        new_key: bytes | None = None,
        new_password: str | bytes | None = None,
    ) -> None:
        """Replaces a key or password. No data is rewritten."""
        await self._long(
            lambda: self._database.change_key(
                key=key, password=password, new_key=new_key, new_password=new_password
            )
        )

    async def add_key(
        self,
        *,
        key: bytes | None = None,
        password: str | bytes | None = None,
        new_key: bytes | None = None,
        new_password: str | bytes | None = None,
    ) -> None:
        """Adds a key or password; the first argument is one that opens the database already."""
        await self._long(
            lambda: self._database.add_key(key=key, password=password, new_key=new_key, new_password=new_password)
        )

    async def remove_key(self, *, key: bytes | None = None, password: str | bytes | None = None) -> None:
        """Removes a key or password. The last one cannot be removed."""
        await self._long(lambda: self._database.remove_key(key=key, password=password))

    async def rotate_key(self) -> None:
        """Encrypts every new file with a new data key."""
        await self._long(self._database.rotate_key)

    async def rekey(self) -> bool:
        """Rewrites the whole database with a new data key, and erases the old ones."""
        return await self._long(self._database.rekey)

    async def stats(self) -> Stats:
        """Counters since opening, and current sizes."""
        return await self._read(self._database.stats)

    def config(self) -> Config:
        """The options in use."""
        return self._database.config()

    def open_report(self) -> OpenReport:
        """The report of opening."""
        return self._database.open_report()

    def _open_write(self) -> Transaction | None:
        begun = None if self._begun is None else self._begun()
        return begun if begun is not None and begun.is_open else None

    async def close(self, *, force: bool = False) -> None:
        """Closes it, behind the writes that were asked for before. With ``force`` a transaction that is open is lost."""
        if self.is_closed:
            return
        if not force and self._open_write() is not None:
            raise InUseError("a write transaction is open; commit or abort it before closing")
        await self._scope.lanes.write.run(lambda: self._database.close(force=force))
        self._scope.lanes.close()

    async def __aenter__(self) -> Self:
        self._database.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        exception: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> Literal[False]:
        lane = self._scope.lanes.long if self._open_write() is not None else self._scope.lanes.write
        try:
            await lane.run(lambda: self._database.__exit__(kind, exception, traceback))
        finally:
            if self.is_closed:
                self._scope.lanes.close()
        return False

    def __repr__(self) -> str:
        return repr(self._database).replace("entidb.Database", "entidb.aio.Database")


def _opening(open: Callable[[], _entidb.Database]) -> Opening[Database]:
    async def begin() -> Database:
        lanes = Lanes()
        try:
            return Database(await lanes.long.undoable(_entidb.Database.close, open), lanes)
        except BaseException:
            lanes.close()
            raise

    return Opening(begin)


async def _once(call: Callable[[], _T]) -> _T:
    lane = Lane(1)
    try:
        return await lane.run(call)
    finally:
        lane.close()


def open(path: str | PathLike[str], **options: Unpack[Options]) -> Opening[Database]:
    """Opens the database in a folder: ``async with aio.open(path) as db:``, or ``db = await aio.open(path)``."""
    return _opening(lambda: _entidb.open(path, **options))


def open_memory(**options: Unpack[MemoryOptions]) -> Opening[Database]:
    """Opens a database in memory."""
    return _opening(lambda: _entidb.open_memory(**options))


async def validate_backup(path: str | PathLike[str], **options: Unpack[Options]) -> VerifyReport:
    """Checks every byte and every index of a backup, or of any database that is not open."""
    return await _once(lambda: _entidb.validate_backup(path, **options))


async def restore(
    backup: str | PathLike[str], path: str | PathLike[str], **options: Unpack[Options]
) -> BackupReport:
    """Restores a backup into a new or empty folder, after checking it."""
    return await _once(lambda: _entidb.restore(backup, path, **options))


def restore_memory(backup: str | PathLike[str], **options: Unpack[MemoryOptions]) -> Opening[Database]:
    """Restores a backup into memory, after checking it, and opens it."""
    return _opening(lambda: _entidb.restore_memory(backup, **options))
