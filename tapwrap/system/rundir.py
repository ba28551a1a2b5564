"""Our own folder on a local file system: a place for what must not wait for a volume."""

from __future__ import annotations

import fcntl
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = "/run/tapwrap"
UNSTORED = "unstored"


def bases(environ: Mapping[str, str]) -> list[str]:
    """Where run folders may be, the best first."""
    user, session = os.geteuid(), environ.get("XDG_RUNTIME_DIR")
    named, outer = environ.get("TAPWRAP_RUN_BASE"), environ.get("TAPWRAP_RUN_DIR")
    own = [named] if named else []
    own += [os.path.dirname(outer)] if outer else []
    session_own = [f"{session}/tapwrap"] if session else []
    return [*own, SYSTEM, *session_own, f"/tmp/tapwrap-{user}", f"/dev/shm/tapwrap-{user}"]


def make(explicit: str | None, run_id: str, environ: Mapping[str, str]) -> str | None:
    """A fresh folder for one run, 0700; None when nothing here is writable."""
    for base in [explicit] if explicit else bases(environ):
        path = f"{base}/{run_id}"
        try:
            os.makedirs(base, 0o700, exist_ok=True)
            if _is_ours(base):
                # Nobody looks at a hidden folder, so it has its lock before it has its name.
                # The lock is held for as long as we live, and never closed: it says that we do.
                hidden = f"{base}/.{run_id}"
                os.mkdir(hidden, 0o700)
                fcntl.flock(os.open(hidden, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX)
                os.rename(hidden, path)
                return path
        except OSError:
            continue  # Read-only, missing or not ours: the next one may do.
    return None


def abandoned(base: str) -> list[str]:
    """The folders of runs that were killed before they could remove them."""
    try:
        paths = [f"{base}/{name}" for name in os.listdir(base) if not name.startswith(".")]
    except OSError:
        return []
    return [path for path in paths if _is_abandoned(path)]


def _is_abandoned(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False  # No folder, or gone already.
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def remove(path: str) -> None:
    """Remove the folder of a run, unless something in it still waits to be stored."""
    for take, each in ((os.rmdir, UNSTORED), (os.unlink, "run.json"), (os.rmdir, "")):
        try:
            take(f"{path}/{each}")
        except FileNotFoundError:
            continue  # It was never made, or somebody cleaned up before us.
        except OSError:
            return  # Not empty: whoever can store it needs to know for which store it is.


def write(path: str, name: str, text: str) -> None:
    """Write a small file at once: readers see the old one or the new one (rename(2))."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(f"{path}/.{name}", flags, 0o600)
        try:
            os.write(fd, text.encode("utf-8", "backslashreplace"))
        finally:
            os.close(fd)
        os.rename(f"{path}/.{name}", f"{path}/{name}")
    except OSError:
        pass  # Full or gone. It helps those who look inside; nothing depends on it.


def _is_ours(base: str) -> bool:
    """A folder in /tmp that somebody else made first is not to be trusted."""
    found = os.lstat(base)
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (os.geteuid(), 0)
