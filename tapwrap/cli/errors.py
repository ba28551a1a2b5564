"""`tapwrap errors`: what was stored, and what can be done with it."""

from __future__ import annotations

import functools
import os
import sys
import time

import click

from tapwrap.cli import render
from tapwrap.cli.place import locate
from tapwrap.core import durations
from tapwrap.store import archive, clearing, counts, transfer
from tapwrap.store.archive import Ambiguous
from tapwrap.store.filters import Filters, moment, severity_range
from tapwrap.store.following import Follower
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader
from tapwrap.store.trouble import CannotStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Command = Callable[..., Any]

#: How long a person waits for other writers before being told, seconds.
PATIENCE = 10.0

#: How often `tail -f` looks, seconds.
LOOK = 0.25

#: Spans of time that `rates` shows when it is not told since when.
SPANS = 24

STORE = click.option("--db", metavar="PATH", help="The store.  [env var: TAPWRAP_DB]")
FORMAT = click.option(
    "--format",
    "style",
    type=click.Choice(render.FORMATS),
    default="table",
    show_default=True,
    help="How to show it.",
)


class Refused(click.ClickException):
    """What was asked for cannot be done as asked; nothing was changed."""

    exit_code = 2


def several(name: str, text: str) -> Command:
    """An option that may be given more than once; the values combine with OR."""
    return click.option(name, multiple=True, metavar="TEXT", help=text)


FILTERS = (
    click.option("--since", metavar="TIME", help="From then on: 1h, 2d, or 2026-01-31T08:00."),
    click.option("--until", metavar="TIME", help="Before then."),
    several("--severity", "debug, info, warning, error, critical; warning+ means at least."),
    several("--category", "Of this category."),
    several("--code", "With this code."),
    several("--cause", "Why it ended: exit, signal, oom, timeout, …"),
    several("--service", "Of this service."),
    several("--run", "Of this run (an id or its beginning)."),
    several("--request-id", "Of this request."),
    several("--fingerprint", "Like this one (a fingerprint or its beginning)."),
    several("--search", "With this text in the message, the stack or the last lines."),
)


def failing_well(command: Command) -> Command:
    """A command whose expected failures are one sentence on stderr and exit 2 (or 1)."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> object:
        try:
            return command(*args, **options)
        except (Ambiguous, transfer.NotReadable) as error:
            raise Refused(str(error)) from error
        except CannotStore as error:
            asked = error.reason in ("missing", "not_a_store")
            raise (Refused if asked else click.ClickException)(error.sentence) from error

    return run


def stored(command: Command) -> Command:
    """A command with `--db`, which gets the store's path as `db`."""

    @functools.wraps(command)
    def run(db: str | None, **options: Any) -> object:
        return command(db=locate(db or _named_before(), os.environ), **options)

    return STORE(failing_well(run))


def filtered(command: Command) -> Command:
    """A command with the filter options, which it gets as one value, `filters`."""

    @functools.wraps(command)
    def run(**options: Any) -> object:
        now = time.time_ns() // 1000
        given = {name: options.pop(name) for name in Filters.__match_args__}
        try:
            for name in ("since", "until"):
                given[name] = None if given[name] is None else moment(given[name], now)
            for severity in given["severity"]:
                severity_range(severity)
        except ValueError as error:
            raise click.UsageError(str(error), click.get_current_context()) from error
        return command(filters=Filters(**given), **options)

    for option in reversed(FILTERS):
        run = option(run)
    return run


def reading(db: str) -> Reader:
    """The store, opened for reading; what cannot be read of it is said on stderr."""
    reader = Reader(db)
    if reader.warning:
        render.note(reader.warning)
    return reader


@click.group()
@STORE
def errors(db: str | None) -> None:
    """What went wrong: list, count, follow and keep the stored errors."""


@errors.command("list")
@stored
@filtered
@FORMAT
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--before", metavar="ID", help="Go on below this error.")
def list_(db: str, filters: Filters, style: str, limit: int, before: str | None) -> None:
    """The latest errors, newest first."""
    with reading(db) as reader:
        start = None
        if before is not None:
            last = _one(reader, before)
            start = (last.record.time, last.seq)
        found = archive.find(reader.connection, filters, limit + 1, start)
    render.records(found[:limit], style)
    if len(found) > limit and style == "table":
        render.more(found[limit - 1])


@errors.command()
@stored
@FORMAT
@click.argument("identity", metavar="ID")
def show(db: str, identity: str, style: str) -> None:
    """Everything about one error. Either end of its id is enough."""
    with reading(db) as reader:
        found = _one(reader, identity)
        group = archive.group(reader.connection, found.record.fingerprint)
        run = found.record.run_id
        known = archive.run(reader.connection, run) if run else None
    render.record(found, group, known, style)


@errors.command()
@stored
@filtered
@FORMAT
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--sort", type=click.Choice(("last", "count")), default="last", show_default=True)
def groups(db: str, filters: Filters, style: str, limit: int, sort: str) -> None:
    """Errors that are the same error, as one line each."""
    with reading(db) as reader:
        found = archive.groups(reader.connection, filters, limit, sort)
    render.groups(found, style)


