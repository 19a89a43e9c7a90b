/// Tokens that end calls from outside, or after a time.
///
/// Always: a call that is ended changes nothing; one that finished earlier succeeded.
/// Does not know: what is called.
library;

import 'argument.dart';
import 'platform.dart';
import 'raw.dart';

/// Ends calls: those of a background isolate from this one, and those of this one after a time.
///
/// ```dart
/// final token = CancelToken(timeout: const Duration(seconds: 2));
/// final report = token.run(() => db.verify(full: true));        // throws a DeadlineExceededException after two seconds
///
/// final search = CancelToken();
/// final found = notes.find(condition).toListAsync(cancel: search);
/// search.cancel();                                               // found ends with a CancelledException
/// ```
final class CancelToken {
  /// A token, which cancels by itself after [timeout]. Its time begins now.
  CancelToken({Duration? timeout, String? library})
    : this.of(loadRaw(library).cancel(timeout == null ? -1 : milliseconds(timeout, 'the timeout')));

  /// A token of the native half.
  CancelToken.of(this.raw);

  /// The token of the native half.
  final RawCancel raw;
  bool _isCancelled = false;

  /// Whether [cancel] was called.
  bool get isCancelled => _isCancelled;

  /// Ends the calls that run under it now and later, with a `CancelledException`.
  void cancel() {
    _isCancelled = true;
    raw.cancel();
  }

  /// Throws when it was cancelled or its time is over: for a loop of the program.
  void check() => raw.check();

  /// Runs a function whose calls this token ends. The function does not wait: it returns no [Future].
  R run<R>(R Function() body) {
    raw.enter();
    try {
      final result = body();
      if (result is Future) {
        result.ignore();
        throw refused(
          'run of a CancelToken takes a function that is done when it returns; give the token to the method that waits',
        );
      }
      return result;
    } finally {
      raw.leave();
    }
  }
}
