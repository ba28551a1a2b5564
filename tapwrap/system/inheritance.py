"""What this process was given when it was executed, and must hand on as it was."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os

from tapwrap.core import signals
from tapwrap.system.spawning import PYTHONS_OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def ignored_signals() -> frozenset[int]:
    """The signals that were ignored when we started; Python's own two cannot be told apart."""
    return frozenset(
        number
        for number in catchable_signals()
        if number not in PYTHONS_OWN and _signal.getsignal(number) == _signal.SIG_IGN
    )


def catchable_signals() -> frozenset[int]:
    """All signals that can be waited for: not KILL and STOP, and not what libc keeps for itself."""
    every = {int(number) for number in _signal.valid_signals()}
    return frozenset(every) - {signals.NUMBERS["KILL"], signals.NUMBERS["STOP"]}


def reset_signals() -> None:
    """No handler of Python's may swallow what the fork receives; wait(2) must have statuses."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def environment() -> dict[str, str]:
    """The environment as it was, without what Python added to it (PEP 538)."""
    environ = dict(os.environ)
    if environ.get("LC_CTYPE") in COERCED and not _was_given("LC_CTYPE", environ):
        del environ["LC_CTYPE"]
    return environ


def _was_given(name: str, environ: Mapping[str, str]) -> bool:
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read()
    except OSError:
        # Python only coerces where nothing else names a locale.
        return "LANG" in environ or "LC_ALL" in environ
    return any(each.startswith(name.encode() + b"=") for each in given.split(b"\0"))


def leave_folder() -> str:
    """Go to /, so that the folder's mount is not kept busy. Where we were, to go back by name."""
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = "/"  # It was removed under us.
    os.chdir("/")
    return cwd


def occupy_standard_streams() -> None:
    """Where a standard stream is closed, put /dev/null in its place, for us alone.

    Else the next file we open would be taken for it. The command still finds it closed.
    """
    while True:
        try:
            fd = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return  # No /dev here. Then nothing of ours will be written to it either.
        if fd > 2:
            os.close(fd)
            return


def extra_descriptors() -> list[int]:
    """The descriptors beyond the standard streams that we were started with."""
    try:
        found = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []
    return [fd for fd in found if fd > 2 and _is_for_the_command(fd)]


def _is_for_the_command(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False  # It was the listing itself.
