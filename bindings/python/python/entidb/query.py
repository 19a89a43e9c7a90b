"""Queries: fields, conditions and queries.

Always: a query is immutable, every method gives another one, and nothing is read before it is used.
Does not know: how results are found (``Query.explain`` says it). Format: docs/spec/query.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import index
from typing import Any, NamedTuple, NoReturn, TypeAlias

from ._entidb import Collection, Cursor, EntityId, parse_path, whole_number, write_path
from .entity import Entity

__all__ = ["Explanation", "Expression", "Field", "Index", "Order", "Page", "Query", "all_of", "any_of", "f"]


class Expression:
    """A condition on documents, made by comparing fields of ``entidb.f``.

    Conditions are joined with ``&`` and ``|``, and negated with ``~``. Any number joined by the same operator are one group.
    """

    __slots__ = ("_node",)

    _node: tuple[Any, ...]

    def __init__(self, node: tuple[Any, ...]) -> None:
        self._node = node

    def __and__(self, other: Expression) -> Expression:
        return Expression(_joined("and", self._node, _node(other)))

    def __or__(self, other: Expression) -> Expression:
        return Expression(_joined("or", self._node, _node(other)))

    def __invert__(self) -> Expression:
        return Expression(self._node[1] if self._node[0] == "not" else ("not", self._node))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a condition is neither true nor false by itself; join conditions with & | ~ in parentheses,"
            " and write a range as f.x.between(low, high)"
        )

    def __repr__(self) -> str:
        return f"Expression({self._node})"


class Order:
    """A field to sort by or to index, with its direction: ``f.at.desc()``, ``-f.at``, ``f.at.asc()``."""

    __slots__ = ("_descending", "_path")

    _path: tuple[Any, ...]
    _descending: bool

    def __init__(self, path: tuple[Any, ...], descending: bool) -> None:
        self._path = path
        self._descending = descending

    def __neg__(self) -> Order:
        return Order(self._path, not self._descending)

    def column(self) -> str:
        """The written form, as ``create_index`` takes it."""
        text = Field(*self._path).column()
        return "-" + text if self._descending else text

    def __bool__(self) -> NoReturn:
        raise TypeError("a direction to sort in is neither true nor false; give it to order_by() or create_index()")

    def __repr__(self) -> str:
        return f"Order({self.column()!r})"


class Field:
    """A field of documents: ``f.title``, ``f.address.city``, ``f["name with. dots"]``, ``f.tags[0]``.

    Text in brackets is the name of a field, a number the position in an array. A field whose name is that of a
    method here is reached with brackets too.
    """

    __slots__ = ("_path",)

    _path: tuple[Any, ...]

    def __init__(self, *path: Any) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field(*self._path, name)

    def __getitem__(self, step: str | int) -> Field:
        if not isinstance(step, (str, int)) or isinstance(step, bool):
            raise TypeError(f"a step of a path is text or a position, not {type(step).__name__}")
        return Field(*self._path, step)

    def key(self, number: int) -> Field:
        """The value under an integer key of a map."""
        return Field(*self._path, (number,))

    def __eq__(self, value: Any) -> Expression:  # type: ignore[override]
        return Expression(("eq", self._path, value))

    def __ne__(self, value: Any) -> Expression:  # type: ignore[override]
        return Expression(("ne", self._path, value))

    def __lt__(self, value: Any) -> Expression:
        return Expression(("lt", self._path, value))

    def __le__(self, value: Any) -> Expression:
        return Expression(("le", self._path, value))

    def __gt__(self, value: Any) -> Expression:
        return Expression(("gt", self._path, value))

    def __ge__(self, value: Any) -> Expression:
        return Expression(("ge", self._path, value))

    __hash__ = None  # type: ignore[assignment]

    def is_in(self, values: Iterable[Any]) -> Expression:
        """The value is one of these."""
        return Expression(("in", self._path, list(values)))

    def between(self, low: Any, high: Any) -> Expression:
        """The value is at least ``low`` and at most ``high``."""
        return Expression(("between", self._path, low, high))

    def exists(self) -> Expression:
        """The field exists, also with null."""
        return Expression(("exists", self._path))

    def is_null(self) -> Expression:
        """The field exists and is null."""
        return Expression(("is_null", self._path))

    def contains(self, value: Any) -> Expression:
        """The value is an array that contains this."""
        return Expression(("contains", self._path, value))

    def starts_with(self, text: str) -> Expression:
        """The value is text that begins with this."""
        return Expression(("starts_with", self._path, text))

    def asc(self) -> Order:
        """Sorts by it, the smallest first."""
        return Order(self._path, False)

    def desc(self) -> Order:
        """Sorts by it, the greatest first; ``-f.at`` says the same."""
        return Order(self._path, True)

    def __neg__(self) -> Order:
        return self.desc()

    def column(self) -> str:
        """The written form, as ``create_index`` and ``order_by`` take it."""
        text = _DIRECTION.sub(r"\\\g<0>", write_path(self._path))
        return "\\" + text if text.startswith("-") else text

    def __iter__(self) -> NoReturn:
        raise TypeError("a field cannot be iterated over; use contains() or is_in()")

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError("`in` gives no condition; use contains() or is_in()")

    def __bool__(self) -> NoReturn:
        raise TypeError("a field is neither true nor false by itself; compare it, or use exists()")

    def __repr__(self) -> str:
        return f"Field{self._path}"


#: The word of a direction behind a field, as SQL writes it. A backslash makes it a part of the name.
_DIRECTION = re.compile(r"(?<!\\) (?:asc|desc)$", re.IGNORECASE)

#: Where conditions begin: ``f.age >= 18``.
f = Field()


def _node(condition: Any) -> tuple[Any, ...]:
    if isinstance(condition, Expression):
        return condition._node
    raise TypeError(f"a condition is made from fields, such as f.age >= 18; {type(condition).__name__} is none")


def _joined(word: str, *nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    """One group of these, however many were joined one after the other."""
    group: list[Any] = [word]
    for node in nodes:
        group.extend(node[1:] if node[0] == word else (node,))
    return tuple(group)


def any_of(*conditions: Expression | Iterable[Expression]) -> Expression:
    """At least one of the conditions, given one by one or as an iterable: ``any_of(f.tags == tag for tag in wanted)``.

    Without conditions nothing matches, as with ``any``.
    """
    nodes = [*_each(conditions)]
    return Expression(_joined("or", *nodes) if nodes else ("false",))


def all_of(*conditions: Expression | Iterable[Expression]) -> Expression:
    """All of the conditions, given one by one or as an iterable. Without conditions everything matches, as with ``all``."""
    nodes = [*_each(conditions)]
    return Expression(_joined("and", *nodes) if nodes else ("true",))


def _each(conditions: tuple[Expression | Iterable[Expression], ...]) -> Iterator[tuple[Any, ...]]:
    for condition in conditions:
        if isinstance(condition, (Expression, Field)) or not hasattr(condition, "__iter__"):
            yield _node(condition)
        else:
            yield from map(_node, condition)


class Index(NamedTuple):
    """An index."""

    name: str
    columns: list[str]
    unique: bool
    multi: bool
    kind: str = "ordered"
    """``ordered`` by fields, or ``manual``, with keys the program gives."""
    options: dict[str, Any] = {}
    """What else its kind was told."""


class Explanation(dict[str, Any]):
    """The plan of a query; as text, one line for people."""

    __slots__ = ()

    def __str__(self) -> str:
        return str(self["text"])


class Page(list[Entity]):
    """Some answers of a query, with the ``token`` of the next page; ``None`` on the last page."""

    __slots__ = ("token",)

    token: bytes | None


# Inside the class `list` is its method.
_Entities: TypeAlias = list[Entity]
_Ids: TypeAlias = list[EntityId]


class Query:
    """A query: iterate over it, or ask for ``first``, ``list``, ``count`` and so on.

    Each use sees the collection as it is then.
    """

    __slots__ = ("_after", "_collection", "_filter", "_limit", "_offset", "_order", "_page")

    _collection: Collection
    _filter: tuple[Any, ...]
    _order: tuple[tuple[tuple[Any, ...], bool], ...]
    _limit: int | None
    _offset: int
    _page: int | None
    _after: bytes | None

    def __init__(self, collection: Collection, conditions: Iterable[Expression] = ()) -> None:
        nodes = [_node(condition) for condition in conditions]
        self._collection = collection
        self._filter = nodes[0] if len(nodes) == 1 else ("and", *nodes) if nodes else ("true",)
        self._order = ()
        self._limit = None
        self._offset = 0
        self._page = None
        self._after = None

    def _with(self, **changes: Any) -> Query:
        other = object.__new__(Query)
        for name in Query.__slots__:
            setattr(other, name, changes[name] if name in changes else getattr(self, name))
        return other

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {"v": 1, "filter": self._filter}
        if self._order:
            request["order"] = self._order
        if self._limit is not None:
            request["limit"] = self._limit
        if self._offset:
            request["offset"] = self._offset
        if self._page is not None:
            request["page"] = self._page
        if self._after is not None:
            request["after"] = self._after
        return request

    def where(self, *conditions: Expression) -> Query:
        """Adds conditions; all must match."""
        nodes = [_node(condition) for condition in conditions]
        return self._with(_filter=_joined("and", self._filter, *nodes)) if nodes else self

    def order_by(self, *fields: str | Field | Order) -> Query:
        """Sorts by these fields, the most significant first; ``"-at"``, ``-f.at`` and ``f.at.desc()`` are descending."""
        order = []
        for field in fields:
            if isinstance(field, Field):
                order.append((field._path, False))
            elif isinstance(field, Order):
                order.append((field._path, field._descending))
            elif not isinstance(field, str):
                raise TypeError(f'a field to sort by is text, such as "-at", or from entidb.f, not {type(field).__name__}')
            else:
                descending = field.startswith("-")
                if found := _DIRECTION.search(field):
                    name = field[descending : found.start()]
                    raise ValueError(
                        f'a direction stands before the field: "{name}" is ascending, "-{name}" descending;'
                        f' a field that ends in {found[0]!r} is given as entidb.f[...]'
                    )
                order.append((parse_path(field[1:] if descending else field), descending))
        return self._with(_order=tuple(order))

    def limit(self, count: int | None) -> Query:
        """Returns at most ``count`` results, on all pages together."""
        return self._with(_limit=None if count is None else whole_number(count, "the limit of a query"))

    def offset(self, count: int) -> Query:
        """Skips the first ``count`` results, before the first page only."""
        return self._with(_offset=whole_number(count, "the offset of a query"))

    def after(self, token: bytes | None) -> Query:
        """Continues behind the page or entity of a token; ``None`` begins at the start."""
        return self._with(_after=token)

    def __bool__(self) -> NoReturn:
        raise TypeError("a query is neither true nor false by itself; ask exists(), first() or count()")

    def __len__(self) -> NoReturn:
        raise TypeError("a query has no length before it is run; ask count(), or len(query.list())")

    def __getitem__(self, part: slice) -> Query:
        """A part of the results: ``query[:10]`` is ``limit(10)``, ``query[20:30]`` is ``offset(20)`` and ``limit(10)``."""
        if not isinstance(part, slice):
            raise TypeError("a query is cut with a slice, such as query[:10]; for one answer ask first()")
        start = 0 if part.start is None else index(part.start)
        stop = None if part.stop is None else index(part.stop)
        if start < 0 or (stop is not None and stop < 0) or part.step not in (None, 1):
            raise ValueError("a slice of a query has bounds from its begin and no step; turn the order round to count from the end")
        limit = self._limit
        if limit is not None:
            limit = max(limit - start, 0)
        if stop is not None:
            wanted = max(stop - start, 0)
            limit = wanted if limit is None else min(limit, wanted)
        return self._with(_offset=self._offset + start, _limit=limit)

    def __iter__(self) -> Cursor:
        return self._collection._cursor(self._request())

    def list(self) -> _Entities:
        """All results."""
        with iter(self) as cursor:
            return [*cursor]

    def _paged(self, size: int) -> Query:
        return self._with(_page=whole_number(size, "the size of a page"))

    def page(self, size: int) -> Page:
        """A page of at most ``size`` results, with the token of the next page for ``after``.

        ``limit`` and ``offset`` are of the answer as a whole: a limit of 25 gives pages of 10, 10 and 5.
        """
        with iter(self._paged(size)) as cursor:
            page = Page(cursor)
            page.token = cursor.token()
            return page

    def ids(self) -> _Ids:
        """The ids of all results."""
        with iter(self) as cursor:
            return [entity.id for entity in cursor]

    def first(self) -> Entity | None:
        """The first result, or ``None``."""
        with iter(self._paged(1)) as cursor:
            return next(cursor, None)

    def exists(self) -> bool:
        """Whether there is a result."""
        return self.first() is not None

    def count(self) -> int:
        """The number of results."""
        return self._collection._find_count(self._request())

    def delete(self) -> int:
        """Deletes the results, all or none, and returns how many there were."""
        return self._collection._find_delete(self._request())

    def explain(self) -> Explanation:
        """The plan of the query, without running it."""
        return self._collection._find_explain(self._request())

    def __repr__(self) -> str:
        request = self._request()
        del request["v"]
        return f"<entidb.Query of {self._collection.name!r} {request}>"
