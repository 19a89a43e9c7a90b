/// The interface between this package and a native half: the functions it offers, and the memory both use.
///
/// Always: a call that fails throws an `EntidbException`; bytes that a call gives are a copy that belongs to the caller.
/// Does not know: how a native half is loaded, or that there are pointers.
library;

import 'dart:typed_data';

import 'memory.dart';

/// A native half.
abstract interface class Raw {
  /// What another isolate needs to load the same library.
  Object? get source;

  /// The version of the library.
  String get version;

  /// The newest file format the library writes.
  int get formatVersion;

  /// Whether the library was built with a feature.
  bool hasFeature(String name);

  /// Memory that the calls below take.
  Memory allocate();

  /// Opens the database in a folder.
  RawDatabase open(String path, Uint8List options);

  /// Opens a database in memory.
  RawDatabase openMemory(Uint8List options);

  /// Another handle of an open database.
  RawDatabase attach(int token);

  /// Checks a backup, and gives the report.
  Uint8List validateBackup(String backup, Uint8List options);

  /// Restores a backup to a folder, and gives the report.
  Uint8List restore(String backup, String path, Uint8List options);

  /// Restores a backup into memory.
  RawDatabase restoreMemory(String backup, Uint8List options);

  /// A token that ends calls, also by itself after a time; below 0 without a time.
  RawCancel cancel(int timeoutMs);

  /// The token of another isolate, which keeps it alive.
  RawCancel borrowCancel(int address);
}

/// A handle of a database.
abstract interface class RawDatabase {
  /// The number by which other isolates attach.
  int get token;

  /// Closes the database for all handles.
  void close();

  /// Whether it is closed, or this handle is freed.
  bool get isClosed;

  /// Frees the handle.
  void free();

  /// A handle of a collection.
  RawCollection collection(String name);

  /// The names of the collections.
  Uint8List collections();

  /// Creates an empty collection.
  void createCollection(String name);

  /// Renames a collection.
  void renameCollection(String from, String to);

  /// Drops a collection.
  void dropCollection(String name);

  /// Begins a read transaction.
  RawTransaction beginRead();

  /// Begins a read transaction as of an earlier commit.
  RawTransaction beginReadAt(int sequence);

  /// Begins a write transaction; a timeout below 0 is that of the options.
  RawTransaction beginWrite(int timeoutMs);

  /// A reader of the change feed.
  RawFeed changes(String? since);

  /// The position after the newest commit.
  String position();

  /// The 16 bytes of a new id.
  Uint8List newId();

  /// Removes changes up to a sequence.
  void trimChanges(int through);

  /// The sequence of the newest commit.
  int lastSequence();

  /// Waits until a commit is on stable storage.
  void waitDurable(int sequence, int timeoutMs);

  /// Writes the log to segments.
  Uint8List checkpoint();

  /// Merges all segments.
  Uint8List compact();

  /// Checks the database.
  Uint8List verify(int level);

  /// Copies the database to a folder.
  Uint8List backup(String path);

  /// Counters and sizes.
  Uint8List stats();

  /// The options in force.
  Uint8List config();

  /// The report of opening.
  Uint8List openReport();

  /// The key slots.
  Uint8List keys();

  /// Replaces a key.
  void changeKey(RawKey from, RawKey to);

  /// Adds a key.
  void addKey(RawKey existing, RawKey added);

  /// Removes a key.
  void removeKey(RawKey key);

  /// Encrypts new files with a new data key.
  void rotateKey();

  /// Rewrites everything with a new data key.
  bool rekey();
}

/// A key or a password.
typedef RawKey = ({Uint8List bytes, bool isPassword});

/// A handle of a transaction.
abstract interface class RawTransaction {
  /// A handle of a collection as the transaction sees it.
  RawCollection collection(String name);

  /// The names of the collections.
  Uint8List collections();

  /// Creates an empty collection.
  void createCollection(String name);

  /// Renames a collection.
  void renameCollection(String from, String to);

  /// Drops a collection.
  void dropCollection(String name);

  /// Sets a savepoint.
  int savepoint();

