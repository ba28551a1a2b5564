"""The loop with a scripted host: what is done, in which order, when things happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapwrap.core.exits import Exit
from tapwrap.core.supervision import (
    Action,
    AllGone,
    Announce,
    Event,
    Exited,
    Kill,
    Policy,
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
from tapwrap.supervisor import loop

if TYPE_CHECKING:
    from collections.abc import Iterator


class ScriptedHost:
    """Lets things happen as they are written down, and notes what it was told to do."""

    def __init__(self, *events: Event) -> None:
        self._events: Iterator[Event] = iter(events)
        self.notes: list[str] = []

    def now(self) -> float:
        return 0.0

    def next_event(self) -> Event:
        return next(self._events)

    def do(self, action: Action) -> None:
        match action:
            case Spawn(attempt):
                self.notes.append(f"spawn {attempt}")
            case Send(signal) | Tell(signal):
                self.notes.append(f"send {signal}")
            case Sweep():
                self.notes.append("sweep")
            case Kill():
                self.notes.append("kill")
            case SetTimer(name, seconds):
                self.notes.append(f"{name} in {seconds:g}")
            case Report(verdict):
                self.notes.append(f"report {verdict.cause}")
            case Announce(what):
                self.notes.append(what)
            case StopTimers() | Suspend():
                pass


def test_a_crash_is_recorded_swept_and_restarted() -> None:
    crash, clean = Exited(Exit(1), 1.0), Exited(Exit(0), 3.0)
    host = ScriptedHost(
        Started(), crash, AllGone(), TimerFired("backoff", 2.0), Started(), clean, AllGone()
    )

    status = loop.run(host, Policy(restart="on-failure"))

    assert status == 0
    assert host.notes == [
        "spawn 1",
        "started",
        "grace in 8",
        "sweep",
        "report exit",
        "restarting",
        "backoff in 0.5",
        "spawn 2",
        "started",
        "grace in 8",
        "sweep",
        "report None",
    ]


def test_a_stop_tells_main_waits_and_kills_what_is_left() -> None:
    deaf: list[Event] = [Started(), SignalArrived(15), TimerFired("grace", 2.0)]
    host = ScriptedHost(*deaf, Exited(Exit(signal=9), 2.0), AllGone())

    status = loop.run(host, Policy(stop_timeout=2.0))

    assert status == 137
    assert host.notes == [
        "spawn 1",
        "started",
        "send 15",
        "send 18",
        "grace in 2",
        "kill",
        "kill in 1",
        "again in 0.05",
        "report stop_timeout",
    ]
