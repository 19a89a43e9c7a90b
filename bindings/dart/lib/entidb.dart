/// An embedded entity database: documents in collections, transactions, declared indexes, queries and a change feed, in one folder and in
/// your process.
///
/// ```dart
/// import 'package:entidb/entidb.dart';
///
/// void main() {
///   final db = EntiDb.open('notes.entidb');
///   final notes = db.collection('notes');
///   notes.createIndex(['tags'], multi: true);
///   final id = notes.put({'title': 'Hello', 'tags': ['first']});
///   for (final note in notes.find(f('tags').equals('first')).orderBy('title').limit(10)) {
///     print('${note.id} ${note['title']}');
///   }
///   db.transaction((tx) => tx.collection('notes').update(id, Patch().set('title', 'Hi')));
///   db.close();
/// }
/// ```
library;

export 'src/cancel.dart' show CancelToken;
export 'src/cbor.dart' show Cbor;
export 'src/changes.dart' show Change, ChangeBatch, ChangeFeed;
export 'src/collection.dart'
    show Collection, CollectionAsync, EntiDbAsync, Explanation, IndexDefinition, Page, Query, QueryAsync;
export 'src/condition.dart' show Condition, Field, f;
export 'src/cursor.dart' show Cursor, Entities;
export 'src/database.dart' show EntiDb;
export 'src/errors.g.dart' hide exceptionFrom;
export 'src/interface.g.dart'
    hide
        WriteMode,
        VerifyLevel,
        changeBatchEndsCommit,
        changeBatchHeadBytes,
        changeHasBefore,
        frameAbsentBytes,
        frameHeadBytes,
        putFrameHeadBytes,
        versionUntilBytes;
export 'src/key.dart' show DatabaseKey;
export 'src/manual.dart' show ManualIndex;
export 'src/patch.dart' show Patch;
export 'src/schema.dart' show Document, Entity, EntityFields, EntityVersion, Schema, Schemas;
export 'src/transaction.dart' show Savepoint, Snapshot, Transaction;
export 'src/values.dart' show Decimal, EntityId, Sixteen, Tagged, Timestamp, Uuid, Vector, VectorKind;
export 'src/worker.dart' show BackgroundException;
