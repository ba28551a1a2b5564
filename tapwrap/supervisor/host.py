"""The real host: processes, signals, pipes and the terminal of this machine."""

from __future__ import annotations

import os
import time

from tapwrap.core import exits, signals
from tapwrap.core.supervision import (
    AllGone,
    Announce,
    Exited,
    Kill,
    Paused,
    Report,
    Send,
    SetTimer,
    SignalArrived,
    Spawn,
    Started,
    StopTimers,
    Suspend,
    Sweep,
    Tell,
    TimerFired,
)
from tapwrap.supervisor.account import Account
from tapwrap.supervisor.attempt import Attempt
from tapwrap.system import launching, spawning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tapwrap.core.ending import Ending
    from tapwrap.core.exits import Exit, NotStarted
    from tapwrap.core.supervision import Action, Event
    from tapwrap.supervisor.account import Job, Sink
    from tapwrap.system.cgroup import Group
    from tapwrap.system.launching import Launch
    from tapwrap.system.outlet import Outlet
    from tapwrap.system.spawning import Surroundings
    from tapwrap.system.terminal import Terminal
    from tapwrap.system.waiting import Arrived, Waiter

CHLD = signals.NUMBERS["CHLD"]
STOP_SELF = signals.NUMBERS["STOP"]
JOB_CONTROL = frozenset({signals.NUMBERS[name] for name in ("TSTP", "TTIN", "TTOU")})
TIMERS = ("timeout", "grace", "kill", "again", "backoff")
WALL = 0x40000000  # __WALL: children that were made by clone(2) too


