/// The native half on `dart:ffi`.
///
/// Always: a handle is freed once, by `free` or by a finalizer when nothing refers to it; one that is freed refuses calls.
/// Does not know: documents, queries, options: they cross as bytes.
library;

import 'dart:ffi';
import 'dart:typed_data';

import '../encode.dart';
import '../errors.g.dart';
import '../memory.dart';
import '../raw.dart';
import 'bindings.g.dart';
import 'collection.dart';
import 'native.dart';

/// The native half whose library is at [source]; null looks for it.
Raw loadRaw(Object? source) => FfiRaw(Native.of(source));

/// A wait in slices. Between two calls of the library the isolate can be killed, and the process can end, which waits for threads that are
/// in the library.
final class Deadline {
  /// A wait of a number of milliseconds; a number below 0 waits without an end.
  Deadline(this._totalMs);

  static const _sliceMs = 250;
  final int _totalMs;
  final Stopwatch _watch = Stopwatch()..start();
  var _isLast = false;

  /// Milliseconds to wait in the next call.
  int slice() {
    if (_totalMs < 0) return _sliceMs;
    final left = _totalMs - _watch.elapsedMilliseconds;
    _isLast = left <= _sliceMs;
    return _isLast ? (left < 0 ? 0 : left) : _sliceMs;
  }

  /// Whether the last slice ended the wait.
  bool get isOver => _isLast;
}

/// Where a call writes its error.
typedef ErrorOut = Pointer<Pointer<entidb_error>>;

/// A function that takes a handle [T] and writes its result to an [O].
typedef CallFor<T extends NativeType, O extends NativeType> = int Function(Pointer<T>, Pointer<O>, ErrorOut);

/// What every handle has in common.
abstract base class Handle<T extends NativeType> implements Finalizable {
  /// Takes over a handle that a call gave.
  Handle(this.native, Pointer<Void> pointer, this._finalizer, int size) : _pointer = pointer.cast() {
    _finalizer.attach(this, pointer, detach: this, externalSize: size);
  }

  /// The library.
  final Native native;
  Pointer<T> _pointer;
  final NativeFinalizer _finalizer;

  /// What this is, for a message.
  String get noun;

  /// The function that frees it.
  void Function(Pointer<T>) get freeing;

  /// Whether it was freed.
  bool get isFreed => _pointer == nullptr;

  /// The pointer to call with.
  Pointer<T> get live {
    if (_pointer == nullptr) throw freed(noun);
    return _pointer;
  }

  /// Frees it. A second call does nothing.
  void free() {
    final pointer = _pointer;
    if (pointer == nullptr) return;
    _pointer = nullptr;
    _finalizer.detach(this);
    freeing(pointer);
  }

  /// Makes a call that returns a number.
  int numberOf(CallFor<T, Uint64> call) {
    native.check(call(live, native.numberOut, native.errorOut));
    return native.numberOut.value;
  }

  /// Makes a call that returns a flag.
  bool flagOf(CallFor<T, Int32> call) {
    native.check(call(live, native.flagOut, native.errorOut));
    return native.flagOut.value != 0;
  }

  /// Makes a call that returns bytes.
  Uint8List bufferOf(CallFor<T, entidb_buffer> call) {
    native.check(call(live, native.bufferOut, native.errorOut));
    return native.takeBuffer();
  }

  /// Makes a call that returns text in ASCII.
  String textOf(CallFor<T, entidb_buffer> call) => String.fromCharCodes(bufferOf(call));

  /// Makes a call that takes a text.
  void withText(String text, int Function(Pointer<T>, Pointer<Uint8>, int, ErrorOut) call) => using((arena) {
    final bytes = textBytes(text);
    native.check(call(live, arena.bytes(bytes), bytes.length, native.errorOut));
  });

  /// Makes a call that takes a text and writes its result to [out].
  void withTextFor<O extends NativeType>(
    String text,
    int Function(Pointer<T>, Pointer<Uint8>, int, Pointer<O>, ErrorOut) call,
    Pointer<O> out,
  ) => using((arena) {
    final bytes = textBytes(text);
    native.check(call(live, arena.bytes(bytes), bytes.length, out, native.errorOut));
  });

  /// Makes a call that takes two texts.
  void withTexts(
    String one,
    String two,
    int Function(Pointer<T>, Pointer<Uint8>, int, Pointer<Uint8>, int, ErrorOut) call,
  ) => using((arena) {
    final (first, second) = (textBytes(one), textBytes(two));
    native.check(call(live, arena.bytes(first), first.length, arena.bytes(second), second.length, native.errorOut));
  });
}

