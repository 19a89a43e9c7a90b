/// Memory that an encoder writes to.
///
/// Always: the bytes stay where they are until `grow` or `release`.
/// Does not know: whether the bytes are of Dart or of a library.
library;

import 'dart:typed_data';

/// Memory that can grow.
abstract interface class Memory {
  /// The bytes as they are now.
  Uint8List get bytes;

  /// Replaces the bytes by at least [least], with the first [kept] copied.
  Uint8List grow(int least, int kept);

  /// Gives the memory back.
  void release();
}

/// Memory of Dart.
final class HeapMemory implements Memory {
  /// Memory for [size] bytes.
  HeapMemory([int size = 256]) : bytes = Uint8List(size);

  @override
  Uint8List bytes;

  @override
  Uint8List grow(int least, int kept) {
    final doubled = bytes.length * 2;
    final grown = Uint8List(doubled > least ? doubled : least);
    grown.setRange(0, kept, bytes);
    return bytes = grown;
  }

  @override
  void release() {}
}
