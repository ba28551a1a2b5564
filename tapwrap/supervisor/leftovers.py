"""What the command leaves behind: found, told to end, killed, and named for the record."""

from __future__ import annotations

import os

from tapwrap.core import signals
from tapwrap.system import processes
from tapwrap.system.processes import STOPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from tapwrap.system.processes import Process

TERM, CONT, STOP, KILL = (signals.NUMBERS[name] for name in ("TERM", "CONT", "STOP", "KILL"))

#: How many are named in a record, and how often they are stopped before they are killed anyway.
NAMED = 20
ROUNDS = 20


class Leftovers:
    """The descendants of one attempt. Complete for PID 1 and for a subreaper."""

    def __init__(self) -> None:
        """Nobody was told anything yet."""
        self._ended: dict[tuple[int, int], tuple[int, str, str]] = {}
        self._empty_looks = 0

    @property
    def swept(self) -> tuple[tuple[int, str, str], ...]:
        """The first few that had to be ended: pid, name, and the signal it took."""
        return tuple(self._ended.values())[:NAMED]

    @property
    def total(self) -> int:
        """How many had to be ended."""
        return len(self._ended)

    def tell(self, helpers: Collection[int], main: int | None = None) -> None:
        """Ask everyone to end, and wake the stopped ones so that they can."""
        found = processes.descendants(os.getpid(), helpers)
        if found is None:
            self._tell_blindly(main)
            return
        for process in found:
            self._tell_one(process)

    def tell_newcomers(self, helpers: Collection[int]) -> None:
        """Ask those to end whose parent died before we could see them.

        Only orphans: what a living process starts while it ends is part of its ending.
        """
        for process in processes.descendants(os.getpid(), helpers) or ():
            if process.ppid == os.getpid() and (process.pid, process.start) not in self._ended:
                self._tell_one(process)

    def _tell_one(self, process: Process) -> None:
        if processes.send(process, TERM, CONT):
            self._note(process, "TERM")

    def _tell_blindly(self, main: int | None) -> None:
        """Without /proc nobody can be named; our own helpers have TERM blocked."""
        if os.getpid() == 1:
            _broadcast(-1, TERM)
            _broadcast(-1, CONT)
        elif main is not None:
            _broadcast(-main, TERM)
            _broadcast(-main, CONT)

    def are_gone(self, helpers: Collection[int]) -> bool:
        """For when children are left, to see whether they are all helpers.

        "No child left", as wait(2) tells it, is exact. A look at /proc is not, while
        something forks as quickly as we look, so it has to be empty twice.
        """
        if not helpers:
            return False
        found = processes.descendants(os.getpid(), helpers)
        self._empty_looks = self._empty_looks + 1 if found == [] else 0
        if self._empty_looks == 1:
            return self.are_gone(helpers)
        return self._empty_looks > 1

    def kill(self, helpers: Collection[int], *, main: int | None, everyone: bool) -> None:
        """KILL all there are. `everyone`: nothing in this container is needed any more.

        Only PID 1 may say it to everyone: for others, kill(-1) is the whole machine.
        """
        found = processes.descendants(os.getpid(), helpers)
        for process in found or ():
            if process.pid != main:
                self._note(process, "KILL")
        if everyone and os.getpid() == 1:
            _broadcast(-1, KILL)
        elif found is None:
            for target in (main, -main) if main is not None else ():
                _broadcast(target, KILL)
        else:
            self._stop_all(helpers)
            for process in processes.descendants(os.getpid(), helpers) or ():
                processes.send(process, KILL)

    def _stop_all(self, helpers: Collection[int]) -> None:
        """Stop everyone until two looks agree that all are: what is stopped does not fork."""
        before: frozenset[int] | None = None
        for _ in range(ROUNDS):
            found = processes.descendants(os.getpid(), helpers) or []
            now = frozenset(process.pid for process in found)
            awake = [process for process in found if process.state not in STOPPED]
            if not awake and now == before:
                return
            for process in awake:
                processes.send(process, STOP)
            before = now

    def send_to_session(self, main: int, signal: int) -> None:
        """Send to everyone in the session of `main`; to `main` alone where /proc is missing."""
        found = processes.descendants(os.getpid())
        session = next((each.session for each in found or () if each.pid == main), None)
        if session is None:
            _broadcast(main, signal)
        for process in found or ():
            if process.session == session:
                processes.send(process, signal)

    def stuck(
        self, helpers: Collection[int], main: int | None
    ) -> tuple[tuple[int, str, str, str], ...]:
        """Who is still there: pid, name, state and the kernel function it sleeps in (proc(5))."""
        found = {each.pid: each for each in processes.descendants(os.getpid(), helpers) or ()}
        if main is not None and (zombie := processes.look_at(main)) is not None:
            found.setdefault(main, zombie)  # Dead for all but its tracer (ptrace(2)).
        return tuple(
            (each.pid, each.comm, each.state, processes.waiting_in(each.pid))
            for each in list(found.values())[:NAMED]
        )

    def _note(self, process: Process, how: str) -> None:
        self._ended[process.pid, process.start] = (process.pid, process.comm, how)


def _broadcast(target: int, signal: int) -> None:
    try:
        os.kill(target, signal)
    except (ProcessLookupError, PermissionError):
        pass  # Nobody is there, or nobody who is ours.
