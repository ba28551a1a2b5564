"""Output: the command's streams arrive as they are, and its last words are kept."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest

from support.records import causes, events, only, records, said

if TYPE_CHECKING:
    from pathlib import Path

    from support.namespaces import Namespaces

ANYTHING = bytes(range(256)) * 4000
LONG_LINE = b"x" * 10_000_000 + b"\n"
QUIET = ["--log-level", "error"]


@pytest.mark.parametrize("capture", ["none", "stderr", "both"])
@pytest.mark.parametrize("level", ["debug", "error"])
def test_standard_output_is_the_commands_alone(
    namespace: Namespaces, capture: str, level: str
) -> None:
    options = ["--capture", capture, "--log-level", level]

    result = namespace.run("tapwrap", "run", *options, "--", "cat", stdin=ANYTHING)

    assert result.stdout == ANYTHING


@pytest.mark.parametrize("given", [ANYTHING, LONG_LINE, b"", b"no line break"])
@pytest.mark.parametrize("capture", ["none", "stderr", "both"])
def test_standard_error_is_passed_on_byte_for_byte(
    namespace: Namespaces, given: bytes, capture: str
) -> None:
    options = [*QUIET, "--capture", capture]

    result = namespace.run("tapwrap", "run", *options, "--", "sh", "-c", "cat >&2", stdin=given)

    assert (result.status, result.stderr) == (0, given)


def test_the_last_lines_are_kept(namespace: Namespaces, store: Path) -> None:
    command = "seq 100000 >&2; echo the end >&2; exit 1"

    namespace.run("tapwrap", "run", "--", "sh", "-c", command)

    record = only(store)
    lines = [*map(str, range(99_802, 100_001)), "the end"]
    assert record["stderr_tail"].splitlines() == lines
    assert record["message"] == "sh exited with status 1: the end"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"", None),
        (b"no line break", "no line break"),
        (b"caf\xe9 \xff!\n", "caf\ufffd \ufffd!\n"),
        (b"y" * 100_000, "y" * 65_536),
        (b"\xc3\xa4" * 50_000, "ä" * 32_768),
    ],
)
def test_the_last_words_are_kept_whatever_they_are(
    namespace: Namespaces, store: Path, given: bytes, kept: str | None
) -> None:
    namespace.run("tapwrap", "run", "--", "sh", "-c", "cat >&2; exit 1", stdin=given)

    assert only(store)["stderr_tail"] == kept


def test_a_zero_byte_does_not_cut_the_last_words(namespace: Namespaces, store: Path) -> None:
    namespace.run("tapwrap", "run", "--", "sh", "-c", "cat >&2; exit 1", stdin=b"be\0fore\nafter")

    record = only(store)
    assert record["stderr_tail"].endswith("after")
    assert record["message"].endswith(": after")


def test_standard_output_is_kept_too_when_asked_for(namespace: Namespaces, store: Path) -> None:
    command = "echo out; echo err >&2; exit 1"

    namespace.run("tapwrap", "run", "--capture", "both", "--", "sh", "-c", command)

    record = only(store)
    assert record["attributes"]["tapwrap.stdout_tail"] == "out\n"
    assert record["stderr_tail"] == "err\n"


def test_nothing_is_kept_when_nothing_is_captured(namespace: Namespaces, store: Path) -> None:
    command = "echo secret >&2; exit 1"

    namespace.run("tapwrap", "run", "--capture", "none", "--", "sh", "-c", command)

    assert only(store)["stderr_tail"] is None


def test_each_attempt_has_last_words_of_its_own(namespace: Namespaces, store: Path) -> None:
    options = ["--restart", "on-failure:1", "--backoff", "1ms"]
    command = "echo only $TAPWRAP_RUN_ID $$ >&2; exit 1"

    namespace.run("tapwrap", "run", *options, "--", "sh", "-c", command)

    first, second = (each["stderr_tail"] for each in records(store))
    assert first.count("\n") == second.count("\n") == 1
    assert first != second


@pytest.mark.parametrize(
    ("options", "signals", "status"),
    [([], ["TERM"], 143), (["--timeout", "500ms"], [], 124), ([], ["HUP"], 129)],
)
@pytest.mark.parametrize("capture", ["stderr", "none"])
def test_a_reader_that_stalls_holds_up_nothing_but_the_command(
    namespace: Namespaces, options: list[str], signals: list[str], status: int, capture: str
) -> None:  # fmt: skip
    stalled, stderr = os.pipe()
    command = ["sh", "-c", "echo ready; exec head -c 1000000 /dev/zero >&2"]
    wrapper = namespace.start(
        "tapwrap", "run", "--capture", capture, *options, "--", *command, stderr=stderr
    )
    wrapper.until(b"ready")

    wrapper.signal(*signals)

    result = wrapper.wait()
    assert result.status == status
    assert result.seconds < 6
    assert not fcntl.fcntl(stderr, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(stalled)
    os.close(stderr)


def test_a_reader_that_stalls_does_not_delay_the_end(namespace: Namespaces, store: Path) -> None:
    stalled, stderr = os.pipe()

    result = namespace.run(
        "tapwrap", "run", "--", "sh", "-c", "head -c 100000 /dev/zero >&2; exit 3", stderr=stderr
    )
    os.close(stalled)
    os.close(stderr)

    assert (result.status, causes(store)) == (3, ["exit"])
    assert result.seconds < 6


def test_a_slow_reader_gets_everything_in_the_end(namespace: Namespaces) -> None:
    reader, stderr = os.pipe()
    wrapper = namespace.start(
        "tapwrap", "run", *QUIET, "--", "sh", "-c", "cat >&2", stdin=ANYTHING, stderr=stderr
    )
    os.close(stderr)

    with os.fdopen(reader, "rb") as stream:
        heard = stream.read()

    assert (wrapper.wait().status, heard) == (0, ANYTHING)


def test_a_reader_that_leaves_ends_nobody(namespace: Namespaces, store: Path) -> None:
    gone, stderr = os.pipe()
    os.close(gone)

    result = namespace.run(
        "tapwrap", "run", "--", "sh", "-c", "echo lost >&2; echo go on; exit 3", stderr=stderr
    )
    os.close(stderr)

    assert (result.status, result.stdout) == (3, b"go on\n")
    assert only(store)["stderr_tail"] == "lost\n"


def test_a_file_gets_everything_in_order(namespace: Namespaces, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        log.write(b"before\n")
        log.flush()
        namespace.run(
            "tapwrap", "run", "--", "sh", "-c", "echo one >&2; exit 3", stderr=log.fileno()
        )
        os.write(log.fileno(), b"after\n")

    text = (tmp_path / "log").read_bytes()
    assert text.splitlines()[0] == b"before"
    assert text.splitlines()[-1] == b"after"
    assert b"one" in text.splitlines()
    assert events(text)[-2:] == ["exited", "stored"]


def test_a_full_disk_behind_standard_error_is_no_reason_to_fail(namespace: Namespaces) -> None:
    with open("/dev/full", "wb") as full:
        result = namespace.run(
            "tapwrap", "run", "--", "sh", "-c", "echo one >&2; exit 3", stderr=full.fileno()
        )

    assert result.status == 3


def test_whoever_still_holds_the_pipe_does_not_delay_the_end(namespace: Namespaces) -> None:
    leaves = "tapwrap run --no-sweep -- sh -c 'sleep 60 & exit 3'; echo status $?; exec sleep 60"
    shell = namespace.start("sh", "-c", leaves)

    shell.until(b"status 3", within=6)


def test_every_line_of_ours_is_a_line_of_json(namespace: Namespaces) -> None:
    command = "printf 'no line break' >&2; exit 3"

    result = namespace.run("tapwrap", "run", "--log-level", "debug", "--", "sh", "-c", command)

    lines = result.stderr.splitlines()
    assert b"no line break" in lines
    ours = [json.loads(line) for line in lines if line != b"no line break"]
    assert [each["event"] for each in ours] == ["started", "exited", "stored"]
    for each in ours:
        assert {"timestamp", "level", "logger", "message", "event", "service", "run_id"} <= set(
            each
        )
    assert ours[1]["error_id"] == ours[2]["error_id"]


def test_lines_of_ours_can_be_plain_sentences(namespace: Namespaces, store: Path) -> None:
    result = namespace.run("tapwrap", "run", "--log-format", "text", "--", "sh", "-c", "exit 3")

    started, exited, stored = result.stderr.decode().splitlines()
    assert started == "tapwrap: started sh"
    assert exited.startswith("tapwrap: sh exited with status 3 (after ")
    assert exited.endswith(f" (record {only(store)['id']})")
    assert stored.startswith("tapwrap: stored in /var/lib/tapwrap/errors.db")


def test_a_log_file_gets_the_same_lines_as_json(namespace: Namespaces, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "tapwrap.log"
    options = ["--log-file", str(log), "--log-format", "text"]

    namespace.run("tapwrap", "run", *options, "--", "sh", "-c", "exit 3")

    lines = said(log.read_bytes())
    assert [each["event"] for each in lines][:2] == ["started", "exited"]
    assert lines[1]["status"] == 3


def test_a_log_file_is_rotated_at_its_size(namespace: Namespaces, tmp_path: Path) -> None:
    log = tmp_path / "tapwrap.log"
    options = ["--log-file", str(log), "--log-size", "4K"]
    again = [
        "--restart",
        "on-failure",
        "--crash-limit",
        "40",
        "--backoff",
        "1ms",
        "--backoff-max",
        "1ms",
    ]

    namespace.run("tapwrap", "run", *options, *again, "--", "false")

    files = sorted(each.name for each in tmp_path.glob("tapwrap.log*"))
    assert files == ["tapwrap.log", *(f"tapwrap.log.{each}" for each in (1, 2, 3))]
    assert all(each.stat().st_size <= 4096 for each in tmp_path.glob("tapwrap.log*"))
