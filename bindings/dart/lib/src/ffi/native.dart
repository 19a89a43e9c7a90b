/// Memory of C, the library, and the judging of what its functions return.
///
/// Always: what is allocated here is freed by a finalizer or by the scope it was allocated in; the version of the ABI and the layout of
/// its structs are checked before the first call.
/// Does not know: what a function is for.
library;

import 'dart:convert';
import 'dart:ffi';
import 'dart:typed_data';

import '../errors.g.dart';
import '../memory.dart';
import '../values.dart';
import 'bindings.g.dart';
import 'library.dart';

/// Bytes of a new buffer.
const _bufferBytes = 16 * 1024;

/// Allocation of the platform. Windows has it under other names.
final class Allocation {
  Allocation._(DynamicLibrary library, String malloc, String free)
    : malloc = library.lookupFunction<Pointer<Uint8> Function(Size), Pointer<Uint8> Function(int)>(
        malloc,
        isLeaf: true,
      ),
      freeAddress = library.lookup(free);

  /// The allocation of this platform.
  static final Allocation platform =
      Abi.current().toString().startsWith('windows')
          ? Allocation._(DynamicLibrary.open('ole32.dll'), 'CoTaskMemAlloc', 'CoTaskMemFree')
          : Allocation._(DynamicLibrary.process(), 'malloc', 'free');

  /// Allocates bytes.
  final Pointer<Uint8> Function(int) malloc;

  /// The function that frees.
  final Pointer<NativeFinalizerFunction> freeAddress;

  /// Frees bytes.
  late final void Function(Pointer<Void>) free = freeAddress.asFunction<void Function(Pointer<Void>)>(isLeaf: true);

  /// Allocates bytes or fails as every call does.
  Pointer<Uint8> allocate(int size) {
    final pointer = malloc(size == 0 ? 1 : size);
    if (pointer == nullptr) {
      throw exceptionFrom(EntidbCode.outOfMemory, 'there is no memory for $size bytes that cross to the library');
    }
    return pointer;
  }
}

/// Memory outside of Dart, freed by a finalizer when nobody refers to its bytes.
final class NativeMemory implements Memory {
  /// Memory of the first size.
  NativeMemory() {
    _take(_bufferBytes);
  }

  /// Where the bytes are.
  late Pointer<Uint8> pointer;

  @override
  late Uint8List bytes;

  void _take(int size) {
    final platform = Allocation.platform;
    pointer = platform.allocate(size);
    bytes = pointer.asTypedList(size, finalizer: platform.freeAddress);
  }

  @override
  Uint8List grow(int least, int kept) {
    final old = bytes;
    final doubled = old.length * 2;
    _take(doubled > least ? doubled : least);
    bytes.setRange(0, kept, old);
    return bytes;
  }

  @override
  void release() => _take(_bufferBytes);
}

/// Copies of arguments in memory of C, freed together.
final class Arena {
  final List<Pointer<Void>> _owned = [];

  /// A copy of bytes.
  Pointer<Uint8> bytes(Uint8List source) {
    final pointer = Allocation.platform.allocate(source.length);
    _owned.add(pointer.cast());
    pointer.asTypedList(source.length).setAll(0, source);
    return pointer;
  }

  /// Room that is all zeros.
  Pointer<Uint8> zeros(int size) => bytes(Uint8List(size));

  void _free() => _owned.forEach(Allocation.platform.free);
}

/// Runs a function with copies of arguments that are freed when it returns.
T using<T>(T Function(Arena arena) run) {
  final arena = Arena();
  try {
    return run(arena);
  } finally {
    arena._free();
  }
}

/// The library, and places for what its functions give. One for each isolate; nothing of Dart runs between a call and the reading of
/// its result.
final class Native implements Finalizable {
  Native._(this.source, this.functions) {
    final words = Allocation.platform.allocate(_placesBytes);
    _places.attach(this, words.cast(), externalSize: _placesBytes);
    words.asTypedList(_placesBytes).fillRange(0, _placesBytes, 0);
    pointerOut = words.cast();
    numberOut = (words + 8).cast();
    flagOut = (words + 16).cast();
    bufferOut = (words + 24).cast();
    bytesOut = (words + 48).cast();
    errorOut = (words + 64).cast();
    _caller = words.address;
    _check();
  }

  static const _placesBytes = 72;
  static final _places = NativeFinalizer(Allocation.platform.freeAddress);
  static final Map<Object?, Native> _loaded = {};

  /// The library of this isolate, loaded when it is asked for first.
  factory Native.of(Object? source) {
    final kept = _loaded[source];
    if (kept != null) return kept;
    final (found, functions) = loadLibrary(source);
    final native = _loaded[found] ??= Native._(found, functions);
    _loaded[source] = native;
    return native;
  }

  /// Where the library was found.
  final Object source;

  /// Its functions.
  final Bindings functions;

  /// Places for results.
  late final Pointer<Pointer<Void>> pointerOut;

  /// A place for a number.
  late final Pointer<Uint64> numberOut;

