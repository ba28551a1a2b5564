"""The journal keeps every record, whatever happens to it, its file and its neighbours."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import stat
from pathlib import Path

import pytest

from support.stores import Agree, Make, Start, heard, ids
from tapwrap.store import schema
from tapwrap.store.entry import RunNote
from tapwrap.store.journal import Journal, Kept
from tapwrap.store.trouble import CannotStore


def test_a_new_store_is_ours_private_and_can_shrink(db: str, make: Make) -> None:
    before = os.umask(0)
    try:
        with Journal(db) as journal:
            journal.append([make()])
            modes = {
                each.name: stat.S_IMODE(each.stat().st_mode) for each in Path(db).parent.iterdir()
            }
    finally:
        os.umask(before)

    connection = sqlite3.connect(db)
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version", "auto_vacuum", "journal_mode")
    }
    connection.close()
    assert pragmas == {
        "application_id": schema.APPLICATION_ID,
        "user_version": 1,
        "auto_vacuum": 2,
        "journal_mode": "wal",
    }
    assert set(modes.values()) == {0o600}
    assert {"errors.db", "errors.db-wal", "errors.db-shm", "errors.db.lock"} <= set(modes)
    assert stat.S_IMODE(Path(db).parent.stat().st_mode) == 0o700


def test_a_umask_that_forbids_everything_does_not_lock_us_out(db: str, make: Make) -> None:
    before = os.umask(0o777)
    try:
        with Journal(db) as journal:
            journal.append([make()])
    finally:
        os.umask(before)

    assert stat.S_IMODE(Path(db).stat().st_mode) == 0o600


def test_everything_of_a_record_comes_back(db: str, make: Make) -> None:
    from tapwrap.store import archive
    from tapwrap.store.filters import Filters
    from tapwrap.store.reading import Reader

    record = make(
        monotonic=1.5,
        run_id="r",
        exit_code=3,
        signal=9,
        handled=True,
        request_id="q",
        trace_id="t",
        span_id="s",
        stack="a\nb",
        stderr_tail="c\0d\u20ac",
        attributes={"process.pid": 7, "process.command_args": ["a", "b"], "x": {"y": None}},
    )
    with Journal(db) as journal:
        journal.append([record])

    with Reader(db) as reader:
        (found,) = archive.every(reader.connection, Filters())
    assert found.record == record


def test_bytes_that_are_not_utf8_and_values_that_are_not_json_do_not_cost_a_record(
    db: str, make: Make, agree: Agree
) -> None:
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")
    with Journal(db) as journal:
        kept = journal.append([make(message=odd, stack=odd, attributes={odd: odd, "o": object})])

    assert kept == Kept(stored=1)
    assert agree(db) == 1


def test_a_record_handed_in_twice_is_kept_once(db: str, make: Make, agree: Agree) -> None:
    record = make()
    with Journal(db) as journal:
        first = journal.append([record, record])
        again = journal.append([record])

    assert (first, again) == (Kept(stored=1, known=1), Kept(known=1))
    assert agree(db) == 1


def test_repeats_beyond_the_limit_are_counted_and_not_stored(
    db: str, make: Make, agree: Agree
) -> None:
    records = [make() for _ in range(1000)]
    with Journal(db, per_minute=60) as journal:
        kept = journal.append(records)
        again = journal.append(records)

    assert (kept.stored, kept.repeated) == (60, 940)
    assert again == Kept(known=1000)
    assert len(ids(db)) == 60
    assert agree(db) == 1000


def test_the_next_minute_and_another_error_have_room_of_their_own(
    db: str, make: Make, agree: Agree
) -> None:
    with Journal(db, per_minute=2) as journal:
        for shift in (0, 0, 0, 61_000_000):
            journal.append([make(time=make().time + shift)])
        journal.append([make(fingerprint="1:other")])

    assert len(ids(db)) == 4
    assert agree(db) == 5


def test_a_clock_that_jumps_back_loses_nothing(db: str, make: Make, agree: Agree) -> None:
    hour = 3_600_000_000
    with Journal(db) as journal:
        journal.append([make(time=make().time - shift) for shift in (0, hour, 2 * hour, 0)])

    assert agree(db) == 4


def test_four_writers_lose_nothing_and_all_counters_agree(
    db: str, start: Start, writer: str, agree: Agree
) -> None:
    writers = [start(writer, db, "2500", "1", f"w{n}") for n in range(4)]
    said = [process.communicate(timeout=300) for process in writers]

    assert [process.returncode for process in writers] == [0, 0, 0, 0], said
    acknowledged = {line for out, _ in said for line in out.split()[1:]}
    assert len(acknowledged) == 10_000
    assert set(ids(db)) == acknowledged
    assert agree(db) == 10_000


def test_a_writer_killed_at_any_moment_has_stored_what_it_acknowledged(
    db: str, start: Start, writer: str, agree: Agree
) -> None:
    process = start(writer, db, "100000", "1", "w")
    acknowledged = [heard(process) for _ in range(200)][1:]
    process.kill()
    acknowledged += [line for line in process.communicate()[0].split() if len(line) == 36]

    with Journal(db) as journal:
        assert journal.unfinished_runs() == []
    stored = set(ids(db))
    assert set(acknowledged) <= stored
    assert agree(db) == len(stored)


def test_a_copy_taken_at_any_moment_holds_what_was_acknowledged(
    db: str, start: Start, writer: str, agree: Agree, tmp_path: Path
) -> None:
    process = start(writer, db, "100000", "3", "w")
    acknowledged: list[str] = []
    heard(process)
    for number in range(25):
        acknowledged += [heard(process) for _ in range(60)]
        # Stopped in the middle of whatever it does, and the disk as it is right then.
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        copy = tmp_path / f"copy{number}"
        copy.mkdir()
        for part in Path(db).parent.iterdir():
            (copy / part.name).write_bytes(part.read_bytes())
        os.kill(process.pid, signal.SIGCONT)

        stored = set(ids(str(copy / "errors.db")))
        assert set(acknowledged) <= stored
        assert agree(str(copy / "errors.db")) == len(stored)


def test_a_lock_that_others_hold_is_waited_for_only_so_long(db: str, make: Make) -> None:
    with Journal(db, patience=0.1) as journal:
        journal.append([make()])
        with open(db + ".lock") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(CannotStore) as caught:
                journal.append([make()])
        assert caught.value.reason == "locked"
        assert journal.append([make()]).stored == 1


def test_a_stranger_who_locks_the_database_itself_is_waited_for_only_so_long(
    db: str, make: Make
) -> None:
    with Journal(db, patience=0.1) as journal:
        journal.append([make()])
        stranger = sqlite3.connect(db, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(CannotStore) as caught:
            journal.append([make()])
        stranger.execute("ROLLBACK")
        stranger.close()
        assert caught.value.reason == "locked"
        assert journal.append([make()]).stored == 1
    assert len(ids(db)) == 2


def test_a_deleted_store_is_made_anew_and_gets_the_next_record(
    db: str, make: Make, agree: Agree
) -> None:
    second = make()
    with Journal(db) as journal:
        journal.append([make()])
        for part in Path(db).parent.iterdir():
            part.unlink()
        journal.append([second])

    assert ids(db) == [second.id]
    assert agree(db) == 1


def test_a_replaced_store_gets_the_next_record(db: str, make: Make, tmp_path: Path) -> None:
    second = make()
    other = str(tmp_path / "other.db")
    with Journal(other) as journal:
        journal.append([make()])
    with Journal(db) as journal:
        journal.append([make()])
        os.rename(other, db)
        journal.append([second])

    assert second.id in ids(db)
    assert len(ids(db)) == 2


def test_a_damaged_store_is_set_aside_and_recording_goes_on(
    db: str, make: Make, agree: Agree
) -> None:
    with Journal(db) as journal:
        journal.append([make(stack=f"{n}" * 900, fingerprint=f"1:{n}") for n in range(300)])
    size = os.path.getsize(db)
    with open(db, "r+b") as file:
        for page in range(2, size // 4096, 3):
            file.seek(page * 4096)
            file.write(os.urandom(4096))

    record = make()
    with Journal(db, check=True) as journal:
        kept = journal.append([record])

    assert kept.stored == 1
    assert kept.set_aside is not None
    assert os.path.getsize(kept.set_aside) == size
    assert ids(db) == [record.id]
    assert agree(db) == 1


def test_two_damaged_stores_are_both_kept(db: str, make: Make) -> None:
    aside = set()
    for _ in range(2):
        with Journal(db) as journal:
            journal.append([make()])
        with open(db, "r+b") as file:
            file.write(b"this is no longer a database at all")
        with Journal(db) as journal:
            aside.add(journal.append([make()]).set_aside)

    assert len(aside) == 2
    assert all(path and os.path.exists(path) for path in aside)


@pytest.mark.parametrize("content", [b"my diary, which is not yours\n" * 50, None])
def test_what_belongs_to_others_is_not_touched(db: str, make: Make, content: bytes | None) -> None:
    Path(db).parent.mkdir()
    if content is None:
        connection = sqlite3.connect(db)
        connection.execute("CREATE TABLE diary(day)")
        connection.commit()
        connection.close()
    else:
        Path(db).write_bytes(content)
    before = Path(db).read_bytes()

    with pytest.raises(CannotStore) as caught, Journal(db) as journal:
        journal.append([make()])

    assert caught.value.reason == "not_a_store"
    assert Path(db).read_bytes() == before
    assert [each.name for each in Path(db).parent.iterdir()] == ["errors.db"]


def test_a_directory_in_the_way_is_not_a_store(db: str, make: Make) -> None:
    Path(db).mkdir(parents=True)

    with pytest.raises(CannotStore) as caught, Journal(db) as journal:
        journal.append([make()])

    assert caught.value.reason == "not_a_store"


def test_a_newer_schema_is_not_written_to(db: str, make: Make) -> None:
    with Journal(db) as journal:
        journal.append([make()])
    connection = sqlite3.connect(db)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = Path(db).read_bytes()

    with pytest.raises(CannotStore) as caught, Journal(db) as journal:
        journal.append([make()])

    assert caught.value.reason == "newer_schema"
    assert "schema 99" in str(caught.value)
    assert Path(db).read_bytes() == before


def test_a_file_where_the_directory_should_be_is_missing(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStore) as caught, Journal(str(tmp_path / "file" / "e.db")) as journal:
        journal.append([make()])

    assert caught.value.reason == "missing"


def test_parent_and_child_of_a_fork_both_store(db: str, make: Make, agree: Agree) -> None:
    with Journal(db, patience=10, per_minute=None) as journal:
        journal.append([make()])
        for _ in range(20):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    journal.append([make()])
                    journal.close()
                    status = 0
                finally:
                    os._exit(status)
            journal.append([make()])
            assert os.waitpid(child, 0)[1] == 0

    assert agree(db) == 41


def test_a_run_is_unfinished_until_its_end_is_noted(db: str) -> None:
    with Journal(db) as journal:
        journal.append([], [RunNote("r1", 5, argv=("sh", "-c", ""), pid=7, service="api")])
        journal.append([], [RunNote("r2", 6)])
        journal.append([], [RunNote("r2", 6, ended=9, exit_code=0, cause="exit")])

        assert journal.unfinished_runs() == [
            RunNote("r1", 5, argv=("sh", "-c", ""), pid=7, service="api")
        ]


def test_a_long_log_is_written_back_by_the_writer(db: str, make: Make) -> None:
    with Journal(db, per_minute=None) as journal:
        for _ in range(60):
            journal.append([make(stderr_tail="x" * 100_000) for _ in range(4)])
            assert os.path.getsize(db + "-wal") < 12 * 1024 * 1024


def test_a_reader_who_stays_does_not_stop_writers(db: str, make: Make) -> None:
    with Journal(db, per_minute=None) as journal:
        journal.append([make()])
        reader = sqlite3.connect(db, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM error").fetchone()
        for _ in range(60):
            assert journal.append([make(stderr_tail="x" * 100_000)]).stored == 1
        reader.close()


def test_a_store_with_a_size_limit_stays_below_it_and_keeps_the_severe(
    db: str, make: Make, agree: Agree
) -> None:
    limit = 3 * 1024 * 1024
    severe = make(severity=21)
    newest = severe
    with Journal(db, per_minute=None, max_bytes=limit) as journal:
        journal.append([severe])
        for start in range(60):
            newest = make(severity=13, time=make().time + start * 1_000_000, stderr_tail="x" * 9000)
            journal.append(
                [make(severity=13, stderr_tail="x" * 9000) for _ in range(20)] + [newest]
            )
            assert os.path.getsize(db) <= limit

    assert {severe.id, newest.id} <= set(ids(db))
    assert agree(db) == 1 + 60 * 21


@pytest.mark.parametrize(
    "changes",
    [
        {"time": 1.5},
        {"exit_code": 2**70},
        {"severity": True},
        {"message": None},
        {"service": 7},
        {"handled": 1},
        {"monotonic": "soon"},
        {"attributes": ["a"]},
    ],
)
def test_what_is_no_record_is_refused_and_the_store_is_left_as_it_was(
    db: str, make: Make, agree: Agree, changes: dict[str, object]
) -> None:
    with Journal(db) as journal:
        journal.append([make()])
        with pytest.raises(ValueError, match="cannot store "):
            journal.append([make(), make(**changes)])

    assert agree(db) == 1
    assert len(list(Path(db).parent.glob("*.corrupt*"))) == 0
