"""The small languages of the command line: durations, signals, JSON lines, times, ids."""

from __future__ import annotations

import json
import math
import signal
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core import backoff, durations, jsonline, record, signals
from tapwrap.core.backoff import Backoff
from tapwrap.core.tail import BYTES, LINES, Tail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("8s", 8),
        ("2m", 120),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("8", 8),
        ("1d", 86400),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "8x", "-1s", "1s1m", "1m1m", "8s5", "1..5s", ".s", "1e3", "11y", "9999d", "٣s"],
)
def test_what_is_no_duration_is_refused_with_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration: write it like|longer than ten years"):
        durations.parse(text)


@given(st.floats(0, 10_000_000))
def test_a_shown_duration_is_one(seconds: float) -> None:
    assert math.isclose(
        durations.parse(durations.show(seconds)), seconds, rel_tol=0.06, abs_tol=0.06
    )


@pytest.mark.parametrize("text", ["TERM", "SIGTERM", "term", "15", " sigterm "])
def test_a_signal_has_several_spellings(text: str) -> None:
    assert signals.parse(text) == signal.SIGTERM


@given(st.sampled_from(sorted(signal.valid_signals())))
def test_every_signal_has_a_name_that_leads_back_to_it(number: int) -> None:
    assert signals.parse(signals.name(number)) == number


def test_real_time_signals_count_from_both_ends() -> None:
    assert signals.parse("RTMIN+3") == signal.SIGRTMIN + 3
    assert signals.parse("SIGRTMAX-1") == signal.SIGRTMAX - 1


@pytest.mark.parametrize("text", ["", "NOPE", "0", "65", "RTMIN+99", "-1", "32", "TERM+1"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a signal"):
        signals.parse(text)


def test_a_rewriting_names_two_signals_or_drops_one() -> None:
    assert signals.parse_rewrite("TERM=QUIT") == (15, 3)
    assert signals.parse_rewrite("28=0") == (28, 0)


@pytest.mark.parametrize("text", ["TERM", "TERM=", "=TERM", "KILL=TERM", "CHLD=TERM", "TERM=NOPE"])
def test_what_is_no_rewriting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rewrit|is not a signal"):
        signals.parse_rewrite(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_a_json_line_is_one_line_that_json_reads_back(item: object) -> None:
    line = jsonline.dumps(item)

    assert "\n" not in line
    assert json.loads(line) == item


def test_json_has_no_word_for_infinity_and_none_for_objects() -> None:
    assert jsonline.dumps([math.inf, math.nan]) == "[null, null]"
    with pytest.raises(TypeError, match="cannot write a object as JSON"):
        jsonline.dumps(object())


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001
def test_a_timestamp_is_what_datetime_says(moment: datetime) -> None:
    micros = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)

    assert record.timestamp(micros) == f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z".rjust(27, "0")
    assert record.microseconds(record.timestamp(micros)) == micros


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_a_version_7_uuid_that_sorts_by_time(milliseconds: int, luck: bytes) -> None:
    made = uuid.UUID(record.uuid7(milliseconds, luck))

    assert (made.version, made.variant, made.int >> 80) == (7, uuid.RFC_4122, milliseconds)
    assert str(made) == record.uuid7(milliseconds, luck)


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=10, max_size=10)), min_size=2))
def test_ids_of_a_process_sort_as_they_were_made_whatever_the_clock(
    moments: list[tuple[int, bytes]],
) -> None:
    made: list[str] = []
    for milliseconds, luck in moments:
        made.append(record.next_uuid7(made[-1] if made else None, milliseconds, luck))

    assert made == sorted(set(made))
    assert all(uuid.UUID(each).version == 7 for each in made)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_curve_nor_much_longer(
    failures: int, luck: float
) -> None:
    curve = min(0.5 * 2.0 ** min(failures - 1, 64), 30.0)

    assert curve <= backoff.delay(Backoff(), failures, luck) <= curve * 1.1


@given(st.lists(st.binary(max_size=3000)), st.integers(0, 3))
def test_the_tail_is_the_end_of_what_was_said(chunks: list[bytes], big: int) -> None:
    tail, said = Tail(), b""
    for chunk in [*chunks, *[b"x" * 100_000] * big, *chunks]:
        tail.feed(chunk)
        said += chunk

    expected = said[-BYTES:].decode("utf-8", "replace").splitlines(keepends=True)[-LINES:]
    assert tail.last() == "".join(expected)
    assert tail.total == len(said)
