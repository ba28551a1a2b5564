"""tapwrap's own lines: PID 1 and python-json-logger write the same ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core.lines import LEVELS, Line, as_json, as_text
from tapwrap.reporting import logfile

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.sampled_from(["service", "run_id", "error_id", "status", "attempt", "cause", "where"])
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)
LINES = st.builds(
    Line,
    time=st.integers(0, 4_000_000_000_000_000),
    level=st.sampled_from(LEVELS),
    event=st.sampled_from(["started", "exited", "stored"]),
    message=st.text(),
    fields=st.dictionaries(NAMES, VALUES),
)


@given(LINES)
def test_pid_1_and_python_json_logger_write_the_same_bytes(line: Line) -> None:
    assert as_json(line) == logfile.Formatter().format(logfile.to_log_record(line))


@given(LINES)
def test_a_sentence_is_one_line(line: Line) -> None:
    text = as_text(line)

    assert text.startswith("tapwrap:")
    assert len(text.splitlines()) == 1


def test_the_log_file_is_private_rotated_and_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "tapwrap.log"
    lines = [Line(number, "info", "started", "x" * 100, {}) for number in range(50)]

    for each in range(0, 50, 10):
        logfile.write(str(path), 2000, lines[each : each + 10])

    kept = sorted(path.parent.iterdir())
    assert [each.name for each in kept] == [
        "tapwrap.log",
        "tapwrap.log.1",
        "tapwrap.log.2",
        "tapwrap.log.3",
    ]
    assert all(each.stat().st_size <= 2000 for each in kept)
    newest = json.loads(path.read_text().splitlines()[-1])
    assert newest["timestamp"] == "1970-01-01T00:00:00.000049Z"
