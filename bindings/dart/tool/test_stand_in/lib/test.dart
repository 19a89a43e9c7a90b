/// A stand-in for the part of `package:test` that the tests of this package use, for machines that pub.dev is not reachable from.
///
/// Always: the names and arguments are those of `package:test`, so that the tests run unchanged with it.
/// Does not know: what is tested.
library;

import 'dart:async';
import 'dart:io';

typedef _Body = FutureOr<void> Function();

final class _Test {
  _Test(this.name, this.body, this.before, this.after);

  final String name;
  final _Body body;
  final List<_Body> before;
  final List<_Body> after;
}

final List<_Test> _tests = [];
String _prefix = '';
List<_Body> _before = [];
List<_Body> _after = [];
List<_Body> _tearDowns = [];

/// Runs the tests that these functions declare, and prints each and their counts. `--name WORD` runs those with the word in their names.
Future<void> runTests(Map<String, void Function()> files, List<String> arguments) async {
  final named = arguments.indexOf('--name');
  final word = named < 0 ? '' : arguments[named + 1];
  files.forEach((name, declare) {
    _prefix = '$name: ';
    _before = [];
    _after = [];
    declare();
  });
  var passed = 0;
  var failed = 0;
  for (final test in _tests) {
    if (!test.name.contains(word)) continue;
    final watch = Stopwatch()..start();
    Object? failure;
    StackTrace? trace;
    await runZonedGuarded(
      () async {
        try {
          for (final before in test.before) {
            await before();
          }
          await test.body();
        } on Object catch (error, at) {
          failure = error;
          trace = at;
        }
        for (final after in [..._tearDowns.reversed, ...test.after]) {
          try {
            await after();
          } on Object catch (error, at) {
            failure ??= error;
            trace ??= at;
          }
        }
        _tearDowns = [];
      },
      (error, at) {
        failure ??= error;
        trace ??= at;
      },
    );
    if (failure == null) {
      passed += 1;
      stdout.writeln('ok ${test.name} (${watch.elapsedMilliseconds} ms)');
    } else {
      failed += 1;
      stdout.writeln('not ok ${test.name}\n$failure\n$trace');
    }
  }
  stdout.writeln('$passed passed, $failed failed');
  exitCode = failed > 0 || passed == 0 ? 255 : 0;
}

/// Declares a test.
void test(String description, _Body body, {Object? timeout}) =>
    _tests.add(_Test('$_prefix$description', body, [..._before], [..._after]));

/// Declares tests that share a description and what is set up.
void group(String description, void Function() body) {
  final (prefix, before, after) = (_prefix, _before, _after);
  _prefix = '$prefix$description ';
  _before = [...before];
  _after = [...after];
  body();
  _prefix = prefix;
  _before = before;
  _after = after;
}

/// Runs before each test of the group.
void setUp(_Body body) => _before.add(body);

/// Runs after each test of the group.
void tearDown(_Body body) => _after.insert(0, body);

/// Runs after this test.
void addTearDown(_Body body) => _tearDowns.add(body);

/// Why a test failed.
final class TestFailure implements Exception {
  TestFailure(this.message);

  final String message;

  @override
  String toString() => message;
}

/// Fails the test.
Never fail(String message) => throw TestFailure(message);

/// Whether a value matches, and what is expected.
abstract class Matcher {
  const Matcher();

  bool matches(Object? item);

  String get expected;
}

final class _Check extends Matcher {
  const _Check(this.expected, this._judge);

  @override
  final String expected;
  final bool Function(Object? item) _judge;

  @override
  bool matches(Object? item) => _judge(item);
}

Matcher _matcher(Object? wanted) => wanted is Matcher ? wanted : equals(wanted);

/// Fails unless the value matches.
void expect(Object? actual, Object? matcher, {String? reason}) {
  if (matcher is _Throws) {
    if (actual is Future) {
      throw ArgumentError('use expectLater for futures');
    }
    return matcher.judge(actual! as Function, reason);
  }
  final wanted = _matcher(matcher);
  if (wanted.matches(actual)) return;
  fail('Expected: ${wanted.expected}\n  Actual: $actual${reason == null ? '' : '\n$reason'}');
}

