"""How records and runs become rows. Everything here happens inside the caller's transaction."""

from __future__ import annotations

from _blake2 import blake2b

from tapwrap.core import jsonline
from tapwrap.core.retention import stored_in_full
from tapwrap.core.value import value
from tapwrap.store import tally
from tapwrap.store.schema import HOUR, MINUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from tapwrap.core.record import ErrorRecord

#: How many ids of repeats are remembered. More than a full spool holds, so that draining it
#: twice counts nothing twice.
REMEMBERED = 20_000


@value
class RunNote:
    """One `tapwrap run`, from its start to its end; the end may come in a later note.

    `id` is the run's UUID (version 7), times are microseconds since the epoch, UTC.
    """

    id: str
    started: int
    ended: int | None = None
    argv: tuple[str, ...] | None = None
    pid: int | None = None
    service: str | None = None
    host: str | None = None
    container_id: str | None = None
    boot_id: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    cause: str | None = None
    attempts: int | None = None


def enter(
    connection: sqlite3.Connection,
    records: Sequence[ErrorRecord],
    repeats: Mapping[str, int],
    per_minute: int | None,
) -> tuple[int, int, int]:
    """Store and count records. Returns how many got a row, were only counted, were known.

    `repeats` says, by id, for how many occurrences a record stands (else one).
    """
    counts: dict[tuple[int, int, int], int] = {}
    labels: dict[tuple[str, str, int, str, str], int] = {}
    stored = repeated = known = 0
    for record in records:
        if _is_known(connection, clean(record.id)):
            known += 1
            continue
        n = max(repeats.get(record.id, 1), 1)
        label = _label(connection, record, labels)
        issue = _issue(connection, record, n)
        kept, last = _this_minute(connection, issue, label, record.time, per_minute)
        if stored_in_full(kept, per_minute):
            _store(connection, record, label, issue, n)
            stored += 1
        else:
            _count(connection, clean(record.id), last, n)
            repeated += 1
        cell = (issue, label, record.time // HOUR)
        counts[cell] = counts.get(cell, 0) + n
    tally.add(connection, counts)
    return stored, repeated, known


def _is_known(connection: sqlite3.Connection, identity: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM error WHERE id = ? UNION ALL SELECT 1 FROM counted WHERE id = ? LIMIT 1",
        (identity, identity),
    )
    return found.fetchone() is not None


def _label(
    connection: sqlite3.Connection,
    record: ErrorRecord,
    seen: dict[tuple[str, str, int, str, str], int],
) -> int:
    words = (
        clean(record.service),
        clean(record.category),
        record.severity,
        clean(record.code),
        clean(record.cause or ""),
    )
    if words not in seen:
        connection.execute(
            "INSERT OR IGNORE INTO label(service, category, severity, code, cause) "
            "VALUES(?, ?, ?, ?, ?)",
            words,
        )
        seen[words] = connection.execute(
            "SELECT id FROM label WHERE service = ? AND category = ? AND severity = ? "
            "AND code = ? AND cause = ?",
            words,
        ).fetchone()[0]
    return seen[words]


def _issue(connection: sqlite3.Connection, record: ErrorRecord, n: int) -> int:
    # The title is the latest message: it names what a person will find when looking now.
    row = connection.execute(
        "INSERT INTO issue(fingerprint, title, type, severity, first_seen, last_seen, n) "
        "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(fingerprint) DO UPDATE SET "
        "title = CASE WHEN excluded.last_seen >= last_seen THEN excluded.title ELSE title END, "
        "severity = max(severity, excluded.severity), "
        "first_seen = min(first_seen, excluded.first_seen), "
        "last_seen = max(last_seen, excluded.last_seen), n = n + excluded.n RETURNING id",
        (
            clean(record.fingerprint),
            clean(record.message),
            clean(record.type),
            record.severity,
            record.time,
            record.time,
            n,
        ),
    ).fetchall()
    return int(row[0][0])


def _this_minute(
    connection: sqlite3.Connection, issue: int, label: int, time: int, per_minute: int | None
) -> tuple[int, int]:
    """How many rows like this one the minute has (counted up to the limit), and the last."""
    if per_minute is None:
        return 0, 0
    minute = time - time % MINUTE
    rows = connection.execute(
        "SELECT seq FROM error WHERE issue_id = ? AND time >= ? AND time < ? AND label_id = ? "
        "ORDER BY time DESC, seq DESC LIMIT ?",
        (issue, minute, minute + MINUTE, label, per_minute),
    ).fetchall()
    return len(rows), rows[0][0] if rows else 0


def _store(
    connection: sqlite3.Connection, record: ErrorRecord, label: int, issue: int, n: int
) -> None:
    stack = None
    if record.stack is not None:
        body = clean(record.stack)
        stack = blake2b(body.encode(), digest_size=16).digest()
        connection.execute(
            "INSERT INTO text_blob(hash, uses, body) VALUES(?, 1, ?) "
            "ON CONFLICT(hash) DO UPDATE SET uses = uses + 1",
            (stack, body),
        )
    connection.execute(
        "INSERT INTO error(id, time, label_id, issue_id, repeat, type, message, handled, "
        "monotonic, run_id, exit_code, signal, request_id, trace_id, span_id, stack_hash, "
        "attributes, stderr_tail) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            clean(record.id),
            record.time,
            label,
            issue,
            n,
            clean(record.type),
            clean(record.message),
            int(record.handled),
            record.monotonic,
            _clean(record.run_id),
            record.exit_code,
            record.signal,
            _clean(record.request_id),
            _clean(record.trace_id),
            _clean(record.span_id),
            stack,
            _json(record.attributes) if record.attributes else None,
            _clean(record.stderr_tail),
        ),
    )


