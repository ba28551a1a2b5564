"""Where the store is, and how it must be written there."""

from __future__ import annotations

import os

from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "/var/lib/tapwrap/errors.db"

#: File systems whose shared memory and locks work between processes: a write-ahead log is
#: safe there. On all others it has destroyed databases (virtiofs within a minute).
LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs"}
    | {"overlay", "overlayfs", "aufs", "tmpfs"}
)


@value
class Place:
    """Where the store is: an absolute path, and a warning that a person should see once."""

    path: str
    warning: str | None = None


@value
class Journaling:
    """How SQLite keeps a transaction whole on a volume."""

    mode: str
    synchronous: str
    filesystem: str


def choose(explicit: str | None, environment: Mapping[str, str], run_base: str) -> Place:
    """`--db`, else TAPWRAP_DB, else /var/lib/tapwrap, else the run directory with a warning.

    Only the default is probed (its directory is made when it can be); a place that somebody
    named is taken as named, and fails as named.
    """
    named = explicit or environment.get("TAPWRAP_DB")
    if named:
        return Place(os.path.abspath(named))
    if _writable(os.path.dirname(DEFAULT)):
        return Place(DEFAULT)
    path = os.path.join(os.path.abspath(run_base), "errors.db")
    return Place(
        path,
        f"cannot write to {os.path.dirname(DEFAULT)}: errors are kept in {path}, which will "
        "not outlive the container; mount a volume there or set TAPWRAP_DB",
    )


def _writable(directory: str) -> bool:
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.X_OK)


def journaling(path: str) -> Journaling:
    """How to write a store at this path on this machine."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = file.read()
    except OSError:
        mounts = ""
    return journaling_for(filesystem(os.path.realpath(path), mounts))


def journaling_for(kind: str) -> Journaling:
    """A write-ahead log where that is known to be safe, else a rollback journal.

    A rollback journal needs EXTRA to survive a power cut: its deletion is the commit, and
    only EXTRA syncs the directory.
    """
    if kind in LOCAL:
        return Journaling("wal", "FULL", kind)
    return Journaling("truncate", "EXTRA", kind)


def filesystem(path: str, mountinfo: str) -> str:
    """The type of the file system that holds an absolute path, or "unknown".

    The longest mount point wins, and of equals the last, which covers the others (proc(5)).
    """
    best, kind = "", "unknown"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) < 5 or not rest:
            continue
        point = unescape(words[4])
        inside = point in {"/", path} or path.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split(" ")[0]
    return kind


def unescape(text: str) -> str:
    r"""A mount point as it is: the kernel writes space, tab, newline and \ as \040 and so on."""
    first, *others = text.split("\\")
    whole = first
    for part in others:
        digits = part[:3]
        octal = len(digits) == 3 and all(digit in "01234567" for digit in digits)
        whole += chr(int(digits, 8)) + part[3:] if octal else "\\" + part
    return whole
