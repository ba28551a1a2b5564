"""The journal: appends records to the store, at the worst of moments, and loses none.

It is imported by a short-lived process while something is dying, so it needs nothing but the
standard library's sqlite3. Whatever goes wrong comes out as CannotStore; what can be put
right here (a full disk, a damaged, deleted or replaced file) is, once, before giving up.
"""

from __future__ import annotations

import os
import sqlite3
import time

from tapwrap.core.value import value
from tapwrap.store import opening, room
from tapwrap.store.entry import RUN_COLUMNS, RunNote, enter, note_run, run_from
from tapwrap.store.trouble import CannotStore, cannot, explain
from tapwrap.store.turn import Turn
from tapwrap.store.validity import wrong_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self, TypeVar

    from tapwrap.core.record import ErrorRecord

    T = TypeVar("T")

#: Rows that a fingerprint may fill in a minute before its repeats are only counted.
PER_MINUTE = 60

#: Connections that came over a fork. Closing one here would write to the parent's file.
_inherited: list[sqlite3.Connection] = []


@value
class Kept:
    """What became of a batch: rows made, repeats only counted, records that were there before.

    `dropped` old records had to make room; `set_aside` is where a damaged store was moved.
    """

    stored: int = 0
    repeated: int = 0
    known: int = 0
    dropped: int = 0
    set_aside: str | None = None


