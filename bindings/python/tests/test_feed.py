"""The change feed: commits in order, from any position, with and without waiting."""

from __future__ import annotations

import sys
import threading
import time
import uuid

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
        [("collection_created", "notes"), ("collection_created", "tasks"), ("insert", "notes"), ("insert", "tasks")],
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
    assert feed.position == first.position and first.ends_commit
    assert feed.position.startswith(f"{first.sequence}@")
    rest = list(db.changes(since=feed.position))
    assert [c.changes[-1].document["n"] for c in rest] == [1, 2, 3, 4]
    assert list(db.changes(since=db.position)) == []
    feed.unread()
    assert feed.next(0) == first
    for wrong in (0, db.last_sequence, "", "7", b"7"):
        with pytest.raises(entidb.UsageError, match="position"):
            db.changes(since=wrong)


def test_a_copy_and_the_feed_from_there_miss_nothing(db, notes):
    notes.put({"n": 1})
    with db.snapshot() as read:
        notes.put({"n": 2})
        assert [e["n"] for e in read.collection("notes")] == [1]
        assert [b.changes[0].document["n"] for b in db.changes(since=read.position)] == [2]
    with db.transaction() as tx, pytest.raises(entidb.EntidbError, match="no position"):
        _ = tx.position


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
    positions = [db.position]
    for n in range(5):
        notes.put({"n": n})
        positions.append(db.position)
    db.trim_changes(db.last_sequence - 1)
    for position in positions[:4]:
        with pytest.raises(entidb.GapError):
            db.changes(since=position)
    assert [c.changes[0].document for c in db.changes(since=positions[4])] == [{"n": 4}]
    # Without a position it begins at the oldest change that is kept.
    assert [c.changes[0].document for c in db.changes()] == [{"n": 4}]


def test_retention_is_exact_at_once():
    with entidb.open_memory(feed_commits_max=3) as db:
        notes = db.collection("notes")
        for n in range(10):
            notes.put({"n": n})
        assert [b.changes[-1].document["n"] for b in db.changes()] == [7, 8, 9]


def test_a_restored_backup_does_not_take_positions_beyond_it(disk, tmp_path):
    db = disk()
    notes = db.collection("notes")
    notes.put({"n": 1})
    before = db.position
    db.backup(tmp_path / "copy")
    notes.put({"n": 2})
    beyond = db.position
    with entidb.open(tmp_path / "copy") as restored:
        for n in range(3):
            with pytest.raises(entidb.GapError, match="history"):
                restored.changes(since=beyond)
            restored.collection("notes").put({"n": 10 + n})
        assert [b.changes[0].document["n"] for b in restored.changes(since=before)] == [10, 11, 12]


def test_a_document_as_deep_as_one_may_be_is_in_the_feed(db, notes):
    document = {"leaf": 1}
    for _ in range(63):
        document = {"in": document}
    with pytest.raises(entidb.EntidbError, match="nested"):
        notes.put({"in": document})
    notes.put(document)
    assert [b.changes[-1].document for b in db.changes()] == [document]


def test_a_commit_larger_than_a_document_may_be_is_read_in_batches(db, notes):
    # 66 MiB in one commit could not be read, and the feed went on behind it.
    notes.put({})
    before = db.position
    blob = bytes(3 << 20)
    with db.transaction() as tx:
        for n in range(22):
            tx.collection("notes").put({"n": n, "blob": blob})
    notes.put({"n": 22})
    batches = list(db.changes(since=before))
    assert [c.document["n"] for b in batches for c in b.changes] == [*range(23)]
    assert [b.ends_commit for b in batches] == [False] * 21 + [True, True]
    assert len({b.sequence for b in batches}) == 2
    # Inside the commit is a place to go on from as good as any.
    rest = db.changes(since=batches[10].position)
    assert [c.document["n"] for b in rest for c in b.changes] == [*range(11, 23)]


def test_a_batch_that_cannot_be_made_into_objects_is_given_again(db, notes, monkeypatch):
    notes.put({"n": 1})
    feed = db.changes()
    place = feed.position
    module = sys.modules["uuid"]
    notes.put({"id": uuid.UUID(int=7)})
    assert feed.next(0).changes[-1].document == {"n": 1}
    after_first = feed.position
    assert after_first != place

    class Full(uuid.UUID):
        def __init__(self, *_):
            raise MemoryError

    # The class of UUIDs is looked up once, so it is broken from within.
    monkeypatch.setattr(module.UUID, "__init__", Full.__init__)
    for _ in range(3):
        with pytest.raises(MemoryError):
            feed.next(0)
        assert feed.position == after_first
    monkeypatch.undo()
    assert feed.next(0).changes[0].document == {"id": uuid.UUID(int=7)}


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
    place = db.position
    db.collection("notes").put({"n": 2})
    [commit] = disk().changes(since=place)
    assert commit.changes[0].document == {"n": 2}


def test_the_past_is_read_while_it_is_kept(db):
    notes = db.collection("notes")
    id = notes.put({"n": 1})
    then = db.last_sequence
    place = db.position
    notes.put({"n": 2}, id)
    notes.delete(id)
    assert notes.get(id, at=then) == {"n": 1} and notes.get(id) is None
    with db.snapshot(at=then) as past:
        assert [e["n"] for e in past.collection("notes")] == [1]
    versions = notes.history(id)
    assert [v.entity["n"] for v in versions] == [1, 2]
    assert [v.until for v in versions] == [then + 1, then + 2]
    [update, delete] = [commit.changes[0] for commit in db.changes(since=place, before=True)]
    assert (update.before, update.document) == ({"n": 1}, {"n": 2})
    assert (delete.before, delete.document) == ({"n": 2}, None)
    assert next(iter(db.changes())).time.year >= 2024
    db.trim_changes(then + 1)
    with pytest.raises(entidb.SnapshotExpiredError, match=f"as of commit {then} is not kept any more, .* as of is {then + 1};"):
        notes.get(id, at=then)
    with pytest.raises(entidb.SnapshotExpiredError):
        db.snapshot(at=then)
    assert notes.get(id, at=then + 1) == {"n": 2}
    with db.transaction() as tx, pytest.raises(entidb.UnsupportedError, match="a write transaction has no history"):
        tx.collection("notes").history(id)
    with db.snapshot(at=then + 1) as past, pytest.raises(entidb.UnsupportedError, match="earlier commit has no history"):
        past.collection("notes").history(id)


def test_keys_of_manual_indexes_are_in_the_feed(db, notes):
    notes.create_index(kind="manual", name="by")
    kept, gone = notes.put({}), notes.put({})
    since = db.position
    with db.transaction() as tx:
        index = tx.collection("notes").manual_index("by")
        index.insert("k", kept)
        index.insert(None, gone)
        index.insert("came and went", kept)
        index.remove("came and went", kept)
    notes.manual_index("by").remove("k", kept)
    notes.delete(gone)
    told = [[(c.kind, c.id, c.name, c.key) for c in commit.changes] for commit in db.changes(since=since)]
    assert told == [
        [("key_inserted", kept, "by", "k"), ("key_inserted", gone, "by", None)],
        [("key_removed", kept, "by", "k")],
        [("delete", gone, None, None)],
    ]
    assert "key='k'" in repr(next(iter(db.changes(since=since))).changes[0])
