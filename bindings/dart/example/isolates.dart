// Several isolates on one database: a token is sent, and each isolate attaches.
import 'dart:isolate';

import 'package:entidb/entidb.dart';

int fill((int token, int from, int to) part) {
  final (token, from, to) = part;
  final db = EntiDb.attach(token);
  try {
    final numbers = db.collection('numbers');
    numbers.putMany([
      for (var n = from; n < to; n++) {'n': n, 'square': n * n},
    ]);
    return to - from;
  } finally {
    db.detach();
  }
}

Future<int> fillThere(int token, int from, int to) => Isolate.run(() => fill((token, from, to)));

Future<void> main() async {
  final db = EntiDb.openMemory();
  final token = db.token;
  final counts = await Future.wait([
    for (var part = 0; part < 3; part++) fillThere(token, part * 100, part * 100 + 100),
  ]);
  final numbers = db.collection('numbers');
  print('$counts: ${numbers.count()} numbers, largest ${numbers.find().orderBy('-n').first['square']}');
  db.close();
}
