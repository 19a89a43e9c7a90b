/// Documents as bytes.
///
/// Always: one value has one encoding, in every language. Does not know: databases.
/// Format: docs/spec/encoding.md.
library;

import 'dart:typed_data';

import 'decode.dart';
import 'encode.dart';

/// The encoding of documents: canonical CBOR.
abstract final class Cbor {
  /// The bytes of a value. Throws an `EncodingException` with the path to a value that cannot be stored.
  static Uint8List encode(Object? value) {
    final bytes = encodeValue(value);
    // A tag of the caller may hold what its number does not allow.
    Decoder(bytes).document();
    return bytes;
  }

  /// The value of canonical bytes. Throws an `EncodingException` with the offset of what is wrong.
  static Object? decode(Uint8List bytes) => Decoder(bytes).document();

  /// The canonical bytes of the same value, from any well-formed CBOR.
  static Uint8List canonicalise(Uint8List bytes) => encodeValue(Decoder.ofAnyForm(bytes).document());
}
