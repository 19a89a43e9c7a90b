/// From canonical CBOR to Dart values.
///
/// Always: reads every canonical document without loss and refuses all other bytes, with the code and offset that every
/// language gives; memory follows the bytes that are there, not the lengths they announce.
/// Does not know: where bytes come from.
/// Format: docs/spec/encoding.md.
library;

import 'dart:convert';
import 'dart:typed_data';

import 'encode.dart';
import 'errors.g.dart';
import 'values.dart';

const _bytesMax = 64 * 1024 * 1024;
const _itemsMax = 16 * 1024 * 1024;

/// The least and the greatest moment of a [DateTime], in microseconds.
const _momentMax = 8640000000000000000;

/// Keys come again and again, so the last ones are kept.
final List<String?> _keys = List.filled(1024, null);

/// The number of 64 bits without sign that an `int` has the bits of.
BigInt _unsigned(int bits) => BigInt.from(bits).toUnsigned(64);

/// Reads one document.
final class Decoder {
  /// A decoder of the bytes between two places.
  Decoder(this.bytes, [this.at = 0, int? end])
    : _view = ByteData.sublistView(bytes),
      _end = end ?? bytes.length,
      _begin = at,
      _isStrict = true;

  /// A decoder of bytes in any well-formed form.
  Decoder.ofAnyForm(this.bytes)
    : at = 0,
      _view = ByteData.sublistView(bytes),
      _end = bytes.length,
      _begin = 0,
      _isStrict = false;

  /// The bytes it reads.
  final Uint8List bytes;

  /// The place of the next byte.
  int at;
  final ByteData _view;
  final int _end;
  final int _begin;
  final bool _isStrict;
  int _depth = 0;
  int _items = 0;

  // The head that was read last.
  int _major = 0;
  int _low = 0;
  int _argument = 0;

  /// The document, which must take all bytes.
  Object? document() {
    if (_end - at > _bytesMax) {
      throw _wrong(EntidbCode.documentTooLarge, at, 'has more than 64 MiB');
    }
    final value = _value();
    if (at < _end) {
      throw _wrong(EntidbCode.trailingBytes, at, 'is followed by more bytes');
    }
    return value;
  }

  EntidbException _wrong(int code, int offset, String problem) =>
      exceptionFrom(code, 'the document $problem (offset ${offset - _begin})', {'offset': offset - _begin});

  EntidbException _truncated(int start) => _wrong(EntidbCode.truncated, start, 'ends inside an item');

  void _head() {
    final start = at;
    if (start >= _end) throw _truncated(start);
    final first = bytes[start];
    at = start + 1;
    _major = first >> 5;
    _low = first & 31;
    if (_low < 24) {
      _argument = _low;
    } else {
      _longHead(start);
    }
  }

  void _longHead(int start) {
    if (_low >= 28) {
      final indefinite = _low == 31 && _major >= 2 && _major <= 5;
      if (indefinite && !_isStrict) return;
      throw indefinite
          ? _wrong(EntidbCode.notCanonical, start, 'has an item of indefinite length')
          : _wrong(EntidbCode.malformed, start, 'has a byte that begins no item');
    }
    final size = 1 << (_low - 24);
    if (_end - at < size) throw _truncated(start);
    final int least;
    switch (_low) {
      case 24:
        _argument = bytes[at];
        least = 24;
      case 25:
        _argument = _view.getUint16(at);
        least = 0x100;
      case 26:
        _argument = _view.getUint32(at);
        least = 0x10000;
      default:
        final high = _view.getUint32(at);
        _argument = (high << 32) | _view.getUint32(at + 4);
        if (high == 0 && _major != 7 && _isStrict) throw _notShortest(start);
        at += size;
        return;
    }
    at += size;
    if (_argument >= least || !_isStrict) return;
    if (_major != 7) throw _notShortest(start);
  }

  EntidbException _notShortest(int start) =>
      _wrong(EntidbCode.notCanonical, start, 'has a head that is longer than it need be');

  void _count(int start) {
    if (++_items > _itemsMax) {
      throw _wrong(EntidbCode.documentTooLarge, start, 'has more than 16 million items');
    }
  }

  void _enter(int start) {
    if (++_depth > depthMax) {
      throw _wrong(EntidbCode.tooDeep, start, 'is nested deeper than 64 levels');
    }
  }

  /// A length that the bytes left must back.
  int _length(int start, [int each = 1]) {
    final length = _argument;
    if (length < 0 || length > (_end - at) ~/ each) throw _truncated(start);
    return length;
  }

  bool get _isIndefinite => _low == 31;

  /// Whether the next byte ends an item of indefinite length.
  bool _takeBreak(int start) {
    if (at >= _end) throw _truncated(at);
    if (bytes[at] != 0xff) return false;
    at += 1;
    return true;
  }

