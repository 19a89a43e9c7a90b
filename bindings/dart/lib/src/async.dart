// The methods that can wait, as futures and streams: they run in the background isolate of the database.
//
// Always: each has the name, the arguments and the errors of the method it stands for, and a token that ends it; documents are copied
// between the isolates.
// Does not know: how the isolate works.
part of 'collection.dart';

/// Methods of a database that do not block.
extension EntiDbAsync on EntiDb {
  /// As `transaction`. The function runs in the background isolate: it is given the transaction, and what it takes from its surroundings
  /// is copied.
  Future<R> transactionAsync<R>(
    R Function(Transaction tx) run, {
    Durability? durability,
    Duration? timeout,
    CancelToken? cancel,
  }) => background((db) => db.transaction(run, durability: durability, timeout: timeout), cancel: cancel);

  /// As `waitDurable`.
  Future<void> waitDurableAsync(int sequence, {Duration timeout = const Duration(minutes: 1), CancelToken? cancel}) =>
      background((db) => db.waitDurable(sequence, timeout), cancel: cancel);

  /// As `checkpoint`.
  Future<CheckpointReport> checkpointAsync({CancelToken? cancel}) =>
      background((db) => db.checkpoint(), cancel: cancel);

  /// As `compact`.
  Future<CompactReport> compactAsync({CancelToken? cancel}) => background((db) => db.compact(), cancel: cancel);

  /// As `verify`.
  Future<VerifyReport> verifyAsync({bool full = false, CancelToken? cancel}) =>
      background((db) => db.verify(full: full), cancel: cancel);

  /// As `backup`.
  Future<BackupReport> backupAsync(String path, {CancelToken? cancel}) =>
      background((db) => db.backup(path), cancel: cancel);

  /// As `rekey`.
  Future<bool> rekeyAsync({CancelToken? cancel}) => background((db) => db.rekey(), cancel: cancel);

  /// As `trimChanges`.
  Future<void> trimChangesAsync(int through, {CancelToken? cancel}) =>
      background((db) => db.trimChanges(through), cancel: cancel);

  /// As `dropCollection`.
  Future<void> dropCollectionAsync(String name, {CancelToken? cancel}) =>
      background((db) => db.dropCollection(name), cancel: cancel);

  /// As `close`: what the background isolate was asked for before is done first.
  Future<void> closeAsync() async {
    if (isClosed) return;
    await background((db) => db.close());
    detach();
  }
}

/// Methods of a collection that do not block.
extension CollectionAsync<T> on Collection<T> {
  Future<R> _run<R>(R Function(Collection<T> collection) run, CancelToken? cancel) {
    final (name, schema) = (this.name, this.schema);
    return _owner.background((db) => run(db.typed(name, schema)), cancel: cancel);
  }

  /// As `put`.
  Future<EntityId> putAsync(T document, {EntityId? id, CancelToken? cancel}) =>
      _run((notes) => notes.put(document, id: id), cancel);

  /// As `insert`.
  Future<EntityId> insertAsync(T document, {EntityId? id, CancelToken? cancel}) =>
      _run((notes) => notes.insert(document, id: id), cancel);

  /// As `replace`.
  Future<void> replaceAsync(EntityId id, T document, {int? version, CancelToken? cancel}) =>
      _run((notes) => notes.replace(id, document, version: version), cancel);

  /// As `update`.
  Future<void> updateAsync(EntityId id, Patch patch, {CancelToken? cancel}) =>
      _run((notes) => notes.update(id, patch), cancel);

  /// As `putMany`.
  Future<List<EntityId>> putManyAsync(Iterable<T> documents, {Iterable<EntityId>? ids, CancelToken? cancel}) {
    final (all, places) = (documents.toList(), ids?.toList());
    return _run((notes) => notes.putMany(all, ids: places), cancel);
  }

  /// As `get`.
  Future<Entity<T>?> getAsync(EntityId id, {int? at, CancelToken? cancel}) =>
      _run((notes) => notes.get(id, at: at), cancel);

  /// As `getMany`.
  Future<List<Entity<T>?>> getManyAsync(Iterable<EntityId> ids, {CancelToken? cancel}) {
    final all = ids.toList();
    return _run((notes) => notes.getMany(all), cancel);
  }

  /// As `history`.
  Future<List<EntityVersion<T>>> historyAsync(EntityId id, {CancelToken? cancel}) =>
      _run((notes) => notes.history(id), cancel);