def _count(connection: sqlite3.Connection, identity: str, last: int, n: int) -> None:
    connection.execute("UPDATE error SET repeat = repeat + ? WHERE seq = ?", (n, last))
    cursor = connection.execute("INSERT INTO counted(id) VALUES(?)", (identity,))
    if cursor.lastrowid is not None:
        connection.execute("DELETE FROM counted WHERE seq <= ?", (cursor.lastrowid - REMEMBERED,))


def note_run(connection: sqlite3.Connection, run: RunNote) -> None:
    """Remember a run, or what a later note adds to it; what is known is not forgotten."""
    later = ", ".join(
        f"{name} = coalesce(excluded.{name}, {name})" for name in RUN_COLUMNS if name != "id"
    )
    connection.execute(
        f"INSERT INTO run({', '.join(RUN_COLUMNS)}) "
        f"VALUES({', '.join('?' * len(RUN_COLUMNS))}) ON CONFLICT(id) DO UPDATE SET {later}",
        [_column(getattr(run, name)) for name in RUN_COLUMNS],
    )


RUN_COLUMNS: tuple[str, ...] = RunNote.__match_args__


def run_from(row: Sequence[object]) -> RunNote:
    """The note that a row of the run table, in the order of RUN_COLUMNS, came from."""
    fields = dict(zip(RUN_COLUMNS, row, strict=True))
    if isinstance(fields["argv"], str):
        from json import loads

        fields["argv"] = tuple(loads(fields["argv"]))
    return RunNote(**fields)  # type: ignore[arg-type]


def note_loss(connection: sqlite3.Connection, reason: str, time: int, n: int) -> None:
    """Count records that are gone for good, by reason and hour."""
    connection.execute(
        "INSERT INTO loss(reason, hour, n) VALUES(?, ?, ?) "
        "ON CONFLICT(reason, hour) DO UPDATE SET n = n + excluded.n",
        (reason, time // HOUR, n),
    )


def _column(item: object) -> object:
    if isinstance(item, (tuple, list)):
        return jsonline.dumps(item)
    return clean(item) if isinstance(item, str) else item


def _json(attributes: Mapping[str, object]) -> str:
    try:
        return jsonline.dumps(attributes)
    except TypeError:
        # One odd value must not cost the record, or the others of its batch.
        return jsonline.dumps({str(key): _sayable(item) for key, item in attributes.items()})


def _sayable(item: object) -> object:
    try:
        jsonline.dumps(item)
    except TypeError:
        return repr(item)
    return item


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)


def clean(text: str) -> str:
    r"""Text that can be stored: bytes that were not UTF-8 (lone surrogates) become \udc80."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
