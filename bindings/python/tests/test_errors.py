"""Errors: every code this package can give is given, as its class, with what it knows."""

from __future__ import annotations

import os
import pickle
import re
import struct
import subprocess
import sys
import tempfile
import tomllib
import zlib

import entidb
import pytest
from entidb import cbor, f

sys.path.insert(0, os.path.dirname(__file__))

from shared import swapped  # noqa: E402

linux = pytest.mark.skipif(sys.platform != "linux", reason="faults are provoked through /proc and /dev of Linux")


def locked(db, tmp):
    with entidb.open(tmp / "d"):
        entidb.open(tmp / "d", lock_timeout_ms=0)


def busy(db, tmp):
    with db.transaction():
        db.transaction(timeout=0)


def limit_reached(db, tmp):
    with entidb.open_memory(database_bytes_max=1 << 20) as small:
        while True:
            small.collection("c").put({"noise": os.urandom(100_000)})


def deadlock(db, tmp):
    with db.transaction():
        db.collection("c").put({})


def in_use(db, tmp):
    with db.transaction():
        db.close()


def closed(db, tmp):
    other = entidb.open_memory()
    other.close()
    other.collection("c").count()


def read_only(db, tmp):
    with entidb.open(tmp / "d") as other:
        other.collection("c").put({})
    with entidb.open(tmp / "d", read_only=True) as other:
        other.collection("c").put({})


def gap(db, tmp):
    before = db.position
    for _ in range(3):
        db.collection("c").put({})
    db.trim_changes(db.last_sequence)
    db.changes(since=before)


def expired(db, tmp):
    for _ in range(3):
        db.collection("c").put({})
    db.trim_changes(db.last_sequence)
    db.snapshot(at=1)


def timeout(db, tmp):
    db.wait_durable(db.last_sequence + 1000, timeout=0.05)


def target_not_empty(db, tmp):
    with entidb.open(tmp / "d") as other:
        (tmp / "full").mkdir()
        (tmp / "full" / "x").touch()
        other.backup(tmp / "full")


def encrypted(**how):
    def act(db, tmp):
        with entidb.open(tmp / "d", key=bytes(range(32))):
            pass
        entidb.open(tmp / "d", **how)

    return act


def changed(folder, at, new):
    """Writes over bytes of the headers of ROOT and makes their checksums right again."""
    root = folder / "ROOT"
    data = bytearray(root.read_bytes())
    for slot in (0, 4096):
        if any(data[slot : slot + 128]):
            data[slot + at : slot + at + len(new)] = new
            data[slot + 124 : slot + 128] = struct.pack("<I", zlib.crc32(data[slot : slot + 124]))
    root.write_bytes(data)


def header(at, new):
    def act(db, tmp):
        with entidb.open(tmp / "d"):
            pass
        changed(tmp / "d", at, new)
        entidb.open(tmp / "d")

    return act


def corrupt(db, tmp):
    with entidb.open(tmp / "d") as other:
        other.collection("c").put_many({"n": n, "pad": "x" * 100} for n in range(100))
        other.checkpoint()
    for segment in (tmp / "d" / "seg").iterdir():
        data = bytearray(segment.read_bytes())
        data[200] ^= 1
        segment.write_bytes(data)
    with entidb.open(tmp / "d") as other:
        list(other.collection("c"))


def not_regular(db, tmp):
    with entidb.open(tmp / "d"):
        pass
    (tmp / "d" / "ROOT").rename(tmp / "moved")
    (tmp / "d" / "ROOT").symlink_to(tmp / "moved")
    entidb.open(tmp / "d")


def not_encrypted(db, tmp):
    with entidb.open(tmp / "d"):
        pass
    entidb.open(tmp / "d", key=bytes(range(32)))




def unique(db, tmp):
    db.collection("c").create_index("a", unique=True)
    db.collection("c").put_many([{"a": 1}, {"a": 1}])


def stale(db, tmp):
    id = db.collection("c").put({})
    db.collection("c").replace(id, {}, version=10**9)


def ended(db, tmp):
    tx = db.transaction()
    tx.abort()
    tx.commit()


def gone_savepoint(db, tmp):
    with db.transaction() as tx:
        outer, inner = tx.savepoint(), tx.savepoint()
        outer.rollback()
        inner.rollback()


def foreign(db, tmp):
    with db.transaction() as tx:
        place = tx.savepoint()
        tx.abort()
    with db.transaction() as tx:
        tx.rollback_to(place)


