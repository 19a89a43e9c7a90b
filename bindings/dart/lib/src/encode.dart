/// From Dart values to canonical CBOR.
///
/// Always: equal values have equal bytes; a value that cannot be stored without loss is refused with the path to it.
/// Does not know: limits on size; the library judges what it stores.
/// Format: docs/spec/encoding.md.
library;

import 'dart:typed_data';

import 'errors.g.dart';
import 'memory.dart';
import 'values.dart';

/// How deep arrays, maps and tags may be nested.
const depthMax = 64;

const _keysKeptMax = 4096;

/// Why a value has no form in a document; the encoder adds the path.
final class _Refusal implements Exception {
  const _Refusal(this.code, this.problem);

  final int code;
  final String problem;
}

/// A key of a map with its head, as it stands in a document.
final class _Key {
  _Key(this.text, this.bytes);

  final String text;
  final Uint8List bytes;
}

final Map<String, _Key> _keys = {};
final ByteData _scratch = ByteData(8);

/// Writes values to memory.
final class Encoder {
  /// An encoder that writes to this memory.
  Encoder(this.memory) {
    _take(memory.bytes);
  }

  /// The memory it writes to.
  final Memory memory;

  /// The bytes of the memory.
  late Uint8List bytes;
  late ByteData _view;

  /// Where the next byte goes.
  int at = 0;

  void _take(Uint8List taken) {
    bytes = taken;
    _view = ByteData.sublistView(taken);
  }

  /// Gives back memory that only something large needed.
  void shrink() {
    memory.release();
    _take(memory.bytes);
  }

  /// Writes the 16 bytes of an id.
  void id(EntityId id) {
    reserve(16);
    id.writeTo(bytes, at);
    at += 16;
  }

  /// Writes a number of 32 bits, little-endian, at a place that is there already.
  void uint32At(int place, int number) => _view.setUint32(place, number, Endian.little);

  /// Takes the bytes of the memory again after a call that may have replaced them.
  void refresh() {
    if (!identical(memory.bytes, bytes)) _take(memory.bytes);
  }

  /// Makes room for [count] more bytes.
  void reserve(int count) {
    if (at + count > bytes.length) _take(memory.grow(at + count, at));
  }

  /// Appends a document, or throws with the path to the value that has no form in one.
  void document(Object? value) {
    final start = at;
    try {
      _value(value, 0);
    } on _Refusal catch (refusal) {
      at = start;
      final path = StringBuffer();
      final reason = _locate(value, 0, path) ?? refusal;
      at = start;
      final where = path.isEmpty ? 'the value' : 'the value at $path';
      throw exceptionFrom(reason.code, '$where ${reason.problem}', {if (path.isNotEmpty) 'path': '$path'});
    }
  }

  /// The refusal of the first part that cannot be encoded; its path is appended to [path].
  _Refusal? _locate(Object? value, int depth, StringBuffer path) {
    _Refusal? attempt(Object? part, int depth) {
      final before = at;
      try {
        _value(part, depth);
        return null;
      } on _Refusal catch (refusal) {
        return refusal;
      } finally {
        at = before;
      }
    }

    _Refusal? into(String step, Object? part) {
      final refusal = attempt(part, depth + 1);
      if (refusal == null) return null;
      if (path.isNotEmpty) path.write('.');
      path.write(step);
      // A nest that is too deep, which may have no end, is named where it begins.
      if (refusal.code == EntidbCode.tooDeep) return refusal;
      return _locate(part, depth + 1, path) ?? refusal;
    }

    if (value is Map) {
      for (final MapEntry(:key, value: part) in value.entries) {
        final refusal = into(key is String ? key : '[$key]', part);
        if (refusal != null) return refusal;
      }
    } else if (value is List && value is! TypedData) {
      for (var i = 0; i < value.length; i++) {
        final refusal = into('$i', value[i]);
        if (refusal != null) return refusal;
      }
    } else if (value is Tagged) {
      return into('tag', value.value);
    }
    return null;
  }

