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
)
from ._entidb import version as __version__
from .changes import Change, ChangeBatch
from .entity import Entity
from .errors import *  # noqa: F403 - the generated module lists what it has
from .exchange import json_default
from .manual import ManualIndex
from .moment import now
from .patch import Patch
from .query import Explanation, Expression, Field, Index, Order, Page, Query, all_of, any_of, f

__all__ = [
    "Cancel",
    "Change",
    "ChangeBatch",
    "ChangeFeed",
    "Collection",
    "Cursor",
    "Database",
    "Entity",
    "EntityId",
    "Explanation",
    "Expression",
    "Field",
    "Index",
    "ManualIndex",
    "Order",
    "Page",
    "Patch",
    "Query",
    "Savepoint",
    "Tag",
    "Timestamp",
    "Transaction",
    "Vector",
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
]
__all__ += errors.__all__
