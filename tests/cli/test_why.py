"""`tapwrap why` says in one paragraph what a person at three in the morning must know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tapwrap.cli import app, telling
from tapwrap.store.entry import RunNote
from tapwrap.store.journal import Journal

if TYPE_CHECKING:
    from support.stores import Make

MIB = 1024 * 1024


def main(arguments: list[str]) -> int:
    return app.main(frozenset(), arguments)


@pytest.mark.parametrize(
    ("changes", "attributes", "said"),
    [
        (
            {"cause": "exit", "exit_code": 3},
            {"tapwrap.uptime": 2.0},
            "exited with status 3 after 2s",
        ),
        (
            {"cause": "signal", "signal": 15},
            {"tapwrap.sender.pid": 0},
            "was ended by SIGTERM (15), sent from outside the container",
        ),
        (
            {"cause": "signal", "signal": 11},
            {
                "tapwrap.sender.pid": 12,
                "tapwrap.sender.uid": 0,
                "tapwrap.sender.comm": "sh",
                "tapwrap.core_dumped": True,
            },
            "by SIGSEGV (11), sent by sh (pid 12, user 0), and left a core dump",
        ),
        ({"cause": "signal", "signal": 40}, {}, "by SIGRTMIN+6 (40)"),
        (
            {"cause": "oom", "signal": 9},
            {"tapwrap.memory.limit": 64 * MIB, "tapwrap.memory.peak": 64 * MIB},
            (
                "ran out of memory: the kernel killed a process at the limit of 64 MiB "
                "(peak 64 MiB); it ended by SIGKILL (9)"
            ),
        ),
        (
            {"cause": "oom", "exit_code": 5},
            {"tapwrap.oom_kills": 2},
            "the kernel killed 2 processes; it ended with status 5",
        ),
        ({"cause": "timeout"}, {"tapwrap.timeout": 5.0}, "longer than its time limit of 5s"),
        (
            {"cause": "stop_timeout"},
            {"tapwrap.stop_timeout": 8.0},
            "did not within 8s, and was killed",
        ),
        (
            {"cause": "not_found"},
            {"tapwrap.reason": "No such file"},
            "could not be started: No such file.",
        ),
        ({"cause": "not_executable"}, {}, "cannot be executed"),
        (
            {"cause": "spawn_failed"},
            {"tapwrap.pids.limit": 10, "tapwrap.pids.current": 10},
            "could not be started (10 of 10 allowed processes exist)",
        ),
        ({"cause": "crash_loop", "exit_code": 1}, {}, "was given up; it ended with status 1"),
        ({"cause": "wrapper_killed"}, {}, "was itself killed"),
        ({"cause": None, "type": "ValueError", "message": "no\nmore"}, {}, "ValueError: no"),
    ],
)
def test_every_cause_has_a_sentence(
    make: Make, changes: dict[str, Any], attributes: dict[str, object], said: str
) -> None:
    record = make(**changes, attributes=attributes)

    assert said in telling.cause(record)
    if record.cause:
        assert telling.cause(record).endswith(".")
        assert telling.advice(record).endswith((".", "--cause exit."))


def test_the_program_is_named_where_it_is_not_the_service(make: Make) -> None:
    record = make(attributes={"process.executable.name": "gunicorn"})

    assert telling.program(record) == "api (gunicorn)"
    assert telling.program(make(attributes={"process.executable.name": "api"})) == "api"


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
