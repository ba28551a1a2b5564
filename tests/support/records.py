"""What tapwrap has stored, and what it has said."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Record = dict[str, Any]


def records(store: Path) -> list[Record]:
    """All records of a store, oldest first, by the columns of its view for people."""
    if not store.exists():
        return []
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM errors ORDER BY time, id").fetchall()
    found = [dict(row) for row in rows]
    for each in found:
        each["attributes"] = json.loads(each["attributes"] or "{}")
    return found


def unfinished(store: Path) -> int:
    """How many runs the store knows of that have not ended."""
    if not store.exists():
        return 0
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        try:
            query = "SELECT count(*) FROM run WHERE ended IS NULL"
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # It is being made at this moment.


def causes(store: Path) -> list[str]:
    """The causes of all records, oldest first."""
    return [each["cause"] for each in records(store)]


def only(store: Path) -> Record:
    """The one record of a store that holds exactly one."""
    (found,) = records(store)
    return found


def said(stderr: bytes) -> list[Record]:
    """The JSON lines of tapwrap's own among whatever else is on its standard error."""
    lines = (line for line in stderr.splitlines() if line.startswith(b'{"timestamp"'))
    return [json.loads(line) for line in lines]


def events(stderr: bytes) -> list[str]:
    """What tapwrap said, by the names of the events."""
    return [each["event"] for each in said(stderr)]


def printed(stderr: bytes) -> list[Record]:
    """The records that were printed, because they could not be stored."""
    return [each["record"] for each in said(stderr) if each["event"] == "record"]
