// Queries to a collection.
//
// Always: a query is a value; each method returns a new one, and nothing is read until results are asked for.
// Does not know: how results are found; `explain` says it.
part of 'collection.dart';

/// The plan of a query.
final class Explanation {
  /// Reads what the library gives.
  Explanation.read(Map<Object?, Object?> map)
    : collection = map['collection']! as String,
      index = map['index'] as String?,
      kind = map['kind'] as String?,
      ranges = map['ranges']! as int,
      reverse = map['reverse']! as bool,
      scan = map['scan']! as bool,
      sort = map['sort']! as bool,
      filter = map['filter']! as bool,
      candidates = map['candidates']! as int,
      text = map['text']! as String;

  /// The collection.
  final String collection;

  /// The index that is read; null for a scan.
  final String? index;

  /// The kind of that index.
  final String? kind;

  /// The number of ranges of the index that are read.
  final int ranges;

  /// Whether the index or collection is read backwards.
  final bool reverse;

  /// Whether every entity, or every row of the index, is read.
  final bool scan;

  /// Whether results are sorted before the first is returned.
  final bool sort;

  /// Whether each entity is checked against the filter.
  final bool filter;

  /// About how many entities or rows are read when all results are.
  final int candidates;

  /// The plan in words.
  final String text;

  @override
  String toString() => text;
}

/// A page of results.
final class Page<T> {
  /// A page.
  const Page(this.entities, this.token);

  /// The results.
  final List<Entity<T>> entities;

  /// Pass it to `after` for the next page; null on the last one.
  final String? token;
}

/// The parts of a query, without its collection: values that cross to another isolate.
final class _Parts {
  /// The parts that are given.
  const _Parts(this.filter, {this.order = const [], this.limit, this.offset = 0, this.page, this.after});

  /// The condition.
  final Condition filter;

  /// Paths, and whether each is descending.
  final List<List<Object>> order;

  /// The most results.
  final int? limit;

  /// Results to skip.
  final int offset;

  /// The most results of a page.
  final int? page;

  /// A page token.
  final Uint8List? after;

  /// These parts with some of them replaced.
  _Parts replaced({List<List<Object>>? order, int? limit, int? offset, int? page, Uint8List? after}) => _Parts(
    filter,
    order: order ?? this.order,
    limit: limit ?? this.limit,
    offset: offset ?? this.offset,
    page: page ?? this.page,
    after: after ?? this.after,
  );

  /// The query as it is encoded.
  Map<String, Object?> get encoded => {
    'v': 1,
    'filter': filter.node,
    if (order.isNotEmpty) 'order': order,
    if (limit != null) 'limit': limit,
    if (offset > 0) 'offset': offset,
    if (page != null) 'page': page,
    if (after != null) 'after': after,
  };
}

/// A query to a collection: results that are read anew by each loop.
///
/// ```dart
/// final open = notes.find(f('done').equals(false)).orderBy('-at').limit(10);
/// for (final note in open) {
///   print(note['title']);
/// }
/// ```
final class Query<T> extends Entities<T> {
  const Query._(this._collection, this._parts);

  final Collection<T> _collection;
  final _Parts _parts;

  /// Sorts by a field, descending with `-` before it; then by further ones.
  Query<T> orderBy(String field, [String? second, String? third]) =>
      orderByAll([field, if (second != null) second, if (third != null) third]);

  /// Sorts by these fields, descending with `-` before one.
  Query<T> orderByAll(Iterable<String> fields) => Query._(_collection, _parts.replaced(order: orderOf(fields)));

  /// Returns at most [count] results, on all pages together.
  Query<T> limit(int count) => Query._(_collection, _parts.replaced(limit: whole(count, 'a limit')));

  /// Skips the first results, before the first page only.
  Query<T> offset(int count) => Query._(_collection, _parts.replaced(offset: whole(count, 'an offset')));

  /// Continues behind the entity of a page token; null begins at the start.
  Query<T> after(String? token) {
    if (token == null) return this;
    try {
      final bytes = base64Url.decode(base64Url.normalize(token));
      return Query._(_collection, _parts.replaced(after: bytes));
    } on FormatException {
      throw refused('${shown(token)} is no page token');
    }
  }

  Query<T> _paged(int size) => Query._(_collection, _parts.replaced(page: size));

  /// Runs the query, with page tokens. Read the cursor to its end, or close it.
  @override
  Cursor<T> cursor() => _collection._cursorOf(this);

  /// A page of at most [size] results, and the token for [after] to get the next one. `limit` and `offset` apply to all pages
  /// together: a limit of 25 gives pages of 10, 10 and 5.
  Page<T> page(int size) {
    final cursor = _paged(whole(size, 'the size of a page', 1)).cursor();
    try {
      final found = <Entity<T>>[];
      while (cursor.moveNext()) {
        found.add(cursor.current);
      }
      return Page(found, cursor.token);
    } finally {
      cursor.close();
    }
  }

  /// The first result; null without any.
  Entity<T>? get firstOrNull {
    final cursor = _paged(1).cursor();
    try {
      return cursor.moveNext() ? cursor.current : null;
    } finally {
      cursor.close();
    }
  }

  /// The first result; a [StateError] without any.
  @override
  Entity<T> get first => firstOrNull ?? (throw StateError('the query has no result'));

  /// The ids of the results.
  List<EntityId> ids() => [for (final entity in this) entity.id];

  /// The number of results, which does not read them where an index can count.
  int count() => _collection._countOf(this);

  /// As [count].
  @override
  int get length => count();

  @override
  bool get isEmpty => _paged(1).count() == 0;

  @override
  bool get isNotEmpty => !isEmpty;

  /// Deletes the results in one transaction; returns how many there were.
  int delete() => _collection._deleteOf(this);

  /// Applies a patch to the results: to all or, after an error, to none. Returns how many there were.
  int update(Patch patch) => _collection._updateOf(this, patch);

  /// The plan of the query.
  Explanation explain() => _collection._explanationOf(this);
}
