"""Where the installed package is, and the environment that a program of a test begins with."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
PATH = (
    f"{sysconfig.get_path('scripts')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

#: What the kernel calls a program that this Python runs: the last part of its path.
PYTHON = Path(sys.executable).name

#: What every program begins with when a test gives it no environment of its own.
CLEAN = {"PATH": PATH, "LANG": "C.UTF-8"}


def measured() -> dict[str, str]:
    """The clean environment, in which coverage follows when the tests themselves are measured."""
    following = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE_")}
    return {**CLEAN, **following}


def find(program: str) -> str:
    """The full path of a program, so that a test may give it an environment without PATH."""
    found = shutil.which(program, path=PATH)
    if found is None:
        raise FileNotFoundError(f"cannot find {program} in {PATH}")
    return found


def stand_in(name: str, *arguments: object) -> list[str]:
    """The command that runs a program of `tests/programs`, quickly: without site-packages."""
    program = PROJECT / "tests" / "programs" / f"{name}.py"
    return [sys.executable, "-I", "-S", str(program), *map(str, arguments)]
