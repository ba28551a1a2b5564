"""One attempt to run the command: what the machine knows of it, from its start to its record."""

from __future__ import annotations

import os

from tapwrap.core import exits
from tapwrap.supervisor.leftovers import Leftovers
from tapwrap.system import spawning
from tapwrap.system.relay import Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tapwrap.core.exits import Exit, NotStarted
    from tapwrap.system.launching import Launch
    from tapwrap.system.outlet import Outlet
    from tapwrap.system.waiting import Waiter


class Attempt:
    """Adopts a launched command. `on_start` is called when its own program was executed."""

    def __init__(
        self,
        number: int,
        launch: Launch,
        waiter: Waiter,
        outlets: Mapping[int, Outlet],
        on_start: Callable[[], None],
    ) -> None:
        """Begin to listen to what it says, and to what the fork says of it."""
        self.number, self.at, self.oom_kills_before = number, launch.at, launch.oom_kills
        self.failure = launch.failure
        self.main = self.pid = launch.child.pid if launch.child is not None else None
        self.memory_peak: int | None = None
        self.leftovers = Leftovers()
        self.watches_leftovers = False
        self._waiter, self._on_start = waiter, on_start
        self._relays = {
            fd: Relay(source, outlets[fd], waiter) for fd, source in launch.sources.items()
        }
        self._last_words: dict[int, str] = {}
        self._word = b""
        self._verdict = launch.child.verdict if launch.child is not None else -1
        if self._verdict >= 0:
            waiter.watch(self._verdict, self._on_verdict)

    def ended(self, status: int) -> Exit | NotStarted:
        """Main is gone, with this wait status: how it ended, or why it never began."""
        self.main = None
        if self._verdict >= 0:
            self._on_verdict()
            self._forget_verdict()
        for fd, relay in self._relays.items():
            relay.drain()
            self._last_words[fd] = relay.tail.last()
        return spawning.reason(self._word) or exits.from_wait(status)

    def last_words(self, fd: int) -> str:
        """The last it said on a captured descriptor before it was gone."""
        return self._last_words.get(fd, "")

    def stuck(self, helpers: Collection[int]) -> tuple[tuple[int, str, str, str], ...]:
        """Who is still there although it was waited for: pid, name, state, and where it sleeps."""
        return self.leftovers.stuck(helpers, self.main) if self.watches_leftovers else ()

    def close(self) -> None:
        """Pass on what the leftovers said meanwhile, and stop listening."""
        for relay in self._relays.values():
            relay.drain()
            relay.close()
        self._forget_verdict()

    def _on_verdict(self) -> None:
        """The fork has executed the program, or says why it could not."""
        try:
            word = os.read(self._verdict, 4096)
        except BlockingIOError:
            return
        self._word += word
        if not word:
            self._forget_verdict()
            if not self._word:
                self._on_start()

    def _forget_verdict(self) -> None:
        if self._verdict >= 0:
            self._waiter.forget(self._verdict)
            os.close(self._verdict)
            self._verdict = -1
