/// Entities one behind the other in bytes, as batches of the library have them.
///
/// Always: each frame is read when it is asked for; a frame that is not whole is damage.
/// Does not know: where bytes come from.
library;

import 'dart:typed_data';

import 'decode.dart';
import 'errors.g.dart';
import 'interface.g.dart';
import 'schema.dart';
import 'values.dart';

/// The number of 64 bits, little-endian, at a place.
int uint64At(ByteData view, int at) =>
    view.getUint32(at, Endian.little) | (view.getUint32(at + 4, Endian.little) << 32);

/// Reads frames.
final class Frames {
  /// Reads the frames of these bytes from a place on.
  Frames(this.bytes, [this.at = 0]) : view = ByteData.sublistView(bytes);

  /// The bytes.
  final Uint8List bytes;

  /// The bytes as numbers.
  final ByteData view;

  /// Where the next frame begins.
  int at;

  /// Whether there is no other.
  bool get isDone => at >= bytes.length;

  /// The next entity; null for an id without one.
  Entity<T>? next<T>(Schema<T> schema) {
    final start = at;
    _room(start, frameAbsentBytes);
    final length = view.getUint32(start, Endian.little);
    if (length == 0xffffffff) {
      at = start + frameAbsentBytes;
      return null;
    }
    _room(start, frameHeadBytes + length);
    final from = start + frameHeadBytes;
    at = from + length;
    return Entity(
      EntityId.read(bytes, start + 4),
      uint64At(view, start + 20),
      schema.decode(decodeValue(bytes, from, at)),
    );
  }

  /// The next key with its id.
  (Object?, EntityId) nextKey() {
    final start = at;
    _room(start, frameHeadBytes);
    final length = view.getUint32(start, Endian.little);
    _room(start, frameHeadBytes + length);
    final from = start + frameHeadBytes;
    at = from + length;
    return (decodeValue(bytes, from, at), EntityId.read(bytes, start + 4));
  }

  void _room(int start, int size) {
    if (start + size > bytes.length) {
      throw exceptionFrom(EntidbCode.corrupt, 'a batch of the library ends inside a frame', {'offset': start});
    }
  }
}
