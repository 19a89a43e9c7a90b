"""Databases: opened with options, closed, checked, copied, and what they tell of themselves."""

from __future__ import annotations

import gc
import os
import pathlib
import subprocess
import sys
import time

import entidb
import pytest


def test_what_was_put_is_there_after_reopening(disk):
    id = disk().collection("notes").put({"n": 1})
    db = disk()
    assert db.collection("notes")[id] == {"n": 1}
    report = db.open_report()
    assert report["clean"] is True and report["created"] is False


def test_a_path_is_text_or_a_path_object(tmp_path):
    with entidb.open(str(tmp_path / "a")) as db:
        assert db.path == str(tmp_path / "a") and repr(db).endswith("open>")
    with entidb.open(tmp_path / "ünï", create=True) as db:
        db.collection("c").put({})
    with pytest.raises(entidb.UsageError, match="os.fsdecode"):
        entidb.open(bytes(tmp_path / "a"))
    with pytest.raises(TypeError):
        entidb.open(7)


def test_a_closed_database_says_so_and_its_handles_too(db, notes):
    notes.put_many([{"n": n} for n in range(1000)])
    walk, feed = iter(notes), db.changes()
    next(walk)
    tx = db.transaction()
    with pytest.raises(entidb.EntidbError) as caught:
        db.close()
    assert caught.value.name == "IN_USE"
    tx.abort()
    db.close()
    db.close()
    assert db.is_closed and repr(db).endswith("closed>")
    uses = [notes.count, lambda: notes.put({}), lambda: notes.find().list(), db.stats]
    uses += [lambda: feed.next(0), lambda: list(walk), lambda: db.collection("x").count(), db.transaction]
    for use in uses:
        with pytest.raises(entidb.EntidbError) as caught:
            use()
        assert caught.value.name == "CLOSED", use
    # A walk tells of its failure once and is at its end then, as every iterator of Python is.
    assert list(walk) == [] and next(walk, None) is None


def test_leaving_the_block_closes(tmp_path):
    with pytest.raises(ZeroDivisionError), entidb.open(tmp_path / "a") as db:
        1 / 0
    assert db.is_closed


def test_an_open_database_that_is_collected_warns(tmp_path):
    db = entidb.open(tmp_path / "a")
    db.collection("notes").put({"n": 1})
    with pytest.warns(ResourceWarning, match="was collected while open"):
        del db
        gc.collect()
    with entidb.open(tmp_path / "a") as db:
        assert db.collection("notes").count() == 1


def test_a_collection_keeps_its_database_open(tmp_path):
    notes = entidb.open(tmp_path / "a").collection("notes")
    gc.collect()
    notes.put({"n": 1})
    assert notes.count() == 1
    with pytest.warns(ResourceWarning):
        del notes


def test_options_are_taken_and_shown(tmp_path):
    with entidb.open(tmp_path / "a", durability="grouped", grouped_interval_ms=5, feed_commits_max=9) as db:
        config = db.config()
    assert (config["durability"], config["grouped_interval_ms"], config["feed_commits_max"]) == ("grouped", 5, 9)
    assert "password" not in config and config["encrypted"] is False


@pytest.mark.parametrize(
    ("options", "name", "says"),
    [
        ({"readonly": True}, "UNKNOWN_OPTION", "did you mean read_only"),
        ({"passwort": "x"}, "UNKNOWN_OPTION", "did you mean password"),
        ({"memory_bytes": 1}, "INVALID_ARGUMENT", "memory_bytes"),
        ({"memory_bytes": -1}, "INVALID_ARGUMENT", "memory_bytes is -1"),
        ({"durability": "maybe"}, "INVALID_ARGUMENT", "durable"),
        ({"create": 1}, "INVALID_ARGUMENT", "create takes true or false"),
        ({"key": b"short"}, "INVALID_ARGUMENT", "give 32"),
        ({"key": bytes(32), "password": "x"}, "INVALID_ARGUMENT", "both"),
        ({"create": {1}}, "UNREPRESENTABLE", "at create: a set"),
    ],
)
def test_options_that_are_wrong_are_named(tmp_path, options, name, says):
    with pytest.raises(entidb.EntidbError, match=says) as caught:
        entidb.open(tmp_path / "a", **options)
    assert caught.value.name == name


def test_a_database_is_open_in_one_place(tmp_path):
    with entidb.open(tmp_path / "a", lock_timeout_ms=0):
        with pytest.raises(entidb.DatabaseLockedError) as caught:
            entidb.open(tmp_path / "a", lock_timeout_ms=0)
        assert caught.value.path and "pid" in str(caught.value)
        code = "import entidb, sys\ntry: entidb.open(sys.argv[1], lock_timeout_ms=0)\nexcept entidb.EntidbError as e: print(e.name)"
        run = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "DATABASE_LOCKED"