  Object? _value() {
    final start = at;
    _head();
    _count(start);
    switch (_major) {
      case 0:
        return _argument >= 0 ? _argument : _unsigned(_argument);
      case 1:
        return _argument >= 0 ? ~_argument : -BigInt.one - _unsigned(_argument);
      case 2:
        return _byteString(start);
      case 3:
        return _isIndefinite ? _chunkedText(start) : _text(_length(start));
      case 4:
        return _array(start);
      case 5:
        return _map(start);
      case 6:
        return _tag(start);
      default:
        return _simple(start);
    }
  }

  Uint8List _byteString(int start) {
    if (_isIndefinite) return _chunks(start, 2);
    final length = _length(start);
    final from = at;
    at = from + length;
    return bytes.sublist(from, at);
  }

  Uint8List _chunks(int start, int major) {
    final out = BytesBuilder();
    while (!_takeBreak(start)) {
      final chunk = at;
      _head();
      _count(chunk);
      if (_major != major || _isIndefinite) {
        throw _wrong(EntidbCode.malformed, chunk, 'has a part of another type in a string');
      }
      final length = _length(chunk);
      if (major == 3) {
        final from = at;
        _text(length);
        out.add(Uint8List.sublistView(bytes, from, at));
      } else {
        out.add(Uint8List.sublistView(bytes, at, at + length));
        at += length;
      }
    }
    return out.takeBytes();
  }

  String _chunkedText(int start) {
    final joined = _chunks(start, 3);
    return Decoder(joined)._text(joined.length);
  }

  String _text(int length) {
    final from = at;
    final to = from + length;
    final source = bytes;
    at = to;
    for (var i = from; i < to; i++) {
      if (source[i] >= 0x80) return _unicode(from, to);
    }
    return String.fromCharCodes(source, from, to);
  }

  String _unicode(int from, int to) {
    try {
      // The decoder of Dart drops a mark of byte order at the start, which is a letter of the text like others.
      final isMarked = to - from >= 3 && bytes[from] == 0xef && bytes[from + 1] == 0xbb && bytes[from + 2] == 0xbf;
      final text = utf8.decode(Uint8List.sublistView(bytes, isMarked ? from + 3 : from, to));
      return isMarked ? '\ufeff$text' : text;
    } on FormatException {
      throw _wrong(EntidbCode.invalidUtf8, _firstBad(from, to), 'has text that is not UTF-8');
    }
  }

  /// Where text stops being UTF-8: the first byte of the sequence at fault.
  int _firstBad(int from, int to) {
    var i = from;
    while (i < to) {
      final first = bytes[i];
      if (first < 0x80) {
        i += 1;
        continue;
      }
      final size =
          first >= 0xc2 && first < 0xe0
              ? 2
              : first >= 0xe0 && first < 0xf0
              ? 3
              : first >= 0xf0 && first < 0xf5
              ? 4
              : 0;
      if (size == 0 || i + size > to) return i;
      final least = switch (first) {
        0xe0 => 0xa0,
        0xf0 => 0x90,
        _ => 0x80,
      };
      final most = switch (first) {
        0xed => 0x9f,
        0xf4 => 0x8f,
        _ => 0xbf,
      };
      if (bytes[i + 1] < least || bytes[i + 1] > most) return i;
      for (var n = 2; n < size; n++) {
        if (bytes[i + n] & 0xc0 != 0x80) return i;
      }
      i += size;
    }
    return from;
  }

  String _keyText(int length) {
    final from = at;
    if (length > 32) return _text(length);
    final source = bytes;
    var hash = length;
    for (var i = from; i < from + length; i++) {
      hash = (hash * 31 + source[i]) & 0x3fffff;
    }
    final place = hash & 1023;
    final kept = _keys[place];
    if (kept != null && kept.length == length) {
      var i = 0;
      while (i < length && kept.codeUnitAt(i) == source[from + i]) {
        i += 1;
      }
      // Bytes from 128 on never equal a letter of their own, so a text that is equal to the end is ASCII.
      if (i == length) {
        at = from + length;
        return kept;
      }
    }
    final text = _text(length);
    if (text.length == length) _keys[place] = text;
    return text;
  }

  List<Object?> _array(int start) {
    _enter(start);
    final list = <Object?>[];
    if (_isIndefinite) {
      while (!_takeBreak(start)) {
        list.add(_value());
      }
    } else {
      final length = _length(start);
      for (var i = 0; i < length; i++) {
        list.add(_value());
      }
    }
    _depth -= 1;
    return list;
  }

