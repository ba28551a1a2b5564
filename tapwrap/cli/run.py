"""`tapwrap run`: from the options to a running command, by the shortest way there is.

Nothing that is imported here may import more than is needed before the command runs;
tests/cli/test_budget.py holds the list.
"""

from __future__ import annotations

import os
import time

from tapwrap.core import exits
from tapwrap.core.backoff import Backoff
from tapwrap.core.jsonline import dumps
from tapwrap.core.run import Run
from tapwrap.core.supervision import Policy
from tapwrap.reporting.recorder import Place, Recorder
from tapwrap.reporting.voice import Voice
from tapwrap.supervisor import loop
from tapwrap.supervisor.host import Host, Job, new_id
from tapwrap.system import inheritance, libc, rundir
from tapwrap.system.outlet import Outlet
from tapwrap.system.spawning import Surroundings
from tapwrap.system.terminal import Terminal
from tapwrap.system.waiting import Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.cli.options import Settings

#: How long we wait at the end for a reader that does not take our last words.
LAST_WORDS = 1.0
CAPTURED = {"none": (), "stderr": (2,), "both": (1, 2)}


def supervise(settings: Settings, command: list[str], mask: frozenset[int]) -> int:
    """Run a command under supervision; the status to exit with.

    `mask` are the signals that were blocked when we were started. All are blocked now.
    """
    ignored = inheritance.ignored_signals()
    inheritance.reset_signals()
    inheritance.occupy_standard_streams()
    extra = inheritance.extra_descriptors()
    environ = inheritance.environment()
    run_id = new_id()
    run_dir = rundir.make(settings.run_base, run_id, environ)
    service = settings.service or environ.get("OTEL_SERVICE_NAME") or _program(command)
    run = Run(run_id, service, tuple(command), os.getpid(), time.time_ns() // 1000)
    db = os.path.abspath(settings.db) if settings.db else None
    environ |= {"TAPWRAP_RUN_ID": run_id, "TAPWRAP_SERVICE": service}
    environ |= {"TAPWRAP_DB": db} if db else {}
    environ |= {"TAPWRAP_RUN_DIR": run_dir} if run_dir else {}

    waiter = Waiter(inheritance.catchable_signals())
    capture = frozenset(fd for fd in CAPTURED[settings.capture] if not os.isatty(fd))
    outlets = {fd: Outlet(fd, waiter) for fd in capture | {2}}
    voice = Voice(outlets[2], run, settings.log_format, settings.log_level)
    log_file = os.path.abspath(settings.log_file) if settings.log_file else None
    place = Place(db, run_dir, log_file, settings.log_size, environ)
    recorder = Recorder(place, run, waiter, say=voice.say, print_line=voice.print)
    if log_file:
        voice.on_line = recorder.keep
    host = Host(
        _job(settings, command, run, capture),
        Surroundings(environ, mask, ignored),
        terminal=Terminal(),
        waiter=waiter,
        outlets=outlets,
        say=voice.say,
        sink=recorder,
    )

    def on_the_way() -> None:
        """What can wait until the first command was started."""
        if settings.restart[0] == "no":
            for fd in extra:  # Later attempts would need them again.
                os.close(fd)
        recorder.begin()
        if run_dir:
            facts = {"run_id": run_id, "pid": os.getpid(), "service": service, "db": db}
            rundir.write(run_dir, "run.json", dumps({**facts, "started": run.started}))

    host.on_first_start = on_the_way
    if os.getpid() != 1 and not libc.become_subreaper():
        voice.say("warning", "degraded", "cannot adopt orphans: the kernel refused a subreaper")
    try:
        status = loop.run(host, policy(settings))
    except Exception as error:  # noqa: BLE001  # The edge: PID 1 ends with a word, or not at all.
        voice.say("error", "failed", f"tapwrap itself failed: {error!r}", where=_where(error))
        host.abandon(settings.stop_timeout)
        status = exits.WRAPPER_FAILED
    recorder.end(host.turn, host.last, host.attempts)
    host.flush(LAST_WORDS)
    if run_dir:
        rundir.remove(run_dir)
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


def _where(error: Exception) -> list[str]:
    """The way to the line that failed, without the traceback module."""
    found, step = [], error.__traceback__
    while step is not None:
        found.append(f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}")
        step = step.tb_next
    return found


def _job(settings: Settings, command: list[str], run: Run, capture: frozenset[int]) -> Job:
    return Job(
        command,
        run.service,
        run.id,
        settings.signal_scope,
        capture,
        settings.timeout,
        settings.stop_timeout,
        settings.crash_window,
    )


def _program(command: list[str]) -> str:
    return command[0].rpartition("/")[2] or command[0]
