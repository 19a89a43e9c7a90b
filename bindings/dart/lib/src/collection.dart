/// Collections: entities under one name.
///
/// Always: a collection comes into being with the first write, and reads as empty before; one taken from a transaction sees and changes
/// what the transaction does.
/// Does not know: how documents are encoded.
library;

import 'dart:convert';
import 'dart:typed_data';

import 'argument.dart';
import 'cancel.dart';
import 'condition.dart';
import 'cursor.dart';
import 'database.dart';
import 'decode.dart';
import 'encode.dart';
import 'errors.g.dart';
import 'frames.dart';
import 'interface.g.dart';
import 'manual.dart';
import 'patch.dart';
import 'raw.dart';
import 'schema.dart';
import 'scope.dart';
import 'transaction.dart';
import 'values.dart';

part 'async.dart';
part 'query.dart';

/// The definition of an index.
final class IndexDefinition {
  /// Reads what the library gives.
  IndexDefinition.read(Map<Object?, Object?> map)
    : name = map['name']! as String,
      kind = map['kind']! as String,
      columns = (map['columns'] as List<Object?>? ?? const []).cast(),
      unique = map['unique'] as bool? ?? false,
      multi = map['multi'] as bool? ?? false;

  /// The name.
  final String name;

  /// `ordered` by fields, or `manual`, with keys the program gives.
  final String kind;

  /// The fields, `-` before a descending one.
  final List<String> columns;

  /// Whether two entities may not have the same key.
  final bool unique;

  /// Whether an array has one row for each element.
  final bool multi;

  @override
  String toString() => 'IndexDefinition($name, $kind, $columns${unique ? ', unique' : ''}${multi ? ', multi' : ''})';
}

/// What a collection was taken from.
abstract interface class CollectionOwner {
  /// Runs a function on the collection so that after an error nothing of it is there.
  R atomically<R>(String name, RawCollection collection, R Function(RawCollection collection) run);

  /// Runs a function in another isolate, on the same database.
  Future<R> background<R>(R Function(EntiDb db) run, {CancelToken? cancel});
}

/// Entities under one name: documents, or objects of a schema.
final class Collection<T> {
  /// A collection of a database or transaction, which `collection` and `typed` of these give.
  const Collection(this.name, this.schema, this._raw, this._encoders, this._owner);

  /// The name.
  final String name;

  /// What its documents are in Dart.
  final Schema<T> schema;
  final RawCollection _raw;
  final Encoders _encoders;
  final CollectionOwner _owner;

  /// Stores a document under an id, or under a new one, and returns the id. An entity that has the id is replaced, whatever its version.
  ///
  /// Throws an [EncodingException] when a value cannot be stored, with its path; [UniqueViolationException], [TooLargeException].
  EntityId put(T document, {EntityId? id}) => _store(document, id, WriteMode.put, 0);

  /// Stores a document under an id that must not exist. Throws an [AlreadyExistsException].
  EntityId insert(T document, {EntityId? id}) => _store(document, id, WriteMode.insert, 0);

  /// Replaces a document; with [version] only if the entity has that version.
  ///
  /// Throws an [EntityNotFoundException] or a [VersionMismatchException].
  void replace(EntityId id, T document, {int? version}) => _store(
    document,
    id,
    version == null ? WriteMode.replace : WriteMode.replaceVersion,
    version == null ? 0 : whole(version, 'a version', 1),
  );

  EntityId _store(T document, EntityId? id, WriteMode mode, int version) {
    final value = schema.encode(document);
    return _encoders.lend((encoder) {
      _place(encoder, id);
      encoder.document(value);
      return _send(encoder, id, mode, version);
    });
  }

  static void _place(Encoder encoder, EntityId? id) {
    if (id != null) return encoder.id(id);
    encoder
      ..reserve(16)
      ..at += 16;
  }

  EntityId _send(Encoder encoder, EntityId? id, WriteMode mode, int version) {
    _raw.put(encoder.memory, encoder.at, id != null, mode.number, version);
    return id ?? EntityId.read(encoder.bytes, 0);
  }

