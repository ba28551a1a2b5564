"""Questions to the store, at leisure: which records, which one, and which issues.

Every function is a few short reads and leaves no transaction open: a reader that stays in
one keeps the write-ahead log from ever being shortened.
"""

from __future__ import annotations

import json

from tapwrap.core.record import ErrorRecord
from tapwrap.core.value import value
from tapwrap.store.counts import per_issue
from tapwrap.store.entry import RUN_COLUMNS, RunNote, run_from
from tapwrap.store.filters import Condition, Filters, condition, labels
from tapwrap.store.schema import SHORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

#: Labels looked through one by one; with more, the time index is the shorter way.
FEW_LABELS = 400

#: Records in one read of an export.
PAGE = 500

COLUMNS = (
    "error.seq, error.repeat, error.id, error.time, label.severity, label.category, label.code, "
    "error.type, error.message, issue.fingerprint, label.service, error.monotonic, error.run_id, "
    "nullif(label.cause, ''), error.exit_code, error.signal, error.handled, error.request_id, "
    "error.trace_id, error.span_id, text_blob.body, error.stderr_tail, error.attributes"
)
TABLES = (
    "error JOIN label ON label.id = error.label_id JOIN issue ON issue.id = error.issue_id "
    "LEFT JOIN text_blob ON text_blob.hash = error.stack_hash"
)


@value
class Found:
    """A stored record, its number in the order of storing, and how often it happened."""

    seq: int
    repeat: int
    record: ErrorRecord


@value
class Group:
    """An issue: what has one fingerprint. Count and times are those of the records asked for."""

    fingerprint: str
    title: str
    type: str
    severity: int
    n: int
    first_seen: int
    last_seen: int


class Ambiguous(ValueError):
    """Several records have ids like this; `ids` are some of them."""

    def __init__(self, text: str, ids: Sequence[str]) -> None:
        super().__init__(f"{text!r} fits several records: {', '.join(ids)}; write more of the id")
        self.ids = tuple(ids)


def find(
    connection: sqlite3.Connection,
    filters: Filters,
    limit: int = 50,
    before: tuple[int, int] | None = None,
) -> list[Found]:
    """The newest records, newest first; `before` (time, seq) continues below a known one."""
    where = condition(connection, filters)
    if before is not None:
        where = Condition(
            where.sql + " AND (error.time, error.seq) < (?, ?)", (*where.parameters, *before)
        )
    if not filters.worded or not filters.counted or filters.fingerprint:
        return load(connection, where, "ORDER BY error.time DESC, error.seq DESC LIMIT ?", limit)
    chosen = list(labels(connection, filters))
    if len(chosen) > FEW_LABELS:
        return load(connection, where, "ORDER BY error.time DESC, error.seq DESC LIMIT ?", limit)
    # One index serves all filters: the newest of each label that fits, and of those the newest.
    newest: list[tuple[int, int]] = []
    for label in chosen:
        newest += connection.execute(
            f"SELECT time, seq FROM error WHERE label_id = ? AND {where.sql} "
            "ORDER BY time DESC, seq DESC LIMIT ?",
            (label, *where.parameters, limit),
        ).fetchall()
    newest.sort(reverse=True)
    wanted = ", ".join(str(seq) for _, seq in newest[:limit])
    order = "ORDER BY error.time DESC, error.seq DESC LIMIT ?"
    return load(connection, Condition(f"error.seq IN ({wanted})"), order, limit)


def after(
    connection: sqlite3.Connection, filters: Filters, seq: int, limit: int = PAGE
) -> list[Found]:
    """The records stored after number `seq`, in the order of storing."""
    where = condition(connection, filters)
    where = Condition(where.sql + " AND error.seq > ?", (*where.parameters, seq))
    return load(connection, where, "ORDER BY error.seq LIMIT ?", limit)


