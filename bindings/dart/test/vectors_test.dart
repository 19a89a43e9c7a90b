// The vectors of the encoding, tests/vectors, as every language runs them.
import 'dart:convert';
import 'dart:io';

import 'package:entidb/entidb.dart';
import 'package:test/test.dart';

import 'support/diagnostic.dart';
import 'support/runner.dart';

const codes = {
  'truncated': 'TRUNCATED',
  'trailing_bytes': 'TRAILING_BYTES',
  'malformed': 'MALFORMED',
  'not_shortest': 'NOT_CANONICAL',
  'not_shortest_float': 'NOT_CANONICAL',
  'indefinite_length': 'NOT_CANONICAL',
  'key_order': 'NOT_CANONICAL',
  'tag_form': 'NOT_CANONICAL',
  'invalid_utf8': 'INVALID_UTF8',
  'duplicate_key': 'DUPLICATE_KEY',
  'key_type': 'INVALID_KEY',
  'unsupported_simple': 'UNSUPPORTED_ITEM',
  'tag_content': 'INVALID_TAG_CONTENT',
  'too_deep': 'TOO_DEEP',
  'too_large': 'DOCUMENT_TOO_LARGE',
  'too_many_items': 'DOCUMENT_TOO_LARGE',
};

List<Json> vectors(String name) {
  final text = File('$root/tests/vectors/$name').readAsStringSync();
  final found = ((jsonDecode(text) as Json)['vectors']! as List<Object?>).cast<Json>();
  expect(found.length, greaterThan(20));
  return found;
}

EncodingException refusal(String name, String bytes) {
  try {
    Cbor.decode(unhex(bytes));
  } on EncodingException catch (error) {
    return error;
  }
  fail('$name was not refused: $bytes');
}

void main() {
  group('the vectors of the encoding:', () {
    test('every value has the bytes they say', () {
      for (final one in vectors('values.json')) {
        expect(hex(Cbor.encode(fromJson(one['value']))), one['cbor'], reason: '${one['value']}');
      }
    });

    test('every value is read and written again without loss', () {
      for (final one in vectors('values.json')) {
        final bytes = one['cbor']! as String;
        expect(hex(Cbor.encode(Cbor.decode(unhex(bytes)))), bytes);
      }
    });

    test('what they refuse is refused with the same code and offset', () {
      for (final one in vectors('must_refuse.json')) {
        final name = one['name']! as String;
        final error = refusal(name, one['cbor']! as String);
        expect('${error.code} ${error.offset}', '${codes[one['error']]} ${one['offset']}', reason: name);
      }
    });

    test('the examples of RFC 8949 are read, refused and made canonical', () {
      for (final one in vectors('rfc8949_appendix_a.json')) {
        final bytes = one['cbor']! as String;
        if (one['error'] == null) {
          expect(hex(Cbor.encode(fromJson(one['value']))), bytes);
          expect(hex(Cbor.encode(Cbor.decode(unhex(bytes)))), bytes);
          continue;
        }
        expect(refusal(bytes, bytes).code, codes[one['error']], reason: bytes);
        if (one['canonical'] case final String canonical) {
          expect(hex(Cbor.canonicalise(unhex(bytes))), canonical);
        } else {
          expect(() => Cbor.canonicalise(unhex(bytes)), throwsA(isA<EncodingException>()));
        }
      }
    });
  });
}
