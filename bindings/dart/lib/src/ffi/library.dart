/// Finds and loads the library.
///
/// Always: the first place that is named wins, and a named place that does not load is an error and never passed over; an error says
/// where was looked and what to do.
/// Does not know: what the library is for.
library;

import 'dart:ffi';
import 'dart:io';

import '../errors.g.dart';
import 'bindings.g.dart';

/// The environment variable that names the library.
const libraryVariable = 'ENTIDB_LIBRARY';

/// The source of a library that a build hook brought.
const assetSource = 'the native asset package:entidb/entidb.dart';

/// The name of the library on this platform.
String get libraryName => switch (Platform.operatingSystem) {
  'windows' => 'entidb.dll',
  'macos' || 'ios' => 'libentidb.dylib',
  _ => 'libentidb.so',
};

/// The library, and where it was found. [source] is a path, or null to look in order: the environment variable, the native asset, beside
/// the program.
(Object, Bindings) loadLibrary(Object? source) {
  if (source == assetSource) return (assetSource, Bindings.ofAsset());
  if (source != null) return _named('$source', 'the path that was given');
  final variable = Platform.environment[libraryVariable];
  if (variable != null && variable.isNotEmpty) {
    return _named(variable, 'the environment variable $libraryVariable');
  }
  final looked = <String>[];
  final asset = Bindings.ofAsset();
  try {
    asset.entidb_abi_version();
    return (assetSource, asset);
  } on ArgumentError {
    looked.add('$assetSource: there is none');
  }
  for (final folder in {
    File(Platform.resolvedExecutable).parent.path,
    if (Platform.script.isScheme('file')) File.fromUri(Platform.script).parent.path,
  }) {
    final path = '$folder${Platform.pathSeparator}$libraryName';
    if (!File(path).existsSync()) {
      looked.add('$path: there is no such file');
      continue;
    }
    return _named(path, 'the file beside the program');
  }
  throw _missing(looked.join('; '));
}

(Object, Bindings) _named(String path, String what) {
  try {
    final library = DynamicLibrary.open(path);
    return (path, Bindings(library));
  } on ArgumentError catch (error) {
    throw _missing('$what, $path: ${error.message}');
  }
}

EntidbException _missing(String looked) => exceptionFrom(
  EntidbCode.libraryMismatch,
  'the library of EntiDB ($libraryName) was not loaded. Tried: $looked. '
  'Do one of these: pass its path as `library:` to the call that opens the database; set the environment variable '
  '$libraryVariable to its path; build with native assets (`dart build`, `flutter build`), which bring it along; put '
  '$libraryName beside the program',
);
