"""Values of other libraries and forms: JSON, pydantic, numpy, dates, mappings."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import gc
import json
import types
import uuid
import weakref

import entidb
import pytest
from entidb import cbor

TEXT = "0190163d-8694-739b-aea5-966c26f8ad91"
ID = entidb.EntityId(TEXT)


def refused(value, says, name="UNREPRESENTABLE"):
    with pytest.raises(entidb.EncodingError, match=says) as caught:
        cbor.dumps(value)
    assert caught.value.name == name


def test_ids_and_other_values_travel_in_json():
    document = {
        "id": ID,
        "list": [uuid.UUID(TEXT)],
        "at": dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc),
        "day": dt.date(2024, 2, 29),
        "price": decimal.Decimal("12.50"),
        "v": entidb.Vector([0.5]),
    }
    assert json.loads(json.dumps(document, default=entidb.json_default)) == {
        "id": TEXT,
        "list": [TEXT],
        "at": "2024-02-29T12:00:00+00:00",
        "day": "2024-02-29",
        "price": "12.50",
        "v": [0.5],
    }
    for odd in (b"bytes", {1}, entidb.Tag(1, 2)):
        with pytest.raises(TypeError, match="has no one form in JSON"):
            json.dumps(odd, default=entidb.json_default)


def test_an_entity_shows_its_id_and_version(notes):
    id = notes.put({"n": 1})
    note = notes[id]
    assert repr(note) == f"Entity({id}, version {note.version}, {{'n': 1}})"
    assert json.loads(json.dumps(note.as_dict())) == {"id": str(id), "version": note.version, "n": 1}
    own = notes[notes.put({"id": "own", "n": 1})]
    assert own.as_dict()["id"] == "own" and own.id != "own"


def test_an_entity_that_exists_is_true(notes):
    note = notes[notes.put({})]
    assert note == {} and note
    assert notes.find().first()


def test_an_entity_put_back_is_the_same_and_a_copy_is_another(notes):
    id = notes.put({"n": 1})
    assert notes.put(notes.get(id)) == id
    assert notes.put_many([notes[id]]) == [id]
    with pytest.raises(entidb.AlreadyExistsError):
        notes.insert(notes[id])
    assert notes.count() == 1
    assert notes.put(notes[id] | {"n": 2}) != id
    assert notes.put({**notes[id]}) != id
    assert notes.count() == 3


def test_an_entity_inside_a_document_is_refused_with_its_path(notes):
    note = notes[notes.put({"n": 1})]
    refused({"of": [note]}, r"^at of\[0\]: an Entity stands inside a document")
    assert cbor.loads(cbor.dumps(note)) == {"n": 1}
    assert cbor.loads(cbor.dumps({"of": dict(note)})) == {"of": {"n": 1}}


def test_pydantic_reads_and_writes_ids_and_entities(notes):
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    # The class is made here: its annotations are text, which pydantic looks up in this module.
    Model = pydantic.create_model("Model", id=(entidb.EntityId, ...), of=(list[entidb.EntityId], []))
    for given in (TEXT, ID, uuid.UUID(TEXT)):
        assert Model(id=given).id == ID
    made = Model(id=TEXT, of=[ID])
    assert json.loads(made.model_dump_json()) == {"id": TEXT, "of": [TEXT]}
    assert made.model_dump()["id"] == ID and isinstance(made.model_dump()["id"], entidb.EntityId)
    assert Model.model_validate_json(made.model_dump_json()) == made
    assert Model.model_json_schema()["properties"]["id"] == {"format": "uuid", "title": "Id", "type": "string"}
    with pytest.raises(pydantic.ValidationError, match="is not an entity id"):
        Model(id="nonsense")
    id = notes.put({"n": 1, "of": ID})
    found = pydantic.TypeAdapter(list[entidb.Entity]).dump_json(notes.find().list())
    assert json.loads(found) == [{"id": str(id), "version": notes[id].version, "n": 1, "of": TEXT}]


def test_a_date_comes_back_as_a_date_and_is_in_order(notes):
    days = [dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31)]
    notes.put_many({"day": day} for day in days)
    for _ in range(2):
        found = notes.find(entidb.f.day >= dt.date(1969, 12, 31)).order_by("day")
        assert [note["day"] for note in found] == [dt.date(1969, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]
        assert all(type(note["day"]) is dt.date for note in notes)
        notes.create_index("day")
    # Under the tag of a date, what is no date stays what it is.
    for odd in ("2024-02-30", "24-1-1", "02024-01-01", "2024-1-01", "", "2024-01-01T00", 5):
        assert cbor.loads(cbor.dumps(entidb.Tag(1004, odd))) == entidb.Tag(1004, odd)


def test_moments_that_are_none_or_too_fine_are_refused_with_their_path():
    class Fine(dt.datetime):
        nanosecond = 0

    moment = Fine(2024, 1, 1, tzinfo=dt.timezone.utc)
    assert cbor.loads(cbor.dumps(moment)) == moment
    moment.nanosecond = 1
    refused({"at": [moment]}, r"^at at\[0\]: a moment has nanoseconds")
    refused({"at": dt.datetime(2024, 1, 1)}, "^at at: a datetime without a time zone")


def test_numpy_scalars_are_the_numbers_they_equal():
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    for made, plain in [
        (numpy.int8(-5), -5),
        (numpy.uint64(2**64 - 1), 2**64 - 1),
        (numpy.float16(0.1), float(numpy.float16(0.1))),
        (numpy.float32(0.1), float(numpy.float32(0.1))),
        (numpy.float64(0.1), 0.1),
        (numpy.bool_(True), True),
        (numpy.str_("x"), "x"),
    ]:
        back = cbor.loads(cbor.dumps({"n": made}))["n"]
        assert back == plain and type(back) is type(plain)
    refused({"n": numpy.complex64(1)}, "^at n: a complex64 has no form")
    refused({"n": numpy.datetime64("2024-01-01")}, "^at n: a datetime64 has no form")
    if numpy.dtype(numpy.longdouble).itemsize > 8:
        refused({"n": numpy.longdouble(1)}, "^at n: a longdouble has no form")
    refused({"n": numpy.array([1])}, "wrap it in entidb.Vector")


def test_decimals_of_any_size_come_back_as_decimals():
    for text in ("1E+999999999999999999", "-1.5E+999999999999999990", "1E-999999999999999999", "9E+500000000"):
        number = decimal.Decimal(text)
        back = cbor.loads(cbor.dumps(number))
        assert back == number and back.as_tuple() == number.as_tuple() and type(back) is decimal.Decimal
    with decimal.localcontext(decimal.Context(prec=2, Emax=10, traps=[])):
        assert cbor.loads(cbor.dumps(decimal.Decimal("123456E+500000000"))).as_tuple().digits == (1, 2, 3, 4, 5, 6)
    # Beyond what `decimal` can hold there is only the tag.
    assert cbor.loads(bytes.fromhex("c4821b0de0b6b3a763ffff0b")) == entidb.Tag(4, [10**18 - 1, 11])


@pytest.mark.parametrize(
    ("elements", "kind", "says"),
    [([1, 1e9], "f16", r"^at \[1\]: 1e9 is beyond"), ([1e39], "f32", "^at .0.: 1e39"), ([0, 300], "i8", r"^at \[1\]: 300")],
)
def test_a_number_beyond_a_vector_is_refused_with_its_place(elements, kind, says):
    # It became inf.
    with pytest.raises(entidb.EntidbError, match=says) as caught:
        entidb.Vector(elements, kind)
    assert caught.value.name == "NUMBER_OUT_OF_RANGE"
    with pytest.raises(entidb.EntidbError, match=says):
        entidb.Vector(entidb.Vector(elements, "f64"), kind)
    assert entidb.Vector([65504, float("inf")], "f16").tolist() == [65504, float("inf")]


def test_a_large_vector_is_shown_short():
    assert repr(entidb.Vector(range(1536))) == "Vector([0.0, 1.0, 2.0, 3.0, ... 1532 more], kind='f32')"
    assert len(repr(entidb.Vector(range(16)))) < 120


def test_any_mapping_is_a_document(notes):
    proxy = types.MappingProxyType({"a": 1})
    for given in (proxy, collections.UserDict(a=1), collections.ChainMap({"a": 1})):
        id = notes.put(given)
        assert notes[id] == {"a": 1}
        notes.replace(id, given)
        notes.update(id, types.MappingProxyType({"b": {"c": given}}))
        assert notes[id] == {"a": 1, "b": {"c": {"a": 1}}}
    refused({"x": types.MappingProxyType({"y": object()})}, r"^at x\.y: ")


def test_a_circle_through_a_tag_is_collected():
    class Watched:
        pass

    watched = Watched()
    circle = [watched]
    circle.append(entidb.Tag(1, circle))
    gone = weakref.ref(watched)
    del watched, circle
    gc.collect()
    assert gone() is None


def test_a_key_of_changes_is_a_path_as_everywhere(notes):
    id = notes.put({"a": {"b": 1, "c": 1}, "a.b": 1, 1: {"x": 1}, "l": [1, 2]})
    other = notes.put(dict(notes[id]))
    notes.update(id, {"a.b": 2, r"a\.b": 3, "l.1": 4, "new.deep": 5, 1: 6})
    notes.update(other, entidb.Patch().set("a.b", 2).set(entidb.f["a.b"], 3).set("l.1", 4).set("new.deep", 5))
    notes.update(other, {1: 6})
    assert notes[id] == notes[other] == {"a": {"b": 2, "c": 1}, "a.b": 3, 1: 6, "l": [1, 4], "new": {"deep": 5}}
    with pytest.raises(entidb.UsageError, match="path"):
        notes.update(id, {"a..b": 1})
