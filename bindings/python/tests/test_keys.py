"""Keys and passwords of an encrypted database are changed, added, taken away, and its data put under a new key."""

from __future__ import annotations

from pathlib import Path

import pytest

import entidb

FAST = {"password_memory_kib": 19 * 1024}


def opens(path: Path, **key: object) -> bool:
    try:
        with entidb.open(path, **key) as db:
            return len(db.collection("notes")) == 1
    except entidb.WrongKeyError:
        return False


def test_a_changed_key_opens_and_the_old_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with entidb.open(path, key=b"a" * 32, **FAST) as db:
        db.collection("notes").put({"n": 1})
        with pytest.raises(entidb.WrongKeyError):
            db.change_key(key=b"z" * 32, new_key=b"b" * 32)
        db.change_key(key=b"a" * 32, new_password="correct horse")
    assert opens(path, password="correct horse") and opens(path, password=b"correct horse")
    assert not opens(path, key=b"a" * 32)


def test_keys_are_added_and_taken_away_but_for_the_last(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with entidb.open(path, key=b"a" * 32) as db:
        db.collection("notes").put({"n": 1})
        db.add_key(key=b"a" * 32, new_key=b"b" * 32)
    assert opens(path, key=b"a" * 32) and opens(path, key=b"b" * 32)
    with entidb.open(path, key=b"b" * 32) as db:
        db.remove_key(key=b"a" * 32)
        with pytest.raises(entidb.UsageError):
            db.remove_key(key=b"b" * 32)
    assert opens(path, key=b"b" * 32) and not opens(path, key=b"a" * 32)


def test_a_key_that_opens_the_database_is_not_added_again(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with entidb.open(path, password="old", **FAST) as db:
        db.collection("notes").put({"n": 1})
        with pytest.raises(entidb.UsageError, match="opens the database already"):
            db.add_key(password="old", new_password="old")
        db.add_key(password="old", new_key=b"b" * 32)
        with pytest.raises(entidb.UsageError, match="opens the database already"):
            db.change_key(key=b"b" * 32, new_password="old")
        with pytest.raises(entidb.UsageError, match="new_password is empty"):
            db.add_key(password="old", new_password="")
        db.change_key(password="old", new_password="new")
        for number in range(6):
            db.add_key(key=b"b" * 32, new_key=bytes([number + 1]) * 32)
        with pytest.raises(entidb.TooLargeError, match="has 8 keys already, which is the most"):
            db.add_key(key=b"b" * 32, new_key=b"n" * 32)
    assert opens(path, password="new") and not opens(path, password="old")


def test_everything_goes_under_a_new_data_key(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with entidb.open(path, key=b"a" * 32) as db:
        db.collection("notes").put({"n": 1})
        db.rotate_key()
        assert db.rekey() is True
        assert db.verify(full=True)["ok"]
    assert opens(path, key=b"a" * 32)


def test_what_cannot_be_is_refused_without_showing_a_key(tmp_path: Path) -> None:
    with entidb.open_memory() as db:
        for call in (db.rotate_key, db.rekey, lambda: db.change_key(key=b"a" * 32, new_key=b"b" * 32)):
            with pytest.raises(entidb.NotEncryptedError):
                call()
    with entidb.open_memory(key=b"a" * 32) as db:
        for wrong in (
            {},
            {"key": b"a" * 32},
            {"key": b"a" * 32, "password": "secret", "new_key": b"b" * 32},
            {"key": "secret", "new_key": b"b" * 32},
            {"key": b"secret", "new_key": b"b" * 32},
            {"key": b"a" * 32, "new_password": 5},
        ):
            with pytest.raises(entidb.UsageError) as raised:
                db.change_key(**wrong)
            assert "secret" not in str(raised.value)
