"""The few system calls that the standard library does not offer.

Through `_ctypes` alone: the ctypes package defines a hundred classes that nobody here needs.
"""

from __future__ import annotations

import _ctypes
import os

SFD_NONBLOCK = os.O_NONBLOCK
SFD_CLOEXEC = os.O_CLOEXEC
PR_SET_CHILD_SUBREAPER = 36


def _call(name: str, *arguments: int | bytes) -> int:
    library = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # NULL: this program
    result: int = _ctypes.call_function(_ctypes.dlsym(library, name), arguments)
    return result


def signalfd(numbers: frozenset[int]) -> int:
    """A descriptor that gives the blocked signals of this process (signalfd(2)).

    Raises OSError when the kernel has none to give.
    """
    mask = sum(1 << number - 1 for number in numbers).to_bytes(128, "little")
    fd = _call("signalfd", -1, mask, SFD_NONBLOCK | SFD_CLOEXEC)
    if fd < 0:
        raise OSError("the kernel refused a signalfd")
    return fd


def become_subreaper() -> bool:
    """Adopt orphaned descendants, as PID 1 does (prctl(2)). False where it is forbidden."""
    return _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
