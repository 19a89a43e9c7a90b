/// Checks of arguments that functions have in common.
///
/// Always: an error names the argument and the type it got, never the content of a document.
/// Does not know: what an argument is for.
library;

import 'errors.g.dart';

/// An argument that a call does not accept.
EntidbException refused(String message, [Map<String, Object?> context = const {}]) =>
    exceptionFrom(EntidbCode.invalidArgument, message, context);

/// A text in quotes, cut where it is long.
String shown(String text) => text.length > 48 ? '"${text.substring(0, 48)}…"' : '"$text"';

/// A whole number of at least [least].
int whole(int value, String what, [int least = 0]) {
  if (value < least) throw refused('$what must be at least $least, not $value');
  return value;
}

/// A duration as milliseconds, rounded up, for a call that waits.
int milliseconds(Duration value, String what) {
  if (value.isNegative) throw refused('$what must be at least 0, not $value');
  return (value.inMicroseconds + 999) ~/ 1000;
}

/// The name that is nearest to a misspelt one.
String nearest(String name, Iterable<String> names) {
  var best = '';
  var least = 1 << 30;
  for (final candidate in names) {
    final apart = _distance(name.toLowerCase(), candidate.toLowerCase());
    if (apart < least) (best, least) = (candidate, apart);
  }
  return best;
}

int _distance(String a, String b) {
  var row = List.generate(b.length + 1, (i) => i);
  for (var i = 0; i < a.length; i++) {
    final next = [i + 1];
    for (var j = 0; j < b.length; j++) {
      final same = a.codeUnitAt(i) == b.codeUnitAt(j) ? 0 : 1;
      final change = row[j] + same;
      final least = next[j] < row[j + 1] ? next[j] + 1 : row[j + 1] + 1;
      next.add(change < least ? change : least);
    }
    row = next;
  }
  return row[b.length];
}
