"""The counters: what an occurrence adds, and what a deleted record takes away again."""

from __future__ import annotations

from tapwrap.store.schema import HOUR

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

#: Records deleted in one transaction. Fifty hold the lock for under a millisecond; five
#: hundred for up to a sixth of a second.
BATCH = 50


def hour_of(time: int) -> int:
    """The number of the hour since the epoch that a time (microseconds) falls in."""
    return time // HOUR


def add(connection: sqlite3.Connection, counts: Mapping[tuple[int, int, int], int]) -> None:
    """Count occurrences by (issue, label, hour). Negative numbers take away.

    Issues are left to the caller when counts grow (it has just made them); when they shrink,
    what reaches zero disappears.
    """
    cells = [(issue, hour, label, n) for (issue, label, hour), n in counts.items() if n]
    hours: dict[tuple[int, int], int] = {}
    totals: dict[int, int] = {}
    for _, hour, label, n in cells:
        hours[hour, label] = hours.get((hour, label), 0) + n
        totals[label] = totals.get(label, 0) + n
    connection.executemany(
        "INSERT INTO issue_hour(issue_id, hour, label_id, n) VALUES(?, ?, ?, ?) "
        "ON CONFLICT(issue_id, hour, label_id) DO UPDATE SET n = n + excluded.n",
        cells,
    )
    connection.executemany(
        "INSERT INTO hour(hour, label_id, n) VALUES(?, ?, ?) "
        "ON CONFLICT(hour, label_id) DO UPDATE SET n = n + excluded.n",
        [(hour, label, n) for (hour, label), n in hours.items()],
    )
    connection.executemany(
        "INSERT INTO total(label_id, n) VALUES(?, ?) "
        "ON CONFLICT(label_id) DO UPDATE SET n = n + excluded.n",
        list(totals.items()),
    )


def take_away(connection: sqlite3.Connection, counts: Mapping[tuple[int, int, int], int]) -> None:
    """Uncount occurrences by (issue, label, hour), issues included; drop what reaches zero."""
    add(connection, {cell: -n for cell, n in counts.items()})
    issues: dict[int, int] = {}
    for (issue, _, _), n in counts.items():
        issues[issue] = issues.get(issue, 0) + n
    connection.executemany(
        "UPDATE issue SET n = n - ? WHERE id = ?", [(n, issue) for issue, n in issues.items()]
    )
    connection.executemany(
        "DELETE FROM issue_hour WHERE issue_id = ? AND label_id = ? AND hour = ? AND n <= 0",
        list(counts),
    )
    connection.executemany(
        "DELETE FROM hour WHERE label_id = ? AND hour = ? AND n <= 0",
        [(label, hour) for _, label, hour in counts],
    )
    connection.executemany(
        "DELETE FROM total WHERE label_id = ? AND n <= 0", [(label,) for _, label, _ in counts]
    )
    connection.executemany(
        "DELETE FROM issue WHERE id = ? AND n <= 0 "
        "AND NOT EXISTS (SELECT 1 FROM error WHERE issue_id = issue.id)",
        [(issue,) for issue in issues],
    )
    for issue in issues:
        _fit(connection, issue)


def _fit(connection: sqlite3.Connection, issue: int) -> None:
    """Let an issue begin and end with what is left of it."""
    first, last = connection.execute(
        "SELECT min(hour), max(hour) FROM issue_hour WHERE issue_id = ?", (issue,)
    ).fetchone()
    if first is None:
        return
    oldest, newest = connection.execute(
        "SELECT min(time), max(time) FROM error WHERE issue_id = ?", (issue,)
    ).fetchone()
    # Where rows were pruned, the hours know less exactly but further back.
    begin = oldest if oldest is not None and hour_of(oldest) == first else first * HOUR
    end = newest if newest is not None and hour_of(newest) == last else (last + 1) * HOUR - 1
    connection.execute(
        "UPDATE issue SET first_seen = max(first_seen, ?), last_seen = min(last_seen, ?) "
        "WHERE id = ?",
        (begin, end, issue),
    )


def forget(connection: sqlite3.Connection, chosen: Iterable[int], *, uncount: bool = False) -> int:
    """Delete records by their sequence number, inside the caller's transaction.

    What happened stays counted, as if the records were still there, unless `uncount`.
    Returns how many occurrences the records stood for.
    """
    counts: dict[tuple[int, int, int], int] = {}
    uses: dict[bytes, int] = {}
    gone: list[tuple[int]] = []
    for seq in chosen:
        row = connection.execute(
            "SELECT issue_id, label_id, time, repeat, stack_hash FROM error WHERE seq = ?", (seq,)
        ).fetchone()
        if row is None:
            continue
        issue, label, time, repeat, stack = row
        cell = (issue, label, hour_of(time))
        counts[cell] = counts.get(cell, 0) + repeat
        if stack is not None:
            uses[stack] = uses.get(stack, 0) + 1
        gone.append((seq,))
    connection.executemany("DELETE FROM error WHERE seq = ?", gone)
    connection.executemany(
        "UPDATE text_blob SET uses = uses - ? WHERE hash = ?",
        [(n, stack) for stack, n in uses.items()],
    )
    connection.executemany(
        "DELETE FROM text_blob WHERE hash = ? AND uses <= 0", [(stack,) for stack in uses]
    )
    if uncount:
        take_away(connection, counts)
    return sum(counts.values())