def scan_forbidden(db, tmp):
    with entidb.open_memory(scan_policy="forbid") as other:
        other.collection("c").put({})
        other.collection("c").find(f.a == 1).list()


def sort_too_large(db, tmp):
    with entidb.open_memory(sort_bytes_max=65536) as other:
        other.collection("c").put_many({"a": n, "pad": "x" * 200} for n in range(2000))
        other.collection("c").find().order_by("a").list()


def too_large(db, tmp):
    with entidb.open_memory(entity_bytes_max=1024) as other:
        other.collection("c").put({"x": "y" * 5000})


def scan_token(db, tmp):
    db.collection("c").put({})
    walk = db.collection("c").scan()
    next(walk)
    walk.token()


def patch(operations):
    def act(db, tmp):
        db.collection("c").update(db.collection("c").put({"l": [1], "t": "x"}), operations)

    return act


def put(document):
    return lambda db, tmp: db.collection("c").put(document)


def loads(hexadecimal):
    return lambda db, tmp: cbor.loads(bytes.fromhex(hexadecimal))


DEEP = []
for _ in range(70):
    DEEP = [DEEP]

GIVEN = {
    "INVALID_ARGUMENT": lambda db, tmp: db.collection("c").get("nonsense"),
    "UNKNOWN_OPTION": lambda db, tmp: entidb.open_memory(durabilty="none"),
    "TOO_LARGE": too_large,
    "UNSUPPORTED": scan_token,
    "COLLECTION_NOT_FOUND": lambda db, tmp: db.drop_collection("none"),
    "COLLECTION_EXISTS": lambda db, tmp: [db.create_collection("c") for _ in range(2)],
    "INDEX_NOT_FOUND": lambda db, tmp: (db.create_collection("c"), db.collection("c").drop_index("none")),
    "INDEX_EXISTS": lambda db, tmp: [db.collection("c").create_index(p, name="i") for p in ("a", "b")],
    "DATABASE_LOCKED": locked,
    "BUSY": busy,
    "DEADLOCK": deadlock,
    "IN_USE": in_use,
    "CLOSED": closed,
    "READ_ONLY": read_only,
    "GAP": gap,
    "SNAPSHOT_EXPIRED": expired,
    "TIMEOUT": timeout,
    "NOT_A_DIRECTORY": lambda db, tmp: ((tmp / "f").touch(), entidb.open(tmp / "f")),
    "DATABASE_NOT_FOUND": lambda db, tmp: entidb.open(tmp / "none", create=False),
    "TARGET_NOT_EMPTY": target_not_empty,
    "NOT_A_DATABASE": lambda db, tmp: ((tmp / "f").touch(), entidb.open(tmp)),
    "WRONG_KEY": encrypted(key=bytes(range(1, 33))),
    "ENCRYPTION_REQUIRED": encrypted(),
    "NOT_ENCRYPTED": not_encrypted,
    "TRUNCATED": loads("82"),
    "NOT_CANONICAL": loads("1801"),
    "TOO_DEEP": put({"deep": DEEP}),
    "DUPLICATE_KEY": loads("a2616101616102"),
    "INVALID_UTF8": put({"s": "\udfff"}),
    "TRAILING_BYTES": loads("0000"),
    "UNSUPPORTED_ITEM": loads("f7"),
    "INVALID_TAG_CONTENT": loads("d8254100"),
    "INVALID_KEY": put({1.5: 1}),
    "NUMBER_OUT_OF_RANGE": put({"n": 2**70}),
    "WRONG_TYPE": patch(entidb.Patch().append("t", 1)),
    "MALFORMED": loads("1c"),
    "DOCUMENT_TOO_LARGE": lambda db, tmp: cbor.loads(b"\x5a\x05\x00\x00\x00" + bytes(5 << 24)),
    "FORMAT_TOO_NEW": header(8, b"\x02\x00"),
    "TAMPERED": header(52, b"\x01"),
    "CORRUPT": corrupt,
    "UNREPRESENTABLE": put({"x": object()}),
    "PATCH_MISMATCH": patch(entidb.Patch().set("l.9", 1)),
    "QUERY_INVALID": lambda db, tmp: db.collection("c").find(entidb.Expression(("like",))).list(),
    "SCAN_FORBIDDEN": scan_forbidden,
    "PAGE_TOKEN_INVALID": lambda db, tmp: (put({})(db, tmp), db.collection("c").find().after(b"x").list()),
    "QUERY_TOO_LARGE": sort_too_large,
    "TRANSACTION_ENDED": ended,
    "ALREADY_EXISTS": lambda db, tmp: [db.collection("c").insert({}, "0" * 32) for _ in range(2)],
    "ENTITY_NOT_FOUND": lambda db, tmp: db.collection("c")["0" * 32],
    "VERSION_MISMATCH": stale,
    "UNIQUE_VIOLATION": unique,
    "SAVEPOINT_NOT_FOUND": gone_savepoint,
    "FOREIGN_HANDLE": foreign,
    "LIMIT_REACHED": limit_reached,
}