/// A handle whose calls may wait for the write lock.
abstract base class LockingHandle<T extends NativeType> extends Handle<T> {
  /// Takes over a handle that a call gave.
  LockingHandle(super.native, super.pointer, super.finalizer, super.size);

  @override
  Pointer<T> get live {
    native.calls();
    return super.live;
  }
}

/// Finalizers of one library, by the kind of handle.
final class Finalizers {
  Finalizers._(Bindings f)
    : database = NativeFinalizer(f.entidb_database_free_address),
      transaction = NativeFinalizer(f.entidb_transaction_free_address),
      collection = NativeFinalizer(f.entidb_collection_free_address),
      cursor = NativeFinalizer(f.entidb_cursor_free_address),
      feed = NativeFinalizer(f.entidb_change_feed_free_address),
      cancel = NativeFinalizer(f.entidb_cancel_free_address);

  static final Expando<Finalizers> _kept = Expando();

  /// The finalizers of a library.
  static Finalizers of(Native native) => _kept[native] ??= Finalizers._(native.functions);

  /// Of databases.
  final NativeFinalizer database;

  /// Of transactions.
  final NativeFinalizer transaction;

  /// Of collections.
  final NativeFinalizer collection;

  /// Of cursors.
  final NativeFinalizer cursor;

  /// Of readers of the change feed.
  final NativeFinalizer feed;

  /// Of tokens.
  final NativeFinalizer cancel;
}

/// See [Raw].
final class FfiRaw implements Raw {
  /// The native half of a library.
  FfiRaw(this.native);

  /// The library.
  final Native native;

  Bindings get _f => native.functions;

  @override
  Object get source => native.source;

  @override
  String get version => using((arena) {
    final length = arena.zeros(sizeOf<Size>()).cast<Size>();
    final text = _f.entidb_version(length);
    return textAt(text, length.value);
  });

  @override
  int get formatVersion => _f.entidb_format_version();

  @override
  bool hasFeature(String name) => using((arena) {
    final text = textBytes(name);
    return _f.entidb_has_feature(arena.bytes(text), text.length) != 0;
  });

  @override
  Memory allocate() => NativeMemory();

  RawDatabase _database(int status) {
    native.check(status);
    return FfiDatabase(native, native.pointerOut.value);
  }

  /// Makes a call that takes a path and options and writes its result to [out].
  int _withPath<O extends NativeType>(
    String path,
    Uint8List options,
    int Function(Pointer<Uint8>, int, Pointer<Uint8>, int, Pointer<O>, ErrorOut) call,
    Pointer<O> out,
  ) => using((arena) {
    final text = textBytes(path);
    return call(arena.bytes(text), text.length, arena.bytes(options), options.length, out, native.errorOut);
  });

  @override
  RawDatabase open(String path, Uint8List options) =>
      _database(_withPath(path, options, _f.entidb_database_open, native.pointerOut.cast<Pointer<entidb_database>>()));

  @override
  RawDatabase openMemory(Uint8List options) => using(
    (arena) => _database(
      _f.entidb_database_open_memory(arena.bytes(options), options.length, native.pointerOut.cast(), native.errorOut),
    ),
  );

  @override
  RawDatabase attach(int token) =>
      _database(_f.entidb_database_attach(token, native.pointerOut.cast(), native.errorOut));

  @override
  Uint8List validateBackup(String backup, Uint8List options) {
    native.check(_withPath(backup, options, _f.entidb_backup_validate, native.bufferOut));
    return native.takeBuffer();
  }

  @override
  Uint8List restore(String backup, String path, Uint8List options) => using((arena) {
    final (from, to) = (textBytes(backup), textBytes(path));
    native.check(
      _f.entidb_backup_restore(
        arena.bytes(from),
        from.length,
        arena.bytes(to),
        to.length,
        arena.bytes(options),
        options.length,
        native.bufferOut,
        native.errorOut,
      ),
    );
    return native.takeBuffer();
  });

  @override
  RawDatabase restoreMemory(String backup, Uint8List options) => _database(
    _withPath(backup, options, _f.entidb_backup_open_memory, native.pointerOut.cast<Pointer<entidb_database>>()),
  );

  @override
  RawCancel cancel(int timeoutMs) {
    native.check(_f.entidb_cancel_new(timeoutMs < 0 ? noLimit : timeoutMs, native.pointerOut.cast(), native.errorOut));
    return FfiCancel(native, native.pointerOut.value);
  }

  @override
  RawCancel borrowCancel(int address) => BorrowedCancel(native, Pointer.fromAddress(address));
}

/// See [RawDatabase].
final class FfiDatabase extends LockingHandle<entidb_database> implements RawDatabase {
  /// Takes over a handle.
  FfiDatabase(Native native, Pointer<Void> pointer) : super(native, pointer, Finalizers.of(native).database, 64 * 1024);

