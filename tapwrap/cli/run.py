"""`tapwrap run`: from the options to a running command, by the shortest way there is.

What is imported here is imported before the command runs, and costs every container a
little; tests/cli/test_budget.py holds the list. Everything else comes with `watch`, when the
command is on its way.
"""

from __future__ import annotations

import os
import time

from tapwrap.core import exits
from tapwrap.core.record import uuid7
from tapwrap.core.value import value
from tapwrap.system import inheritance, rundir
from tapwrap.system.cgroup import Group
from tapwrap.system.launching import Launch, launch
from tapwrap.system.spawning import Surroundings
from tapwrap.system.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.cli.options import Settings

CAPTURED = {"none": (), "stderr": (2,), "both": (1, 2)}


@value
class Start:
    """A command on its way, and what was found and decided before it was launched.

    `db` is the absolute path of the store if the user named one, `extra` the descriptors that
    were passed in for the command, `adopts` whether orphaned descendants come to us.
    """

    settings: Settings
    command: list[str]
    run_id: str
    service: str
    db: str | None
    run_dir: str | None
    started: int
    surroundings: Surroundings
    terminal: Terminal
    group: Group
    capture: frozenset[int]
    extra: list[int]
    adopts: bool
    first: Launch


def supervise(settings: Settings, command: list[str], mask: frozenset[int]) -> int:
    """Run a command under supervision; the status to exit with.

    `mask` are the signals that were blocked when we were started. All are blocked now.
    """
    try:
        start = _start(settings, command, mask)
    except OSError as error:
        return _failed(command[0], error)  # Nothing was started.
    try:
        from tapwrap.cli.watch import watch

        return watch(start)
    except Exception as error:  # noqa: BLE001  # The edge: nobody watches, so nothing may run.
        if start.first.child is not None:
            _end(start.first.child.pid)
        return _failed(command[0], error)


def _failed(name: str, error: Exception) -> int:
    """One plain line: there may be no descriptor left to say more."""
    try:
        os.write(2, f"tapwrap: cannot supervise {name}: {error}\n".encode("utf-8", "replace"))
    except OSError:
        pass  # Nobody listens.
    return exits.WRAPPER_FAILED


def _end(child: int) -> None:
    try:
        os.kill(child, exits.KILL)
    except ProcessLookupError:
        pass  # It is gone already.


def _start(settings: Settings, command: list[str], mask: frozenset[int]) -> Start:
    ignored = inheritance.ignored_signals()
    inheritance.reset_signals()
    inheritance.occupy_standard_streams()
    extra = inheritance.extra_descriptors()
    environ = inheritance.environment()
    started = time.time_ns()
    run_id = uuid7(started // 1_000_000, os.urandom(10))
    run_dir = rundir.make(settings.run_base, run_id, environ)
    program = command[0].rpartition("/")[2] or command[0]
    service = settings.service or environ.get("OTEL_SERVICE_NAME") or program
    db = os.path.abspath(settings.db) if settings.db else None
    environ |= {"TAPWRAP_RUN_ID": run_id, "TAPWRAP_SERVICE": service}
    environ |= {"TAPWRAP_DB": db} if db else {}
    environ |= {"TAPWRAP_RUN_DIR": run_dir} if run_dir else {}

    surroundings = Surroundings(environ, mask, ignored)
    terminal, group = Terminal(), Group()
    capture = frozenset(fd for fd in CAPTURED[settings.capture] if not os.isatty(fd))
    adopts = os.getpid() == 1 or _become_subreaper()
    first = launch(command, surroundings, terminal, capture=capture, group=group)
    return Start(
        settings,
        command,
        run_id,
        service,
        db,
        run_dir,
        started // 1000,
        surroundings,
        terminal,
        group,
        capture,
        extra,
        adopts,
        first,
    )


def _become_subreaper() -> bool:
    from tapwrap.system import libc

    return libc.become_subreaper()
