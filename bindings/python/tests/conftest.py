"""What the tests share: databases that are closed whatever happens, and folders of the project."""

from __future__ import annotations

import os
import pathlib
import random

import entidb
import pytest


@pytest.fixture
def db():
    with entidb.open_memory() as database:
        yield database


@pytest.fixture
def notes(db):
    return db.collection("notes")


@pytest.fixture
def disk(tmp_path):
    """A function that opens the same folder again and again."""
    opened = []

    def reopen(**options):
        for database in opened:
            database.close()
        opened.append(entidb.open(tmp_path / "data", **options))
        return opened[-1]

    yield reopen
    for database in opened:
        database.close()


@pytest.fixture
def root():
    """The folder of the project, for shared vectors and cases."""
    given = os.environ.get("ENTIDB_ROOT")
    folder = pathlib.Path(given) if given else pathlib.Path(__file__).resolve().parents[3]
    assert (folder / "tests" / "vectors").is_dir(), f"{folder} is not the project; set ENTIDB_ROOT"
    return folder


@pytest.fixture
def rng():
    """Random numbers whose seed is printed, and taken from ENTIDB_SEED to replay."""
    seed = int(os.environ.get("ENTIDB_SEED", random.SystemRandom().randrange(2**32)))
    print(f"replay with ENTIDB_SEED={seed}")
    return random.Random(seed)
