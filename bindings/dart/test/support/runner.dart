/// Takes the steps of tests/conformance: the runner of Dart, as the README there describes one.
library;

import 'dart:io';

import 'package:entidb/entidb.dart';

import 'diagnostic.dart';

typedef Json = Map<String, Object?>;
typedef _Map = Map<Object, Object?>;

/// Whatever a document is, also what none can be.
final class _Anything implements Schema<Object?> {
  const _Anything();

  @override
  Object? decode(Object? document) => document;

  @override
  Object? encode(Object? value) => value;
}

EntityId idOfNumber(Object? number) => EntityId.parse(BigInt.parse('$number').toRadixString(16).padLeft(32, '0'));

String numberOfId(EntityId id) => BigInt.parse('$id'.replaceAll('-', ''), radix: 16).toString();

String shown(Entity<Object?> entity) => '${numberOfId(entity.id)} ${hex(Cbor.encode(entity.value))}';

String joined(Iterable<Object?> parts, String by) => parts.isEmpty ? 'empty' : parts.join(by);

EntiDbOptions optionsOf(Object? json) => EntiDbOptions.fromMap(fromJson(json ?? <String, Object?>{})! as Json);

/// The options of [over] over those of [under].
Json merged(Object? under, Object? over) => {...?under as Json?, ...?over as Json?};

Condition conditionOf(Object? json) {
  final [name, ...parts] = json! as List<Object?>;
  Field<Object?> field() => f(parts[0]!);
  Object? value(int at) => fromJson(parts[at]);
  return switch (name) {
    'all' => Condition.everything,
    'eq' => field().equals(value(1)),
    'ne' => field().notEquals(value(1)),
    'lt' => field() < value(1),
    'le' => field() <= value(1),
    'gt' => field() > value(1),
    'ge' => field() >= value(1),
    'in' => field().isIn(value(1)! as List<Object?>),
    'between' => field().between(value(1), value(2)),
    'exists' => field().exists(),
    'is_null' => field().isNull(),
    'contains' => field().contains(value(1)),
    'starts_with' => field().startsWith(parts[1]! as String),
    'and' => Condition.all(parts.map(conditionOf)),
    'or' => Condition.any(parts.map(conditionOf)),
    'not' => ~conditionOf(parts[0]),
    _ => throw StateError('no condition $name'),
  };
}

Patch patchOf(Object? json) {
  final patch = Patch();
  for (final operation in json! as List<Object?>) {
    final [verb, path as String, ...value] = operation! as List<Object?>;
    switch (verb) {
      case 'set':
        patch.set(path, fromJson(value[0]));
      case 'remove':
        patch.remove(path);
      case 'increment':
        patch.increment(path, fromJson(value[0])!);
      case 'append':
        patch.append(path, fromJson(value[0]));
      default:
        throw StateError('no operation $verb');
    }
  }
  return patch;
}

DatabaseKey keyOf(Object? json) => switch (fromJson(json)) {
  final String password => DatabaseKey.password(password),
  final key => DatabaseKey.bytes(key! as dynamic),
};

String report(Json fields) => (fields.entries.map((field) {
        final MapEntry(key: name, :value) = field;
        final number = value! as int;
        return '$name ${name == 'sequence'
            ? number
            : number > 0
            ? '+'
            : '0'}';
      }).toList()
      ..sort())
    .join(', ');

/// Changes the byte in the middle of the largest segment.
void damage(String place) {
  final files = Directory('$place/seg').listSync().whereType<File>();
  final largest = files.reduce((a, b) => b.lengthSync() > a.lengthSync() ? b : a);
  final bytes = largest.readAsBytesSync();
  bytes[bytes.length >> 1] ^= 0xff;
  largest.writeAsBytesSync(bytes);
}

/// A database and what the steps on it have remembered; in memory without a place.
final class Run {
  Run(this.options, this.place) {
    db = open(optionsOf(options));
  }

  final Object? options;
  final String? place;
  late EntiDb db;
  final Map<String, Snapshot> transactions = {};
  final Map<String, Savepoint> savepoints = {};
  final Map<String, int> versions = {};
  final Map<String, int> commits = {};
  final Map<String, ChangeFeed> feeds = {};

  EntiDb open(EntiDbOptions options, [String? other]) {
    final path = other ?? place;
    return path == null ? EntiDb.openMemory(options: options) : EntiDb.open(path, options: options);
  }

  /// The folder of a place.
  String at(Object? name) => '$place-$name';

  void end() {
    for (final transaction in transactions.values) {
      transaction.close();
    }
    db.close();
  }

  String run(Json step) {
    try {
      return '${this.step(step) ?? 'ok'}';
    } on EntidbException catch (error) {
      return 'error ${error.code}';
    }
  }

