"""The spool: records that could not be stored wait beside the store as JSON lines.

Each writer has a file of its own. Whoever can write to the store again drains all of them;
what was drained and not yet deleted when a crash came is recognised by its ids.
"""

from __future__ import annotations

import fcntl
import os
import time

from tapwrap.core import jsonline
from tapwrap.core.record import ErrorRecord, as_dict
from tapwrap.core.value import value
from tapwrap.store.entry import RUN_COLUMNS, RunNote, note_loss
from tapwrap.store.trouble import CannotStore, explain
from tapwrap.store.validity import wrong_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from tapwrap.store.journal import Journal

#: What one writer may leave, bytes.
LARGEST = 16 * 1024 * 1024

#: Beyond it, only how much was lost is still written down.
FOR_LOSSES = 64 * 1024

#: Lines stored in one transaction while draining.
BATCH = 200

DRAINING = ".draining"


@value
class Drained:
    """What draining brought: records stored or counted, known before, and unreadable lines."""

    records: int = 0
    known: int = 0
    torn: int = 0


def directory(path: str) -> str:
    """Where the spool of a store is."""
    return os.path.abspath(path) + ".spool"


def writer(host: str, pid: int, run_id: str) -> str:
    """A name for a writer's file. Pids repeat between containers; a run's id does not."""
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in host)
    return f"{kept[:64]}-{pid}-{run_id}"


def keep(
    where: str, name: str, records: Sequence[ErrorRecord], runs: Sequence[RunNote] = ()
) -> None:
    """Append records and runs to the file of a writer in a spool directory (made if missing).

    They are on the disk when this returns. Raises CannotStore; when the file has reached
    LARGEST, how many were lost is written down there.
    """
    lines = [line("record", as_dict(record)) for record in records]
    lines += [line("run", vars(run)) for run in runs]
    data = "".join(lines).encode("utf-8", "backslashreplace")
    try:
        descriptor = _open(where, name)
    except OSError as error:
        raise explain(error, "spool to", where) from error
    try:
        size = os.fstat(descriptor).st_size
        full = size + len(data) > LARGEST
        if full:
            data = line("loss", {"reason": "spool_full", "n": len(records)}).encode()
        if size + len(data) <= LARGEST + FOR_LOSSES:
            # A crash may have left half a line; a new one must not be glued to it.
            _write(descriptor, b"\n" + data if size else data)
    except OSError as error:
        raise explain(error, "spool to", where) from error
    finally:
        os.close(descriptor)
    if full:
        raise CannotStore(
            "full", f"cannot spool to {where}: {name} has reached 16 MiB; make the store writable"
        )


def line(kind: str, fields: dict[str, object]) -> str:
    """One line of a spool file."""
    return jsonline.dumps({"kind": kind} | fields) + "\n"


def _open(where: str, name: str) -> int:
    """The writer's file, locked, and not one that is being drained."""
    os.makedirs(where, 0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    number = 0
    while True:
        path = os.path.join(where, f"{name}{f'.{number}' if number else ''}.jsonl")
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_named(descriptor, path):
                return descriptor
        except BlockingIOError:
            number += 1  # It is being drained: another file is there at once.
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _still_named(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fdatasync(descriptor)


def drain(journal: Journal, where: str | None = None) -> Drained:
    """Store what waits in a spool directory (by default the one beside the store).

    Files that somebody else drains or writes right now are left for later. Raises
    CannotStore, with everything not yet stored still in the spool.
    """
    where = directory(journal.path) if where is None else where
    try:
        names = sorted(os.listdir(where))
    except (FileNotFoundError, NotADirectoryError):
        return Drained()
    except OSError as error:
        raise explain(error, "read", where) from error
    total = Drained()
    for name in names:
        if name.endswith((".jsonl", DRAINING)):
            one = _drain_file(journal, os.path.join(where, name))
            total = Drained(
                total.records + one.records, total.known + one.known, total.torn + one.torn
            )
    return total


def _drain_file(journal: Journal, path: str) -> Drained:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Drained()  # Somebody else has drained it.
    except OSError as error:
        raise explain(error, "read", path) from error
    with open(descriptor, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Drained()
        if not _still_named(descriptor, path):
            return Drained()
        try:
            if not path.endswith(DRAINING):
                # From here on its writer opens a new one.
                claimed = f"{path}-{time.time_ns()}{DRAINING}"
                os.rename(path, claimed)
                path = claimed
            drained = _store(journal, file.read(LARGEST + 2 * FOR_LOSSES), os.path.basename(path))
            os.unlink(path)
        except OSError as error:
            raise explain(error, "drain", path) from error
    return drained


def _store(journal: Journal, data: bytes, name: str) -> Drained:
    stored = known = torn = 0
    lines = [(number, each) for number, each in enumerate(data.split(b"\n")) if each.strip()]
    for start in range(0, len(lines), BATCH):
        records: list[ErrorRecord] = []
        runs: list[RunNote] = []
        losses: list[tuple[str, str, int]] = []
        for number, each in lines[start : start + BATCH]:
            item = _read(each)
            if isinstance(item, ErrorRecord):
                records.append(item)
            elif isinstance(item, RunNote):
                runs.append(item)
            else:
                reason, n = item
                torn += reason == "torn"
                losses.append((f"{name}:{number}", reason, n))
        kept = journal.append(records, runs)
        stored += kept.stored + kept.repeated
        known += kept.known
        if losses:
            _count_losses(journal, losses)
    return Drained(stored, known, torn)


def _count_losses(journal: Journal, losses: Sequence[tuple[str, str, int]]) -> None:
    """Count what was lost, once: a line of a file is remembered like a repeat's id."""

    def work(connection: sqlite3.Connection) -> None:
        for key, reason, n in losses:
            added = connection.execute("INSERT OR IGNORE INTO counted(id) VALUES(?)", (key,))
            if added.rowcount:
                note_loss(connection, reason, time.time_ns() // 1000, n)

    journal.change(work)


def _read(data: bytes) -> ErrorRecord | RunNote | tuple[str, int]:
    from json import loads

    from tapwrap.core.record import from_dict

    try:
        fields = loads(data)
        kind = fields.pop("kind")
        if kind == "record":
            record = from_dict(fields)
            return ("torn", 1) if wrong_with(record) else record
        if kind == "run":
            known = {key: fields[key] for key in RUN_COLUMNS if key in fields}
            if isinstance(known.get("argv"), list):
                known["argv"] = tuple(known["argv"])
            run = RunNote(**known)
            return ("torn", 1) if wrong_with(run) else run
        if kind == "loss":
            return str(fields["reason"]), int(fields["n"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # The writer died in the middle of this line, or the disk filled up there.
        return "torn", 1
    return "torn", 1
