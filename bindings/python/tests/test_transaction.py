"""Transactions: all or nothing, read-your-writes, savepoints and views."""

from __future__ import annotations

import gc
import threading
import warnings

import entidb
import pytest


def test_a_block_commits_at_its_end(db, notes):
    with db.transaction() as tx:
        id = tx.collection("notes").put({"n": 1})
        assert notes.get(id) is None
        assert tx.is_open and not tx.is_read_only
    assert notes[id] == {"n": 1}
    assert not tx.is_open and tx.sequence == db.last_sequence


def test_a_block_left_by_an_exception_leaves_nothing(db, notes):
    with pytest.raises(ZeroDivisionError):
        with db.transaction() as tx:
            tx.collection("notes").put({"n": 1})
            1 / 0
    assert notes.count() == 0 and not tx.is_open


def test_a_transaction_reads_its_own_writes(db, notes):
    kept = notes.put({"n": 0})
    with db.transaction() as tx:
        inside = tx.collection("notes")
        inside.create_index("n")
        inside.put_many([{"n": n} for n in range(1, 10)])
        inside.delete(kept)
        assert inside.count() == 9
        assert [e["n"] for e in inside.find(entidb.f.n <= 3).order_by("n")] == [1, 2, 3]
        assert [e["n"] for e in inside] == list(range(1, 10))
    assert notes.count() == 9


def test_commit_gives_the_sequence_and_ends(db):
    tx = db.transaction()
    tx.collection("notes").put({})
    assert tx.commit() == db.last_sequence
    with pytest.raises(entidb.TransactionEndedError):
        tx.commit()
    with pytest.raises(entidb.TransactionEndedError):
        tx.collection("notes").count()


def test_a_block_may_end_its_transaction_itself(db, notes):
    with db.transaction() as tx:
        tx.collection("notes").put({})
        tx.abort()
    with db.transaction() as tx:
        tx.collection("notes").put({})
        tx.commit()
    assert notes.count() == 1


def test_rolling_back_undoes_what_came_after(db, notes):
    with db.transaction() as tx:
        inside = tx.collection("notes")
        inside.put({"n": 1})
        place = tx.savepoint()
        inside.put({"n": 2})
        tx.rollback_to(place)
        inside.put({"n": 3})
    assert sorted(e["n"] for e in notes) == [1, 3]


def test_a_savepoint_block_rolls_back_on_an_exception(db, notes):
    with db.transaction() as tx:
        inside = tx.collection("notes")
        with tx.savepoint():
            inside.put({"n": 1})
        with pytest.raises(ValueError):
            with tx.savepoint():
                inside.put({"n": 2})
                raise ValueError
    assert [e["n"] for e in notes] == [1]


def test_a_savepoint_of_another_transaction_is_refused(db):
    with db.transaction() as tx:
        old = tx.savepoint()
        tx.abort()
    with db.transaction() as tx:
        with pytest.raises(entidb.ForeignHandleError):
            tx.rollback_to(old)
        outer = tx.savepoint()
        inner = tx.savepoint()
        tx.rollback_to(outer)
        with pytest.raises(entidb.SavepointNotFoundError):
            inner.rollback()


def test_a_snapshot_sees_one_moment(db, notes):
    id = notes.put({"n": 1})
    with db.snapshot() as view:
        notes.put({"n": 2}, id)
        seen = view.collection("notes")
        assert seen[id] == {"n": 1} and view.is_read_only
        with pytest.raises(entidb.EntidbError) as caught:
            seen.put({})
        assert caught.value.name == "READ_ONLY"
    assert notes[id] == {"n": 2}


def test_a_second_writer_waits_and_is_told(db):
    with db.transaction():
        with pytest.raises(entidb.EntidbError) as caught:
            db.transaction(timeout=0)
        assert caught.value.name == "BUSY"
        with pytest.raises(entidb.EntidbError):
            db.transaction(timeout=0.05)
    with db.transaction(timeout=0) as tx:
        tx.abort()


def test_what_a_commit_promises_can_be_chosen(disk):
    db = disk()
    for promise in ("durable", "grouped", "none"):
        with db.transaction(durability=promise) as tx:
            tx.collection("notes").put({"p": promise})
    tx = db.transaction()
    tx.collection("notes").put({})
    tx.commit("none")
    db.wait_durable(timeout=30)
    with pytest.raises(entidb.UsageError, match="there is no durability"):
        db.transaction(durability="maybe")
    assert disk().collection("notes").count() == 4


def test_the_catalog_changes_with_the_transaction(db):
    with pytest.raises(KeyError):
        with db.transaction() as tx:
            tx.create_collection("a").put({})
            assert tx.collections() == ["a"]
            tx.rename_collection("a", "b")
            assert tx.collections() == ["b"]
            raise KeyError
    assert db.collections() == []
    with db.transaction() as tx:
        tx.create_collection("c")
        tx.create_collection("d")
        tx.drop_collection("d")
    assert db.collections() == ["c"]


def test_an_open_transaction_that_is_collected_aborts_and_warns(db, notes):
    tx = db.transaction()
    tx.collection("notes").put({})
    with pytest.warns(ResourceWarning, match="collected while open, and aborted"):
        del tx
        gc.collect()
    assert notes.count() == 0
    with db.transaction(timeout=0) as tx:
        tx.collection("notes").put({})


def test_a_read_transaction_goes_quietly(db):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = db.begin_read()
        del view
        gc.collect()


def test_a_collection_keeps_its_transaction_alive(db, notes):
    inside = db.transaction().collection("notes")
    gc.collect()
    inside.put({"n": 1})
    assert inside.count() == 1
    with pytest.warns(ResourceWarning):
        del inside
    assert notes.count() == 0


def put_elsewhere(db):
    thread = threading.Thread(target=lambda: db.collection("notes").put({"by": "other"}))
    thread.start()
    thread.join()


@pytest.mark.parametrize("inside", ["nothing", "a call that failed", "a savepoint"])
def test_a_block_whose_transaction_was_aborted_for_another_writer_says_so(inside):
    # It ended as if it had committed.
    with entidb.open_memory(transaction_idle_ms_max=30) as db:
        with pytest.raises(entidb.TransactionEndedError, match="transaction_idle_ms_max"):
            with db.transaction() as tx:
                tx.collection("notes").put({"by": "idle"})
                if inside == "a savepoint":
                    with tx.savepoint():
                        put_elsewhere(db)
                else:
                    put_elsewhere(db)
                if inside == "a call that failed":
                    calls = [lambda: tx.collection("notes"), lambda: tx.collections(), tx.savepoint, lambda: tx.sequence]
                    for call in [*calls, lambda: tx.create_collection("more")]:
                        with pytest.raises(entidb.TransactionEndedError, match="transaction_idle_ms_max"):
                            call()
        assert [note["by"] for note in db.collection("notes")] == ["other"]
        # An abort of the program itself is one it knows of.
        with db.transaction() as tx:
            tx.collection("notes").put({"by": "idle"})
            put_elsewhere(db)
            tx.abort()


def test_a_block_in_which_a_commit_failed_does_not_end_as_if_it_had_committed():
    with entidb.open_memory() as db:
        with pytest.raises(entidb.TransactionEndedError, match="its commit failed with TIMEOUT"):
            with db.transaction() as tx:
                tx.collection("notes").put({})
                with pytest.raises(entidb.DeadlineExceededError), entidb.deadline(0):
                    tx.commit()
                with pytest.raises(entidb.TransactionEndedError, match="its commit failed with TIMEOUT"):
                    tx.collection("notes")
        assert db.collection("notes").count() == 0
