"""Queries: conditions, order, pages, indexes, and what they refuse."""

from __future__ import annotations

import entidb
import pytest
from entidb import f


@pytest.fixture
def people(db):
    people = db.collection("people")
    people.put_many(
        {
            "name": f"p{n:02}",
            "age": n,
            "tags": [f"t{n % 3}", "all"],
            "at": {"x": n % 5},
            "maybe": None if n % 2 else n,
            "we.ird": n,
        }
        for n in range(40)
    )
    people.put({"name": "empty"})
    return people


def ages(query):
    return [entity["age"] for entity in query.order_by("age")]


@pytest.mark.parametrize("indexed", [False, True], ids=["scanned", "indexed"])
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f.age == 7, [7]),
        (f.age < 3, [0, 1, 2]),
        (f.age <= 3, [0, 1, 2, 3]),
        (f.age > 37, [38, 39]),
        (f.age >= 38, [38, 39]),
        ((f.age != 0) & (f.age < 3), [1, 2]),
        (f.age.between(5, 7), [5, 6, 7]),
        (f.age.is_in({4, 39, 99}), [4, 39]),
        (f.tags.contains("t1") & (f.age < 8), [1, 4, 7]),
        (f.tags[0].contains("t1") | (f.age == 2), [2]),
        (f.name.starts_with("p3"), list(range(30, 40))),
        (f.at.x == 4, [4, 9, 14, 19, 24, 29, 34, 39]),
        (f["we.ird"] == 11, [11]),
        (f.maybe.is_null() & (f.age < 5), [1, 3]),
        (~f.age.exists() | (f.age == 1), [1]),
        (~(f.age >= 2) & f.age.exists(), [0, 1]),
        ((f.age == 1) | (f.age == 2) & (f.name == "no"), [1]),
        (f.tags[1] == "all", list(range(40))),
    ],
    ids=repr,
)
def test_conditions_find_what_they_say(people, indexed, condition, expected):
    if indexed:
        people.create_index("age")
        people.create_index("tags", multi=True)
        people.create_index("at.x", "-age")
        people.create_index("name", name="by_name")
    found = [entity["age"] for entity in people.find(condition).order_by("age") if "age" in entity]
    assert found == expected


def test_several_conditions_are_joined(people):
    assert ages(people.find(f.age > 5, f.age < 8)) == [6, 7]
    assert ages(people.find(f.age > 5).where(f.age < 8, f.age != 6)) == [7]
    assert people.find().count() == 41


def test_order_goes_both_ways_and_over_several_fields(people):
    found = people.find(f.age < 10).order_by("at.x", "-age")
    assert [e["age"] for e in found] == [5, 0, 6, 1, 7, 2, 8, 3, 9, 4]
    assert [e["age"] for e in people.find(f.age.exists()).order_by("-age").limit(3)] == [39, 38, 37]
    assert [e["age"] for e in people.find(f.age < 4).order_by(f.age)] == [0, 1, 2, 3]
    assert [e["we.ird"] for e in people.find(f.age < 2).order_by("-we\\.ird")] == [1, 0]


def test_limit_and_offset_cut(people):
    query = people.find(f.age.exists()).order_by("age")
    assert [e["age"] for e in query.offset(5).limit(2)] == [5, 6]
    assert query.limit(0).list() == [] and query.limit(0).first() is None
    assert query.limit(None).count() == 40


def test_a_query_is_immutable_and_can_be_used_again(people):
    query = people.find(f.age < 3)
    query.limit(1)
    assert query.count() == 3 and len(query.list()) == 3 and len(list(query)) == 3
    people.put({"age": -1})
    assert query.count() == 4


def test_first_exists_ids_and_count(people):
    query = people.find(f.age >= 38).order_by("age")
    assert query.first()["age"] == 38 and query.exists()
    assert query.ids() == [e.id for e in query]
    assert people.find(f.age > 99).first() is None and not people.find(f.age > 99).exists()


def pages(query, size):
    page = query.page(size)
    sizes, answers = [len(page)], [*page]
    while page.token is not None:
        page = query.after(page.token).page(size)
        sizes.append(len(page))
        answers += page
    return sizes, answers


def test_pages_go_on_where_they_ended(people):
    sizes, answers = pages(people.find(f.age.exists()).order_by("-age"), 8)
    assert [e["age"] for e in answers] == list(range(39, -1, -1))
    assert sizes == [8] * 5, "the last page is full, and has no token all the same"


