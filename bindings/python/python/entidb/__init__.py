"""EntiDB, an embedded entity database.

Documents live in collections, change in transactions and are found through declared indexes, in one folder and
without a server::

    import entidb

    with entidb.open("notes.entidb") as db:
        notes = db.collection("notes")
        notes.create_index("tags", multi=True)
        id = notes.put({"title": "Hello", "tags": ["first"], "at": entidb.now()})
        for note in notes.find(entidb.f.tags == "first").order_by("-at").limit(10):
            print(note.id, note["title"])
"""

from . import cbor, errors
from ._entidb import (
    Cancel,
    ChangeFeed,
    Collection,
    Cursor,
    Database,
    EntityId,
    Savepoint,
    Tag,
    Timestamp,
    Transaction,
    Vector,
    abi_version,
    deadline,
    format_version,
    has_feature,
    open,
    open_memory,
    restore,
    restore_memory,
    validate_backup,
)
from ._entidb import version as __version__
from .changes import Change, ChangeBatch, EntityVersion
from .entity import Entity
from .errors import *  # noqa: F403 - the generated module lists what it has
from .exchange import json_default
from .interface import (
    BackupReport,
    CheckpointReport,
    CollectionStats,
    CompactReport,
    Config,
    IndexStats,
    KeySlot,
    MemoryOptions,
    OpenReport,
    Options,
    Problem,
    Stats,
    VerifyReport,
)
from .manual import ManualIndex
from .moment import now
from .patch import Patch
from .query import Explanation, Expression, Field, Index, Order, Page, Query, all_of, any_of, f

__all__ = [
    "BackupReport",
    "Cancel",
    "Change",
    "ChangeBatch",
    "ChangeFeed",
    "CheckpointReport",
    "Collection",
    "CollectionStats",
    "CompactReport",
    "Config",
    "Cursor",
    "Database",
    "Entity",
    "EntityId",
    "EntityVersion",
    "Explanation",
    "Expression",
    "Field",
    "Index",
    "IndexStats",
    "KeySlot",
    "ManualIndex",
    "MemoryOptions",
    "OpenReport",
    "Options",
    "Order",
    "Page",
    "Patch",
    "Problem",
    "Query",
    "Savepoint",
    "Stats",
    "Tag",
    "Timestamp",
    "Transaction",
    "Vector",
    "VerifyReport",
    "__version__",
    "abi_version",
    "all_of",
    "any_of",
    "cbor",
    "deadline",
    "errors",
    "f",
    "format_version",
    "has_feature",
    "json_default",
    "now",
    "open",
    "open_memory",
    "restore",
    "restore_memory",
    "validate_backup",
]
__all__ += errors.__all__
