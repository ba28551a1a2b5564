"""`tapwrap why`: the last failure, told in one paragraph."""

from __future__ import annotations

import time

import click

from tapwrap.cli import render, telling
from tapwrap.cli.errors import Refused, reading, stored
from tapwrap.store import archive
from tapwrap.store.filters import Filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.store.archive import Found
    from tapwrap.store.entry import RunNote
    from tapwrap.store.reading import Reader


@click.command()
@stored
@click.argument("run", required=False)
def why(db: str, run: str | None) -> None:
    """Why it failed last: what, who, since when, how often, and what to look at.

    RUN is either end of a run's id.
    """
    with reading(db) as reader:
        known = archive.run(reader.connection, run) if run else None
        if run and known is None:
            raise Refused(f"cannot find {run!r}: no run in {reader.path} has that id")
        found = _failure(reader, known)
        if found is None:
            render.paragraph(_nothing(known))
            return
        group = archive.group(reader.connection, found.record.fingerprint)
        if known is None and found.record.run_id:
            known = archive.run(reader.connection, found.record.run_id)
    render.paragraph(telling.paragraph(found.record, group, known, time.time_ns() // 1000))


def _failure(reader: Reader, run: RunNote | None) -> Found | None:
    """The latest error, or where there is none the latest warning."""
    runs = (run.id,) if run else ()
    for severity in ("error+", "warning+"):
        found = archive.find(reader.connection, Filters(severity=(severity,), run=runs), 1)
        if found:
            return found[0]
    return None


def _nothing(run: RunNote | None) -> str:
    if run is None:
        return "Nothing has failed: the store holds no error."
    if run.ended is None:
        return f"Nothing has failed in run {run.id}, which has not ended as far as is known."
    ended = telling.moment(run.ended)
    how = f" with status {run.exit_code}" if run.exit_code is not None else ""
    return f"Nothing has failed in run {run.id}, which ended{how} at {ended}."