  Bindings get _f => native.functions;

  @override
  String get noun => 'database';

  @override
  void Function(Pointer<entidb_database>) get freeing => _f.entidb_database_free;

  Pointer<Pointer<entidb_error>> get _error => native.errorOut;

  @override
  int get token => numberOf(_f.entidb_database_token);

  @override
  void close() => native.check(_f.entidb_database_close(live, _error));

  @override
  bool get isClosed => isFreed || flagOf(_f.entidb_database_is_closed);

  @override
  RawCollection collection(String name) {
    withTextFor(name, _f.entidb_database_collection, native.pointerOut.cast<Pointer<entidb_collection>>());
    return FfiCollection(native, native.pointerOut.value);
  }

  @override
  Uint8List collections() => bufferOf(_f.entidb_database_collections);

  @override
  void createCollection(String name) => withText(name, _f.entidb_database_create_collection);

  @override
  void renameCollection(String from, String to) => withTexts(from, to, _f.entidb_database_rename_collection);

  @override
  void dropCollection(String name) => withText(name, _f.entidb_database_drop_collection);

  RawTransaction _transaction(int status) {
    native.check(status);
    return FfiTransaction(native, native.pointerOut.value);
  }

  @override
  RawTransaction beginRead() => _transaction(_f.entidb_database_begin_read(live, native.pointerOut.cast(), _error));

  @override
  RawTransaction beginReadAt(int sequence) =>
      _transaction(_f.entidb_database_begin_read_at(live, sequence, native.pointerOut.cast(), _error));

  @override
  RawTransaction beginWrite(int timeoutMs) => _transaction(
    _f.entidb_database_begin_write(live, timeoutMs < 0 ? defaultLimit : timeoutMs, native.pointerOut.cast(), _error),
  );

  @override
  RawFeed changes(String? since) {
    withTextFor(since ?? '', _f.entidb_database_changes, native.pointerOut.cast<Pointer<entidb_change_feed>>());
    return FfiFeed(native, native.pointerOut.value);
  }

  @override
  String position() => textOf(_f.entidb_database_position);

  @override
  Uint8List newId() => using((arena) {
    final id = arena.zeros(16);
    native.check(_f.entidb_database_new_id(live, id, _error));
    return id.asTypedList(16).sublist(0);
  });

  @override
  void trimChanges(int through) => native.check(_f.entidb_database_trim_changes(live, through, _error));

  @override
  int lastSequence() => numberOf(_f.entidb_database_last_sequence);

  @override
  void waitDurable(int sequence, int timeoutMs) {
    final deadline = Deadline(timeoutMs);
    for (;;) {
      final slice = deadline.slice();
      final status = _f.entidb_database_wait_durable(live, sequence, slice, _error);
      if (status != EntidbCode.timeout || deadline.isOver) return native.check(status);
      native.dropError();
    }
  }

  @override
  Uint8List checkpoint() => bufferOf(_f.entidb_database_checkpoint);

  @override
  Uint8List compact() => bufferOf(_f.entidb_database_compact);

  @override
  Uint8List verify(int level) {
    native.check(_f.entidb_database_verify(live, level, native.bufferOut, _error));
    return native.takeBuffer();
  }

  @override
  Uint8List backup(String path) {
    withTextFor(path, _f.entidb_database_backup, native.bufferOut);
    return native.takeBuffer();
  }

  @override
  Uint8List stats() => bufferOf(_f.entidb_database_stats);

  @override
  Uint8List config() => bufferOf(_f.entidb_database_config);

  @override
  Uint8List openReport() => bufferOf(_f.entidb_database_open_report);

  @override
  Uint8List keys() => bufferOf(_f.entidb_database_keys);

  static Pointer<entidb_key> _key(Arena arena, RawKey key) {
    final made = arena.zeros(sizeOf<entidb_key>()).cast<entidb_key>();
    final bytes = arena.bytes(key.bytes);
    if (key.isPassword) {
      made.ref
        ..password = bytes
        ..password_len = key.bytes.length;
    } else {
      made.ref
        ..key = bytes
        ..key_len = key.bytes.length;
    }
    return made;
  }

  @override
  void changeKey(RawKey from, RawKey to) =>
      using((arena) => native.check(_f.entidb_database_change_key(live, _key(arena, from), _key(arena, to), _error)));

  @override
  void addKey(RawKey existing, RawKey added) => using(
    (arena) => native.check(_f.entidb_database_add_key(live, _key(arena, existing), _key(arena, added), _error)),
  );

  @override
  void removeKey(RawKey key) =>
      using((arena) => native.check(_f.entidb_database_remove_key(live, _key(arena, key), _error)));