  /// Stores an encoded document. Throws an [EncodingException] when the bytes are not a canonical document.
  EntityId putBytes(Uint8List document, {EntityId? id}) => _encoders.lend((encoder) {
    _place(encoder, id);
    encoder.reserve(document.length);
    final end = encoder.at + document.length;
    encoder.bytes.setRange(encoder.at, end, document);
    encoder.at = end;
    return _send(encoder, id, WriteMode.put, 0);
  });

  /// Stores many documents in one transaction: all of them or none. Returns their ids in the same order.
  List<EntityId> putMany(Iterable<T> documents, {Iterable<EntityId>? ids}) {
    final values = [for (final document in documents) schema.encode(document)];
    final given = ids?.toList();
    if (given != null && given.length != values.length) {
      throw refused('putMany was given ${values.length} documents and ${given.length} ids');
    }
    return _encoders.lend((encoder) {
      for (var i = 0; i < values.length; i++) {
        final start = encoder.at;
        encoder
          ..reserve(putFrameHeadBytes)
          ..bytes[start + 4] = given == null ? 0 : 1
          ..at = start + 5;
        if (given != null) encoder.id(given[i]);
        final from = encoder.at;
        encoder
          ..document(values[i])
          ..uint32At(start, encoder.at - from);
      }
      return unpackIds(_raw.putMany(encoder.memory, encoder.at));
    });
  }

  /// Changes parts of an entity. Throws an [EntityNotFoundException], or an [EncodingException] when the patch does not fit.
  void update(EntityId id, Patch patch) => _encoders.lend((encoder) {
    encoder
      ..id(id)
      ..document(patch.operations);
    _raw.update(encoder.memory, encoder.at);
  });

  /// The entity with this id; with [at] as it was after that commit, given by its sequence. Null when there is none.
  Entity<T>? get(EntityId id, {int? at}) {
    if (at != null) {
      final bytes = _raw.getAsOf(id.toBytes(), whole(at, 'the sequence to read at'));
      if (bytes == null) return null;
      return Entity(id, _raw.versionRead, schema.decode(decodeValue(bytes)));
    }
    return _encoders.lend((encoder) {
      encoder.id(id);
      final length = _raw.get(encoder.memory);
      if (length < 0) return null;
      encoder.refresh();
      const from = RawCollection.documentAt;
      final value = decodeValue(encoder.bytes, from, from + length);
      return Entity(id, _raw.versionRead, schema.decode(value));
    });
  }

  /// The document with this id; null when there is none.
  T? operator [](EntityId id) => get(id)?.value;

  /// The bytes of the document with this id; null when there is none.
  Uint8List? getBytes(EntityId id) => _encoders.lend((encoder) {
    encoder.id(id);
    final length = _raw.get(encoder.memory);
    if (length < 0) return null;
    encoder.refresh();
    const from = RawCollection.documentAt;
    return encoder.bytes.sublist(from, from + length);
  });

  /// The entities with these ids, of one snapshot and in the order of the ids; null for an id without an entity.
  List<Entity<T>?> getMany(Iterable<EntityId> ids) {
    final frames = Frames(_raw.getMany(packIds(ids)));
    final found = <Entity<T>?>[];
    while (!frames.isDone) {
      found.add(frames.next(schema));
    }
    return found;
  }

  /// The versions the entity has had and that are kept, the oldest first.
  List<EntityVersion<T>> history(EntityId id) {
    final packed = id.toBytes();
    final versions = <EntityVersion<T>>[];
    for (;;) {
      final after = versions.isEmpty ? 0 : versions.last.entity.version;
      final bytes = _raw.history(packed, after);
      if (bytes.isEmpty) return versions;
      final frames = Frames(bytes);
      while (!frames.isDone) {
        final until = uint64At(frames.view, frames.at);
        frames.at += versionUntilBytes;
        final entity = frames.next(schema);
        if (entity == null) {
          throw exceptionFrom(EntidbCode.corrupt, 'a history has a version without an entity');
        }
        versions.add(EntityVersion(entity, until == 0 ? null : until));
      }
    }
  }

  /// Whether an entity has this id.
  bool exists(EntityId id) => _encoders.lend((encoder) {
    encoder.id(id);
    return _raw.exists(encoder.memory);
  });

  /// The exact number of entities, without reading them.
  int count() => _raw.count();