def newest_seq(connection: sqlite3.Connection) -> int:
    """The number of the record stored last; 0 in an empty store."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM error").fetchone()[0])


def every(connection: sqlite3.Connection, filters: Filters) -> Iterator[Found]:
    """All records meant, oldest first, in short reads, while others go on writing."""
    where = condition(connection, filters)
    last: tuple[int, int] = (-(2**62), 0)
    order = "ORDER BY error.time, error.seq LIMIT ?"
    while page := load(
        connection,
        Condition(where.sql + " AND (error.time, error.seq) > (?, ?)", (*where.parameters, *last)),
        order,
        PAGE,
    ):
        yield from page
        last = (page[-1].record.time, page[-1].seq)


def get(connection: sqlite3.Connection, text: str) -> Found | None:
    """The record whose id is, begins or ends with a text; None when there is none.

    Ids made in one millisecond begin alike, so lists show their ends. Raises Ambiguous.
    """
    text = text.strip().lower()
    if not text:
        return None
    ends = "substr(error.id, -length(:text)) = :text"
    if len(text) >= SHORT:
        # Said so that the index on the ends of ids can answer.
        ends = f"substr(error.id, -{SHORT}) = substr(:text, -{SHORT}) AND {ends}"
    begins = "error.id >= :text AND error.id < :text || char(1114111)"
    for sql in ("error.id = :text", begins, ends):
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM {TABLES} WHERE {sql} LIMIT 5", {"text": text}
        ).fetchall()
        found = [_found(row) for row in rows]
        if len(found) > 1:
            raise Ambiguous(text, [each.record.id for each in found])
        if found:
            return found[0]
    return None


def groups(
    connection: sqlite3.Connection, filters: Filters, limit: int = 20, by: str = "last"
) -> list[Group]:
    """Issues, those seen last (`by="last"`) or most often (`by="count"`) first."""
    if filters == Filters():
        order = "last_seen" if by == "last" else "n"
        rows = connection.execute(
            "SELECT fingerprint, title, type, severity, n, first_seen, last_seen FROM issue "
            f"ORDER BY {order} DESC, id DESC LIMIT ?",
            (limit,),
        ).fetchall()
        return [Group(*row) for row in rows]
    where = condition(connection, filters)
    found: list[Group] = []
    for issue, n in per_issue(connection, filters).items():
        fingerprint, title, kind, severity, first, last = connection.execute(
            "SELECT fingerprint, title, type, severity, first_seen, last_seen FROM issue "
            "WHERE id = ?",
            (issue,),
        ).fetchone()
        oldest, newest = (
            connection.execute(
                f"SELECT time FROM error WHERE issue_id = ? AND {where.sql} "
                f"ORDER BY time {order} LIMIT 1",
                (issue, *where.parameters),
            ).fetchone()
            for order in ("ASC", "DESC")
        )
        # Where the rows are gone (pruned), the issue's own times are the best there is.
        found.append(
            Group(
                fingerprint,
                title,
                kind,
                severity,
                n,
                oldest[0] if oldest else first,
                newest[0] if newest else last,
            )
        )
    found.sort(key=lambda group: group.last_seen if by == "last" else group.n, reverse=True)
    return found[:limit]


def group(connection: sqlite3.Connection, fingerprint: str) -> Group | None:
    """The issue with a fingerprint."""
    row = connection.execute(
        "SELECT fingerprint, title, type, severity, n, first_seen, last_seen FROM issue "
        "WHERE fingerprint = ?",
        (fingerprint,),
    ).fetchone()
    return None if row is None else Group(*row)


def run(connection: sqlite3.Connection, text: str) -> RunNote | None:
    """The run whose id is, or begins or ends with, a text; of several the latest."""
    row = connection.execute(
        f"SELECT {', '.join(RUN_COLUMNS)} FROM run WHERE "
        "(id >= :text AND id < :text || char(1114111)) OR substr(id, -length(:text)) = :text "
        "ORDER BY started DESC LIMIT 1",
        {"text": text},
    ).fetchone()
    return None if row is None else run_from(row)


def load(connection: sqlite3.Connection, where: Condition, order: str, limit: int) -> list[Found]:
    """The records that satisfy a condition; `order` ends with `LIMIT ?`."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM {TABLES} WHERE {where.sql} {order}", (*where.parameters, limit)
    ).fetchall()
    return [_found(row) for row in rows]


def _found(row: Sequence[object]) -> Found:
    seq, repeat, *fields, handled, request, trace, span, stack, tail, attributes = row
    names = ErrorRecord.__match_args__[: len(fields)]
    record = ErrorRecord(
        **dict(zip(names, fields, strict=True)),  # type: ignore[arg-type]
        handled=bool(handled),
        request_id=request,  # type: ignore[arg-type]
        trace_id=trace,  # type: ignore[arg-type]
        span_id=span,  # type: ignore[arg-type]
        stack=stack,  # type: ignore[arg-type]
        stderr_tail=tail,  # type: ignore[arg-type]
        attributes=json.loads(str(attributes)) if attributes else {},
    )
    return Found(seq, repeat, record)  # type: ignore[arg-type]
