"""Tokens that end calls: cancelled from another thread, or over at a deadline."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import entidb
from entidb import f

HOUR = 3600


@pytest.fixture
def db(tmp_path: Path):
    with entidb.open(tmp_path / "db") as db:
        db.collection("items").put_many({"n": n} for n in range(300))
        yield db


def test_a_deadline_ends_every_call_that_may_take_long(db: entidb.Database, tmp_path: Path) -> None:
    items = db.collection("items")
    id = items.put({"n": 300})
    feed = db.changes(db.position)
    calls = [
        lambda: items.find(f.n >= 0).count(),
        lambda: items.find(f.n >= 0).list(),
        lambda: items.find(f.n >= 0).delete(),
        lambda: items.put({}),
        lambda: items.get(id),
        lambda: items.update(id, {"n": 0}),
        lambda: items.delete(id),
        lambda: items.create_index("n"),
        lambda: db.verify(full=True),
        lambda: db.backup(tmp_path / "copy"),
        lambda: feed.next(HOUR),
        lambda: next(db.changes(db.position, wait=True)),
        lambda: db.wait_durable(db.last_sequence + 1000, timeout=HOUR),
    ]
    for call in calls:
        with entidb.deadline(0) as token, pytest.raises(entidb.DeadlineExceededError) as raised:
            call()
        assert token.has_ended and raised.value.code == 208
    assert items.find(f.n >= 0).count() == len(items) == 301
    assert items.get(id)["n"] == 300 and not items.indexes() and not (tmp_path / "copy").exists()
    assert feed.next(0) is None
    # One that has not passed ends nothing.
    with entidb.deadline(HOUR) as token:
        assert items.find(f.n >= 0).count() == 301
    assert not token.has_ended


def test_a_loop_of_short_calls_ends_at_its_deadline(db: entidb.Database) -> None:
    items = db.collection("items")
    id = items.put({"n": 300})
    for call in (lambda: items.get(id), lambda: items.put({}), lambda: id in items):
        with entidb.deadline(0.02), pytest.raises(entidb.DeadlineExceededError):
            while True:
                call()


def test_another_thread_ends_a_wait(db: entidb.Database) -> None:
    token = entidb.Cancel()
    with db.transaction() as tx:
        tx.collection("items").put({"n": -1})
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                with token:
                    db.transaction(timeout=HOUR)
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.03)
        assert thread.is_alive()
        token.cancel()
        thread.join(30)
        assert [type(error) for error in raised] == [entidb.CancelledError]
    assert token.has_ended and db.collection("items").find(f.n == -1).count() == 1


def test_what_ends_in_order_is_not_refused(tmp_path: Path) -> None:
    with entidb.deadline(0):
        with pytest.raises(entidb.DeadlineExceededError), entidb.open_memory() as db:
            with db.transaction() as tx:
                savepoint = tx.savepoint()
                tx.rollback_to(savepoint)
                tx.collection("items").put({})
        assert db.is_closed
    with entidb.open_memory() as db:
        tx = db.transaction()
        tx.collection("items").put({})
        with entidb.Cancel() as token:
            token.cancel()
            with pytest.raises(entidb.CancelledError):
                tx.commit()
        assert not tx.is_open and db.collections() == []


def test_blocks_nest_and_the_nearest_counts(db: entidb.Database) -> None:
    items = db.collection("items")
    with entidb.deadline(HOUR):
        with entidb.deadline(0), entidb.Cancel(), pytest.raises(entidb.DeadlineExceededError):
            items.find(f.n >= 0).count()
        assert items.find(f.n >= 0).count() == 300
    token = entidb.Cancel()
    with token, token:
        pass
    token.cancel()
    assert items.find(f.n >= 0).count() == 300
    with ExitStack() as stack, pytest.raises(entidb.TooLargeError):
        for _ in range(100):
            stack.enter_context(token)
    assert items.find(f.n >= 0).count() == 300


def test_a_task_has_tokens_of_its_own_and_takes_them_into_threads(db: entidb.Database) -> None:
    items = db.collection("items")

    async def late() -> str:
        with entidb.deadline(0):
            await asyncio.sleep(0.01)
            try:
                await asyncio.to_thread(items.find(f.n >= 0).count)
            except entidb.DeadlineExceededError:
                return "late"
        return "in time"

    async def other() -> str:
        for _ in range(5):
            await asyncio.sleep(0.003)
            items.find(f.n >= 0).count()
        return "in time"

    async def both() -> list[str]:
        return await asyncio.gather(late(), other())

    assert asyncio.run(both()) == ["late", "in time"]


def test_closing_a_feed_ends_the_wait_of_another_thread(db: entidb.Database) -> None:
    feed = db.changes(db.position, wait=True)
    raised: list[BaseException] = []

    def follow() -> None:
        try:
            for _ in feed:
                pass
        except entidb.ClosedError as error:
            raised.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    time.sleep(0.03)
    feed.close()
    thread.join(30)
    assert len(raised) == 1
    with pytest.raises(entidb.ClosedError):
        feed.next(0)
    with db.changes() as again:
        assert again.next(0) is not None


def test_tokens_show_themselves_and_refuse_nonsense() -> None:
    token = entidb.Cancel()
    assert repr(token) == "<entidb.Cancel live>"
    token.cancel()
    assert repr(token) == "<entidb.Cancel ended>"
    with pytest.raises(TypeError, match="cancel token"):
        pickle.dumps(token)
    for wrong in (-1, float("nan")):
        with pytest.raises(entidb.UsageError):
            entidb.deadline(wrong)
