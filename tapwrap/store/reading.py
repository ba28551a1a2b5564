"""Opening a store for reading, wherever it lies: busy, on a read-only volume, or newer."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile

from tapwrap.store import schema, spool
from tapwrap.store.journal import Journal
from tapwrap.store.opening import address
from tapwrap.store.trouble import CannotStore, cannot, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

#: Larger stores on a read-only volume are read where they are instead of copied, bytes.
COPIED_SIZE = 256 * 1024 * 1024

#: How often a copy is tried while somebody writes to the original.
COPIES = 5

#: How long a reader waits for a writer that has a rollback journal, seconds.
PATIENCE = 2.0


class Reader:
    """`with Reader(path) as reader: archive.find(reader.connection, …)`.

    What waits in the spool is stored first, where the volume can be written. `warning` is a
    sentence when what is read may not be everything. Raises CannotStore.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.warning: str | None = None
        self._copy: str | None = None
        self._copied_state: list[tuple[int, int] | None] | None = None
        self.connection = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, "read", self.path) from error

    def close(self) -> None:
        """Close it, and remove the copy if one was read."""
        self.connection.close()
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)

    def same_file(self) -> bool:
        """Whether the path still names the file that is being read."""
        try:
            return os.path.samestat(os.stat(self.path), self._stat)
        except FileNotFoundError:
            return False

    def exists(self) -> bool:
        """Whether anything has the path now."""
        return os.path.exists(self.path)

    def outdated(self) -> bool:
        """Whether a copy is read, of a store that has changed since."""
        return self._copied_state is not None and self._state() != self._copied_state

    def waiting(self) -> bool:
        """Whether something waits in the spool that can be stored now."""
        return os.access(os.path.dirname(self.path), os.W_OK | os.X_OK) and _waiting(self.path)

    def _open(self) -> sqlite3.Connection:
        waiting = _waiting(self.path)
        try:
            os.stat(self.path)
        except FileNotFoundError:
            if not waiting:
                raise CannotStore(
                    "missing", f"cannot open {self.path}: there is no such file"
                ) from None
        except OSError as error:
            raise explain(error, "open", self.path) from error
        writable = os.access(os.path.dirname(self.path), os.W_OK | os.X_OK)
        if waiting:
            self._drain(writable)
        try:
            self._stat = os.stat(self.path)
            with open(self.path, "rb"):
                pass  # SQLite would say "unable to open" for every reason there is.
        except OSError as error:
            raise explain(error, "open", self.path) from error
        try:
            if writable:
                try:
                    return self._checked(address(self.path, "ro"))
                except CannotStore as refusal:
                    if refusal.reason not in ("io", "permission", "read_only"):
                        raise
            return self._read_only()
        except sqlite3.Error as error:
            raise explain(error, "read", self.path) from error

    def _drain(self, writable: bool) -> None:
        left = f"records still wait in {spool.directory(self.path)}"
        if not writable:
            self.warning = f"{left}: the volume is read-only"
            return
        try:
            with Journal(self.path) as journal:
                spool.drain(journal)
        except CannotStore as refusal:
            self.warning = f"{left}: {refusal}"

    def _read_only(self) -> sqlite3.Connection:
        """Read without writing beside the store, as SQLite would for a write-ahead log."""
        log = self.path + "-wal"
        if os.path.exists(log) and os.path.getsize(log):
            # `immutable` would ignore the log, and with it the latest records.
            return self._checked(address(self._copied(), "rw"))
        if os.path.getsize(self.path) <= COPIED_SIZE:
            return self._checked(address(self._copied(), "rw"))
        return self._checked(address(self.path, "ro") + "&immutable=1")

    def _copied(self) -> str:
        """A copy of the store and its log in $TMPDIR, made while neither changed."""
        try:
            self._copy = tempfile.mkdtemp(prefix="tapwrap-read-")
            target = os.path.join(self._copy, "errors.db")
            for _ in range(COPIES):
                before = self._copied_state = self._state()
                for part in ("", "-wal", "-journal"):
                    if os.path.exists(self.path + part):
                        shutil.copyfile(self.path + part, target + part)
                if self._state() == before:
                    return target
        except OSError as error:
            raise explain(error, "copy", self.path) from error
        self.warning = f"{self.path} was written to while it was copied: the latest may be missing"
        return target

    def _state(self) -> list[tuple[int, int] | None]:
        found: list[tuple[int, int] | None] = []
        for part in ("", "-wal", "-journal"):
            try:
                stat = os.stat(self.path + part)
                found.append((stat.st_size, stat.st_mtime_ns))
            except FileNotFoundError:
                found.append(None)
        return found

    def _checked(self, uri: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=PATIENCE)
        except sqlite3.Error as error:
            raise explain(error, "open", self.path) from error
        try:
            connection.execute("PRAGMA mmap_size=0")
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if application != schema.APPLICATION_ID:
                raise cannot("open", self.path, "not_a_store")
            if version > schema.VERSION:
                self.warning = (
                    f"{self.path} was written by a newer tapwrap (schema {version}): "
                    "what this one knows is shown"
                )
        except sqlite3.Error as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
                raise cannot("open", self.path, "not_a_store") from error
            raise explain(error, "open", self.path) from error
        except BaseException:
            connection.close()
            raise
        return connection


def _waiting(path: str) -> bool:
    try:
        return bool(os.listdir(spool.directory(path)))
    except OSError:
        return False  # No spool, or none that may be read: the store is what there is.
