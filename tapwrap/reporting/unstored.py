"""What becomes of a record that no recorder could store: a local copy, and a line to print."""

from __future__ import annotations

import os

from tapwrap.core.jsonline import dumps
from tapwrap.core.record import as_dict, timestamp
from tapwrap.core.scrub import scrub_argv
from tapwrap.reporting.exits import boot_id, record_of, surroundings
from tapwrap.store import spool
from tapwrap.store.entry import RunNote
from tapwrap.store.trouble import CannotStore
from tapwrap.system import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapwrap.core.ending import Ending
    from tapwrap.core.record import ErrorRecord
    from tapwrap.core.run import Run
    from tapwrap.reporting.recorder import Destination


def line(record: ErrorRecord, why: str) -> str:
    """The whole record as one JSON line for stderr."""
    return dumps(
        {
            "timestamp": timestamp(record.time),
            "level": "error",
            "logger": "tapwrap",
            "message": record.message,
            "event": "record",
            "why": why,
            "record": as_dict(record),
        }
    )


def records_of(endings: Sequence[Ending], destination: Destination) -> list[ErrorRecord]:
    """The records of some endings, scrubbed, as they would have been stored."""
    return [record_of(ending, destination.environ) for ending in endings]


def directory(run_dir: str) -> str:
    """Where records wait in the folder of a run."""
    return f"{run_dir}/{rundir.UNSTORED}"


def store_of(run_dir: str) -> object:
    """The store that a run was told to use (None: the default), as its folder says.

    A folder that says nothing gives itself: it is nobody's store.
    """
    import json

    try:
        with open(f"{run_dir}/run.json", encoding="utf-8") as file:
            return json.load(file)["db"]
    except (OSError, ValueError, KeyError, TypeError):
        return run_dir  # It was killed before it could write that down.


def note_of(run: Run, destination: Destination) -> RunNote:
    """What is stored of a run, scrubbed."""
    container_id = surroundings(destination.environ).get("container.id")
    return RunNote(
        id=run.id,
        started=run.started,
        ended=run.ended,
        argv=tuple(scrub_argv(list(run.command))),
        pid=run.pid,
        service=run.service,
        host=os.uname().nodename,
        container_id=str(container_id) if container_id else None,
        boot_id=boot_id() or None,
        exit_code=run.status,
        cause=run.cause,
        attempts=run.attempts,
    )


def spool_locally(
    records: Sequence[ErrorRecord], runs: Sequence[RunNote], run_dir: str | None
) -> bool:
    """Keep records and runs in our own folder, from where a later recorder takes them.

    False when there is no such folder, or no room in it.
    """
    if run_dir is None:
        return False
    try:
        spool.keep(directory(run_dir), "run", records, runs)
    except CannotStore:
        return False
    return True
