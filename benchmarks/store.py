"""How fast the store is: `python benchmarks/store.py [ROWS]` (default 1,000,000).

Prints records per second of the journal, the time from a fresh process to a record on the
disk, and the times of questions to a store of ROWS records.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from tapwrap.core.record import ErrorRecord, uuid7
from tapwrap.store import archive, counts
from tapwrap.store.filters import Filters
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3_600_000_000
LUCK = random.Random(1)

DEATH = """
import time
began = time.perf_counter()
import os, sys
from tapwrap.core.record import ErrorRecord, uuid7
from tapwrap.store.journal import Journal
imported = time.perf_counter()
now = time.time_ns()
journal = Journal(sys.argv[1])
journal.append([ErrorRecord(uuid7(now // 10**6, os.urandom(10)), now // 1000, 17, "process",
    "EXITED", "exit", "m", "1:a", "api", stderr_tail="x" * 4000)])
stored = time.perf_counter()
journal.close()
closed = time.perf_counter()
print((imported - began) * 1e3, (stored - imported) * 1e3, (closed - stored) * 1e3)
"""


def record(moment: int, tail: int = 1000) -> ErrorRecord:
    """A record like those of a busy service, spread over four of them and 500 issues."""
    issue = LUCK.randrange(500)
    return ErrorRecord(
        id=uuid7(moment // 1000, LUCK.randbytes(10)),
        time=moment,
        severity=(13, 17, 17, 21)[issue % 4],
        category=("process", "network", "resource")[issue % 3],
        code=f"CODE_{issue % 20}",
        type="exit",
        message=f"something happened {LUCK.randrange(10**6)}",
        fingerprint=f"1:{issue:032x}",
        service=f"service-{issue % 4}",
        cause="exit",
        run_id=f"run-{moment // HOUR}",
        request_id=f"request-{moment}",
        stack=f"Traceback {issue}\n" * 40,
        stderr_tail="x" * tail,
    )


def journal(place: str) -> None:
    """Records per second, one and fifty in a transaction."""
    now = time.time_ns() // 1000
    with Journal(os.path.join(place, "journal.db"), per_minute=None) as store:
        for batch, rounds in ((1, 2000), (50, 200)):
            batches = [[record(now + n) for n in range(batch)] for _ in range(rounds)]
            began = time.perf_counter()
            for each in batches:
                store.append(each)
            spent = time.perf_counter() - began
            print(f"append {batch:>2} in a transaction  {batch * rounds / spent:10.0f} records/s")


def death(place: str) -> None:
    """Milliseconds of a fresh process: import, open and append, close (medians of 15)."""
    path = os.path.join(place, "death.db")
    rows = []
    for _ in range(16):
        began = time.perf_counter()
        command = [sys.executable, "-c", DEATH, path]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows.append([*map(float, out.split()), (time.perf_counter() - began) * 1e3])
    # The first one makes the store.
    for name, column in zip(
        ("import", "open, append", "close", "whole process"),
        zip(*rows[1:], strict=True),
        strict=True,
    ):
        print(f"{name:<26}  {statistics.median(column):10.1f} ms")


def questions(place: str, rows: int) -> None:
    """Milliseconds of questions to a store of so many rows (medians of 5)."""
    path = os.path.join(place, "questions.db")
    now = time.time_ns() // 1000
    step = 30 * 24 * HOUR // rows
    with Journal(path, per_minute=None) as store:
        for start in range(0, rows, 2000):
            store.append([record(now - (rows - n) * step, 100) for n in range(start, start + 2000)])
    with Reader(path) as reader:
        one = reader.connection
        middle = archive.find(one, Filters(until=now - 15 * 24 * HOUR), 1)[0]
        asked: dict[str, Callable[[], object]] = {
            "list": lambda: archive.find(one, Filters()),
            "list --severity critical": lambda: archive.find(one, Filters(severity=("critical",))),
            "list --severity error+": lambda: archive.find(one, Filters(severity=("error+",))),
            "list --service": lambda: archive.find(one, Filters(service=("service-1",))),
            "list, no hit": lambda: archive.find(one, Filters(category=("volume",))),
            "list --fingerprint": lambda: archive.find(one, Filters(fingerprint=(f"1:{7:032x}",))),
            "list --request-id": lambda: archive.find(
                one, Filters(request_id=(str(middle.record.request_id),))
            ),
            "list --run": lambda: archive.find(one, Filters(run=(str(middle.record.run_id),))),
            "list --before the middle": lambda: archive.find(
                one, Filters(), 50, (middle.record.time, middle.seq)
            ),
            "list --search, no hit": lambda: archive.find(one, Filters(search=("not there",))),
            "show": lambda: archive.get(one, middle.record.id[:20]),
            "show by the end of an id": lambda: archive.get(one, middle.record.id[-8:]),
            "stats": lambda: counts.stats(one, "category", Filters()),
            "stats --since 36h": lambda: counts.stats(
                one, "severity", Filters(since=now - 36 * HOUR - 1)
            ),
            "rates --bucket 1h": lambda: counts.rates(one, HOUR, Filters(since=now - 24 * HOUR)),
            "rates --bucket 1d": lambda: counts.rates(
                one, 24 * HOUR, Filters(since=now - 30 * 24 * HOUR)
            ),
            "groups": lambda: archive.groups(one, Filters()),
            "groups --service": lambda: archive.groups(one, Filters(service=("service-1",))),
        }
        size = os.path.getsize(path) / 1024 / 1024
        print(f"{rows} records, {size:.0f} MiB")
        for name, ask in asked.items():
            spent = []
            for _ in range(5):
                began = time.perf_counter()
                ask()
                spent.append((time.perf_counter() - began) * 1e3)
            print(f"{name:<26}  {statistics.median(spent):10.2f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        journal(directory)
        death(directory)
        questions(directory, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
