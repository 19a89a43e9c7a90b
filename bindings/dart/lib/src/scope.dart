/// What the parts of one open database share: the native half, encoders to call with, and whether it is over.
///
/// Always: an encoder is used by one call at a time; a document whose map calls back gets another one.
/// Does not know: what is called.
library;

import 'dart:typed_data';

import 'encode.dart';
import 'raw.dart';
import 'values.dart';

/// How many encoders are kept for the next call.
const _keptMax = 4;

/// An encoder that grew beyond this gives its memory back.
const _keptBytesMax = 1 << 21;

/// Encoders whose memory the native half takes.
final class Encoders {
  /// Encoders for a native half.
  Encoders(this._raw);

  final Raw _raw;
  final List<Encoder> _free = [];

  /// Lends an encoder to a function; the bytes are good until the function returns.
  R lend<R>(R Function(Encoder encoder) run) {
    final encoder = _free.isEmpty ? Encoder(_raw.allocate()) : _free.removeLast();
    try {
      return run(encoder..at = 0);
    } finally {
      if (_free.length < _keptMax) {
        if (encoder.bytes.length > _keptBytesMax) {
          encoder.shrink();
        }
        _free.add(encoder);
      }
    }
  }
}

/// The bytes of many ids.
Uint8List packIds(Iterable<EntityId> ids) {
  final list = ids is List<EntityId> ? ids : ids.toList();
  final packed = Uint8List(list.length * 16);
  for (var i = 0; i < list.length; i++) {
    list[i].writeTo(packed, i * 16);
  }
  return packed;
}

/// The ids that stand one behind the other.
List<EntityId> unpackIds(Uint8List packed) => [
  for (var at = 0; at < packed.length; at += 16) EntityId.read(packed, at),
];
