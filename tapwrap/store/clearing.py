"""Taking records out of the store: `reset` (as if they had not been) and `prune` (to save room).

Both work in small steps, each a transaction in a turn of its own, so that a writer waits
for milliseconds and the counters agree after every step.
"""

from __future__ import annotations

import os
import time

from tapwrap.core import retention
from tapwrap.core.fingerprint import fingerprint
from tapwrap.core.record import SEVERITIES, ErrorRecord, uuid7
from tapwrap.core.value import value
from tapwrap.store import tally
from tapwrap.store.archive import newest_seq
from tapwrap.store.counts import whole_hours
from tapwrap.store.filters import Filters, condition, issues, labels
from tapwrap.store.reading import Reader
from tapwrap.store.schema import HOUR

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from tapwrap.store.journal import Journal

    Work = Callable[[sqlite3.Connection], int]

#: Records or counters taken out in one transaction of a reset.
STEP = 500

#: Pages given back to the file system at a time: about a tenth of a second.
PAGES = 2_000


@value
class Pruned:
    """How many records and runs went, and the bytes the file is smaller by."""

    records: int
    runs: int
    bytes: int


def reset(journal: Journal, filters: Filters) -> int:
    """Forget the records meant, and that they were counted. Returns how many occurrences.

    Occurrences that are only counted (repeats, pruned records) go too, except where their
    hour is cut by the filters or only a row could say whether they are meant (run, request,
    search). What is stored meanwhile stays. The reset itself is recorded. Raises CannotStore.
    """
    gone = 0
    with Reader(journal.path) as reader:
        newest = newest_seq(reader.connection)
        for chosen in _chosen(reader.connection, filters, newest):
            gone += journal.change(_forgetting(chosen))
        if filters.counted:
            for cells in _cells(reader.connection, filters):
                gone += journal.change(_emptying(cells))
    journal.append([_note(filters, gone)])
    return gone


def _chosen(connection: sqlite3.Connection, filters: Filters, newest: int) -> Iterator[list[int]]:
    where = condition(connection, filters)
    last = 0
    while True:
        rows = connection.execute(
            f"SELECT seq FROM error WHERE {where.sql} AND seq > ? AND seq <= ? "
            "ORDER BY seq LIMIT ?",
            (*where.parameters, last, newest, STEP),
        ).fetchall()
        if not rows:
            return
        yield [seq for (seq,) in rows]
        last = rows[-1][0]


def _forgetting(chosen: list[int]) -> Work:
    def work(connection: sqlite3.Connection) -> int:
        return tally.forget(connection, chosen, uncount=True)

    return work


def _cells(
    connection: sqlite3.Connection, filters: Filters
) -> Iterator[list[tuple[int, int, int]]]:
    """What is still counted of the records meant, by (issue, label, hour)."""
    first, last = whole_hours(filters)
    parts = ["1"]
    if first is not None:
        parts.append(f"hour >= {first}")
    if last is not None:
        parts.append(f"hour < {last}")
    if filters.worded:
        parts.append(f"label_id IN ({', '.join(map(str, labels(connection, filters)))})")
    if filters.fingerprint:
        parts.append(f"issue_id IN ({', '.join(map(str, issues(connection, filters)))})")
    cells = connection.execute(
        f"SELECT issue_id, label_id, hour FROM issue_hour WHERE {' AND '.join(parts)}"
    ).fetchall()
    for start in range(0, len(cells), STEP):
        yield cells[start : start + STEP]


def _emptying(cells: list[tuple[int, int, int]]) -> Work:
    def work(connection: sqlite3.Connection) -> int:
        counts: dict[tuple[int, int, int], int] = {}
        for issue, label, hour in cells:
            counted = connection.execute(
                "SELECT n FROM issue_hour WHERE issue_id = ? AND label_id = ? AND hour = ?",
                (issue, label, hour),
            ).fetchone()
            # Rows that came since the reset began, and what they stand for, stay counted.
            stays = connection.execute(
                "SELECT coalesce(sum(repeat), 0) FROM error "
                "WHERE issue_id = ? AND label_id = ? AND time >= ? AND time < ?",
                (issue, label, hour * HOUR, (hour + 1) * HOUR),
            ).fetchone()
            if counted:
                counts[issue, label, hour] = counted[0] - stays[0]
        tally.take_away(connection, counts)
        return sum(counts.values())

    return work


def _note(filters: Filters, gone: int) -> ErrorRecord:
    now = time.time_ns()
    return ErrorRecord(
        id=uuid7(now // 1_000_000, os.urandom(10)),
        time=now // 1000,
        severity=SEVERITIES["info"],
        category="application",
        code="STORE_RESET",
        type="reset",
        message=f"errors were reset: {filters}",
        fingerprint=fingerprint(cause=None, program="tapwrap", type="reset", message="reset"),
        service="tapwrap",
        handled=True,
        attributes={"tapwrap.reset.filters": str(filters), "tapwrap.reset.records": gone},
    )


def prune(
    journal: Journal,
    *,
    older_than: float | None = None,
    max_bytes: int | None = None,
) -> Pruned:
    """Delete records older than so many seconds, then the oldest until the file is small enough.

    What happened stays counted. Runs that ended before then go too. Raises CannotStore.
    """
    before = _size(journal.path)
    records = runs = 0
    oldest = retention.cutoff(time.time_ns() // 1000, older_than)
    if oldest is not None:
        while gone := journal.change(_dropping(Filters(until=oldest))):
            records += gone
        runs = journal.change(_ended_before(oldest))
    while journal.change(_pages_over(max_bytes)):
        gone = journal.change(_dropping(Filters()))
        if not gone:
            break
        records += gone
    while journal.shrink(PAGES):
        pass  # One slice at a time, so that writers get their turns in between.
    return Pruned(records, runs, max(before - _size(journal.path), 0))


def _dropping(filters: Filters) -> Work:
    def work(connection: sqlite3.Connection) -> int:
        where = condition(connection, filters)
        rows = connection.execute(
            f"SELECT seq FROM error WHERE {where.sql} ORDER BY time LIMIT ?",
            (*where.parameters, tally.BATCH),
        ).fetchall()
        tally.forget(connection, [seq for (seq,) in rows])
        return len(rows)

    return work


def _ended_before(oldest: int) -> Work:
    def work(connection: sqlite3.Connection) -> int:
        return connection.execute(
            "DELETE FROM run WHERE ended < ? AND NOT EXISTS "
            "(SELECT 1 FROM error WHERE error.run_id = run.id)",
            (oldest,),
        ).rowcount

    return work


def _pages_over(max_bytes: int | None) -> Work:
    def work(connection: sqlite3.Connection) -> int:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return retention.pages_over(pages, free, size, max_bytes)

    return work


def _size(path: str) -> int:
    return sum(os.path.getsize(path + part) for part in ("", "-wal") if os.path.exists(path + part))
