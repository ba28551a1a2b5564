"""After every reset and every pruning, all counters agree."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.stores import heard
from tapwrap.core.value import replace
from tapwrap.store import archive, clearing, counts
from tapwrap.store.entry import RunNote
from tapwrap.store.filters import Filters
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader

if TYPE_CHECKING:
    from support.stores import Agree, Make, Start

HOUR = 3_600_000_000
START = 1_769_846_400_000_000
QUIET = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

RECORDS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        time=st.integers(0, 20).map(lambda number: START + number * HOUR // 4),
        severity=st.sampled_from([9, 13, 17]),
        category=st.sampled_from(["process", "network"]),
        service=st.sampled_from(["api", "worker"]),
        fingerprint=st.sampled_from(["1:aa", "1:ab", "1:ba"]),
        stack=st.sampled_from([None, "one", "two"]),
    ),
    max_size=80,
)
FILTERS = st.builds(
    Filters,
    since=st.none() | st.integers(0, 6).map(lambda number: START + number * HOUR),
    until=st.none() | st.integers(0, 6).map(lambda number: START + number * HOUR),
    severity=st.sampled_from([(), ("error",), ("warning+",)]),
    category=st.sampled_from([(), ("network",)]),
    service=st.sampled_from([(), ("api",)]),
    fingerprint=st.sampled_from([(), ("1:a",), ("1:ba",)]),
)


def resets(db: str) -> list[str]:
    connection = sqlite3.connect(db)
    try:
        rows = connection.execute("SELECT message FROM errors WHERE code = 'STORE_RESET'")
        return [message for (message,) in rows]
    finally:
        connection.close()


@QUIET
@given(items=RECORDS, filters=FILTERS, limit=st.sampled_from([None, 1, 3]), pruned=st.booleans())
def test_a_reset_takes_exactly_what_is_meant_pruned_and_repeated_too(  # noqa: PLR0917 (hypothesis and fixtures, by name)
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    agree: Agree,
    items: list[dict[str, Any]],
    filters: Filters,
    limit: int | None,
    pruned: bool,
) -> None:
    db = str(tmp_path_factory.mktemp("store") / "errors.db")
    with Journal(db, per_minute=limit) as journal:
        journal.append([make(**item) for item in items])
        if pruned:
            age = time.time() - (START + 2 * HOUR) / 1_000_000
            clearing.prune(journal, older_than=age)
        with Reader(db) as reader:
            meant = counts.total(reader.connection, filters)
        gone = clearing.reset(journal, filters)

    assert gone == meant
    assert agree(db) == len(items) - gone + 1
    with Reader(db) as reader:
        left = replace(filters, until=filters.until or START + 10 * HOUR)
        assert counts.total(reader.connection, left) == 0
        assert archive.find(reader.connection, left) == []
    assert resets(db) == [f"errors were reset: {filters}"]


def test_a_reset_by_what_only_rows_know_takes_the_rows(db: str, make: Make, agree: Agree) -> None:
    with Journal(db) as journal:
        journal.append([make(run_id=f"r{n % 2}", message=f"m{n}") for n in range(10)])
        assert clearing.reset(journal, Filters(run=("r1",))) == 5
        assert clearing.reset(journal, Filters(search=("m4",))) == 1

    assert agree(db) == 4 + 2


def test_a_reset_of_many_goes_in_steps_while_a_writer_writes(
    db: str, make: Make, start: Start, writer: str, agree: Agree
) -> None:
    with Journal(db, patience=60, per_minute=None) as journal:
        journal.append([make(fingerprint=f"1:{n % 9}") for n in range(3000)])
        process = start(writer, db, "400", "1", "w")
        heard(process)
        gone = clearing.reset(journal, Filters(service=("api",)))
        assert process.wait(timeout=120) == 0

    assert gone == 3000
    assert agree(db) == 401


def test_an_issue_ends_with_what_is_left_of_it(db: str, make: Make) -> None:
    with Journal(db) as journal:
        journal.append([make(time=START + n * HOUR) for n in range(4)])
        clearing.reset(journal, Filters(since=START + 2 * HOUR))

    with Reader(db) as reader:
        group = archive.group(reader.connection, make().fingerprint)
        assert group is not None
        assert (group.n, group.first_seen, group.last_seen) == (2, START, START + HOUR)


def test_pruning_by_age_keeps_the_young_and_every_count(db: str, make: Make, agree: Agree) -> None:
    now = time.time_ns() // 1000
    young = make(time=now)
    with Journal(db, per_minute=None) as journal:
        journal.append(
            [make(stack="s" * 99) for _ in range(120)] + [young],
            [RunNote("old", START, ended=START + 1), RunNote("going on", START)],
        )
        pruned = clearing.prune(journal, older_than=3600)
        assert [run.id for run in journal.unfinished_runs()] == ["going on"]

    assert (pruned.records, pruned.runs) == (120, 1)
    with Reader(db) as reader:
        assert [each.record for each in archive.find(reader.connection, Filters())] == [young]
    assert agree(db) == 121


def test_pruning_by_size_makes_the_file_small_and_drops_the_oldest(
    db: str, make: Make, agree: Agree
) -> None:
    with Journal(db, per_minute=None) as journal:
        for number in range(40):
            journal.append([make(time=START + number, stderr_tail="x" * 9000) for _ in range(25)])
        before = os.path.getsize(db)
        pruned = clearing.prune(journal, max_bytes=2_000_000)
        assert pruned.bytes > before / 2

    assert os.path.getsize(db) <= 2_000_000
    with Reader(db) as reader:
        left = list(archive.every(reader.connection, Filters()))
    assert len(left) == 1000 - pruned.records
    assert left[-1].record.time == START + 39
    assert agree(db) == 1000


@pytest.mark.parametrize("limit", [0, 1])
def test_pruning_to_less_than_an_empty_store_ends(db: str, make: Make, limit: int | None) -> None:
    with Journal(db) as journal:
        journal.append([make()])
        assert clearing.prune(journal, max_bytes=limit).records == 1