  Map<Object, Object?> _map(int start) {
    _enter(start);
    if (!_isStrict) return _mapOfAnyForm(start);
    final count = _length(start, 2);
    // Integer keys come first in canonical order, so the first key tells whether all are text.
    final isText = count == 0 || at >= _end || bytes[at] >> 5 == 3;
    final texts = <String, Object?>{};
    final mixed = isText ? null : <Object, Object?>{};
    var lastFrom = 0;
    var lastTo = 0;
    for (var i = 0; i < count; i++) {
      final from = at;
      final key = _readKey(from);
      final to = at;
      if (i > 0) {
        final order = _compare(lastFrom, lastTo, from, to);
        if (order >= 0) {
          throw order == 0
              ? _wrong(EntidbCode.duplicateKey, from, 'has a map with a key twice')
              : _wrong(EntidbCode.notCanonical, from, 'has a map whose keys are not in order');
        }
      }
      lastFrom = from;
      lastTo = to;
      final value = _value();
      if (mixed != null) {
        mixed[key] = value;
      } else {
        texts[key as String] = value;
      }
    }
    _depth -= 1;
    return mixed ?? texts;
  }

  Map<Object, Object?> _mapOfAnyForm(int start) {
    final isIndefinite = _isIndefinite;
    final count = isIndefinite ? -1 : _length(start, 2);
    final map = <Object, Object?>{};
    for (var i = 0; isIndefinite ? !_takeBreak(start) : i < count; i++) {
      final from = at;
      final key = _readKey(from);
      if (map.containsKey(key)) {
        throw _wrong(EntidbCode.duplicateKey, from, 'has a map with a key twice');
      }
      map[key] = _value();
    }
    _depth -= 1;
    return map.keys.every((key) => key is String) ? map.cast<String, Object?>() : map;
  }

  Object _readKey(int from) {
    _head();
    _count(from);
    switch (_major) {
      case 0:
        return _argument >= 0 ? _argument : _unsigned(_argument);
      case 1:
        return _argument >= 0 ? ~_argument : -BigInt.one - _unsigned(_argument);
      case 3:
        return _isIndefinite ? _chunkedText(from) : _keyText(_length(from));
      default:
        throw _wrong(EntidbCode.invalidKey, from, 'has a key that is neither text nor an integer');
    }
  }

  int _compare(int aFrom, int aTo, int bFrom, int bTo) {
    final source = bytes;
    var a = aFrom;
    var b = bFrom;
    while (a < aTo && b < bTo) {
      final order = source[a++] - source[b++];
      if (order != 0) return order;
    }
    return (aTo - aFrom) - (bTo - bFrom);
  }

  Object? _tag(int start) {
    final tag = _argument;
    switch (tag) {
      case 59166:
        return _moment(start);
      case 37:
        return Uuid.read(_sixteen(start), 0);
      case 59165:
        return EntityId.read(_sixteen(start), 0);
      case 4:
        return _decimal(start);
      case 2 || 3:
        return _bignum(start, tag);
      case 72:
        return _vector(start, VectorKind.i8);
      case 84:
        return _vector(start, VectorKind.f16);
      case 85:
        return _vector(start, VectorKind.f32);
      case 86:
        return _vector(start, VectorKind.f64);
      case 80:
        return _turned(start, VectorKind.f16);
      case 81:
        return _turned(start, VectorKind.f32);
      case 82:
        return _turned(start, VectorKind.f64);
      default:
        _enter(start);
        final value = _value();
        _depth -= 1;
        return Tagged(_unsigned(tag), value);
    }
  }

  EntidbException _content(int start, String what) => _wrong(EntidbCode.invalidTagContent, start, what);

  EntidbException _form(int start, String what) => _wrong(EntidbCode.notCanonical, start, what);

  Object _moment(int start) {
    _head();
    if (_major > 1 || _argument < 0) {
      throw _content(start, 'has a timestamp that is no integer of 64 bits');
    }
    final micros = _major == 0 ? _argument : ~_argument;
    return micros >= -_momentMax && micros <= _momentMax
        ? DateTime.fromMicrosecondsSinceEpoch(micros, isUtc: true)
        : Timestamp(micros);
  }

  Uint8List? _bytesUnderTag() {
    final start = at;
    _head();
    return _major == 2 ? _byteString(start) : null;
  }

  Uint8List _sixteen(int start) {
    final found = _bytesUnderTag();
    if (found == null || found.length != 16) {
      throw _content(start, 'has an id that is no byte string of 16 bytes');
    }
    return found;
  }

  Uint8List _elements(int start, VectorKind kind) {
    final found = _bytesUnderTag();
    if (found == null || found.length % kind.elementBytes != 0) {
      throw _content(start, 'has a vector without whole elements');
    }
    return found;
  }

  Object _vector(int start, VectorKind kind) => _vectorOf(kind, _elements(start, kind));

