"""Opening a store for writing: find or make the file, make sure it is ours, set it up."""

from __future__ import annotations

import os
import sqlite3
import time

from tapwrap.core.record import timestamp
from tapwrap.store import schema
from tapwrap.store.place import journaling
from tapwrap.store.trouble import cannot, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Checking more than this would take longer than anybody waits at a start, bytes.
CHECKED_SIZE = 256 * 1024 * 1024

#: A log is no longer than this after it was written back, bytes.
LOG_SIZE = 4 * 1024 * 1024


def make_room_for_file(path: str) -> None:
    """The directory (0700 when it is new) that the store and its lock go into."""
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    except FileExistsError:
        raise cannot("open", path, "missing", " (a file is in its way)") from None
    except OSError as error:
        raise explain(error, "open", path) from error


def connect(path: str) -> sqlite3.Connection:
    """A connection to a store of our version, made now if there is none. Needs a turn.

    Raises CannotStore, or sqlite3.DatabaseError when the file is damaged.
    """
    _make_file(path)
    try:
        connection = sqlite3.connect(
            address(path, "rw"), uri=True, isolation_level=None, timeout=0, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise explain(error, "open", path) from error
    try:
        _set_up(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def address(path: str, mode: str) -> str:
    """The path as a URI that SQLite reads back unchanged."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode={mode}"


def _make_file(path: str) -> None:
    # Only a file that is not there is opened and closed here: closing any descriptor of a
    # file drops every POSIX lock the process has on it, SQLite's included.
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise explain(error, "open", path) from error
    # SQLite gives its -wal and -shm the mode of this file, whatever the umask says.
    os.fchmod(descriptor, 0o600)
    os.close(descriptor)


def _set_up(connection: sqlite3.Connection, path: str) -> None:
    way = journaling(path)
    if way.mode != "wal":
        # A log left by another machine must be read without shared memory.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA mmap_size=0")
    version = written_by(connection, path)
    if version == 0:
        _create(connection)
    elif version < schema.VERSION:
        # Rare, and heavy: sqlite-utils does the work, once for each new version.
        from tapwrap.store.migrations import upgrade

        upgrade(connection)
    current = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if current != way.mode:
        connection.execute(f"PRAGMA journal_mode={way.mode}")
    if way.mode != "wal":
        connection.execute("PRAGMA locking_mode=NORMAL")
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    connection.execute(f"PRAGMA synchronous={way.synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute(f"PRAGMA journal_size_limit={LOG_SIZE}")
    # A sort must not need disk space when there is none.
    connection.execute("PRAGMA temp_store=MEMORY")


def written_by(connection: sqlite3.Connection, path: str) -> int:
    """The schema version of a store; 0 when nothing is in the file yet.

    Raises CannotStore for the file of another program, and for that of a newer tapwrap.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application == schema.APPLICATION_ID:
        if version > schema.VERSION:
            raise cannot("open", path, "newer_schema", f" (schema {version})")
        return version
    empty = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == 0 and version == 0 and empty:
        return 0
    raise cannot("open", path, "not_a_store")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(schema.FIRST)
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={schema.VERSION}")
    connection.execute("COMMIT")


class Damaged(sqlite3.DatabaseError):
    """What SQLite would have said, had it looked at the pages that are damaged."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def damaged(connection: sqlite3.Connection, path: str) -> bool:
    """Whether SQLite's quick check finds damage; files too large to check now count as sound."""
    if os.stat(path).st_size > CHECKED_SIZE:
        return False
    return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")


def set_aside(path: str) -> str:
    """Move a damaged store out of the way, never over another one. Returns where it is now."""
    stamp = timestamp(time.time_ns() // 1000).replace(":", "").replace("-", "")
    for suffix in _suffixes():
        target = f"{path}.corrupt-{stamp[:15]}Z{suffix}"
        if os.path.lexists(target):
            continue
        for part in ("-wal", "-shm", "-journal", ""):
            if os.path.exists(path + part):
                os.rename(path + part, target + part)
        return target
    raise AssertionError("the suffixes never end")


def _suffixes() -> Iterable[str]:
    yield ""
    number = 1
    while True:
        yield f"-{number}"
        number += 1
