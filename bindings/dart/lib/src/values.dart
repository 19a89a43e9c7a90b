/// Values of documents that Dart has no type for, and the ids of entities.
///
/// Always: immutable, equal by content, and sendable to other isolates; text and back without loss.
/// Does not know: how they are encoded.
/// Format: docs/spec/encoding.md.
library;

import 'dart:typed_data';

import 'argument.dart';

const _digits = '0123456789abcdef';

/// Sixteen bytes, written as a UUID in lower case.
sealed class Sixteen {
  const Sixteen._(this._a, this._b, this._c, this._d);

  Sixteen._read(Uint8List bytes, int at)
    : _a = _word(bytes, at),
      _b = _word(bytes, at + 4),
      _c = _word(bytes, at + 8),
      _d = _word(bytes, at + 12);

  final int _a;
  final int _b;
  final int _c;
  final int _d;

  static int _word(Uint8List bytes, int at) =>
      (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];

  /// Writes the 16 bytes to a place.
  void writeTo(Uint8List out, int at) {
    var place = at;
    for (final word in [_a, _b, _c, _d]) {
      out[place] = word >>> 24;
      out[place + 1] = word >>> 16;
      out[place + 2] = word >>> 8;
      out[place + 3] = word;
      place += 4;
    }
  }

  /// The 16 bytes.
  Uint8List toBytes() {
    final bytes = Uint8List(16);
    writeTo(bytes, 0);
    return bytes;
  }

  int _compare(Sixteen other) {
    var order = _a.compareTo(other._a);
    if (order == 0) order = _b.compareTo(other._b);
    if (order == 0) order = _c.compareTo(other._c);
    if (order == 0) order = _d.compareTo(other._d);
    return order;
  }

  @override
  bool operator ==(Object other) =>
      other is Sixteen &&
      _d == other._d &&
      _c == other._c &&
      _b == other._b &&
      _a == other._a &&
      runtimeType == other.runtimeType;

  @override
  int get hashCode => Object.hash(_a, _b, _c, _d);

  /// The text: 32 hexadecimal digits with the hyphens of a UUID.
  @override
  String toString() {
    final out = Uint8List(36);
    var at = 0;
    var byte = 0;
    for (final word in [_a, _b, _c, _d]) {
      for (var shift = 28; shift >= 0; shift -= 8) {
        if (byte == 4 || byte == 6 || byte == 8 || byte == 10) {
          out[at++] = 0x2d;
        }
        out[at++] = _digits.codeUnitAt((word >>> shift) & 15);
        out[at++] = _digits.codeUnitAt((word >>> (shift - 4)) & 15);
        byte += 1;
      }
    }
    return String.fromCharCodes(out);
  }
}

Uint8List _parse(String text, String what) {
  final hyphens = text.length == 36;
  Never unreadable() =>
      throw refused('${shown(text)} is no $what; write 32 hexadecimal digits, with or without the hyphens of a UUID');
  if (!hyphens && text.length != 32) unreadable();
  final bytes = Uint8List(16);
  var from = 0;
  int digit() {
    final unit = text.codeUnitAt(from++);
    if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
    if (unit >= 0x61 && unit <= 0x66) return unit - 0x57;
    if (unit >= 0x41 && unit <= 0x46) return unit - 0x37;
    unreadable();
  }

  for (var byte = 0; byte < 16; byte++) {
    if (hyphens && (byte == 4 || byte == 6 || byte == 8 || byte == 10)) {
      if (text.codeUnitAt(from++) != 0x2d) unreadable();
    }
    final high = digit();
    bytes[byte] = (high << 4) | digit();
  }
  return bytes;
}

Uint8List _sixteen(Uint8List bytes, String what) {
  if (bytes.length != 16) {
    throw refused('$what has 16 bytes, not ${bytes.length}');
  }
  return bytes;
}

