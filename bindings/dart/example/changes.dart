// Following changes: a stream of commits, and a position to continue from later.
import 'package:entidb/entidb.dart';

Future<void> main() async {
  final db = EntiDb.openMemory();
  final tasks = db.collection('tasks');
  final since = db.position;

  final first = tasks.put({'title': 'Write', 'done': false});
  tasks
    ..put({'title': 'Read', 'done': false})
    ..update(first, Patch().set('done', true));

  var seen = 0;
  late String position;
  await for (final batch in db.changeStream(since: since, before: true)) {
    for (final change in batch.changes) {
      if (change.id == null) continue;
      print('${change.kind.word} ${change.document?['title']}, before: ${change.before}');
      seen += 1;
    }
    position = batch.position;
    if (seen == 3) break;
  }

  tasks.delete(first);
  for (final batch in db.changes(since: position)) {
    print(batch.changes.map((change) => change.kind.word).join(', '));
  }
  db.close();
}