  void _head(int type, int argument) {
    reserve(9);
    if (argument < 0 || argument > 0xffffffff) {
      bytes[at] = type | 27;
      _view
        ..setUint32(at + 1, argument >>> 32)
        ..setUint32(at + 5, argument & 0xffffffff);
      at += 9;
    } else if (argument < 24) {
      bytes[at++] = type | argument;
    } else if (argument < 0x100) {
      bytes[at] = type | 24;
      bytes[at + 1] = argument;
      at += 2;
    } else if (argument < 0x10000) {
      bytes[at] = type | 25;
      bytes[at + 1] = argument >> 8;
      bytes[at + 2] = argument;
      at += 3;
    } else {
      bytes[at] = type | 26;
      _view.setUint32(at + 1, argument);
      at += 5;
    }
  }

  void _integer(int value) => value >= 0 ? _head(0, value) : _head(0x20, ~value);

  void _big(BigInt value) {
    if (value.isValidInt) return _integer(value.toInt());
    final negative = value.isNegative;
    final argument = negative ? -BigInt.one - value : value;
    if (argument.bitLength > 64) {
      throw const _Refusal(EntidbCode.unrepresentable, 'is an integer beyond 64 bits; store a Decimal or bytes');
    }
    _head(negative ? 0x20 : 0, argument.toSigned(64).toInt());
  }

  void _float(double value) {
    reserve(9);
    if (value.isNaN) {
      bytes[at] = 0xf9;
      bytes[at + 1] = 0x7e;
      bytes[at + 2] = 0;
      at += 3;
      return;
    }
    _scratch.setFloat32(0, value);
    if (_scratch.getFloat32(0) != value) {
      bytes[at] = 0xfb;
      _view.setFloat64(at + 1, value);
      at += 9;
      return;
    }
    final bits = _scratch.getUint32(0);
    final half = halfOf(bits);
    if (half >= 0) {
      bytes[at] = 0xf9;
      bytes[at + 1] = half >> 8;
      bytes[at + 2] = half;
      at += 3;
    } else {
      bytes[at] = 0xfa;
      _view.setUint32(at + 1, bits);
      at += 5;
    }
  }

  void _text(String value) {
    final length = value.length;
    var count = length;
    for (var i = 0; i < length; i++) {
      final unit = value.codeUnitAt(i);
      if (unit < 0x80) continue;
      if (unit < 0x800) {
        count += 1;
      } else if (unit & 0xf800 != 0xd800) {
        count += 2;
      } else {
        final isPair = unit < 0xdc00 && i + 1 < length && value.codeUnitAt(i + 1) & 0xfc00 == 0xdc00;
        if (!isPair) {
          throw const _Refusal(
            EntidbCode.invalidUtf8,
            'is text that holds half of a surrogate pair; repair it, or store bytes',
          );
        }
        count += 2;
        i += 1;
      }
    }
    _head(0x60, count);
    reserve(count);
    final out = bytes;
    var to = at;
    if (count == length) {
      for (var i = 0; i < length; i++) {
        out[to++] = value.codeUnitAt(i);
      }
      at = to;
      return;
    }
    for (var i = 0; i < length; i++) {
      var unit = value.codeUnitAt(i);
      if (unit < 0x80) {
        out[to++] = unit;
      } else if (unit < 0x800) {
        out[to++] = 0xc0 | (unit >> 6);
        out[to++] = 0x80 | (unit & 0x3f);
      } else if (unit & 0xf800 != 0xd800) {
        out[to++] = 0xe0 | (unit >> 12);
        out[to++] = 0x80 | ((unit >> 6) & 0x3f);
        out[to++] = 0x80 | (unit & 0x3f);
      } else {
        i += 1;
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (value.codeUnitAt(i) & 0x3ff);
        out[to++] = 0xf0 | (unit >> 18);
        out[to++] = 0x80 | ((unit >> 12) & 0x3f);
        out[to++] = 0x80 | ((unit >> 6) & 0x3f);
        out[to++] = 0x80 | (unit & 0x3f);
      }
    }
    at = to;
  }

  void _bytes(Uint8List value) {
    final length = value.length;
    _head(0x40, length);
    reserve(length);
    bytes.setRange(at, at + length, value);
    at += length;
  }

  void _byte(int byte) {
    reserve(1);
    bytes[at++] = byte;
  }