class Host:
    """Carries out the actions of the rules on this machine, and tells what happens on it."""

    def __init__(
        self,
        job: Job,
        surroundings: Surroundings,
        *,
        terminal: Terminal,
        group: Group,
        waiter: Waiter,
        outlets: Mapping[int, Outlet],
        say: Callable[..., None],
        sink: Sink,
        first: Launch,
    ) -> None:
        """`first` is the first attempt, which was launched before there was time for us."""
        self._job, self._surroundings, self._terminal = job, surroundings, terminal
        self._group, self._waiter, self._outlets = group, waiter, outlets
        self._sink, self._account = sink, Account(job, group, outlets[2], say, sink)
        self._first: Launch | None = first
        self._attempt = self._adopt(1, first)
        self._events: list[Event] = []

    @property
    def last(self) -> Ending | None:
        """How the last attempt ended."""
        return self._account.last

    @property
    def attempts(self) -> int:
        """How many there were so far."""
        return self._attempt.number

    def now(self) -> float:
        """Seconds of the monotonic clock, which no clock adjustment moves."""
        return time.monotonic()

    def next_event(self) -> Event:
        """Wait until something happens that the rules should know of."""
        while not self._events:
            self.turn()
        return self._events.pop(0)

    def turn(self) -> None:
        """Wait once, and sort what came."""
        arrived, fired = self._waiter.wait()
        reap = False
        for each in arrived:
            if each.signal == CHLD:
                reap = True  # Whoever sent it: only wait(2) knows who died.
            elif not _is_our_own_doing(each):
                if each.signal == signals.NUMBERS["CONT"] and self._attempt.main is not None:
                    self._terminal.hand_over(self._attempt.main)
                self._events.append(SignalArrived(each.signal, each.sender))
                if each.sender is not None:
                    self._account.note_sender(each.sender.pid)
        if reap:
            self._reap()
        for name in fired:
            if name in TIMERS:
                self._events.append(TimerFired(name, self.now(), _luck()))
            else:
                self._sink.timer_fired(name)

    def do(self, action: Action) -> None:
        """Carry out one action."""
        match action:
            case Spawn(attempt):
                self._spawn(attempt)
            case Send(signal):
                self._send(signal)
            case Tell(signal):
                self._tell(signal)
            case Sweep():
                self._sweep()
            case Kill(rest, last):
                self._kill(rest, last)
            case SetTimer(name, seconds):
                self._waiter.set_timer(name, seconds)
            case StopTimers():
                for name in TIMERS:
                    self._waiter.stop_timer(name)
            case Report():
                self._report(action)
            case Announce():
                self._account.announce(action, self._attempt)
            case Suspend():
                self._suspend()

    def _spawn(self, number: int) -> None:
        launch, self._first = self._first, None
        if launch is None:
            launch = launching.launch(
                self._job.command,
                self._surroundings,
                self._terminal,
                capture=self._job.capture,
                group=self._group,
            )
            self._attempt = self._adopt(number, launch)
        if launch.failure is not None:
            self._exited(launch.failure)

    def _adopt(self, number: int, launch: Launch) -> Attempt:
        return Attempt(number, launch, self._waiter, self._outlets, self._started)

    def _started(self) -> None:
        self._events.append(Started())

    def _reap(self) -> None:
        """Take the status of everyone who died. This is the only place that waits for children."""
        if self._attempt.main is not None:
            # Asked first and alone, because only wait4(2) tells its memory peak.
            self._collect(self._attempt.main)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | WALL)
            except ChildProcessError:
                if self._attempt.watches_leftovers:
                    self._all_gone()
                return
            if pid == 0:
                break
            self._died(pid, status)
        if self._attempt.watches_leftovers:
            if self._attempt.leftovers.are_gone(self._sink.helpers):
                self._all_gone()
            else:
                self._attempt.leftovers.tell_newcomers(self._sink.helpers)

    def _collect(self, main: int) -> None:
        pid, status, usage = os.wait4(main, os.WNOHANG | os.WUNTRACED)
        if pid:
            self._attempt.memory_peak = usage.ru_maxrss * 1024 or None
            self._died(pid, status)

    def _died(self, pid: int, status: int) -> None:
        if pid != self._attempt.main:
            if not os.WIFSTOPPED(status):
                self._sink.reaped(pid)
        elif os.WIFSTOPPED(status):
            if os.WSTOPSIG(status) in JOB_CONTROL:
                self._events.append(Paused())
        else:
            self._exited(self._attempt.ended(status))

    def _exited(self, exit: Exit | NotStarted) -> None:
        before, after = self._attempt.oom_kills_before, self._group.oom_kills()
        kills = after - before if after is not None and before is not None else 0
        at_terminal = self._terminal.is_given_away
        self._events.append(Exited(exit, self.now(), _luck(), max(kills, 0), at_terminal))

    def _send(self, signal: int) -> None:
        """To main, its group or its session, as the user chose."""
        if self._attempt.main is None:
            return
        if self._job.scope == "group":
            _quietly(os.killpg, self._attempt.main, signal)
        elif self._job.scope == "session":
            self._attempt.leftovers.send_to_session(self._attempt.main, signal)
        else:
            self._tell(signal)

    def _tell(self, signal: int) -> None:
        # Nobody else reaps, so the pid is main's own until we have taken its status.
        if self._attempt.main is not None:
            _quietly(os.kill, self._attempt.main, signal)

    def _sweep(self) -> None:
        self._attempt.watches_leftovers = True
        self._attempt.leftovers.tell(self._sink.helpers, self._attempt.pid)
        self._reap()

    def _kill(self, rest: bool, last: bool) -> None:
        if not rest:
            self._tell(exits.KILL)
            return
        self._attempt.watches_leftovers = True
        self._attempt.leftovers.kill(self._sink.helpers, main=self._attempt.main, everyone=last)
        self._reap()

    def _all_gone(self) -> None:
        self._attempt.watches_leftovers = False
        self._events.append(AllGone())

    def abandon(self, grace: float) -> None:
        """End the command without the rules, because they or we have failed."""
        for signal, patience in ((signals.NUMBERS["TERM"], grace), (exits.KILL, 1.0)):
            deadline = self.now() + patience
            self._waiter.set_timer("abandon", patience)
            self._tell(signal)
            self._tell(signals.NUMBERS["CONT"])
            while self._attempt.main is not None and self.now() < deadline:
                self.turn()

    def flush(self, deadline: float) -> None:
        """Give whoever reads our streams until then (as `now` counts) to take what is left."""
        self._waiter.set_timer("flush", deadline - self.now())
        while not all(each.is_empty for each in self._outlets.values()) and self.now() < deadline:
            self.turn()

    def _report(self, report: Report) -> None:
        # First everything that was said before, and the terminal as it was.
        self._attempt.close()
        self._terminal.take_back()
        self._account.report(report, self._attempt, self.now())

    def _suspend(self) -> None:
        """Stop with the command, so that the shell gets its terminal back (job control)."""
        if os.getpid() != 1:
            os.kill(os.getpid(), STOP_SELF)


def _is_our_own_doing(arrived: Arrived) -> bool:
    """PIPE and XFSZ are how the kernel comments on a write of ours, besides failing it."""
    ours = arrived.sender is not None and arrived.sender.pid == os.getpid()
    return ours and arrived.signal in spawning.PYTHONS_OWN


def _luck() -> float:
    return os.urandom(1)[0] / 255


def _quietly(send: Callable[[int, int], None], target: int, signal: int) -> None:
    try:
        send(target, signal)
    except (ProcessLookupError, PermissionError):
        pass  # It ended before the signal arrived, or has become another user's.
