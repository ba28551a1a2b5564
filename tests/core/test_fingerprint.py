"""What varies by chance does not change a fingerprint; what makes the error does."""

from __future__ import annotations

import sys
import uuid
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core.fingerprint import LONGEST, fingerprint, normalise

NUMBERS = st.integers(0, 10**18).map(str)
VARYING = st.one_of(
    NUMBERS,
    st.uuids().map(str),
    st.uuids().map(lambda each: each.hex),
    st.ip_addresses().map(str).filter(lambda each: each != "::"),
    st.datetimes().map(lambda each: each.isoformat() + "Z"),
    st.floats(0, 10**6).map(lambda each: f"{each:.3f}"),
    st.integers(2**20, 2**60).map(hex),
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: f"/tmp/x{pair[0]}/y-{pair[1]}.sock"),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("E1042 at line 17", "E1042 at line <n>"),
        ("refused by 10.0.0.1:5432 after 1.5s", "refused by <n> after <n>s"),
        ("id 550e8400-e29b-41d4-a716-446655440000.", "id <id>."),
        ("at 0x7fff5c, build a1b2c3d4e5", "at <hex>, build <hex>"),
        ("[2026-01-31T08:09:10.123Z] (12:34:56)", "[<n>] (<n>)"),
        ("no route to 2001:db8::, :: said", "no route to <ip>, :: said"),
        ("no route to fe80::1%eth0", "no route to <ip>"),
        ("cannot open '/tmp/a8f/x.sock'", "cannot open '<path>'"),
        ("std::vector<int> user_12 worker-7", "std::vector<int> user_<n> worker-<n>"),
        ("  two\n\tlines ", "two lines"),
    ],
)
def test_what_stays_and_what_goes(text: str, shown: str) -> None:
    assert normalise(text) == shown


@given(st.lists(VARYING, min_size=2, max_size=20))
def test_one_error_with_many_values_is_one_error(values: list[str]) -> None:
    seen = {of(f"cannot reach node {value}: try again") for value in values if len(value) < 40}
    kinds = {normalise(value) for value in values if len(value) < 40}

    assert len(seen) == len(kinds)
    assert all("<" in kind for kind in kinds)


@given(st.lists(st.uuids(), min_size=2, max_size=20))
def test_five_thousand_ids_are_one_error(ids: list[UUID]) -> None:
    assert len({of(f"message {each} was not delivered") for each in ids}) == 1


def of(message: str, **changes: str) -> str:
    parts = {"cause": "exit", "program": "api", "type": "exit", "message": message}
    return fingerprint(**parts | changes)


@pytest.mark.parametrize(
    "changes", [{"cause": "signal"}, {"program": "worker"}, {"type": "ValueError"}]
)
def test_another_cause_program_or_type_is_another_error(changes: dict[str, Any]) -> None:
    assert of("x") != of("x", **changes)


def test_codes_stay_apart() -> None:
    assert of("E1042: no") != of("E1043: no")


def test_parts_are_not_glued_together() -> None:
    one = fingerprint(cause=None, program="ab", type="c", message="")
    other = fingerprint(cause=None, program="a", type="bc", message="")

    assert one != other


@given(st.text())
def test_a_fingerprint_has_its_algorithm_and_32_digits(text: str) -> None:
    number, _, digits = of(text).partition(":")

    assert number == "1"
    assert len(digits) == 32
    assert uuid.UUID(digits).hex == digits


@given(st.text(st.characters()))
def test_nothing_makes_it_fail(text: str) -> None:
    once = normalise(text)

    assert normalise(text) == once
    assert "\n" not in once


def work(text: str) -> int:
    """How many lines of our code run for a text: a measure that no busy machine changes."""
    lines = 0

    def count(_frame: object, event: str, _argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]
    try:
        normalise(text)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize(
    "piece", ["a.", "a@", "1", "1.", "::", "a-", "/", "<", "0x", "a1", "é", " ", "-1:"]
)
def test_hostile_text_takes_no_more_work_than_its_length(piece: str) -> None:
    half, whole = (piece * (length // len(piece)) for length in (LONGEST // 2, LONGEST))

    assert work(whole) <= 2.2 * work(half) + 50
    assert work(piece * 5000) <= work(whole) * 1.1 + 50