  void _value(Object? value, int depth) {
    if (value is String) return _text(value);
    if (value is int) return _integer(value);
    if (value == null) return _byte(0xf6);
    if (value is bool) return _byte(value ? 0xf5 : 0xf4);
    if (value is double) return _float(value);
    if (value is Map) return _map(value, depth + 1);
    if (value is TypedData) return _typed(value, depth + 1);
    if (value is List) return _array(value, depth + 1);
    _other(value, depth);
  }

  static int _nested(int depth) {
    if (depth > depthMax) {
      throw const _Refusal(EntidbCode.tooDeep, 'is nested deeper than 64 levels, or contains itself');
    }
    return depth;
  }

  void _array(List<Object?> value, int depth) {
    _nested(depth);
    final length = value.length;
    _head(0x80, length);
    for (var i = 0; i < length; i++) {
      _value(value[i], depth);
    }
  }

  void _typed(TypedData value, int depth) {
    final raw = value.buffer.asUint8List(value.offsetInBytes, value.lengthInBytes);
    switch (value) {
      case Uint8List() || Uint8ClampedList():
        _bytes(raw);
      case Float32List():
        _vector(VectorKind.f32, raw);
      case Float64List():
        _vector(VectorKind.f64, raw);
      case Int8List():
        _vector(VectorKind.i8, raw);
      case List<int>():
        _array(value as List<int>, depth);
      default:
        throw _Refusal(
          EntidbCode.unrepresentable,
          'is a ${value.runtimeType}, which no document holds; store a Uint8List',
        );
    }
  }

  void _vector(VectorKind kind, Uint8List raw) {
    _head(0xc0, kind.tag);
    if (Endian.host == Endian.little || kind.elementBytes == 1) {
      return _bytes(raw);
    }
    final turned = Uint8List(raw.length);
    for (var i = 0; i < raw.length; i++) {
      turned[i] = raw[i ^ (kind.elementBytes - 1)];
    }
    _bytes(turned);
  }

  void _other(Object value, int depth) {
    switch (value) {
      case EntityId():
        _sixteen(59165, value);
      case Uuid():
        _sixteen(37, value);
      case DateTime():
        _head(0xc0, 59166);
        _integer(value.microsecondsSinceEpoch);
      case Timestamp():
        _head(0xc0, 59166);
        _integer(value.microseconds);
      case BigInt():
        _big(value);
      case Decimal():
        _decimal(value);
      case Vector():
        _head(0xc0, value.kind.tag);
        _bytes(value.bytes);
      case Tagged():
        _nested(depth + 1);
        _head(0xc0, value.tag.toSigned(64).toInt());
        _value(value.value, depth + 1);
      case Enum():
        throw _Refusal(EntidbCode.unrepresentable, 'is a ${value.runtimeType}; store its name or its index');
      case Iterable():
        throw _Refusal(EntidbCode.unrepresentable, 'is a ${value.runtimeType}; store a list of it with toList()');
      case ByteBuffer():
        throw const _Refusal(EntidbCode.unrepresentable, 'is a ByteBuffer; store asUint8List() of it');
      case Duration():
        throw const _Refusal(EntidbCode.unrepresentable, 'is a Duration; store its inMicroseconds');
      default:
        throw _Refusal(
          EntidbCode.unrepresentable,
          'is a ${value.runtimeType}, which has no form in a document; store a map of its fields',
        );
    }
  }

  void _sixteen(int tag, Sixteen value) {
    _head(0xc0, tag);
    _head(0x40, 16);
    reserve(16);
    value.writeTo(bytes, at);
    at += 16;
  }

  void _decimal(Decimal value) {
    _head(0xc0, 4);
    _head(0x80, 2);
    _integer(value.exponent);
    final mantissa = value.mantissa;
    final negative = mantissa.isNegative;
    var magnitude = negative ? -BigInt.one - mantissa : mantissa;
    if (magnitude.bitLength <= 64) return _big(mantissa);
    _head(0xc0, negative ? 3 : 2);
    final length = (magnitude.bitLength + 7) >> 3;
    final digits = Uint8List(length);
    final mask = BigInt.from(255);
    for (var i = length - 1; i >= 0; i--) {
      digits[i] = (magnitude & mask).toInt();
      magnitude >>= 8;
    }
    _bytes(digits);
  }

