/// Databases.
///
/// Always: a database is closed by `close`; one that is dropped while open is freed when it is collected, and the next opening recovers
/// it.
/// Does not know: files.
library;

import 'dart:async';
import 'dart:typed_data';

import 'argument.dart';
import 'cancel.dart';
import 'changes.dart';
import 'collection.dart';
import 'decode.dart';
import 'encode.dart';
import 'errors.g.dart';
import 'feed_stream.dart';
import 'interface.g.dart';
import 'key.dart';
import 'platform.dart';
import 'raw.dart';
import 'schema.dart';
import 'scope.dart';
import 'transaction.dart';
import 'values.dart';
import 'worker.dart';

Map<Object?, Object?> _map(Uint8List bytes) => decodeValue(bytes)! as Map<Object?, Object?>;

Uint8List _encoded(EntiDbOptions options) {
  final map = options.toMap();
  final password = map['password'];
  if (password is! String? && password is! Uint8List) {
    throw refused('a password is a String or a Uint8List, not a ${password.runtimeType}');
  }
  return encodeValue(map);
}

/// An open database.
///
/// ```dart
/// final db = EntiDb.open('notes.entidb');
/// final notes = db.collection('notes');
/// final id = notes.put({'title': 'Hello', 'tags': ['first']});
/// print(notes.get(id)!['title']);
/// db.close();
/// ```
final class EntiDb implements CollectionOwner {
  EntiDb._(this._half, this._raw, this.path) : _encoders = Encoders(_half);

  /// Opens the database in a folder, and creates it when there is none.
  ///
  /// [library] is the path of the library; see the README for where it is looked for otherwise. Throws a [DatabaseLockedException]
  /// when another process has the database; a [CorruptException], [WrongKeyException], [DatabaseNotFoundException].
  factory EntiDb.open(String path, {EntiDbOptions options = const EntiDbOptions(), String? library}) {
    final half = loadRaw(library);
    return EntiDb._(half, half.open(path, _encoded(options)), path);
  }

  /// Opens a database in memory. It behaves like one on disk, and is lost when it is closed.
  factory EntiDb.openMemory({EntiDbOptions options = const EntiDbOptions(), String? library}) {
    final half = loadRaw(library);
    return EntiDb._(half, half.openMemory(_encoded(options)), null);
  }

  /// Another handle of a database that is open in this process, by its [token]: for another isolate.
  ///
  /// Throws a [ClosedException] when no open database has the token.
  factory EntiDb.attach(int token, {String? library}) {
    final half = loadRaw(library);
    return EntiDb._(half, half.attach(token), null);
  }

  /// Restores a backup into memory, after checking it, and opens it. Throws a [CorruptException] when the check finds a problem.
  factory EntiDb.restoreMemory(String backup, {EntiDbOptions options = const EntiDbOptions(), String? library}) {
    final half = loadRaw(library);
    return EntiDb._(half, half.restoreMemory(backup, _encoded(options)), null);
  }

  /// The database of a worker.
  factory EntiDb.started(Raw half, WorkerStart start) {
    final WorkerStart(:token, :path, :options) = start;
    return token == null ? EntiDb._(half, half.open(path!, options!), path) : EntiDb._(half, half.attach(token), null);
  }

  /// Opens the database in a folder without blocking this isolate: recovery runs in the background.
  static Future<EntiDb> openAsync(String path, {EntiDbOptions options = const EntiDbOptions(), String? library}) async {
    final half = loadRaw(library);
    final encoded = _encoded(options);
    final worker = await Worker.start((reply) => WorkerStart.open(half.source, reply, path, encoded));
    return EntiDb._(half, half.attach(worker.token), path).._worker = Future.value(worker);
  }

  /// Checks every byte and every index of a backup, or of any database that is not open. Of the options it uses the key or password.
  static VerifyReport validateBackup(String path, {EntiDbOptions options = const EntiDbOptions(), String? library}) =>
      VerifyReport.read(_map(loadRaw(library).validateBackup(path, _encoded(options))));

  /// Restores a backup into a new or empty folder, after checking it. Of the options it uses the key or password.
  ///
  /// Throws a [CorruptException] when the check finds a problem; a [TargetNotEmptyException].
  static BackupReport restore(
    String backup,
    String path, {
    EntiDbOptions options = const EntiDbOptions(),
    String? library,
  }) => BackupReport.read(_map(loadRaw(library).restore(backup, path, _encoded(options))));

  /// The version of the library, such as `0.1.0`.
  static String libraryVersion({String? library}) => loadRaw(library).version;

  /// The newest file format that the library writes.
  static int formatVersion({String? library}) => loadRaw(library).formatVersion;

