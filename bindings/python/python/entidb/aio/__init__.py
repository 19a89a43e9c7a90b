"""EntiDB for programs with an event loop: the same names, awaited.

Nothing here waits or works for long on the thread of the loop, which is one of asyncio or of trio::

    import asyncio
    from entidb import aio, f

    async def main() -> None:
        async with aio.open("notes.entidb") as db:
            notes = db.collection("notes")
            id = await notes.put({"title": "Hello", "tags": ["first"]})
            async for note in notes.find(f.tags == "first").order_by("-title"):
                print(note.id, note["title"])
            async with db.transaction() as tx:
                await tx.collection("notes").update(id, {"title": "Hi"})

    asyncio.run(main())

A task that is cancelled ends the call it waits for, and nothing was changed then. ``async with asyncio.timeout(2)`` and
``with entidb.deadline(2)`` limit the time of calls.
"""

from __future__ import annotations

from ._collection import Collection, ManualIndex
from ._cursor import Cursor
from ._database import Database, open, open_memory, restore, restore_memory, validate_backup
from ._feed import ChangeFeed
from ._query import Query
from ._transaction import Savepoint, Transaction

__all__ = [
    "ChangeFeed",
    "Collection",
    "Cursor",
    "Database",
    "ManualIndex",
    "Query",
    "Savepoint",
    "Transaction",
    "open",
    "open_memory",
    "restore",
    "restore_memory",
    "validate_backup",
]
