/// Conditions on documents, made of fields.
///
/// Always: a condition is a value that can be combined and used again.
/// Does not know: how results are found.
/// Format: docs/spec/query.md.
library;

import 'argument.dart';
import 'path.dart';

/// A condition on documents: `f('age').greaterOrEqual(18) & f('name').startsWith('A')`.
final class Condition {
  /// A condition of the published form.
  const Condition._(this.node);

  /// Matches every document.
  static const Condition everything = Condition._(['true']);

  /// All of these match. Without any, everything matches.
  factory Condition.all(Iterable<Condition> conditions) => Condition._joined('and', conditions, 'true');

  /// At least one of these matches. Without any, nothing matches.
  factory Condition.any(Iterable<Condition> conditions) => Condition._joined('or', conditions, 'false');

  factory Condition._joined(String name, Iterable<Condition> conditions, String empty) {
    final nodes = <Object?>[];
    for (final condition in conditions) {
      if (condition.node.first == name) {
        nodes.addAll(condition.node.skip(1));
      } else {
        nodes.add(condition.node);
      }
    }
    return Condition._(nodes.isEmpty ? [empty] : [name, ...nodes]);
  }

  /// The condition as it is encoded.
  final List<Object?> node;

  /// Both match.
  Condition operator &(Condition other) => Condition.all([this, other]);

  /// At least one of both matches.
  Condition operator |(Condition other) => Condition.any([this, other]);

  /// This does not match.
  Condition operator ~() => not();

  /// This does not match.
  Condition not() => node.first == 'not' ? Condition._(node[1]! as List<Object?>) : Condition._(['not', node]);
}

/// A field of a document, for conditions on its value. The type [V] is checked by the compiler alone.
///
/// ```dart
/// final adults = f<int>('age').greaterOrEqual(18);
/// final urgent = f('tags').contains('urgent') | f<String>('title').startsWith('!');
/// ```
final class Field<V> {
  /// The field at a path: a text with dots (`author.name`, `lines.0`), or a list of steps.
  Field(Object path) : path = pathOf(path);

  /// The steps to it.
  final List<Object> path;

  Condition _of(String name, [List<Object?> operands = const []]) => Condition._([name, path, ...operands]);

  /// Equal; 1 and 1.0 are equal. An array matches as a whole or by one of its elements, also below.
  Condition equals(V value) => _of('eq', [value]);

  /// Not equal: the exact opposite of [equals], so a missing field matches too.
  Condition notEquals(V value) => _of('ne', [value]);

  /// Less, among values of the same type.
  Condition lessThan(V value) => _of('lt', [value]);

  /// Less or equal.
  Condition lessOrEqual(V value) => _of('le', [value]);

  /// Greater.
  Condition greaterThan(V value) => _of('gt', [value]);

  /// Greater or equal.
  Condition greaterOrEqual(V value) => _of('ge', [value]);

  /// As [lessThan].
  Condition operator <(V value) => lessThan(value);

  /// As [lessOrEqual].
  Condition operator <=(V value) => lessOrEqual(value);

  /// As [greaterThan].
  Condition operator >(V value) => greaterThan(value);

  /// As [greaterOrEqual].
  Condition operator >=(V value) => greaterOrEqual(value);

  /// Equal to one of these.
  Condition isIn(Iterable<V> values) => _of('in', [values.toList()]);

  /// From [low] to [high], both included.
  Condition between(V low, V high) => _of('between', [low, high]);

  /// The field exists, also with null.
  Condition exists() => _of('exists');

  /// The field exists and is null.
  Condition isNull() => _of('is_null');

  /// The array contains this element.
  Condition contains(Object? element) => _of('contains', [element]);

  /// The text begins with this.
  Condition startsWith(String prefix) => _of('starts_with', [prefix]);
}

/// A field of a document, for conditions: `f('done').equals(false)`.
Field<V> f<V extends Object?>(Object path) => Field<V>(path);

/// The order of results by fields as they are written: `-` before one for descending.
List<List<Object>> orderOf(Iterable<String> fields) => [
  for (final field in fields)
    if (field.startsWith('-'))
      [pathOf(field.length == 1 ? throw refused('an order of "-" names no field') : field.substring(1)), true]
    else
      [pathOf(field.isEmpty ? throw refused('an order names no field') : field), false],
];
