/// Cursors over entities.
///
/// Always: one snapshot from the first entity to the last; entities come in batches that grow; `close` or the garbage collector frees
/// a cursor that is not read to its end.
/// Does not know: the query.
library;

import 'dart:convert';
import 'dart:typed_data';

import 'frames.dart';
import 'raw.dart';
import 'schema.dart';

/// Entities and bytes of the first batch and of the largest.
const _countMin = 16;
const _countMax = 256;
const _bytesMin = 64 * 1024;
const _bytesMax = 1024 * 1024;

/// A cursor over entities: an iterator.
///
/// ```dart
/// final cursor = notes.scan(reverse: true).cursor();
/// while (cursor.moveNext()) {
///   if (cursor.current['title'] == 'Hello') break;
/// }
/// cursor.close();
/// ```
final class Cursor<T> implements Iterator<Entity<T>> {
  /// A cursor of the native half, or one that is empty.
  Cursor(this._raw, this._schema, {bool isPaged = false}) : _isPaged = isPaged;

  RawCursor? _raw;
  final Schema<T> _schema;
  final bool _isPaged;
  Frames? _frames;
  Entity<T>? _current;
  int _count = _countMin;
  int _bytes = _bytesMin;
  int _position = -1;
  String? _token;

  @override
  Entity<T> get current => _current ?? (throw StateError('moveNext of the cursor has not given an entity'));

  @override
  bool moveNext() {
    var frames = _frames;
    while (frames == null || frames.isDone) {
      final raw = _raw;
      if (raw == null) return _end();
      // A new batch takes the places of the last one with it.
      if (_isPaged && _position >= 0) _token = _ask(raw);
      final batch = raw.nextBatch(_count, _bytes);
      _position = -1;
      if (batch == null) {
        _free();
        return _end();
      }
      _count = _count * 4 < _countMax ? _count * 4 : _countMax;
      _bytes = _bytes * 4 < _bytesMax ? _bytes * 4 : _bytesMax;
      _frames = frames = Frames(batch);
    }
    _position += 1;
    _current = frames.next(_schema);
    return true;
  }

  bool _end() {
    _current = null;
    return false;
  }

  /// The token of the last entity: `find(…).after(token)` continues behind it, in this process or another. Null before the first
  /// entity, when no result follows, and for the cursor of a scan, which continues by id.
  String? get token {
    final raw = _raw;
    if (!_isPaged) return null;
    return raw == null || _position < 0 ? _token : _ask(raw);
  }

  String? _ask(RawCursor raw) {
    final Uint8List? token = raw.token(_position);
    return token == null ? null : base64Url.encode(token).replaceAll('=', '');
  }

  void _free() {
    _raw?.free();
    _raw = null;
  }

  /// Ends the cursor and frees its snapshot.
  void close() {
    _free();
    _frames = null;
    _current = null;
  }
}

/// The entities of a scan or of a query, read anew by each loop.
abstract class Entities<T> extends Iterable<Entity<T>> {
  /// Entities.
  const Entities();

  /// A cursor over them. Read it to its end, or close it.
  Cursor<T> cursor();

  @override
  Iterator<Entity<T>> get iterator => cursor();
}
