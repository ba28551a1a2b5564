"""Writers take turns: one lock file beside the store, held for one transaction at a time.

SQLite's own waiting is unfair (a writer can starve for seconds while others commit), and
before 3.51.3 two connections that commit and checkpoint at the same moment can damage the
file. With every write, checkpoint and last close inside a turn, neither can happen.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from tapwrap.store.trouble import cannot, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

SHORTEST_NAP = 0.0003
LONGEST_NAP = 0.004


class Turn:
    """`with Turn(path, deadline) as turn:` raises CannotStore ("locked") at the deadline.

    `deadline` is a time of the monotonic clock, in seconds. A process must not take a turn
    while it holds one: it would wait for itself.
    """

    def __init__(self, path: str, deadline: float) -> None:
        self.path = path + ".lock"
        self.deadline = deadline
        #: Nobody ever had a turn at this store: it may be a stranger's file.
        self.first = False
        self._descriptor = -1

    def __enter__(self) -> Self:
        nap = SHORTEST_NAP
        while True:
            self._open()
            if self._try():
                return self
            os.close(self._descriptor)
            if time.monotonic() + nap > self.deadline:
                raise cannot("write to", self.path.removesuffix(".lock"), "locked")
            # The clock's last digits keep several waiters from waking in step.
            time.sleep(nap + time.monotonic_ns() % 500_000 / 1e9)
            nap = min(nap * 1.5, LONGEST_NAP)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def forget(self) -> None:
        """Take the lock file away again, because what lies beside it is not ours."""
        os.unlink(self.path)

    def _open(self) -> None:
        # Opened anew for each turn: a lock belongs to the open file, and after a fork the
        # child would share its parent's.
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                self._descriptor = os.open(self.path, flags)
            except FileNotFoundError:
                self._descriptor = os.open(self.path, flags | os.O_CREAT, 0o600)
                self.first = True
        except OSError as error:
            raise explain(error, "lock", self.path) from error

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named, held = os.stat(self.path), os.fstat(self._descriptor)
            # Somebody may have deleted the file between open and lock; then others lock
            # another one.
            return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
        except (BlockingIOError, FileNotFoundError):
            return False
        except OSError as error:
            # A network volume without locks: SQLite's own are all there is.
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                return True
            os.close(self._descriptor)
            raise explain(error, "lock", self.path) from error