  /// A place for a flag.
  late final Pointer<Int32> flagOut;

  /// A place for a buffer.
  late final Pointer<entidb_buffer> bufferOut;

  /// A place for bytes of the library.
  late final Pointer<entidb_bytes> bytesOut;

  /// A place for an error.
  late final Pointer<Pointer<entidb_error>> errorOut;

  late final int _caller;

  /// Says that this isolate calls, before a call that may wait for the write lock: isolates move between threads, and must not be taken for each
  /// other. The number is an address that no other isolate has.
  void calls() => functions.entidb_caller_set(_caller);

  // Reading words is faster than making objects of structs; `_check` compares both.
  Pointer<Uint8> get _bufferData => bufferOut.cast<Pointer<Uint8>>().value;
  int get _bufferLength => bufferOut.cast<Size>()[1];

  /// The first byte of [bytesOut].
  Pointer<Uint8> get bytesData => bytesOut.cast<Pointer<Uint8>>().value;

  /// The length of [bytesOut].
  int get bytesLength => bytesOut.cast<Size>()[1];

  void _check() {
    final found = functions.entidb_abi_version();
    if (found ~/ 1000 != abiVersion ~/ 1000 || found < abiVersion) {
      throw exceptionFrom(
        EntidbCode.libraryMismatch,
        'this package needs version ${abiVersion ~/ 1000}.${abiVersion % 1000} of the C ABI, and the library $source has ${found ~/ 1000}.${found % 1000}; install both in the same version',
        {'path': '$source'},
      );
    }
    // A document of one byte shows whether the fields of a buffer are where this package looks for them.
    check(functions.entidb_encoder_new(pointerOut.cast(), errorOut));
    final encoder = pointerOut.value.cast<entidb_encoder>();
    functions.entidb_encoder_null(encoder);
    check(functions.entidb_encoder_finish(encoder, bufferOut, errorOut));
    final buffer = bufferOut.ref;
    final isAlike =
        buffer.len == 1 &&
        buffer.capacity >= 1 &&
        buffer.data == _bufferData &&
        _bufferLength == 1 &&
        buffer.data.value == 0xf6 &&
        sizeOf<entidb_buffer>() == 3 * sizeOf<Size>() &&
        sizeOf<entidb_key>() == 4 * sizeOf<Size>() &&
        sizeOf<entidb_bytes>() == 2 * sizeOf<Size>();
    if (!isAlike) {
      throw exceptionFrom(
        EntidbCode.libraryMismatch,
        'the structs of the library $source are laid out in another way than this package expects; install both in the same version',
        {'path': '$source'},
      );
    }
    functions
      ..entidb_buffer_free(bufferOut)
      ..entidb_encoder_free(encoder);
  }

  /// Throws what a call reports.
  void check(int status) {
    if (status != EntidbOutcome.ok) _throw(status);
  }

  /// As [check], for calls with one more outcome that is no error; true for that one.
  bool checkOr(int status, int outcome) {
    if (status == EntidbOutcome.ok) return false;
    if (status == outcome) return true;
    _throw(status);
  }

  /// Frees the error of a call whose status says all.
  void dropError() {
    final error = errorOut.value;
    errorOut.value = nullptr;
    functions.entidb_error_free(error);
  }

  Never _throw(int status) {
    final error = errorOut.value;
    if (error == nullptr) {
      throw exceptionFrom(status, 'the call failed with status $status, and the library gave no message');
    }
    errorOut.value = nullptr;
    final f = functions;
    final id = f.entidb_error_id(error);
    final offset = f.entidb_error_offset(error);
    final osCode = f.entidb_error_os_code(error);
    final context = <String, Object?>{
      if (_cText(f.entidb_error_path(error)) case final path?) 'path': path,
      if (_cText(f.entidb_error_collection(error)) case final name?) 'collection': name,
      if (_cText(f.entidb_error_index(error)) case final name?) 'index': name,
      if (id != nullptr) 'id': EntityId.read(id.asTypedList(16), 0),
      if (offset >= 0) 'offset': offset,
      if (osCode != 0) 'osCode': osCode,
    };
    final message = _cText(f.entidb_error_message(error)) ?? '';
    f.entidb_error_free(error);
    throw exceptionFrom(status, message, context);
  }

  String? _cText(Pointer<Uint8> text) {
    if (text == nullptr) return null;
    var length = 0;
    while (text[length] != 0) {
      length += 1;
    }
    return textAt(text, length);
  }

  /// A copy of the buffer that a call filled, which is freed.
  Uint8List takeBuffer() {
    final length = _bufferLength;
    final copy = length == 0 ? Uint8List(0) : _bufferData.asTypedList(length).sublist(0);
    functions.entidb_buffer_free(bufferOut);
    return copy;
  }
}

/// Text of the library.
String textAt(Pointer<Uint8> text, int length) => utf8.decode(text.asTypedList(length), allowMalformed: true);

/// Why a handle cannot be used.
EntidbException freed(String noun) =>
    exceptionFrom(EntidbCode.closed, 'this $noun is closed; take a new one from an open database');
