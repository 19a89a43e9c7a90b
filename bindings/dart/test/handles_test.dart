// Handles that are dropped without being closed, and the library that is not found.
import 'dart:io';
import 'dart:typed_data';

import 'package:entidb/entidb.dart';
import 'package:test/test.dart';

import 'support/diagnostic.dart';

final int size = Platform.environment['ENTIDB_TIER'] == 'quick' ? 2000 : 100000;

/// Leaves handles of every kind behind.
void drop(EntiDb db, int count) {
  for (var n = 0; n < count; n++) {
    final notes = db.collection('notes');
    notes.scan().iterator.moveNext();
    db.snapshot().collection('notes');
    db.changes();
  }
}

/// Makes the collector of old objects run, as programs do that go on: large lists are old from the start.
int churn() {
  var length = 0;
  for (var n = 0; n < 40; n++) {
    length += Uint8List(1 << 20).length;
  }
  return length;
}

void main() {
  test('handles that are dropped are freed by the collector', () async {
    final db = EntiDb.openMemory();
    db.collection('notes').putMany([
      for (var n = 0; n < 1000; n++) {'n': n},
    ]);
    expect(db.stats().snapshots, 0);
    drop(db, size);
    for (var turn = 0; turn < 200 && db.stats().snapshots > 0; turn++) {
      churn();
      await Future<void>.delayed(const Duration(milliseconds: 1));
    }
    expect(db.stats().snapshots, 0);
    expect(db.stats().iterators, 0);
    db.close();
  });

  test('a library that is not found is an error that names what to do', () {
    for (final call in [
      () => EntiDb.openMemory(library: '/nowhere/libentidb.so'),
      () => EntiDb.openMemory(library: '$root/README.md'),
    ]) {
      expect(
        call,
        throwsA(
          isA<LibraryMismatchException>()
              .having((it) => it.message, 'message', contains('library:'))
              .having((it) => it.message, 'message', contains('ENTIDB_LIBRARY'))
              .having((it) => it.message, 'message', contains('native assets'))
              .having((it) => it.message, 'message', contains('beside the program')),
        ),
      );
    }
    expect(EntiDb.libraryVersion(), contains('.'));
  });

  test('the library says its file format and its features', () {
    expect(EntiDb.formatVersion(), greaterThan(0));
    expect(EntiDb.hasFeature('memory'), isTrue);
    expect(EntiDb.hasFeature('no such feature'), isFalse);
  });
}
