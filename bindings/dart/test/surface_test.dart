// The public surface: every item is documented, and every method that can wait has a twin that does not block.
import 'dart:io';

import 'package:test/test.dart';

import 'support/diagnostic.dart';

final source = '$root/bindings/dart/lib';

/// A declaration of a file: the class or extension it is in, its name, and whether a comment stands above it.
typedef Item = ({String file, String of, String name, bool isDocumented});

final _type = RegExp(
  r'^(?:abstract |base |final |sealed |interface )*(?:class|extension type|extension|enum|mixin) (?:const )?(\w+)',
);
final _member = RegExp(
  r'^  (?:static |final |late |external |const |factory |covariant )*(?:[\w<>?, .\[\]]+ )?(?:get )?(\w+)(\.\w+)?(?:<[^(]*>)?(?:\(| =>| =|;| \{)',
);
final _top = RegExp(r'^(?:final |const |late |external )*[\w<>?, .\[\]]+ (?:get )?(\w+)(?:<[^(]*>)?(?:\(| =>| =|;)');

/// The declarations of a file whose names are public. The files are formatted, so lines tell.
List<Item> items(File file) {
  final found = <Item>[];
  var of = '';
  var isDocumented = false;
  var isOverride = false;
  var isEnum = false;
  for (final line in file.readAsLinesSync()) {
    final bare = line.trimLeft();
    if (bare.startsWith('///')) {
      isDocumented = true;
      continue;
    }
    if (bare.startsWith('@')) {
      isOverride = isOverride || bare.startsWith('@override');
      continue;
    }
    final type = _type.firstMatch(line);
    final indent = line.length - bare.length;
    String? name;
    if (type != null) {
      name = type[1];
      of = name!;
      isEnum = line.startsWith('enum');
    } else if (indent == 2 && of.isNotEmpty) {
      final member = _member.firstMatch(line);
      // Constructors that are private, and those of enums, which nobody calls.
      final isPrivate =
          (member?[2] ?? '').startsWith('._') || (member?[1] == of && line.startsWith('  const ') && isEnum);
      name = isPrivate ? null : member?[1];
    } else if (indent == 0 && line.isNotEmpty) {
      if (line == '}') of = '';
      name = _top.firstMatch(line)?[1];
    }
    const words = {
      'return',
      'if',
      'for',
      'while',
      'switch',
      'throw',
      'final',
      'assert',
      'import',
      'export',
      'library',
      'case',
      'default',
      'Function',
    };
    if (name != null && !name.startsWith('_') && !of.startsWith('_') && !words.contains(name) && !isOverride) {
      found.add((file: file.path.split('/').last, of: of, name: name, isDocumented: isDocumented));
    }
    isDocumented = false;
    if (bare.isNotEmpty) isOverride = false;
  }
  return found;
}

List<File> files() => [
  for (final file in Directory(source).listSync(recursive: true))
    if (file is File && file.path.endsWith('.dart')) file,
];

/// Methods without a twin: they wait for nothing, or belong to the isolate.
const alone = {
  'EntiDb': {
    'typed',
    'collection',
    'detach',
    'token',
    'path',
    'isClosed',
    'newId',
    'lastSequence',
    'stats',
    'config',
    'openReport',
    // Small or rare: db.background runs them.
    'collections',
    'createCollection',
    'renameCollection',
    'position',
    'changeKey',
    'addKey',
    'removeKey',
    'rotateKey',
    'keys',
    'restore',
    'validateBackup',
    'libraryVersion',
    'formatVersion',
    'hasFeature',
    // Handles of the isolate; changeStream is the twin of changes.
    'begin', 'snapshot', 'changes', 'changeStream',
  },
  'Collection': {
    'name',
    'schema',
    'find',
    'scan',
    'putBytes',
    'getBytes',
    'createManualIndex',
    'dropIndex',
    'indexes',
    'manualIndex',
    'stats',
  },
  'Query': {'orderBy', 'orderByAll', 'limit', 'offset', 'after', 'explain'},
};

void main() {
  test('every public item is documented', () {
    final all = [for (final file in files()) ...items(file)];
    expect(all.length, greaterThan(500));
    expect([
      for (final item in all)
        if (!item.isDocumented) '${item.file}: ${item.of}.${item.name}',
    ], isEmpty);
  });

  test('every method that can wait has a twin, or is listed', () {
    final all = [for (final file in files()) ...items(file)];
    final twins = {
      for (final item in all)
        if (item.of.endsWith('Async')) '${item.of}.${item.name}',
      'EntiDbAsync.openAsync',
    };
    for (final MapEntry(key: type, value: listed) in alone.entries) {
      final methods = {
        for (final item in all)
          if (item.of == type && item.name != type && !item.name.endsWith('Async')) item.name,
      };
      expect(methods.length, greaterThan(8), reason: type);
      final without = [
        for (final name in methods)
          if (!twins.contains('${type}Async.${name}Async') && !listed.contains(name)) name,
      ];
      expect(without, isEmpty, reason: '$type: methods without a twin');
      expect(listed.difference(methods), isEmpty, reason: '$type: listed, and no method');
    }
  });
}