/// The id of an entity: 16 bytes, written as a UUID in lower case.
///
/// A document may hold ids of other entities; they are stored as ids and not as text. Give the ids of a collection a type of
/// their own, at no cost, with an extension type:
///
/// ```dart
/// extension type NoteId(EntityId id) implements EntityId {}
/// ```
final class EntityId extends Sixteen implements Comparable<EntityId> {
  /// The id with these 16 bytes.
  factory EntityId.fromBytes(Uint8List bytes) => EntityId.read(_sixteen(bytes, 'an id'), 0);

  /// The id written in a text, with or without hyphens.
  factory EntityId.parse(String text) => EntityId.read(_parse(text, 'id'), 0);

  /// The id whose bytes stand at a place.
  EntityId.read(super.bytes, super.at) : super._read();

  /// Orders ids by their bytes, which for generated ids is the order of time.
  @override
  int compareTo(EntityId other) => _compare(other);
}

/// A UUID inside a document.
final class Uuid extends Sixteen implements Comparable<Uuid> {
  /// The UUID with these 16 bytes.
  factory Uuid.fromBytes(Uint8List bytes) => Uuid.read(_sixteen(bytes, 'a UUID'), 0);

  /// The UUID written in a text, with or without hyphens.
  factory Uuid.parse(String text) => Uuid.read(_parse(text, 'UUID'), 0);

  /// The UUID whose bytes stand at a place.
  Uuid.read(super.bytes, super.at) : super._read();

  @override
  int compareTo(Uuid other) => _compare(other);
}

/// A moment beyond the range of [DateTime], which ends at the years ±271,821.
///
/// Documents hold a [DateTime], read as UTC with microseconds, wherever that is possible.
final class Timestamp {
  /// The moment [microseconds] after 1970-01-01T00:00:00 UTC.
  const Timestamp(this.microseconds);

  /// Microseconds since 1970-01-01T00:00:00 UTC.
  final int microseconds;

  @override
  bool operator ==(Object other) => other is Timestamp && other.microseconds == microseconds;

  @override
  int get hashCode => Object.hash(Timestamp, microseconds);

  @override
  String toString() => '$microsecondsµs';
}

final _mantissaMax = (BigInt.one << 127) - BigInt.one;
final _mantissaMin = -(BigInt.one << 127);
final _ten = BigInt.from(10);
const _exponentMax = 1000000000000000000;

/// An exact decimal number: [mantissa] × 10^[exponent].
///
/// Trailing zeros are kept: 1.0 and 1.00 are different values, as in the document.
final class Decimal {
  /// The number [mantissa] × 10^[exponent]; the mantissa has at most 128 bits with sign, the exponent is within ±10^18.
  Decimal(this.mantissa, this.exponent) {
    if (mantissa > _mantissaMax || mantissa < _mantissaMin) {
      throw refused('the mantissa of a decimal has at most 128 bits');
    }
    if (exponent > _exponentMax || exponent < -_exponentMax) {
      throw refused('the exponent of a decimal is within ±10^18');
    }
  }

  /// The decimal of a text such as `19.90` or `1e-7`.
  factory Decimal.parse(String text) {
    final parts = RegExp(r'^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,19}))?$').firstMatch(text);
    final power = parts == null ? null : int.tryParse(parts[4] ?? '0');
    if (parts == null || power == null) {
      throw refused('${shown(text)} is no decimal number');
    }
    final after = parts[3] ?? '';
    final digits = BigInt.parse('${parts[2]}$after');
    return Decimal(parts[1] == '-' ? -digits : digits, power - after.length);
  }

  /// The digits, as a whole number.
  final BigInt mantissa;

  /// The power of ten.
  final int exponent;

  /// The nearest double.
  double toDouble() => double.parse('${mantissa}e$exponent');

  /// Whether both are the same number, whatever their trailing zeros.
  bool isSameNumber(Decimal other) {
    final (one, two) = (_normal(), other._normal());
    return one.mantissa == two.mantissa && one.exponent == two.exponent;
  }

  Decimal _normal() {
    if (mantissa == BigInt.zero) return Decimal(mantissa, 0);
    var (digits, power) = (mantissa, exponent);
    while (digits % _ten == BigInt.zero && power < _exponentMax) {
      digits ~/= _ten;
      power += 1;
    }
    return Decimal(digits, power);
  }

