"""Records to and from files: JSON lines, CSV, and what can be salvaged from a damaged store."""

from __future__ import annotations

import csv
import json
import os
import sqlite3

from tapwrap.core.record import ErrorRecord, as_dict, from_dict
from tapwrap.core.value import value
from tapwrap.store import archive, schema
from tapwrap.store.filters import Condition
from tapwrap.store.opening import address
from tapwrap.store.trouble import explain
from tapwrap.store.validity import wrong_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tapwrap.store.archive import Found
    from tapwrap.store.journal import Journal

COLUMNS = (*ErrorRecord.__match_args__, "repeat")

#: Records stored in one transaction.
BATCH = 500

_NUMBERS = {"monotonic": float, "exit_code": int, "signal": int, "repeat": int}
_MAY_BE_EMPTY = ("category", "code", "type", "message", "service")


@value
class Imported:
    """How many records were new, how many were there already, how many could not be read."""

    records: int = 0
    known: int = 0
    unreadable: int = 0


class NotReadable(ValueError):
    """A file that is no export, with a sentence that says where it stops being one."""


def as_fields(found: Found) -> dict[str, object]:
    """A stored record as JSON can say it, with how often it happened when more than once."""
    fields = as_dict(found.record)
    if found.repeat > 1:
        fields["repeat"] = found.repeat
    return {name: fields[name] for name in COLUMNS if name in fields}


def to_row(found: Found) -> list[object]:
    """A stored record as the cells of COLUMNS."""
    shown: dict[str, object] = as_dict(found.record) | {"repeat": found.repeat}
    if "attributes" in shown:
        shown["attributes"] = json.dumps(shown["attributes"])
    return [shown.get(name, "") for name in COLUMNS]


def load(journal: Journal, path: str) -> Imported:
    """Store what a file holds: JSON lines, CSV with a heading, or a (damaged) store.

    Twice makes no difference: a record that is there already changes nothing. Raises
    NotReadable (with what came before already stored), OSError and CannotStore.
    """
    with open(path, "rb") as file:
        head = file.read(64)
    if head.startswith(b"SQLite format 3\0"):
        return _load(journal, _salvaged(path))
    # A heading begins with a name, a JSON line with a brace. "-sig" for what spreadsheets write.
    reader = _json_lines if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"") else _rows
    return _load(journal, reader(path))


def _load(journal: Journal, items: Iterable[tuple[ErrorRecord, int] | None]) -> Imported:
    stored = known = unreadable = 0
    batch: list[ErrorRecord] = []
    repeats: dict[str, int] = {}

    def flush() -> None:
        nonlocal stored, known
        kept = journal.append(batch, (), repeats)
        stored += kept.stored + kept.repeated
        known += kept.known
        batch.clear()
        repeats.clear()

    try:
        for item in items:
            if item is None:
                unreadable += 1
                continue
            batch.append(item[0])
            repeats[item[0].id] = item[1]
            if len(batch) >= BATCH:
                flush()
    finally:
        flush()
    return Imported(stored, known, unreadable)


def _json_lines(path: str) -> Iterator[tuple[ErrorRecord, int]]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
                yield _valid(fields), int(fields.get("repeat", 1))
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise NotReadable(f"cannot import {path}: line {number}: {error}") from error


def _rows(path: str) -> Iterator[tuple[ErrorRecord, int]]:
    # A stack or a last line is longer than the csv module's default allows.
    csv.field_size_limit(64 * 1024 * 1024)
    with open(path, encoding="utf-8-sig", newline="") as file:
        sheet = csv.DictReader(file)
        if not {"id", "time", "message"} <= set(sheet.fieldnames or ()):
            raise NotReadable(f"cannot import {path}: it is neither JSON lines nor CSV with names")
        for number, row in enumerate(sheet, 1):
            try:
                yield _from_row(row)
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise NotReadable(f"cannot import {path}: record {number}: {error}") from error


def _from_row(row: dict[str, str]) -> tuple[ErrorRecord, int]:
    fields: dict[str, object] = {}
    for name, text in row.items():
        if text == "" and name not in _MAY_BE_EMPTY:
            continue
        if name in _NUMBERS:
            fields[name] = _NUMBERS[name](text)
        elif name == "handled":
            fields[name] = text == "True"
        elif name == "attributes":
            fields[name] = json.loads(text)
        else:
            fields[name] = text
    repeat = fields.get("repeat", 1)
    assert isinstance(repeat, int)
    return _valid(fields), repeat


def _valid(fields: dict[str, object]) -> ErrorRecord:
    record = from_dict(fields)
    if wrong := wrong_with(record):
        raise ValueError(wrong)
    return record


def _salvaged(path: str) -> Iterator[tuple[ErrorRecord, int] | None]:
    """Every record of a damaged store that can still be read, one by one; None for the others.

    Numbers without a record are skipped; what is damaged costs itself, not its neighbours.
    """
    try:
        connection = sqlite3.connect(address(os.path.abspath(path), "ro"), uri=True)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(error, "read", path) from error
    if application != schema.APPLICATION_ID:
        connection.close()
        raise NotReadable(f"cannot import {path}: it is a database, but not a tapwrap store")
    try:
        for seq in _numbers(connection):
            try:
                for found in archive.load(
                    connection, Condition("error.seq = ?", (seq,)), "LIMIT ?", 1
                ):
                    yield None if wrong_with(found.record) else (found.record, found.repeat)
            except (sqlite3.DatabaseError, ValueError, TypeError):
                yield None
    finally:
        connection.close()


def _numbers(connection: sqlite3.Connection) -> Iterator[int]:
    """The numbers that records may have: from the table, or where that breaks, counted up."""
    last = 0
    try:
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name='error'").fetchone()[
            0
        ]
    except (sqlite3.DatabaseError, TypeError):
        for index in ("error_time", "error_label", "error_issue"):
            try:
                last = connection.execute(
                    f"SELECT max(seq) FROM error INDEXED BY {index}"
                ).fetchone()[0]
                break
            except (sqlite3.DatabaseError, TypeError):
                continue
    yield from range(1, (last or 0) + 1)
