"""Run folders: where they are made, whom they are trusted from, when they are abandoned."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import eventually
from tapwrap.store import living
from tapwrap.system import rundir

HOLD = """
import sys
from tapwrap.system import rundir
print(rundir.make(sys.argv[1], "other", {}), flush=True)
sys.stdin.read()
"""


def test_a_run_folder_is_private(tmp_path: Path) -> None:
    path = rundir.make(str(tmp_path / "base"), "run", {})

    assert path == str(tmp_path / "base" / "run")
    assert Path(path).stat().st_mode & 0o777 == 0o700
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_a_link_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "base").symlink_to(tmp_path / "real")

    assert rundir.make(str(tmp_path / "base"), "run", {}) is None


def test_a_folder_is_abandoned_when_its_run_is_dead(tmp_path: Path) -> None:
    base = str(tmp_path)
    mine = rundir.make(base, "mine", {})
    assert mine is not None
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, base], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == f"{base}/other\n".encode()
        assert rundir.abandoned(base) == []
        other.kill()
    assert eventually(lambda: rundir.abandoned(base)) == [f"{base}/other"]


def test_an_empty_folder_is_removed_and_a_full_one_stays(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        path = rundir.make(str(tmp_path), name, {})
        assert path is not None
        rundir.write(path, "run.json", "{}")
        (Path(path) / rundir.UNSTORED).mkdir()
    (tmp_path / "full" / rundir.UNSTORED / "records").touch()

    for name in ("empty", "full"):
        rundir.remove(str(tmp_path / name))

    assert [each.name for each in tmp_path.iterdir()] == ["full"]


def test_a_run_is_alive_until_its_last_descriptor_is_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "errors.db")
    held = living.mark(path, "run")
    assert held is not None

    assert living.is_alive(path, "run") is True
    os.close(held)
    assert living.is_alive(path, "run") is False
    living.forget(path, "run")
    assert living.is_alive(path, "run") is None


@pytest.mark.parametrize("name", ["TAPWRAP_RUN_BASE", "TAPWRAP_RUN_DIR", "XDG_RUNTIME_DIR"])
def test_where_folders_may_be_is_said_by_the_environment(name: str) -> None:
    found = rundir.bases({name: "/somewhere/run-1"})

    assert [each for each in found if each.startswith("/somewhere")] == [
        {
            "TAPWRAP_RUN_BASE": "/somewhere/run-1",
            "TAPWRAP_RUN_DIR": "/somewhere",
            "XDG_RUNTIME_DIR": "/somewhere/run-1/tapwrap",
        }[name]
    ]
