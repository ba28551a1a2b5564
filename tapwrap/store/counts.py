"""How many: answered from the counters, and from the rows where a filter or an edge needs it.

A span of time rarely begins on the hour. Whole hours come from the counters, the pieces
before and after from the rows, so a count is exact to the microsecond.
"""

from __future__ import annotations

from tapwrap.core.record import timestamp
from tapwrap.core.value import replace, value
from tapwrap.store.filters import WORDS, Filters, condition, issues, labels
from tapwrap.store.schema import HOUR

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

#: What `stats` counts by besides the words of a label.
BY = (*WORDS, "run", "fingerprint", "type")


@value
class Rate:
    """How many in a span of time; `start` is in microseconds since the epoch, UTC."""

    start: int
    n: int

    def __str__(self) -> str:
        return f"{timestamp(self.start)} {self.n}"


def stats(connection: sqlite3.Connection, by: str, filters: Filters) -> dict[str, int]:
    """How many occurrences for each value of a field in BY, the most frequent first."""
    counted: dict[str, int] = {}
    if by in WORDS:
        known = labels(connection, filters)
        for label, n in _count(connection, filters, "label_id").items():
            name = known[label][by]
            counted[name] = counted.get(name, 0) + n
    elif by in ("fingerprint", "type"):
        names = dict(connection.execute(f"SELECT id, {by} FROM issue").fetchall())
        for issue, n in per_issue(connection, filters).items():
            counted[names[issue]] = counted.get(names[issue], 0) + n
    elif by == "run":
        where = condition(connection, filters)
        counted = dict(
            connection.execute(
                f"SELECT coalesce(run_id, ''), sum(repeat) FROM error WHERE {where.sql} GROUP BY 1",
                where.parameters,
            ).fetchall()
        )
    else:
        raise ValueError(f"cannot count by {by!r}: use {', '.join(BY)}")
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def total(connection: sqlite3.Connection, filters: Filters) -> int:
    """How many occurrences in all."""
    return sum(_count(connection, filters, "label_id").values())


def losses(connection: sqlite3.Connection) -> dict[str, int]:
    """How many records are gone for good, by reason."""
    return dict(
        connection.execute("SELECT reason, sum(n) FROM loss GROUP BY reason ORDER BY 1").fetchall()
    )


def per_issue(connection: sqlite3.Connection, filters: Filters) -> dict[int, int]:
    """How many occurrences of each issue (by its number)."""
    return _count(connection, filters, "issue_id")


def rates(connection: sqlite3.Connection, bucket: int, filters: Filters) -> list[Rate]:
    """How many in each span of `bucket` microseconds, oldest first, empty ones included.

    Spans are aligned to the epoch. Without `since` they begin with the first record, and
    without `until` they end with the last.
    """
    if bucket < 1_000_000:
        raise ValueError("a bucket is one second at least")
    if filters.counted and bucket % HOUR == 0:
        counted = _count(connection, filters, f"hour * {HOUR} / {bucket}", f"time / {bucket}")
    else:
        where = condition(connection, filters)
        counted = dict(
            connection.execute(
                f"SELECT time / {bucket}, sum(repeat) FROM error WHERE {where.sql} GROUP BY 1",
                where.parameters,
            ).fetchall()
        )
    if not counted and (filters.since is None or filters.until is None):
        return []
    first = min(counted) if filters.since is None else filters.since // bucket
    last = max(counted) if filters.until is None else (filters.until - 1) // bucket
    if counted:
        last = max(last, *counted)
    return [Rate(number * bucket, counted.get(number, 0)) for number in range(first, last + 1)]


def _count(
    connection: sqlite3.Connection, filters: Filters, key: str, row_key: str | None = None
) -> dict[int, int]:
    """Occurrences by a key of the counters (and, where it differs, of the rows)."""
    row_key = row_key or key
    if not filters.counted:
        return _rows(connection, filters, row_key)
    first, last = whole_hours(filters)
    if first is not None and last is not None and first >= last:
        return _rows(connection, filters, row_key)
    counted = _counters(connection, filters, key, first, last)
    for edge in _edges(filters, first, last):
        for name, n in _rows(connection, edge, row_key).items():
            counted[name] = counted.get(name, 0) + n
    return counted


def whole_hours(filters: Filters) -> tuple[int | None, int | None]:
    """The hours that lie in the span entirely: the first, and the one behind the last."""
    first = None if filters.since is None else -(-filters.since // HOUR)
    last = None if filters.until is None else filters.until // HOUR
    return first, last


def _edges(filters: Filters, first: int | None, last: int | None) -> Iterable[Filters]:
    if first is not None and filters.since != first * HOUR:
        yield replace(filters, until=first * HOUR)
    if last is not None and filters.until != last * HOUR:
        yield replace(filters, since=last * HOUR)


def _rows(connection: sqlite3.Connection, filters: Filters, key: str) -> dict[int, int]:
    where = condition(connection, filters)
    rows = connection.execute(
        f"SELECT {key}, sum(repeat) FROM error WHERE {where.sql} GROUP BY 1", where.parameters
    )
    return dict(rows.fetchall())


def _counters(
    connection: sqlite3.Connection, filters: Filters, key: str, first: int | None, last: int | None
) -> dict[int, int]:
    parts = ["1"]
    table = "total"
    if first is not None or last is not None or key.startswith("hour"):
        table = "hour"
    if first is not None:
        parts.append(f"hour >= {first}")
    if last is not None:
        parts.append(f"hour < {last}")
    if filters.worded:
        parts.append(f"label_id IN ({', '.join(map(str, labels(connection, filters)))})")
    if filters.fingerprint:
        parts.append(f"issue_id IN ({', '.join(map(str, issues(connection, filters)))})")
    if filters.fingerprint or key == "issue_id":
        table = "issue_hour"
    rows = connection.execute(
        f"SELECT {key}, sum(n) FROM {table} WHERE {' AND '.join(parts)} GROUP BY 1"
    )
    return dict(rows.fetchall())