  void _map(Map<Object?, Object?> value, int depth) {
    _nested(depth);
    final count = value.length;
    _head(0xa0, count);
    if (count == 0) return;
    final keys = List<_Key?>.filled(count, null);
    final values = List<Object?>.filled(count, null);
    var n = 0;
    var sorted = true;
    _Key? last;
    for (final key in value.keys) {
      if (n == count) throw const _Refusal(EntidbCode.unrepresentable, _grew);
      final made = key is String ? _keys[key] ?? _keyOf(key) : _keyOfAny(key);
      if (last != null && _order(last, made) >= 0) sorted = false;
      keys[n] = last = made;
      values[n] = value[key];
      n += 1;
    }
    if (n != count) throw const _Refusal(EntidbCode.unrepresentable, _grew);
    if (sorted) {
      for (var i = 0; i < count; i++) {
        _key(keys[i]!.bytes);
        _value(values[i], depth);
      }
      return;
    }
    final places = List.generate(count, (i) => i)..sort((a, b) => _order(keys[a]!, keys[b]!));
    for (var i = 0; i < count; i++) {
      final key = keys[places[i]]!;
      if (i > 0 && _order(keys[places[i - 1]]!, key) == 0) {
        throw const _Refusal(EntidbCode.duplicateKey, 'is a map with two keys that are one in a document');
      }
      _key(key.bytes);
      _value(values[places[i]], depth);
    }
  }

  static const _grew = 'is a map that changed while it was encoded';

  void _key(Uint8List key) {
    final length = key.length;
    reserve(length);
    final out = bytes;
    for (var i = 0; i < length; i++) {
      out[at + i] = key[i];
    }
    at += length;
  }
}

int _order(_Key a, _Key b) {
  final (one, two) = (a.bytes, b.bytes);
  final least = one.length < two.length ? one.length : two.length;
  for (var i = 0; i < least; i++) {
    final order = one[i] - two[i];
    if (order != 0) return order;
  }
  return one.length - two.length;
}

_Key _keyOf(String text) {
  final encoder = Encoder(HeapMemory(text.length * 3 + 9)).._text(text);
  final key = _Key(text, Uint8List.sublistView(encoder.bytes, 0, encoder.at));
  if (text.length <= 64) {
    if (_keys.length >= _keysKeptMax) _keys.clear();
    _keys[text] = key;
  }
  return key;
}

_Key _keyOfAny(Object? key) {
  final encoder = Encoder(HeapMemory(9));
  switch (key) {
    case int():
      encoder._integer(key);
    case BigInt():
      encoder._big(key);
    default:
      throw _Refusal(
        EntidbCode.invalidKey,
        'is a map with a key of type ${key.runtimeType}; keys are text or integers',
      );
  }
  return _Key('', Uint8List.sublistView(encoder.bytes, 0, encoder.at));
}

/// The 16 bits of a float of 32 bits, or -1 when they do not hold it.
int halfOf(int bits) {
  final sign = (bits >> 16) & 0x8000;
  final exponent = (bits >> 23) & 255;
  final fraction = bits & 0x7fffff;
  if (exponent == 255) return fraction == 0 ? sign | 0x7c00 : -1;
  if (exponent == 0) return fraction == 0 ? sign : -1;
  final power = exponent - 127;
  if (power > 15 || power < -24) return -1;
  if (power >= -14) {
    if (fraction & 0x1fff != 0) return -1;
    return sign | ((power + 15) << 10) | (fraction >> 13);
  }
  final dropped = -power - 1;
  final full = fraction | 0x800000;
  if (full & ((1 << dropped) - 1) != 0) return -1;
  return sign | (full >> dropped);
}

/// The bytes of a value.
Uint8List encodeValue(Object? value) {
  final encoder = Encoder(HeapMemory())..document(value);
  return Uint8List.sublistView(encoder.bytes, 0, encoder.at);
}

/// The bytes of a text in UTF-8. Half of a surrogate pair is refused, as in a document.
Uint8List textBytes(String text) {
  final encoded = encodeValue(text);
  final low = encoded[0] & 31;
  return Uint8List.sublistView(encoded, low < 24 ? 1 : 1 + (1 << (low - 24)));
}
