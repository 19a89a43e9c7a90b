"""Databases that other languages left, and the one this suite leaves for them: tests/conformance/README.md."""

from __future__ import annotations

import os
import pathlib
import shutil

import entidb
import pytest


def document(n):
    return {"n": n, "text": f"entity {n}", "nested": {"list": [n, None, True]}}


def write(folder):
    with entidb.open(folder) as db:
        shared = db.collection("shared")
        shared.create_index("n")
        shared.put_many([document(n) for n in range(100)], [n.to_bytes(16, "big") for n in range(100)])


def judge(folder):
    with entidb.open(folder, create=False) as db:
        assert db.verify(full=True)["ok"]
        shared = db.collection("shared")
        assert [index.columns for index in shared.indexes()] == [["n"]]
        found = shared.find(entidb.f.n.between(10, 89)).order_by("-n")
        assert [entity["n"] for entity in found] == list(range(89, 9, -1)) and not found.explain()["scan"]
        assert {int.from_bytes(entity.id.bytes, "big"): dict(entity) for entity in shared} == {
            n: document(n) for n in range(100)
        }
        shared.put({"n": 100})


def test_a_database_of_every_language_is_read(tmp_path):
    write(tmp_path / "own")
    judge(tmp_path / "own")
    given = os.environ.get("ENTIDB_TRANSCRIPTS")
    if not given:
        pytest.skip("ENTIDB_TRANSCRIPTS names no folder where others left theirs")
    folder = pathlib.Path(given) / "shared"
    shutil.rmtree(folder / "python", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "python")
    for language in sorted(folder.iterdir()):
        copy = tmp_path / f"copy of {language.name}"
        shutil.copytree(language, copy)
        judge(copy)
