/// The isolate that runs calls of a database in the background.
///
/// Always: functions run one after the other, in the order they were given; what they give or throw comes back; the isolate that asks is
/// kept alive while it waits, and no longer.
/// Does not know: what the functions do.
library;

import 'dart:async';
import 'dart:isolate';
import 'dart:typed_data';

import 'argument.dart';
import 'cancel.dart';
import 'database.dart';
import 'errors.g.dart';
import 'platform.dart';
import 'raw.dart';

/// What a worker is started with: a database to attach to, or to open.
final class WorkerStart {
  /// The start of a worker that attaches to an open database.
  const WorkerStart.attach(this.source, this.reply, int this.token) : path = null, options = null;

  /// The start of a worker that opens a database.
  const WorkerStart.open(this.source, this.reply, String this.path, Uint8List this.options) : token = null;

  /// Where the library is.
  final Object? source;

  /// Where answers go.
  final SendPort reply;

  /// The database to attach to.
  final int? token;

  /// The database to open.
  final String? path;

  /// The options to open with.
  final Uint8List? options;
}

/// An error of the other isolate whose object could not be sent.
final class BackgroundException implements Exception {
  /// The error as a text.
  const BackgroundException(this.message);

  /// What the object said of itself.
  final String message;

  @override
  String toString() => 'BackgroundException: $message';
}

/// The isolate beside a database.
final class Worker {
  Worker._(this._commands, this._replies, this.token) {
    _replies.handler = _take;
    _rest();
  }

  final SendPort _commands;
  final RawReceivePort _replies;

  /// The token of its database.
  final int token;
  final Map<int, (Completer<Object?>, CancelToken?)> _waiting = {};
  int _next = 0;
  bool _isStopped = false;

  /// Starts an isolate that has a handle of the database.
  static Future<Worker> start(WorkerStart Function(SendPort reply) startOf) async {
    final begun = Completer<Object?>();
    final replies = RawReceivePort();
    replies.handler = begun.complete;
    try {
      await Isolate.spawn(
        _serve,
        startOf(replies.sendPort),
        debugName: 'entidb',
        errorsAreFatal: true,
        onExit: replies.sendPort,
      );
      switch (await begun.future) {
        case (final SendPort commands, final int token):
          return Worker._(commands, replies, token);
        case final Object error:
          throw error;
        case null:
          throw _ended();
      }
    } on Object {
      replies.close();
      rethrow;
    }
  }

  static EntidbException _ended() => exceptionFrom(
    EntidbCode.closed,
    'the background isolate of the database has ended; open or attach the database again',
  );

  // A port keeps its isolate alive, which is wanted only while an answer is waited for.
  void _rest() => _replies.keepIsolateAlive = _waiting.isNotEmpty;

  void _take(Object? message) {
    switch (message) {
      case (final int id, final bool isError, final Object? result):
        final (waiting, _) = _waiting.remove(id)!;
        _rest();
        isError ? waiting.completeError(result!, StackTrace.current) : waiting.complete(result);
      default:
        _isStopped = true;
        _replies.close();
        final all = _waiting.values.toList();
        _waiting.clear();
        for (final (waiting, _) in all) {
          waiting.completeError(_ended());
        }
    }
  }

  /// Runs a function there.
  Future<R> run<R>(R Function(EntiDb db) body, CancelToken? cancel) async {
    if (_isStopped) throw _ended();
    final id = _next++;
    final waiting = Completer<Object?>();
    // The function must not wait for what its isolate answers later: the next call would begin before it is done.
    _commands.send((id, body, cancel?.raw.address));
    // The token stays alive as long as the other isolate may use its address.
    _waiting[id] = (waiting, cancel);
    _rest();
    return await waiting.future as R;
  }

  /// Ends the isolate after what it was asked for.
  void stop() {
    if (_isStopped) return;
    _commands.send(null);
  }
}

void _serve(WorkerStart start) {
  final reply = start.reply;
  final EntiDb db;
  final Raw raw;
  try {
    raw = loadRaw(start.source);
    db = EntiDb.started(raw, start);
    final token = db.token;
    final commands = RawReceivePort();
    commands.handler = (Object? command) {
      switch (command) {
        case (final int id, final Function body, final int? address):
          _answer(reply, id, () => _run(raw, db, body, address));
        default:
          db.detach();
          commands.close();
      }
    };
    reply.send((commands.sendPort, token));
  } on Object catch (error) {
    sendError(reply, error);
  }
}

Object? _run(Raw raw, EntiDb db, Function body, int? address) {
  final token = address == null ? null : raw.borrowCancel(address);
  token?.check();
  token?.enter();
  try {
    // ignore: avoid_dynamic_calls
    final Object? result = Function.apply(body, [db]);
    if (result is Future) {
      result.ignore();
      throw refused('a function that runs in the background is done when it returns, and gave a ${result.runtimeType}');
    }
    return result;
  } finally {
    token?.leave();
  }
}

void _answer(SendPort reply, int id, Object? Function() run) {
  final Object? result;
  try {
    result = run();
  } on Object catch (error) {
    return _send(reply, (id, true, error), (id, true, BackgroundException('$error')));
  }
  _send(
    reply,
    (id, false, result),
    (
      id,
      true,
      refused(
        'the result of a function that ran in the background cannot be sent to this isolate: it is a ${result.runtimeType}; return documents, ids or numbers',
      ),
    ),
  );
}

/// Sends an error to another isolate; its text where its object cannot be sent.
void sendError(SendPort reply, Object error) => _send(reply, error, BackgroundException('$error'));

void _send(SendPort reply, Object message, Object otherwise) {
  try {
    reply.send(message);
  } on Object {
    reply.send(otherwise);
  }
}
