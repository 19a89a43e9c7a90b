"""Arguments that make no sense, and handles that have ended, are refused where they are given."""

from __future__ import annotations

import entidb
import pytest

ID = "0" * 31 + "1"


@pytest.mark.parametrize(
    "call",
    [
        lambda db, notes: notes.scan(limit=-1),
        lambda db, notes: notes.get(ID, at=-1),
        lambda db, notes: notes.delete(ID, version=-1),
        lambda db, notes: notes.replace(ID, {}, version=2**64),
        lambda db, notes: db.begin_read(at=-1),
        lambda db, notes: db.snapshot(at=-1),
        lambda db, notes: db.trim_changes(-1),
        lambda db, notes: db.wait_durable(-1),
        lambda db, notes: notes.find().limit(-1).list(),
        lambda db, notes: entidb.open_memory(lock_timeout_ms=-1),
    ],
)
def test_a_negative_number_is_refused_as_an_argument(db, notes, call):
    # It was an OverflowError without the name of the argument.
    with pytest.raises(entidb.EntidbError) as caught:
        call(db, notes)
    assert caught.value.family in ("usage", "query"), caught.value


def test_fields_to_index_are_given_one_by_one(notes):
    # A list was an AttributeError about `column`.
    for wrong in (["a", "b"], ("a",), {"a": 1}, 1, None, b"a", notes):
        with pytest.raises(TypeError, match=r'a field to index is text.*one by one.*create_index\("city", "-age"\)'):
            notes.create_index(wrong)
        with pytest.raises(TypeError, match="a field to sort by is text"):
            notes.find().order_by(wrong)
    assert notes.create_index("a", entidb.f.b, -entidb.f.c) is True
    assert notes.indexes()[0].columns == ["a", "b", "-c"]


@pytest.mark.parametrize("take", ["limit", "offset", "page"])
def test_a_number_of_results_is_refused_where_it_is_given(notes, take):
    # 2**64 was told, when the query ran, to be no form of a document.
    for wrong in (2**64, -1, -(2**70)):
        with pytest.raises(entidb.EntidbError, match="of a (query|page) is a whole number of at least 0, with at most 64 bits") as caught:
            getattr(notes.find(), take)(wrong)
        assert caught.value.name == "INVALID_ARGUMENT"
    for wrong in ("1", 1.5, True, [1]):
        with pytest.raises(TypeError):
            getattr(notes.find(), take)(wrong)
    assert notes.find().limit(2**64 - 1).list() == []


def test_a_direction_behind_a_field_is_refused(notes):
    # Everything was sorted by a field of that name, which no document had.
    for wrong in ("n desc", "n ASC", "-n desc", "a.b Desc"):
        with pytest.raises(ValueError, match='a direction stands before the field: "(n|a.b)" is ascending, "-'):
            notes.find().order_by(wrong)
        with pytest.raises(entidb.EntidbError, match="a direction stands before the field") as caught:
            notes.create_index(wrong)
        assert caught.value.name == "INVALID_ARGUMENT"
    notes.put_many([{"n desc": n, "desc": -n} for n in (2, 1, 3)])
    for fields in ((entidb.f["n desc"],), ("n\\ desc",), ("-desc",)):
        assert [note["n desc"] for note in notes.find().order_by(*fields)] == [1, 2, 3]
    assert [note["n desc"] for note in notes.find().order_by("-n\\ desc")] == [3, 2, 1]
    notes.create_index(entidb.f["n desc"])
    notes.create_index(-entidb.f["a"]["n ASC"])
    assert [index.columns for index in notes.indexes()] == [["n\\ desc"], ["-a.n\\ ASC"]]
    assert notes.find(entidb.f["n desc"] == 2).explain()["index"] == "n\\ desc"


def test_a_path_with_a_zero_byte_is_refused_as_such(db, tmp_path):
    for call in (
        lambda: entidb.open(str(tmp_path / "a\0b")),
        lambda: db.backup(str(tmp_path / "a\0b")),
        lambda: entidb.validate_backup(str(tmp_path / "a\0b")),
        lambda: entidb.restore(str(tmp_path / "a\0b"), tmp_path / "c"),
        lambda: entidb.restore_memory(str(tmp_path / "a\0b")),
    ):
        with pytest.raises(entidb.EntidbError, match="zero byte") as caught:
            call()
        assert caught.value.name == "INVALID_ARGUMENT"


def test_a_backup_into_the_folder_of_the_database_is_refused(disk, tmp_path):
    # Its files would be strangers there, and the next backup would not have them.
    db = disk()
    db.collection("notes").put({"n": 1})
    (tmp_path / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    for target in (tmp_path / "data", tmp_path / "data" / "copy", tmp_path / "data" / "a" / "b", tmp_path / "link" / "copy"):
        with pytest.raises(entidb.EntidbError, match="lies in the folder of the database itself") as caught:
            db.backup(target)
        assert caught.value.name == "INVALID_ARGUMENT" and caught.value.path == str(target)
    assert not (tmp_path / "data" / "copy").exists()
    db.backup(tmp_path / "data2")
    assert db.verify(full=True)["ignored"] == []


def test_a_block_of_what_has_ended_is_refused_when_it_begins(db):
    tx = db.transaction()
    savepoint = tx.savepoint()
    tx.commit()
    read = db.begin_read()
    read.abort()
    for ended in (tx, read, savepoint):
        with pytest.raises(entidb.EntidbError) as caught, ended:
            pytest.fail("the block ran")
        assert caught.value.name == "TRANSACTION_ENDED"
    db.close()
    with pytest.raises(entidb.ClosedError, match="is closed; open it again"), db:
        pytest.fail("the block ran")


def test_a_value_without_a_form_is_told_with_its_field(notes):
    with pytest.raises(entidb.EncodingError) as caught:
        notes.put({"a": {"b": [1, object()]}})
    assert caught.value.field == "a.b[1]" and caught.value.path is None
    with pytest.raises(entidb.EncodingError) as caught:
        notes.put_many([{}, {"n": 2**70}])
    assert caught.value.field == "[1].n"
    with pytest.raises(entidb.EntidbError) as caught:
        notes.insert({}, ID)
        notes.insert({}, ID)
    assert caught.value.field is None


def test_a_collection_has_a_number_and_its_name_now(db, notes):
    assert notes.stats() == {"name": "notes", "entities": 0, "indexes": []}
    notes.create_index("n", unique=True)
    notes.put({"n": 1})
    before = notes.stats()
    assert before["entities"] == 1
    assert before["indexes"] == [{"index": "n", "kind": "ordered", "rows": 1, "exact": before["indexes"][0]["exact"]}]
    db.rename_collection("notes", "letters")
    # The handle means the collection, whatever it is called; `name` is the name it was taken by.
    assert (notes.name, notes.stats()) == ("notes", before | {"name": "letters"})
    assert db.collection("others").stats().get("id") is None
    with db.transaction() as tx:
        tx.collection("letters").put({"n": 2})
        assert tx.collection("letters").stats()["entities"] == 2


def test_an_id_is_made_before_its_entity(db, notes):
    first, second = db.new_id(), db.new_id()
    assert isinstance(first, entidb.EntityId) and first < second
    assert notes.put({"self": first}, first) == first
    db.close()
    with pytest.raises(entidb.ClosedError):
        db.new_id()