class Journal:
    """A store that is written to. Nothing is opened before the first call.

    `patience` is the longest wait for other writers in one call, seconds. `per_minute`
    limits the rows of one fingerprint (None: no limit). `max_bytes` limits the database
    file; the oldest records make room. With `check`, opening includes a bounded check for
    damage. Use from one thread at a time; after a fork it opens its own connection.
    """

    def __init__(
        self,
        path: str,
        *,
        patience: float = 0.3,
        per_minute: int | None = PER_MINUTE,
        max_bytes: int | None = None,
        check: bool = False,
    ) -> None:
        self.path = os.path.abspath(path)
        self._patience = patience
        self._per_minute = per_minute
        self._max_bytes = max_bytes
        self._check = check
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._file = (0, 0)
        self._log_size = opening.LOG_SIZE
        self._dropped = 0
        self._set_aside: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(
        self,
        records: Sequence[ErrorRecord],
        runs: Sequence[RunNote] = (),
        repeats: Mapping[str, int] | None = None,
    ) -> Kept:
        """Store records and runs in one transaction, on the disk when this returns.

        A record whose id is known changes nothing. `repeats` says by id for how many
        occurrences a record stands. Raises CannotStore within about `patience` seconds, and
        ValueError for a record that is none; then nothing of the batch is stored.
        """
        items: list[ErrorRecord | RunNote] = [*records, *runs]
        for item in items:
            if wrong := wrong_with(item):
                raise ValueError(f"cannot store {item.id!r}: {wrong}")
        self._dropped, self._set_aside = 0, None

        def write(connection: sqlite3.Connection) -> tuple[int, int, int]:
            counted = enter(connection, records, repeats or {}, self._per_minute)
            for run in runs:
                note_run(connection, run)
            return counted

        stored, repeated, known = self.change(write)
        return Kept(stored, repeated, known, self._dropped, self._set_aside)

    def unfinished_runs(self) -> list[RunNote]:
        """Runs without an end: still running somewhere, or their wrapper was killed."""
        query = f"SELECT {', '.join(RUN_COLUMNS)} FROM run WHERE ended IS NULL ORDER BY started"
        rows = self.change(lambda connection: connection.execute(query).fetchall())
        return [run_from(row) for row in rows]

    def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in one transaction, in our turn; a remedy is tried once if it fails.

        Raises CannotStore; then nothing has changed.
        """
        deadline = time.monotonic() + self._patience
        if self._connection is None:
            opening.make_room_for_file(self.path)
        with Turn(self.path, deadline) as turn:
            try:
                try:
                    result = self._transaction(work, turn)
                except sqlite3.Error as error:
                    self._remedy(error, turn)
                    result = self._transaction(work, turn)
            except sqlite3.Error as error:
                raise explain(error, "write to", self.path) from error
            self._shorten_log(turn)
            return result

    def shrink(self, pages: int) -> int:
        """Give up to `pages` free pages back to the file system. Returns how many it gave.

        Raises CannotStore.
        """
        free = "PRAGMA freelist_count"
        with Turn(self.path, time.monotonic() + self._patience) as turn:
            try:
                connection = self._ready(turn)
                before = connection.execute(free).fetchone()[0]
                # Not execute(): Python takes one step of this statement, which is one page.
                connection.executescript(f"PRAGMA incremental_vacuum({pages})")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return int(before - connection.execute(free).fetchone()[0])
            except sqlite3.Error as error:
                raise explain(error, "write to", self.path) from error

    def close(self) -> None:
        """Close the store; the last one to close leaves a single complete file."""
        if self._connection is None:
            return
        if self._owner != os.getpid():
            _inherited.append(self._connection)
            self._connection = None
            return
        try:
            with Turn(self.path, time.monotonic() + self._patience):
                self._disconnect()
        except CannotStore:
            # Whoever has the turn has the store open too: then ours is not the last close,
            # which alone writes to the file.
            self._disconnect()

    def _transaction(self, work: Callable[[sqlite3.Connection], T], turn: Turn) -> T:
        connection = self._ready(turn)
        self._wait(connection, "BEGIN IMMEDIATE", turn.deadline)
        try:
            result = work(connection)
            # With a rollback journal a reader can refuse the commit for a moment. The
            # transaction stays, so the commit is what is tried again.
            self._wait(connection, "COMMIT", turn.deadline)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _wait(self, connection: sqlite3.Connection, statement: str, deadline: float) -> None:
        while True:
            try:
                connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)

    def _ready(self, turn: Turn) -> sqlite3.Connection:
        """The connection to the file that has the store's name now."""
        if self._connection is not None and self._owner != os.getpid():
            _inherited.append(self._connection)
            self._connection = None
        if self._connection is not None and self._named() != self._file:
            # Deleted or replaced: what we wrote now would go where nobody can read it.
            self._disconnect()
        if self._connection is None:
            self._connect(turn)
        assert self._connection is not None
        return self._connection

    def _named(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explain(error, "open", self.path) from error
        return found.st_dev, found.st_ino

    def _connect(self, turn: Turn) -> None:
        opening.make_room_for_file(self.path)
        try:
            self._connection = opening.connect(self.path)
        except CannotStore as refusal:
            if refusal.reason == "not_a_store" and turn.first:
                turn.forget()
            raise
        self._owner = os.getpid()
        self._file = self._named() or (0, 0)
        if self._check and opening.damaged(self._connection, self.path):
            raise opening.Damaged("quick_check found damage")
        room.keep_ballast(self.path)
        self._log_size = room.limits(self._connection, self.path, self._max_bytes)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _remedy(self, error: sqlite3.Error, turn: Turn) -> None:
        """Put right what can be put right, or raise the refusal that the error amounts to."""
        trouble = explain(error, "write to", self.path)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_DBMOVED:
            self._disconnect()
        elif trouble.reason == "corrupt":
            self._start_anew(turn)
        elif trouble.reason == "full" and self._connection is not None:
            self._make_room(self._connection, turn)
        elif trouble.reason == "full" and room.release_ballast(self.path):
            pass  # There was not even room to open it. Now there is.
        else:
            raise trouble from error

    def _start_anew(self, turn: Turn) -> None:
        if turn.first:
            # No writer of ours was ever here, so this may be anybody's file: leave it alone.
            turn.forget()
            raise cannot("open", self.path, "not_a_store")
        self._disconnect()
        try:
            self._set_aside = opening.set_aside(self.path)
        except OSError as error:
            raise explain(error, "set aside", self.path) from error

    def _make_room(self, connection: sqlite3.Connection, turn: Turn) -> None:
        def transaction(work: Callable[[], int]) -> int:
            return self._transaction(lambda _: work(), turn)

        self._dropped += room.make(connection, self.path, transaction)
        self._log_size = room.limits(connection, self.path, self._max_bytes)

    def _shorten_log(self, turn: Turn) -> None:
        """Write a long log back into the file, in our turn: nobody else commits meanwhile."""
        assert self._connection is not None
        try:
            if os.stat(self.path + "-wal").st_size > self._log_size:
                # A reader may keep part of it in use; the next writer tries again.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except FileNotFoundError:
            return  # A rollback journal leaves nothing behind.
        except sqlite3.Error as error:
            self._make_room_for_log(error, turn)

    def _make_room_for_log(self, error: sqlite3.Error, turn: Turn) -> None:
        if explain(error, "write to", self.path).reason != "full" or self._connection is None:
            return  # What was to be stored is; the next write meets this trouble and says so.
        try:
            self._make_room(self._connection, turn)
        except sqlite3.Error:
            return  # Likewise.
