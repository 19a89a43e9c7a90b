"""The cases every language runs, with the transcript every language writes: tests/conformance/README.md."""

from __future__ import annotations

import json
import os
import pathlib
import sys

import pytest

sys.path.insert(0, __file__.rpartition("/")[0])
from runner import Runner


def test_every_case_gives_what_every_language_gives(root, tmp_path):
    folder = root / "tests" / "conformance"
    files = sorted(folder.glob("*.json"))
    if not files:
        pytest.skip("tests/conformance holds no case yet")
    lines, wrong, position = [], [], 0
    for file in files:
        for case in json.loads(file.read_text(encoding="utf-8"))["cases"]:
            position += 1
            runner = Runner(tmp_path / str(position) if case.get("disk") else None, case.get("options"))
            try:
                for at, step in enumerate(case["steps"], 1):
                    result = runner.step(step)
                    lines.append(f"{position} {at} {result}\n")
                    if "expect" in step and step["expect"] != result:
                        wrong.append(f"{file.name}, {case['name']!r}, step {at} {step}: {result}")
            finally:
                runner.close()
    written = "".join(lines)
    if transcripts := os.environ.get("ENTIDB_TRANSCRIPTS"):
        (pathlib.Path(transcripts) / "python.txt").write_bytes(written.encode())
    assert not wrong, "\n".join(wrong)
    expected = (folder / "expected.txt").read_text(encoding="utf-8")
    assert written.splitlines() == expected.splitlines()
    assert position >= 150
