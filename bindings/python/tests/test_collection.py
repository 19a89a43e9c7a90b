"""Entities: stored, read, changed and removed, and a collection as a mapping."""

from __future__ import annotations

import re
import uuid

import entidb
import pytest


def test_a_put_document_is_read_back_with_its_id_and_version(notes):
    id = notes.put({"title": "Hello", "n": 1})
    note = notes.get(id)
    assert isinstance(id, entidb.EntityId)
    assert isinstance(note, dict) and note == {"title": "Hello", "n": 1}
    assert note.id == id and note.version > 0
    assert notes.get(entidb.EntityId(bytes(16))) is None


def test_ids_are_given_as_text_bytes_uuid_or_entity_id(notes):
    text = "0190163d-8694-739b-aea5-966c26f8ad91"
    id = entidb.EntityId(text)
    for given in (text, text.replace("-", ""), uuid.UUID(text), uuid.UUID(text).bytes, id):
        assert notes.put({"n": 1}, given) == id
        assert notes.get(given).id == id
    assert notes.count() == 1
    assert str(id) == text and bytes(id) == id.bytes and id.uuid == uuid.UUID(text)


@pytest.mark.parametrize("wrong", ["", "0190163d", "z" * 32, b"short", 7, 1.5, ["x"]])
def test_what_is_no_id_is_refused(notes, wrong):
    with pytest.raises(entidb.UsageError, match="is not an entity id") as caught:
        notes.get(wrong)
    assert caught.value.name == "INVALID_ARGUMENT"


def test_generated_ids_sort_by_time_and_tell_it(notes):
    before = entidb.now()
    ids = [notes.put({"n": n}) for n in range(50)]
    assert ids == sorted(ids)
    assert abs((ids[0].created_at - before).total_seconds()) < 60
    assert entidb.EntityId(bytes(16)).created_at is None


def test_a_missing_entity_gives_the_default(notes):
    assert notes.get("0" * 32, "nothing") == "nothing"
    assert notes.get_bytes("0" * 32) is None


def test_a_collection_is_a_mapping(notes):
    id = entidb.EntityId(bytes(15) + b"\x01")
    notes[id] = {"a": 1}
    assert notes[id] == {"a": 1}
    assert id in notes and len(notes) == 1 and bool(notes)
    del notes[id]
    assert id not in notes and len(notes) == 0 and bool(notes)


def test_a_missing_key_is_a_key_error_and_ours(notes):
    missing = entidb.EntityId(bytes(16))
    for act in (lambda: notes[missing], lambda: notes.__delitem__(missing), lambda: notes.pop(missing)):
        with pytest.raises(KeyError) as caught:
            act()
        assert isinstance(caught.value, entidb.EntityNotFoundError)
        assert caught.value.collection == "notes" and caught.value.id == missing
        assert str(missing) in str(caught.value)


def test_pop_gives_the_entity_and_removes_it(notes):
    id = notes.put({"a": 1})
    popped = notes.pop(id)
    assert popped == {"a": 1} and popped.id == id
    assert notes.pop(id, None) is None
    with pytest.raises(TypeError):
        notes.pop(id, 1, 2)


def test_pop_sees_the_view_of_its_transaction(db, notes):
    with db.transaction() as tx:
        inside = tx.collection("notes")
        id = inside.put({"a": 1})
        assert inside.pop(id) == {"a": 1}
        assert inside.count() == 0


def test_insert_refuses_what_is_there(notes):
    id = notes.insert({"a": 1})
    with pytest.raises(entidb.AlreadyExistsError) as caught:
        notes.insert({"a": 2}, id)
    assert caught.value.id == id and notes[id] == {"a": 1}


def test_replace_needs_what_is_there(notes):
    with pytest.raises(entidb.EntityNotFoundError):
        notes.replace("0" * 32, {"a": 1})
    id = notes.put({"a": 1})
    notes.replace(id, {"b": 2})
    assert notes[id] == {"b": 2}


def test_compare_and_set_refuses_a_stale_version(notes):
    id = notes.put({"n": 1})
    first = notes[id]
    notes.replace(id, {"n": 2}, version=first.version)
    with pytest.raises(entidb.VersionMismatchError):
        notes.replace(id, {"n": 3}, version=first.version)
    with pytest.raises(entidb.VersionMismatchError):
        notes.delete(id, version=first.version)
    assert notes[id] == {"n": 2}
    with pytest.raises(entidb.VersionMismatchError):
        notes.delete(id, version=0)
    assert notes.delete(id, version=notes[id].version)


