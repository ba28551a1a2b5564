"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class NotYetError(AssertionError):
    """It did not happen within its time."""


def eventually(condition: Callable[[], T], *, within: float = 10.0) -> T:
    """The condition's first true answer; an exception of pytest's `assert` counts as a no.

    This is the only place of the tests that sleeps.
    """
    deadline = time.monotonic() + within
    while True:
        complaint: AssertionError | None = None
        try:
            if answer := condition():
                return answer
        except AssertionError as error:
            complaint = error
        if time.monotonic() >= deadline:
            raise NotYetError(f"not within {within} s: {complaint or condition}")
        time.sleep(0.01)
