"""``python -m entidb``: runs the command line tool.

Always: the tool that was installed with this package comes before any other on the path; its exit code is given on.
Does not know: what the tool does. It is a program of its own beside the package, and a package built from the sources
without it has none.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys

__all__: list[str] = []

#: What a shell gives for a command that is not there.
_NOT_FOUND = 127


def _tool() -> str | None:
    """Where the tool is."""
    for file in importlib.metadata.files("entidb") or ():
        if file.name in ("entidb", "entidb.exe"):
            return os.path.realpath(file.locate())
    return shutil.which("entidb")


def _main() -> int:
    tool = _tool()
    if tool is None:
        print(
            "this package was built without the command line tool, and no entidb is on the path; build it with"
            " `cargo build --release -p entidb_cli` in the sources of EntiDB, and put it on the path",
            file=sys.stderr,
        )
        return _NOT_FOUND
    arguments = [tool, *sys.argv[1:]]
    if os.name == "posix":
        os.execv(tool, arguments)
    return subprocess.call(arguments)


if __name__ == "__main__":
    sys.exit(_main())
