"""Writers in other processes, and what must be true of every store."""

from __future__ import annotations

import pytest

from support.stores import WRITER, Agree, agreed


@pytest.fixture
def writer() -> str:
    """The code of a writer: arguments are path, count, batch and name."""
    return WRITER


@pytest.fixture
def agree() -> Agree:
    """Check that all counters of a store agree, and return how many occurrences there are."""
    return agreed
