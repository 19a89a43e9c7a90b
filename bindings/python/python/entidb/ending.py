"""Closing what is open when the interpreter ends.

Always: a program that ends in order loses nothing it committed, whatever the durability, also when it did not close its
databases. Does not know: programs that are killed, or leave by ``os._exit``.
"""

from __future__ import annotations

import atexit
import weakref

from ._entidb import Database

__all__: list[str] = []

_open: weakref.WeakSet[Database] = weakref.WeakSet()


def watch(database: Database) -> None:
    """Closes this database at the end, if nobody does before."""
    _open.add(database)


@atexit.register
def _end() -> None:
    failures = []
    for database in [*_open]:
        try:
            database._end()
        except Exception as failure:  # The others are closed all the same.
            failures.append(failure)
    if failures:
        raise failures[0]
