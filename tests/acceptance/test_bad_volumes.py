"""Bad volumes: nothing happens to the command, and no record is lost."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from support.environment import stand_in
from support.namespaces import children
from support.records import causes, events, only, printed, records
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces
    from support.running import Result
    from support.volumes import NetworkVolume, SmallVolume

FAIL = ["sh", "-c", "echo no luck >&2; exit 3"]
#: Long enough that the wrapper looks for what earlier ones could not store.
WELL = ["sleep", "0.5"]


def fail(namespace: Namespaces, db: Path) -> Result:
    """One failure whose record belongs into this database."""
    return namespace.run("tapwrap", "run", "--db", str(db), "--", *FAIL)


def go_well(namespace: Namespaces, db: Path) -> None:
    """One run that ends well, when the volume works again."""
    assert namespace.run("tapwrap", "run", "--db", str(db), "--", *WELL).status == 0


def check(result: Result) -> str:
    """It failed as it would have on a good volume, and printed its record; the record's id."""
    assert result.status == 3
    assert result.seconds < 6
    (record,) = printed(result.stderr)
    assert (record["cause"], record["stderr_tail"]) == ("exit", "no luck\n")
    return str(record["id"])


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_read_only_volume(namespace: Namespaces, small_volume: SmallVolume, known: bool) -> None:
    db = small_volume.path / "errors.db"
    if known:
        go_well(namespace, db)
    small_volume.make_read_only()

    identity = check(fail(namespace, db))
    small_volume.make_writable()
    go_well(namespace, db)
    go_well(namespace, db)

    assert [each["id"] for each in records(db)] == [identity]


def test_a_full_volume(namespace: Namespaces, small_volume: SmallVolume) -> None:
    db = small_volume.path / "errors.db"
    small_volume.fill()

    identity = check(fail(namespace, db))
    small_volume.free()
    go_well(namespace, db)
    go_well(namespace, db)

    assert [each["id"] for each in records(db)] == [identity]


@pytest.fixture
def larger_volume(small_volume: SmallVolume) -> SmallVolume:
    """A volume with room for the reserve that a store keeps for the day when it is full."""
    small_volume.resize("12m")
    return small_volume


def test_a_volume_that_fills_up_later_has_room_for_the_last_record(
    namespace: Namespaces, larger_volume: SmallVolume
) -> None:
    db = larger_volume.path / "errors.db"
    go_well(namespace, db)
    larger_volume.fill()

    result = fail(namespace, db)

    assert (result.status, printed(result.stderr), causes(db)) == (3, [], ["exit"])


def test_a_folder_that_does_not_exist_is_made(namespace: Namespaces, tmp_path: Path) -> None:
    db = tmp_path / "missing" / "deeper" / "errors.db"

    assert (fail(namespace, db).status, causes(db)) == (3, ["exit"])


def test_a_file_where_the_folder_should_be(namespace: Namespaces, tmp_path: Path) -> None:
    (tmp_path / "missing").write_text("")
    db = tmp_path / "missing" / "errors.db"

    result = fail(namespace, db)
    identity = check(result)
    (tmp_path / "missing").unlink()
    go_well(namespace, db)

    assert b"the directory does not exist" in result.stderr
    assert [each["id"] for each in records(db)] == [identity]


def test_a_file_of_somebody_else(namespace: Namespaces, tmp_path: Path) -> None:
    db = tmp_path / "errors.db"
    db.write_text("my diary, which is not yours\n" * 100)
    diary = db.read_bytes()

    check(fail(namespace, db))

    assert db.read_bytes() == diary


def test_a_folder_in_the_way(namespace: Namespaces, tmp_path: Path) -> None:
    (tmp_path / "errors.db").mkdir()

    check(fail(namespace, tmp_path / "errors.db"))


def test_a_newer_store(namespace: Namespaces, tmp_path: Path) -> None:
    db = tmp_path / "errors.db"
    fail(namespace, db)
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA user_version=99")

    result = fail(namespace, db)

    check(result)
    assert b"a newer tapwrap wrote it" in result.stderr
    assert len(records(db)) == 1


def test_a_damaged_store_is_set_aside(namespace: Namespaces, tmp_path: Path) -> None:
    db = tmp_path / "errors.db"
    fail(namespace, db)
    with db.open("r+b") as file:
        file.write(b"\xff" * 100_000)

    result = fail(namespace, db)

    assert (result.status, causes(db)) == (3, ["exit"])
    assert b"was damaged; it was set aside" in result.stderr
    (aside,) = tmp_path.glob("errors.db.*corrupt*")
    assert aside.read_bytes().startswith(b"\xff" * 100)