  /// Deletes an entity; true if it existed. With [version] only that one: throws a [VersionMismatchException] for another.
  bool delete(EntityId id, {int? version}) {
    final expected = version == null ? 0 : whole(version, 'a version', 1);
    return _encoders.lend((encoder) {
      encoder.id(id);
      return _raw.delete(encoder.memory, expected);
    });
  }

  /// Deletes the entities with these ids in one transaction; returns how many existed.
  int deleteMany(Iterable<EntityId> ids) => _raw.deleteMany(packIds(ids));

  /// The entities in the order of their ids: behind [after], from the highest down with [reverse], and at most [limit].
  Entities<T> scan({EntityId? after, bool reverse = false, int? limit}) =>
      _Scan(this, after, reverse, limit == null ? -1 : whole(limit, 'a limit'));

  /// A query for the entities that match a condition, or for all.
  Query<T> find([Condition? condition]) => Query._(this, _Parts(condition ?? Condition.everything));

  /// Creates an index on one or several fields, `-` before a descending one, and builds it. True if it was created, false if the same
  /// index exists already. The default of the name is the fields joined by commas.
  ///
  /// Throws an [IndexExistsException] when an index of this name has another definition; a [UniqueViolationException].
  bool createIndex(List<String> fields, {String? name, bool unique = false, bool multi = false}) => _raw.createIndex(
    encodeValue({
      'columns': fields,
      if (name != null) 'name': name,
      if (unique) 'unique': true,
      if (multi) 'multi': true,
    }),
  );

  /// Creates an index without fields, whose keys the program gives: see [manualIndex].
  bool createManualIndex(String name, {bool unique = false}) =>
      _raw.createIndex(encodeValue({'kind': 'manual', 'name': name, if (unique) 'unique': true}));

  /// Removes an index. Throws an [IndexNotFoundException].
  void dropIndex(String name) => _raw.dropIndex(name);

  /// The indexes.
  List<IndexDefinition> indexes() => [
    for (final one in decodeValue(_raw.indexes())! as List<Object?>)
      IndexDefinition.read(one! as Map<Object?, Object?>),
  ];

  /// The keys of an index of the kind `manual`.
  ///
  /// Throws an [IndexNotFoundException] when there is no index of this name.
  ManualIndex manualIndex(String name) {
    final index = ManualIndex(name, _raw);
    // Asked once, so that a wrong name is refused here and not at the first key.
    _raw.countKeys(name);
    return index;
  }

  /// The number, the name and the size of the collection and its indexes.
  CollectionStats stats() => CollectionStats.read(decodeValue(_raw.stats())! as Map<Object?, Object?>);

  R _asked<R>(Query<T> query, R Function(Encoder encoder) run) => _encoders.lend((encoder) {
    encoder.document(query._parts.encoded);
    return run(encoder);
  });

  Cursor<T> _cursorOf(Query<T> query) =>
      _asked(query, (encoder) => Cursor(_raw.find(encoder.memory, encoder.at), schema, isPaged: true));

  int _countOf(Query<T> query) => _asked(query, (encoder) => _raw.findCount(encoder.memory, encoder.at));

  int _deleteOf(Query<T> query) => _asked(query, (encoder) => _raw.findDelete(encoder.memory, encoder.at));

  int _updateOf(Query<T> query, Patch patch) => _owner.atomically(name, _raw, (raw) {
    final inside = Collection(name, schema, raw, _encoders, _owner);
    final ids = Query._(inside, query._parts).ids();
    for (final id in ids) {
      inside.update(id, patch);
    }
    return ids.length;
  });

  Explanation _explanationOf(Query<T> query) => _asked(
    query,
    (encoder) => Explanation.read(decodeValue(_raw.findExplain(encoder.memory, encoder.at))! as Map<Object?, Object?>),
  );
}

final class _Scan<T> extends Entities<T> {
  const _Scan(this._collection, this._after, this._reverse, this._limit);

  final Collection<T> _collection;
  final EntityId? _after;
  final bool _reverse;
  final int _limit;

  @override
  Cursor<T> cursor() =>
      Cursor(_limit == 0 ? null : _collection._raw.scan(_after?.toBytes(), _reverse, _limit), _collection.schema);
}
