/// What the documents of a collection are in Dart.
///
/// Always: a document that is read is a map with keys of text, unless integers are among its keys.
/// Does not know: collections.
library;

import 'errors.g.dart';
import 'values.dart';

/// A document: what a collection without a schema holds.
typedef Document = Map<String, Object?>;

/// Translates between documents and objects of a type.
///
/// ```dart
/// final class Note {
///   Note(this.title, this.tags);
///   final String title;
///   final List<String> tags;
///
///   static final schema = Schema<Note>(
///     read: (map) => Note(map['title']! as String, (map['tags']! as List).cast()),
///     write: (note) => {'title': note.title, 'tags': note.tags},
///   );
/// }
/// ```
abstract interface class Schema<T> {
  /// A schema of two functions: what is read of a document, and the document that is stored.
  const factory Schema({required T Function(Document document) read, required Document Function(T value) write}) =
      _FunctionSchema;

  /// Makes an object of what a document was decoded to.
  T decode(Object? document);

  /// Makes the document of an object: what the encoder takes.
  Object? encode(T value);
}

final class _FunctionSchema<T> implements Schema<T> {
  const _FunctionSchema({required this.read, required this.write});

  final T Function(Document document) read;
  final Document Function(T value) write;

  @override
  T decode(Object? document) => read(_document(document));

  @override
  Document encode(T value) => write(value);
}

Document _document(Object? value) {
  if (value is Document) return value;
  throw exceptionFrom(
    EntidbCode.wrongType,
    value is Map
        ? 'a document has keys that are integers; read it from db.typed(name, Schemas.maps)'
        : 'a document is a map, and what was read is a ${value.runtimeType}',
  );
}

final class _DocumentSchema implements Schema<Document> {
  const _DocumentSchema();

  @override
  Document decode(Object? document) => _document(document);

  @override
  Document encode(Document value) => value;
}

final class _MapSchema implements Schema<Map<Object, Object?>> {
  const _MapSchema();

  @override
  Map<Object, Object?> decode(Object? document) => document is Map<Object, Object?> ? document : _document(document);

  @override
  Map<Object, Object?> encode(Map<Object, Object?> value) => value;
}

/// Schemas that come with the package.
abstract final class Schemas {
  /// Documents as maps with keys of text.
  static const Schema<Document> documents = _DocumentSchema();

  /// Documents as maps whose keys may be text and integers.
  static const Schema<Map<Object, Object?>> maps = _MapSchema();
}

/// An entity as it was read: a document with its id and version.
final class Entity<T> {
  /// An entity.
  const Entity(this.id, this.version, this.value);

  /// The id.
  final EntityId id;

  /// The version: the sequence of the commit that wrote it.
  final int version;

  /// The document, or the object of the schema.
  final T value;

  @override
  String toString() => 'Entity($id, version $version, $value)';
}

/// The fields of an entity whose document is a map.
extension EntityFields on Entity<Document> {
  /// The value of a field; null where there is none.
  Object? operator [](String field) => value[field];
}

/// An entity as it was for a time.
final class EntityVersion<T> {
  /// A version of an entity.
  const EntityVersion(this.entity, this.until);

  /// The entity; its version is the commit that wrote it.
  final Entity<T> entity;

  /// The commit that replaced or deleted it; null for what is there now.
  final int? until;
}
