"""Every command of the README works as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import environment
from support.environment import PROJECT
from tapwrap.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"(<!-- \w+ -->\n)?```(\w+)\n(.*?)\n```", README, re.DOTALL)
TRY = next(block for mark, _, block in BLOCKS if "try" in mark)
LINES = [
    line
    for mark, language, block in BLOCKS
    if language == "sh" and not mark
    for line in block.splitlines()
]
ENTRYPOINTS = re.findall(r'\["tapwrap".*\]', README)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store in it that knows one failure."""
    run = [environment.find("tapwrap"), "run", "--db", "errors.db", "--", "sh", "-c", "exit 3"]
    subprocess.run(run, cwd=tmp_path, env=environment.measured(), check=False, capture_output=True)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_the_command_is_understood(line: str, folder: Path) -> None:
    env = environment.measured() | {"TAPWRAP_DB": str(folder / "errors.db")}
    listed = subprocess.run(
        ["tapwrap", "errors", "list", "--format", "json"],
        cwd=folder,
        env=env,
        capture_output=True,
        check=True,
    )
    only_id = json.loads(listed.stdout)[0]["id"]
    # What a person types on the host is run as it arrives in the container.
    inside = line.removeprefix("docker exec web ").replace("7a0d598d", only_id)
    if inside.startswith("sqlite3"):
        inside = inside.replace("sqlite3", "sqlite-utils query")

    said = subprocess.run(
        ["sh", "-c", inside], cwd=folder, env=env, capture_output=True, text=True, check=False
    )

    expected = {"--restart": 3, "--timeout": 124, "--log-file": 3}
    status = next((code for word, code in expected.items() if word in inside), 0)
    assert said.returncode == status, said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_the_entrypoint_is_understood(entrypoint: str) -> None:
    words = json.loads(entrypoint)

    assert words[:2] == ["tapwrap", "run"]
    assert options.read([*words[2:], "sh"], {}) is not None


def test_the_default_grace_fits_into_what_docker_gives() -> None:
    (grace,) = re.findall(r"stop_grace_period: (\d+)s", README)
    (pod,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", README)
    (inside,) = re.findall(r"TAPWRAP_STOP_TIMEOUT, value: (\d+)s", README)
    assert options.BY_NAME["stop-timeout"].default == 8.0
    assert int(grace) >= 8 + 2
    assert int(inside) + 2 <= int(pod)


def test_the_first_command_shows_why_a_program_died(
    tmp_path: Path, fresh_clone: Callable[[Path], None]
) -> None:
    clone = tmp_path / "clone"
    fresh_clone(clone)
    # The command says python3; that is this very Python here.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    env = os.environ | {"PATH": f"{programs}:{environment.PATH}"}

    said = subprocess.run(
        ["sh", "-c", TRY], cwd=clone, env=env, capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stderr
    assert "FileNotFoundError" in said.stderr
    assert "EXIT_STATUS" in said.stdout
    assert "python3 exited with status 1" in said.stdout


@pytest.fixture
def fresh_clone() -> Callable[[Path], None]:
    """Copy what git would give somebody else: only the files that belong to the project."""

    def clone(target: Path) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            if (PROJECT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, target / name)

    return clone
