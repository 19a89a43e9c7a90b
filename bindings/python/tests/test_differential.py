"""Random queries, asked by scan and by index, inside and outside of transactions, and of a model in plain Python.

Always: a failing seed is printed, and ``ENTIDB_SEED`` replays it. Does not know: how answers are found.
Meaning: docs/spec/query.md.
"""

from __future__ import annotations

import os
import random

import entidb
import pytest
from entidb import f

ROUNDS = {"full": 400, "release": 4000}.get(os.environ.get("ENTIDB_TIER", ""), 12)
QUERIES = 60

MISSING = object()
FIELDS = ["a", "b", "c"]
PATHS = [("a",), ("b",), ("c",), ("a", "x"), ("a", 0)]


def rank(value):
    """Where a value is in the order of all values: its class, and its place in it."""
    if value is MISSING:
        return (0,)
    if value is None:
        return (1,)
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, (int, float)):
        # NaN equals itself and is less than every other number.
        return (3, (False, 0) if value != value else (True, value))
    if isinstance(value, str):
        return (5, value.encode())
    if isinstance(value, bytes):
        return (6, value)
    if isinstance(value, list):
        return (12, [rank(item) for item in value])
    assert isinstance(value, dict)
    return (13, sorted((len(key), key, rank(item)) for key, item in value.items()))


def at(document, path):
    for step in path:
        if isinstance(step, str) and isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(step, int) and isinstance(document, list) and step < len(document):
            document = document[step]
        else:
            return MISSING
    return document


def some(document, path, holds):
    """Whether the value at the path fulfils it, or one of its elements."""
    value = at(document, path)
    if value is MISSING:
        return False
    return holds(value) or (isinstance(value, list) and any(map(holds, value)))


def compared(operand, holds):
    def judge(value):
        ours, theirs = rank(value), rank(operand)
        return ours[0] == theirs[0] and holds(ours, theirs)

    return judge


ORDERS = {
    "lt": lambda ours, theirs: ours < theirs,
    "le": lambda ours, theirs: ours <= theirs,
    "gt": lambda ours, theirs: ours > theirs,
    "ge": lambda ours, theirs: ours >= theirs,
    "eq": lambda ours, theirs: ours == theirs,
}


class TakenBack(Exception):
    """Leaves a savepoint."""


