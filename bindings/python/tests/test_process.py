"""Threads, forks, pickles, kills and leaks: what happens around the library and not in it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import entidb
import pytest

FULL = os.environ.get("ENTIDB_TIER") in ("full", "release")


def test_many_threads_write_and_read_at_once(db, notes):
    notes.create_index("n")
    wrong = []

    def work(number):
        try:
            for n in range(50):
                id = notes.put({"n": number * 1000 + n})
                assert notes[id]["n"] == number * 1000 + n
                assert notes.find(entidb.f.n == number * 1000 + n).count() == 1
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and notes.count() == 400 and db.verify(full=True)["ok"]


def test_transactions_of_many_threads_lose_nothing(db, notes):
    id = notes.put({"n": 0})

    def work():
        for _ in range(25):
            with db.transaction(timeout=60) as tx:
                inside = tx.collection("notes")
                inside.update(id, {"n": inside[id]["n"] + 1})

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert notes[id]["n"] == 150


def test_waiting_leaves_the_interpreter_to_others(db):
    done = threading.Event()
    waiter = threading.Thread(target=lambda: (db.changes().next(timeout=1.0), done.set()))
    waiter.start()
    counted = 0
    while not done.is_set() and counted < 1000:
        counted += 1
        time.sleep(0.001)
    waiter.join(20)
    assert counted > 50


def test_one_cursor_in_two_threads_is_refused_or_served(notes):
    notes.put_many({"n": n} for n in range(20_000))
    walk, seen, errors = notes.scan(), [], []

    def work():
        while True:
            try:
                entity = next(walk, None)
            except entidb.EntidbError as error:
                errors.append(error.name)
                continue
            if entity is None:
                return
            seen.append(entity["n"])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(seen) == list(range(20_000))
    assert set(errors) <= {"CONCURRENT_USE"}


def test_a_feed_that_waits_in_one_thread_is_refused_in_another(db):
    feed = db.changes()
    waiter = threading.Thread(target=lambda: feed.next(timeout=3))
    waiter.start()
    names = set()
    while waiter.is_alive() and "CONCURRENT_USE" not in names:
        time.sleep(0.01)
        try:
            feed.next(0)
        except entidb.ConcurrentUseError as error:
            names.add(error.name)
    db.collection("notes").put({})
    waiter.join(20)
    assert names == {"CONCURRENT_USE"}


def test_a_wait_is_interrupted_from_the_keyboard(tmp_path):
    code = (
        # A shell that starts its jobs in the background has them ignore the interrupt.
        "import entidb, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with entidb.open_memory() as db:\n"
        "    print('ready', flush=True)\n"
        "    db.changes().next()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in error and child.returncode != 0


def test_a_wait_for_a_transaction_in_use_leaves_the_interpreter_to_others(db):
    # The thread that reads waited for the one that builds with the interpreter in its hands, and all others with it.
    db.collection("notes").put_many({"n": n, "s": "x" * 50} for n in range(20_000))
    with db.transaction() as tx:
        notes = tx.collection("notes")
        id = notes.put({"n": -1})
        for act in (lambda: notes[id], lambda: notes.put({"n": -2}), lambda: notes.count(), lambda: tx.is_open, lambda: repr(tx)):
            begun, built, read = (threading.Event() for _ in range(3))

            def build():
                begun.set()
                for name in ("a", "b", "c"):
                    notes.create_index("n", "s", name=name)
                built.set()

            def wait():
                begun.wait(60)
                act()
                read.set()

            threads = [threading.Thread(target=build), threading.Thread(target=wait)]
            for thread in threads:
                thread.start()
            begun.wait(60)
            steps = 0
            while not built.is_set():
                time.sleep(0.0005)
                steps += 1
            for thread in threads:
                thread.join(60)
            assert read.is_set() and steps > 15, f"{steps} steps while another thread waited"
            for name in ("a", "b", "c"):
                notes.drop_index(name)


def test_another_interpreter_is_refused():
    # Its errors were of the first one's classes, which no `except` of its own caught.
    program = """if True:
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import entidb
        try:
            entidb.open_memory().drop_collection("none")
        except entidb.CollectionNotFoundError:
            print("caught", flush=True)
        import sys
        del sys.modules["entidb"], sys.modules["entidb._entidb"]
        import entidb
        other = interpreters.create()
        interpreters.run_string(other, "try: import entidb\\nexcept ImportError as error: print(error, flush=True)")
    """
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    assert out.stdout.startswith("caught\nanother interpreter of this process has imported entidb"), out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_child_of_a_fork_is_told_to_open_its_own(tmp_path):
    with entidb.open(tmp_path / "a") as db:
        notes = db.collection("notes")
        id = notes.put({"n": 1})
        entity = notes[id]
        tx = db.transaction()
        tx.collection("notes").put({"n": 2})
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            told = []
            for use in (lambda: notes.get(id), lambda: db.collections(), lambda: tx.commit(), lambda: db.changes()):
                try:
                    use()
                    told.append("worked")
                except entidb.ForkedError as error:
                    told.append(error.name)
                except BaseException as error:
                    told.append(repr(error))
            told.append("read" if entity["n"] == 1 and entity.id == id else "lost")
            del tx, notes, db
            gc.collect()
            os.write(writer, ",".join(told).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            told = pipe.read()
        assert os.waitpid(child, 0)[1] == 0
        assert told == "FORKED,FORKED,FORKED,FORKED,read"
        tx.commit()
        assert notes.count() == 2


FORKS = """
import os, signal, sys, threading, time, entidb

