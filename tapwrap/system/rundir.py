"""Our own folder on a local file system: a place for what must not wait for a volume."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM = "/run/tapwrap"


def bases(environ: Mapping[str, str]) -> list[str]:
    """Where run folders may be, the best first."""
    user = os.geteuid()
    session = environ.get("XDG_RUNTIME_DIR")
    own = [f"{session}/tapwrap"] if session else []
    return [SYSTEM, *own, f"/tmp/tapwrap-{user}", f"/dev/shm/tapwrap-{user}"]


def make(explicit: str | None, run_id: str, environ: Mapping[str, str]) -> str | None:
    """A fresh folder for one run, 0700; None when nothing here is writable."""
    for base in [explicit] if explicit else bases(environ):
        path = f"{base}/{run_id}"
        try:
            os.makedirs(base, 0o700, exist_ok=True)
            if _is_ours(base):
                os.mkdir(path, 0o700)
                return path
        except OSError:
            continue  # Read-only, missing or not ours: the next one may do.
    return None


def remove(path: str) -> None:
    """Remove the folder of a run that left nothing behind to be stored."""
    try:
        os.unlink(f"{path}/run.json")
    except OSError:
        pass  # It was never written, or somebody cleaned up before us.
    try:
        os.rmdir(path)
    except OSError:
        pass  # What could not be stored is still in it.


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
