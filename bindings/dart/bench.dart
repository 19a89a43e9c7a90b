// Figures of the package: `dart bench.dart [entities]`, with ENTIDB_LIBRARY set. Times are of one isolate; a database in memory shows what the
// calls cost, one on disk is flushed every 20 ms (`grouped`).
import 'dart:io';

import 'package:entidb/entidb.dart';

Document document(int n) => {
  'name': 'user $n',
  'email': 'user$n@example.org',
  'age': n % 90,
  'tags': ['t${n % 10}', 't${n % 7}'],
  'at': DateTime.fromMicrosecondsSinceEpoch(1700000000000000 + n, isUtc: true),
  'score': n / 3,
};

/// Processor time of this process in milliseconds, all threads together: what a call costs on a machine that is busy.
int processorMs() {
  final fields = File('/proc/self/stat').readAsStringSync().split(') ').last.split(' ');
  return (int.parse(fields[11]) + int.parse(fields[12])) * 10;
}

/// Runs something for a second and prints how often it went in a second, and the time of one.
void measure(String what, void Function(int n) run, {int each = 1}) {
  for (var n = 0; n < 300; n++) {
    run(n);
  }
  final before = processorMs();
  final watch = Stopwatch()..start();
  var count = 0;
  while (watch.elapsedMilliseconds < 1000) {
    run(count++);
  }
  final wall = watch.elapsedMicroseconds;
  final processor = (processorMs() - before) * 1000;
  final all = count * each;
  stdout.writeln(
    '${what.padRight(44)} ${'${all * 1000000 ~/ wall}'.padLeft(8)}/s'
    ' ${(wall / all).toStringAsFixed(1).padLeft(8)} µs ${(processor / all).toStringAsFixed(1).padLeft(8)} µs of processor',
  );
}

void main(List<String> arguments) {
  final size = arguments.isEmpty ? 20000 : int.parse(arguments.first);
  final folder = Directory.systemTemp.createTempSync('entidb-bench-');
  for (final (where, db) in [
    ('memory', EntiDb.openMemory()),
    ('disk', EntiDb.open('${folder.path}/db', options: const EntiDbOptions(durability: Durability.grouped))),
  ]) {
    final users = db.collection('users')..createIndex(['age']);
    final ids = <EntityId>[];
    for (var n = 0; n < size; n += 1000) {
      ids.addAll(users.putMany([for (var m = n; m < n + 1000; m++) document(m)]));
    }
    final bytes = users.getBytes(ids.first)!;
    stdout.writeln('$where, $size documents of ${bytes.length} bytes, an index');
    measure('put, each a commit', (n) => users.put(document(n), id: ids[n % size]));
    measure('put in transactions of 100', (n) {
      db.transaction((tx) {
        final inside = tx.collection('users');
        for (var m = 0; m < 100; m++) {
          inside.put(document(m), id: ids[(n * 100 + m) % size]);
        }
      });
    }, each: 100);
    measure('putMany of 100', (n) => users.putMany([for (var m = 0; m < 100; m++) document(m)]), each: 100);
    measure('get', (n) => users.get(ids[n * 7 % size]));
    measure('getBytes', (n) => users.getBytes(ids[n * 7 % size]));
    measure('exists', (n) => users.exists(ids[n * 7 % size]));
    measure('find by index, 100 rows', (n) => users.find(f('age').equals(n % 90)).limit(100).toList());
    measure('find by index, 10 rows', (n) => users.find(f('age').equals(n % 90)).limit(10).toList());
    measure('scan', (n) => users.scan(limit: 1000).length, each: 1000);
    measure('count of a collection (the boundary alone)', (n) => users.count());
    db.close();
  }
  final value = document(1);
  final bytes = Cbor.encode(value);
  measure('encode a document', (n) => Cbor.encode(value));
  measure('decode a document', (n) => Cbor.decode(bytes));
  folder.deleteSync(recursive: true);
}
