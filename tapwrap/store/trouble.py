"""Why something cannot be stored: every failure of the machine becomes one of nine reasons."""

from __future__ import annotations

import errno
import os
import sqlite3

#: reason -> (why, what to do)
ADVICE = {
    "full": ("the disk is full", "free some space or give the volume more"),
    "read_only": ("the volume is read-only", "mount it writable or choose another --db"),
    "locked": ("another process holds its lock", "it will be tried again"),
    "missing": ("the directory does not exist", "create it or choose another --db"),
    "corrupt": ("the file is damaged", "tapwrap errors import salvages what can be read"),
    "permission": ("permission is denied", "check the owner of the volume or choose another --db"),
    "newer_schema": ("a newer tapwrap wrote it", "use that version or choose another --db"),
    "not_a_store": ("it is not a tapwrap store", "choose another --db"),
    "io": ("it cannot be used", "check the volume and the file"),
}

_BY_ERRNO = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EISDIR: "not_a_store",
    errno.ELOOP: "permission",
    errno.EAGAIN: "locked",
}

# Primary result codes; the upper bytes of an extended code only say more of the same.
_BY_CODE = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_PERM: "permission",
    sqlite3.SQLITE_AUTH: "permission",
}


class CannotStore(Exception):
    """Something could not be kept. `reason` is a key of ADVICE, `sentence` is for a person."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


def cannot(doing: str, path: str, reason: str, detail: str = "") -> CannotStore:
    """The refusal for a known reason: `cannot open /data/errors.db: the disk is full; …`."""
    why, advice = ADVICE[reason]
    return CannotStore(reason, f"cannot {doing} {path}: {why}{detail}; {advice}")


def explain(error: OSError | sqlite3.Error, doing: str, path: str) -> CannotStore:
    """The refusal that an error of the system or of SQLite amounts to."""
    if isinstance(error, OSError):
        reason = _BY_ERRNO.get(error.errno or 0, "io")
        return cannot(doing, path, reason, f" ({error.strerror})" if reason == "io" else "")
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    known = _BY_CODE.get(code & 0xFF)
    if known:
        return cannot(doing, path, known)
    if code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return _look(error, doing, path)
    return cannot(doing, path, "io", f" ({error})")


def _look(error: sqlite3.Error, doing: str, path: str) -> CannotStore:
    """Ask the system what SQLite meant by "unable to open" or "disk I/O error"."""
    try:
        if os.path.isdir(path):
            return cannot(doing, path, "not_a_store", ", it is a directory")
        os.stat(path)
        # SQLite reports a full disk as an I/O error when it was growing its -shm file.
        volume = os.statvfs(path)
        if volume.f_blocks and volume.f_bavail * volume.f_frsize < 65_536:
            return cannot(doing, path, "full")
        # Before permission: root may write everywhere but on a read-only volume.
        if volume.f_flag & os.ST_RDONLY:
            return cannot(doing, path, "read_only")
        if not os.access(path, os.R_OK | os.W_OK):
            return cannot(doing, path, "permission")
        if not os.access(os.path.dirname(path) or ".", os.W_OK | os.X_OK):
            return cannot(doing, path, "permission")
    except OSError as found:
        return explain(found, doing, path)
    return cannot(doing, path, "io", f" ({error})")
