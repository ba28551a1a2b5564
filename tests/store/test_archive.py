"""Questions get exact answers: filters, pages, ids, groups, counts and rates."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapwrap.core.record import ErrorRecord, severity_name, uuid7
from tapwrap.store import archive, counts
from tapwrap.store.entry import RunNote
from tapwrap.store.filters import Filters, moment, pattern
from tapwrap.store.following import Follower
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader
from tapwrap.store.trouble import CannotStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.stores import Make

HOUR = 3_600_000_000
START = 1_769_846_400_000_000

RECORDS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        time=st.integers(START, START + 5 * HOUR),
        severity=st.sampled_from([5, 9, 13, 17, 21]),
        category=st.sampled_from(["process", "network"]),
        code=st.sampled_from(["A", "B"]),
        cause=st.sampled_from([None, "exit", "oom"]),
        service=st.sampled_from(["api", "worker"]),
        fingerprint=st.sampled_from(["1:aa", "1:ab", "1:ba"]),
        run_id=st.sampled_from([None, "r1", "r2"]),
        request_id=st.sampled_from([None, "q1"]),
        message=st.sampled_from(["100% of it", "a_b", "it"]),
    ),
    max_size=60,
)


def some(*choices: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(choices), max_size=2, unique=True).map(tuple)


FILTERS = st.builds(
    Filters,
    since=st.none() | st.integers(START - HOUR, START + 6 * HOUR),
    until=st.none() | st.integers(START - HOUR, START + 6 * HOUR),
    severity=some("error", "warning+", "debug"),
    category=some("process", "network"),
    code=some("a", "B"),
    cause=some("exit", "oom"),
    service=some("api", "worker"),
    run=some("r1", "r"),
    request_id=some("q1"),
    fingerprint=some("1:aa", "1:a", "ba"),
    search=some("0% o", "a_b", "IT"),
)
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def fits(record: ErrorRecord, filters: Filters) -> bool:
    """What the filters mean, said a second time and without SQL."""

    def severe(wanted: str) -> bool:
        name = severity_name(record.severity)
        order = ["debug", "info", "warning", "error", "critical"]
        if wanted.endswith("+"):
            return order.index(name) >= order.index(wanted[:-1])
        return name == wanted

    def any_of(wanted: tuple[str, ...], test: Callable[[str], bool]) -> bool:
        return not wanted or any(test(each) for each in wanted)

    return (
        (filters.since is None or record.time >= filters.since)
        and (filters.until is None or record.time < filters.until)
        and any_of(filters.severity, severe)
        and any_of(filters.category, lambda each: record.category == each)
        and any_of(filters.code, lambda each: record.code == each.upper())
        and any_of(filters.cause, lambda each: record.cause == each)
        and any_of(filters.service, lambda each: record.service == each)
        and any_of(filters.run, (record.run_id or "").startswith)
        and any_of(filters.request_id, lambda each: record.request_id == each)
        and any_of(
            filters.fingerprint, lambda each: record.fingerprint.startswith((each, "1:" + each))
        )
        and any_of(filters.search, lambda each: each.lower() in record.message.lower())
    )


def stored(db: str, make: Make, items: list[dict[str, Any]]) -> list[ErrorRecord]:
    records = [make(**item) for item in items]
    with Journal(db, per_minute=None) as journal:
        journal.append(records)
    return records


@QUIET
@given(items=RECORDS, filters=FILTERS)
def test_every_question_agrees_with_what_the_filters_mean(
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    items: list[dict[str, Any]],
    filters: Filters,
) -> None:
    db = str(tmp_path_factory.mktemp("store") / "errors.db")
    records = stored(db, make, items)
    meant = [record for record in records if fits(record, filters)]
    order = {record.id: number for number, record in enumerate(records)}
    newest = sorted(meant, key=lambda each: (each.time, order[each.id]), reverse=True)

    with Reader(db) as reader:
        connection = reader.connection
        found = archive.find(connection, filters, 1000)
        assert [each.record for each in found] == newest
        assert [each.record for each in archive.every(connection, filters)] == newest[::-1]
        assert counts.total(connection, filters) == len(meant)
        for by in counts.BY:
            field = {"run": "run_id"}.get(by, by)
            expected: dict[str, int] = {}
            for record in meant:
                name = getattr(record, field)
                name = severity_name(name) if by == "severity" else name or ""
                expected[name] = expected.get(name, 0) + 1
            assert counts.stats(connection, by, filters) == expected
        groups = archive.groups(connection, filters, 100, "count")
        assert {each.fingerprint: each.n for each in groups} == counts.stats(
            connection, "fingerprint", filters
        )
        for group in groups:
            times = [each.time for each in meant if each.fingerprint == group.fingerprint]
            assert (group.first_seen, group.last_seen) == (min(times), max(times))
        for bucket in (60_000_000 * 7, HOUR, 24 * HOUR):
            rates = counts.rates(connection, bucket, filters)
            assert sum(each.n for each in rates) == len(meant)
            for rate in rates:
                inside = [each for each in meant if rate.start <= each.time < rate.start + bucket]
                assert rate.n == len(inside)
            spans = [each.start // bucket for each in rates]
            assert not spans or spans == list(range(spans[0], spans[-1] + 1))


@QUIET
@given(
    before=RECORDS.filter(bool),
    between=st.lists(RECORDS, max_size=6),
    limit=st.integers(1, 7),
    filters=FILTERS,
)
def test_pages_have_no_gaps_and_no_doubles_while_records_arrive(  # noqa: PLR0917 (hypothesis and fixtures, by name)
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    before: list[dict[str, Any]],
    between: list[list[dict[str, Any]]],
    limit: int,
    filters: Filters,
) -> None:
    db = str(tmp_path_factory.mktemp("store") / "errors.db")
    records = stored(db, make, before)
    pages = iter(between)
    seen: list[str] = []
    start = None
    with Reader(db) as reader:
        while page := archive.find(reader.connection, filters, limit, start):
            seen += [each.record.id for each in page]
            start = (page[-1].record.time, page[-1].seq)
            stored(db, make, next(pages, []))

    meant = {record.id for record in records if fits(record, filters)}
    assert len(seen) == len(set(seen))
    assert meant <= set(seen)


def test_a_long_export_does_not_keep_the_log_from_being_shortened(db: str, make: Make) -> None:
    with Journal(db, per_minute=None) as journal:
        journal.append([make() for _ in range(2 * archive.PAGE)])
        with Reader(db) as reader:
            export = archive.every(reader.connection, Filters())
            next(export)
            for _ in range(100):
                journal.append([make(stderr_tail="x" * 10_000) for _ in range(20)])
                assert os.path.getsize(db + "-wal") < 8 * 1024 * 1024
            assert len(list(export)) >= 2 * archive.PAGE - 1


def test_either_end_of_an_id_is_enough_and_half_of_two_is_refused(db: str, make: Make) -> None:
    one, two = (make(id=uuid7(START // 1000, bytes([n] * 10))) for n in (1, 2))
    with Journal(db) as journal:
        journal.append([one, two])

    with Reader(db) as reader:
        for text in (one.id, one.id.upper(), one.id[:16], one.id[-8:]):
            found = archive.get(reader.connection, text)
            assert found is not None
            assert found.record == one
        assert archive.get(reader.connection, "nothing like it") is None
        assert archive.get(reader.connection, "") is None
        with pytest.raises(archive.Ambiguous) as caught:
            archive.get(reader.connection, one.id[:8])
        assert set(caught.value.ids) == {one.id, two.id}


def test_a_run_is_found_by_either_end_of_its_id(db: str) -> None:
    with Journal(db) as journal:
        journal.append([], [RunNote("abc-1", 1), RunNote("abc-2", 2)])

    with Reader(db) as reader:
        assert archive.run(reader.connection, "abc") == RunNote("abc-2", 2)
        assert archive.run(reader.connection, "-1") == RunNote("abc-1", 1)
        assert archive.run(reader.connection, "x") is None


def test_counts_outlive_the_rows(db: str, make: Make) -> None:
    from tapwrap.store.clearing import prune

    with Journal(db, per_minute=None) as journal:
        journal.append([make(time=START + n) for n in range(100)])
        assert prune(journal, older_than=0).records == 100

    with Reader(db) as reader:
        assert archive.find(reader.connection, Filters()) == []
        assert counts.stats(reader.connection, "service", Filters()) == {"api": 100}
        (group,) = archive.groups(reader.connection, Filters(service=("api",)))
        assert group.n == 100
        (rate,) = counts.rates(reader.connection, HOUR, Filters())
        assert rate.n == 100


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1h", START - HOUR),
        ("1m30s", START - 90_000_000),
        ("2026-01-31", START - 8 * HOUR),
        ("2026-01-31T08:00", START),
        ("2026-01-31T09:00:00+01:00", START),
        ("2026-01-31T08:00:00.000001Z", START + 1),
    ],
)
def test_a_time_is_a_duration_ago_or_a_date(text: str, meant: int) -> None:
    assert moment(text, START) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "1x", "2026-13-01", "-5"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: write a duration like"):
        moment(text, START)


@given(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
    st.text("a%_\\", max_size=5),
)
def test_a_search_finds_exactly_what_was_typed(before: str, typed: str) -> None:
    connection = sqlite3.connect(":memory:")
    query = "SELECT ? LIKE ? ESCAPE '\\'"
    assert connection.execute(query, (before + typed, pattern(typed))).fetchone() == (1,)
    if typed.lower() not in before.lower():
        assert connection.execute(query, (before, pattern(typed))).fetchone() == (0,)
    connection.close()


def test_a_follower_sees_each_new_record_once_even_in_a_new_store(db: str, make: Make) -> None:
    first, second, third, fourth = (make() for _ in range(4))
    with Journal(db) as journal:
        journal.append([first])
        follower = Follower(db, Filters(service=("api",)))
        assert [each.record for each in follower.latest(5)] == [first]
        assert follower.poll() == []
        journal.append([second, make(service="other")])
        journal.append([third])
        assert [each.record for each in follower.poll()] == [second, third]
        assert follower.poll() == []
        for name in os.listdir(os.path.dirname(db)):
            os.unlink(os.path.join(os.path.dirname(db), name))
        assert follower.poll() == []
        journal.append([fourth])
        assert [each.record for each in follower.poll()] == [fourth]
        follower.close()


def test_a_newer_schema_is_read_with_a_warning(db: str, make: Make) -> None:
    with Journal(db) as journal:
        journal.append([make()])
    connection = sqlite3.connect(db)
    connection.execute("ALTER TABLE error ADD COLUMN mood TEXT")
    connection.execute("PRAGMA user_version=99")
    connection.close()

    with Reader(db) as reader:
        assert len(archive.find(reader.connection, Filters())) == 1
        assert "newer tapwrap (schema 99)" in str(reader.warning)


def test_a_newer_schema_that_cannot_be_read_is_refused_in_words(db: str, make: Make) -> None:
    with Journal(db) as journal:
        journal.append([make()])
    connection = sqlite3.connect(db)
    connection.execute("DROP VIEW errors")
    connection.execute("ALTER TABLE error RENAME COLUMN message TO said")
    connection.execute("PRAGMA user_version=99")
    connection.close()

    with pytest.raises(CannotStore, match=r"cannot read .*no such column"), Reader(db) as reader:
        archive.find(reader.connection, Filters())


@pytest.mark.parametrize("content", [b"", b"not a database, and long enough to be sure of it" * 30])
def test_what_is_no_store_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "errors.db").write_bytes(content)

    with pytest.raises(CannotStore) as caught:
        Reader(str(tmp_path / "errors.db"))

    assert caught.value.reason == "not_a_store"


def test_reading_stores_what_waited_in_the_spool(db: str, make: Make) -> None:
    from tapwrap.store import spool

    record = make()
    spool.keep(spool.directory(db), "w", [record])

    with Reader(db) as reader:
        assert [each.record for each in archive.find(reader.connection, Filters())] == [record]
        assert reader.warning is None


def test_the_view_for_people_has_times_and_names(db: str, make: Make) -> None:
    with Journal(db) as journal:
        journal.append([make(stack="a stack", time=START + 1_500_000)])

    connection = sqlite3.connect(db)
    connection.row_factory = sqlite3.Row
    row = connection.execute("SELECT * FROM errors").fetchone()
    connection.close()
    shown = (row["time"], row["severity"], row["cause"], row["stack"], row["service"])
    assert shown == ("2026-01-31T08:00:01.500000Z", "error", "exit", "a stack", "api")
