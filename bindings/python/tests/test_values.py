"""Values: every type that is stored comes back as the same, and nothing else is taken."""

from __future__ import annotations

import array
import collections
import copy
import datetime as dt
import decimal
import enum
import math
import pickle
import uuid
import zoneinfo

import entidb
import pytest
from entidb import cbor

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        23,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        -(2**64),
        0.0,
        -0.0,
        1.5,
        1e308,
        5e-324,
        math.inf,
        -math.inf,
        "",
        "täglich ✓ 𝄞",
        "nul\0inside",
        b"",
        b"\x00\xff",
        [],
        [1, [2, [3, []]]],
        {},
        {"a": {"b": [{"c": None}]}, 1: 2, -5: "x", 2**64 - 1: 0},
        uuid.UUID(int=7),
        entidb.EntityId(bytes(range(16))),
        decimal.Decimal("12.50"),
        decimal.Decimal("-1E+30"),
        decimal.Decimal("0.000"),
        dt.datetime(1970, 1, 1, tzinfo=UTC),
        dt.datetime(1, 1, 1, tzinfo=UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        dt.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
        dt.date(2024, 2, 29),
        decimal.Decimal("1E+999999999999999999"),
        entidb.Timestamp(2**63 - 1),
        entidb.Timestamp(-(2**63)),
        entidb.Vector([1.5, -2.0]),
        entidb.Tag(1234, ["x", {"y": 1}]),
    ],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(notes, value):
    id = notes.put({"value": value, "list": [value]})
    back = notes[id]
    for found in (back["value"], back["list"][0]):
        assert type(found) is type(value)
        assert found == value
        assert math.copysign(1, found) == math.copysign(1, value) if isinstance(value, float) else True
    if not isinstance(value, dict):
        assert str(back["value"]) == str(value)


def test_nan_comes_back_as_nan():
    assert math.isnan(cbor.loads(cbor.dumps(math.nan)))


def test_tuples_and_their_kin_come_back_as_lists():
    point = collections.namedtuple("point", "x y")
    assert cbor.loads(cbor.dumps((1, (2,), point(3, 4)))) == [1, [2], [3, 4]]


def test_subclasses_are_stored_as_what_they_are():
    class Colour(enum.IntEnum):
        RED = 3

    class Name(str):
        pass

    ordered = collections.OrderedDict(b=1, a=2)
    counted = collections.defaultdict(list, {"x": [1]})
    assert cbor.loads(cbor.dumps([Colour.RED, Name("n"), ordered, counted])) == [3, "n", {"a": 2, "b": 1}, {"x": [1]}]


def test_bytes_like_objects_are_bytes():
    assert cbor.loads(cbor.dumps([bytearray(b"ab"), memoryview(b"xcdx")[1:3]])) == [b"ab", b"cd"]
    assert cbor.loads(bytearray(cbor.dumps(1))) == 1


def test_equal_documents_have_equal_bytes():
    assert cbor.dumps({"b": 1, "a": 2, 3: 4}) == cbor.dumps({3: 4, "a": 2, "b": 1})


def test_moments_of_any_zone_come_back_in_utc():
    moment = dt.datetime(2024, 7, 1, 14, 0, 0, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    back = cbor.loads(cbor.dumps(moment))
    assert back == moment and back.tzinfo is UTC and back.microsecond == 1
    offset = dt.datetime(1969, 12, 31, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-1, seconds=1)))
    assert cbor.loads(cbor.dumps(offset)) == offset


def test_moments_are_exact_on_many_days(rng):
    first, last = dt.datetime.min.replace(tzinfo=UTC), dt.datetime.max.replace(tzinfo=UTC)
    span = (last - first) // dt.timedelta(microseconds=1)
    for _ in range(2000):
        moment = first + dt.timedelta(microseconds=rng.randrange(span))
        assert cbor.loads(cbor.dumps(moment)) == moment


def test_now_is_an_aware_moment():
    assert entidb.now().tzinfo is UTC
    assert cbor.loads(cbor.dumps(entidb.now())) <= entidb.now()