if os.name == "posix":
    GIVEN["NOT_A_REGULAR_FILE"] = not_regular

#: Codes no test of this package provokes, and why; those that wait for a feature are not counted.
NOT_GIVEN = {
    "INVALID_HANDLE": "a Python object always holds a live handle",
    "CONCURRENT_USE": "test_process.py",
    "FORKED": "test_process.py",
    "CANCELLED": "the exception of the signal handler that ended a call is raised instead; test_signals.py sends some",
    "LIBRARY_MISMATCH": "the library is part of the module",
    "IO": "below, by a fault",
    "NO_SPACE": "below, in a process of its own",
    "OUT_OF_MEMORY": "below, in a process of its own",
    "WRITES_STOPPED": "below, by a fault",
    "DATABASE_REPLACED": "below, by a folder that is moved",
    "PERMISSION_DENIED": "below, in a process of its own",
    "TOO_MANY_OPEN_FILES": "below, in a process of its own",
    "READ_ONLY_STORAGE": "it takes a file system mounted for reading only; the tests of the storage have one",
    "FORMAT_TOO_OLD": "there is one format",
    "CONFLICT": "there are no optimistic transactions yet",
    "COMMIT_UNKNOWN": "below, by a fault",
    "INTERNAL": "it would be a defect",
    "PANIC": "it would be a defect; the tests of the C functions cause one",
}


def test_a_key_that_is_taken_is_shown_where_that_was_asked_for(tmp_path):
    for shows in (False, True):
        with entidb.open(tmp_path / str(shows) / "d", create_parents=True, show_unique_keys=shows) as db:
            users = db.collection("users")
            users.create_index("email", unique=True)
            users.put({"email": "ada@example.org"})
            with pytest.raises(entidb.UniqueViolationError, match="email") as caught:
                users.put({"email": "ada@example.org"})
            assert ("ada@example.org" in str(caught.value)) is shows


def test_every_code_is_given_or_listed_with_a_reason(root):
    table = tomllib.loads((root / "docs/spec/errors.toml").read_text(encoding="utf-8"))
    due = {code["name"] for code in table["code"] if "planned" not in code and "retired" not in code}
    assert due - set(GIVEN) - {"NOT_A_REGULAR_FILE"} == set(NOT_GIVEN) and not set(GIVEN) & set(NOT_GIVEN)


def judged(error, name):
    """The class, family, code and hint of the generated table."""
    number, (kind, named, hint, retry) = next(row for row in entidb.errors._ROWS.items() if row[1][1] == name)
    assert error.name == name, error
    assert type(error) is kind and error.code == number and (error.hint, error.retry) == (hint, retry)
    assert issubclass(kind, entidb.EntidbError) and error.family and error.hint
    assert str(error) == error.message and error.message and not error.message.endswith("."), error.message


@pytest.mark.parametrize("name", GIVEN)
def test_a_code_comes_as_its_class_with_a_hint(db, tmp_path, name):
    with pytest.raises(entidb.EntidbError) as caught:
        GIVEN[name](db, tmp_path)
    error = caught.value
    judged(error, name)
    same = pickle.loads(pickle.dumps(error))
    told = (type(error), error.code, str(error), error.context)
    assert (type(same), same.code, str(same), same.context) == told


@linux
def test_a_flush_that_fails_leaves_the_commit_unknown_and_stops_writing(tmp_path):
    db = entidb.open(tmp_path / "d")
    notes = db.collection("notes")
    id = notes.put({"n": 1})
    # It takes every byte and cannot flush.
    swapped(tmp_path / "d" / "wal", "/dev/null", os.O_RDWR)
    with pytest.raises(entidb.EntidbError) as caught:
        notes.put({"n": 2})
    judged(caught.value, "COMMIT_UNKNOWN")
    with pytest.raises(entidb.EntidbError) as caught:
        notes.put({"n": 3})
    judged(caught.value, "WRITES_STOPPED")
    assert caught.value.retry == "after_reopen" and notes[id]["n"] == 1
    with pytest.raises(entidb.EntidbError):
        db.close()