def test_encryption_opens_with_its_key_alone(tmp_path):
    key = bytes(range(32))
    with entidb.open(tmp_path / "a", key=key) as db:
        db.collection("notes").put({"secret": "plaintext marker"})
        assert db.config()["encrypted"] is True
    for file in pathlib.Path(tmp_path / "a").rglob("*"):
        assert not file.is_file() or b"plaintext marker" not in file.read_bytes(), file
    with pytest.raises(entidb.WrongKeyError):
        entidb.open(tmp_path / "a", key=bytes(range(1, 33)))
    with pytest.raises(entidb.EncryptionRequiredError):
        entidb.open(tmp_path / "a")
    with entidb.open(tmp_path / "a", key=key) as db:
        assert db.collection("notes").count() == 1


def test_a_password_opens_too(tmp_path):
    with entidb.open(tmp_path / "a", password="correct horse", password_memory_kib=19456) as db:
        db.collection("notes").put({"n": 1})
    with pytest.raises(entidb.WrongKeyError):
        entidb.open(tmp_path / "a", password="battery staple", password_memory_kib=19456)
    with entidb.open(tmp_path / "a", password="correct horse", password_memory_kib=19456) as db:
        assert db.collection("notes").count() == 1


def test_a_backup_is_a_database(disk, tmp_path):
    db = disk()
    notes = db.collection("notes")
    notes.create_index("n")
    ids = notes.put_many([{"n": n} for n in range(500)])
    db.backup(tmp_path / "copy")
    notes.put({"n": "late"})
    with entidb.open(tmp_path / "copy") as copy:
        assert [e.id for e in copy.collection("notes").find(entidb.f.n >= 0).order_by("n")] == ids
        assert copy.verify(full=True)["ok"]
    with pytest.raises(entidb.EntidbError) as caught:
        db.backup(tmp_path / "copy")
    assert caught.value.name == "TARGET_NOT_EMPTY"


def test_verify_finds_nothing_wrong_in_a_sound_database(disk):
    db = disk()
    notes = db.collection("notes")
    notes.create_index("n")
    notes.put_many([{"n": n} for n in range(200)])
    db.checkpoint()
    for report in (db.verify(), db.verify(full=True)):
        assert report["ok"] is True and report["problems"] == []
    assert db.verify(full=True)["entities"] == 200


def test_checkpoint_and_compact_keep_everything(disk):
    db = disk()
    notes = db.collection("notes")
    ids = notes.put_many([{"n": n, "pad": "x" * 100} for n in range(500)])
    db.checkpoint()
    notes.delete_many(ids[::2])
    db.checkpoint()
    try:
        db.compact()
    except entidb.UnsupportedError:
        pytest.skip("compact is not there yet")
    assert [e["n"] for e in notes] == list(range(1, 500, 2))
    assert [e["n"] for e in disk().collection("notes")] == list(range(1, 500, 2))


def test_statistics_count(db, notes):
    before = db.stats()
    notes.put_many([{"n": n} for n in range(10)])
    notes.find(entidb.f.n == 3).list()
    after = db.stats()
    assert after["entities"] - before["entities"] == 10
    assert after["scan_finds"] - before["scan_finds"] == 1
    assert after["transactions_committed"] > before["transactions_committed"]


def test_waiting_for_a_commit_ends(disk):
    db = disk(durability="none")
    db.collection("notes").put({})
    db.wait_durable()
    db.wait_durable(db.last_sequence, timeout=10)
    assert db.stats()["durable_sequence"] == db.last_sequence
    with pytest.raises(entidb.UsageError, match="at least 0"):
        db.wait_durable(timeout=-1)


def test_damage_is_an_error_with_its_file(tmp_path):
    with entidb.open(tmp_path / "a") as db:
        notes = db.collection("notes")
        notes.put_many([{"n": n, "pad": "x" * 200} for n in range(3000)])
        db.checkpoint()
    segments = [file for file in pathlib.Path(tmp_path / "a" / "seg").iterdir() if file.is_file()]
    largest = max(segments, key=lambda file: file.stat().st_size)
    data = bytearray(largest.read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 64):
        data[at] ^= 0xFF
    largest.write_bytes(data)
    with pytest.raises(entidb.DataError) as caught:
        with entidb.open(tmp_path / "a") as db:
            report = db.verify(full=True)
            assert not report["ok"] and largest.name in str(report["problems"])
            sum(e["n"] for e in db.collection("notes"))
    assert caught.value.name == "CORRUPT"


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"hello")
    with pytest.raises(entidb.EntidbError) as caught:
        entidb.open(tmp_path / "file")
    assert caught.value.name == "NOT_A_DIRECTORY"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.jpg").write_bytes(b"hello")
    with pytest.raises(entidb.EntidbError) as caught:
        entidb.open(tmp_path / "folder")
    assert caught.value.name == "NOT_A_DATABASE"
    with pytest.raises(entidb.EntidbError) as caught:
        entidb.open(tmp_path / "missing", create=False)
    assert caught.value.name == "DATABASE_NOT_FOUND"


