"""A signal ends the call that it comes in: promptly, and as if the call had not been made."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """
import signal, sys, threading
import entidb
from entidb import f
signal.signal(signal.SIGINT, signal.default_int_handler)
db = entidb.open(sys.argv[1])
items = db.collection("items")
items.put_many({"n": n} for n in range(500))
def held():
    begun, over = threading.Event(), threading.Event()
    def hold():
        with db.transaction() as tx:
            tx.collection("items").put({"held": True})
            begun.set()
            over.wait()
    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    begun.wait()
    return thread, over
def ready():
    print("ready", flush=True)
"""
HOUR = 3600

CALLS = {
    "a wait for the writer": f"held(); ready(); db.transaction(timeout={HOUR}).__enter__()",
    "a put that waits for the writer": "held(); ready(); items.put({})",
    "a wait for a change": f"feed = db.changes(since=db.position); ready(); feed.next({HOUR})",
    "a wait for a durable commit": f"ready(); db.wait_durable(db.last_sequence + 1000, timeout={HOUR})",
    "work": "ready()\n    while True: items.find(f.n >= 0).count(); db.verify(full=True)",
}


def run(place: Path, program: str, signals: int = 1) -> tuple[str, str, int]:
    child = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + program, str(place / "db")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    assert child.stdout is not None
    for _ in range(signals):
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=60)
    return out, error, child.returncode


@pytest.mark.parametrize("what", CALLS)
def test_ctrl_c_ends(what: str, tmp_path: Path) -> None:
    if "durable" in what and not hasattr(__import__("entidb").Database, "wait_durable"):
        pytest.skip("there is no such call")
    out, error, _ = run(tmp_path, f"""
try:
    {CALLS[what]}
except KeyboardInterrupt:
    print("interrupted", flush=True)
import os
os._exit(3)
""")
    assert (out, error) == ("interrupted\n", "")


def test_what_a_handler_raises_is_raised_and_the_transaction_goes_on(tmp_path: Path) -> None:
    out, error, code = run(tmp_path, """
class Stop(Exception):
    pass
def stop(*_):
    raise Stop("now")
signal.signal(signal.SIGINT, stop)
with db.transaction() as tx:
    inside = tx.collection("items")
    inside.put({"n": -1})
    try:
        # The signal may come before this returns.
        ready()
        while True:
            inside.find(f.n >= 0).delete() and inside.put_many({"n": n} for n in range(500))
    except Stop as stopped:
        print(stopped, inside.find(f.n == -1).count(), inside.count() in (1, 501))
db.close()
with entidb.open(sys.argv[1]) as db:
    print(db.collection("items").find(f.n == -1).count(), db.verify(full=True)["ok"])
""")
    assert (out, error, code) == ("now 1 True\n1 True\n", "", 0)


def test_a_handler_that_raises_nothing_lets_the_wait_go_on(tmp_path: Path) -> None:
    out, error, code = run(tmp_path, """
seen = []
signal.signal(signal.SIGINT, lambda *_: (seen.append(1), over.set()))
thread, over = held()
ready()
with db.transaction(timeout=3600) as tx:
    print(len(seen), tx.collection("items").count())
thread.join()
db.close()
""")
    assert (out, error, code) == ("1 501\n", "", 0)