def test_an_entity_goes_back_under_its_own_id(notes):
    id = notes.put({"n": 1})
    note = notes[id]
    note["n"] = 2
    assert notes.put(note) == id
    assert notes.count() == 1 and notes[id] == {"n": 2}
    assert notes.put(dict(note)) != id


def test_update_sets_the_fields_of_a_dict(notes):
    id = notes.put({"a": 1, "b": {"c": 2}, 7: "seven"})
    notes.update(id, {"a": 9, "d": [1], 7: "sept"})
    assert notes[id] == {"a": 9, "b": {"c": 2}, "d": [1], 7: "sept"}


def test_a_patch_changes_what_its_paths_name(notes):
    id = notes.put({"a": {"b": 1}, "n": 5, "tags": ["x"], "dot.ted": 1})
    patch = (
        entidb.Patch()
        .set("a.b", 2)
        .set(entidb.f["dot.ted"], 3)
        .increment("n", 2)
        .increment("fresh")
        .append("tags", "y")
        .remove("a.gone")
    )
    notes.update(id, patch)
    assert notes[id] == {"a": {"b": 2}, "n": 7, "fresh": 1, "tags": ["x", "y"], "dot.ted": 3}
    notes.update(id, entidb.Patch().remove("tags").set("a.list", [1]).append("a.list", 2))
    assert notes[id] == {"a": {"b": 2, "list": [1, 2]}, "n": 7, "fresh": 1, "dot.ted": 3}


def test_a_patch_that_does_not_fit_is_refused_whole(notes):
    id = notes.put({"text": "x"})
    with pytest.raises(entidb.WrongTypeError, match="cannot append to text"):
        notes.update(id, entidb.Patch().set("new", 1).append("text", 1))
    with pytest.raises(entidb.PatchMismatchError):
        notes.update(id, entidb.Patch().set("list", [1]).set("list.9", 1))
    assert notes[id] == {"text": "x"}
    with pytest.raises(entidb.EntityNotFoundError):
        notes.update("0" * 32, {"a": 1})
    with pytest.raises(entidb.UsageError, match="a dict or a Patch"):
        notes.update(id, [("a", 1)])


def test_delete_says_whether_it_was_there(notes):
    id = notes.put({"a": 1})
    assert notes.delete(id) is True
    assert notes.delete(id) is False
    assert notes.exists(id) is False


def test_put_many_stores_all_with_or_without_ids(notes):
    ids = notes.put_many({"n": n} for n in range(100))
    assert len(ids) == 100 and notes.count() == 100
    given = [entidb.EntityId(n.to_bytes(16, "big")) for n in range(3)]
    assert notes.put_many([{"n": -1}] * 3, given) == given
    mixed = notes.put_many([{"a": 1}, {"a": 2}], [None, given[0]])
    assert mixed[1] == given[0] and notes[given[0]] == {"a": 2}
    assert notes.put_many([]) == []


def test_put_many_stores_nothing_when_one_document_is_refused(notes):
    with pytest.raises(entidb.UnrepresentableError, match=r"\[2\]\.bad"):
        notes.put_many([{"n": 1}, {"n": 2}, {"bad": {1}}])
    assert notes.count() == 0


def test_put_many_refuses_another_number_of_ids(notes):
    with pytest.raises(entidb.UsageError, match="fewer ids"):
        notes.put_many([{}, {}], [None])
    with pytest.raises(entidb.UsageError, match="more ids"):
        notes.put_many([{}], [None, None])
    assert notes.count() == 0


def test_get_many_keeps_the_order_and_the_gaps(notes):
    ids = notes.put_many([{"n": n} for n in range(5)])
    asked = [ids[3], entidb.EntityId(bytes(16)), ids[0]]
    found = notes.get_many(asked)
    assert [entity and entity["n"] for entity in found] == [3, None, 0]
    assert notes.get_many([]) == []


def test_delete_many_counts_what_was_there(notes):
    ids = notes.put_many([{"n": n} for n in range(5)])
    assert notes.delete_many([*ids[:3], "0" * 32]) == 3
    assert notes.count() == 2


def test_iteration_walks_in_the_order_of_ids_both_ways(notes):
    ids = notes.put_many([{"n": n} for n in range(1000)])
    assert [note.id for note in notes] == ids
    assert [note["n"] for note in reversed(notes)] == list(range(999, -1, -1))
    assert [note["n"] for note in notes.scan(after=ids[4], limit=3)] == [5, 6, 7]
    assert [note["n"] for note in notes.scan(after=ids[4], reverse=True)] == [3, 2, 1, 0]
    assert list(notes.scan(limit=0)) == []


