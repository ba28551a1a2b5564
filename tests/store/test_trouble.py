"""Every failure becomes a sentence: what could not be done, to what, why, and what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tapwrap.store.trouble import ADVICE, explain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.EROFS, "read_only"),
        (errno.ENOENT, "missing"),
        (errno.EACCES, "permission"),
        (errno.EIO, "io"),
        (errno.ESTALE, "io"),
    ],
)
def test_errors_of_the_system(number: int, reason: str) -> None:
    trouble = explain(OSError(number, os.strerror(number)), "open", "/data/errors.db")

    assert trouble.reason == reason
    assert str(trouble).startswith(f"cannot open /data/errors.db: {ADVICE[reason][0]}")


def test_what_sqlite_cannot_open_is_looked_at(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere" / "errors.db")
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(missing).execute("SELECT 1")

    assert explain(caught.value, "open", missing).reason == "missing"


def test_a_directory_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(str(tmp_path)).execute("SELECT 1")

    assert explain(caught.value, "open", str(tmp_path)).reason == "not_a_store"


def test_an_error_nobody_foresaw_is_told_in_its_own_words() -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("SELECT * FROM nowhere")
    connection.close()

    trouble = explain(caught.value, "read", "/data/errors.db")
    assert trouble.reason == "io"
    assert "no such table: nowhere" in str(trouble)
