"""A store of an earlier version is brought up to date, step by step, and loses nothing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tapwrap.store.journal import Journal
from tapwrap.store.migrations import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlite_utils import Database

    from support.stores import Make


def add_note(database: Database) -> None:
    database.table("issue").add_column("note", str)


def add_table(database: Database) -> None:
    database.table("mute").create({"issue_id": int, "until": int}, pk="issue_id")


def fail(database: Database) -> None:
    database.table("half").create({"id": int})
    raise RuntimeError("the machine stopped here")


@pytest.fixture
def old(db: str, make: Make) -> Iterator[sqlite3.Connection]:
    """A real store of version 1 with something in it, opened as the journal would."""
    with Journal(db) as journal:
        journal.append([make(), make()])
    connection = sqlite3.connect(db, isolation_level=None)
    yield connection
    connection.close()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_each_step_is_taken_once(old: sqlite3.Connection) -> None:
    steps = {2: add_note, 3: add_table}

    assert upgrade(old, steps, 3) == [2, 3]
    assert upgrade(old, steps, 3) == []
    assert version(old) == 3
    assert old.execute("SELECT n, note FROM issue").fetchall() == [(2, None)]
    assert old.execute("SELECT count(*) FROM errors").fetchone() == (2,)


def test_a_step_that_fails_leaves_nothing_behind_and_is_tried_again(
    old: sqlite3.Connection,
) -> None:
    with pytest.raises(RuntimeError):
        upgrade(old, {2: add_note, 3: fail}, 3)

    assert version(old) == 2
    assert old.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    assert upgrade(old, {2: add_note, 3: add_table}, 3) == [3]


def test_steps_of_the_future_are_not_taken(old: sqlite3.Connection) -> None:
    assert upgrade(old, {2: add_note, 3: add_table}, 2) == [2]
    assert version(old) == 2


def test_a_store_that_is_up_to_date_needs_no_step(old: sqlite3.Connection) -> None:
    assert upgrade(old) == []
    assert version(old) == 1
