"""The databases every language writes and reads: tests/conformance/README.md, "Databases of other languages"."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, __file__.rpartition("/")[0])
from runner import Runner


def take(part, steps, folder, variant):
    """The transcript of the steps of one part in a folder."""
    runner = Runner(folder, variant["options"])
    try:
        return [f"{part} {at} {runner.step(step)}" for at, step in enumerate(steps[part], 1)]
    finally:
        runner.close()


def test_a_database_of_every_language_is_read(root, tmp_path):
    files = root / "tests" / "conformance" / "exchange"
    steps = json.loads((files / "steps.json").read_text(encoding="utf-8"))
    expected = (files / "expected.txt").read_text(encoding="utf-8").splitlines()
    expected = {part: [line for line in expected if line.startswith(part)] for part in ("write", "read")}
    exchange = pathlib.Path(os.environ.get("ENTIDB_TRANSCRIPTS") or tmp_path) / "exchange"
    own = exchange / "databases" / "python"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    for variant in steps["variants"]:
        written = take("write", steps, own / variant["name"], variant)
        assert written == expected["write"], f"python writing its {variant['name']} database"
    writers = sorted(folder.name for folder in (exchange / "databases").iterdir())
    for writer in writers:
        for variant in steps["variants"]:
            copy = tmp_path / f"{writer} {variant['name']}"
            shutil.copytree(exchange / "databases" / writer / variant["name"], copy)
            read = take("read", steps, copy, variant)
            assert read == expected["read"], f"python reading the {variant['name']} database of {writer}"
    (exchange / "python.read").write_text("".join(f"{writer}\n" for writer in writers), encoding="utf-8")