@pytest.mark.parametrize(
    ("value", "name", "says"),
    [
        ({"a": {1, 2}}, "UNREPRESENTABLE", r"at a: a set has no form in a document; convert it to a list"),
        ({"a": [0, {"b": object()}]}, "UNREPRESENTABLE", r"at a\[1\]\.b: a object has no form"),
        ({"at": dt.datetime(2024, 1, 1)}, "UNREPRESENTABLE", r"at at: a datetime without a time zone"),
        ({"d": dt.time(12)}, "UNREPRESENTABLE", r"a time has no form"),
        ({"c": 1j}, "UNREPRESENTABLE", r"store its parts"),
        ({"n": decimal.Decimal("NaN")}, "UNREPRESENTABLE", r"at n: a decimal has no form in a document unless it is finite"),
        ({"n": decimal.Decimal("-0")}, "UNREPRESENTABLE", r"no negative zero"),
        ({"n": 2**64}, "NUMBER_OUT_OF_RANGE", r"at n: an integer is outside -2\^64 to 2\^64-1"),
        ({"n": -(2**64) - 1}, "NUMBER_OUT_OF_RANGE", r"outside"),
        ({"n": 10**40}, "NUMBER_OUT_OF_RANGE", r"outside"),
        ({"a": {1.5: 1}}, "INVALID_KEY", r"at a\.1\.5: a key is a float; use text or integer keys"),
        ({True: 1}, "INVALID_KEY", r"a key is a bool"),
        ({None: 1}, "INVALID_KEY", r"a key is a NoneType"),
        ({b"k": 1}, "INVALID_KEY", r"a key is a bytes"),
        ({2**64: 1}, "NUMBER_OUT_OF_RANGE", r"outside"),
        ({"s": "\ud800"}, "INVALID_UTF8", r"at s: a text holds a lone surrogate"),
        ({"\ud800": 1}, "INVALID_UTF8", r"lone surrogate"),
        ({"a": array.array("f", [1])}, "UNREPRESENTABLE", r"wrap it in entidb.Vector"),
        ({"q": entidb.f.x == 1}, "UNREPRESENTABLE", r"a condition belongs into find"),
    ],
)
def test_what_has_no_form_is_refused_with_its_path(notes, value, name, says):
    with pytest.raises(entidb.EncodingError, match=says) as caught:
        notes.put(value)
    assert caught.value.name == name
    assert notes.count() == 0


def test_a_list_that_holds_itself_is_refused(notes):
    loop = []
    loop.append(loop)
    with pytest.raises(entidb.TooDeepError, match="more than 64 deep"):
        notes.put({"loop": loop})
    deep = []
    for _ in range(62):
        deep = [deep]
    assert cbor.loads(cbor.dumps(deep)) == deep
    with pytest.raises(entidb.TooDeepError):
        cbor.dumps([[deep]])


def test_an_exception_inside_a_value_comes_through():
    class Zone(dt.tzinfo):
        def utcoffset(self, _):
            raise RuntimeError("no idea")

    with pytest.raises(RuntimeError, match="no idea"):
        cbor.dumps([dt.datetime(2024, 1, 1, tzinfo=Zone())])


def test_a_vector_of_floats_is_what_is_stored_of_it(notes):
    # Its elements are 32-bit floats: the rounding shows in the vector, not only in what comes back.
    given = [0.1, 1 / 3, -2.5]
    vector = entidb.Vector(given)
    assert vector.kind == "f32" and list(vector) == [*array.array("f", given)] != given
    id = notes.put({"v": vector, "exact": entidb.Vector(given, "f64")})
    assert notes[id]["v"] == vector and list(notes[id]["v"]) == list(vector)
    assert list(notes[id]["exact"]) == given
    assert notes.find(entidb.f.v == vector).count() == 1
    assert "what is stored" in entidb.Vector.__doc__


def test_vectors_come_from_buffers_and_iterables():
    assert entidb.Vector(array.array("d", [1, 2])).kind == "f64"
    assert entidb.Vector(array.array("f", [1, 2])).kind == "f32"
    assert entidb.Vector(array.array("b", [1, -2])).tolist() == [1, -2]
    assert entidb.Vector([1, 2.5]).kind == "f32"
    assert entidb.Vector(range(3), "i8").tobytes() == b"\x00\x01\x02"
    assert list(entidb.Vector([1.1], "f64")) == [1.1]
    assert entidb.Vector(array.array("d", [0.5]), "f16").tobytes() == b"\x00\x38"
    vector = entidb.Vector([1, 2, 3])
    assert len(vector) == 3 and vector[0] == 1.0 and vector[1:] == [2.0, 3.0] and entidb.Vector(vector) == vector
    assert repr(vector) == "Vector([1.0, 2.0, 3.0], kind='f32')"
    assert memoryview(vector.tobytes()).cast("f").tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("elements", "kind"),
    [([300], "i8"), ([1.5], "i8"), ([1], "f8"), (b"abc", "f32"), (b"abcd", None), (array.array("l", [1]), None)],
)
def test_what_is_no_vector_is_refused(elements, kind):
    with pytest.raises(entidb.EntidbError):
        entidb.Vector(elements, kind)
    with pytest.raises(TypeError):
        entidb.Vector(["x"])


@pytest.mark.parametrize(
    "value",
    [
        entidb.EntityId(bytes(range(16))),
        entidb.Timestamp(-5),
        entidb.Vector([1, 2], "f16"),
        entidb.Tag(99, "x"),
    ],
    ids=repr,
)
def test_values_are_copied_pickled_compared_and_hashed(value):
    for same in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert same == value and hash(same) == hash(value)
    assert value != "other" and {value: 1}[value] == 1


