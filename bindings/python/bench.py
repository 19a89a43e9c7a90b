"""What the package costs, beside sqlite3 of the standard library, in the same run.

    python bench.py [--count 100000] [--rounds 3]

sqlite3 gets real columns and the same indexes, WAL mode and synchronous=FULL, so that a commit is on stable storage
in both. Every figure is the best of the rounds. Both give dicts: sqlite3 through a row factory.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sqlite3
import tempfile
import time

import entidb
from entidb import cbor, f

COLUMNS = ("name", "age", "city", "score", "active", "note")
GROUP = 60


def document(n):
    return {
        "name": f"person {n}",
        "age": n % 90,
        "city": f"city {n % 500}",
        "score": n * 0.25,
        "active": n % 3 == 0,
        "note": "x" * 80,
        "group": n // GROUP,
    }


class Entidb:
    name = "entidb"

    def __init__(self, folder, count):
        self.db = entidb.open(f"{folder}/entidb")
        self.people = self.db.collection("people")
        self.people.create_index("group")
        self.people.create_index("city", "-age")
        self.ids = [entidb.EntityId(n.to_bytes(16, "big")) for n in range(count)]

    def put_batch(self, first, documents):
        with self.db.transaction() as tx:
            people = tx.collection("people")
            for n, d in enumerate(documents, first):
                people.put(d, self.ids[n])

    def put_many(self, first, documents):
        self.people.put_many(documents, self.ids[first : first + len(documents)])

    def put_one(self, n, d):
        self.people.put(d, self.ids[n])

    def get(self, n):
        return self.people[self.ids[n]]

    def find(self, group):
        return self.people.find(f.group == group).list()

    def scan(self):
        return sum(1 for _ in self.people)

    def settle(self):
        self.db.checkpoint()

    def close(self):
        self.db.close()


class Sqlite:
    name = "sqlite3"

    def __init__(self, folder, count):
        self.db = sqlite3.connect(f"{folder}/sqlite", isolation_level=None, cached_statements=64)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")
        self.db.execute(
            "create table people (id blob primary key, name text, age integer, city text, score real, active integer,"
            " note text, grp integer) without rowid"
        )
        self.db.execute("create index by_group on people (grp)")
        self.db.execute("create index by_city on people (city, age desc)")
        names = ["id", *COLUMNS, "group"]
        self.db.row_factory = lambda _, row: dict(zip(names, row))
        self.ids = [n.to_bytes(16, "big") for n in range(count)]

    INSERT = "insert or replace into people values (?, ?, ?, ?, ?, ?, ?, ?)"

    def put_batch(self, first, documents):
        self.db.execute("begin")
        for n, d in enumerate(documents, first):
            self.db.execute(self.INSERT, (self.ids[n], *d.values()))
        self.db.execute("commit")

    def put_many(self, first, documents):
        self.db.execute("begin")
        self.db.executemany(self.INSERT, ((self.ids[n], *d.values()) for n, d in enumerate(documents, first)))
        self.db.execute("commit")

    def put_one(self, n, d):
        self.db.execute(self.INSERT, (self.ids[n], *d.values()))

    def get(self, n):
        return self.db.execute("select * from people where id = ?", (self.ids[n],)).fetchone()

    def find(self, group):
        return self.db.execute("select * from people where grp = ?", (group,)).fetchall()

    def scan(self):
        return sum(1 for _ in self.db.execute("select * from people order by id"))

    def settle(self):
        self.db.execute("pragma wal_checkpoint(truncate)")

    def close(self):
        self.db.close()


def timed(run):
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def measure(kind, folder, count, rounds, singles):
    """Nanoseconds for each operation, the best of the rounds."""
    documents = [document(n) for n in range(count)]
    store = kind(folder, count)
    found = {}

    def note(what, seconds, operations):
        found[what] = min(found.get(what, float("inf")), seconds / operations * 1e9)

    def batches(put):
        for first in range(0, count, 1000):
            put(first, documents[first : first + 1000])

    for _ in range(rounds):
        note("put, 1,000 a transaction", timed(lambda: batches(store.put_batch)), count)
    for _ in range(rounds):
        note("put_many, 1,000 a call", timed(lambda: batches(store.put_many)), count)
    for _ in range(rounds):
        note("put, durable, one by one", timed(lambda: [store.put_one(n, documents[n]) for n in range(singles)]), singles)
    store.settle()
    rng = random.Random(7)
    order = [rng.randrange(count) for _ in range(50_000)]
    groups = [rng.randrange(count // GROUP) for _ in range(2000)]
    assert len(store.find(groups[0])) == GROUP and store.get(5)["name"] == "person 5"
    for _ in range(rounds):
        note("get", timed(lambda: [store.get(n) for n in order]), len(order))
        note(f"find by index, {GROUP} rows", timed(lambda: [store.find(g) for g in groups]), len(groups))
        note(f"scan of {count:,}, per document", timed(store.scan), count)
    store.close()
    return found


def overheads(rounds):
    """What the boundary and the objects cost, without a disk."""
    d = document(7)
    data = cbor.dumps(d)
    with entidb.open_memory(durability="none") as db:
        notes = db.collection("notes")
        id = notes.put(d, entidb.EntityId(bytes(16)))
        absent = entidb.EntityId(bytes(15) + b"\x01")
        cases = {
            "cbor.dumps of the document": lambda: cbor.dumps(d),
            "cbor.loads of it": lambda: cbor.loads(data),
            "get of an entity in memory": lambda: notes.get(id),
            "get_bytes of it": lambda: notes.get_bytes(id),
            "get of what is not there": lambda: notes.get(absent),
            "put in memory, one a transaction": lambda: notes.put(d, id),
            "db.last_sequence": lambda: db.last_sequence,
        }
        for what, run in cases.items():
            best = min(timed(lambda: [run() for _ in range(20_000)]) for _ in range(rounds))
            print(f"{what:36} {best / 20_000 * 1e9:12,.0f} ns")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--singles", type=int, default=200)
    arguments.add_argument("--folder", help="where the databases are made; by default in the temporary folder")
    given = arguments.parse_args()
    print(f"Python {platform.python_version()}, sqlite {sqlite3.sqlite_version}, entidb {entidb.__version__}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; ns for each operation, best of {given.rounds}\n")
    results = []
    for kind in (Entidb, Sqlite):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            results.append(measure(kind, folder, given.count, given.rounds, given.singles))
    ours, theirs = results
    print(f"{'':36} {'entidb':>12} {'sqlite3':>12}   entidb/sqlite3")
    for what in ours:
        print(f"{what:36} {ours[what]:12,.0f} {theirs[what]:12,.0f}   {ours[what] / theirs[what]:8.2f}")
    print()
    overheads(given.rounds)


if __name__ == "__main__":
    main()
