/// Changes of parts of a document.
///
/// Always: operations are applied in order, all or none.
/// Does not know: documents.
/// Format: docs/spec/encoding.md, "Patches".
library;

import 'path.dart';

/// Changes of parts of a document, in order.
///
/// ```dart
/// notes.update(id, Patch().set('title', 'Hi').increment('reads').append('tags', 'seen').remove('draft'));
/// ```
final class Patch {
  /// An empty patch, to add operations to.
  Patch();

  /// A patch that sets the value at each path.
  factory Patch.setting(Map<String, Object?> values) {
    final patch = Patch();
    values.forEach(patch.set);
    return patch;
  }

  /// The operations as they are encoded.
  final List<List<Object?>> operations = [];

  /// Sets the value at a path, and creates missing maps on the way.
  Patch set(Object path, Object? value) {
    operations.add([0, pathOf(path), value]);
    return this;
  }

  /// Removes the value at a path, if there is one.
  Patch remove(Object path) {
    operations.add([1, pathOf(path)]);
    return this;
  }

  /// Adds to a number: an `int`, `BigInt`, `double` or `Decimal`. A missing number counts as zero.
  Patch increment(Object path, [Object by = 1]) {
    operations.add([2, pathOf(path), by]);
    return this;
  }

  /// Appends a value to a list. A missing list counts as empty.
  Patch append(Object path, Object? value) {
    operations.add([3, pathOf(path), value]);
    return this;
  }
}
