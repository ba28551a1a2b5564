"""What cannot be stored waits in the spool, and is stored once, whatever happens between."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.stores import heard, told
from tapwrap.core.record import uuid7
from tapwrap.store import counts, spool
from tapwrap.store.entry import RunNote
from tapwrap.store.filters import Filters
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader
from tapwrap.store.trouble import CannotStore

if TYPE_CHECKING:
    from support.stores import Agree, Make, Start

NAME = spool.writer("host/with strange name", 1, "run")


def test_what_waits_is_stored_with_its_own_time_and_the_spool_is_empty(db: str, make: Make) -> None:
    record = make(stack="s", attributes={"a": [1, {"b": None}]})
    spool.keep(spool.directory(db), NAME, [record], [RunNote("run", 1, argv=("a", "b"))])

    with Journal(db) as journal:
        drained = spool.drain(journal)
        runs = journal.unfinished_runs()

    assert drained == spool.Drained(records=1)
    assert runs == [RunNote("run", 1, argv=("a", "b"))]
    assert os.listdir(spool.directory(db)) == []
    with Reader(db) as reader:
        from tapwrap.store import archive

        assert [each.record for each in archive.every(reader.connection, Filters())] == [record]


def test_a_record_that_was_stored_before_is_known_and_not_stored_again(
    db: str, make: Make, agree: Agree
) -> None:
    records = [make() for _ in range(100)]
    with Journal(db, per_minute=10) as journal:
        journal.append(records)
        spool.keep(spool.directory(db), NAME, records)
        drained = spool.drain(journal)

    assert drained == spool.Drained(known=100)
    assert agree(db) == 100


def test_a_drainer_killed_at_any_moment_duplicates_nothing(
    db: str, make: Make, start: Start, agree: Agree
) -> None:
    records = [make(fingerprint=f"1:{n % 50}") for n in range(4000)]
    spool.keep(spool.directory(db), NAME, records)
    drain = """
import sys
from tapwrap.store import spool
from tapwrap.store.entry import RunNote
from tapwrap.store.journal import Journal
with Journal(sys.argv[1], patience=60) as journal:
    journal.append([])
    print("ready", flush=True)
    sys.stdin.readline()
    print(spool.drain(journal), flush=True)
"""
    for _ in range(4):
        process = start(drain, db)
        heard(process)
        before = occurrences(db)
        told(process, "go")
        # Killed after it has stored something, and before it can have stored all.
        while occurrences(db) == before and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = start(drain, db)
    last.communicate("go\n", timeout=60)

    assert last.returncode == 0
    assert occurrences(db) == 4000
    assert agree(db) == 4000
    assert os.listdir(spool.directory(db)) == []


def occurrences(db: str) -> int:
    connection = sqlite3.connect(db, timeout=30)
    try:
        return int(connection.execute("SELECT coalesce(sum(n), 0) FROM total").fetchone()[0])
    finally:
        connection.close()


def test_a_torn_line_costs_only_itself_and_is_counted_once(
    db: str, make: Make, agree: Agree
) -> None:
    where = spool.directory(db)
    spool.keep(where, NAME, [make()])
    file = Path(where) / f"{NAME}.jsonl"
    half = file.read_bytes()[:100]
    with file.open("ab") as other:
        other.write(half)
    spool.keep(where, NAME, [make()])
    content = file.read_bytes()

    with Journal(db) as journal:
        first = spool.drain(journal)
    claimed = Path(where) / f"{NAME}.jsonl-1.draining"
    claimed.write_bytes(content)
    with Journal(db) as journal:
        spool.drain(journal)

    assert first == spool.Drained(records=2, torn=1)
    assert agree(db) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b'"text"',
        b'{"kind": "mood"}',
        b'{"kind": "record", "id": "x"}',
        b'{"kind": "run", "mood": 1}',
        b'{"kind": "loss", "reason": "x", "n": "many"}',
        b"\xff\xfe",
        b'{"kind": "run", "id": "r", "started": "yesterday"}',
        (
            b'{"kind": "record", "id": 5, "time": "2026-01-31", "severity": "error",'
            b'"category": "", "code": "", "type": "", "message": "", "fingerprint": "",'
            b'"service": ""}'
        ),
    ],
)
def test_a_line_that_means_nothing_does_not_hold_up_the_others(
    db: str, make: Make, agree: Agree, line: bytes
) -> None:
    where = spool.directory(db)
    spool.keep(where, NAME, [make()])
    file = Path(where) / f"{NAME}.jsonl"
    file.write_bytes(line + b"\n" + file.read_bytes())

    with Journal(db) as journal:
        assert spool.drain(journal) == spool.Drained(records=1, torn=1)

    assert agree(db) == 1
    assert os.listdir(where) == []


def test_a_file_that_is_being_drained_is_not_written_to(db: str, make: Make) -> None:
    where = spool.directory(db)
    spool.keep(where, NAME, [make()])
    file = Path(where) / f"{NAME}.jsonl"
    before = file.read_bytes()
    with file.open() as drained:
        fcntl.flock(drained, fcntl.LOCK_EX)
        spool.keep(where, NAME, [make()])

        assert file.read_bytes() == before
        assert len(os.listdir(where)) == 2
    with Journal(db) as journal:
        assert spool.drain(journal).records == 2


def test_a_full_spool_counts_what_it_loses(db: str, make: Make) -> None:
    where = spool.directory(db)
    for _ in range(16):
        spool.keep(where, NAME, [make(stderr_tail="x" * 1_000_000)])
    for _ in range(3):
        with pytest.raises(CannotStore) as caught:
            spool.keep(where, NAME, [make(stderr_tail="x" * 1_000_000) for _ in range(2)])
        assert caught.value.reason == "full"

    assert (Path(where) / f"{NAME}.jsonl").stat().st_size < spool.LARGEST + spool.FOR_LOSSES
    with Journal(db) as journal:
        assert spool.drain(journal).records == 16
    with Reader(db) as reader:
        assert counts.losses(reader.connection) == {"spool_full": 6}


def test_while_the_store_is_locked_the_spool_keeps_what_it_has(
    db: str, make: Make, agree: Agree
) -> None:
    spool.keep(spool.directory(db), NAME, [make()])
    with Journal(db, patience=0.05) as journal:
        journal.append([make()])
        with open(db + ".lock") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(CannotStore):
                spool.drain(journal)
        assert spool.drain(journal).records == 1
    assert agree(db) == 2


def test_an_empty_or_missing_spool_is_nothing_to_do(db: str) -> None:
    with Journal(db) as journal:
        assert spool.drain(journal) == spool.Drained()


def test_a_place_that_cannot_be_written_is_refused_in_words(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStore) as caught:
        spool.keep(str(tmp_path / "file" / "spool"), NAME, [make()])

    assert caught.value.reason == "missing"


def test_a_writers_name_is_a_file_name() -> None:
    assert NAME == "host_with_strange_name-1-run"
    assert "/" not in spool.writer("../../etc", 2, str(uuid7(0, bytes(10))))
