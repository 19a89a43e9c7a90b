// Values of Dart in documents: what is stored, what comes back, and what is refused.
import 'dart:typed_data';

import 'package:entidb/entidb.dart';
import 'package:test/test.dart';

enum Colour { red }

Object? again(Object? value) => Cbor.decode(Cbor.encode(value));

EncodingException refusal(Object? value) {
  try {
    Cbor.encode(value);
  } on EncodingException catch (error) {
    return error;
  }
  fail('$value was not refused');
}

void main() {
  test('values come back as the types they were', () {
    final moment = DateTime.utc(2026, 11, 30, 17, 31, 5, 123, 456);
    final values = <Object?>[
      null,
      true,
      0,
      -1,
      9223372036854775807,
      -9223372036854775808,
      BigInt.parse('18446744073709551615'),
      -(BigInt.one << 64),
      1.0,
      -0.0,
      5e-324,
      double.infinity,
      '',
      'Straße',
      '𝄞 水',
      '\ufeffmark',
      moment,
      const Timestamp(9223372036854775807),
      Decimal.parse('-12.340'),
      Uuid.parse('0190f3c2-7a51-7c3e-8f60-2b8d1c9e4a77'),
      EntityId.parse('0190f3c27a517c3e8f602b8d1c9e4a77'),
      Tagged(BigInt.from(99), 'x'),
      Vector(VectorKind.f16, Uint8List.fromList([0, 60])),
    ];
    for (final value in values) {
      final read = again(value);
      expect(read, value);
      expect(read.runtimeType, value.runtimeType);
    }
    expect(again(double.nan), isA<double>().having((it) => it.isNaN, 'isNaN', isTrue));
    expect((again(-0.0)! as double).isNegative, isTrue);
  });

  test('typed data is bytes or a vector', () {
    expect(again(Uint8List.fromList([1, 2])), isA<Uint8List>().having((it) => it.toList(), 'bytes', [1, 2]));
    expect(again(Float32List.fromList([1.5])), isA<Float32List>().having((it) => it.toList(), 'elements', [1.5]));
    expect(again(Float64List.fromList([0.1])), isA<Float64List>().having((it) => it.toList(), 'elements', [0.1]));
    expect(again(Int8List.fromList([-1])), isA<Int8List>().having((it) => it.toList(), 'elements', [-1]));
    expect(again(Int32List.fromList([7])), [7]);
    // A view that does not begin where its memory begins.
    final view = Float32List.sublistView(Float32List.fromList([1, 2, 3]), 1);
    expect((again(view)! as Float32List).toList(), [2.0, 3.0]);
  });

  test('a moment is kept in microseconds and read as UTC', () {
    final local = DateTime(2026, 3, 1, 12, 0, 0, 0, 7);
    final read = again(local)! as DateTime;
    expect(read.isUtc, isTrue);
    expect(read.microsecondsSinceEpoch, local.microsecondsSinceEpoch);
  });

  test('integers of any type are one number, and floats another', () {
    expect(Cbor.encode(1), Cbor.encode(BigInt.one));
    expect(Cbor.encode(1).length, 1);
    expect(Cbor.encode(1.0).length, 3);
  });

  test('a map with keys of text is one of strings, and keys are sorted', () {
    expect(
      again({'b': 1, 'aa': 2, 'a': 3}),
      isA<Map<String, Object?>>().having((it) => it.keys, 'keys', equals(['a', 'b', 'aa'])),
    );
    expect(again(<String, int>{}), isA<Map<String, Object?>>());
    expect(again({2: 'x', 'a': 1}), {2: 'x', 'a': 1});
  });

  test('a value that cannot be stored is refused with its path', () {
    final error = refusal({
      'a': [
        1,
        {'b': Object()},
      ],
    });
    expect(error.code, 'UNREPRESENTABLE');
    expect(error.path, 'a.1.b');
    expect(refusal({'c': Colour.red}).message, contains('its name'));
    expect(refusal({'d': const Duration(seconds: 1)}).message, contains('inMicroseconds'));
    expect(
      refusal({
        'e': {1, 2},
      }).message,
      contains('toList()'),
    );
    expect(refusal(BigInt.one << 64).code, 'UNREPRESENTABLE');
    expect(refusal('half \ud800').code, 'INVALID_UTF8');
    expect(refusal({'\udc00': 1}).code, 'INVALID_UTF8');
    expect(refusal({1.5: 1}).code, 'INVALID_KEY');
    expect(refusal({1: 'x', BigInt.one: 'y'}).code, 'DUPLICATE_KEY');
  });

  test('a list that contains itself is refused and does not run on', () {
    final list = <Object?>[];
    list.add(list);
    expect(refusal({'a': list}).code, 'TOO_DEEP');
  });

  test('sixteen bytes have one text and an order', () {
    final id = EntityId.parse('0190F3C2-7A51-7C3E-8F60-2B8D1C9E4A77');
    expect('$id', '0190f3c2-7a51-7c3e-8f60-2b8d1c9e4a77');
    expect(EntityId.fromBytes(id.toBytes()), id);
    expect({id, EntityId.parse('$id')}, hasLength(1));
    expect(Uuid.parse('$id') == Object(), isFalse);
    expect(EntityId.parse('f' * 32).compareTo(id), greaterThan(0));
    for (final wrong in ['', '0190f3c2', '0190f3c2-7a51-7c3e-8f60-2b8d1c9e4a7g', 'ü' * 32]) {
      expect(() => EntityId.parse(wrong), throwsA(isA<UsageException>()));
    }
  });

  test('decimals are read and written exactly', () {
    for (final text in ['0', '1.00', '-0.001', '12345678901234567890123456789.5', '1e20']) {
      final decimal = Decimal.parse(text);
      expect(Decimal.parse('$decimal'), decimal);
      expect(again(decimal), decimal);
    }
    expect(Decimal.parse('1.0') == Decimal.parse('1.00'), isFalse);
    expect(Decimal.parse('1.0').isSameNumber(Decimal.parse('1.00')), isTrue);
    expect(Decimal.parse('1.5').toDouble(), 1.5);
    expect(() => Decimal.parse('1,5'), throwsA(isA<UsageException>()));
    expect(() => Decimal(BigInt.one << 127, 0), throwsA(isA<UsageException>()));
  });
}
