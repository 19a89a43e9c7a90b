// Work that does not block the isolate: futures, a stream of results, a token that ends a search.
import 'package:entidb/entidb.dart';

Future<void> main() async {
  final db = await EntiDb.openAsync('measurements.entidb');
  final measurements = db.collection('measurements');
  await measurements.putManyAsync([
    for (var n = 0; n < 2000; n++) {'sensor': n % 7, 'value': n / 10},
  ]);
  await measurements.createIndexAsync(['sensor', 'value']);

  final hot = measurements.find(f('sensor').equals(3) & f('value').greaterThan(190.0)).orderBy('-value');
  await for (final one in hot.limit(3).stream()) {
    print(one['value']);
  }

  final search = CancelToken();
  final count = measurements.find(f('value').notEquals(0)).countAsync(cancel: search);
  search.cancel();
  try {
    print('counted ${await count} before the search was cancelled');
  } on CancelledException {
    print('the search was cancelled');
  }
  print((await db.verifyAsync(full: true)).ok);
  await db.closeAsync();
}
