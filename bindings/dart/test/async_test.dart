// Futures, streams and other isolates: what waits elsewhere, and what is shared.
import 'dart:async';
import 'dart:isolate';
import 'dart:typed_data';

import 'package:entidb/entidb.dart';
import 'package:test/test.dart';

/// Counts by another isolate of the same database.
int countIn(int token) {
  final db = EntiDb.attach(token);
  try {
    db.collection('notes').put({'from': 'another isolate'});
    return db.collection('notes').count();
  } finally {
    db.detach();
  }
}

void closeIn(int token) => EntiDb.attach(token).close();

// What a function takes along is copied with all variables around it: these are made where there is no database.
Future<R> elsewhere<R>(R Function(int token) run, int token) => Isolate.run(() => run(token));

Object? Function(Transaction tx) adding(EntityId id, int by) => (tx) {
  final inside = tx.collection('notes');
  inside.update(id, Patch().increment('n', by));
  return inside.get(id)!['n'];
};

void Function(Transaction tx) failing(EntityId id) => (tx) {
  tx.collection('notes').delete(id);
  throw StateError('no');
};

void waitForever(int token) {
  final db = EntiDb.attach(token);
  db.changes(since: db.position).next(const Duration(hours: 1));
}

void main() {
  late EntiDb db;
  late Collection<Document> notes;
  setUp(() {
    db = EntiDb.openMemory();
    notes = db.collection('notes');
  });
  tearDown(() => db.close());

  test('each method that waits has a twin with its results', () async {
    notes.createIndex(['n']);
    final id = await notes.putAsync({'n': 1, 'at': DateTime.utc(2026), 'bytes': Uint8List(3)});
    expect((await notes.getAsync(id))!['n'], 1);
    expect((await notes.getAsync(id))!.value, isA<Document>());
    expect(await notes.existsAsync(id), isTrue);
    await notes.updateAsync(id, Patch().increment('n'));
    await notes.replaceAsync(id, {'n': 5});
    final ids = await notes.putManyAsync([
      for (var n = 10; n < 20; n++) {'n': n},
    ]);
    expect(await notes.countAsync(), 11);
    expect((await notes.getManyAsync(ids.take(2))).map((one) => one!['n']), equals([10, 11]));
    final query = notes.find(f<int>('n') >= 10).orderBy('n');
    expect((await query.toListAsync()).map((one) => one['n']).first, 10);
    expect((await query.firstOrNullAsync())!['n'], 10);
    expect(await query.countAsync(), 10);
    expect((await query.pageAsync(3)).entities, hasLength(3));
    expect(await query.idsAsync(), hasLength(10));
    expect(await query.updateAsync(Patch().set('seen', true)), 10);
    expect(await query.deleteAsync(), 10);
    expect((await notes.historyAsync(id)).length, greaterThan(2));
    expect(await notes.deleteAsync(id), isTrue);
    expect(await notes.createIndexAsync(['x']), isTrue);
    expect((await db.verifyAsync(full: true)).ok, isTrue);
    await db.checkpointAsync();
    await db.compactAsync();
    await db.waitDurableAsync(db.lastSequence);
  });

  test('an error of the background isolate is the error of the call', () async {
    final id = await notes.putAsync({'n': 1});
    await expectLater(
      notes.insertAsync({'n': 1}, id: id),
      throwsA(isA<AlreadyExistsException>().having((it) => it.collection, 'collection', 'notes')),
    );
    await expectLater(notes.putAsync({'n': Object()}), throwsA(isA<EncodingException>()));
    await expectLater(db.background((db) => throw StateError('mine')), throwsStateError);
    await expectLater(db.background((db) => db.collection('notes')), throwsA(isA<UsageException>()));
    await expectLater(db.background((db) async => 1), throwsA(isA<UsageException>()));
    expect(await notes.countAsync(), 1);
  });

  test('a transaction runs whole in the background', () async {
    final id = notes.put({'n': 1});
    expect(await db.transactionAsync(adding(id, 41)), 42);
    await expectLater(db.transactionAsync(failing(id)), throwsStateError);
    expect(notes.exists(id), isTrue);
  });

  test('the isolate runs on while work is done in the background', () async {
    notes.putMany([
      for (var n = 0; n < 5000; n++) {'n': n, 'text': 'x' * 50},
    ]);
    var turns = 0;
    final timer = Timer.periodic(Duration.zero, (_) => turns += 1);
    await notes.createIndexAsync(['n']);
    await db.verifyAsync(full: true);
    await notes.find(f('text').contains('y')).countAsync();
    timer.cancel();
    expect(turns, greaterThan(10));
  });

  test('a token ends work of the background and waits of this isolate', () async {
    final open = db.begin();
    final token = CancelToken();
    final waits = notes.putAsync({'n': 1}, cancel: token);
    await Future<void>.delayed(const Duration(milliseconds: 50));
    token.cancel();
    await expectLater(waits, throwsA(isA<CancelledException>()));
    open.abort();
    expect(await notes.countAsync(), 0);
    await expectLater(notes.countAsync(cancel: token), throwsA(isA<CancelledException>()));
    final short = CancelToken(timeout: const Duration(milliseconds: 20));
    final feed = db.changes(since: db.position);
    expect(() => short.run(() => feed.next(const Duration(hours: 1))), throwsA(isA<DeadlineExceededException>()));
    expect(short.check, throwsA(isA<DeadlineExceededException>()));
    expect(feed.next(), isNull);
  });

  test('results are a stream that ends, pauses and is cancelled', () async {
    notes.putMany([
      for (var n = 0; n < 1000; n++) {'n': n},
    ]);
    expect(await notes.find(f<int>('n') >= 100).stream().length, 900);
    expect(await notes.scanStream(limit: 300).map((one) => one['n']).toSet(), hasLength(300));
    final first = await notes.find().stream().first;
    expect(first['n'], isNotNull);
    await notes.countAsync();
    expect(db.stats().snapshots, 0);
  });

  test('changes are a stream that waits, pauses and resumes', () async {
    notes.put({'n': 0});
    final seen = <Object?>[];
    final stream = db.changeStream();
    final subscription = stream.listen((batch) => seen.addAll(batch.changes.map((change) => change.document?['n'])));
    Future<void> until(int count) async {
      for (var turn = 0; turn < 1000 && seen.length < count; turn++) {
        await Future<void>.delayed(const Duration(milliseconds: 10));
      }
    }

    notes.put({'n': 1});
    await until(1);
    subscription.pause();
    notes
      ..put({'n': 2})
      ..put({'n': 3});
    await Future<void>.delayed(const Duration(milliseconds: 50));
    expect(seen, [1]);
    subscription.resume();
    await until(3);
    expect(seen, [1, 2, 3]);
    await subscription.cancel();
    notes.put({'n': 4});
    await Future<void>.delayed(const Duration(milliseconds: 50));
    expect(seen, [1, 2, 3]);
  });

  test('a stream of changes says that the database was closed', () async {
    final errors = <Object>[];
    final done = Completer<void>();
    db.changeStream().listen((_) {}, onError: errors.add, onDone: done.complete);
    await Future<void>.delayed(const Duration(milliseconds: 50));
    db.close();
    await done.future;
    expect(errors, hasLength(1));
    expect(errors.single, isA<ClosedException>());
  });

  test('several isolates share one database by its token', () async {
    notes.put({'from': 'this isolate'});
    final token = db.token;
    expect(await elsewhere(countIn, token), 2);
    expect(notes.count(), 2);
    final other = EntiDb.attach(token);
    expect(other.token, token);
    other.detach();
    expect(other.isClosed, isTrue);
    expect(db.isClosed, isFalse);
    expect(() => EntiDb.attach(token + 1000), throwsA(isA<ClosedException>()));
  });

  test('a database that another isolate closed is closed here', () async {
    final token = db.token;
    await elsewhere(closeIn, token);
    expect(db.isClosed, isTrue);
    expect(notes.count, throwsA(isA<ClosedException>()));
    await expectLater(notes.countAsync(), throwsA(isA<ClosedException>()));
  });

  test('an isolate that waits in the library can be killed', () async {
    final ended = ReceivePort();
    final isolate = await Isolate.spawn(waitForever, db.token, onExit: ended.sendPort);
    await Future<void>.delayed(const Duration(milliseconds: 100));
    isolate.kill(priority: Isolate.immediate);
    await ended.first;
    notes.put({'n': 1});
  });

  test('a database opens and closes in the background', () async {
    await expectLater(EntiDb.openAsync('/dev/null/x'), throwsA(isA<EntidbException>()));
    final closing = EntiDb.openMemory();
    final write = closing.collection('a').putAsync({'n': 1});
    await closing.closeAsync();
    await write;
    expect(closing.isClosed, isTrue);
    await expectLater(closing.background((db) => 1), throwsA(isA<ClosedException>()));
  });
}