@linux
def test_a_database_whose_folder_was_moved_takes_no_more_writes(tmp_path):
    db = entidb.open(tmp_path / "d")
    notes = db.collection("notes")
    id = notes.put({"n": 1})
    (tmp_path / "d").rename(tmp_path / "moved")
    for write in [db.checkpoint, lambda: notes.put({"n": 2}), db.close]:
        with pytest.raises(entidb.DatabaseReplacedError) as caught:
            write()
        judged(caught.value, "DATABASE_REPLACED")
        assert write == db.close or notes[id]["n"] == 1
    with entidb.open(tmp_path / "moved") as moved:
        assert moved.collection("notes")[id]["n"] == 1


@linux
def test_a_read_that_fails_is_told_with_its_file(tmp_path):
    with entidb.open(tmp_path / "d") as db:
        db.collection("notes").put_many({"n": n, "pad": "x" * 1000} for n in range(5000))
        db.checkpoint()
    with entidb.open(tmp_path / "d") as db:
        # The file is open once something was read from it, and the rest is in no cache yet.
        db.collection("notes").scan(limit=1).take(1)
        swapped(tmp_path / "d" / "seg", "/dev/null", os.O_WRONLY)
        with pytest.raises(entidb.EntidbError) as caught:
            list(db.collection("notes"))
        judged(caught.value, "IO")
        assert caught.value.path and caught.value.os_code


def alone(code, *arguments):
    """The name of the error that a program of its own meets."""
    code = f"import entidb, os, resource, sys\ntry:\n    {code}\n" + (
        "except entidb.EntidbError as error:\n    print(error.name, bool(error.hint))\n"
    )
    child = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.check_output(child, text=True, timeout=120).split()


@linux
def test_memory_that_cannot_be_had_is_told(tmp_path):
    code = "most = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + (200 << 20)"
    code += "; resource.setrlimit(resource.RLIMIT_AS, (most, most))"
    code += "; entidb.open(sys.argv[1], password='x', password_memory_kib=256 << 10)"
    assert alone(code, tmp_path / "d") == ["OUT_OF_MEMORY", "True"]


@linux
def test_a_full_disk_is_told_and_reading_goes_on(tmp_path):
    code = "db = entidb.open(sys.argv[1]); db.collection('c').put({'x': 'y' * 5000})"
    # A file that may not grow and a disk that has no space fail in the same way.
    code += "; resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)); print(db.collection('c').count())"
    code += "; db.backup(sys.argv[1] + ' copy')"
    assert alone(code, tmp_path / "d") == ["1", "NO_SPACE", "True"]


@linux
def test_too_many_open_files_are_told(tmp_path):
    code = "resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5)); entidb.open(sys.argv[1])"
    assert alone(code, tmp_path / "d") == ["TOO_MANY_OPEN_FILES", "True"]


@linux
def test_a_folder_that_may_not_be_written_is_told():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        # Root may write everywhere, so it becomes nobody first.
        code = "os.geteuid() or os.setuid(65534); entidb.open(sys.argv[1] + '/d')"
        assert alone(code, folder) == ["PERMISSION_DENIED", "True"]


def test_errors_carry_what_they_know(db, notes):
    id = notes.insert({"a": 1})
    with pytest.raises(entidb.AlreadyExistsError) as caught:
        notes.insert({"a": 1}, id)
    error = caught.value
    assert error.collection == "notes" and error.id == id
    assert error.path is None and error.index is None and error.offset is None and error.os_code is None
    assert isinstance(error, entidb.TransactionError) and error.family == "transaction"


def test_a_code_of_a_newer_library_gets_its_family():
    error = entidb.errors.error_from(299, "new", {"path": "/x"})
    assert type(error) is entidb.StateError and error.code == 299 and error.path == "/x"
    assert type(entidb.errors.error_from(12345, "odd")) is entidb.EntidbError


def test_messages_are_sentences_that_say_what_to_do(db):
    with pytest.raises(entidb.EntidbError) as caught:
        db.collection("c").get(7)
    assert re.match(r"int object is not an entity id; give an EntityId", str(caught.value))
