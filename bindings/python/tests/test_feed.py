"""The change feed: whole commits in order, from any place, with and without waiting."""

from __future__ import annotations

import threading
import time

import entidb
import pytest


def test_commits_come_whole_and_in_order(db):
    with db.transaction() as tx:
        a = tx.collection("notes").put({"n": 1})
        b = tx.collection("tasks").put({"n": 2})
    db.collection("notes").update(a, {"n": 3})
    db.collection("tasks").delete(b)
    commits = list(db.changes())
    told = [[(c.kind, c.collection) for c in commit.changes] for commit in commits]
    assert told == [
        [("collection_created", "notes"), ("insert", "notes"), ("collection_created", "tasks"), ("insert", "tasks")],
        [("update", "notes")],
        [("delete", "tasks")],
    ]
    assert commits[1].changes[0].document == {"n": 3} and commits[1].changes[0].id == a
    assert commits[2].changes[0].document is None and commits[2].changes[0].id == b
    assert [c.sequence for c in commits] == sorted(c.sequence for c in commits)
    assert commits[-1].sequence == db.last_sequence


def test_the_catalog_is_in_the_feed(db):
    notes = db.create_collection("a")
    notes.create_index("n", unique=True, name="by_n")
    notes.drop_index("by_n")
    db.rename_collection("a", "b")
    db.drop_collection("b")
    changes = [change for commit in db.changes() for change in commit.changes]
    kinds = [change.kind for change in changes]
    assert kinds == ["collection_created", "index_created", "index_dropped", "collection_renamed", "collection_dropped"]
    assert changes[1].index["name"] == "by_n" and changes[1].index["unique"] is True
    assert changes[2].name == "by_n" and changes[3].name == "b"
    assert "by_n" in repr(changes[2]) and changes[0] == entidb.Change("collection_created", "a")


def test_reading_goes_on_from_a_position(db, notes):
    for n in range(5):
        notes.put({"n": n})
    feed = db.changes()
    first = feed.next(0)
    assert feed.position == first.sequence
    rest = list(db.changes(since=feed.position))
    assert [c.changes[-1].document["n"] for c in rest] == [1, 2, 3, 4]
    assert list(db.changes(since=db.last_sequence)) == []


def test_a_feed_that_reached_the_end_can_go_on(db, notes):
    feed = db.changes()
    assert list(feed) == []
    notes.put({})
    assert len(list(feed)) == 1
    assert feed.next(0) is None


def test_a_wait_ends_with_its_time(db):
    begun = time.monotonic()
    assert db.changes().next(timeout=0.3) is None
    assert 0.2 < time.monotonic() - begun < 5
    with pytest.raises(entidb.UsageError, match="number of seconds"):
        db.changes().next(-1)


def test_a_wait_ends_with_a_commit(db, notes):
    got = []
    reader = threading.Thread(target=lambda: got.append(db.changes().next()))
    reader.start()
    time.sleep(0.05)
    notes.put({"n": 7})
    reader.join(20)
    assert got[0].changes[-1].document == {"n": 7}


def test_a_following_feed_waits_for_more(db, notes):
    got = []

    def follow():
        for commit in db.changes(wait=True):
            got.append(commit.changes[-1].document["n"])
            if len(got) == 3:
                return

    reader = threading.Thread(target=follow)
    reader.start()
    for n in range(3):
        time.sleep(0.02)
        notes.put({"n": n})
    reader.join(20)
    assert got == [0, 1, 2]


def test_what_was_trimmed_is_a_gap(db, notes):
    for n in range(5):
        notes.put({"n": n})
    place = db.last_sequence - 1
    db.trim_changes(place)
    with pytest.raises(entidb.EntidbError) as caught:
        list(db.changes())
    assert caught.value.name == "GAP"
    assert [c.changes[0].document for c in db.changes(since=place)] == [{"n": 4}]


def test_the_feed_replayed_gives_the_same_database(db, rng):
    notes = db.collection("notes")
    ids = []
    for step in range(300):
        match rng.randrange(4):
            case 0 | 1:
                ids.append(notes.put({"n": step}))
            case 2 if ids:
                notes.put({"n": -step}, rng.choice(ids))
            case 3 if ids:
                notes.delete(ids.pop(rng.randrange(len(ids))))
    with entidb.open_memory() as other:
        for commit in db.changes():
            with other.transaction() as tx:
                for change in commit.changes:
                    if change.kind in ("insert", "update"):
                        tx.collection(change.collection).put(change.document, change.id)
                    elif change.kind == "delete":
                        tx.collection(change.collection).delete(change.id)
        assert [(e.id, e) for e in other.collection("notes")] == [(e.id, e) for e in notes]


def test_the_feed_survives_reopening(disk):
    db = disk()
    db.collection("notes").put({"n": 1})
    place = db.last_sequence
    db.collection("notes").put({"n": 2})
    [commit] = disk().changes(since=place)
    assert commit.changes[0].document == {"n": 2}
