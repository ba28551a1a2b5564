"""How much is kept follows from sizes and ages alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core import retention

MIB = 1024 * 1024
SIZES = st.integers(0, 2**45)


@given(SIZES)
def test_a_ballast_never_takes_much_of_a_volume(free: int) -> None:
    size = retention.ballast_size(free)

    assert size <= free / 8
    assert size == 0 or MIB <= size <= 4 * MIB


@given(SIZES)
def test_what_the_ballast_leaves_holds_the_log(free: int) -> None:
    ballast = retention.ballast_size(free)

    assert ballast == 0 or retention.log_size(ballast) <= ballast / 2


@given(SIZES)
def test_without_a_ballast_the_file_leaves_room_for_the_log(free: int) -> None:
    assert free - retention.growth(free) >= min(free, MIB)


@given(SIZES, SIZES, st.sampled_from([512, 4096, 65536]), SIZES)
def test_pages_over_the_limit_are_those_in_use(
    pages: int, free: int, page: int, limit: int
) -> None:
    over = retention.pages_over(pages, min(free, pages), page, limit)

    assert over >= 0
    assert (pages - min(free, pages) - over) * page <= limit
    assert retention.pages_over(pages, free, page, None) == 0


def test_rows_until_the_limit_and_one_at_least() -> None:
    assert [retention.stored_in_full(kept, 2) for kept in range(4)] == [True, True, False, False]
    assert retention.stored_in_full(0, 0)
    assert retention.stored_in_full(10**6, None)


def test_an_age_is_a_moment() -> None:
    assert retention.cutoff(10_000_000, 4.5) == 5_500_000
    assert retention.cutoff(10_000_000, None) is None
