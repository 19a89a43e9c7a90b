/// Collections and cursors of the native half on `dart:ffi`.
///
/// Always: ids and documents of single calls stand in memory of C already, so that nothing is copied to call.
/// Does not know: what the bytes of a document say.
library;

import 'dart:ffi';
import 'dart:typed_data';

import '../encode.dart';
import '../errors.g.dart';
import '../memory.dart';
import '../raw.dart';
import 'bindings.g.dart';
import 'half.dart';
import 'native.dart';

/// See [RawCollection].
final class FfiCollection extends LockingHandle<entidb_collection> implements RawCollection {
  /// Takes over a handle.
  FfiCollection(Native native, Pointer<Void> pointer) : super(native, pointer, Finalizers.of(native).collection, 256);

  Bindings get _f => native.functions;

  @override
  String get noun => 'collection';

  @override
  void Function(Pointer<entidb_collection>) get freeing => _f.entidb_collection_free;

  Pointer<Pointer<entidb_error>> get _error => native.errorOut;

  static Pointer<Uint8> _at(Memory memory) => (memory as NativeMemory).pointer;

  @override
  int versionRead = 0;

  @override
  void put(Memory memory, int end, bool hasId, int mode, int version) {
    final at = _at(memory);
    native.check(_f.entidb_collection_put(live, hasId ? at : nullptr, at + 16, end - 16, mode, version, at, _error));
  }

  @override
  void update(Memory memory, int end) {
    final at = _at(memory);
    native.check(_f.entidb_collection_update(live, at, at + 16, end - 16, _error));
  }

  @override
  int get(Memory memory) {
    final f = _f;
    final status = f.entidb_collection_get(live, _at(memory), native.pointerOut.cast(), _error);
    if (native.checkOr(status, EntidbOutcome.notFound)) return -1;
    final value = native.pointerOut.value.cast<entidb_value>();
    f.entidb_value_bytes(value, native.bytesOut);
    versionRead = f.entidb_value_version(value);
    final length = native.bytesLength;
    const at = RawCollection.documentAt;
    if (at + length > memory.bytes.length) memory.grow(at + length, 0);
    memory.bytes.setRange(at, at + length, native.bytesData.asTypedList(length));
    f.entidb_value_free(value);
    return length;
  }

  @override
  Uint8List? getAsOf(Uint8List id, int sequence) => using((arena) {
    final f = _f;
    final status = f.entidb_collection_get_as_of(live, arena.bytes(id), sequence, native.pointerOut.cast(), _error);
    if (native.checkOr(status, EntidbOutcome.notFound)) return null;
    final value = native.pointerOut.value.cast<entidb_value>();
    f.entidb_value_bytes(value, native.bytesOut);
    versionRead = f.entidb_value_version(value);
    final copy = native.bytesData.asTypedList(native.bytesLength).sublist(0);
    f.entidb_value_free(value);
    return copy;
  });

  @override
  Uint8List history(Uint8List id, int after) => using((arena) {
    native.check(_f.entidb_collection_history(live, arena.bytes(id), after, native.bufferOut, _error));
    return native.takeBuffer();
  });

  @override
  Uint8List getMany(Uint8List ids) => using((arena) {
    native.check(_f.entidb_collection_get_many(live, arena.bytes(ids), ids.length ~/ 16, native.bufferOut, _error));
    return native.takeBuffer();
  });

  @override
  bool exists(Memory memory) {
    native.check(_f.entidb_collection_exists(live, _at(memory), native.flagOut, _error));
    return native.flagOut.value != 0;
  }

  @override
  int count() => numberOf(_f.entidb_collection_count);

  @override
  bool delete(Memory memory, int version) {
    final at = _at(memory);
    final status =
        version > 0
            ? _f.entidb_collection_delete_version(live, at, version, _error)
            : _f.entidb_collection_delete(live, at, _error);
    return !native.checkOr(status, EntidbOutcome.notFound);
  }

  @override
  int deleteMany(Uint8List ids) => using((arena) {
    native.check(_f.entidb_collection_delete_many(live, arena.bytes(ids), ids.length ~/ 16, native.numberOut, _error));
    return native.numberOut.value;
  });

  @override
  Uint8List putMany(Memory memory, int end) {
    native.check(_f.entidb_collection_put_many(live, _at(memory), end, native.bufferOut, _error));
    return native.takeBuffer();
  }

  @override
  bool createIndex(Uint8List definition) => using((arena) {
    native.check(
      _f.entidb_collection_create_index(live, arena.bytes(definition), definition.length, native.flagOut, _error),
    );
    return native.flagOut.value != 0;
  });