@errors.command()
@stored
@filtered
@FORMAT
@click.option("--by", type=click.Choice(counts.BY), default="category", show_default=True)
def stats(db: str, filters: Filters, style: str, by: str) -> None:
    """How many errors of each kind."""
    with reading(db) as reader:
        counted = counts.stats(reader.connection, by, filters)
        losses = counts.losses(reader.connection)
    render.stats(by, counted, losses, style)


@errors.command()
@stored
@filtered
@FORMAT
@click.option("--bucket", default="1h", show_default=True, help="The span of one line: 1m, 1h, 1d.")
def rates(db: str, filters: Filters, style: str, bucket: str) -> None:
    """How many errors over time; by default the last 24 spans."""
    try:
        span = round(durations.parse(bucket) * 1_000_000)
        if span < 1_000_000:
            raise ValueError(f"{bucket!r} is too short: a bucket is one second at least")
    except ValueError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    now = time.time_ns() // 1000
    begin = filters.since if filters.since is not None else (now // span - SPANS + 1) * span
    asked = Filters(**vars(filters) | {"since": begin, "until": filters.until or now + 1})
    if (asked.until or now) - begin > 100_000 * span:
        raise click.UsageError(
            f"{bucket!r} is too short for that span of time", click.get_current_context()
        )
    with reading(db) as reader:
        found = counts.rates(reader.connection, span, asked)
    render.rates(found, style)


@errors.command()
@stored
@filtered
@click.option("--format", "style", type=click.Choice(("table", "jsonl")), default="table")
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), default=10, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
def tail(db: str, filters: Filters, style: str, lines: int, follow: bool) -> None:
    """The latest errors, oldest first, and with -f those that come."""
    follower = Follower(db, filters)
    try:
        for found in follower.latest(lines) if lines else ():
            render.line(found, style)
        while follow:
            for found in follower.poll():
                render.line(found, style)
            time.sleep(LOOK)
    finally:
        follower.close()


@errors.command()
@stored
@filtered
@click.option("--format", "style", type=click.Choice(("jsonl", "csv")), default="jsonl")
@click.option("-o", "--output", metavar="FILE", help="Instead of stdout.")
def export(db: str, filters: Filters, style: str, output: str | None) -> None:
    """All errors that fit, oldest first, complete enough to be imported again."""
    with reading(db) as reader:
        try:
            render.export(archive.every(reader.connection, filters), style, output)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise click.ClickException(
                f"cannot export to {output or 'stdout'}: {error.strerror}"
            ) from error


@errors.command("import")
@STORE
@click.argument("file")
@failing_well
def import_(db: str | None, file: str) -> None:
    """Store what an export holds, or what can be salvaged from a damaged store.

    Importing again changes nothing. The store is made if it is named and not there.
    """
    path = locate(db or _named_before(), os.environ)
    try:
        with Journal(path, patience=PATIENCE, per_minute=None) as journal:
            result = transfer.load(journal, file)
    except OSError as error:
        raise Refused(f"cannot import {file}: {error.strerror}") from error
    render.imported(result)


@errors.command()
@stored
@filtered
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(db: str, filters: Filters, yes: bool) -> None:
    """Forget errors, all or those that fit, and that they were counted."""
    with reading(db) as reader:
        meant = counts.total(reader.connection, filters)
    if not yes:
        if not sys.stdin.isatty():
            raise Refused(f"cannot reset {db} without asking: give --yes")
        if not render.agreed(f"Forget {meant} errors in {db} ({filters})?"):
            raise click.Abort
    with Journal(db, patience=PATIENCE) as journal:
        gone = clearing.reset(journal, filters)
    render.say(f"forgot {gone} errors")


@errors.command()
@stored
@click.option("--older-than", metavar="AGE", help="Delete errors older than this: 30d, 12h.")
@click.option("--max-size", metavar="SIZE", help="Delete the oldest until it fits: 500MB, 2GiB.")
def prune(db: str, older_than: str | None, max_size: str | None) -> None:
    """Delete old errors to save room. What happened stays counted."""
    try:
        age = None if older_than is None else durations.parse(older_than)
        limit = None if max_size is None else bytes_of(max_size)
        if age is None and limit is None:
            raise ValueError("prune needs --older-than, --max-size, or both")
    except ValueError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    # A journal makes what is missing; there is nothing to prune in what is not there.
    reading(db).close()
    with Journal(db, patience=PATIENCE) as journal:
        result = clearing.prune(journal, older_than=age, max_bytes=limit)
    render.pruned(result)


def bytes_of(text: str) -> int:
    """The bytes that `500MB`, `2GiB` or `1000000` mean. Raises ValueError with a sentence."""
    units = {"": 1, "b": 1}
    for power, letter in enumerate("kmgt", 1):
        units |= {letter: 1024**power, letter + "ib": 1024**power, letter + "b": 1000**power}
    digits = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ").strip()
    unit = text.strip()[len(digits) :].strip().lower()
    if not digits.isascii() or not digits.isdigit() or unit not in units:
        raise ValueError(f"{text!r} is not a size: write it like 500MB or 2GiB")
    return int(digits) * units[unit]


def _named_before() -> str | None:
    """The store that `tapwrap errors --db PATH list` names, before the command."""
    parent = click.get_current_context().parent
    return parent.params.get("db") if parent else None


def _one(reader: Reader, identity: str) -> archive.Found:
    found = archive.get(reader.connection, identity)
    if found is None:
        raise Refused(f"cannot find {identity!r}: no error in {reader.path} has that id")
    return found
