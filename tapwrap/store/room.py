"""Making room when the volume, or the size the store may have, is used up.

SQLite needs free space even to delete. So a file of nothing lies beside the store; it goes
first, and the oldest and least severe records after it, a few at a time.
"""

from __future__ import annotations

import os
import time

from tapwrap.core.retention import ballast_size, growth, log_size
from tapwrap.store.entry import note_loss
from tapwrap.store.tally import BATCH, forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

#: Pages to free at least before trying again: one record with its indexes needs about ten.
ENOUGH = 256

#: Steps to take at most, so that a store full of severe records does not eat itself at once.
STEPS = 40


def keep_ballast(path: str) -> None:
    """See to it that the ballast file is there, if the volume can spare it."""
    file = path + ".ballast"
    if os.path.exists(file):
        return
    volume = os.statvfs(os.path.dirname(path))
    size = ballast_size(volume.f_bavail * volume.f_frsize)
    if not size:
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # A comfort: the store works without it, and says so itself when it cannot.
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.unlink(file)  # Part of it would only be in the way.
    finally:
        os.close(descriptor)


def release_ballast(path: str) -> bool:
    """Give the ballast's space back. Says whether there was any."""
    try:
        os.unlink(path + ".ballast")
    except FileNotFoundError:
        return False
    except OSError:
        return False  # A volume that refuses this refuses what follows too, and says why.
    return True


def limits(connection: sqlite3.Connection, path: str, max_bytes: int | None) -> int:
    """Limit how far the file may grow. Returns how long its log may be, bytes."""
    pages, page = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    most = [] if max_bytes is None else [max(max_bytes // page, 64)]
    try:
        ballast = os.stat(path + ".ballast").st_size
    except OSError:
        ballast = 0
        volume = os.statvfs(os.path.dirname(path))
        # A volume that does not say how large it is (ramfs) has no limit to keep away from.
        if volume.f_blocks:
            most.append(pages + growth(volume.f_bavail * volume.f_frsize) // page)
    if most:
        connection.execute(f"PRAGMA max_page_count={min(most)}")
    return log_size(ballast)


def make(connection: sqlite3.Connection, path: str, transaction: Callable[..., int]) -> int:
    """Free space for a write that found none. Returns how many records had to go."""
    release_ballast(path)
    # The log holds what the file holds once more; written back, its space is free too.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    enough = min(ENOUGH, connection.execute("PRAGMA page_count").fetchone()[0] // 8)
    gone = 0
    for _ in range(STEPS):
        if connection.execute("PRAGMA freelist_count").fetchone()[0] >= enough:
            break
        deleted = transaction(lambda: _drop_oldest(connection))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if not deleted:
            break
        gone += deleted
    return gone


def _drop_oldest(connection: sqlite3.Connection) -> int:
    """Delete up to BATCH of the oldest records of the lowest severity there is."""
    labels = connection.execute("SELECT id, severity FROM label ORDER BY severity").fetchall()
    oldest: list[tuple[int, int]] = []
    lowest = None
    for label, severity in labels:
        if oldest and severity != lowest:
            break
        lowest = severity
        oldest += connection.execute(
            "SELECT time, seq FROM error WHERE label_id = ? ORDER BY time LIMIT ?", (label, BATCH)
        )
    oldest.sort()
    chosen = [seq for _, seq in oldest[:BATCH]]
    forget(connection, chosen)
    note_loss(connection, "full", time.time_ns() // 1000, len(chosen))
    return len(chosen)
