"""Errors: every code this package can give is given, as its class, with what it knows."""

from __future__ import annotations

import os
import pickle
import re

import entidb
import pytest
from entidb import cbor, f


def locked(db, tmp):
    with entidb.open(tmp / "d"):
        entidb.open(tmp / "d", lock_timeout_ms=0)


def busy(db, tmp):
    with db.transaction():
        db.transaction(timeout=0)


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
    for _ in range(3):
        db.collection("c").put({})
    db.trim_changes(db.last_sequence)
    list(db.changes())


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
    "IN_USE": in_use,
    "CLOSED": closed,
    "READ_ONLY": read_only,
    "GAP": gap,
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
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_code_comes_as_its_class_with_a_hint(db, tmp_path, name):
    with pytest.raises(entidb.EntidbError) as caught:
        GIVEN[name](db, tmp_path)
    error = caught.value
    assert error.name == name
    number, (kind, named, hint, retry) = next(row for row in entidb.errors._ROWS.items() if row[1][1] == name)
    assert type(error) is kind and error.code == number and (error.hint, error.retry) == (hint, retry)
    assert error.hint and str(error) == error.message
    assert error.message and not error.message.endswith("."), error.message
    same = pickle.loads(pickle.dumps(error))
    assert (type(same), same.code, str(same), same.context) == (kind, number, str(error), error.context)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    (tmp_path / "d").mkdir(mode=0o500)
    with pytest.raises(entidb.EntidbError) as caught:
        entidb.open(tmp_path / "d" / "x")
    assert caught.value.name == "PERMISSION_DENIED"


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