  Query<Object?> query(Json step) {
    final asked = step['query']! as Json;
    var query = collection(
      step,
    ).find(conditionOf(asked['where'])).orderByAll((asked['order'] as List<Object?>? ?? []).cast());
    if (asked['limit'] case final int limit) query = query.limit(limit);
    if (asked['offset'] case final int offset) query = query.offset(offset);
    return query;
  }

  List<Entity<Object?>> answers(Json step) {
    final query = this.query(step);
    final size = step['pages'] as int?;
    if (size == null) return query.toList();
    final found = <Entity<Object?>>[];
    String? token;
    do {
      final page = query.after(token).page(size);
      found.addAll(page.entities);
      token = page.token;
      if (found.length > 10000) throw StateError('the pages do not end');
    } while (token != null);
    return found;
  }

  Collection<Object?> collection(Json step) {
    final name = step['in']! as String;
    final transaction = transactions[step['tx']];
    return transaction == null ? db.typed(name, const _Anything()) : transaction.typed(name, const _Anything());
  }

  Transaction? writing(Json step) => step['tx'] == null ? null : transactions[step['tx']]! as Transaction;

  Object? step(Json step) {
    String text(String name) => step[name]! as String;
    bool flag(String name) => step[name] as bool? ?? false;
    final id = step['id'] == null ? null : idOfNumber(step['id']);
    final version = step['if'] == null ? null : versions[step['if']];
    Object? doc() => fromJson(step['doc']);
    List<EntityId> ids() => (step['ids']! as List<Object?>).map(idOfNumber).toList();
    ManualIndex manual() => collection(step).manualIndex(text('index'));
    switch (step['do']) {
      case 'put':
        collection(step).put(doc(), id: id);
      case 'insert':
        collection(step).insert(doc(), id: id);
      case 'replace':
        collection(step).replace(id!, doc(), version: version);
      case 'update':
        collection(step).update(id!, patchOf(step['patch']));
      case 'delete':
        return collection(step).delete(id!, version: version);
      case 'delete_many':
        return collection(step).deleteMany(ids());
      case 'put_many':
        final docs = (step['docs']! as List<Object?>).cast<List<Object?>>();
        collection(step).putMany(docs.map((one) => fromJson(one[1])), ids: docs.map((one) => idOfNumber(one[0])));
      case 'get':
        final found = collection(step).get(id!, at: step['at'] == null ? null : commits[step['at']]);
        if (found != null && step['remember'] != null) {
          versions[text('remember')] = found.version;
        }
        return found == null ? 'none' : shown(found);
      case 'history':
        return joined([
          for (final one in collection(step).history(id!)) '${shown(one.entity)}${one.until == null ? '' : ' ended'}',
        ], '; ');
      case 'get_many':
        return joined([
          for (final found in collection(step).getMany(ids())) found == null ? 'none' : shown(found),
        ], '; ');
      case 'exists':
        return collection(step).exists(id!);
      case 'count':
        return collection(step).count();
      case 'scan':
        final after = step['after'];
        return joined(
          collection(step)
              .scan(
                after: after == null ? null : idOfNumber(after),
                reverse: flag('reverse'),
                limit: step['limit'] as int?,
              )
              .map(shown),
          '; ',
        );
      case 'find':
        return joined(answers(step).map(shown), '; ');
      case 'find_ids':
        final numbers = [for (final found in answers(step)) BigInt.parse(numberOfId(found.id))]..sort();
        return joined(numbers, ' ');
      case 'find_count':
        return query(step).count();
      case 'find_delete':
        return query(step).delete();
      case 'explain':
        return query(step).explain().text;
      case 'create_index':
        if (step['kind'] != null) {
          return collection(step).createManualIndex(text('name'), unique: flag('unique'));
        }
        return collection(step).createIndex(
          (step['fields']! as List<Object?>).cast(),
          name: step['name'] as String?,
          unique: flag('unique'),
          multi: flag('multi'),
        );
      case 'drop_index':
        collection(step).dropIndex(text('name'));
      case 'insert_key':
        return manual().insert(fromJson(step['key']), id!);
      case 'remove_key':
        return manual().remove(fromJson(step['key']), id!);
      case 'lookup_key':
        return joined(manual().lookup(fromJson(step['key'])).map(numberOfId), ', ');
      case 'range_keys':
        return joined(range(manual(), step).map((one) => numberOfId(one.$2)), ', ');
      case 'count_keys':
        return manual().length;
      case 'indexes':
        return joined(collection(step).indexes().map((index) => index.name), ', ');
      case 'collections':
        return joined(transactions[step['tx']]?.collections() ?? db.collections(), ', ');
      case 'create_collection':
        (writing(step)?.createCollection ?? db.createCollection)(text('name'));
      case 'drop_collection':
        (writing(step)?.dropCollection ?? db.dropCollection)(text('name'));
      case 'rename_collection':
        (writing(step)?.renameCollection ?? db.renameCollection)(text('from'), text('to'));
      case 'begin':
        transactions[text('as')] =
            flag('read')
                ? db.snapshot(at: step['at'] == null ? null : commits[step['at']])
                : db.begin(timeout: Duration.zero);
      case 'commit':
        switch (transactions[step['tx']]) {
          case final Transaction transaction:
            transaction.commit();
          case final snapshot:
            snapshot!.close();
        }
      case 'abort':
        switch (transactions[step['tx']]) {
          case final Transaction transaction:
            transaction.abort();
          case final snapshot:
            snapshot!.close();
        }
      case 'savepoint':
        savepoints[text('as')] = writing(step)!.savepoint();
      case 'rollback':
        writing(step)!.rollbackTo(savepoints[step['to']]!);
      case 'changes':
        return changes(step);
      case 'mark':
        commits[text('as')] = db.lastSequence;
      case 'trim':
        db.trimChanges(commits[step['through']]!);
      case 'checkpoint':
        final done = db.checkpoint();
        return flag('report') ? report(done.toMap()) : null;
      case 'compact':
        final done = db.compact();
        return flag('report') ? report(done.toMap()) : null;
      case 'collection_stats':
        final stats = collection(step).stats();
        final indexes = stats.indexes.map((one) => '; ${one.index} ${one.kind} ${one.rows}');
        return '${stats.id ?? 'none'} ${stats.name} ${stats.entities}${indexes.join()}';
      case 'key_list':
        return db.keys().map((slot) => '${slot.slot} ${slot.kind}').join(', ');
      case 'key_add':
        db.addKey(keyOf(step['key']), keyOf(step['new']));
      case 'key_change':
        db.changeKey(keyOf(step['key']), keyOf(step['new']));
      case 'key_remove':
        db.removeKey(keyOf(step['key']));
      case 'key_rotate':
        db.rotateKey();
      case 'key_rekey':
        return db.rekey();
      case 'backup':
        return report(db.backup(at(step['to'])).toMap());
      case 'validate_backup':
        return EntiDb.validateBackup(at(step['from']), options: optionsOf(step['options'])).ok;
      case 'restore':
        return report(EntiDb.restore(at(step['from']), at(step['to']), options: optionsOf(step['options'])).toMap());
      case 'restore_memory':
        end();
        db = EntiDb.restoreMemory(at(step['from']), options: optionsOf(step['options']));
      case 'damage':
        damage(at(step['place']));
      case 'close':
        db.close(abort: false);
      case 'reopen':
        for (final transaction in transactions.values) {
          transaction.close();
        }
        transactions.clear();
        db.close();
        db = open(optionsOf(merged(options, step['options'])), step['place'] == null ? null : at(step['place']));
      case 'config':
        return db.config().toMap()[step['name']];
      case 'verify':
        return db.verify(full: true).ok;
      default:
        throw StateError('no step ${step['do']}');
    }
    return null;
  }

