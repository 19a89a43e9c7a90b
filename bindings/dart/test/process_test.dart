// Programs of their own: how a process ends while isolates wait in the library, and where the library is found.
import 'dart:io';

import 'package:test/test.dart';

const waiting = r'''
import 'dart:async';
import 'dart:io';
import 'dart:isolate';
import 'package:entidb/entidb.dart';

void wait(int token) {
  final db = EntiDb.attach(token);
  stdout.writeln('waits');
  db.changes(since: db.position).next(const Duration(hours: 1));
}

Future<void> main() async {
  final db = EntiDb.openMemory();
  await db.collection('notes').putAsync({'n': 1});
  db.changeStream().listen((_) {});
  await Isolate.spawn(wait, db.token);
  await Future<void>.delayed(const Duration(milliseconds: 300));
  stdout.writeln(EntiDb.libraryVersion());
  exit(3);
}
''';

void main() {
  test('a process ends while isolates wait in the library, which is found as a native asset', () async {
    final packages = Platform.packageConfig;
    final library = Platform.environment['ENTIDB_LIBRARY'];
    if (packages == null || library == null) fail('the suite runs with --packages and ENTIDB_LIBRARY');
    final folder = Directory.systemTemp.createTempSync('entidb-process-');
    addTearDown(() => folder.deleteSync(recursive: true));
    final tool = Directory('${folder.path}/.dart_tool')..createSync();
    File.fromUri(Uri.base.resolve(packages)).copySync('${tool.path}/package_config.json');
    final system = '${Platform.operatingSystem}_${Platform.version.split('_').last.replaceAll('"', '')}';
    File('${tool.path}/native_assets.yaml').writeAsStringSync(
      'format-version: [1, 0, 0]\nnative-assets:\n  $system:\n    package:entidb/entidb.dart: ["absolute", "$library"]\n',
    );
    final program = File('${folder.path}/main.dart')..writeAsStringSync(waiting);
    Future<(int, String)> run(Map<String, String> environment) async {
      final ended = await Process.run(
        Platform.resolvedExecutable,
        [program.path],
        environment: environment,
        workingDirectory: folder.path,
      ).timeout(const Duration(minutes: 3));
      return (ended.exitCode, '${ended.stdout}${ended.stderr}');
    }

    final (code, said) = await run({'ENTIDB_LIBRARY': ''});
    expect(said, contains('waits'));
    expect(code, 3, reason: said);
  });
}