def test_limit_and_offset_are_of_the_whole_answer(people):
    query = people.find(f.age.exists()).order_by("age")
    sizes, answers = pages(query.limit(25), 10)
    assert sizes == [10, 10, 5] and [e["age"] for e in answers] == list(range(25))
    sizes, answers = pages(query.offset(5), 10)
    assert [e["age"] for e in answers] == list(range(5, 40))
    token = query.page(10).token
    with pytest.raises(entidb.InvalidPageTokenError, match="page"):
        query.limit(10).after(token).list()
    with pytest.raises(entidb.EntidbError):
        query.page(0)
    assert query.limit(0).first() is None and not query.limit(0).exists()


def test_the_token_of_a_cursor_is_that_of_the_entity_given_last(people):
    query = people.find(f.age.exists()).order_by("age")
    cursor = iter(query)
    assert cursor.token() is None
    for _ in range(20):
        last = next(cursor)
    assert [e["age"] for e in query.after(cursor.token()).page(2)] == [last["age"] + 1, last["age"] + 2]
    assert len(list(cursor)) == 20 and cursor.token() is None, "nothing follows the last"


def test_a_token_of_another_query_or_collection_is_refused(db, people):
    token = people.find(f.age > 1).order_by("age").page(1).token
    with pytest.raises(entidb.InvalidPageTokenError):
        people.find(f.age > 1).order_by("-age").after(token).list()
    with pytest.raises(entidb.InvalidPageTokenError):
        people.find(f.age > 1).order_by("age").after(b"nonsense").list()
    others = db.collection("others")
    others.put({"age": 5})
    with pytest.raises(entidb.InvalidPageTokenError):
        others.find(f.age > 1).order_by("age").after(token).list()


def test_conditions_joined_in_a_loop_are_one_group(people):
    for join in (lambda a, b: a | b, lambda a, b: b | a):
        either = f.age == 0
        for n in range(1, 10_000):
            either = join(either, f.age == n * 5 if n % 2 else f.name == f"q{n}")
        assert people.find(either).count() == 5
    both = f.age.exists()
    for n in range(10_000):
        both = both & (f.age != n * 7)
    assert people.find(both).count() == 34
    turned = f.age == 3
    for _ in range(1001):
        turned = ~turned
    assert people.find(turned).count() == 40


def test_thousands_of_values_narrow_by_index(people):
    people.create_index("age")
    query = people.find(f.age.is_in([*range(0, 200_000, 2)]))
    assert not query.explain()["scan"] and query.count() == 20


def test_delete_removes_the_answers(people):
    assert people.find(f.age < 10).delete() == 10
    assert people.find(f.age < 10).count() == 0 and people.count() == 31


def test_explain_tells_what_will_happen(people):
    assert people.find(f.age == 1).explain()["scan"] is True
    people.create_index("age")
    plan = people.find(f.age == 1).explain()
    assert plan["index"] == "age" and plan["scan"] is False and "age" in str(plan)


def test_scans_are_counted_and_can_be_forbidden():
    with entidb.open_memory(scan_policy="forbid") as db:
        notes = db.collection("notes")
        notes.put({"a": 1})
        with pytest.raises(entidb.ScanForbiddenError, match="index"):
            notes.find(f.a == 1).list()
        notes.create_index("a")
        assert notes.find(f.a == 1).count() == 1
        assert db.stats()["index_finds"] >= 1


def test_keys_of_a_manual_index_are_what_the_program_gives(people):
    assert people.create_index(name="by_phone", kind="manual", unique=True) is True
    assert people.indexes()[0] == entidb.Index("by_phone", [], True, False, "manual")
    index = people.manual_index("by_phone")
    ids = [entity.id for entity in people.scan(limit=3)]
    assert index.insert("b", ids[0]) is True and index.insert("b", ids[0]) is False
    assert index.insert(["a", 1], str(ids[1])) is True and index.insert(2.0, ids[2].uuid) is True
    assert index.lookup("b") == [ids[0]] and index.lookup("c") == []
    assert list(index) == [(2, ids[2]), ("b", ids[0]), (["a", 1], ids[1])]
    assert list(index.range(1, "z")) == [(2, ids[2]), ("b", ids[0])]
    assert list(index.range(2, open_start=True)) == [] and len(list(index.range(stop=2))) == 1
    assert [key for key, _ in index.range(reverse=True, limit=2)] == [["a", 1], "b"]
    assert "b" in index and "c" not in index and len(index) == 3 and index
    with pytest.raises(entidb.UniqueViolationError) as refused:
        index.insert("b", ids[1])
    assert (refused.value.id, refused.value.index) == (ids[0], "by_phone")
    with pytest.raises(entidb.EntityNotFoundError):
        index.insert("d", entidb.EntityId(bytes(16)))
    assert index.remove("b", ids[0]) is True and index.remove("b", ids[0]) is False
    people.delete(ids[2])
    assert list(index) == [(["a", 1], ids[1])]
    people.create_index("age")
    with pytest.raises(entidb.EntidbError) as caught:
        people.manual_index("age")
    assert (caught.value.name, caught.value.index) == ("INVALID_ARGUMENT", "age")
    with pytest.raises(entidb.IndexNotFoundError):
        people.manual_index("none")
    with pytest.raises(ValueError, match="limit"):
        index.range(limit=-1)


