"""Bringing a store of an earlier version up to date, in small additive steps.

A step adds (a table, a column, an index) and never takes away, so that a reader of the
version before still finds everything it asks for. sqlite-utils remembers which were taken.
"""

from __future__ import annotations

from tapwrap.store import schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from sqlite_utils import Database

    Step = Callable[[Database], None]

#: The version a step leads to -> the step. Version 1 is what `schema.TABLES` makes.
STEPS: Mapping[int, Step] = {}


def upgrade(
    connection: sqlite3.Connection,
    steps: Mapping[int, Step] = STEPS,
    version: int = schema.VERSION,
) -> list[int]:
    """Take the steps a store lacks, inside the caller's turn. Returns their versions.

    Each step and the version it leads to are committed together: a crash between two
    leaves a store that the next opening continues with.
    """
    from sqlite_utils import Database, Migrations

    database = Database(connection)
    taken: list[int] = []
    for number in sorted(steps):
        present = database.execute("PRAGMA user_version").fetchone()[0]
        if not present < number <= version:
            continue
        one = Migrations("tapwrap")
        one(name=f"version {number}")(_with_version(steps[number], number))
        one.apply(database)
        taken.append(number)
    return taken


def _with_version(step: Step, number: int) -> Step:
    def both(database: Database) -> None:
        step(database)
        database.execute(f"PRAGMA user_version={number}")

    return both