  /// As `exists`.
  Future<bool> existsAsync(EntityId id, {CancelToken? cancel}) => _run((notes) => notes.exists(id), cancel);

  /// As `count`.
  Future<int> countAsync({CancelToken? cancel}) => _run((notes) => notes.count(), cancel);

  /// As `delete`.
  Future<bool> deleteAsync(EntityId id, {int? version, CancelToken? cancel}) =>
      _run((notes) => notes.delete(id, version: version), cancel);

  /// As `deleteMany`.
  Future<int> deleteManyAsync(Iterable<EntityId> ids, {CancelToken? cancel}) {
    final all = ids.toList();
    return _run((notes) => notes.deleteMany(all), cancel);
  }

  /// As `scan`, as a stream.
  Stream<Entity<T>> scanStream({EntityId? after, bool reverse = false, int? limit}) =>
      _stream(this, (notes) => notes.scan(after: after, reverse: reverse, limit: limit).cursor());

  /// As `createIndex`.
  Future<bool> createIndexAsync(
    List<String> fields, {
    String? name,
    bool unique = false,
    bool multi = false,
    CancelToken? cancel,
  }) => _run((notes) => notes.createIndex(fields, name: name, unique: unique, multi: multi), cancel);
}

/// Methods of a query that do not block.
extension QueryAsync<T> on Query<T> {
  Future<R> _run<R>(R Function(Query<T> query) run, CancelToken? cancel) {
    final (name, schema) = (_collection.name, _collection.schema);
    final parts = _parts;
    return _collection._owner.background((db) => run(Query._(db.typed(name, schema), parts)), cancel: cancel);
  }

  /// As `toList`.
  Future<List<Entity<T>>> toListAsync({CancelToken? cancel}) => _run((query) => query.toList(), cancel);

  /// As `firstOrNull`.
  Future<Entity<T>?> firstOrNullAsync({CancelToken? cancel}) => _run((query) => query.firstOrNull, cancel);

  /// As `ids`.
  Future<List<EntityId>> idsAsync({CancelToken? cancel}) => _run((query) => query.ids(), cancel);

  /// As `count`.
  Future<int> countAsync({CancelToken? cancel}) => _run((query) => query.count(), cancel);

  /// As `page`.
  Future<Page<T>> pageAsync(int size, {CancelToken? cancel}) => _run((query) => query.page(size), cancel);

  /// As `delete`.
  Future<int> deleteAsync({CancelToken? cancel}) => _run((query) => query.delete(), cancel);

  /// As `update`.
  Future<int> updateAsync(Patch patch, {CancelToken? cancel}) => _run((query) => query.update(patch), cancel);

  /// The results as a stream, of one snapshot. A stream that is cancelled frees it at once.
  Stream<Entity<T>> stream() {
    final parts = _parts;
    return _stream(_collection, (notes) => Query._(notes, parts).cursor());
  }
}

/// Cursors that streams of other isolates read, in the isolate that has them.
final Map<int, Cursor<Object?>> _cursors = {};
int _nextCursor = 0;

int _keep(Cursor<Object?> cursor) {
  final id = _nextCursor++;
  _cursors[id] = cursor;
  return id;
}

const _batchMax = 256;

List<Entity<T>> _take<T>(int id) {
  final cursor = _cursors[id]! as Cursor<T>;
  final batch = <Entity<T>>[];
  while (batch.length < _batchMax && cursor.moveNext()) {
    batch.add(cursor.current);
  }
  return batch;
}

void _close(int id) => _cursors.remove(id)?.close();

Stream<Entity<T>> _stream<T>(Collection<T> collection, Cursor<T> Function(Collection<T> collection) open) async* {
  final owner = collection._owner;
  final id = await _opened(owner, collection.name, collection.schema, open);
  try {
    for (;;) {
      final batch = await _next<T>(owner, id);
      for (final entity in batch) {
        yield entity;
      }
      if (batch.length < _batchMax) return;
    }
  } finally {
    await _closed(owner, id);
  }
}

// Functions of their own: what they send must hold nothing of the stream above.
Future<int> _opened<T>(
  CollectionOwner owner,
  String name,
  Schema<T> schema,
  Cursor<T> Function(Collection<T> collection) open,
) => owner.background((db) => _keep(open(db.typed(name, schema))));

Future<List<Entity<T>>> _next<T>(CollectionOwner owner, int id) => owner.background((_) => _take<T>(id));

Future<void> _closed(CollectionOwner owner, int id) => owner.background((_) => _close(id));
