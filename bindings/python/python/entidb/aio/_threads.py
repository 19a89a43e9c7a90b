"""Calls of the library on threads of the package, awaited by a task of asyncio or trio.

Always: a task that is cancelled ends the call it waits for, and goes on when that has ended, so that nothing of it is left. Calls of
a lane with one thread are made in the order in which they were asked for. Does not know: what is called.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import itertools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from .._entidb import Cancel, _take_wakes

_P = ParamSpec("_P")
_T = TypeVar("_T")

READ_THREADS = 4
LONG_THREADS = 16


def _is_trio() -> bool:
    """Whether the code that runs is a task of trio."""
    trio: Any = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def settled(future: Future[Any], end: Callable[[], None], timeout: float | None = None) -> None:
    """Waits until the future is done. When the task is cancelled, calls ``end``, waits for the future, and goes on with that.

    With a timeout it may return before: then the future is not done.
    """
    if _is_trio():
        await _trio_settled(future, end, timeout)
    else:
        await _asyncio_settled(future, end, timeout)


async def _asyncio_settled(future: Future[Any], end: Callable[[], None], timeout: float | None) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: Future[Any]) -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # The loop was closed, and nobody waits.

    timer = None if timeout is None else loop.call_later(timeout, settle)
    future.add_done_callback(tell)
    cancelled: asyncio.CancelledError | None = None
    while not done.done() or (cancelled is not None and not future.done()):
        try:
            await asyncio.shield(done)
            if cancelled is not None and not future.done():
                # The time was over first.
                done = loop.create_future()
                future.add_done_callback(tell)
        except asyncio.CancelledError as error:
            cancelled = error
            end()
    if timer is not None:
        timer.cancel()
    if cancelled is not None:
        raise cancelled


async def _trio_settled(future: Future[Any], end: Callable[[], None], timeout: float | None) -> None:
    trio: Any = sys.modules["trio"]
    # Trio depends on it.
    outcome: Any = importlib.import_module("outcome")
    task = trio.lowlevel.current_task()
    token = trio.lowlevel.current_trio_token()
    cancel: list[Callable[[], Any]] = []
    woken = False

    def wake() -> None:
        nonlocal woken
        if not woken:
            woken = True
            trio.lowlevel.reschedule(task, outcome.Value(None))

    def tell(_: Future[Any]) -> None:
        try:
            token.run_sync_soon(wake)
        except trio.RunFinishedError:
            pass  # Nobody waits.

    def abort(raise_cancel: Callable[[], Any]) -> Any:
        cancel.append(raise_cancel)
        end()
        return trio.lowlevel.Abort.FAILED

    if timeout is None:
        future.add_done_callback(tell)
        await trio.lowlevel.wait_task_rescheduled(abort)
    else:
        event = trio.Event()
        future.add_done_callback(lambda _: token.run_sync_soon(event.set))
        try:
            with trio.move_on_after(timeout):
                await event.wait()
        except trio.Cancelled:
            end()
            raise
    if cancel:
        cancel[0]()


class Lane:
    """A queue of calls with threads of its own."""

    def __init__(self, threads_max: int) -> None:
        self._pool = ThreadPoolExecutor(threads_max, thread_name_prefix="entidb")

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Makes a call and waits for what it gives."""
        return await self.undoable(None, lambda: call(*args, **kwargs))

    async def undoable(self, undo: Callable[[_T], object] | None, call: Callable[[], _T]) -> _T:
        """As ``run``. ``undo`` gets what was given where the task was cancelled meanwhile and nobody is left to get it."""
        token = Cancel()
        context = contextvars.copy_context()

        def work() -> _T:
            try:
                with token:
                    return call()
            finally:
                wake_feeds()

        try:
            future = self._pool.submit(context.run, work)
        except RuntimeError:
            # The database was closed, which the call says at once.
            return context.run(work)

        def end() -> None:
            token.cancel()
            future.cancel()

        try:
            await settled(future, end)
        except BaseException:
            if undo is not None and future.done() and not future.cancelled() and future.exception() is None:
                undo(future.result())
            raise
        return future.result()

    def close(self) -> None:
        """Makes no more calls than those that wait; does not wait for them."""
        self._pool.shutdown(wait=False)


class Lanes:
    """The lanes of one database. It has one writer, so writes have one thread, and so have the calls of the write transaction."""

    def __init__(self) -> None:
        self.read = Lane(READ_THREADS)
        self.write = Lane(1)
        self.transaction = Lane(1)
        self.long = Lane(LONG_THREADS)

    def close(self) -> None:
        """Lets the threads end when their calls have."""
        for lane in (self.read, self.write, self.transaction, self.long):
            lane.close()


_numbers = itertools.count(1)
_waiting: dict[int, Future[None]] = {}
_lock = threading.Lock()


def feed_number() -> int:
    """A number for a feed, which its waker gives."""
    return next(_numbers)


def wait_for(number: int) -> Future[None]:
    """What is done when the feed of this number is woken. To be asked for before the feed is looked at."""
    future: Future[None] = Future()
    with _lock:
        _waiting[number] = future
    return future


def forget(number: int) -> None:
    """Nobody waits for this feed."""
    with _lock:
        _waiting.pop(number, None)


def finish(future: Future[None]) -> None:
    """Ends the wait for a feed."""
    if not future.done():
        try:
            future.set_result(None)
        except InvalidStateError:
            pass  # A commit was faster.


def wake_feeds() -> None:
    """After each call of the library here: wakes who waits for what it committed. Every commit of these databases is made here."""
    for number in _take_wakes():
        with _lock:
            future = _waiting.pop(number, None)
        if future is not None:
            finish(future)