def test_a_store_that_is_deleted_while_the_command_runs_is_made_anew(
    namespace: Namespaces, tmp_path: Path
) -> None:
    db = tmp_path / "volume" / "errors.db"
    db.parent.mkdir()
    options = ["--db", str(db), "--restart", "on-failure:1", "--backoff", "1ms"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", *stand_in("servant", "bad", 3))
    wrapper.until(b"bad ready")
    eventually(lambda: any(db.parent.glob("errors.db.runs/*")))

    for each in db.parent.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    wrapper.signal("TERM")

    assert (wrapper.wait().status, causes(db)) == (3, ["exit"])


@contextmanager
def locked(db: Path) -> Iterator[None]:
    """Hold the lock of a store, as a writer does that hangs."""
    with open(f"{db}.lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def in_transaction(db: Path) -> Iterator[None]:
    """Hold SQLite's own lock, as a stranger's tool may."""
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("held", [locked, in_transaction])
def test_a_lock_that_is_held_for_long(
    namespace: Namespaces, tmp_path: Path, held: Callable[[Path], AbstractContextManager[None]]
) -> None:
    db = tmp_path / "errors.db"
    go_well(namespace, db)

    with held(db):
        identity = check(fail(namespace, db))
    go_well(namespace, db)
    go_well(namespace, db)

    assert [each["id"] for each in records(db)] == [identity]


def test_a_lock_that_is_held_while_the_command_runs(namespace: Namespaces, tmp_path: Path) -> None:
    db = tmp_path / "errors.db"
    go_well(namespace, db)
    options = ["--restart", "on-failure:1", "--backoff", "1h", "--backoff-max", "1h"]

    with locked(db):
        wrapper = namespace.start("tapwrap", "run", "--db", str(db), *options, "--", *FAIL)
        wrapper.until_error(b'"event": "record"', within=20)
    wrapper.until_error(b"1 kept back until now", within=20)
    wrapper.signal("TERM")

    assert (wrapper.wait().status, causes(db)) == (3, ["exit"])


def test_a_volume_that_nobody_may_write_to(container: Containers, volume: Path) -> None:
    volume.chmod(0o700)
    command = ["tapwrap", "run", "--db", "/data/errors.db", "--", *FAIL]

    result = container.run(*command, options=["--user", "65534:65534"], volume=volume)

    check(result)
    assert b"permission is denied" in result.stderr
    assert list(volume.iterdir()) == []


def test_a_volume_that_hangs_from_the_start(
    namespace: Namespaces, network_volume: NetworkVolume
) -> None:
    db = network_volume.path / "errors.db"
    network_volume.hang()

    identity = check(fail(namespace, db))
    network_volume.recover()
    go_well(namespace, db)
    go_well(namespace, db)

    assert [each["id"] for each in records(db)] == [identity]


def test_a_volume_that_hangs_later_holds_up_neither_signals_nor_restarts(
    namespace: Namespaces, network_volume: NetworkVolume
) -> None:
    db = network_volume.path / "errors.db"
    again = ["--restart", "on-failure", "--crash-limit", "0", "--backoff", "700ms"]
    quick = ["--backoff-max", "700ms"]
    command = ["sh", "-c", "echo start; exit 3"]
    wrapper = namespace.start("tapwrap", "run", "--db", str(db), *again, *quick, "--", *command)
    wrapper.until_error(b'"event": "stored".*"event": "stored"')
    # What the server has taken up already is waited for even by those who are killed, and
    # PID 1 is not gone before they are.
    eventually(lambda: not children(wrapper.pid))

    network_volume.hang()
    wrapper.until_error(b'("event": "exited".*){5}"event": "restarting"', within=20)
    wrapper.signal("TERM")
    result = wrapper.wait(within=10)
    network_volume.recover()
    go_well(namespace, db)

    assert events(result.stderr).count("exited") == result.stdout.count(b"start\n")
    # The last may have been ended by the stop, as asked, which is no failure.
    exited = [line for line in result.stderr.splitlines() if b'"event": "exited"' in line]
    failed = sum(b'"error_id"' in line for line in exited)
    stored = {each["id"] for each in records(db)}
    assert len(stored) + repeats(db) == failed
    assert {each["id"] for each in printed(result.stderr)} != set()


def repeats(db: Path) -> int:
    """How many were counted and not stored, because there were so many."""
    return sum(each["repeat"] - 1 for each in records(db))


def test_a_run_that_ends_on_a_read_only_volume_is_not_taken_for_killed(
    namespace: Namespaces, small_volume: SmallVolume
) -> None:
    db = small_volume.path / "errors.db"
    command = stand_in("servant", "good")
    wrapper = namespace.start("tapwrap", "run", "--db", str(db), "--", *command)
    eventually(lambda: any(small_volume.path.glob("errors.db.runs/*")))
    eventually(lambda: len(children(wrapper.pid)) == 1)

    small_volume.make_read_only()
    wrapper.signal("TERM")
    assert wrapper.wait().status == 0
    small_volume.make_writable()
    go_well(namespace, db)

    assert records(db) == []


def test_a_good_volume_gets_each_record_once_even_if_the_spool_was_there_before(
    namespace: Namespaces, small_volume: SmallVolume
) -> None:
    db = small_volume.path / "errors.db"
    go_well(namespace, db)
    small_volume.make_read_only()
    identities = [check(fail(namespace, db)) for _ in range(3)]
    small_volume.make_writable()

    assert fail(namespace, db).status == 3
    go_well(namespace, db)

    assert len(records(db)) == 4
    assert set(identities) < {each["id"] for each in records(db)}


def test_a_database_in_a_link_to_elsewhere(namespace: Namespaces, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert fail(namespace, tmp_path / "link" / "errors.db").status == 3
    assert only(tmp_path / "real" / "errors.db")["cause"] == "exit"


def test_what_waits_for_one_store_does_not_go_into_another(
    namespace: Namespaces, small_volume: SmallVolume, tmp_path: Path
) -> None:
    full, other = small_volume.path / "errors.db", tmp_path / "other" / "errors.db"
    small_volume.fill()
    namespace.run("tapwrap", "run", "--db", str(full), "--", "sh", "-c", "exit 3")
    small_volume.free()

    go_well(namespace, other)
    assert causes(other) == []
    go_well(namespace, full)
    assert causes(full) == ["exit"]
