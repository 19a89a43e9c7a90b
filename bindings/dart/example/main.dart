// Notes with tags: documents, an index, a query, a transaction.
import 'package:entidb/entidb.dart';

void main() {
  final db = EntiDb.open('notes.entidb');
  final notes = db.collection('notes');
  notes.createIndex(['tags'], multi: true);

  final hello = notes.put({
    'title': 'Hello',
    'tags': ['first', 'greeting'],
    'at': DateTime.now(),
  });
  notes.putMany([
    for (var n = 1; n <= 5; n++)
      {
        'title': 'Note $n',
        'tags': [if (n.isEven) 'even' else 'odd'],
        'at': DateTime.now(),
      },
  ]);

  for (final note in notes.find(f('tags').contains('odd')).orderBy('title')) {
    print('${note['title']} ${note['tags']}');
  }

  db.transaction((tx) {
    tx.collection('notes')
      ..update(hello, Patch().set('title', 'Hi').append('tags', 'seen'))
      ..put({'title': 'In the same commit'});
  });
  print('${notes.count()} notes, the first is "${notes.get(hello)!['title']}"');
  db.close();
}
