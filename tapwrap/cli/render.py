"""Everything that is printed. Tables are drawn by rich on a terminal, and plain when piped."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import textwrap

import click

from tapwrap.cli import telling
from tapwrap.core import signals
from tapwrap.core.record import severity_name, timestamp
from tapwrap.store import transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

    from tapwrap.store.archive import Found, Group
    from tapwrap.store.clearing import Pruned
    from tapwrap.store.counts import Rate
    from tapwrap.store.entry import RunNote
    from tapwrap.store.transfer import Imported

FORMATS = ("table", "json", "jsonl", "csv")

_LIST = ("TIME", "SEVERITY", "CODE", "SERVICE", "ID", "MESSAGE")

#: Columns that are of no use when cut off.
_WHOLE = ("TIME", "LAST SEEN", "FIRST SEEN", "SEVERITY", "ID", "N", "SHARE", "FINGERPRINT")

_COLOURS = {
    "critical": "bold red",
    "error": "red",
    "warning": "yellow",
    "info": "cyan",
    "debug": "dim",
}

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def usage(text: str) -> None:
    """Show how a command is used, to somebody who left out the rest."""
    print(text, file=sys.stderr)


def complain(sentence: str) -> None:
    """Say on stderr what could not be done."""
    print(f"tapwrap: {sentence}", file=sys.stderr)


def note(sentence: str) -> None:
    """Say on stderr what is good to know besides the result."""
    print(f"tapwrap: {sentence}", file=sys.stderr)


def say(sentence: str) -> None:
    """Say what was done."""
    print(sentence)


def agreed(question: str) -> bool:
    """Ask a person. Raises click.Abort at Ctrl-C or the end of input."""
    return click.confirm(question, default=False, err=True)


def records(found: Sequence[Found], style: str) -> None:
    """Records in a format, in the order given."""
    if style == "table":
        table(_LIST, [_cells(each) for each in found], "There are no such errors.")
    else:
        structured([transfer.as_fields(each) for each in found], style, found)


def line(found: Found, style: str) -> None:
    """One record of many that come one after the other, out at once."""
    if style == "jsonl":
        print(json.dumps(transfer.as_fields(found)), flush=True)
        return
    print("  ".join(_cells(found)), flush=True)


def more(found: Found) -> None:
    """Say how to go on below the last record of a list."""
    note(f"there are more: --before {telling.short(found.record.id)}")


def structured(
    items: Sequence[Mapping[str, object]], style: str, found: Sequence[Found] | None = None
) -> None:
    """Items as one JSON array, as JSON lines, or as CSV."""
    if style == "json":
        print(json.dumps(list(items), indent=2))
    elif style == "jsonl":
        for item in items:
            print(json.dumps(item))
    elif found is not None:
        _csv(sys.stdout, transfer.COLUMNS, map(transfer.to_row, found))
    else:
        names = list(items[0]) if items else []
        _csv(sys.stdout, names, ([item[name] for name in names] for item in items))


def export(found: Iterable[Found], style: str, path: str | None) -> int:
    """Write records, one at a time, to a file or stdout. Returns how many."""
    if path is None:
        return _export(found, style, sys.stdout)
    with open(path, "w", encoding="utf-8", newline="") as file:
        return _export(found, style, file)


def _export(found: Iterable[Found], style: str, file: TextIO) -> int:
    count = 0
    writer = csv.writer(file, lineterminator="\n")
    if style == "csv":
        writer.writerow(transfer.COLUMNS)
    for each in found:
        if style == "csv":
            writer.writerow(transfer.to_row(each))
        else:
            file.write(json.dumps(transfer.as_fields(each)) + "\n")
        count += 1
    file.flush()
    return count


def record(found: Found, group: Group | None, run: RunNote | None, style: str) -> None:
    """Everything about one record."""
    if style != "table":
        structured([transfer.as_fields(found)], "jsonl" if style == "jsonl" else style, [found])
        return
    one = found.record
    print(visible(telling.cause(one)))
    if advice := telling.advice(one):
        print(advice)
    print()
    facts: list[tuple[str, object]] = [
        ("id", one.id),
        ("time", timestamp(one.time)),
        ("severity", severity_name(one.severity)),
        ("category", one.category),
        ("code", one.code),
        ("cause", one.cause),
        ("service", one.service),
        ("type", one.type),
        ("message", one.message),
        ("exit code", one.exit_code),
        (
            "signal",
            f"{one.signal} ({signals.name(one.signal)})" if one.signal is not None else None,
        ),
        ("handled", "yes" if one.handled else None),
        ("repeats", f"stands for {found.repeat} occurrences" if found.repeat > 1 else None),
        ("run", one.run_id),
        ("request", one.request_id),
        ("trace", one.trace_id),
        ("span", one.span_id),
        ("fingerprint", one.fingerprint),
    ]
    if group is not None:
        first, last = telling.moment(group.first_seen), telling.moment(group.last_seen)
        facts.append(
            ("happened", "once" if group.n == 1 else f"{group.n} times, {first} to {last}")
        )
    if run is not None:
        facts += [
            ("command", " ".join(run.argv) if run.argv else None),
            ("run began", telling.moment(run.started)),
            ("run ended", telling.moment(run.ended) if run.ended is not None else None),
        ]
    hidden = ("tapwrap.stdout_tail",)
    facts += [(name, _said(item)) for name, item in one.attributes.items() if name not in hidden]
    pairs(facts)
    section("Stack", one.stack)
    section("Last lines of stderr", one.stderr_tail)
    section("Last lines of stdout", one.attributes.get("tapwrap.stdout_tail"))


def pairs(facts: Sequence[tuple[str, object]]) -> None:
    """Names and what they are, those without left out."""
    known = [(name, str(item)) for name, item in facts if item not in (None, "")]
    width = max((len(name) for name, _ in known), default=0)
    for name, text in known:
        print(f"{name:<{width}}  " + visible(text).replace("\n", "\n" + " " * (width + 2)))


def section(title: str, text: object) -> None:
    """A heading and a text under it, unless there is none."""
    if text:
        print(f"\n{title}:")
        print(textwrap.indent(visible(str(text)).rstrip("\n"), "  "))


def groups(found: Sequence[Group], style: str) -> None:
    """Issues in a format."""
    if style != "table":
        items = [
            {
                "fingerprint": each.fingerprint,
                "title": each.title,
                "type": each.type,
                "severity": severity_name(each.severity),
                "count": each.n,
                "first_seen": timestamp(each.first_seen),
                "last_seen": timestamp(each.last_seen),
            }
            for each in found
        ]
        structured(items, style)
        return
    # On a narrow terminal the message says more than when it was first seen.
    narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < 110
    heading: tuple[str, ...] = (
        "LAST SEEN",
        "FIRST SEEN",
        "SEVERITY",
        "N",
        "FINGERPRINT",
        "MESSAGE",
    )
    rows: list[tuple[str, ...]] = [
        (
            telling.moment(each.last_seen),
            telling.moment(each.first_seen),
            severity_name(each.severity),
            str(each.n),
            each.fingerprint[:10],
            visible(telling.first_line(each.title) or each.type),
        )
        for each in found
    ]
    if narrow:
        heading = heading[:1] + heading[2:]
        rows = [row[:1] + row[2:] for row in rows]
    table(heading, rows, "There are no such errors.")


def stats(by: str, counted: Mapping[str, int], losses: Mapping[str, int], style: str) -> None:
    """How many for each value."""
    if style != "table":
        structured([{by: name, "count": n} for name, n in counted.items()], style)
        return
    total = sum(counted.values())
    rows = [(visible(name) or "-", str(n), f"{n / total:.1%}") for name, n in counted.items()]
    table((by.upper(), "N", "SHARE"), rows, "There are no such errors.")
    if rows:
        print(f"{total} in all")
    for reason, n in losses.items():
        note(f"{n} records are gone for good ({reason})")


def rates(found: Sequence[Rate], style: str) -> None:
    """How many over time, with a bar for each span."""
    if style != "table":
        structured([{"start": timestamp(each.start), "count": each.n} for each in found], style)
        return
    if not found:
        print("There are no such errors.")
        return
    most = max(each.n for each in found)
    digits = len(str(most))
    room = max(min(shutil.get_terminal_size().columns - 24 - digits, 60), 10)
    for each in found:
        drawn = bar(each.n, most, room)
        print(f"{telling.moment(each.start)}  {each.n:>{digits}}  {drawn}".rstrip())


def bar(n: int, most: int, room: int) -> str:
    """A bar as long as `n` is to `most`; anything above nothing can be seen."""
    if not most or n <= 0:
        return ""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    if encoding != "utf8":
        return "#" * max(round(n / most * room), 1)
    whole, part = divmod(max(round(n / most * room * 8), 1), 8)
    return _EIGHTHS[8] * whole + _EIGHTHS[part].strip()


def imported(result: Imported) -> None:
    """What an import brought."""
    say(f"imported {result.records} records; {result.known} were there already")
    if result.unreadable:
        note(f"{result.unreadable} records were damaged and could not be read")


def pruned(result: Pruned) -> None:
    """What pruning took away."""
    say(
        f"deleted {result.records} records and {result.runs} runs; the file is "
        f"{telling.size(result.bytes)} smaller"
    )


def paragraph(text: str) -> None:
    """A paragraph, wrapped for a person who reads it on a terminal."""
    text = visible(text).replace("\n", " ")
    if sys.stdout.isatty():
        columns = min(shutil.get_terminal_size().columns, 100)
        text = textwrap.fill(text, columns, break_long_words=False)
    print(text)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], otherwise: str) -> None:
    """Columns under a heading, or a sentence when there are no rows."""
    if not rows:
        note(otherwise)
    elif sys.stdout.isatty():
        _drawn(heading, rows)
    else:
        widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
        for row in (heading, *rows):
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip())


def _drawn(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # Only here: a pipe does not need rich, and rich takes longer to import than a query.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(heading):
        widest = max(len(row[number]) for row in rows)
        drawn.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            min_width=max(widest, len(name)) if name in _WHOLE else None,
            justify="right" if name == "N" else "left",
            ratio=1 if name == "MESSAGE" else None,
        )
    drawn.expand = heading[-1] == "MESSAGE"
    for row in rows:
        # Text, not str: a message with [brackets] in it is not markup.
        drawn.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    # rich takes NO_COLOR to mean no colours; bold and dim are not wanted there either.
    plain = bool(os.environ.get("NO_COLOR"))
    Console(color_system=None if plain else "auto", highlight=False).print(drawn)


def _cells(found: Found) -> tuple[str, ...]:
    one = found.record
    times = f"(x{found.repeat}) " if found.repeat > 1 else ""
    return (
        telling.moment(one.time),
        severity_name(one.severity),
        visible(one.code or one.cause or "-"),
        visible(one.service) or "-",
        telling.short(one.id),
        times + visible(telling.first_line(one.message) or one.type),
    )


def _csv(file: TextIO, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(rows)


def _said(item: object) -> str:
    return item if isinstance(item, str) else json.dumps(item)


def visible(text: str) -> str:
    r"""Text that cannot move the cursor or colour a terminal: ESC is shown as \x1b.

    Line breaks and tabs stay. What a dying program wrote is not trusted with a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in "\n\t"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
