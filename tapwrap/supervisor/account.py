"""The account of a run: what is said of its attempts, and what is kept of those that failed."""

from __future__ import annotations

import os
import time

from tapwrap.core import durations, exits
from tapwrap.core.ending import Ending, sentence
from tapwrap.core.exits import Exit, NotStarted
from tapwrap.core.record import next_uuid7
from tapwrap.core.value import replace, value
from tapwrap.system import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tapwrap.core.supervision import Announce, Report
    from tapwrap.supervisor.attempt import Attempt
    from tapwrap.system.cgroup import Group
    from tapwrap.system.outlet import Outlet

    class Sink(Protocol):
        """Where endings go. It answers nothing and keeps nobody waiting."""

        def keep(self, ending: Ending) -> None:
            """Store it, some time soon."""

        def reaped(self, pid: int) -> None:
            """A child has died that was not the command: perhaps one of the sink's own."""

        def timer_fired(self, name: str) -> None:
            """A timer has run out that was not the supervisor's."""

        @property
        def helpers(self) -> frozenset[int]:
            """Processes that belong to the sink and are nobody's leftovers."""


SENDERS = 16  # names kept, of processes that sent us signals


@value
class Job:
    """What the user asked us to run, and how to treat it."""

    command: list[str]
    service: str
    run_id: str
    scope: str
    capture: frozenset[int]
    timeout: float | None
    stop_timeout: float
    crash_window: float


class Account:
    """Turns what is known of an attempt into lines for people and endings for the sink."""

    def __init__(
        self, job: Job, group: Group, outlet: Outlet, say: Callable[..., None], sink: Sink
    ) -> None:
        """`outlet` is where stderr goes, `say` announces."""
        self._job, self._group, self._outlet = job, group, outlet
        self._say, self._sink = say, sink
        self._senders: dict[int, str] = {}
        self.last: Ending | None = None

    def note_sender(self, pid: int) -> None:
        """Note the name of a sender, who may be gone when somebody asks."""
        if pid and pid not in self._senders:
            if len(self._senders) >= SENDERS:
                self._senders.clear()
            process = processes.look_at(pid)
            self._senders[pid] = process.comm if process is not None else ""

    def report(self, report: Report, attempt: Attempt, now: float) -> None:
        """Say how an attempt ended and, if something went wrong, keep a record of it."""
        self.last = ending = self._ending(report, attempt, now)
        fields: dict[str, object] = {"attempt": ending.attempt, "status": ending.status}
        fields |= {"cause": ending.cause} if ending.cause else {}
        level = "info"
        if ending.cause is not None:
            level, fields["error_id"] = "error", ending.id
        self._say(level, "exited", _with_time(ending), **fields)
        if ending.cause is not None:
            self._sink.keep(ending)

    def _ending(self, report: Report, attempt: Attempt, now: float) -> Ending:
        """Everything known about the attempt that is over."""
        ended = report.ended
        exit = ended.exit if ended is not None else Exit(signal=exits.KILL)
        told = report.verdict.told
        sender = told.sender if told is not None else None
        counters = self._group.counters()
        timed_out = report.verdict.cause == "timeout"
        ending = Ending(
            id=self._new_id(),
            time=time.time_ns() // 1000,
            monotonic=round(now, 6),
            run_id=self._job.run_id,
            service=self._job.service,
            command=tuple(self._job.command),
            cause=report.verdict.cause,
            status=report.verdict.status,
            attempt=attempt.number,
            uptime=(ended.at if ended is not None else now) - attempt.at,
            pid=attempt.pid,
            why=exit.why if isinstance(exit, NotStarted) else None,
            sender=(sender.pid, sender.uid, self._senders.get(sender.pid, "")) if sender else None,
            oom_kills=ended.oom_kills if ended is not None else 0,
            memory_peak=attempt.memory_peak,
            memory_limit=counters.memory_limit,
            pids=counters.pids,
            pids_limit=counters.pids_limit,
            limit=self._job.timeout if timed_out else self._job.stop_timeout,
            swept=attempt.leftovers.swept,
            swept_total=attempt.leftovers.total,
            stuck=attempt.stuck(self._sink.helpers),
            stderr_tail=attempt.last_words(2),
            stdout_tail=attempt.last_words(1),
            dropped=self._outlet.lost,
        )
        if isinstance(exit, NotStarted):
            return ending
        return replace(ending, exit_code=exit.code, signal=exit.signal, core=exit.core)

    def _new_id(self) -> str:
        previous = self.last.id if self.last is not None else None
        return next_uuid7(previous, time.time_ns() // 1_000_000, os.urandom(10))

    def announce(self, announce: Announce, attempt: Attempt) -> None:
        """Say what happens next; giving up after a crash loop is also recorded."""
        program = self._job.command[0].rpartition("/")[2]
        match announce.what:
            case "started":
                fields = {"pid": attempt.pid, "attempt": attempt.number}
                self._say("info", "started", f"started {program}", **fields)
            case "restarting":
                pause = durations.show(announce.number)
                self._say("info", "restarting", f"restarting {program} in {pause}")
            case "gave_up":
                times = f"{announce.number:g} restart{'s' if announce.number > 1 else ''}"
                self._say("error", "gave_up", f"gave up {program} after {times}")
            case "held":
                self._say("warning", "held", "staying, so that you can look inside; TERM ends it")
            case "crash_loop":
                self._crash_loop(int(announce.number))

    def _crash_loop(self, failures: int) -> None:
        """Giving up is a failure of its own, worth a record of its own."""
        if self.last is None:
            return
        loop = replace(
            self.last,
            id=self._new_id(),
            time=time.time_ns() // 1000,
            monotonic=round(time.monotonic(), 6),
            cause="crash_loop",
            failures=failures,
            limit=self._job.crash_window,
            swept=(),
            swept_total=0,
        )
        self.last = loop
        self._say("error", "gave_up", sentence(loop), cause=loop.cause, error_id=loop.id)
        self._sink.keep(loop)


def _with_time(ending: Ending) -> str:
    """Without the program's own last line: it is on stderr already, and may hold secrets."""
    text = sentence(ending)
    if ending.why is not None or ending.cause in ("timeout", "stop_timeout"):
        return text
    return f"{text} (after {durations.show(ending.uptime)})"