# Threads of these databases wait when the process forks, and the child has the memory of what they waited in.
parents = [entidb.open(f"{sys.argv[1]}/parent{n}") for n in range(8)]
for db in parents:
    db.collection("notes").put({"n": 1})
time.sleep(0.2)
for number in range(4):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        for _ in range(5):
            db = entidb.open(f"{sys.argv[1]}/child{number}", durability="none")
            notes = db.collection("notes")

            def write():
                for n in range(20):
                    notes.put({"n": n})

            feed = db.changes(db.position)

            def follow():
                try:
                    while True:
                        feed.next()
                except entidb.ClosedError:
                    pass

            writers = [threading.Thread(target=write) for _ in range(6)]
            reader = threading.Thread(target=follow)
            for thread in (*writers, reader):
                thread.start()
            for thread in writers:
                thread.join()
            count = notes.count()
            db.close(force=True)
            reader.join()
        os._exit(0 if count == 600 else 1)
    status = os.waitpid(child, 0)[1]
    print("ended" if status == 0 else f"status {status}", flush=True)
for db in parents:
    db.collection("notes").put({"n": 2})
    db.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_has_databases_with_threads_of_its_own(tmp_path):
    run = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, str(tmp_path)]
    told = subprocess.run(run, capture_output=True, text=True, check=False, timeout=300)
    assert (told.stdout.split("\n"), told.returncode) == (["ended"] * 4 + [""], 0), told.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="files of a process are counted through /proc of Linux")
def test_nothing_is_open_after_close_though_handles_are_left(tmp_path):
    def opened():
        places = []
        for number in os.listdir("/proc/self/fd"):
            try:
                places.append(os.readlink(f"/proc/self/fd/{number}"))
            except FileNotFoundError:
                continue
        return [place for place in places if place.startswith(str(tmp_path))]

    db = entidb.open(tmp_path / "a")
    notes = db.collection("notes")
    notes.put_many({"n": n, "pad": "x" * 500} for n in range(2000))
    db.checkpoint()
    walk = iter(notes.scan())
    next(walk)
    feed = db.changes()
    assert opened()
    db.close()
    # The objects are still there, and their database is not.
    assert opened() == []
    # What a walk has read already it still gives.
    for use in (lambda: list(walk), lambda: feed.next(timeout=0), notes.count):
        with pytest.raises(entidb.ClosedError):
            use()


