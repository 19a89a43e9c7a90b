/// Paths to parts of a document.
///
/// Always: a text with dots means the same path in every language.
/// Does not know: documents.
/// Format: docs/spec/encoding.md, "Paths".
library;

import 'argument.dart';

const _keptMax = 1024;
final Map<String, List<Object>> _kept = {};

/// The steps of a path: text is a key, an integer a position, a list of one integer an integer key.
///
/// A caller gives a text with dots, or the steps themselves as a list.
List<Object> pathOf(Object path) {
  if (path is String) {
    final kept = _kept[path];
    if (kept != null) return kept;
    final read = _dotted(path);
    if (_kept.length >= _keptMax) _kept.clear();
    return _kept[path] = read;
  }
  if (path is! List<Object?>) {
    throw refused('a path is a text with dots or a list of steps, not a ${path.runtimeType}');
  }
  return [
    for (final step in path)
      switch (step) {
        String() => step,
        int() when step >= 0 => step,
        [final int key] => [key],
        [final BigInt key] => [key],
        _ =>
          throw refused(
            'a step of a path is text, a position from 0, or an integer key in a list, not a ${step.runtimeType}',
          ),
      },
  ];
}

List<Object> _dotted(String text) {
  if (text.isEmpty) return const [];
  final steps = <Object>[];
  final name = StringBuffer();
  var isEscaped = false;
  var isBracketed = false;
  Never refuse(int at, String detail) => throw refused('$detail in the path ${shown(text)}', {'offset': at});

  void end(int at) {
    if (name.isEmpty) {
      refuse(at, 'a segment is empty; a field without a name is written []');
    }
    final field = name.toString();
    name.clear();
    if (isBracketed) {
      final key = isEscaped ? null : _bracketed(field);
      steps.add(key ?? refuse(at, r'brackets hold an integer key; a name that begins so has \ before it'));
    } else if (isEscaped || !_isDigits(field)) {
      steps.add(field);
    } else if (field.length > 1 && field.startsWith('0')) {
      refuse(at, 'a position has a leading zero');
    } else {
      steps.add(int.tryParse(field) ?? refuse(at, 'a position is too large'));
    }
    isEscaped = isBracketed = false;
  }

  final units = text.codeUnits;
  for (var at = 0; at < units.length; at++) {
    switch (units[at]) {
      case 0x5c:
        if (at + 1 == units.length) {
          refuse(at, 'nothing follows the last backslash');
        }
        name.writeCharCode(units[++at]);
        isEscaped = true;
      case 0x2e:
        end(at);
      case 0x5b when name.isEmpty:
        isBracketed = true;
        name.write('[');
      case 0x5b when !isBracketed:
        refuse(at, r'a position follows a dot, as in a.0, and a [ inside a name has \ before it');
      case final unit:
        name.writeCharCode(unit);
    }
  }
  end(text.length);
  return List.unmodifiable(steps);
}

bool _isDigits(String text) => text.codeUnits.every((unit) => unit >= 0x30 && unit <= 0x39);

Object? _bracketed(String field) {
  if (!field.endsWith(']') || field.length < 2) return null;
  final inner = field.substring(1, field.length - 1);
  if (inner.isEmpty) return '';
  final key = BigInt.tryParse(inner);
  if (key == null || '$key' != inner) return null;
  return [key];
}
