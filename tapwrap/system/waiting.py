"""One place to wait in: for signals, for descriptors and for time."""

from __future__ import annotations

import os
import select
import time

from tapwrap.core.exits import Sender
from tapwrap.core.value import value
from tapwrap.system import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SIGINFO = 128  # sizeof(struct signalfd_siginfo), signalfd(2)
SI_KERNEL = 0x80  # a terminal that hangs up, a key, a timer (sigaction(2))


@value
class Arrived:
    """A signal that was sent to this process, and by whom (None: the kernel itself)."""

    signal: int
    sender: Sender | None


class Waiter:
    """Waits without polling: nothing to do means no wake-up. All signals must be blocked."""

    def __init__(self, numbers: frozenset[int]) -> None:
        """`numbers`: the signals to receive. Raises OSError when the kernel refuses."""
        self._epoll = select.epoll()
        self._signals = libc.signalfd(numbers)
        self._epoll.register(self._signals, select.EPOLLIN)
        self._watched: dict[int, Callable[[], None]] = {}
        self._timers: dict[str, float] = {}

    def close(self) -> None:
        """Give the descriptors back."""
        self._epoll.close()
        os.close(self._signals)

    def watch(self, fd: int, call: Callable[[], None], *, write: bool = False) -> None:
        """Call `call` whenever `fd` can be read (or written), hung up ends included."""
        self._epoll.register(fd, select.EPOLLOUT if write else select.EPOLLIN)
        self._watched[fd] = call

    def forget(self, fd: int) -> None:
        """Stop watching; must come before the descriptor is closed."""
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def set_timer(self, name: str, seconds: float) -> None:
        """Let `wait` tell `name` after so many seconds of the monotonic clock."""
        self._timers[name] = time.monotonic() + seconds

    def stop_timer(self, name: str) -> None:
        """Forget a timer, if there is one."""
        self._timers.pop(name, None)

    def wait(self) -> tuple[list[Arrived], list[str]]:
        """Sleep until something happens: the signals that came, and the timers that ran out."""
        ready = self._epoll.poll(self._patience())
        arrived: list[Arrived] = []
        for fd, _ in ready:
            if fd == self._signals:
                arrived = self._read_signals()
            elif fd in self._watched:  # An earlier call may have forgotten it.
                self._watched[fd]()
        now = time.monotonic()
        fired = [name for name, due in self._timers.items() if due <= now]
        for name in fired:
            del self._timers[name]
        return arrived, fired

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(min(self._timers.values()) - time.monotonic(), 0)

    def _read_signals(self) -> list[Arrived]:
        try:
            block = os.read(self._signals, SIGINFO * 64)
        except BlockingIOError:
            return []  # Another wake-up had them all.
        return [_arrived(block, at) for at in range(0, len(block), SIGINFO)]


def _arrived(block: bytes, at: int) -> Arrived:
    """One struct signalfd_siginfo: signal, errno, code, pid, uid, 32 bits each."""
    code = _u32(block, at + 8)
    sender = Sender(_u32(block, at + 12), _u32(block, at + 16)) if code != SI_KERNEL else None
    return Arrived(_u32(block, at), sender)


def _u32(block: bytes, at: int) -> int:
    return int.from_bytes(block[at : at + 4], "little" if _LITTLE else "big")


_LITTLE = memoryview(b"\x01\x00").cast("H")[0] == 1
