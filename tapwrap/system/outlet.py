"""Writing to a standard stream without ever waiting for whoever reads it."""

from __future__ import annotations

import os
import select
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tapwrap.system.waiting import Waiter

#: What is queued before whoever feeds us should pause. A pipe holds 64 KiB by itself.
ENOUGH = 64 * 1024
#: POSIX lets a pipe take this much at once or not at all.
PIPE_BUF = 4096
#: Another open file of the same descriptor (proc(5)).
OPENED_AGAIN = "/proc/self/fd/{}"


class Outlet:
    """A queue in front of a descriptor that was inherited, and may be shared with others.

    O_NONBLOCK belongs to the open file and would change it for everybody who shares it, so a
    pipe or terminal is opened a second time where /proc allows that; else each write says for
    itself that it will not wait.
    """

    def __init__(self, fd: int, waiter: Waiter) -> None:
        """Take charge of descriptor `fd`, which stays open and unchanged."""
        self._waiter = waiter
        self._fd, self._write = _writer(fd)
        self._queue: list[bytes] = []
        self._size = 0
        self._waiting = False
        self.on_relief: Callable[[], None] | None = None
        self.lost = 0
        self.at_line_start = True

    @property
    def is_full(self) -> bool:
        """Whether more should wait until `on_relief` is called."""
        return self._size >= ENOUGH

    @property
    def is_empty(self) -> bool:
        """Whether everything has been taken."""
        return not self._size

    def send(self, chunk: bytes) -> None:
        """Write now what can be written now, and the rest when it can."""
        if chunk:
            self.at_line_start = chunk.endswith(b"\n")
            self._queue.append(chunk)
            self._size += len(chunk)
            if not self._waiting:
                self._flush()

    def send_line(self, line: bytes) -> None:
        """Send a line of our own, on a line of its own."""
        self.send(line if self.at_line_start else b"\n" + line)

    def close(self) -> None:
        """Let go of our copy of the descriptor, and of what nobody has taken."""
        if self._waiting:
            self._waiter.forget(self._fd)
        os.close(self._fd)

    def _flush(self) -> None:
        while self._queue:
            chunk = self._queue[0]
            try:
                taken = self._write(self._fd, chunk)
            except BlockingIOError:
                self._wait()
                return
            except OSError:
                # The reader is gone, or the disk behind it is full: there is nobody to tell.
                self.lost += self._size
                self._queue, self._size = [], 0
                break
            self._size -= taken
            if taken == len(chunk):
                del self._queue[0]
            else:
                self._queue[0] = chunk[taken:]
        self._relieve()

    def _wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._waiter.watch(self._fd, self._flush, write=True)

    def _relieve(self) -> None:
        if self._waiting:
            self._waiting = False
            self._waiter.forget(self._fd)
        if self.on_relief is not None:
            self.on_relief()


def _writer(fd: int) -> tuple[int, Callable[[int, bytes], int]]:
    """A descriptor for the same file, and how to write to it without waiting."""
    try:
        kind = os.fstat(fd).st_mode
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), os.write  # Closed.
    if stat.S_ISREG(kind):
        # Never opened again: a second open file has a second offset, and would overwrite.
        return os.dup(fd), os.write
    if stat.S_ISSOCK(kind):
        return os.dup(fd), _to_socket
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(OPENED_AGAIN.format(fd), flags), os.write
    except OSError:
        return os.dup(fd), _to_pipe  # No /proc, or the file belongs to somebody else.


def _to_socket(fd: int, chunk: bytes) -> int:
    import _socket

    socket = _socket.socket(fileno=fd)
    try:
        return socket.send(chunk, _socket.MSG_DONTWAIT)
    finally:
        socket.detach()


def _to_pipe(fd: int, chunk: bytes) -> int:
    try:
        return os.pwritev(fd, [chunk], -1, os.RWF_NOWAIT)
    except BlockingIOError:
        raise
    except OSError:
        # Kernels before 6.4 have no RWF_NOWAIT for pipes. One that reports room takes
        # PIPE_BUF bytes without waiting, unless another writer is quicker.
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError from None
        return os.write(fd, chunk[:PIPE_BUF])
