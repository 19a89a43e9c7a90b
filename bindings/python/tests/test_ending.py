"""How things end: blocks that an exception leaves, databases that nobody closed, exceptions above exceptions."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import entidb
import pytest

sys.path.insert(0, os.path.dirname(__file__))

from shared import swapped  # noqa: E402


def opened_again(path):
    with entidb.open(path) as db:
        return sorted(entity["n"] for entity in db.collection("notes"))


def test_an_exception_leaves_a_database_closed_and_is_the_one_that_is_raised(tmp_path):
    # It left by InUseError, with the database open and locked.
    with pytest.raises(ZeroDivisionError) as caught:
        with entidb.open(tmp_path / "d") as db:
            db.collection("notes").put({"n": 1})
            tx = db.transaction()
            tx.collection("notes").put({"n": 2})
            1 / 0
    assert db.is_closed and not tx.is_open
    assert caught.value.__context__ is None and not hasattr(caught.value, "__notes__")
    assert opened_again(tmp_path / "d") == [1]


def test_the_end_of_a_block_aborts_an_open_transaction_closes_and_says_so(tmp_path):
    # It raised, and the database stayed open and locked.
    with pytest.raises(entidb.InUseError, match="write transaction.*aborted.*changes are lost.*closed; commit") as caught:
        with entidb.open(tmp_path / "d") as db:
            db.collection("notes").put({"n": 1})
            tx = db.transaction()
            tx.collection("notes").put({"n": 2})
    assert str(tmp_path / "d") in str(caught.value)
    assert db.is_closed and not tx.is_open
    assert opened_again(tmp_path / "d") == [1]


def test_the_end_of_a_block_closes_what_only_reads_without_a_word(tmp_path):
    with entidb.open(tmp_path / "d") as db:
        db.collection("notes").put({"n": 1})
        db.transaction().commit()
        kept = [db.begin_read(), iter(db.collection("notes")), db.changes()]
        with db.transaction() as tx:
            tx.collection("notes").put({"n": 2})
    assert db.is_closed and len(kept) == 3
    assert opened_again(tmp_path / "d") == [1, 2]


def test_the_end_of_a_block_closes_below_a_transaction_that_another_thread_has_open(tmp_path):
    began, ended = threading.Event(), threading.Event()
    failures = []

    def work(db):
        try:
            with db.transaction() as tx:
                tx.collection("notes").put({"n": 2})
                began.set()
                assert ended.wait(30)
                tx.collection("notes").put({"n": 3})
        except entidb.EntidbError as error:
            failures.append(error)

    with pytest.raises(entidb.InUseError, match="aborted"):
        with entidb.open(tmp_path / "d") as db:
            db.collection("notes").put({"n": 1})
            worker = threading.Thread(target=work, args=(db,))
            worker.start()
            assert began.wait(30)
    ended.set()
    worker.join()
    assert len(failures) == 1 and opened_again(tmp_path / "d") == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="faults are provoked through /proc and /dev of Linux")
def test_what_cannot_be_closed_is_noted_on_the_exception(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        with entidb.open(tmp_path / "d", durability="none") as db:
            db.collection("notes").put({"n": 1})
            # It takes every byte and cannot flush.
            swapped(tmp_path / "d" / "wal", "/dev/null", os.O_RDWR)
            1 / 0
    [note] = caught.value.__notes__
    assert note.startswith("the database could not be closed: "), note


def test_an_exception_passes_transactions_and_savepoints_unchanged(db, notes):
    with pytest.raises(ZeroDivisionError) as caught:
        with db.transaction() as tx:
            with tx.savepoint() as outer:
                with tx.savepoint():
                    tx.collection("notes").put({"n": 1})
                    outer.rollback()
                    1 / 0
    assert caught.value.__context__ is None and notes.count() == 0
    with pytest.raises(ZeroDivisionError):
        with db.transaction() as tx:
            tx.abort()
            1 / 0


def test_an_error_raised_while_another_is_handled_has_it_as_context(db, notes):
    missing = entidb.EntityId(bytes(16))
    try:
        1 / 0
    except ZeroDivisionError as first:
        for act in (lambda: notes[missing], lambda: db.drop_collection("none"), lambda: notes.put({"x": object()})):
            with pytest.raises(entidb.EntidbError) as caught:
                act()
            assert caught.value.__context__ is first
    with pytest.raises(entidb.EntidbError) as caught:
        db.drop_collection("none")
    assert caught.value.__context__ is None


ENDS = """if True:
    import entidb, sys
    db = entidb.open(sys.argv[1], durability="none")
    notes = db.collection("notes")
    for n in range(1000):
        notes.put({"n": n})
    open_too = db.transaction()
    open_too.collection("notes").put({"n": -1})
    kept = [db, notes, open_too]
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "raise SystemExit('bye')", "1 / 0", "del db, notes, open_too, kept"])
def test_a_program_that_ends_in_order_loses_nothing_it_committed(tmp_path, end):
    # With durability "none" nothing was left of it.
    run = subprocess.run([sys.executable, "-c", ENDS + "    " + end, tmp_path / "d"], capture_output=True, text=True)
    assert "InUse" not in run.stderr, run.stderr
    assert opened_again(tmp_path / "d") == list(range(1000))


def test_a_database_that_is_collected_loses_nothing_it_committed(tmp_path):
    db = entidb.open(tmp_path / "d", durability="none")
    for n in range(100):
        db.collection("notes").put({"n": n})
    with pytest.warns(ResourceWarning, match="collected while open"):
        del db
        gc.collect()
    assert opened_again(tmp_path / "d") == list(range(100))


def test_a_call_that_would_wait_for_its_own_transaction_says_what_to_use(db, notes):
    # It waited five seconds for itself.
    with db.transaction() as tx:
        with pytest.raises(entidb.DeadlockError, match="use a collection of that transaction"):
            notes.put({"n": 1})
        tx.collection("notes").put({"n": 2})
    assert [note["n"] for note in notes] == [2]


def test_a_handle_follows_its_collection_and_says_when_it_was_dropped(db, notes):
    id = notes.put({"n": 1})
    db.rename_collection("notes", "letters")
    assert notes[id] == {"n": 1}
    notes.put({"n": 2})
    assert db.collections() == ["letters"] and db.collection("letters").count() == 2
    db.drop_collection("letters")
    for act in (lambda: notes.get(id), lambda: notes.put({}), lambda: list(notes), notes.count, notes.find().list):
        with pytest.raises(entidb.CollectionNotFoundError, match="was dropped"):
            act()
    assert db.collections() == []
