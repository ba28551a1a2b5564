"""Stores in tests: the words for what fixtures give, and what must be true of every store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from tapwrap.core.record import ErrorRecord

if TYPE_CHECKING:
    import subprocess

#: Makes a record; what is not said is the same each time, but for the id.
Make = Callable[..., ErrorRecord]

#: Starts Python code, with arguments, in a process of its own.
Start = Callable[..., "subprocess.Popen[str]"]

#: Checks that all counters of a store agree; returns how many occurrences they count.
Agree = Callable[[str], int]

#: 2026-01-31T08:00:00Z, in microseconds.
START = 1_769_846_400_000_000

#: An hour, in microseconds.
HOUR = 3_600_000_000

#: Appends COUNT records from a process of its own and says each id once it is acknowledged.
#: Arguments: path, count, batch, name.
WRITER = """
import os, sys, time
from tapwrap.core.record import ErrorRecord, uuid7
from tapwrap.store.journal import Journal
path, count, batch, name = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with Journal(path, patience=60, per_minute=None) as journal:
    print("ready", flush=True)
    for start in range(0, count, batch):
        now = time.time_ns()
        records = [
            ErrorRecord(
                id=uuid7(now // 1_000_000, os.urandom(10)), time=now // 1000,
                severity=(13, 17)[n % 2], category="process", code=f"C{n % 3}", type="exit",
                message=f"{name} {n}", fingerprint=f"1:{name}{n % 5}", service=name,
                stack="a stack of some length\\n" * 20, stderr_tail="last words\\n" * 20,
            )
            for n in range(start, min(start + batch, count))
        ]
        journal.append(records)
        print("\\n".join(each.id for each in records), flush=True)
"""

_COUNTS = {
    "total": "SELECT coalesce(sum(n), 0) FROM total",
    "hour": "SELECT coalesce(sum(n), 0) FROM hour",
    "issue_hour": "SELECT coalesce(sum(n), 0) FROM issue_hour",
    "issue": "SELECT coalesce(sum(n), 0) FROM issue",
    "repeats": "SELECT coalesce(sum(repeat), 0) FROM error",
    "below zero": "SELECT count(*) FROM hour WHERE n <= 0",
    "uses": "SELECT coalesce(sum(uses), 0) FROM text_blob",
    "stacks": "SELECT count(*) FROM error WHERE stack_hash IS NOT NULL",
}


def agreed(path: str) -> int:
    """How many occurrences a store counts, after making sure that all its counters agree."""
    connection = sqlite3.connect(path)
    try:
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
        found = {name: int(connection.execute(sql).fetchone()[0]) for name, sql in _COUNTS.items()}
    finally:
        connection.close()
    assert sound == "ok"
    assert found["total"] == found["hour"] == found["issue_hour"] == found["issue"], found
    assert found["below zero"] == 0
    assert found["uses"] == found["stacks"]
    assert found["repeats"] <= found["total"]
    return found["total"]


def ids(path: str) -> list[str]:
    """The ids of the records in a store, in the order of storing."""
    connection = sqlite3.connect(path)
    try:
        return [each for (each,) in connection.execute("SELECT id FROM error ORDER BY seq")]
    finally:
        connection.close()


def heard(process: subprocess.Popen[str]) -> str:
    """The next line that a process says, without its end."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def told(process: subprocess.Popen[str], line: str) -> None:
    """Say a line to a process."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
