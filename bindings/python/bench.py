"""What the package costs, beside sqlite3 of the standard library, in the same run.

    python bench.py [--count 100000] [--rounds 3]

sqlite3 gets real columns and the same indexes, WAL mode and synchronous=FULL, so that a commit is on stable storage
in both. Every figure is the best of the rounds. Both give dicts: sqlite3 through a row factory. Beside the time that
passed stands the processor time of the whole process, background threads included: on a busy machine only that says
something.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sqlite3
import tempfile
import time
import timeit

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
    """The seconds that passed, and those of the processor."""
    begun, worked = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - worked


def measure(kind, folder, count, rounds, singles):
    """Nanoseconds for each operation, passed and of the processor, the best of the rounds."""
    documents = [document(n) for n in range(count)]
    store = kind(folder, count)
    found = {}

    def note(what, seconds, operations):
        now = [part / operations * 1e9 for part in seconds]
        found[what] = [min(pair) for pair in zip(now, found.get(what, now))]

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
    """What the boundary and the objects cost, without a disk: processor time, less that of an empty loop."""
    d = document(7)
    data = cbor.dumps(d)
    with entidb.open_memory(durability="none") as db:
        notes = db.collection("notes")
        id = notes.put(d, entidb.EntityId(bytes(16)))
        known = {
            "cbor": cbor, "d": d, "data": data, "db": db, "notes": notes, "id": id,
            "absent": entidb.EntityId(bytes(15) + b"\x01"),
        }  # fmt: skip

        def cost(code):
            runs = timeit.Timer(code, globals=known, timer=time.process_time).repeat(rounds * 5, 20_000)
            return min(runs) / 20_000 * 1e9

        empty = cost("pass")
        found = {}

        def show(what, code):
            found[what] = cost(code) - empty
            print(f"{what:48} {found[what]:8,.0f} ns")

        show("call into the module (db.last_sequence)", "db.last_sequence")
        show("document to bytes (cbor.dumps)", "cbor.dumps(d)")
        show("bytes to dict (cbor.loads)", "cbor.loads(data)")
        show("get, an Entity", "notes.get(id)")
        show("get_bytes", "notes.get_bytes(id)")
        show("get of what is not there", "notes.get(absent)")
        show("put, one a transaction", "notes.put(d, id)")
        with db.transaction() as tx:
            known["inside"] = tx.collection("notes")
            show("put in a transaction", "inside.put(d, id)")
            show("put_bytes in a transaction", "inside.put_bytes(data, id)")
        beyond = found["get, an Entity"] - found["get_bytes"] - found["bytes to dict (cbor.loads)"]
        print(f"{'an Entity beyond its dict: get - get_bytes - loads':48} {beyond:6,.0f} ns")


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
    print(f"{'':36} {'time passed':^36}   {'processor time':^36}")
    print(f"{'':36} " + "   ".join(2 * [f"{'entidb':>12} {'sqlite3':>12} {'ratio':>10}"]))
    for what, passed in ours.items():
        pairs = zip(passed, theirs[what])
        print(f"{what:36} " + "   ".join(f"{our:12,.0f} {their:12,.0f} {our / their:10.2f}" for our, their in pairs))
    print()
    overheads(given.rounds)


if __name__ == "__main__":
    main()
