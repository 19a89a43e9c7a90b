"""The surface with ``await``: it has what the other one has, and waits for nothing on the thread of the loop."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
import time

import entidb
import pytest
from entidb import aio, f

sys.path.insert(0, __file__.rpartition("/")[0])
import runner as steps

#: Of the other surface alone: what cannot be awaited.
MAPPING = {"__getitem__", "__setitem__", "__delitem__", "__contains__", "__len__", "__bool__", "__reversed__"}
WITHOUT = {
    "Collection": MAPPING,
    "ManualIndex": {"__len__", "__bool__", "__contains__"},
    "Query": set(),
    "Database": set(),
}
#: Of this one alone: what stands for the mapping.
MORE = {"ManualIndex": {"count", "contains"}}
TWINS = {"__iter__": "__aiter__", "__next__": "__anext__", "__enter__": "__aenter__", "__exit__": "__aexit__"}
#: What looks at memory only is not awaited.
PLAIN = {"collection", "find", "scan", "new_id", "config", "open_report", "where", "order_by", "limit", "offset", "after", "close"}


def methods(class_):
    hidden = {"__new__", "__init__", "__repr__", "__reduce__", "__doc__", "__module__", "__slots__", "__weakref__", "__annotations__"}
    hidden |= {"__static_attributes__", "__firstlineno__"}
    return {name for name in vars(class_) if name not in hidden and (name.startswith("__") or not name.startswith("_"))}


@pytest.mark.parametrize("name", aio.__all__)
def test_every_class_and_function_has_the_methods_and_arguments_of_its_twin(name):
    ours, theirs = getattr(aio, name), getattr(entidb, name)
    if not isinstance(ours, type):
        assert inspect.signature(ours).parameters.keys() == {"backup", "path", "options"} & inspect.signature(ours).parameters.keys()
        return
    expected = {TWINS.get(method, method) for method in methods(theirs) - WITHOUT.get(name, set())}
    assert methods(ours) - MORE.get(name, set()) == expected
    for method in sorted(methods(ours)):
        own = inspect.getattr_static(ours, method)
        if method.startswith("__") or method in MORE.get(name, set()):
            continue
        if isinstance(own, property) or inspect.ismemberdescriptor(own):
            continue
        assert own.__doc__, f"{name}.{method}"
        is_awaited = inspect.iscoroutinefunction(own) or inspect.isasyncgenfunction(own) or "Opening" in str(own.__annotations__.get("return"))
        assert is_awaited == (method not in PLAIN or (name, method) == ("Database", "close")), f"{name}.{method}"
        try:
            signature = inspect.signature(getattr(theirs, method))
        except ValueError:
            continue
        if (name, method) == ("Collection", "pop"):
            continue
        asked = [(p.name, p.kind) for p in signature.parameters.values() if p.name != "self"]
        given = [(p.name, p.kind) for p in inspect.signature(own).parameters.values() if p.name != "self"]
        assert given == asked, f"{name}.{method}"


class Bridge:
    """An object of ``entidb.aio`` that is called without ``await``, for the runner of the other surface."""

    def __init__(self, run, wrapped):
        self.run, self.wrapped = run, wrapped

    def bridged(self, value):
        if inspect.isawaitable(value):

            async def awaited():
                return await value

            value = self.run(awaited())
        return Bridge(self.run, value) if type(value).__module__.startswith("entidb.aio") else value

    def __getattr__(self, name):
        value = self.bridged(getattr(self.wrapped, name))
        if not callable(value) or isinstance(value, (Bridge, type)):
            return value

        def call(*arguments, **options):
            plain = [part.wrapped if isinstance(part, Bridge) else part for part in arguments]
            made = value(*plain, **options)
            return self.listed(made) if inspect.isasyncgen(made) else self.bridged(made)

        return call

    def listed(self, iterable):
        async def gather():
            return [each async for each in iterable]

        return iter(self.run(gather()))

    def __iter__(self):
        return self.listed(self.wrapped)

    def __len__(self):
        return self.run(self.wrapped.count())


class AioRunner(steps.Runner):
    """The runner of the cases, through ``entidb.aio``."""

    def __init__(self, run, folder, options):
        self.run = run
        super().__init__(folder, options)

    def open(self, folder):
        opening = aio.open(folder, **self.options) if folder else aio.open_memory(**self.options)
        return Bridge(self.run, None).bridged(opening)

    def do_validate_backup(self, s):
        return steps.yes(self.run(aio.validate_backup(self.place(s, "from"), **self.options_of(s)))["ok"])

    def do_restore(self, s):
        return steps.report(self.run(aio.restore(self.place(s, "from"), self.place(s, "to"), **self.options_of(s))))

    def do_restore_memory(self, s):
        self.close()
        self.db = Bridge(self.run, None).bridged(aio.restore_memory(self.place(s, "from"), **self.options_of(s)))

    def do_changes(self, s):
        feed = self.db.changes(self.places.get(s["since"]), before=s.get("before", False), wait=False)
        commits = []
        for batch in feed:
            self.places[s["since"]] = batch.position
            commits.append(" + ".join(self.change(change) for change in batch.changes))
        feed.close()
        return " | ".join(commits) or "empty"


def test_every_conformance_case_gives_the_transcript_of_every_language(root, tmp_path):
    folder = root / "tests" / "conformance"
    expected = (folder / "expected.txt").read_text(encoding="utf-8").splitlines()
    lines, position = [], 0
    with asyncio.Runner() as loop:
        for file in sorted(folder.glob("*.json")):
            for case in json.loads(file.read_text(encoding="utf-8"))["cases"]:
                position += 1
                one = AioRunner(loop.run, tmp_path / str(position) if case.get("disk") else None, case.get("options"))
                try:
                    lines += [f"{position} {at} {one.step(step)}" for at, step in enumerate(case["steps"], 1)]
                finally:
                    one.close()
    assert lines == expected


def on_asyncio(main):
    asyncio.run(main())


def on_trio(main):
    trio = pytest.importorskip("trio", reason="trio is not installed")
    trio.run(main)


@pytest.fixture(params=[on_asyncio, on_trio], ids=["asyncio", "trio"])
def run(request):
    """Runs an async function on each kind of loop."""
    return request.param


async def rest():
    """Lets the loop turn."""
    if "trio" in sys.modules:
        try:
            return await sys.modules["trio"].sleep(0.002)
        except RuntimeError:
            pass
    await asyncio.sleep(0.002)


def test_what_the_guide_shows(run):
    async def main():
        async with aio.open_memory() as db:
            notes = db.collection("notes")
            id = await notes.put({"title": "Hello", "tags": ["first"]})
            assert [note["title"] async for note in notes.find(f.tags == "first").order_by("-title")] == ["Hello"]
            async with db.transaction() as tx:
                await tx.collection("notes").update(id, {"title": "Hi"})
                assert (await notes.get(id))["title"] == "Hello", "reads go on and see nothing of it"
            assert (await notes.get(id))["title"] == "Hi"
            with pytest.raises(ZeroDivisionError):
                async with db.transaction() as tx:
                    await tx.collection("notes").delete(id)
                    1 / 0
            assert await notes.exists(id)
            async with db.transaction() as tx:
                async with await tx.savepoint():
                    await tx.collection("notes").put({"n": 1})
                mark = await tx.savepoint()
                await tx.create_collection("letters")
                await tx.rollback_to(mark)
                assert await tx.collections() == ["notes"]
                assert await tx.sequence > 0
            async with db.snapshot() as view:
                assert await view.position == await db.position
                assert await view.collection("notes").count() == 2

    run(main)


def test_a_write_that_would_wait_for_its_own_transaction_is_refused_at_once(run):
    async def main():
        async with aio.open_memory() as db:
            notes = db.collection("notes")
            async with db.transaction() as tx:
                await tx.collection("notes").put({})
                for call in (
                    lambda: notes.put({}), lambda: notes.find().delete(), lambda: notes.create_index("n"), lambda: db.create_collection("c"),
                    lambda: db.transaction(), lambda: notes.put_many([{}]),
                ):
                    with pytest.raises(entidb.DeadlockError):
                        await call()
                with pytest.raises(entidb.InUseError):
                    await db.close()
                assert await notes.count() == 0
            await notes.put({})
            assert await notes.count() == 2

    run(main)


def test_writes_of_other_tasks_wait_for_a_transaction_and_keep_their_order():
    async def main():
        async with aio.open_memory() as db:
            notes = db.collection("notes")
            id = db.new_id()
            tx = await db.transaction()
            writes = [asyncio.create_task(notes.put({"n": n}, id)) for n in range(20)]
            await rest()
            assert not any(write.done() for write in writes)
            await tx.collection("notes").put({"n": -1}, id)
            await tx.commit()
            await asyncio.gather(*writes)
            assert [version.entity["n"] for version in await notes.history(id)] == [-1, *range(20)]

    asyncio.run(main())


def test_the_time_behind_others_counts_as_waiting_for_the_lock():
    async def main():
        async with aio.open_memory(lock_timeout_ms=200) as db:
            notes = db.collection("notes")
            tx = await db.transaction()
            begun = time.monotonic()
            results = await asyncio.gather(*(notes.insert({}) for _ in range(20)), return_exceptions=True)
            assert time.monotonic() - begun < 3, "not one wait after the other, which would be 4 seconds"
            assert [type(result) for result in results] == [entidb.BusyError] * 20
            await tx.abort()
            await notes.put({})

    asyncio.run(main())


def test_a_cancelled_task_ends_its_call_and_leaves_nothing(run):
    async def main():
        async with aio.open_memory() as db:
            notes = db.collection("notes")
            await notes.put_many({"n": n} for n in range(3000))
            tx = await db.transaction()
            feed = await db.changes(await db.position)
            for call in (lambda: notes.put({"n": -1}), lambda: feed.next(), lambda: db.transaction().__aenter__()):
                begun = time.monotonic()
                with pytest.raises(TimeoutError):
                    await limited(0.01, call())
                assert time.monotonic() - begun < 2
            await tx.abort()
            for round in range(20):
                for call in (lambda: notes.create_index("n", name="i"), lambda: notes.find(f.n < 0).delete(), lambda: db.compact(), lambda: db.verify(full=True)):
                    try:
                        await limited(0.0003 * (round % 7), call())
                    except TimeoutError:
                        pass
                if await notes.indexes():
                    await notes.drop_index("i")
            assert await notes.count() == 3000
            assert (await db.verify(full=True))["ok"]
            await notes.put({})
            feed.close()

    run(main)


async def limited(seconds, awaitable):
    """Cancels what is awaited after some time, and raises ``TimeoutError``."""
    trio = sys.modules.get("trio")
    try:
        is_trio = trio is not None and trio.lowlevel.current_task() is not None
    except RuntimeError:
        is_trio = False
    if is_trio:
        with trio.move_on_after(seconds) as scope:
            return await awaitable
        assert scope.cancelled_caught
        raise TimeoutError
    return await asyncio.wait_for(awaitable, seconds)


def test_a_feed_waits_without_a_thread_and_a_commit_wakes_it():
    async def main():
        async with aio.open_memory() as db:
            notes = db.collection("notes")
            since = await db.position
            feeds = [await db.changes(since) for _ in range(100)]
            waits = [asyncio.create_task(feed.next()) for feed in feeds]
            for _ in range(50):
                await rest()
            assert not any(wait.done() for wait in waits)
            assert threading.active_count() < 30
            await notes.put({"n": 1})
            for batch in await asyncio.gather(*waits):
                assert batch.changes[-1].document == {"n": 1}
            feed, other = feeds[0], feeds[1]
            assert await feed.next(0) is None
            assert await feed.next(0.01) is None
            await feed.unread()
            assert await feed.position == since
            assert (await feed.next()).changes[-1].document == {"n": 1}

            async def follow():
                seen = []
                async for batch in other:
                    seen.append(batch.changes[0].document["n"])
                return seen

            following = asyncio.create_task(follow())
            await notes.put({"n": 2})
            await rest()
            await notes.put({"n": 3})
            await rest()
            await asyncio.sleep(0.05)
            other.close()
            assert await asyncio.wait_for(following, 10) == [2, 3]
            with pytest.raises(entidb.ClosedError):
                await other.next()
            closing = asyncio.create_task(_drain(feed))
            await asyncio.sleep(0.05)
            await db.close()
            with pytest.raises(entidb.ClosedError):
                await asyncio.wait_for(closing, 10)

    asyncio.run(main())


async def _drain(feed):
    while True:
        await feed.next()


def test_cursors_give_tokens_and_pages(run):
    async def main():
        async with aio.open_memory() as db:
            notes = db.collection("notes")
            await notes.put_many({"n": n} for n in range(700))
            async with notes.find().order_by("n").__aiter__() as cursor:
                assert [note["n"] for note in await cursor.take(300)] == [*range(300)]
                token = await cursor.token()
            assert (await notes.find().order_by("n").after(token).first())["n"] == 300
            query, sizes, token = notes.find().order_by("n").limit(25), [], None
            while True:
                page = await query.after(token).page(10)
                sizes.append(len(page))
                token = page.token
                if token is None:
                    break
            assert sizes == [10, 10, 5]
            # They were told, when the query ran, to be no form of a document, and True was a page of one.
            with pytest.raises(entidb.EntidbError, match="the size of a page is a whole number of at least 0"):
                await query.page(2**64)
            with pytest.raises(TypeError):
                await query.page(True)
            assert len(await notes.find()[10:20].list()) == 10
            assert len(await notes.find().ids()) == 700
            await notes.create_index(name="keys", kind="manual")
            index = await notes.manual_index("keys")
            first = (await notes.find(f.n == 5).first()).id
            assert await index.insert("five", first)
            assert [key async for key in index] == [("five", first)]
            assert await index.contains("five") and await index.count() == 1

    run(main)


def test_a_database_closes_at_the_end_of_its_block_and_tells_of_a_transaction_it_aborted(tmp_path, run):
    async def main():
        with pytest.raises(entidb.InUseError):
            async with aio.open(tmp_path / str(run.__name__)) as db:
                tx = await db.transaction()
                await tx.collection("notes").put({})
        assert db.is_closed
        async with aio.open(tmp_path / str(run.__name__)) as db:
            assert await db.collection("notes").count() == 0
        with pytest.raises(entidb.ClosedError):
            await db.collections()

    run(main)


def test_the_loop_turns_while_long_work_is_done(tmp_path):
    async def main():
        async with aio.open(tmp_path / "turning", durability="none") as db:
            notes = db.collection("notes")
            await notes.put_many({"n": n, "text": "some text " * 10} for n in range(10_000))
            for work in (db.checkpoint, lambda: notes.create_index("n"), lambda: db.verify(full=True), db.compact, lambda: notes.find(f.text == "x").count()):
                turns = 0
                task = asyncio.create_task(work())
                while not task.done():
                    await asyncio.sleep(0)
                    turns += 1
                await task
                assert turns > 1

    asyncio.run(main())
