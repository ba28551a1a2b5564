"""What all tests may ask for: records to store, and a Python to run in another process."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tapwrap.core.record import ErrorRecord, uuid7

#: 2026-01-31T08:00:00Z, in the middle of nothing special.
NOON = 1_769_846_400_000_000

Make = Callable[..., ErrorRecord]


@pytest.fixture
def make() -> Make:
    """Make records that differ only in their ids, unless told otherwise."""
    numbers = itertools.count()

    def one(**changes: object) -> ErrorRecord:
        next(numbers)
        fields: dict[str, object] = {
            "id": uuid7(NOON // 1000, os.urandom(10)),
            "time": NOON,
            "severity": 17,
            "category": "process",
            "code": "EXITED",
            "type": "exit",
            "message": "api exited with status 3",
            "fingerprint": "1:" + "a" * 32,
            "service": "api",
            "cause": "exit",
        }
        return ErrorRecord(**fields | changes)  # type: ignore[arg-type]

    return one


@pytest.fixture
def db(tmp_path: Path) -> str:
    """Where a store may be made."""
    return str(tmp_path / "volume" / "errors.db")


@pytest.fixture
def start() -> object:
    """Start Python code in a process of its own; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
