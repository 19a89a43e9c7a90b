"""``python -m entidb``: runs the command line tool, where it is installed.

Always: the tool is the one of this environment before any other on the path; its exit code is given on.
Does not know: what the tool does. It is a program of its own, which this package does not contain.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig

__all__: list[str] = []

#: What a shell gives for a command that is not there.
_NOT_FOUND = 127


def _tool() -> str | None:
    """Where the tool is."""
    return shutil.which("entidb", path=sysconfig.get_path("scripts")) or shutil.which("entidb")


def _main() -> int:
    tool = _tool()
    if tool is None:
        print(
            "the command line tool is not in this package, and no entidb is on the path; build it with"
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
