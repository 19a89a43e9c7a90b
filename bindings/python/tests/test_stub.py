"""The types of the package are those it has."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import typing

import entidb
import pytest

PACKAGE = pathlib.Path(entidb.__file__).parent


@pytest.fixture
def site(tmp_path):
    """A copy of the package in a folder of its own: mypy checks nothing that is installed."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "site" / "entidb", ignore=ignore)
    return tmp_path / "site"


def test_the_stub_and_the_module_agree(tmp_path, site):
    pytest.importorskip("mypy", reason="mypy is not installed")
    # mypy cannot follow a list that takes over the names of a generated module.
    allowed = tmp_path / "allowed"
    # A choice of words is a union to mypy, and none when it runs.
    words = [name for name, value in vars(entidb.interface).items() if typing.get_origin(value) is typing.Literal]
    allowed.write_text("entidb\\.__all__\n" + "".join(f"entidb\\.interface\\.{name}\n" for name in words))
    command = [sys.executable, "-m", "mypy.stubtest", "--concise", "--allowlist", allowed, "entidb"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=site, env=os.environ | {"PYTHONPATH": str(site)})
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_package_passes_a_strict_check(tmp_path, site):
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "user.py").write_text(
        "import types, typing\n"
        "import entidb\n"
        "class Note(typing.TypedDict):\n"
        "    title: str\n"
        "with entidb.open_memory() as db:\n"
        "    notes = db.collection('notes')\n"
        "    id: entidb.EntityId = notes.put({'a': 1})\n"
        "    note: entidb.Entity = notes[id]\n"
        "    typed: Note = {'title': 'x'}\n"
        "    notes.put(typed)\n"
        "    notes.put(types.MappingProxyType({'a': 1}))\n"
        "    some: entidb.Query = notes.find(entidb.any_of([entidb.f.a == 1])).order_by(-entidb.f.a)[5:10]\n"
        "    maybe: entidb.Entity | None = notes.get(id)\n"
        "    found: list[entidb.Entity] = notes.find(entidb.f.a == 1).order_by('-a').list()\n"
        "    with db.transaction() as tx:\n"
        "        tx.collection('notes').update(id, entidb.Patch().increment('a'))\n"
        "try:\n"
        "    pass\n"
        "except entidb.UniqueViolationError as error:\n"
        "    print(error.code + 1, error.name.lower(), error.index)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache"]
    env = {"MYPYPATH": str(site), "PATH": "/usr/bin:/bin"}
    for what in (["-p", "entidb"], [tmp_path / "user.py"]):
        run = subprocess.run([*command, *what], capture_output=True, text=True, cwd=tmp_path, env=env)
        assert run.returncode == 0, run.stdout + run.stderr


def test_everything_public_has_a_doc_string():
    for name in entidb.__all__:
        thing = getattr(entidb, name)
        if isinstance(thing, str) or name in ("f", "cbor"):
            continue
        assert (thing.__doc__ or "").strip(), name
        for inner in vars(thing) if isinstance(thing, type) and not issubclass(thing, Exception) else ():
            part = getattr(thing, inner, None)
            if not inner.startswith("_") and callable(part) and not isinstance(part, type):
                assert (part.__doc__ or "").strip(), f"{name}.{inner}"


def test_the_package_is_small_and_depends_on_nothing():
    size = sum(file.stat().st_size for file in PACKAGE.rglob("*") if file.is_file())
    try:
        wants = importlib.metadata.requires("entidb")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed as a wheel")
    assert not wants
    assert size < 40 * 1024 * 1024, f"{size} bytes installed"
