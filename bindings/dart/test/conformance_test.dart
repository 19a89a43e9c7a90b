// Runs tests/conformance and compares the transcript with the one every language must write.
import 'dart:convert';
import 'dart:io';

import 'package:test/test.dart';

import 'support/diagnostic.dart';
import 'support/runner.dart';

void main() {
  test('every conformance case gives the transcript that all languages give', () {
    final own = Directory.systemTemp.createTempSync('entidb-conformance-');
    addTearDown(() => own.deleteSync(recursive: true));
    final files = [
      for (final file in Directory('$root/tests/conformance').listSync())
        if (file is File && file.path.endsWith('.json')) file,
    ]..sort((a, b) => a.path.compareTo(b.path));
    var number = 0;
    final transcript = StringBuffer();
    final failures = <String>[];
    for (final file in files) {
      final read = jsonDecode(file.readAsStringSync()) as Json;
      for (final one in (read['cases']! as List<Object?>).cast<Json>()) {
        number += 1;
        final run = Run(one['options'], one['disk'] == true ? '${own.path}/$number' : null);
        final steps = (one['steps']! as List<Object?>).cast<Json>();
        for (var position = 1; position <= steps.length; position++) {
          final step = steps[position - 1];
          final result = run.run(step);
          transcript.write('$number $position $result\n');
          if (step['expect'] != null && step['expect'] != result) {
            failures.add('${one['name']}, step $position: expected ${step['expect']}, found $result');
          }
        }
        run.end();
      }
    }
    final to = Platform.environment['ENTIDB_TRANSCRIPTS'];
    if (to != null) {
      Directory(to).createSync(recursive: true);
      File('$to/dart.txt').writeAsStringSync('$transcript');
    }
    expect(failures, isEmpty);
    expect(number, greaterThan(149));
    final expected = File('$root/tests/conformance/expected.txt').readAsStringSync();
    final (found, wanted) = ('$transcript'.split('\n'), expected.split('\n'));
    for (var at = 0; at < found.length && at < wanted.length; at++) {
      expect(found[at], wanted[at]);
    }
    expect(found.length, wanted.length);
  });
}
