"""A person who names no store means the one of the tapwrap that runs here."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tapwrap.cli.place import locate
from tapwrap.store.trouble import CannotStore

if TYPE_CHECKING:
    from pathlib import Path


def test_named_beats_the_environment_beats_all_others(tmp_path: Path) -> None:
    assert locate(str(tmp_path / "a"), {"TAPWRAP_DB": "/b"}) == str(tmp_path / "a")
    assert locate(None, {"TAPWRAP_DB": "/b"}) == "/b"


def test_the_latest_run_here_says_where_its_store_is(tmp_path: Path) -> None:
    stores = []
    for number, name in enumerate(("old", "new", "gone", "broken")):
        run = tmp_path / name
        run.mkdir()
        store = tmp_path / f"{name}.db"
        if name != "gone":
            store.write_text("")
        note = run / "run.json"
        note.write_text("{" if name == "broken" else json.dumps({"db": str(store)}))
        os.utime(note, (number, number))
        stores.append(str(store))

    assert locate(None, {"TAPWRAP_RUN_DIR": str(tmp_path / "old")}) == stores[1]


def test_a_store_in_the_run_base_is_found(tmp_path: Path) -> None:
    # Only where no other store is, which a machine that uses tapwrap may have.
    (tmp_path / "errors.db").write_text("")
    try:
        found = locate(None, {"TAPWRAP_RUN_DIR": str(tmp_path / "run")})
    except CannotStore:
        pytest.fail("the store in the run base was not found")

    assert os.path.exists(found)
