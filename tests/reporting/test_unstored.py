"""What a run could not store waits in its folder, for the next run with the same store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tapwrap.reporting import unstored
from tapwrap.system import rundir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "store"),
    [('{"db": "/data/errors.db"}', "/data/errors.db"), ('{"db": null}', None)],
)
def test_a_folder_says_whose_store_it_waits_for(
    tmp_path: Path, text: str, store: str | None
) -> None:
    folder = rundir.make(str(tmp_path), "run", {})
    assert folder is not None
    rundir.write(folder, "run.json", text)

    assert unstored.store_of(folder) == store


@pytest.mark.parametrize("text", ["", "[]", "{}", '"x"'])
def test_a_folder_that_does_not_say_it_waits_for_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)

    assert unstored.store_of(str(tmp_path)) == str(tmp_path)
