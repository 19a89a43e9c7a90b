/// Transactions and snapshots.
///
/// Always: nothing of a transaction is seen before its commit; one that is dropped unfinished aborts when it is collected.
/// Does not know: what is changed.
library;

import 'cancel.dart';
import 'collection.dart';
import 'database.dart';
import 'decode.dart';
import 'errors.g.dart';
import 'interface.g.dart';
import 'raw.dart';
import 'schema.dart';
import 'scope.dart';

/// A savepoint of a transaction.
extension type const Savepoint._(int number) {}

/// A snapshot: the state of the database after one commit. Close it.
class Snapshot implements CollectionOwner {
  /// A snapshot, which `snapshot` of a database gives.
  Snapshot(this._raw, this._encoders);

  final RawTransaction _raw;
  final Encoders _encoders;

  /// A collection as the snapshot or transaction sees it.
  Collection<Document> collection(String name) => typed(name, Schemas.documents);

  /// A collection with objects of a schema.
  Collection<T> typed<T>(String name, Schema<T> schema) =>
      Collection(name, schema, _raw.collection(name), _encoders, this);

  /// The names of the collections, sorted.
  List<String> collections() => (decodeValue(_raw.collections())! as List<Object?>).cast();

  /// The sequence of the commit that a snapshot sees, or that a transaction will have.
  int get sequence => _raw.sequence();

  /// The position in the change feed after the commit that a snapshot sees. A program that copies its data and reads the changes
  /// from there misses none and gets none twice.
  String get position => _raw.position();

  /// Whether it can still be used.
  bool get isOpen => _raw.isOpen;

  /// Ends it. A second call does nothing. Cursors of a snapshot stay valid.
  void close() => _raw.free();

  @override
  R atomically<R>(String name, RawCollection collection, R Function(RawCollection collection) run) => run(collection);

  @override
  Future<R> background<R>(R Function(EntiDb db) run, {CancelToken? cancel}) =>
      throw exceptionFrom(
        EntidbCode.unsupported,
        'a snapshot or transaction belongs to its isolate; run all of it in another one with transactionAsync or background of the database',
      );
}

/// Changes that become visible together, or not at all.
final class Transaction extends Snapshot {
  /// A transaction, which `transaction` and `begin` of a database give.
  Transaction(super._raw, super._encoders);

  bool _isEnded = false;

  /// Whether the program committed or aborted it.
  bool get isEndedByCall => _isEnded;

  /// Commits, with the durability of the options or this one. Returns the sequence of the commit.
  ///
  /// After an error the transaction has ended and nothing of it is visible, unless the error is a [CommitUnknownException].
  int commit([Durability? durability]) {
    final sequence = _raw.commit(durability?.number ?? 0);
    _isEnded = true;
    return sequence;
  }

  /// Aborts: the changes are lost.
  void abort() {
    _raw.abort();
    _isEnded = true;
  }

  @override
  void close() {
    _isEnded = true;
    super.close();
  }

  /// Sets a savepoint for [rollbackTo]. While it exists, each changed key counts twice against `transactionBytesMax`.
  Savepoint savepoint() => Savepoint._(_raw.savepoint());

  /// Undoes all changes since a savepoint, which stays valid.
  void rollbackTo(Savepoint savepoint) => _raw.rollbackTo(savepoint.number);

  /// Creates an empty collection. Throws a [CollectionExistsException].
  void createCollection(String name) => _raw.createCollection(name);

  /// Renames a collection. Throws a [CollectionNotFoundException] or a [CollectionExistsException].
  void renameCollection(String from, String to) => _raw.renameCollection(from, to);

  /// Drops a collection with its entities and indexes. Throws a [CollectionNotFoundException].
  void dropCollection(String name) => _raw.dropCollection(name);

  @override
  R atomically<R>(String name, RawCollection collection, R Function(RawCollection collection) run) {
    final before = _raw.savepoint();
    try {
      return run(collection);
    } on Object {
      _raw.rollbackTo(before);
      rethrow;
    }
  }
}
