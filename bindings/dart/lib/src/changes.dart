/// The change feed.
///
/// Always: whole commits, in their order, one with many changes in several batches; a gap is an error, never skipped; a batch that
/// cannot be read is given again by the next call.
/// Does not know: who reads.
/// Format of a batch: crates/entidb_ffi/src/change_batch.rs.
library;

import 'dart:convert';
import 'dart:typed_data';

import 'argument.dart';
import 'collection.dart';
import 'decode.dart';
import 'errors.g.dart';
import 'frames.dart';
import 'interface.g.dart';
import 'raw.dart';
import 'schema.dart';
import 'values.dart';

/// One change of a commit.
final class Change {
  /// A change.
  const Change({
    required this.kind,
    required this.collection,
    this.id,
    this.after,
    this.before,
    this.name,
    this.key,
    this.index,
  });

  /// What happened.
  final ChangeKind kind;

  /// The collection, by its name at that commit.
  final String collection;

  /// The entity, for changes of entities and of their keys.
  final EntityId? id;

  /// The document after an insert or update, with keys of text and integers.
  final Map<Object, Object?>? after;

  /// The document before an update or delete, where the feed was asked for it.
  final Map<Object, Object?>? before;

  /// The new name of a collection, or the name of an index that was dropped or has the key.
  final String? name;

  /// The key of a manual index that the change added to the entity or removed from it. Deleting an entity removes its keys without a change
  /// for each.
  final Object? key;

  /// The index that was created.
  final IndexDefinition? index;

  /// The document after an insert or update, when its keys are text.
  Document? get document => after is Document ? after! as Document : null;

  @override
  String toString() => 'Change(${kind.word} $collection ${id ?? name ?? ''})';
}

/// Changes of one commit: all of them, or the next part of a large commit.
final class ChangeBatch {
  /// A batch.
  const ChangeBatch({
    required this.sequence,
    required this.time,
    required this.changes,
    required this.position,
    required this.endsCommit,
  });

  /// The sequence of the commit. Sequences grow, with gaps.
  final int sequence;

  /// When the commit was made, by the clock of the system, which may have been set back between two commits.
  final DateTime time;

  /// The changes.
  final List<Change> changes;

  /// The position after this batch.
  final String position;

  /// True for the last batch of a commit. Most commits have one batch.
  final bool endsCommit;

  @override
  String toString() => 'ChangeBatch($sequence, $changes)';
}

/// Reads the bytes of a batch.
ChangeBatch readBatch(Uint8List bytes) {
  EntidbException broken(int offset) => exceptionFrom(
    EntidbCode.corrupt,
    'a batch of changes that the library returned has damaged bytes',
    {'offset': offset},
  );
  final view = ByteData.sublistView(bytes);
  var at = 0;
  int take(int count) {
    final from = at;
    if (count > bytes.length - from) throw broken(from);
    at = from + count;
    return from;
  }

  take(changeBatchHeadBytes);
  final count = view.getUint32(16, Endian.little);
  final positionFrom = take(bytes[21]);
  final position = ascii.decode(Uint8List.sublistView(bytes, positionFrom, at));
  final changes = <Change>[];
  for (var n = 0; n < count; n++) {
    final start = at;
    take(2);
    final hasBefore = bytes[start] & changeHasBefore != 0;
    final number = bytes[start] & ~changeHasBefore;
    final kind = ChangeKind.values.firstWhere((kind) => kind.number == number, orElse: () => throw broken(start));
    final nameFrom = take(bytes[start + 1]);
    final collection = utf8.decode(Uint8List.sublistView(bytes, nameFrom, at));
    final id = take(16);
    final from = take(4) + 4;
    take(view.getUint32(from - 4, Endian.little));
    final to = at;
    final payload = Uint8List.sublistView(bytes, from, to);
    Map<Object, Object?>? before;
    if (hasBefore) {
      final length = take(4);
      final begin = take(view.getUint32(length, Endian.little));
      before = _documentOf(bytes, begin, at);
    }
    final isKey = kind == ChangeKind.keyInserted || kind == ChangeKind.keyRemoved;
    final isEntity = kind == ChangeKind.insert || kind == ChangeKind.update || kind == ChangeKind.delete;
    final hasDocument = kind == ChangeKind.insert || kind == ChangeKind.update;
    final hasName = kind == ChangeKind.collectionRenamed || kind == ChangeKind.indexDropped;
    final keyed = isKey ? _documentOf(bytes, from, to) : null;
    changes.add(
      Change(
        kind: kind,
        collection: collection,
        id: isEntity || isKey ? EntityId.read(bytes, id) : null,
        after: hasDocument ? _documentOf(bytes, from, to) : null,
        before: before,
        name: hasName ? utf8.decode(payload) : keyed?['index'] as String?,
        key: keyed?['key'],
        index: kind == ChangeKind.indexCreated ? IndexDefinition.read(_documentOf(bytes, from, to)) : null,
      ),
    );
  }
  if (at != bytes.length) throw broken(at);
  return ChangeBatch(
    sequence: uint64At(view, 0),
    time: DateTime.fromMicrosecondsSinceEpoch(uint64At(view, 8), isUtc: true),
    changes: changes,
    position: position,
    endsCommit: bytes[20] & changeBatchEndsCommit != 0,
  );
}

Map<Object, Object?> _documentOf(Uint8List bytes, int from, int to) =>
    decodeValue(bytes, from, to)! as Map<Object, Object?>;

/// A reader of the feed, for this isolate. A loop ends after the changes that exist; [next] can wait for more, and blocks the isolate
/// while it does: `changeStream` of a database waits elsewhere.
final class ChangeFeed extends Iterable<ChangeBatch> {
  /// A reader, which `changes` of a database gives.
  ChangeFeed(this._raw);

  final RawFeed _raw;

  /// The next changes; null when none comes within the time. After an error the feed keeps its position.
  ///
  /// Throws a [GapException] when retention removed changes before they were read.
  ChangeBatch? next([Duration wait = Duration.zero]) {
    final bytes = _raw.next(milliseconds(wait, 'the time to wait'));
    if (bytes == null) return null;
    try {
      return readBatch(bytes);
    } on Object {
      _raw.unread();
      rethrow;
    }
  }

  /// The changes that exist now.
  @override
  Iterator<ChangeBatch> get iterator => _walk().iterator;

  Iterable<ChangeBatch> _walk() sync* {
    for (var batch = next(); batch != null; batch = next()) {
      yield batch;
    }
  }

  /// Makes [next] return the last batch again.
  void unread() => _raw.unread();

  /// The position after the last batch. Pass it as `since` to continue later.
  String get position => _raw.position();

  /// Frees it now instead of by the garbage collector.
  void close() => _raw.free();
}
