/// The native half of a platform that has none yet.
///
/// Always: says so. Does not know: why it was asked for.
library;

import 'errors.g.dart';
import 'raw.dart';

/// There is no native half here.
Raw loadRaw(Object? source) =>
    throw exceptionFrom(
      EntidbCode.unsupported,
      'this platform has no dart:ffi, and EntiDB does not run in browsers yet; use it on a platform with dart:ffi',
    );