  @override
  void rotateKey() => native.check(_f.entidb_database_rotate_key(live, _error));

  @override
  bool rekey() => flagOf(_f.entidb_database_rekey);
}

/// See [RawTransaction].
final class FfiTransaction extends LockingHandle<entidb_transaction> implements RawTransaction {
  /// Takes over a handle.
  FfiTransaction(Native native, Pointer<Void> pointer)
    : super(native, pointer, Finalizers.of(native).transaction, 4096);

  Bindings get _f => native.functions;

  @override
  String get noun => 'transaction';

  @override
  void Function(Pointer<entidb_transaction>) get freeing => _f.entidb_transaction_free;

  Pointer<Pointer<entidb_error>> get _error => native.errorOut;

  @override
  RawCollection collection(String name) {
    withTextFor(name, _f.entidb_transaction_collection, native.pointerOut.cast<Pointer<entidb_collection>>());
    return FfiCollection(native, native.pointerOut.value);
  }

  @override
  Uint8List collections() => bufferOf(_f.entidb_transaction_collections);

  @override
  void createCollection(String name) => withText(name, _f.entidb_transaction_create_collection);

  @override
  void renameCollection(String from, String to) => withTexts(from, to, _f.entidb_transaction_rename_collection);

  @override
  void dropCollection(String name) => withText(name, _f.entidb_transaction_drop_collection);

  @override
  int savepoint() => numberOf(_f.entidb_transaction_savepoint);

  @override
  void rollbackTo(int savepoint) => native.check(_f.entidb_transaction_rollback_to(live, savepoint, _error));

  @override
  int sequence() => numberOf(_f.entidb_transaction_sequence);

  @override
  String position() => textOf(_f.entidb_transaction_position);

  @override
  int commit(int durability) {
    native.check(_f.entidb_transaction_commit(live, durability, native.numberOut, _error));
    return native.numberOut.value;
  }

  @override
  void abort() => native.check(_f.entidb_transaction_abort(live, _error));

  @override
  bool get isOpen => !isFreed && flagOf(_f.entidb_transaction_is_open);
}

/// See [RawFeed].
final class FfiFeed extends Handle<entidb_change_feed> implements RawFeed {
  /// Takes over a handle.
  FfiFeed(Native native, Pointer<Void> pointer) : super(native, pointer, Finalizers.of(native).feed, 4096);

  Bindings get _f => native.functions;

  @override
  String get noun => 'change feed';

  @override
  void Function(Pointer<entidb_change_feed>) get freeing => _f.entidb_change_feed_free;

  @override
  Uint8List? next(int timeoutMs) {
    final deadline = Deadline(timeoutMs);
    for (;;) {
      final status = _f.entidb_change_feed_next(live, deadline.slice(), native.bufferOut, native.errorOut);
      if (!native.checkOr(status, EntidbOutcome.timeout)) return native.takeBuffer();
      if (deadline.isOver) return null;
    }
  }

  @override
  void withBefore() => native.check(_f.entidb_change_feed_with_before(live, native.errorOut));

  @override
  void unread() => native.check(_f.entidb_change_feed_unread(live, native.errorOut));

  @override
  String position() => textOf(_f.entidb_change_feed_position);
}

/// The calls of a token, whichever isolate owns it. `Finalizable` keeps an own token alive until a call returns.
mixin _CancelCalls implements RawCancel, Finalizable {
  /// The library.
  Native get native;

  /// The pointer to call with.
  Pointer<entidb_cancel> get live;

  @override
  int get address => live.address;

  @override
  void cancel() => native.functions.entidb_cancel_cancel(live);

  @override
  void check() => native.check(native.functions.entidb_cancel_check(live, native.errorOut));

  @override
  void enter() => native.check(native.functions.entidb_cancel_enter(live, native.errorOut));

  @override
  void leave() => native.check(native.functions.entidb_cancel_leave(live, native.errorOut));
}

/// See [RawCancel].
final class FfiCancel extends Handle<entidb_cancel> with _CancelCalls {
  /// Takes over a handle.
  FfiCancel(Native native, Pointer<Void> pointer) : super(native, pointer, Finalizers.of(native).cancel, 256);

  @override
  String get noun => 'token';

  @override
  void Function(Pointer<entidb_cancel>) get freeing => native.functions.entidb_cancel_free;
}

/// A token that another isolate owns and keeps alive.
final class BorrowedCancel with _CancelCalls {
  /// The token at an address.
  BorrowedCancel(this.native, this.live);

  @override
  final Native native;

  @override
  final Pointer<entidb_cancel> live;

  @override
  void free() {}
}
