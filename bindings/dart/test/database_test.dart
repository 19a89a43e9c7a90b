// Databases, collections, queries and transactions, as programs use them.
import 'dart:io';
import 'dart:typed_data';

import 'package:entidb/entidb.dart';
import 'package:test/test.dart';

final class Note {
  Note(this.title, this.tags);

  final String title;
  final List<String> tags;

  static final schema = Schema<Note>(
    read: (map) => Note(map['title']! as String, (map['tags']! as List<Object?>).cast()),
    write: (note) => {'title': note.title, 'tags': note.tags},
  );
  static final titleField = f<String>('title');
}

void main() {
  late EntiDb db;
  late Collection<Document> notes;
  setUp(() {
    db = EntiDb.openMemory();
    notes = db.collection('notes');
  });
  tearDown(() => db.close());

  test('an entity is stored, read, changed and deleted', () {
    final id = notes.put({'title': 'Hello', 'reads': 1});
    final read = notes.get(id)!;
    expect(read.id, id);
    expect(read['title'], 'Hello');
    expect(read.value, {'title': 'Hello', 'reads': 1});
    notes.update(id, Patch().set('title', 'Hi').increment('reads').append('tags', 'seen').remove('none'));
    expect(notes[id], {
      'title': 'Hi',
      'reads': 2,
      'tags': ['seen'],
    });
    expect(notes.exists(id), isTrue);
    expect(notes.count(), 1);
    expect(notes.delete(id), isTrue);
    expect(notes.delete(id), isFalse);
    expect(notes.get(id), isNull);
  });

  test('what must or must not be there is checked, and so is the version', () {
    final id = notes.insert({'n': 1});
    expect(() => notes.insert({'n': 2}, id: id), throwsA(isA<AlreadyExistsException>()));
    final version = notes.get(id)!.version;
    notes.replace(id, {'n': 2}, version: version);
    expect(() => notes.replace(id, {'n': 3}, version: version), throwsA(isA<VersionMismatchException>()));
    expect(() => notes.delete(id, version: version), throwsA(isA<VersionMismatchException>()));
    expect(() => notes.replace(db.newId(), {'n': 3}), throwsA(isA<EntityNotFoundException>()));
    expect(() => notes.replace(id, {'n': 3}, version: 0), throwsA(isA<UsageException>()));
  });

  test('many are stored and read at once, in their order', () {
    final ids = notes.putMany([
      for (var n = 0; n < 1000; n++) {'n': n},
    ]);
    expect(ids.toSet(), hasLength(1000));
    final found = notes.getMany([ids[7], db.newId(), ids[3]]);
    expect(found.map((one) => one?['n']), equals([7, null, 3]));
    expect(notes.deleteMany(ids.take(10)), 10);
    final own = EntityId.parse('0' * 32);
    expect(
      notes.putMany(
        [
          {'n': -1},
        ],
        ids: [own],
      ),
      [own],
    );
    expect(
      () => notes.putMany([
        {'n': 1},
      ], ids: []),
      throwsA(isA<UsageException>()),
    );
  });

  test('a document larger than any buffer crosses whole', () {
    final text = 'x' * 300000;
    final id = notes.put({'text': text, 'bytes': Uint8List(100000)});
    expect(notes.get(id)!['text'], text);
    expect((Cbor.decode(notes.getBytes(id)!)! as Map)['bytes'], hasLength(100000));
    final other = notes.putBytes(notes.getBytes(id)!);
    expect(notes.get(other)!['text'], text);
  });

  test('a collection of a schema reads and writes objects', () {
    final typed = db.typed('notes', Note.schema);
    final id = typed.put(Note('Hello', ['a', 'b']));
    expect(typed.get(id)!.value.tags, ['a', 'b']);
    expect(typed.find(Note.titleField.startsWith('He')).first.value.title, 'Hello');
    expect(notes.get(id)!['title'], 'Hello');
  });

  test('a document with integer keys needs a schema for them', () {
    final maps = db.typed('notes', Schemas.maps);
    final id = maps.put({1: 'one', 'a': 2});
    expect(maps.get(id)!.value, {1: 'one', 'a': 2});
    expect(() => notes.get(id), throwsA(isA<EncodingException>().having((it) => it.code, 'code', 'WRONG_TYPE')));
  });

  group('a query', () {
    setUp(() {
      notes.createIndex(['n']);
      notes.putMany([
        for (var n = 0; n < 100; n++)
          {
            'n': n,
            'even': n.isEven,
            'tags': ['t${n % 3}'],
            'at': {'x': n},
          },
      ]);
    });

    test('finds by conditions, in order, within bounds', () {
      final asked = (f<int>('n') >= 10) & (f<int>('n') < 20) & f('even').equals(true);
      expect(notes.find(asked).orderBy('-n').map((one) => one['n']), equals([18, 16, 14, 12, 10]));
      expect(notes.find(asked).orderBy('n').offset(1).limit(2).map((one) => one['n']), equals([12, 14]));
      expect(notes.find(f('n').isIn([1, 2, 200])).count(), 2);
      expect(notes.find(~f('even').equals(true)).length, 50);
      expect(notes.find(f('tags').contains('t0') | f('n').equals(1)).count(), 35);
      expect(notes.find(f('at.x').between(3, 5)).ids(), hasLength(3));
      expect(notes.find(f('none').exists()).isEmpty, isTrue);
      expect(notes.find().isNotEmpty, isTrue);
    });

    test('gives the first, or nothing', () {
      expect(notes.find().orderBy('-n').first['n'], 99);
      expect(notes.find(f('n').equals(-1)).firstOrNull, isNull);
      expect(() => notes.find(f('n').equals(-1)).first, throwsStateError);
    });

    test('gives pages that continue', () {
      final query = notes.find(f<int>('n') < 25).orderBy('n');
      final seen = <Object?>[];
      String? token;
      var pages = 0;
      do {
        final page = query.after(token).page(10);
        seen.addAll(page.entities.map((one) => one['n']));
        token = page.token;
        pages += 1;
      } while (token != null);
      expect(pages, 3);
      expect(seen, [for (var n = 0; n < 25; n++) n]);
      expect(() => query.after('?'), throwsA(isA<UsageException>()));
    });

    test('changes and deletes its results', () {
      expect(notes.find(f<int>('n') < 10).update(Patch().increment('n', 1000)), 10);
      expect(notes.find(f<int>('n') >= 1000).count(), 10);
      expect(notes.find(f<int>('n') >= 1000).delete(), 10);
      expect(notes.count(), 90);
    });

    test('changes all of its results or none', () {
      notes.createIndex(['u'], unique: true);
      expect(() => notes.find().update(Patch().set('u', 1)), throwsA(isA<UniqueViolationException>()));
      expect(notes.find(f('u').exists()).count(), 0);
      db.transaction((tx) {
        final inside = tx.collection('notes');
        expect(() => inside.find().update(Patch().set('u', 1)), throwsA(isA<UniqueViolationException>()));
        expect(inside.find(f('u').exists()).count(), 0);
      });
    });

    test('says its plan', () {
      final plan = notes.find(f('n').equals(5)).explain();
      expect(plan.index, 'n');
      expect(plan.scan, isFalse);
      expect('$plan', contains('n'));
    });

    test('is read again by each loop, from a snapshot', () {
      final query = notes.find(f<int>('n') < 50);
      var count = 0;
      for (final one in query) {
        notes.delete(one.id);
        count += 1;
      }
      expect(count, 50);
      expect(query.toList(), isEmpty);
    });

    test('names a path that cannot be read', () {
      expect(() => f('a[0]'), throwsA(isA<UsageException>().having((it) => it.message, 'message', contains('a.0'))));
      expect(f(r'a\.b.0.[5]').path, [
        'a.b',
        0,
        [BigInt.from(5)],
      ]);
      expect(f(['we.ird', 0]).path, ['we.ird', 0]);
      for (final wrong in ['a..b', '.', r'a\', '01', 'm.[x]']) {
        expect(() => f(wrong), throwsA(isA<UsageException>()), reason: wrong);
      }
    });
  });

  test('a scan goes by ids, from either end', () {
    final ids = notes.putMany([
      for (var n = 0; n < 5; n++) {'n': n},
    ])..sort();
    expect(notes.scan().map((one) => one.id), equals(ids));
    expect(notes.scan(reverse: true, limit: 2).map((one) => one.id), equals([ids[4], ids[3]]));
    expect(notes.scan(after: ids[2]).map((one) => one.id), equals([ids[3], ids[4]]));
    expect(notes.scan(limit: 0), isEmpty);
  });

  test('a transaction commits what its function did, or nothing', () {
    final id = notes.put({'n': 1});
    final result = db.transaction((tx) {
      tx.collection('notes').update(id, Patch().increment('n'));
      return 'done';
    });
    expect(result, 'done');
    expect(
      () => db.transaction((tx) => tx.collection('notes').delete(id) ? throw StateError('no') : 0),
      throwsStateError,
    );
    expect(notes.get(id)!['n'], 2);
  });

  test('a transaction whose function waits is refused, and nothing is committed', () {
    expect(
      () => db.transaction((tx) async => tx.collection('notes').put({'n': 1})),
      throwsA(isA<UsageException>().having((it) => it.message, 'message', contains('nothing was committed'))),
    );
    expect(notes.count(), 0);
  });

  test('savepoints undo a part of a transaction', () {
    db.transaction((tx) {
      final inside = tx.collection('notes');
      inside.put({'n': 1});
      final before = tx.savepoint();
      inside.put({'n': 2});
      tx.rollbackTo(before);
      expect(inside.count(), 1);
    });
    expect(notes.count(), 1);
  });

  test('a transaction that waits for another says so', () {
    final open = db.begin();
    expect(() => notes.put({'n': 1}), throwsA(isA<TransactionException>().having((it) => it.code, 'code', 'DEADLOCK')));
    open.collection('notes').put({'n': 2});
    open.commit();
    expect(open.isOpen, isFalse);
    expect(notes.count(), 1);
    expect(() => open.collection('notes').count(), throwsA(isA<TransactionException>()));
  });

  test('a snapshot does not see later commits, and an earlier commit can be read', () {
    final id = notes.put({'n': 1});
    final before = db.lastSequence;
    final snapshot = db.snapshot();
    notes.replace(id, {'n': 2});
    expect(snapshot.collection('notes').get(id)!['n'], 1);
    snapshot.close();
    expect(notes.get(id, at: before)!['n'], 1);
    final old = db.snapshot(at: before);
    expect(old.collection('notes').find(f('n').equals(1)).count(), 1);
    old.close();
    final versions = notes.history(id);
    expect(versions.map((one) => one.entity['n']), equals([1, 2]));
    expect(versions.last.until, isNull);
  });

  test('an error has its class, its code and where it happened', () {
    notes.createIndex(['email'], unique: true);
    final first = notes.put({'email': 'ada@example.org'});
    try {
      notes.put({'email': 'ada@example.org'});
      fail('not refused');
    } on UniqueViolationException catch (error) {
      expect(error.code, 'UNIQUE_VIOLATION');
      expect(error.number, EntidbCode.uniqueViolation);
      expect(error.collection, 'notes');
      expect(error.index, 'email');
      expect(error.context['id'], first);
      expect(error.hint, isNot(''));
      expect(error, isA<TransactionException>());
    }
  });

  test('keys of the program find what the database cannot read', () {
    notes.createManualIndex('phone', unique: true);
    final id = notes.put({'n': 1});
    final phone = notes.manualIndex('phone');
    expect(phone.insert('+49 30 1', id), isTrue);
    expect(phone.insert('+49 30 1', id), isFalse);
    phone.insert(null, id);
    expect(phone.lookup('+49 30 1'), [id]);
    expect(phone.length, 2);
    expect(phone.map((one) => one.$1), equals([null, '+49 30 1']));
    expect(phone.range(from: '+').map((one) => one.$1), equals(['+49 30 1']));
    expect(phone.range(from: null, to: null).length, 1);
    expect(phone.remove(null, id), isTrue);
    expect(() => notes.manualIndex('none'), throwsA(isA<IndexNotFoundException>()));
  });

  test('the feed gives commits in order, with documents before where asked', () {
    final since = db.position;
    final feed = db.changes(since: since, before: true);
    final id = notes.put({'n': 1});
    notes.replace(id, {'n': 2});
    notes.delete(id);
    final changes = [for (final batch in feed) ...batch.changes];
    final ofEntity = changes.where((change) => change.id == id).toList();
    expect(ofEntity.map((change) => change.kind), equals([ChangeKind.insert, ChangeKind.update, ChangeKind.delete]));
    expect(ofEntity[1].document, {'n': 2});
    expect(ofEntity[1].before, {'n': 1});
    expect(ofEntity[2].before, {'n': 2});
    expect(feed.next(), isNull);
    expect(feed.next(const Duration(milliseconds: 5)), isNull);
    feed.close();
    expect(() => feed.next(), throwsA(isA<ClosedException>()));
  });

  test('indexes are listed with what they are', () {
    expect(notes.createIndex(['a', '-b'], name: 'ab', unique: true), isTrue);
    expect(notes.createIndex(['a', '-b'], name: 'ab', unique: true), isFalse);
    final [index] = notes.indexes();
    expect('${index.name} ${index.kind} ${index.columns} ${index.unique}', 'ab ordered [a, -b] true');
    expect(() => notes.createIndex(['c'], name: 'ab'), throwsA(isA<IndexExistsException>()));
    notes.dropIndex('ab');
    expect(notes.indexes(), isEmpty);
  });

  test('an option that is not known is refused with the nearest name', () {
    expect(
      () => EntiDb.openMemory(options: const EntiDbOptions.fromMap({'memory_byte': 1})),
      throwsA(isA<EntidbException>().having((it) => '${it.code} ${it.message}', 'words', contains('memory_bytes'))),
    );
    expect(() => EntiDb.openMemory(options: const EntiDbOptions(password: 5)), throwsA(isA<UsageException>()));
    final other = EntiDb.openMemory(options: const EntiDbOptions(scanPolicy: ScanPolicy.forbid, lockTimeoutMs: 7));
    expect(other.config().scanPolicy, ScanPolicy.forbid);
    expect(other.config().lockTimeoutMs, 7);
    other.close();
  });

  test('a closed database refuses what is left of it', () {
    final transaction = db.begin();
    final feed = db.changes();
    expect(() => db.close(abort: false), throwsA(isA<InUseException>()));
    db.close();
    db.close();
    expect(db.isClosed, isTrue);
    for (final call in [notes.count, db.collections, () => db.collection('x'), feed.next, transaction.commit]) {
      expect(call, throwsA(isA<EntidbException>()));
    }
    expect(() => db.transaction((tx) {}), throwsA(isA<ClosedException>()));
  });

  group('on disk', () {
    late Directory folder;
    setUp(() => folder = Directory.systemTemp.createTempSync('entidb-dart-'));
    tearDown(() => folder.deleteSync(recursive: true));

    test('a database is there after it is closed, locked while it is open, and copied', () {
      final path = '${folder.path}/a';
      final first = EntiDb.open(path);
      final id = first.collection('notes').put({'title': 'Straße'});
      expect(() => EntiDb.open(path), throwsA(isA<DatabaseLockedException>()));
      first.checkpoint();
      expect(first.backup('${folder.path}/copy').files, greaterThan(0));
      first.close();
      final again = EntiDb.open(path, options: const EntiDbOptions(create: false));
      expect(again.collection('notes').get(id)!['title'], 'Straße');
      expect(again.openReport().clean, isTrue);
      expect(again.verify(full: true).ok, isTrue);
      expect(again.stats().entities, 1);
      again.close();
      expect(EntiDb.validateBackup('${folder.path}/copy').ok, isTrue);
      final restored = EntiDb.restoreMemory('${folder.path}/copy');
      expect(restored.collection('notes').count(), 1);
      restored.close();
      expect(
        () => EntiDb.open('${folder.path}/none', options: const EntiDbOptions(create: false)),
        throwsA(isA<DatabaseNotFoundException>().having((it) => it.path, 'path', contains('none'))),
      );
    });

    test('an encrypted database opens with its key alone', () {
      final path = '${folder.path}/secret';
      final key = Uint8List.fromList(List.generate(32, (i) => i));
      final first = EntiDb.open(path, options: EntiDbOptions(key: key));
      first.collection('notes').put({'n': 1});
      final other = Uint8List.fromList(List.generate(32, (i) => 255 - i));
      first.changeKey(DatabaseKey.bytes(key), DatabaseKey.bytes(other));
      expect(first.keys().map((slot) => slot.kind), equals(['key']));
      first.close();
      expect(() => EntiDb.open(path), throwsA(isA<EncryptionRequiredException>()));
      expect(() => EntiDb.open(path, options: EntiDbOptions(key: key)), throwsA(isA<WrongKeyException>()));
      final again = EntiDb.open(path, options: EntiDbOptions(key: other));
      expect(again.config().encrypted, isTrue);
      expect(again.collection('notes').count(), 1);
      again.close();
      expect(() => DatabaseKey.bytes(Uint8List(31)), throwsA(isA<UsageException>()));
      expect('${DatabaseKey.password('open sesame')}', isNot(contains('sesame')));
    });
  });
}
