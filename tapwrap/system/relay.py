"""A stream of the command on its way to ours: passed on byte for byte, its last words kept."""

from __future__ import annotations

import os

from tapwrap.core.tail import Tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.system.outlet import Outlet
    from tapwrap.system.waiting import Waiter

CHUNK = 64 * 1024
DRAINED = 16  # chunks, which is as much as an unprivileged pipe can hold (pipe(7))


class Relay:
    """From the pipe that the command writes to, to an outlet.

    When the reader behind the outlet stalls, the command is held back by its own full pipe,
    as it would be without us; we are not.
    """

    def __init__(self, source: int, outlet: Outlet, waiter: Waiter) -> None:
        """Take charge of `source`, the end of the pipe to read from."""
        self._source, self._outlet, self._waiter = source, outlet, waiter
        self._watching = False
        self.tail = Tail()
        os.set_blocking(source, False)
        outlet.on_relief = self._resume
        self._resume()

    def drain(self) -> None:
        """Read what is there, now, even if nobody takes it from us: the dead wrote it all.

        Bounded, because the living may go on writing.
        """
        for _ in range(DRAINED):
            if not self._pass_on():
                return

    def close(self) -> None:
        """Let go of the pipe. Who still writes to it gets EPIPE, as from any reader that left."""
        self._pause()
        if self._source >= 0:
            os.close(self._source)
            self._source = -1

    def _on_readable(self) -> None:
        self._pass_on()
        if self._outlet.is_full:
            self._pause()

    def _pass_on(self) -> bool:
        """One chunk. False when there is none now, or never will be again."""
        if self._source < 0:
            return False
        try:
            chunk = os.read(self._source, CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self.close()
            return False
        self.tail.feed(chunk)
        self._outlet.send(chunk)
        return True

    def _resume(self) -> None:
        if not self._watching and self._source >= 0 and not self._outlet.is_full:
            self._watching = True
            self._waiter.watch(self._source, self._on_readable)

    def _pause(self) -> None:
        if self._watching:
            self._watching = False
            self._waiter.forget(self._source)
