"""Writers in other processes, and what must be true of every store."""

from __future__ import annotations

import sqlite3

import pytest

#: Appends COUNT records from a process of its own and says each id once it is acknowledged.
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


@pytest.fixture
def writer() -> str:
    """The code of a writer: arguments are path, count, batch and name."""
    return WRITER


def sums(path: str) -> dict[str, object]:
    """What is counted in each place where it is counted, and whether the file is sound."""
    connection = sqlite3.connect(path)
    try:

        def one(query: str) -> object:
            return connection.execute(query).fetchone()[0]

        found = {
            table: one(f"SELECT coalesce(sum(n), 0) FROM {table}")
            for table in ("total", "hour", "issue_hour", "issue")
        }
        found["rows"] = one("SELECT count(*) FROM error")
        found["repeats"] = one("SELECT coalesce(sum(repeat), 0) FROM error")
        found["uses"] = one("SELECT coalesce(sum(uses), 0) FROM text_blob")
        found["stacks"] = one("SELECT count(*) FROM error WHERE stack_hash IS NOT NULL")
        found["below zero"] = one("SELECT count(*) FROM hour WHERE n <= 0")
        found["integrity"] = one("PRAGMA integrity_check")
        return found
    finally:
        connection.close()


@pytest.fixture
def agree() -> object:
    """Check that all counters of a store agree, and return how many occurrences there are."""

    def check(path: str) -> int:
        found = sums(path)
        assert found["integrity"] == "ok"
        assert found["total"] == found["hour"] == found["issue_hour"] == found["issue"], found
        assert found["below zero"] == 0
        assert found["uses"] == found["stacks"]
        assert found["repeats"] <= found["total"]  # type: ignore[operator]
        return int(found["total"])  # type: ignore[call-overload]

    return check