def test_handles_are_not_pickled_or_copied(db, notes):
    notes.put({})
    with db.transaction() as tx:
        for handle in (db, notes, tx, tx.savepoint(), notes.scan(), db.changes()):
            for act in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="belongs to this process and cannot be pickled"):
                    act(handle)


def test_nothing_leaks(tmp_path):
    rounds = 100 if FULL else 2
    with entidb.open(tmp_path / "a", durability="none", feed_commits_max=1000) as db:
        notes = db.collection("notes")
        notes.create_index("n")
        ids = [entidb.EntityId(n.to_bytes(16, "big")) for n in range(100)]

        def work():
            # 10,000 operations.
            for step in range(10):
                for n, id in enumerate(ids):
                    notes.put({"n": n, "s": "x" * 50, "at": entidb.now(), "l": [1, {"k": n}]}, id)
                    notes.get(id)
                    assert id in notes
                notes.put_many([{"n": n} for n in range(300)], [entidb.EntityId(bytes(12) + n.to_bytes(4, "little")) for n in range(300)])
                notes.get_many(ids)
                with db.transaction() as tx:
                    for id in ids:
                        tx.collection("notes").update(id, {"n": step})
                list(notes.find(entidb.f.n >= 0).order_by("-n").limit(100))
                for id in ids:
                    with pytest.raises(entidb.EntidbError):
                        notes.insert({}, id)
            gc.collect()

        work()
        db.checkpoint()
        tracemalloc.start()
        work()
        first, size = tracemalloc.get_traced_memory()[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(rounds):
            work()
        grown = tracemalloc.get_traced_memory()[0] - first
        tracemalloc.stop()
        swollen = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size
    print(f"after {rounds} rounds of 10,000 operations: {grown} bytes of objects more, {swollen} KiB more resident")
    assert grown < 64 * 1024, f"{grown} bytes of Python objects more after {rounds} rounds of 10,000 operations"
    assert swollen < 48 * 1024, f"{swollen} KiB more resident after {rounds} rounds of 10,000 operations"


WRITER = """
import sys, entidb
db = entidb.open(sys.argv[1])
notes = db.collection("notes")
n = notes.count()
while True:
    with db.transaction() as tx:
        inside = tx.collection("notes")
        for part in range(3):
            inside.put({"n": n, "part": part, "pad": "x" * 300})
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
    n += 1
"""


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path, rng):
    rounds = 100 if FULL else 5
    folder = tmp_path / "a"
    acknowledged = set()
    with entidb.open(folder) as db:
        db.collection("notes").create_index("n")
    for _ in range(rounds):
        child = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True)
        first = child.stdout.readline()
        assert first.endswith("\n")
        acknowledged.add(int(first))
        time.sleep(rng.uniform(0, 0.15))
        child.kill()
        rest, _ = child.communicate()
        # The last line may be cut; what is whole was acknowledged.
        acknowledged.update(int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n"))
        with entidb.open(folder) as db:
            notes = db.collection("notes")
            parts = {}
            for entity in notes:
                parts.setdefault(entity["n"], set()).add(entity["part"])
            assert acknowledged <= set(parts), f"lost {sorted(acknowledged - set(parts))}"
            assert all(found == {0, 1, 2} for found in parts.values()), "a transaction was torn"
            assert db.verify(full=True)["ok"]
            assert notes.find(entidb.f.n >= 0).count() == notes.count()
    assert len(acknowledged) >= rounds


def test_importing_is_quick():
    # Beside a module of the standard library, in processor time: a busy or slow machine makes both slower.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def cost(module):
        code = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
        return min(float(subprocess.check_output([sys.executable, "-c", code], env=env)) for _ in range(5))

    ours, theirs = cost("entidb"), cost("asyncio")
    assert ours < 0.7 * theirs, f"importing took {ours * 1000:.1f} ms, asyncio {theirs * 1000:.1f} ms"


def test_importing_brings_no_heavy_modules():
    code = "import sys, entidb; print(sorted({'asyncio', 'decimal', 'inspect', 'dataclasses', 'uuid', 'numpy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_bytes_that_claim_more_than_they_hold_cost_what_they_hold():
    # 60 arrays in each other, each of which announces everything that follows: room for what is announced, made at each of
    # them, is 4 GB for 8 MB of input, and ended the process.
    program = """if True:
        import resource, entidb
        size, heads = 8 << 20, 60
        data = bytearray(5 * heads + size)
        for at in range(0, 5 * heads, 5):
            data[at : at + 5] = b"\\x9a" + (len(data) - at - 5).to_bytes(4, "big")
        with open("/proc/self/statm") as used:
            limit = int(used.read().split()[0]) * resource.getpagesize() + (512 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            entidb.cbor.loads(bytes(data))
        except entidb.EncodingError as error:
            print(error.name)
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "TRUNCATED"), ended.stderr


WITHOUT_ITS_TOOL = """if True:
    import importlib.metadata, runpy, sys
    importlib.metadata.files = lambda name: None
    sys.argv = ["entidb", *sys.argv[1:]]
    runpy.run_module("entidb", run_name="__main__")
"""


@pytest.mark.skipif(os.name != "posix", reason="the tool of the test is a shell script")
def test_the_package_runs_its_command_line_tool_else_one_on_the_path_or_says_how_to_get_it(tmp_path):
    def run(*command):
        env = os.environ | {"PATH": str(tmp_path)}
        return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=env, check=False)

    own = run("-m", "entidb", "--version")
    assert (own.returncode, own.stdout) == (0, f"entidb {entidb.__version__}\n"), own.stderr
    db = str(tmp_path / "d")
    put = run("-m", "entidb", "put", db, "notes", '{"n": 1}', "--create")
    assert put.returncode == 0, put.stderr
    with entidb.open(db) as opened:
        [note] = opened.collection("notes")
        assert (str(note.id), dict(note)) == (put.stdout.strip(), {"n": 1})
    assert run("-m", "entidb", "inspect", str(tmp_path / "none")).returncode == 2
    missing = run("-c", WITHOUT_ITS_TOOL, "inspect")
    assert missing.returncode == 127 and "built without" in missing.stderr and not missing.stdout
    tool = tmp_path / "entidb"
    tool.write_text('#!/bin/sh\necho "$1:$2"\nexit 3\n')
    tool.chmod(0o755)
    found = run("-c", WITHOUT_ITS_TOOL, "inspect", "a b")
    assert (found.returncode, found.stdout) == (3, "inspect:a b\n"), found.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
@pytest.mark.parametrize("room_mb", [90, 180])
def test_memory_that_cannot_be_had_refuses_a_put_and_not_the_process(tmp_path, room_mb):
    # It ended the process: allocations whose size followed the document could not fail.
    program = """if True:
        import resource, sys, entidb
        db = entidb.open(sys.argv[1])
        notes = db.collection("notes")
        with open("/proc/self/statm") as used:
            limit = int(used.read().split()[0]) * resource.getpagesize() + (int(sys.argv[2]) << 20)
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
        stored, names = [], set()
        for n in range(6):
            try:
                notes.put({"n": n, "x": b"y" * (30 << 20)})
                stored.append(n)
            except (entidb.OutOfMemoryError, MemoryError) as error:
                names.add(type(error).__name__)
        resource.setrlimit(resource.RLIMIT_AS, before)
        # The database goes on.
        notes.put({"n": 6})
        stored.append(6)
        db.close()
        with entidb.open(sys.argv[1]) as db:
            assert sorted(note["n"] for note in db.collection("notes")) == stored
        print("ended", sorted(names))
    """
    command = [sys.executable, "-c", program, tmp_path / "d", str(room_mb)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and ended.stdout.startswith("ended"), ended.stdout + ended.stderr