class Case:
    """Two collections with the same entities, one of which has indexes, and what a dict of Python holds of them."""

    def __init__(self, rng):
        self.rng = rng
        self.db = entidb.open_memory()
        self.model = {}
        self.names = ["plain", "indexed"]
        with self.db.transaction() as tx:
            for name in self.names:
                tx.create_collection(name)
        indexed = self.db.collection("indexed")
        for number in range(rng.randrange(1, 4)):
            paths = rng.sample(["a", "b", "c", "a.x", "a.0"], rng.randrange(1, 3))
            columns = [rng.choice(["", "-"]) + path for path in paths]
            # Of one column, because a multi index refuses documents with arrays in two of its fields.
            multi = len(paths) == 1 and rng.random() < 0.4
            indexed.create_index(*columns, multi=multi, name=f"i{number}")

    def value(self, depth=1):
        rng = self.rng
        kind = rng.randrange(9 if depth else 6)
        if kind == 0:
            return rng.choice([None, True, False])
        if kind < 4:
            numbers = [rng.randrange(-2, 5), float(rng.randrange(3)), 0.5, -0.0, 2**60, 2**53 + 1, float(2**53), float("nan")]
            return rng.choice(numbers)
        if kind < 6:
            # The longest is cut in indexes.
            return rng.choice(["", "a", "ab", "b", "\0", "a\0", "ü", b"\0", b"a", "y" * 5000])
        if kind < 8:
            return [self.value(depth - 1) for _ in range(rng.randrange(4))]
        return {key: self.value(depth - 1) for key in rng.sample(["x", "y"], rng.randrange(3))}

    def document(self):
        return {field: self.value() for field in self.rng.sample(FIELDS, self.rng.randrange(1, 4))}

    def change(self, scope):
        """Changes something, in both collections and the model, which keeps the order in which entities were made."""
        rng = self.rng
        collections = [scope.collection(name) for name in self.names]
        for _ in range(rng.randrange(1, 12)):
            if self.model and rng.random() < 0.4:
                id = rng.choice([*self.model])
                if rng.random() < 0.5:
                    del self.model[id]
                    assert all(collection.delete(id) for collection in collections)
                    continue
            else:
                id = entidb.EntityId(rng.randbytes(16))
            self.model[id] = self.document()
            for collection in collections:
                collection.put(self.model[id], id)

    def condition(self, depth=2):
        """A condition for the library, and one for the model."""
        rng = self.rng
        path = rng.choice(PATHS)
        field = f
        for step in path:
            field = field[step]
        kind = rng.randrange(15 if depth else 11)
        operand = self.value()
        if kind < 5:
            word = [*ORDERS][kind]
            made = {"lt": field < operand, "le": field <= operand, "gt": field > operand, "ge": field >= operand, "eq": field == operand}[word]
            return made, lambda d: some(d, path, compared(operand, ORDERS[word]))
        if kind == 5:
            return field != operand, lambda d: not some(d, path, compared(operand, ORDERS["eq"]))
        if kind == 6:
            operands = [self.value() for _ in range(rng.randrange(4))]
            return field.is_in(operands), lambda d: any(some(d, path, compared(o, ORDERS["eq"])) for o in operands)
        if kind == 7:
            low, high = operand, self.value()
            above, below = compared(low, ORDERS["ge"]), compared(high, ORDERS["le"])
            return field.between(low, high), lambda d: some(d, path, lambda value: above(value) and below(value))
        if kind == 8:
            equal = compared(operand, ORDERS["eq"])
            return field.contains(operand), lambda d: isinstance(at(d, path), list) and any(map(equal, at(d, path)))
        if kind == 9:
            text = rng.choice(["", "a", "ab", "\0"])
            return field.starts_with(text), lambda d: some(d, path, lambda v: isinstance(v, str) and v.startswith(text))
        if kind == 10:
            if rng.random() < 0.5:
                return field.exists(), lambda d: at(d, path) is not MISSING
            return field.is_null(), lambda d: at(d, path) is None
        if kind == 11:
            made, judge = self.condition(depth - 1)
            return ~made, lambda d: not judge(d)
        parts = [self.condition(depth - 1) for _ in range(rng.randrange(1, 4))]
        join, every = rng.choice([(entidb.any_of, any), (entidb.all_of, all)])
        return join(made for made, _ in parts), lambda d: every(judge(d) for _, judge in parts)

    def wanted(self, judge, order):
        """The ids of the answers, in order."""
        ids = [id for id, document in self.model.items() if judge(document)]
        if order and order[-1][1]:
            ids.reverse()
        for path, descending in reversed(order):
            ids.sort(key=lambda id: rank(at(self.model[id], path)), reverse=descending)
        return ids

    def ask(self, scope):
        rng = self.rng
        condition, judge = self.condition()
        order = [(path, rng.random() < 0.5) for path in rng.sample(PATHS, rng.randrange(3))]
        ids = self.wanted(judge, order)
        start, stop = rng.randrange(4), rng.choice([None, rng.randrange(12)])
        for name in self.names:
            query = scope.collection(name).find(condition)
            if order:
                query = query.order_by(*(entidb.Order(path, descending) for path, descending in order))
            told = f"{query!r} of {self.model!r}: {query.explain()}"
            assert query.count() == len(ids) and query.exists() == bool(ids), told
            found = query.list()
            assert all(rank(dict(entity)) == rank(self.model[entity.id]) for entity in found), told
            if order:
                assert [entity.id for entity in found] == ids, told
                assert query[start:stop].ids() == ids[start:stop], told
            else:
                assert sorted(entity.id for entity in found) == sorted(ids), told
            paged, token = [], None
            while True:
                page = query.after(token).page(3)
                paged += [entity.id for entity in page]
                token = page.token
                if token is None:
                    break
            assert paged == [entity.id for entity in found], told

    def walk(self, scope):
        """Changes answers while they are walked over: the walk sees what was there when it began."""
        rng = self.rng
        condition, judge = self.condition()
        ids = self.wanted(judge, [])
        for name in self.names:
            notes = scope.collection(name)
            changes = {id: {"a": rng.choice([1, "a", [1, 2]])} for id in ids}
            seen = []
            for entity in notes.find(condition):
                seen.append(entity.id)
                notes.put(changes[entity.id], entity.id)
            assert sorted(seen) == sorted(ids)
        for id in ids:
            # What a walk put last, so that both are the same again.
            self.model[id] = changes[id]
            scope.collection(self.names[0]).put(changes[id], id)


def play(seed):
    case = Case(random.Random(seed))
    with case.db:
        for _ in range(4):
            case.change(case.db)
        for _ in range(QUERIES // 3):
            case.ask(case.db)
        with case.db.transaction() as tx:
            case.change(tx)
            before = dict(case.model)
            with pytest.raises(TakenBack):
                with tx.savepoint():
                    case.change(tx)
                    case.walk(tx)
                    case.ask(tx)
                    raise TakenBack
            case.model = before
            for _ in range(QUERIES // 3):
                case.ask(tx)
            case.walk(tx)
        for _ in range(QUERIES // 3):
            case.ask(case.db)
        assert case.db.verify(full=True)["ok"]


def test_random_queries_agree_with_a_model_whether_indexed_or_not(rng):
    for _ in range(ROUNDS):
        seed = rng.randrange(2**32)
        try:
            play(seed)
        except BaseException:
            print(f"the round of seed {seed} failed")
            raise