  /// Whether the library has a feature: `encryption`, `file`, `memory`, `change_feed`.
  static bool hasFeature(String name, {String? library}) => loadRaw(library).hasFeature(name);

  final Raw _half;
  final RawDatabase _raw;
  final Encoders _encoders;

  /// The folder; null for one in memory, and for a database that was attached.
  final String? path;
  Future<Worker>? _worker;
  Transaction? _begun;
  bool _isClosed = false;

  /// The number by which another isolate of this process attaches: `EntiDb.attach(token)`. It is not secret and owns nothing.
  int get token => _raw.token;

  /// The collection with this name. It is created with its first entity.
  Collection<Document> collection(String name) => typed(name, Schemas.documents);

  /// The collection with this name, with objects of a schema.
  Collection<T> typed<T>(String name, Schema<T> schema) =>
      Collection(name, schema, _raw.collection(name), _encoders, this);

  /// The names of the collections, sorted.
  List<String> collections() => (decodeValue(_raw.collections())! as List<Object?>).cast();

  /// Creates an empty collection. Throws a [CollectionExistsException].
  void createCollection(String name) => _raw.createCollection(name);

  /// Renames a collection. Throws a [CollectionNotFoundException] or a [CollectionExistsException].
  void renameCollection(String from, String to) => _raw.renameCollection(from, to);

  /// Drops a collection with its entities and indexes. Throws a [CollectionNotFoundException].
  void dropCollection(String name) => _raw.dropCollection(name);

  /// Runs a function in a transaction: commits when it returns, aborts when it throws. Returns the result of the function, which does
  /// not wait: a [Future] is refused, and nothing is committed.
  ///
  /// ```dart
  /// db.transaction((tx) {
  ///   final accounts = tx.collection('accounts');
  ///   accounts.update(from, Patch().increment('balance', -10));
  ///   accounts.update(to, Patch().increment('balance', 10));
  /// });
  /// ```
  ///
  /// [timeout] is how long it waits while another write transaction is open. Throws a [BusyException] then.
  R transaction<R>(R Function(Transaction tx) run, {Durability? durability, Duration? timeout}) {
    final transaction = _begin(timeout);
    try {
      final result = run(transaction);
      if (result is Future) {
        result.ignore();
        throw refused(
          'the function of a transaction returned a ${result.runtimeType}, and nothing was committed; a transaction is synchronous, so await before it, or use begin() and commit()',
        );
      }
      if (!transaction.isEndedByCall) transaction.commit(durability);
      return result;
    } finally {
      transaction.close();
    }
  }

  /// Begins a transaction that you commit or abort yourself. Other writes wait until it ends. Throws a [BusyException].
  Transaction begin({Duration? timeout}) => _begun = _begin(timeout);

  Transaction _begin(Duration? timeout) =>
      Transaction(_raw.beginWrite(timeout == null ? -1 : milliseconds(timeout, 'the time to wait')), _encoders);

  /// A snapshot of the database as it is now; with [at] as it was after that commit, given by its sequence, where queries scan all entities,
  /// because indexes hold the newest commit only. Close it.
  Snapshot snapshot({int? at}) =>
      Snapshot(at == null ? _raw.beginRead() : _raw.beginReadAt(whole(at, 'the sequence to read at')), _encoders);

  /// A reader of the changes after a position, or of all changes that are kept; with [before] each update and delete has the document before
  /// it, too. Positions come from a batch, a feed, [position] or the `position` of a snapshot.
  ///
  /// Throws a [GapException] when changes after the position were removed, or this database has another history.
  ChangeFeed changes({String? since, bool before = false}) {
    final feed = _raw.changes(since);
    if (before) feed.withBefore();
    return ChangeFeed(feed);
  }

  /// The changes after a position as a stream that does not end: changes that come later follow. It waits in an isolate of its own, pauses
  /// and resumes, and frees everything when it is cancelled. Without [since] it begins with the changes after this call.
  ///
  /// ```dart
  /// final subscription = db.changeStream().listen((batch) => print(batch.changes));
  /// ```
  Stream<ChangeBatch> changeStream({String? since, bool before = false}) =>
      streamChanges(_half, token, since: since ?? position, before: before);

  /// An id that no other call makes, in the order of time.
  EntityId newId() => EntityId.fromBytes(_raw.newId());

  /// Removes the changes up to and including a sequence from the feed.
  void trimChanges(int through) => _raw.trimChanges(whole(through, 'the sequence to trim to'));

  /// The position in the change feed after the newest commit.
  String get position => _raw.position();

