/// The change feed as a stream.
///
/// Always: one isolate waits for one stream; it reads the next batch when the stream has taken the last, so that a paused stream holds one
/// batch at most; cancelling ends the wait and frees the reader.
/// Does not know: what is done with a batch.
library;

import 'dart:async';
import 'dart:isolate';

import 'cancel.dart';
import 'changes.dart';
import 'errors.g.dart';
import 'platform.dart';
import 'raw.dart';
import 'worker.dart';

typedef _Start = ({Object? source, int token, String? since, bool before, int cancel, SendPort reply});

/// A stream of the changes after a position.
Stream<ChangeBatch> streamChanges(Raw raw, int token, {required String? since, required bool before}) {
  final cancel = CancelToken.of(raw.cancel(-1));
  final ended = Completer<void>();
  late final StreamController<ChangeBatch> controller;
  RawReceivePort? replies;
  SendPort? requests;
  ChangeBatch? held;

  void finish() {
    replies?.close();
    replies = null;
    if (!ended.isCompleted) ended.complete();
    if (!controller.isClosed) unawaited(controller.close());
  }

  void ask() => requests?.send(true);

  void give(ChangeBatch batch) {
    if (controller.isPaused) {
      held = batch;
    } else {
      controller.add(batch);
      ask();
    }
  }

  void take(Object? message) {
    switch (message) {
      case final SendPort port:
        requests = port;
        if (cancel.isCancelled) {
          port.send(false);
        } else {
          ask();
        }
      case final ChangeBatch batch:
        if (!cancel.isCancelled) give(batch);
      case null:
        finish();
      case final Object error:
        if (!cancel.isCancelled) controller.addError(error);
        cancel.cancel();
    }
  }

  controller = StreamController(
    onListen: () async {
      final port = replies = RawReceivePort(null, 'entidb changes');
      port.handler = take;
      try {
        await Isolate.spawn<_Start>(
          _serve,
          (
            source: raw.source,
            token: token,
            since: since,
            before: before,
            cancel: cancel.raw.address,
            reply: port.sendPort,
          ),
          debugName: 'entidb changes',
          onExit: port.sendPort,
        );
      } on Object catch (error, trace) {
        controller.addError(error, trace);
        finish();
      }
    },
    onResume: () {
      final batch = held;
      held = null;
      if (batch != null) give(batch);
    },
    onCancel: () {
      cancel.cancel();
      held = null;
      requests?.send(false);
      return replies == null ? null : ended.future;
    },
  );
  return controller.stream;
}

void _serve(_Start start) {
  final reply = start.reply;
  final raw = loadRaw(start.source);
  final RawDatabase database;
  final RawFeed feed;
  final cancel = raw.borrowCancel(start.cancel);
  try {
    database = raw.attach(start.token);
    feed = database.changes(start.since);
    if (start.before) feed.withBefore();
  } on Object catch (error) {
    return sendError(reply, error);
  }
  final requests = RawReceivePort();
  void end() {
    requests.close();
    feed.free();
    database.free();
  }

  requests.handler = (Object? wanted) {
    if (wanted == false) return end();
    try {
      cancel.enter();
      try {
        reply.send(readBatch(feed.next(-1)!));
      } finally {
        cancel.leave();
      }
    } on CancelledException {
      end();
    } on Object catch (error) {
      end();
      sendError(reply, error);
    }
  };
  reply.send(requests.sendPort);
}