  @override
  void dropIndex(String name) => withText(name, _f.entidb_collection_drop_index);

  @override
  Uint8List indexes() => bufferOf(_f.entidb_collection_indexes);

  @override
  Uint8List stats() => bufferOf(_f.entidb_collection_stats);

  /// Makes a call that gives an entity a key of a manual index, or takes one from it.
  bool _changeKey(
    String index,
    Uint8List key,
    Uint8List id,
    int Function(
      Pointer<entidb_collection>,
      Pointer<Uint8>,
      int,
      Pointer<Uint8>,
      int,
      Pointer<Uint8>,
      Pointer<Int32>,
      ErrorOut,
    )
    call,
  ) => using((arena) {
    final text = textBytes(index);
    native.check(
      call(live, arena.bytes(text), text.length, arena.bytes(key), key.length, arena.bytes(id), native.flagOut, _error),
    );
    return native.flagOut.value != 0;
  });

  @override
  bool insertKey(String index, Uint8List key, Uint8List id) =>
      _changeKey(index, key, id, _f.entidb_collection_insert_key);

  @override
  bool removeKey(String index, Uint8List key, Uint8List id) =>
      _changeKey(index, key, id, _f.entidb_collection_remove_key);

  /// Makes a call that takes a manual index and a key or a range of keys, and writes its result to [out].
  int _withIndex<O extends NativeType>(
    String index,
    Uint8List keys,
    int Function(Pointer<entidb_collection>, Pointer<Uint8>, int, Pointer<Uint8>, int, Pointer<O>, ErrorOut) call,
    Pointer<O> out,
  ) => using((arena) {
    final text = textBytes(index);
    return call(live, arena.bytes(text), text.length, arena.bytes(keys), keys.length, out, _error);
  });

  @override
  Uint8List lookupKey(String index, Uint8List key) {
    native.check(_withIndex(index, key, _f.entidb_collection_lookup_key, native.bufferOut));
    return native.takeBuffer();
  }

  RawCursor _cursor(int status) {
    native.check(status);
    return FfiCursor(native, native.pointerOut.value);
  }

  @override
  RawCursor scanKeys(String index, Uint8List range) => _cursor(
    _withIndex(index, range, _f.entidb_collection_scan_keys, native.pointerOut.cast<Pointer<entidb_cursor>>()),
  );

  @override
  int countKeys(String index) {
    withTextFor(index, _f.entidb_collection_count_keys, native.numberOut);
    return native.numberOut.value;
  }

  @override
  RawCursor scan(Uint8List? after, bool reverse, int limit) => using(
    (arena) => _cursor(
      _f.entidb_collection_scan(
        live,
        after == null ? nullptr : arena.bytes(after),
        reverse ? 1 : 0,
        limit < 0 ? noLimit : limit,
        native.pointerOut.cast(),
        _error,
      ),
    ),
  );

  @override
  RawCursor find(Memory memory, int end) =>
      _cursor(_f.entidb_collection_find(live, _at(memory), end, native.pointerOut.cast(), _error));

  @override
  int findCount(Memory memory, int end) {
    native.check(_f.entidb_collection_find_count(live, _at(memory), end, native.numberOut, _error));
    return native.numberOut.value;
  }

  @override
  int findDelete(Memory memory, int end) {
    native.check(_f.entidb_collection_find_delete(live, _at(memory), end, native.numberOut, _error));
    return native.numberOut.value;
  }

  @override
  Uint8List findExplain(Memory memory, int end) {
    native.check(_f.entidb_collection_find_explain(live, _at(memory), end, native.bufferOut, _error));
    return native.takeBuffer();
  }
}

/// See [RawCursor].
final class FfiCursor extends Handle<entidb_cursor> implements RawCursor {
  /// Takes over a handle.
  FfiCursor(Native native, Pointer<Void> pointer) : super(native, pointer, Finalizers.of(native).cursor, 16 * 1024);

  Bindings get _f => native.functions;

  @override
  String get noun => 'cursor';

  @override
  void Function(Pointer<entidb_cursor>) get freeing => _f.entidb_cursor_free;

  @override
  Uint8List? nextBatch(int countMax, int bytesMax) {
    final status = _f.entidb_cursor_next_batch(live, countMax, bytesMax, native.bufferOut, native.errorOut);
    return native.checkOr(status, EntidbOutcome.end) ? null : native.takeBuffer();
  }

  @override
  Uint8List? token(int position) {
    final status = _f.entidb_cursor_token(live, position, native.bufferOut, native.errorOut);
    return native.checkOr(status, EntidbOutcome.end) ? null : native.takeBuffer();
  }
}