  Iterable<(Object?, EntityId)> range(ManualIndex index, Json step) {
    bool flag(String name) => step[name] as bool? ?? false;
    final bounds = <Symbol, Object?>{
      for (final (name, symbol) in [('from', #from), ('to', #to)])
        if (step.containsKey(name)) symbol: fromJson(step[name]),
      #fromOpen: flag('from_open'),
      #toOpen: flag('to_open'),
      #reverse: flag('reverse'),
      #limit: step['limit'],
    };
    return Function.apply(index.range, [], bounds) as Iterable<(Object?, EntityId)>;
  }

  String changes(Json step) {
    final feed = feeds[step['since']! as String] ??= db.changes(before: step['before'] as bool? ?? false);
    final commits = [
      for (final batch in feed)
        batch.changes
            .map((change) {
              final id = change.id == null ? '' : ' ${numberOfId(change.id!)}';
              String bytes(_Map? map) => hex(Cbor.encode(map));
              final after = change.after == null ? '' : ' ${bytes(change.after)}';
              final before = change.before == null ? '' : ' before ${bytes(change.before)}';
              final key =
                  change.kind.word.startsWith('key_') ? ' ${bytes({'index': change.name!, 'key': change.key})}' : '';
              return '${change.kind.word} ${change.collection}$id$after$key$before';
            })
            .join(' + '),
    ];
    return joined(commits, ' | ');
  }
}
