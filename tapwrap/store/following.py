"""Following a store: what was stored since the last look, cheaply asked."""

from __future__ import annotations

from tapwrap.store import archive
from tapwrap.store.reading import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.store.archive import Found
    from tapwrap.store.filters import Filters


class Follower:
    """Looks again and again; a store that was deleted and made anew is followed too."""

    def __init__(self, path: str, filters: Filters) -> None:
        self._path = path
        self._filters = filters
        self._reader = Reader(path)
        self._seen = archive.newest_seq(self._reader.connection)
        self._version = -1

    def latest(self, limit: int) -> list[Found]:
        """The last records that were there at the start, oldest first."""
        return archive.find(self._reader.connection, self._filters, limit)[::-1]

    def poll(self) -> list[Found]:
        """What is new since the last call, in the order of storing. Raises CannotStore."""
        if not self._reader.same_file() or self._reader.outdated() or self._reader.waiting():
            replaced = not self._reader.same_file()
            if replaced and not self._reader.exists():
                return []  # It comes back with the next error.
            self._reader.close()
            self._reader = Reader(self._path)
            self._version = -1
            if replaced:
                self._seen = 0
        # Changes when another connection commits, and costs one look at shared memory.
        version = self._reader.connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return []
        self._version = version
        new: list[Found] = []
        newest = archive.newest_seq(self._reader.connection)
        while page := archive.after(self._reader.connection, self._filters, self._seen):
            new += page
            self._seen = page[-1].seq
        self._seen = max(self._seen, newest)
        return new

    def close(self) -> None:
        """Stop following."""
        self._reader.close()