def test_a_walk_sees_the_collection_as_it_was(notes):
    ids = notes.put_many([{"n": n} for n in range(600)])
    walk = iter(notes)
    next(walk)
    notes.delete_many(ids[1:])
    notes.put({"n": "late"})
    assert len(list(walk)) == 599


def test_a_closed_walk_is_at_its_end(notes):
    notes.put_many([{"n": n} for n in range(600)])
    with notes.scan() as walk:
        assert len(walk.take(300)) == 300
    assert list(walk) == [] and walk.take(1) == []


def test_documents_cross_as_bytes_too(notes):
    data = entidb.cbor.dumps({"a": [1, 2.5, None]})
    id = notes.put_bytes(data)
    assert notes.get_bytes(id) == data and notes[id] == {"a": [1, 2.5, None]}
    assert notes.put_bytes(memoryview(data), id) == id
    with pytest.raises(entidb.EncodingError):
        notes.put_bytes(b"\xff")


def test_collections_come_into_being_with_the_first_write(db):
    notes = db.collection("notes")
    assert db.collections() == [] and notes.count() == 0 and list(notes) == []
    notes.put({})
    assert db.collections() == ["notes"]


def test_collections_are_created_renamed_and_dropped(db):
    made = db.create_collection("a")
    assert isinstance(made, entidb.Collection) and made.name == "a"
    with pytest.raises(entidb.EntidbError) as caught:
        db.create_collection("a")
    assert caught.value.name == "COLLECTION_EXISTS" and caught.value.collection == "a"
    made.put({"n": 1})
    db.rename_collection("a", "b")
    assert db.collections() == ["b"] and db.collection("b").count() == 1
    db.drop_collection("b")
    assert db.collections() == []
    with pytest.raises(entidb.EntidbError) as caught:
        db.drop_collection("b")
    assert caught.value.name == "COLLECTION_NOT_FOUND"


def test_handles_say_what_they_are(db, notes):
    assert repr(db) == "<entidb.Database memory open>"
    assert repr(notes) == '<entidb.Collection "notes" of <entidb.Database memory open>>'
    id = notes.put({"a": 1})
    assert repr(notes[id]) == f"Entity({id}, version {notes[id].version}, {{'a': 1}})"
    assert repr(id) == f"EntityId('{id}')"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([1], "a list was given; put it under a field"),
        ("text", "a str was given; put it under a field"),
        (None, "a NoneType was given"),
    ],
)
def test_a_document_that_is_no_dict_is_refused_when_it_is_put(notes, document, said):
    id = notes.put({"n": 1})
    for act in (
        lambda: notes.put(document),
        lambda: notes.insert(document),
        lambda: notes.replace(id, document),
        lambda: notes.__setitem__(id, document),
        lambda: notes.put_many([{}, document]),
    ):
        with pytest.raises(entidb.EntidbError, match=re.escape(said)) as caught:
            act()
        assert caught.value.name == "WRONG_TYPE"
    # A dict where several documents were meant is walked over by its keys.
    with pytest.raises(entidb.EntidbError, match=r"at \[0\]: a document is a dict, and a str was given"):
        notes.put_many({"a": 1})
    assert notes.count() == 1 and notes[id] == {"n": 1}


@pytest.mark.parametrize("path", ["lines[0]", "lines[0].price", 'lines["price"]', "a.b[12]"])
def test_a_position_in_brackets_is_refused_and_the_way_to_write_it_told(db, path):
    orders = db.collection("orders")
    id = orders.put({"lines": [{"price": 1}]})
    for attempt in (
        lambda: orders.update(id, {path: 2}),
        lambda: entidb.Patch().increment(path),
        lambda: orders.find().order_by("-" + path),
        lambda: orders.create_index(path),
    ):
        with pytest.raises(entidb.UsageError, match=r"as in a\.0"):
            attempt()
    assert orders[id] == {"lines": [{"price": 1}]}
    orders.update(id, {"lines.0.price": 2, "lines\\[0]": 3})
    assert orders[id] == {"lines": [{"price": 2}], "lines[0]": 3}


def test_a_document_over_the_limit_is_told_the_limit(db):
    with pytest.raises(entidb.DocumentTooLargeError, match="at most 67108864 bytes; split the document$"):
        db.collection("notes").put({"body": bytes(64 << 20)})