  @override
  bool operator ==(Object other) => other is Decimal && other.mantissa == mantissa && other.exponent == exponent;

  @override
  int get hashCode => Object.hash(mantissa, exponent);

  @override
  String toString() {
    if (exponent == 0) return mantissa.toString();
    if (exponent > 0 || exponent < -64) return '${mantissa}e$exponent';
    final sign = mantissa.isNegative ? '-' : '';
    final digits = mantissa.abs().toString().padLeft(1 - exponent, '0');
    final point = digits.length + exponent;
    return '$sign${digits.substring(0, point)}.${digits.substring(point)}';
  }
}

/// The kinds of a vector's elements.
enum VectorKind {
  /// Floats of 16 bits.
  f16(2, 84),

  /// Floats of 32 bits.
  f32(4, 85),

  /// Floats of 64 bits.
  f64(8, 86),

  /// Signed bytes.
  i8(1, 72);

  const VectorKind(this.elementBytes, this.tag);

  /// The size of an element.
  final int elementBytes;

  /// The tag of CBOR that vectors of this kind have.
  final int tag;
}

/// A vector by its bytes.
///
/// [Float32List], [Float64List] and [Int8List] are vectors by themselves; this is how a vector of 16-bit floats is written and
/// read.
final class Vector {
  /// A vector of whole elements, little-endian.
  Vector(this.kind, this.bytes) {
    if (bytes.length % kind.elementBytes != 0) {
      throw refused(
        'a vector of ${kind.name} has whole elements of ${kind.elementBytes} bytes, not ${bytes.length} bytes',
      );
    }
  }

  /// What its elements are.
  final VectorKind kind;

  /// The elements, little-endian.
  final Uint8List bytes;

  /// The number of elements.
  int get length => bytes.length ~/ kind.elementBytes;

  /// The elements as doubles.
  List<double> toList() {
    final view = ByteData.sublistView(bytes);
    double at(int i) => switch (kind) {
      VectorKind.f16 => halfToDouble(view.getUint16(i * 2, Endian.little)),
      VectorKind.f32 => view.getFloat32(i * 4, Endian.little),
      VectorKind.f64 => view.getFloat64(i * 8, Endian.little),
      VectorKind.i8 => view.getInt8(i).toDouble(),
    };

    return List.generate(length, at, growable: false);
  }

  @override
  bool operator ==(Object other) {
    if (other is! Vector || other.kind != kind || other.bytes.length != bytes.length) {
      return false;
    }
    for (var i = 0; i < bytes.length; i++) {
      if (bytes[i] != other.bytes[i]) return false;
    }
    return true;
  }

  @override
  int get hashCode => Object.hash(kind, Object.hashAll(bytes));

  @override
  String toString() => 'Vector(${kind.name}, ${toList()})';
}

/// The number that 16 bits of a float stand for.
double halfToDouble(int bits) {
  final sign = bits & 0x8000 != 0 ? -1.0 : 1.0;
  final exponent = (bits >> 10) & 31;
  final fraction = bits & 1023;
  if (exponent == 0) return sign * fraction / 16777216.0;
  if (exponent == 31) {
    return fraction == 0 ? sign * double.infinity : double.nan;
  }
  final whole = (1024 + fraction).toDouble();
  return exponent >= 25 ? sign * whole * (1 << (exponent - 25)) : sign * whole / (1 << (25 - exponent));
}

/// A value under a tag of CBOR that EntiDB gives no meaning; it is carried through unchanged.
final class Tagged {
  /// A value under a tag, which is a number of at most 64 bits without sign.
  Tagged(this.tag, this.value) {
    if (tag.isNegative || tag.bitLength > 64) {
      throw refused('a tag is a number from 0 to 2^64 - 1');
    }
  }

  /// The tag.
  final BigInt tag;

  /// The value under it.
  final Object? value;

  @override
  bool operator ==(Object other) => other is Tagged && other.tag == tag && other.value == value;

  @override
  int get hashCode => Object.hash(tag, value);

  @override
  String toString() => 'Tagged($tag, $value)';
}