/// Fails unless the future completes, or throws, as it should.
Future<void> expectLater(Object? actual, Object? matcher, {String? reason}) async {
  if (matcher is! _Throws) {
    return expect(actual is Future ? await actual : actual, matcher, reason: reason);
  }
  final Object? given;
  try {
    given = await (actual is Function ? Function.apply(actual, []) : actual);
  } on Object catch (error) {
    return matcher.judgeError(error, reason);
  }
  fail('Expected: to throw ${matcher.error.expected}\n  Actual: gave $given');
}

final class _Throws {
  const _Throws(this.error);

  final Matcher error;

  void judge(Function body, String? reason) {
    final Object? given;
    try {
      given = Function.apply(body, []);
    } on Object catch (error) {
      return judgeError(error, reason);
    }
    fail('Expected: to throw ${error.expected}\n  Actual: gave $given${reason == null ? '' : '\n$reason'}');
  }

  void judgeError(Object thrown, String? reason) {
    if (error.matches(thrown)) return;
    fail('Expected: to throw ${error.expected}\n  Actual: threw $thrown${reason == null ? '' : '\n$reason'}');
  }
}

/// The function throws what matches.
Object throwsA(Object? matcher) => _Throws(_matcher(matcher));

/// The function throws a [StateError].
final Object throwsStateError = throwsA(isA<StateError>());

bool _same(Object? a, Object? b) {
  if (a is List && b is List) {
    if (a.length != b.length) return false;
    for (var i = 0; i < a.length; i++) {
      if (!_same(a[i], b[i])) return false;
    }
    return true;
  }
  if (a is Iterable && b is Iterable) return _same(a.toList(), b.toList());
  if (a is Map && b is Map) {
    return a.length == b.length && a.keys.every((key) => b.containsKey(key) && _same(a[key], b[key]));
  }
  return a == b;
}

/// Equal, also deeply where both are lists or maps.
Matcher equals(Object? wanted) => _Check('$wanted', (item) => _same(item, wanted));

/// The same object.
Matcher same(Object? wanted) => _Check('the same as $wanted', (item) => identical(item, wanted));

/// Does not match.
Matcher isNot(Object? matcher) {
  final inner = _matcher(matcher);
  return _Check('not ${inner.expected}', (item) => !inner.matches(item));
}

/// Is true.
final Matcher isTrue = equals(true);

/// Is false.
final Matcher isFalse = equals(false);

/// Is null.
final Matcher isNull = equals(null);

/// Is not null.
final Matcher isNotNull = isNot(null);

/// Is empty.
final Matcher isEmpty = _Check(
  'empty',
  (item) => switch (item) {
    Iterable() => item.isEmpty,
    Map() => item.isEmpty,
    String() => item.isEmpty,
    _ => false,
  },
);

/// Contains an element, a key or a text.
Matcher contains(Object? wanted) => _Check(
  'contains $wanted',
  (item) => switch (item) {
    String() => item.contains(wanted! as Pattern),
    Map() => item.containsKey(wanted),
    Iterable() => item.any(_matcher(wanted).matches),
    _ => false,
  },
);

/// Has a length.
Matcher hasLength(Object? matcher) {
  final inner = _matcher(matcher);
  return _Check(
    'of length ${inner.expected}',
    (item) => inner.matches(switch (item) {
      Iterable() => item.length,
      Map() => item.length,
      String() => item.length,
      _ => -1,
    }),
  );
}

/// Is greater.
Matcher greaterThan(num least) => _Check('more than $least', (item) => item is num && item > least);

/// Is less.
Matcher lessThan(num most) => _Check('less than $most', (item) => item is num && item < most);

/// Is of a type.
TypeMatcher<T> isA<T>() => TypeMatcher<T>._(const []);

/// Is of a type, and has features.
final class TypeMatcher<T> extends Matcher {
  const TypeMatcher._(this._features);

  final List<(String, Object? Function(T), Matcher)> _features;

  /// Has a feature that matches.
  TypeMatcher<T> having(Object? Function(T) feature, String description, Object? matcher) =>
      TypeMatcher._([..._features, (description, feature, _matcher(matcher))]);

  @override
  bool matches(Object? item) => item is T && _features.every((one) => one.$3.matches(one.$2(item)));

  @override
  String get expected => '$T${_features.map((one) => ' with ${one.$1} ${one.$3.expected}').join()}';
}