  static Object _vectorOf(VectorKind kind, Uint8List raw) {
    // The bytes are a copy that begins at offset 0 of its own memory, as elements of several bytes need it.
    if (Endian.host == Endian.little || kind == VectorKind.i8) {
      switch (kind) {
        case VectorKind.f32:
          return Float32List.view(raw.buffer);
        case VectorKind.f64:
          return Float64List.view(raw.buffer);
        case VectorKind.i8:
          return Int8List.view(raw.buffer);
        case VectorKind.f16:
      }
    }
    return Vector(kind, raw);
  }

  Object _turned(int start, VectorKind kind) {
    final found = _elements(start, kind);
    if (_isStrict) throw _form(start, 'has a vector of big-endian elements');
    final turned = Uint8List(found.length);
    for (var i = 0; i < found.length; i++) {
      turned[i] = found[i ^ (kind.elementBytes - 1)];
    }
    return _vectorOf(kind, turned);
  }

  static BigInt _magnitude(Uint8List digits) {
    var number = BigInt.zero;
    for (final digit in digits) {
      number = (number << 8) | BigInt.from(digit);
    }
    return number;
  }

  /// The digits of a bignum in canonical form.
  Uint8List _digits(int start) {
    var digits = _bytesUnderTag();
    if (digits == null) {
      throw _content(start, 'has a bignum that is no byte string');
    }
    if (digits.length > 8 && digits[0] != 0) return digits;
    if (_isStrict) {
      throw _form(start, 'has a bignum with leading zeros or of at most 64 bits');
    }
    var zeros = 0;
    while (zeros < digits.length && digits[zeros] == 0) {
      zeros += 1;
    }
    return digits.sublist(zeros);
  }

  Object _bignum(int start, int tag) {
    final digits = _digits(start);
    if (digits.length <= 8) {
      final number = _magnitude(digits);
      return tag == 3 ? -BigInt.one - number : number;
    }
    _enter(start);
    _count(start);
    _depth -= 1;
    return Tagged(BigInt.from(tag), digits);
  }

  Decimal _decimal(int start) {
    EntidbException wrong() =>
        _content(start, 'has a decimal without an exponent within 10^18 and a mantissa within 128 bits');
    _head();
    final isIndefinite = _major == 4 && _isIndefinite;
    if (_major != 4 || (!isIndefinite && _argument != 2)) throw wrong();
    _head();
    if (_major > 1 || _argument < 0) throw wrong();
    final exponent = _major == 0 ? _argument : ~_argument;
    final part = at;
    _head();
    final BigInt mantissa;
    switch (_major) {
      case 0:
        mantissa = _unsigned(_argument);
      case 1:
        mantissa = -BigInt.one - _unsigned(_argument);
      case 6 when _argument == 2 || _argument == 3:
        final isNegative = _argument == 3;
        final number = _magnitude(_digits(part));
        mantissa = isNegative ? -BigInt.one - number : number;
      case 6:
        _tag(part);
        throw wrong();
      default:
        throw wrong();
    }
    if (isIndefinite && !_takeBreak(start)) throw wrong();
    try {
      return Decimal(mantissa, exponent);
    } on EntidbException {
      throw wrong();
    }
  }

  Object? _simple(int start) {
    switch (_low) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 24 when _argument < 32:
        throw _wrong(EntidbCode.malformed, start, 'has a simple value in two bytes that has one');
      case 25:
        final value = halfToDouble(_argument);
        if (_isStrict && value.isNaN && _argument != 0x7e00) {
          throw _wide(start);
        }
        return value;
      case 26:
        final value = _view.getFloat32(start + 1);
        if (_isStrict && (value.isNaN || halfOf(_argument) >= 0)) {
          throw _wide(start);
        }
        return value;
      case 27:
        final value = _view.getFloat64(start + 1);
        if (_isStrict && (value.isNaN || _isSingle(value))) {
          throw _wide(start);
        }
        return value;
      default:
        throw _wrong(EntidbCode.unsupportedItem, start, 'has a simple value that EntiDB does not store');
    }
  }

  static final ByteData _scratch = ByteData(4);

  static bool _isSingle(double value) {
    _scratch.setFloat32(0, value);
    return _scratch.getFloat32(0) == value;
  }

  EntidbException _wide(int start) =>
      _wrong(EntidbCode.notCanonical, start, 'has a float that is wider than it need be');
}

/// The value of bytes that the library gave; what it cannot be is damage.
Object? decodeValue(Uint8List bytes, [int from = 0, int? to]) {
  try {
    return Decoder(bytes, from, to).document();
  } on EntidbException catch (found) {
    throw exceptionFrom(
      EntidbCode.corrupt,
      'a document that the library returned has damaged bytes: ${found.message}',
      found.context,
    );
  }
}
