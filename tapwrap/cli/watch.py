"""The second half of `tapwrap run`: the command is on its way, and now it is watched."""

from __future__ import annotations

import os

from tapwrap.core import exits
from tapwrap.core.backoff import Backoff
from tapwrap.core.jsonline import dumps
from tapwrap.core.run import Run
from tapwrap.core.supervision import Policy
from tapwrap.core.value import replace
from tapwrap.reporting.recorder import Destination, Recorder
from tapwrap.reporting.voice import Voice
from tapwrap.supervisor import loop
from tapwrap.supervisor.account import Job
from tapwrap.supervisor.host import Host
from tapwrap.system import inheritance, rundir
from tapwrap.system.outlet import Outlet
from tapwrap.system.waiting import Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.cli.options import Settings
    from tapwrap.cli.run import Start

#: How long the exit may wait for the volume and for whoever reads our streams, together; and
#: what of it belongs to the reader alone.
LAST_SECOND = 1.0
LAST_WORDS = 0.1


def watch(start: Start) -> int:
    """Supervise what was started to its end; the status to exit with."""
    settings = start.settings
    _settle(start)
    waiter = Waiter(inheritance.catchable_signals())
    outlets = {fd: Outlet(fd, waiter) for fd in start.capture | {2}}
    run = Run(start.run_id, start.service, tuple(start.command), os.getpid(), start.started)
    voice = Voice(outlets[2], run, settings.log_format, settings.log_level)
    log_file = os.path.abspath(settings.log_file) if settings.log_file else None
    environ = start.surroundings.environ
    destination = Destination(
        start.db,
        settings.db_size,
        settings.db_keep,
        start.run_dir,
        log_file,
        settings.log_size,
        environ,
    )
    recorder = Recorder(destination, run, waiter, say=voice.say, print_line=voice.print)
    if log_file:
        voice.on_line = recorder.keep
    host = Host(
        job(start),
        replace(start.surroundings, cwd=inheritance.leave_folder()),
        terminal=start.terminal,
        group=start.group,
        waiter=waiter,
        outlets=outlets,
        say=voice.say,
        sink=recorder,
        first=start.first,
    )
    recorder.begin()
    if not start.adopts:
        voice.say("warning", "degraded", "cannot adopt orphans: the kernel refused a subreaper")
    try:
        status = loop.run(host, policy(settings))
    except Exception as error:  # noqa: BLE001  # The edge: PID 1 ends with a word, or not at all.
        voice.say("error", "failed", f"tapwrap itself failed: {error!r}", where=_where(error))
        host.abandon(settings.stop_timeout)
        status = exits.WRAPPER_FAILED
    deadline = host.now() + LAST_SECOND
    recorder.end(host.turn, host.last, host.attempts, deadline - LAST_WORDS)
    host.flush(deadline)
    if start.run_dir:
        rundir.remove(start.run_dir)
    return status


def policy(settings: Settings) -> Policy:
    """The rules that the options stand for."""
    restart, most = settings.restart
    return Policy(
        restart=restart,
        max_restarts=most,
        backoff=Backoff(
            initial=settings.backoff, cap=settings.backoff_max, healthy=settings.backoff_reset
        ),
        crash_limit=settings.crash_limit,
        crash_window=settings.crash_window,
        hold=settings.on_crash_loop == "hold",
        successes=settings.success_codes,
        timeout=settings.timeout,
        stop_timeout=settings.stop_timeout,
        sweep=settings.sweep,
        stop_signals=settings.stop_signals,
        rewrites=dict(settings.rewrite),
    )


def job(start: Start) -> Job:
    """What the host has to know of the options."""
    settings = start.settings
    return Job(
        start.command,
        start.service,
        start.run_id,
        settings.signal_scope,
        start.capture,
        settings.timeout,
        settings.stop_timeout,
        settings.crash_window,
    )


def _settle(start: Start) -> None:
    """What could wait until the command was on its way."""
    if start.settings.restart[0] == "no":
        for fd in start.extra:  # Later attempts would need them again.
            os.close(fd)
    if start.run_dir:
        facts = {"run_id": start.run_id, "pid": os.getpid(), "service": start.service}
        text = dumps({**facts, "db": start.db, "started": start.started})
        rundir.write(start.run_dir, "run.json", text)


def _where(error: Exception) -> list[str]:
    """The way to the line that failed, without the traceback module."""
    found, step = [], error.__traceback__
    while step is not None:
        found.append(f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}")
        step = step.tb_next
    return found
