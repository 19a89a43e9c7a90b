/// Values as lossless JSON, as the vectors and the conformance cases write them (tests/vectors/README.md).
library;

import 'dart:io';
import 'dart:typed_data';

import 'package:entidb/entidb.dart';

/// The folder of the repository.
final String root = Platform.environment['ENTIDB_ROOT'] ?? Directory.current.parent.parent.path;

String hex(Uint8List bytes) => bytes.map((byte) => byte.toRadixString(16).padLeft(2, '0')).join();

Uint8List unhex(String text) =>
    Uint8List.fromList([for (var at = 0; at < text.length; at += 2) int.parse(text.substring(at, at + 2), radix: 16)]);

Object? fromJson(Object? json) {
  if (json is List) return [for (final item in json) fromJson(item)];
  if (json is! Map<String, Object?>) return json;
  if (json.isEmpty || !json.keys.first.startsWith(r'$')) {
    return json.map((key, value) => MapEntry(key, fromJson(value)));
  }
  final content = json.values.first;
  List<Object?> list() => content! as List<Object?>;
  String text() => content! as String;
  return switch (json.keys.first) {
    r'$int' => BigInt.parse(text()),
    r'$float' => double.parse(text()),
    r'$bytes' => unhex(text()),
    r'$timestamp' => Timestamp(int.parse(text())),
    r'$uuid' => Uuid.parse(text()),
    r'$id' => EntityId.parse(text()),
    r'$decimal' => Decimal(BigInt.parse(list()[0]! as String), int.parse(list()[1]! as String)),
    r'$vector' => Vector(VectorKind.values.byName(list()[0]! as String), unhex(list()[1]! as String)),
    r'$tag' => Tagged(BigInt.parse(list()[0]! as String), fromJson(list()[1])),
    r'$map' => {for (final entry in list()) fromJson((entry! as List)[0]): fromJson((entry as List)[1])},
    final kind => throw StateError('no kind of value $kind'),
  };
}
