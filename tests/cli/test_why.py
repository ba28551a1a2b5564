"""`tapwrap why` says in one paragraph what a person at three in the morning must know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tapwrap.cli import app, telling
from tapwrap.core import ending as endings
from tapwrap.core.category import KINDS
from tapwrap.core.ending import Ending
from tapwrap.store.entry import RunNote
from tapwrap.store.journal import Journal

if TYPE_CHECKING:
    from support.stores import Make

MIB = 1024 * 1024


def main(arguments: list[str]) -> int:
    return app.main(frozenset(), arguments)


@pytest.mark.parametrize("cause", KINDS)
def test_every_cause_has_the_sentence_that_was_said_when_it_happened(cause: str) -> None:
    ending = Ending(
        id="01980000-0000-7000-8000-000000000000",
        time=1_769_846_400_000_000,
        monotonic=12.5,
        run_id="run-1",
        service="api",
        command=("/usr/bin/api", "--port", "80"),
        cause=cause,
        status=137,
        attempt=2,
        uptime=2.5,
        pid=7,
        signal=9,
        why="'api': no such file",
        sender=(12, 0, "sh"),
        oom_kills=1,
        memory_peak=64 * MIB,
        memory_limit=64 * MIB,
        pids=10,
        pids_limit=10,
        limit=5.0,
        failures=3,
        since=1_769_846_300_000_000,
    )
    record = endings.record(ending, {}, "1:abc")

    assert telling.cause(record).startswith(endings.sentence(ending))
    assert telling.cause(record).endswith(", after 2.5s.")
    assert telling.advice(record).endswith((".", "--cause exit."))


def test_a_peak_is_told_and_a_service_that_is_not_the_program(make: Make) -> None:
    record = make(
        cause="oom",
        exit_code=5,
        attributes={"process.command_args": ["gunicorn"], "tapwrap.memory.peak": 64 * MIB},
    )

    assert telling.cause(record) == (
        "api: a process of gunicorn was killed by the kernel for lack of memory; "
        "gunicorn itself exited with status 5, with a peak of 64 MiB."
    )


def test_what_is_no_ending_is_told_by_its_type_and_first_line(make: Make) -> None:
    record = make(cause=None, type="ValueError", message="no\nmore")

    assert telling.cause(record) == "ValueError: no"


def test_why_tells_the_last_failure(
    db: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time_ns() // 1000
    failure = make(
        time=now - 60_000_000,
        exit_code=3,
        run_id="run-1",
        stderr_tail="noise\n\nconnecting\nrefused by db:5432\n",
        attributes={"tapwrap.attempt": 2, "tapwrap.swept": [{"pid": 3}]},
    )
    with Journal(db) as journal:
        journal.append([make(time=now - 120_000_000, run_id="run-0"), failure])
        journal.append([make(severity=9, time=now, fingerprint="1:x")])
        journal.append([], [RunNote("run-1", now, container_id="0123456789abcdef")])

    assert main(["why", "--db", db]) == 0

    said = capsys.readouterr().out
    assert len(said.splitlines()) == 1
    for text in (
        "api exited with status 3.",
        "1m ago, in attempt 2, in container 0123456789ab.",
        "It has happened 2 times since ",
        "1 of its processes had to be ended after it.",
        "Its last lines: noise / connecting / refused by db:5432.",
        "Look at its last lines",
        f"tapwrap errors show {failure.id[-8:]}",
    ):
        assert text in said


def test_why_of_a_run_tells_that_run(
    db: str, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal(db) as journal:
        journal.append([make(run_id="run-1", exit_code=7)], [RunNote("run-1", 1)])
        journal.append(
            [make(run_id="run-2", exit_code=8)],
            [RunNote("run-2", 2), RunNote("run-3", 3, ended=4, exit_code=0), RunNote("run-4", 4)],
        )

    said = []
    for run in ("run-1", "n-3", "n-4"):
        assert main(["why", "--db", db, run]) == 0
        said.append(capsys.readouterr().out)
    assert "status 7" in said[0]
    assert (
        said[1]
        == "Nothing has failed in run run-3, which ended with status 0 at 1970-01-01 00:00:00Z.\n"
    )
    assert said[2].startswith("Nothing has failed in run run-4, which has not ended")


def test_why_of_a_store_without_errors(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(db) as journal:
        journal.append([])

    assert main(["why", "--db", db]) == 0
    assert capsys.readouterr().out == "Nothing has failed: the store holds no error.\n"