  /// Undoes the changes since a savepoint.
  void rollbackTo(int savepoint);

  /// The sequence of the commit it sees or will have.
  int sequence();

  /// The position after the commit it sees.
  String position();

  /// Commits; the number is that of a durability.
  int commit(int durability);

  /// Aborts.
  void abort();

  /// Whether it is open.
  bool get isOpen;

  /// Frees the handle, which aborts what is open.
  void free();
}

/// A handle of a collection.
abstract interface class RawCollection {
  /// Stores a document. Memory: 16 bytes of id, then the document up to [end]. Without [hasId] the id is written there.
  void put(Memory memory, int end, bool hasId, int mode, int version);

  /// Applies a patch. Memory: 16 bytes of id, then the patch up to [end].
  void update(Memory memory, int end);

  /// Reads an entity. Memory: 16 bytes of id; then the document stands from [documentAt] on. Gives its length, -1 without one.
  int get(Memory memory);

  /// Where `get` writes the document.
  static const documentAt = 16;

  /// The version of the entity that `get` read last.
  int get versionRead;

  /// The entity as of a commit, in a frame; null without one.
  Uint8List? getAsOf(Uint8List id, int sequence);

  /// Versions of an entity after one.
  Uint8List history(Uint8List id, int after);

  /// Frames of the entities with these ids.
  Uint8List getMany(Uint8List ids);

  /// Whether the entity whose id is in memory exists.
  bool exists(Memory memory);

  /// The number of entities.
  int count();

  /// Deletes the entity whose id is in memory; with a version above 0 only that one.
  bool delete(Memory memory, int version);

  /// Deletes entities by their ids.
  int deleteMany(Uint8List ids);

  /// Stores many documents, framed in memory up to [end], and gives their ids.
  Uint8List putMany(Memory memory, int end);

  /// Creates an index.
  bool createIndex(Uint8List definition);

  /// Drops an index.
  void dropIndex(String name);

  /// The definitions of the indexes.
  Uint8List indexes();

  /// The statistics of the collection.
  Uint8List stats();

  /// Adds a key of a manual index.
  bool insertKey(String index, Uint8List key, Uint8List id);

  /// Removes a key of a manual index.
  bool removeKey(String index, Uint8List key, Uint8List id);

  /// The ids with a key of a manual index.
  Uint8List lookupKey(String index, Uint8List key);

  /// A cursor over the keys of a manual index.
  RawCursor scanKeys(String index, Uint8List range);

  /// The number of keys of a manual index.
  int countKeys(String index);

  /// A cursor in the order of ids; a limit below 0 is none.
  RawCursor scan(Uint8List? after, bool reverse, int limit);

  /// A cursor over the results of a query, which stands in memory up to [end].
  RawCursor find(Memory memory, int end);

  /// The number of results of a query.
  int findCount(Memory memory, int end);

  /// Deletes the results of a query.
  int findDelete(Memory memory, int end);

  /// The plan of a query.
  Uint8List findExplain(Memory memory, int end);
}

/// A handle of a cursor.
abstract interface class RawCursor {
  /// The next frames; null after the last.
  Uint8List? nextBatch(int countMax, int bytesMax);

  /// The token behind a result of the last batch; null when none follows.
  Uint8List? token(int position);

  /// Frees the handle.
  void free();
}

/// A handle of a reader of the change feed.
abstract interface class RawFeed {
  /// The next batch; null when none comes within the time.
  Uint8List? next(int timeoutMs);

  /// Gives documents before changes from now on.
  void withBefore();

  /// Makes `next` give the last batch again.
  void unread();

  /// The position after the last batch.
  String position();

  /// Frees the handle.
  void free();
}

/// A token that ends calls.
abstract interface class RawCancel {
  /// What `borrowCancel` of another isolate takes.
  int get address;

  /// Ends the calls of threads that have entered it.
  void cancel();

  /// Throws when it is cancelled or past its time.
  void check();

  /// Makes it apply to calls of this thread.
  void enter();

  /// Reverts the last `enter`.
  void leave();

  /// Frees the token.
  void free();
}
