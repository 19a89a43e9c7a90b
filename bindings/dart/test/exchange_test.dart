// The databases every language writes and reads: tests/conformance/README.md, "Databases of other languages".
import 'dart:convert';
import 'dart:io';

import 'package:test/test.dart';

import 'support/diagnostic.dart';
import 'support/runner.dart';

void copyFolder(Directory from, Directory to) {
  to.createSync(recursive: true);
  for (final entry in from.listSync()) {
    final name = entry.uri.pathSegments.lastWhere((part) => part.isNotEmpty);
    switch (entry) {
      case File():
        entry.copySync('${to.path}/$name');
      case Directory():
        copyFolder(entry, Directory('${to.path}/$name'));
    }
  }
}

void main() {
  test('a database of every language is read', () {
    final own = Directory.systemTemp.createTempSync('entidb-exchange-');
    addTearDown(() => own.deleteSync(recursive: true));
    final files = '$root/tests/conformance/exchange';
    final steps = jsonDecode(File('$files/steps.json').readAsStringSync()) as Json;
    final lines = File('$files/expected.txt').readAsStringSync().trimRight().split('\n');
    List<String> take(String part, String place, Json variant) {
      final run = Run(variant['options'], place);
      try {
        final all = (steps[part]! as List<Object?>).cast<Json>();
        return [for (var at = 0; at < all.length; at++) '$part ${at + 1} ${run.run(all[at])}'];
      } finally {
        run.end();
      }
    }

    List<String> expected(String part) => lines.where((line) => line.startsWith(part)).toList();
    final variants = (steps['variants']! as List<Object?>).cast<Json>();
    final exchange = '${Platform.environment['ENTIDB_TRANSCRIPTS'] ?? own.path}/exchange';
    final mine = Directory('$exchange/databases/dart');
    if (mine.existsSync()) mine.deleteSync(recursive: true);
    mine.createSync(recursive: true);
    for (final variant in variants) {
      final written = take('write', '${mine.path}/${variant['name']}', variant);
      expect(written, expected('write'), reason: 'dart writing its ${variant['name']} database');
    }
    final writers = [
      for (final folder in mine.parent.listSync()) folder.uri.pathSegments.lastWhere((part) => part.isNotEmpty),
    ]..sort();
    for (final writer in writers) {
      for (final variant in variants) {
        final name = variant['name'];
        final copy = '${own.path}/$writer $name';
        copyFolder(Directory('${mine.parent.path}/$writer/$name'), Directory(copy));
        expect(take('read', copy, variant), expected('read'), reason: 'dart reading the $name database of $writer');
      }
    }
    File('$exchange/dart.read').writeAsStringSync(writers.map((writer) => '$writer\n').join());
  });
}
