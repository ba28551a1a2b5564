"""The processes below us, from one raw pass over /proc, and signals that reach the right one."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os

from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

STOPPED = "Tt"
DEAD = "ZXx"


@value
class Process:
    """One line of /proc/PID/stat (proc(5)). `start` (clock ticks since boot) tells reused pids."""

    pid: int
    comm: str
    state: str
    ppid: int
    group: int
    session: int
    start: int


def look_at(pid: int) -> Process | None:
    """The process with this pid; None when there is none, or no /proc."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        line = os.read(fd, 1024)
    except OSError:
        return None  # It ended between the two calls.
    finally:
        os.close(fd)
    # The name may hold spaces and brackets; everything after its last bracket is plain.
    name, _, rest = line.partition(b"(")[2].rpartition(b")")
    fields = rest.split()
    return Process(
        pid,
        name.decode("utf-8", "replace"),
        fields[0].decode(),
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        int(fields[19]),
    )


def descendants(root: int, spare: Collection[int] = ()) -> list[Process] | None:
    """All living processes below `root`, without those in `spare` and what is below them.

    Complete when `root` is PID 1 or a subreaper: then no chain of parents leads anywhere
    else. None when /proc is not there, or is that of another namespace, with other pids.
    """
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return None
        names = os.listdir("/proc")
    except OSError:
        return None
    children: dict[int, list[Process]] = {}
    for name in names:
        if name.isdecimal():
            process = look_at(int(name))
            if process is not None:
                children.setdefault(process.ppid, []).append(process)
    found: list[Process] = []
    parents = [root]
    while parents:
        for process in children.get(parents.pop(), ()):
            if process.pid not in spare:
                parents.append(process.pid)
                if process.state not in DEAD:
                    found.append(process)
    return found


def send(process: Process, *numbers: int) -> bool:
    """Send signals to exactly this process, never to another that was given its pid since."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False  # It ended before we looked.
    except OSError:
        return _send_without_pidfd(process, numbers)
    try:
        now = look_at(process.pid)
        if now is None or now.start != process.start:
            return False
        for number in numbers:
            _signal.pidfd_send_signal(fd, number)
    except (ProcessLookupError, PermissionError):
        return False  # It ended, or became another user's; then only the kernel can end it.
    except OSError:
        return _send_without_pidfd(process, numbers)
    finally:
        os.close(fd)
    return True


def _send_without_pidfd(process: Process, numbers: Iterable[int]) -> bool:
    """For kernels and sandboxes without pidfds: a look just before, which is nearly as good."""
    now = look_at(process.pid)
    if now is None or now.start != process.start:
        return False
    try:
        for number in numbers:
            os.kill(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def waiting_in(pid: int) -> str:
    """The kernel function that a process sleeps in, as far as we may know it (proc(5), wchan)."""
    try:
        with open(f"/proc/{pid}/wchan", encoding="utf-8", errors="replace") as file:
            return file.read(64)
    except OSError:
        return ""