def test_limits_on_size_are_kept():
    with entidb.open_memory(entity_bytes_max=1024) as db:
        with pytest.raises(entidb.TooLargeError):
            db.collection("notes").put({"x": "y" * 2000})
    with entidb.open_memory(transaction_bytes_max=100_000) as db:
        with pytest.raises(entidb.EntidbError) as caught, db.transaction() as tx:
            for _ in range(1000):
                tx.collection("notes").put({"x": "y" * 1000})
        assert caught.value.name in ("TOO_LARGE", "LIMIT_REACHED")
        assert db.collection("notes").count() == 0


def test_the_library_says_what_it_is():
    assert entidb.__version__.count(".") == 2
    assert entidb.abi_version() >= 1000 and entidb.format_version() >= 1
    assert entidb.has_feature("no such feature") is False


def test_a_new_database_is_not_made_over_another(tmp_path):
    entidb.open(tmp_path / "one", create_new=True).close()
    with pytest.raises(entidb.AlreadyExistsError, match="open it without create_new") as caught:
        entidb.open(tmp_path / "one", create_new=True)
    assert caught.value.path == str(tmp_path / "one")
    entidb.open(tmp_path / "one").close()


def test_the_files_of_a_database_are_not_among_the_ignored(tmp_path):
    with entidb.open(tmp_path / "one") as db:
        notes = db.collection("notes")
        for _ in range(2):
            notes.put_many([{"body": os.urandom(1 << 16)} for _ in range(48)])
            db.checkpoint()
        # It is made when there is nothing else to do.
        until = time.monotonic() + 30
        while not (tmp_path / "one" / "RESERVE").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
    (tmp_path / "one" / "holiday.jpg").write_bytes(b"beach")
    with entidb.open(tmp_path / "one") as db:
        assert db.open_report()["ignored"] == ["holiday.jpg"]


def test_a_limit_that_is_no_time_says_what_none_means(db):
    with pytest.raises(entidb.UsageError, match="None to wait as long as lock_timeout_ms says"):
        db.transaction(timeout=-1)
    with pytest.raises(entidb.UsageError, match="None to wait without end"):
        db.wait_durable(timeout=-1)


def test_reports_have_the_fields_of_their_types():
    with entidb.open_memory() as db:
        reports = [
            (db.stats(), entidb.Stats),
            (db.config(), entidb.Config),
            (db.open_report(), entidb.OpenReport),
            (db.verify(), entidb.VerifyReport),
            (db.checkpoint(), entidb.CheckpointReport),
            (db.compact(), entidb.CompactReport),
        ]
        for report, kind in reports:
            assert set(report) == set(kind.__annotations__), kind
        assert set(entidb.Options.__annotations__) - {"key", "password"} == set(db.config()) - {"encrypted"}


def test_a_value_out_of_bounds_is_refused_with_the_bounds(tmp_path):
    with pytest.raises(entidb.UsageError, match="memory_bytes is 1; give a value from 1048576 to 17592186044416"):
        entidb.open(tmp_path / "none", memory_bytes=1)
    assert not (tmp_path / "none").exists()


def test_a_backup_is_checked_and_restored_into_a_folder_and_into_memory(tmp_path):
    secret = bytes(range(32))
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    with entidb.open(tmp_path / "db", key=secret) as db:
        id = db.collection("notes").put({"n": 1})
        report = db.backup(backup)
        assert set(report) == set(entidb.BackupReport.__annotations__)
        assert report["sequence"] == db.last_sequence
        assert db.keys() == [{"slot": 0, "kind": "key"}]
    assert entidb.validate_backup(backup, key=secret)["entities"] == 1
    with pytest.raises(entidb.WrongKeyError):
        entidb.validate_backup(backup, key=bytes(range(1, 33)))
    assert entidb.restore(backup, restored, key=secret)["sequence"] == report["sequence"]
    with pytest.raises(entidb.TargetNotEmptyError):
        entidb.restore(backup, restored, key=secret)
    with entidb.open(restored, key=secret) as db:
        assert db.collection("notes")[id]["n"] == 1
    with entidb.restore_memory(backup, key=secret, lock_timeout_ms=7) as db:
        assert db.collection("notes")[id]["n"] == 1 and db.config()["lock_timeout_ms"] == 7
        assert db.path is None


def test_a_damaged_backup_is_not_restored_and_leaves_nothing(tmp_path):
    backup = tmp_path / "backup"
    with entidb.open(tmp_path / "db") as db:
        db.collection("notes").put_many({"n": n, "t": "x" * 100} for n in range(100))
        db.backup(backup)
    segment = next((backup / "seg").iterdir())
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 1
    segment.write_bytes(data)
    assert not entidb.validate_backup(backup)["ok"]
    for restore in (lambda: entidb.restore(backup, tmp_path / "new"), lambda: entidb.restore_memory(backup)):
        with pytest.raises(entidb.CorruptError):
            restore()
    assert not (tmp_path / "new").exists()
