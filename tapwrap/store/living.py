"""Which runs are alive: each holds a lock on a file of its own beside the store.

The kernel drops a lock when its holder dies, however it dies, and tells it across
containers that share the volume; pids, host names and clocks cannot.
"""

from __future__ import annotations

import fcntl
import os

from tapwrap.store import place


def directory(path: str) -> str:
    """Where the lock files of a store are."""
    return os.path.abspath(path) + ".runs"


def mark(path: str, run_id: str) -> int | None:
    """A locked descriptor that says "this run is alive" until its last copy is closed.

    None on a network file system: there, closing it could hang, or the lock mean nothing.
    Raises OSError when the volume refuses.
    """
    if place.journaling(path).mode != "wal":
        return None
    where = directory(path)
    os.makedirs(where, 0o700, exist_ok=True)
    # Locked before it has its name, so that nobody sees it unlocked. Made for writing, held
    # for reading: nothing can be left to write when it is closed.
    hidden = f"{where}/.{run_id}"
    os.close(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    fd = os.open(hidden, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(hidden, f"{where}/{run_id}")
    return fd


def is_alive(path: str, run_id: str) -> bool | None:
    """Whether the lock of a run is held; None when there is no such file to tell."""
    try:
        fd = os.open(f"{directory(path)}/{run_id}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def known(path: str) -> list[str]:
    """The runs that have a file, alive or not."""
    try:
        return [name for name in os.listdir(directory(path)) if not name.startswith(".")]
    except OSError:
        return []  # There never was one here.


def forget(path: str, run_id: str) -> None:
    """Remove the file of a run that has ended."""
    try:
        os.unlink(f"{directory(path)}/{run_id}")
    except FileNotFoundError:
        pass  # It never had one, or somebody else has seen its end first.
