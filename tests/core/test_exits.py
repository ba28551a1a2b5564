"""How an end is read and judged."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core import exits
from tapwrap.core.exits import Exit, NotStarted, Sender, Successes, Told, judge

NONE = Successes()


@given(st.integers(0, 255))
def test_a_code_is_read_as_wait_tells_it(code: int) -> None:
    assert exits.from_wait(code << 8) == Exit(code=code)
    assert exits.from_wait(code << 8).status == code == os.waitstatus_to_exitcode(code << 8)


@given(st.integers(1, 64), st.booleans())
def test_a_death_is_read_as_wait_tells_it(signal: int, core: bool) -> None:
    end = exits.from_wait(signal | (0x80 if core else 0))

    assert end == Exit(signal=signal, core=core)
    assert end.status == 128 + signal


def test_successes_are_codes_and_signals() -> None:
    successes = exits.parse_successes("0, 75,SIGTERM,143")

    assert successes == Successes(frozenset({0, 75, 143}), frozenset({15}))
    assert successes.holds(Exit(75))
    assert successes.holds(Exit(signal=15))
    assert not successes.holds(Exit(1))
    assert exits.parse_successes("143").holds(Exit(signal=15))


@pytest.mark.parametrize("text", ["", "256", "-1", "NOSUCH", "0,,1", "٣"])
def test_what_is_no_list_of_successes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a signal|above 255"):
        exits.parse_successes(text)


def test_what_never_started_says_why_by_its_status() -> None:
    for status, cause in ((127, "not_found"), (126, "not_executable"), (125, "spawn_failed")):
        verdict = judge(NotStarted(status, "no"), successes=NONE)
        assert (verdict.cause, verdict.status, verdict.failed) == (cause, status, True)


@pytest.mark.parametrize("end", [Exit(signal=2), Exit(130)])
def test_an_interruption_on_a_terminal_is_planned(end: Exit) -> None:
    at_terminal = judge(end, successes=NONE, at_terminal=True)
    elsewhere = judge(end, successes=NONE)

    assert (at_terminal.cause, at_terminal.failed, at_terminal.planned) == (None, False, True)
    assert (elsewhere.failed, elsewhere.planned) == (True, False)
    assert at_terminal.status == elsewhere.status == 130


def test_a_success_with_a_killed_helper_is_recorded_but_no_failure() -> None:
    verdict = judge(Exit(0), successes=NONE, oom_kills=1)

    assert (verdict.cause, verdict.status, verdict.failed) == ("oom", 0, False)


def test_the_latest_signal_that_fits_is_blamed() -> None:
    told = (Told(10, Sender(1, 1)), Told(10, Sender(2, 2)), Told(12, Sender(3, 3)))

    assert judge(Exit(signal=10), successes=NONE, told=told).told == Told(10, Sender(2, 2))
    assert judge(Exit(signal=11), successes=NONE, told=told).told is None


ENDS = st.builds(Exit, code=st.integers(0, 255)) | st.builds(Exit, signal=st.integers(1, 64))


@given(ENDS, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2))
def test_a_failure_never_exits_with_zero_and_a_success_never_without(
    end: Exit, asked: bool, timed_out: bool, overdue: bool, oom_kills: int
) -> None:
    verdict = judge(
        end,
        successes=NONE,
        asked=asked,
        timed_out=timed_out,
        overdue=overdue,
        oom_kills=oom_kills,
    )

    assert not (verdict.failed and verdict.status == 0)
    assert verdict.status == (124 if timed_out else end.status)
    assert verdict.failed <= (verdict.cause is not None)
