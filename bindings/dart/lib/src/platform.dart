/// The native half of this platform.
///
/// Always: nothing else imports `dart:ffi`. Does not know: what the half is made of.
library;

export 'platform_none.dart' if (dart.library.ffi) 'ffi/half.dart' show loadRaw;