def test_a_range_of_keys_comes_in_pages(db, people):
    people.create_index(name="numbers", kind="manual")
    index = people.manual_index("numbers")
    id = next(iter(people.scan(limit=1))).id
    with db.transaction() as tx:
        numbers = tx.collection("people").manual_index("numbers")
        for number in range(2500):
            numbers.insert(number, id)
    assert [key for key, _ in index] == [*range(2500)]
    assert [key for key, _ in index.range(reverse=True, limit=1500)] == [*range(2499, 999, -1)]
    assert [key for key, _ in index.range(limit=0)] == []


@pytest.mark.parametrize("within", ["a transaction", "no transaction"])
def test_a_walk_over_keys_does_not_see_what_its_loop_changes(db, people, within):
    # Keys after the first 1,000 showed later changes, so a loop that appends keys never ended.
    people.create_index(name="numbers", kind="manual")
    id = next(iter(people.scan(limit=1))).id
    with db.transaction() as tx:
        numbers = tx.collection("people").manual_index("numbers")
        for number in range(1100):
            numbers.insert(number, id)

    def rekey(index):
        seen = []
        for key, of in index.range(0):
            if key < 30 or key > 1090:
                index.remove(key, of)
                index.insert(key + 10_000, of)
            seen.append(key)
        assert seen == [*range(1100)]

    if within == "a transaction":
        with db.transaction() as tx:
            rekey(tx.collection("people").manual_index("numbers"))
    else:
        rekey(people.manual_index("numbers"))
    assert len(people.manual_index("numbers")) == 1100
    walk = iter(people.manual_index("numbers"))
    assert next(walk)[0] == 30
    people.drop_index("numbers")
    assert len([*walk]) == 1099


def test_indexes_are_declared_listed_and_dropped(people):
    assert people.create_index("age") is True
    assert people.create_index("age") is False
    assert people.create_index("name", "-at.x", unique=True, name="one") is True
    assert people.create_index(f["we.ird"], f.at.x) is True
    shown = {index.name: index for index in people.indexes()}
    assert shown["one"] == entidb.Index(name="one", columns=["name", "-at.x"], unique=True, multi=False)
    assert shown["we\\.ird,at.x"].columns == ["we\\.ird", "at.x"]
    people.drop_index("one")
    assert "one" not in {index.name for index in people.indexes()}
    with pytest.raises(entidb.EntidbError) as caught:
        people.drop_index("one")
    assert caught.value.name == "INDEX_NOT_FOUND" and caught.value.index == "one"
    with pytest.raises(entidb.EntidbError) as caught:
        people.create_index("name", name="age")
    assert caught.value.name == "INDEX_EXISTS"


def test_a_unique_index_names_the_entity_that_is_there(people):
    people.create_index("name", unique=True)
    there = people.find(f.name == "p01").first()
    with pytest.raises(entidb.UniqueViolationError) as caught:
        people.put({"name": "p01"})
    assert caught.value.collection == "people" and caught.value.index == "name"
    assert str(there.id) in str(caught.value) or caught.value.id == there.id
    with pytest.raises(entidb.UniqueViolationError):
        people.create_index("at.x", unique=True)


def test_conditions_are_not_truth_values(people):
    for misuse in (
        lambda: (f.a == 1) and (f.b == 2),
        lambda: not f.a,
        lambda: 1 < f.a < 5,
        lambda: "x" in f.tags,
        lambda: list(f.a),
        lambda: people.find(True),
        lambda: (f.a == 1) & True,
        lambda: f[1.5],
    ):
        with pytest.raises(TypeError):
            misuse()


def test_a_contradicting_query_is_refused(people):
    for wrong in (entidb.Expression(("like", ("a",), "x")), entidb.Expression(("eq", ("a",)))):
        with pytest.raises(entidb.InvalidQueryError):
            people.find(wrong).list()
    with pytest.raises(entidb.UsageError, match="the limit of a query is a whole number"):
        people.find().limit(-1)
    with pytest.raises(entidb.EntidbError):
        people.find().order_by("a..b")


def test_a_sort_beyond_its_memory_is_refused():
    with entidb.open_memory(sort_bytes_max=65536) as db:
        notes = db.collection("notes")
        notes.put_many({"a": n, "pad": "x" * 200} for n in range(2000))
        with pytest.raises(entidb.QueryTooLargeError):
            notes.find().order_by("a").list()


