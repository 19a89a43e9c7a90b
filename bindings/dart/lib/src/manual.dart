/// Manual indexes: keys the program gives to entities, to find them by what the database cannot read.
///
/// Always: a key goes with its entity, in the same commit.
/// Does not know: how keys are kept.
library;

import 'argument.dart';
import 'encode.dart';
import 'frames.dart';
import 'raw.dart';
import 'scope.dart';
import 'values.dart';

const _countMin = 16;
const _countMax = 1000;
const _bytesMax = 1024 * 1024;

/// A bound that is not given, which is another than null.
const _open = Object();

/// The keys of an index of the kind `manual`. A key is any value, or a list of values where it has several parts.
///
/// ```dart
/// people.createManualIndex('by_phone');
/// people.manualIndex('by_phone').insert('+49 30 1234', id);
/// ```
final class ManualIndex extends Iterable<(Object?, EntityId)> {
  /// The keys of an index of a collection.
  const ManualIndex(this.name, this._collection);

  /// The name of the index.
  final String name;
  final RawCollection _collection;

  /// Gives an entity a key; false when it has the key already.
  bool insert(Object? key, EntityId id) => _collection.insertKey(name, encodeValue(key), id.toBytes());

  /// Takes a key from an entity; false when it has no such key.
  bool remove(Object? key, EntityId id) => _collection.removeKey(name, encodeValue(key), id.toBytes());

  /// The ids of the entities that have a key, sorted.
  List<EntityId> lookup(Object? key) => unpackIds(_collection.lookupKey(name, encodeValue(key)));

  /// Keys with the ids of their entities, in order, from the least key [from] to the greatest [to]; a bound is left out of the range with
  /// [fromOpen] or [toOpen]. All are of one state, that at the first one.
  Iterable<(Object?, EntityId)> range({
    Object? from = _open,
    Object? to = _open,
    bool fromOpen = false,
    bool toOpen = false,
    bool reverse = false,
    int? limit,
  }) sync* {
    final cursor = _collection.scanKeys(
      name,
      encodeValue({
        if (!identical(from, _open)) 'from': from,
        if (!identical(to, _open)) 'to': to,
        'from_open': fromOpen,
        'to_open': toOpen,
        'reverse': reverse,
        if (limit != null) 'limit': whole(limit, 'the limit of a range'),
      }),
    );
    var count = _countMin;
    for (;;) {
      final batch = cursor.nextBatch(count, _bytesMax);
      if (batch == null) break;
      count = count * 4 < _countMax ? count * 4 : _countMax;
      final frames = Frames(batch);
      while (!frames.isDone) {
        yield frames.nextKey();
      }
    }
    cursor.free();
  }

  @override
  Iterator<(Object?, EntityId)> get iterator => range().iterator;

  /// The number of keys, of all entities together.
  @override
  int get length => _collection.countKeys(name);

  @override
  bool get isEmpty => length == 0;

  @override
  bool get isNotEmpty => length > 0;
}