  /// The sequence of the newest commit.
  int get lastSequence => _raw.lastSequence();

  /// Waits until a commit is on stable storage. Throws a [DeadlineExceededException].
  void waitDurable(int sequence, [Duration timeout = const Duration(minutes: 1)]) =>
      _raw.waitDurable(whole(sequence, 'a sequence'), milliseconds(timeout, 'the time to wait'));

  /// Writes the data in the log to segments, so that the next open has nothing to replay.
  CheckpointReport checkpoint() => CheckpointReport.read(_map(_raw.checkpoint()));

  /// Merges all segments, and frees the space of old versions and deleted data.
  CompactReport compact() => CompactReport.read(_map(_raw.compact()));

  /// Checks footers, counts and lists; with [full] every byte, and indexes against entities. Damage is in the report.
  VerifyReport verify({bool full = false}) =>
      VerifyReport.read(_map(_raw.verify(full ? VerifyLevel.full.number : VerifyLevel.quick.number)));

  /// Copies the database, as of one commit, to a new folder, which is a database of its own.
  BackupReport backup(String path) => BackupReport.read(_map(_raw.backup(path)));

  /// The slots of the keys and passwords that open the database, never the keys themselves. Throws a [NotEncryptedException].
  List<KeySlot> keys() => [
    for (final slot in decodeValue(_raw.keys())! as List<Object?>) KeySlot.read(slot! as Map<Object?, Object?>),
  ];

  /// Replaces a key or password. No data is rewritten. Throws a [WrongKeyException] when [from] does not open the database.
  void changeKey(DatabaseKey from, DatabaseKey to) => _raw.changeKey(from.raw, to.raw);

  /// Adds a key or password; [existing] is one that opens the database already. A database has at most eight.
  void addKey(DatabaseKey existing, DatabaseKey added) => _raw.addKey(existing.raw, added.raw);

  /// Removes a key or password. The last one cannot be removed.
  void removeKey(DatabaseKey key) => _raw.removeKey(key.raw);

  /// Encrypts every new file with a new data key. Keys and passwords that open the database stay valid.
  void rotateKey() => _raw.rotateKey();

  /// Rewrites the whole database with a new data key and erases the old ones. False if an open cursor or a backup still reads old files:
  /// then call it again later.
  bool rekey() => _raw.rekey();

  /// Counters since opening, and current sizes.
  Stats stats() => Stats.read(_map(_raw.stats()));

  /// The options in use. They say whether there is a key, never which.
  Config config() => Config.read(_map(_raw.config()));

  /// The report of opening: whether the last close was clean, and how much of the log was replayed.
  OpenReport openReport() => OpenReport.read(_map(_raw.openReport()));

  /// Whether it is closed, by this handle or by another.
  bool get isClosed => _isClosed || _raw.isClosed;

  /// Closes the database for all isolates, and frees what came from this handle. A second call does nothing. A transaction of [begin] that
  /// is still open is aborted; with [abort] false closing fails instead.
  ///
  /// Throws an [InUseException] inside the function of [transaction], which has to end first.
  void close({bool abort = true}) {
    if (_isClosed) return;
    if (abort) _begun?.close();
    try {
      _raw.close();
    } finally {
      if (_raw.isClosed) detach();
    }
  }

  /// Frees this handle, and leaves the database open for the isolates that have others. A database whose last handle is freed without
  /// [close] is recovered by the next opening.
  void detach() {
    if (_isClosed) return;
    _isClosed = true;
    _begun = null;
    unawaited(_worker?.then((worker) => worker.stop(), onError: (_) {}));
    _raw.free();
  }

  @override
  R atomically<R>(String name, RawCollection collection, R Function(RawCollection collection) run) {
    final transaction = _raw.beginWrite(-1);
    try {
      final result = run(transaction.collection(name));
      transaction.commit(0);
      return result;
    } finally {
      transaction.free();
    }
  }

  /// Runs a function on this database in another isolate, so that this one does not block. Functions run one after the other. What the
  /// function takes from its surroundings and what it returns is copied; handles such as this one are not sent: use the database that the
  /// function is given.
  ///
  /// ```dart
  /// final count = await db.background((db) => db.collection('notes').find(f('done').equals(true)).count());
  /// ```
  @override
  Future<R> background<R>(R Function(EntiDb db) run, {CancelToken? cancel}) async {
    if (isClosed) {
      throw exceptionFrom(EntidbCode.closed, 'the database is closed; open it again');
    }
    final token = this.token;
    final source = _half.source;
    final worker = await (_worker ??= Worker.start((reply) => WorkerStart.attach(source, reply, token)));
    return worker.run(run, cancel);
  }
}