def test_fields_show_themselves():
    assert repr(f.a["b"][0].key(5)) == "Field('a', 'b', 0, (5,))"
    assert f["-a"].column() == "\\-a"
    assert repr(f.a == 1) == "Expression(('eq', ('a',), 1))"


def test_integer_keys_are_found(notes):
    notes.put({"m": {5: "five"}})
    assert notes.find(f.m.key(5) == "five").count() == 1
    assert notes.find(f.m[5] == "five").count() == 0


def test_a_field_to_sort_by_that_is_none_is_refused(notes):
    with pytest.raises(TypeError, match="not int"):
        notes.find().order_by(5)


STEPS = ["a", "", "5", "05", "[5]", "[]", "-a", "a.b", "a\\b", "[", "é", " ", 0, 5, (5,), (-5,), (2**64 - 1,), (-(2**64),)]


def test_every_path_reads_back_from_what_it_prints():
    from entidb._entidb import parse_path, write_path

    paths = [(), *((a,) for a in STEPS), *((a, b) for a in STEPS for b in STEPS)]
    paths += [("m", a, b) for a in STEPS for b in STEPS]
    for path in paths:
        assert parse_path(write_path(path)) == path
    assert len({write_path(path) for path in paths}) == len(paths)


def test_an_index_is_on_the_key_that_was_named(db):
    for number, (field, document) in enumerate(
        [(f.m.key(5), {"m": {5: 1}}), (f.m.key(-5), {"m": {-5: 1}}), (f.m["[5]"], {"m": {"[5]": 1}}), (f["-m"], {"-m": 1})]
    ):
        c = db.collection(f"c{number}")
        c.create_index(field, unique=True)
        c.put(document)
        with pytest.raises(entidb.UniqueViolationError):
            c.put(document)
        assert not c.find(field == 1).explain()["scan"] and c.find(field == 1).count() == 1
        assert c.find(field.exists()).order_by(field).count() == 1


def test_a_field_says_its_direction(people):
    found = people.find(f.age < 10)
    wanted = [5, 0, 6, 1, 7, 2, 8, 3, 9, 4]
    for order in ((f.at.x, -f.age), (f.at.x.asc(), f.age.desc()), ("at.x", -(-(-f.age)))):
        assert [e["age"] for e in found.order_by(*order)] == wanted
    assert people.create_index(f.at.x, -f.age, name="i") and not people.create_index("at.x", "-age", name="i")
    assert people.create_index(-f["-odd"], name="odd") and not people.create_index("--odd", name="odd")
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(-f.age)


def test_a_slice_of_a_query_is_some_of_its_answers(people):
    query = people.find(f.age.exists()).order_by("age")

    def got(part):
        return [entity["age"] for entity in part]

    every = list(range(40))
    for start in (None, 0, 3, 39, 50):
        for stop in (None, 0, 2, 7, 50):
            assert got(query[start:stop]) == every[start:stop]
            assert got(query[2:30][start:stop]) == every[2:30][start:stop]
            assert got(query.offset(1).limit(5)[start:stop]) == every[1:6][start:stop]
    for wrong in (slice(-1, None), slice(None, -1), slice(0, 10, 2)):
        with pytest.raises(ValueError, match="bounds from its begin"):
            query[wrong]
    with pytest.raises(TypeError, match="first"):
        query[0]


def test_a_query_is_neither_true_nor_false_and_has_no_length(people):
    # `if people.find(...)` was always true.
    with pytest.raises(TypeError, match=r"ask exists\(\), first\(\) or count\(\)"):
        if people.find(f.age == -1):
            pass
    with pytest.raises(TypeError, match=r"ask count\(\)"):
        len(people.find())
    assert len(list(people.find())) == len([*people.find()]) == 41


def test_many_conditions_are_joined(people):
    # Sixty of them nested deeper than a query may.
    ages = range(0, 400, 3)
    joined, every = f.age == -1, f.age >= 0
    for age in ages:
        joined |= f.age == age
        every &= f.age != age
    wanted = [age for age in range(40) if age in ages]
    for condition in (joined, entidb.any_of(f.age == age for age in ages), entidb.any_of(*(f.age == a for a in ages))):
        assert sorted(e["age"] for e in people.find(condition)) == wanted
    assert sorted(e["age"] for e in people.find(every)) == [age for age in range(40) if age not in ages]
    assert people.find(entidb.all_of([f.age > 3, f.age < 6], f.at.x == 4)).count() == 1
    assert people.find(entidb.any_of()).count() == 0 and people.find(entidb.all_of()).count() == 41
    with pytest.raises(TypeError, match="a condition is made from fields"):
        entidb.any_of(f.age)
    with pytest.raises(TypeError, match="a condition is made from fields"):
        entidb.all_of(True)