def test_an_entity_is_pickled_with_its_id_and_version(notes):
    note = notes[notes.put({"a": [1]})]
    same = pickle.loads(pickle.dumps(note))
    assert same == note and same.id == note.id and same.version == note.version
    assert type(note.copy()) is dict


def test_documents_of_random_shape_come_back(notes, rng):
    def value(depth):
        kinds = 9 if depth else 7
        match rng.randrange(kinds):
            case 0:
                return rng.choice([None, True, False])
            case 1:
                return rng.randrange(-(2**64), 2**64) >> rng.randrange(64)
            case 2:
                return rng.uniform(-1e9, 1e9)
            case 3:
                return "".join(rng.choices("ab ßé✓𝄞\n", k=rng.randrange(12)))
            case 4:
                return rng.randbytes(rng.randrange(9))
            case 5:
                return dt.datetime.fromtimestamp(rng.randrange(2**31), UTC)
            case 6:
                return decimal.Decimal(rng.randrange(-(10**9), 10**9)).scaleb(rng.randrange(-9, 9))
            case 7:
                return [value(depth - 1) for _ in range(rng.randrange(5))]
            case _:
                return {rng.choice(["k", "key", "ü"]) + str(n): value(depth - 1) for n in range(rng.randrange(5))}

    documents = [{"v": value(4), "n": n} for n in range(300)]
    assert notes.get_many(notes.put_many(documents)) == documents


@pytest.mark.parametrize("text", ["a", "a.b", "a.0.b", "weird\\.name", "a.\\0", ""])
def test_paths_are_read_and_written(text):
    assert entidb._entidb.write_path(entidb._entidb.parse_path(text)) == text


@pytest.mark.parametrize("text", ["a..b", ".", "a.", "a.01", "a\\"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(entidb.EntidbError) as caught:
        entidb._entidb.parse_path(text)
    assert caught.value.name == "INVALID_ARGUMENT"


def test_documents_of_few_kinds_in_any_mixture_stay_what_they_are(rng):
    # What is remembered of a kind of document is found by its first field and the number of its fields: few names make
    # many documents meet there that differ later.
    names = ["a", "b", "c", "dd", "e" * 30, "é", "", 1, -2, 300]

    def document(depth):
        keys = rng.sample(names, rng.randrange(len(names)))
        return {key: document(depth - 1) if depth and rng.random() < 0.3 else rng.randrange(1000) for key in keys}

    for _ in range(5000):
        made = document(2)
        data = cbor.dumps(made)
        assert cbor.loads(data) == made
        # Another order, and other objects as keys, give the same bytes.
        other = {(key + " ")[:-1] if isinstance(key, str) else key: made[key] for key in rng.sample([*made], len(made))}
        assert cbor.dumps(other) == data
        assert [*cbor.loads(data)] == [*cbor.loads(cbor.dumps(other))]


def test_a_document_of_a_known_kind_is_judged_as_any_other():
    known = {"name": "x", "tags": ["y"], "n": 1}
    for _ in range(100):
        assert cbor.loads(cbor.dumps(known)) == known
    with pytest.raises(entidb.EntidbError, match=r"^at tags\[0\]: a set has no form"):
        cbor.dumps(known | {"tags": [set()]})
    with pytest.raises(entidb.EntidbError, match="surrogate"):
        cbor.dumps({"name": "x", "\udc00": 1, "n": 1})
    whole = cbor.dumps(known)
    for length in range(len(whole)):
        with pytest.raises(entidb.EntidbError):
            cbor.loads(whole[:length])


@pytest.mark.parametrize("times", [0, 100])
def test_what_a_dict_holds_may_change_it_while_it_is_written(times):
    class Zone(dt.tzinfo):
        def utcoffset(self, moment):
            made["later"] = 1
            cbor.dumps({f"at{times}": 1, "n": 2})
            return dt.timedelta(0)

    for _ in range(times):
        cbor.dumps({f"at{times}": 1, "n": 2})
    made = {f"at{times}": dt.datetime(2020, 1, 1, tzinfo=Zone()), "n": 2}
    assert cbor.loads(cbor.dumps(made)) == {f"at{times}": dt.datetime(2020, 1, 1, tzinfo=UTC), "n": 2}
    assert made["later"] == 1


def test_the_missing_moment_of_pandas_is_named():
    class NaTType(dt.datetime):
        """As pandas has it: a datetime, and no moment."""

    with pytest.raises(entidb.UnrepresentableError, match="at at: NaT is no moment; store None"):
        entidb.cbor.dumps({"at": NaTType(2024, 1, 1)})
