"""`tapwrap errors` as a person meets it: arguments in, text, files and a status out."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tapwrap.cli import app
from tapwrap.core.record import ErrorRecord, uuid7
from tapwrap.store.entry import RunNote
from tapwrap.store.journal import Journal

if TYPE_CHECKING:
    from support.stores import Make

Store = tuple[str, list[ErrorRecord]]

COMMAND = [sys.executable, "-m", "tapwrap"]


CHANGES: list[dict[str, object]] = [
    {
        "severity": 13,
        "code": "SLOW",
        "cause": None,
        "service": "worker",
        "message": "slow",
    },
    {
        "exit_code": 3,
        "message": "api exited with status 3\nand more",
        "stderr_tail": "one\nlast \x1b[31mwords\n",
        "stack": "Traceback\nValueError: no",
        "run_id": "run-1",
        "request_id": "q1",
        "attributes": {"process.pid": 7, "tapwrap.uptime": 12.5},
    },
    {
        "severity": 21,
        "code": "OOM_KILLED",
        "cause": "oom",
        "category": "resource",
        "fingerprint": "1:" + "b" * 32,
        "message": "api [red]ran out[/red] of memory",
        "attributes": {"tapwrap.memory.limit": 64 * 1024 * 1024},
    },
]


def main(arguments: list[str]) -> int:
    return app.main(frozenset(), arguments)


@pytest.fixture
def store(db: str, make: Make) -> Store:
    """A store with an exit, an OOM kill and a warning of two services in it."""
    now = time.time_ns() // 1000
    records = [
        make(
            id=uuid7((now + n) // 1000, bytes([n] * 10)),
            time=now - 60_000_000 * (3 - n),
            **changes,
        )
        for n, changes in enumerate(CHANGES)
    ]
    with Journal(db) as journal:
        journal.append(records, [RunNote("run-1", now, argv=("api", "--x"), container_id="c0ffee")])
    return db, records


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
        check=False,
    )


def test_a_list_is_newest_first_and_tells_errors_apart(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    db, records = store

    assert main(["errors", "--db", db, "list"]) == 0

    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["TIME", "SEVERITY", "CODE", "SERVICE", "ID", "MESSAGE"]
    assert [line.split()[2:6] for line in out[1:]] == [
        ["critical", "OOM_KILLED", "api", records[2].id[-8:]],
        ["error", "EXITED", "api", records[1].id[-8:]],
        ["warning", "SLOW", "worker", records[0].id[-8:]],
    ]
    assert out[1].endswith("api [red]ran out[/red] of memory")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ", out[1])


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["--severity", "error+"], ["OOM_KILLED", "EXITED"]),
        (["--severity", "error", "--severity", "warning"], ["EXITED", "SLOW"]),
        (["--cause", "oom"], ["OOM_KILLED"]),
        (["--service", "worker"], ["SLOW"]),
        (["--since", "90s"], ["OOM_KILLED"]),
        (["--until", "90s"], ["EXITED", "SLOW"]),
        (["--run", "run"], ["EXITED"]),
        (["--request-id", "q1", "--category", "process"], ["EXITED"]),
        (["--search", "VALUEERROR"], ["EXITED"]),
        (["--search", "last"], ["EXITED"]),
        (["--fingerprint", "bbbb"], ["OOM_KILLED"]),
        (["--code", "slow", "--severity", "critical"], []),
        (["--limit", "1"], ["OOM_KILLED"]),
    ],
)
def test_filters_combine(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], codes: list[str]
) -> None:
    db, _ = store

    assert main(["errors", "list", "--db", db, "--format", "json", *arguments]) == 0

    assert [each["code"] for each in json.loads(capsys.readouterr().out)] == codes


def test_a_list_goes_on_where_the_last_one_ended(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    db, records = store
    main(["errors", "--db", db, "list", "--limit", "1"])
    hint = capsys.readouterr().err

    before = hint.split()[-1]
    assert main(["errors", "--db", db, "list", "--limit", "1", "--before", before]) == 0
    assert records[1].id[-8:] in capsys.readouterr().out


def test_show_tells_everything_and_does_not_colour_the_terminal(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    db, records = store

    assert main(["errors", "--db", db, "show", records[1].id[-8:]]) == 0

    out = capsys.readouterr().out
    assert out.startswith("api exited with status 3, after 12.5s.\n")
    for text in (records[1].id, "run-1", "api --x", "q1", "process.pid", "ValueError: no"):
        assert text in out
    assert "last \\x1b[31mwords" in out
    assert "\x1b" not in out


def test_groups_count_what_the_filters_let_through(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    db, _ = store

    assert main(["errors", "--db", db, "groups", "--service", "api", "--format", "json"]) == 0

    groups = json.loads(capsys.readouterr().out)
    assert [(each["severity"], each["count"]) for each in groups] == [("critical", 1), ("error", 1)]


def test_groups_are_a_table_that_fits(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    db, _ = store

    assert main(["errors", "--db", db, "groups"]) == 0
    plain = capsys.readouterr().out.splitlines()
    _, shown = on_terminal("errors", "--db", db, "groups", NO_COLOR="1")

    assert plain[0].split("  ")[0] == "LAST SEEN"
    assert "FIRST SEEN" in plain[0]
    assert "FIRST SEEN" not in shown
    assert "api [red]ran out[/red]" in shown


def test_an_empty_answer_says_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    db, _ = store

    for command in ("list", "groups", "stats"):
        assert main(["errors", "--db", db, command, "--service", "none"]) == 0
        out, err = capsys.readouterr()
        assert (out, err) == ("", "tapwrap: There are no such errors.\n")
    assert main(["errors", "--db", db, "rates", "--format", "json", "--service", "none"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 24


def test_what_is_lost_is_said_with_the_counts(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    db, _ = store
    where = Path(db + ".spool")
    where.mkdir()
    (where / "x.jsonl").write_text("half a li")

    main(["errors", "--db", db, "stats"])

    assert capsys.readouterr().err == "tapwrap: 1 records are gone for good (torn)\n"


def test_a_damaged_store_is_imported_as_far_as_it_can_be_read(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    db, _ = store

    assert main(["errors", "--db", str(tmp_path / "new.db"), "import", db]) == 0

    assert capsys.readouterr().out == "imported 3 records; 0 were there already\n"


def test_stats_and_rates_count(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    db, _ = store

    assert main(["errors", "--db", db, "stats", "--by", "service"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "SERVICE  N  SHARE",
        "api      2  66.7%",
        "worker   1  33.3%",
        "3 in all",
    ]
    assert main(["errors", "--db", db, "rates", "--bucket", "1d"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 24
    assert sum(int(line.split()[2]) for line in out) == 3
    assert "█" in out[-1] or "█" in out[-2]


def test_bars_are_ascii_where_nothing_else_can_be_shown(store: Store) -> None:
    db, _ = store

    shown = run("errors", "--db", db, "rates", PYTHONIOENCODING="ascii")

    assert shown.returncode == 0
    assert "#" in shown.stdout


def test_export_and_import_carry_everything_over(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    db, records = store
    for style in ("jsonl", "csv"):
        file, other = str(tmp_path / f"e.{style}"), str(tmp_path / f"{style}.db")
        assert main(["errors", "--db", db, "export", "--format", style, "-o", file]) == 0
        assert main(["errors", "--db", other, "import", file]) == 0
        assert main(["errors", "--db", other, "import", file]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "imported 3 records; 0 were there already",
            "imported 0 records; 3 were there already",
        ]
        main(["errors", "--db", other, "list", "--format", "jsonl"])
        ids = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
        assert ids == [each.id for each in reversed(records)]


def test_lists_as_csv_have_names(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    db, records = store

    main(["errors", "--db", db, "list", "--format", "csv"])

    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["id"] for row in rows] == [each.id for each in reversed(records)]
    main(["errors", "--db", db, "stats", "--format", "csv"])
    assert capsys.readouterr().out == "category,count\nprocess,2\nresource,1\n"


def test_reset_without_a_terminal_needs_yes(store: Store) -> None:
    db, _ = store
    before = Path(db).read_bytes()

    refused = run("errors", "--db", db, "reset")

    assert refused.returncode == 2
    assert refused.stderr == f"tapwrap: cannot reset {db} without asking: give --yes\n"
    assert Path(db).read_bytes() == before


def test_reset_takes_what_fits_and_says_so(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    db, _ = store

    assert main(["errors", "--db", db, "reset", "--service", "api", "--yes"]) == 0
    assert capsys.readouterr().out == "forgot 2 errors\n"
    main(["errors", "--db", db, "list", "--format", "json"])
    left = json.loads(capsys.readouterr().out)
    assert [each["code"] for each in left] == ["STORE_RESET", "SLOW"]
    assert left[0]["message"] == "errors were reset: --service api"


def test_prune_keeps_counts(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    db, _ = store

    assert main(["errors", "--db", db, "prune", "--older-than", "90s"]) == 0
    assert capsys.readouterr().out.startswith("deleted 2 records and 0 runs")
    main(["errors", "--db", db, "stats"])
    assert "3 in all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["errors", "list", "--severity", "bad"], "'bad' is not a severity"),
        (["errors", "list", "--since", "soon"], "'soon' is not a time"),
        (["errors", "list", "--limit", "0"], "--limit"),
        (["errors", "list", "--before", "zzzz"], "cannot find 'zzzz'"),
        (["errors", "show", "zzzz"], "cannot find 'zzzz'"),
        (["errors", "rates", "--bucket", "1ms"], "too short"),
        (["errors", "rates", "--bucket", "x"], "'x' is not a duration"),
        (["errors", "rates", "--bucket", "1s", "--since", "3650d"], "too short for that span"),
        (["errors", "stats", "--by", "mood"], "mood"),
        (["errors", "prune"], "needs --older-than, --max-size, or both"),
        (["errors", "prune", "--max-size", "big"], "'big' is not a size"),
        (["errors", "import", "/nowhere/e.jsonl"], "cannot import /nowhere/e.jsonl"),
        (["errors", "export", "-o", "/nowhere/e.jsonl"], "cannot export to /nowhere/e.jsonl"),
        (["errors", "lst"], "lst"),
        (["nothing"], "nothing"),
        (["why", "zzzz"], "cannot find 'zzzz'"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    store: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    db, _ = store
    monkeypatch.setenv("TAPWRAP_DB", db)
    before = Path(db).read_bytes()

    status = main(arguments)

    out, err = capsys.readouterr()
    assert status == (1 if "export" in arguments else 2)
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1
    assert Path(db).read_bytes() == before


def test_a_store_that_is_not_there_is_named_with_what_was_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.db")

    assert main(["errors", "--db", missing, "list"]) == 2
    assert capsys.readouterr().err == f"tapwrap: cannot open {missing}: there is no such file\n"


def test_what_belongs_to_others_is_not_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.db").write_text("a diary")

    assert main(["errors", "--db", str(tmp_path / "x.db"), "list"]) == 2
    assert "it is not a tapwrap store" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error_to_talk_about(db: str, make: Make) -> None:
    with Journal(db, per_minute=None) as journal:
        journal.append([make(stack="x" * 5000) for _ in range(200)])
    process = subprocess.Popen(
        [*COMMAND, "errors", "--db", db, "export"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


def test_tail_shows_what_comes_and_ends_with_ctrl_c_quietly(store: Store, make: Make) -> None:
    db, records = store
    process = subprocess.Popen(
        [*COMMAND, "errors", "--db", db, "tail", "-f", "-n", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert records[2].id[-8:] in process.stdout.readline()
    new = make(message="something new")
    with Journal(db) as journal:
        journal.append([new])

    line = process.stdout.readline()
    assert new.id[-8:] in line
    assert "something new" in line
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def on_terminal(*arguments: str, typed: bytes = b"", **environment: str) -> tuple[int, str]:
    """Run on a terminal of its own. Returns the status and what was shown there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
    )
    os.close(theirs)
    if typed:
        os.write(ours, typed)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break  # Linux says EIO when the other side of a terminal is closed.
        if not piece:
            break
        shown += piece
    status = process.wait(timeout=60)
    os.close(ours)
    return status, shown.decode()


