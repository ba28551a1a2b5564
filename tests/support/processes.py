"""What /proc says of a process, as this machine counts processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def status(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status; none once it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    fields = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in fields}


def name(pid: int) -> str:
    return status(pid).get("Name", "")


def state(pid: int) -> str:
    """Its state as one letter: `S` sleeps, `T` was stopped, `t` is traced, `Z` waits for wait."""
    return status(pid).get("State", "")[:1]


def memory(pid: int) -> int:
    """The memory it uses by itself, in bytes."""
    return int(status(pid)["RssAnon"].split()[0]) * 1024


def descriptors(pid: int) -> dict[int, str]:
    """Its open descriptors, and where they lead; those that are closed meanwhile left out."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


def signals(mask: str | bytes) -> set[int]:
    """The signals of a mask as /proc shows it.

    Without the two that libc keeps for itself: whatever posix_spawn(3) of glibc starts, and so
    what Python 3.13 starts for us, ignores them.
    """
    bits = int(mask, 16)
    return {each for each in range(1, 65) if bits >> (each - 1) & 1} - {32, 33}