def test_a_terminal_gets_a_table_with_colours_unless_refused(store: Store) -> None:
    db, records = store

    status, shown = on_terminal("errors", "--db", db, "list")
    _, plain = on_terminal("errors", "--db", db, "list", NO_COLOR="1")

    assert status == 0
    assert "\x1b[31m" in shown
    assert "\x1b" not in plain
    assert "api [red]ran" in plain
    assert records[1].id[-8:] in plain
    assert max(map(len, plain.splitlines())) <= 80


@pytest.mark.parametrize(("typed", "left", "status"), [(b"y\n", 1, 0), (b"n\n", 3, 130)])
def test_on_a_terminal_reset_asks(
    store: Store, capsys: pytest.CaptureFixture[str], typed: bytes, left: int, status: int
) -> None:
    db, _ = store

    ended, shown = on_terminal("errors", "--db", db, "reset", typed=typed)

    assert ended == status
    assert f"Forget 3 errors in {db}" in shown.replace("\r\n", "")
    main(["errors", "--db", db, "list", "--format", "jsonl"])
    assert len(capsys.readouterr().out.splitlines()) == left


def test_the_version_and_the_help_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    from tapwrap import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tapwrap {__version__}\n"
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "errors" in out
    assert "why" in out


def test_listing_imports_nothing_heavy(store: Store) -> None:
    db, _ = store
    code = (
        "import sys; from tapwrap.cli.app import main; main(frozenset()); "
        "print([n for n in ('rich', 'sqlite_utils', 'logging', 'asyncio') if n in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, "errors", "--db", db, "list"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[]"
