"""What must agree is compared: reference pages and completions with the commands."""

from __future__ import annotations

import importlib.util
import subprocess
from typing import TYPE_CHECKING

import pytest

from support import environment
from support.environment import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


def _generated() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("generate", PROJECT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[Path, str] = module.files()
    return files


@pytest.mark.parametrize("path", _generated(), ids=lambda path: str(path.name))
def test_the_file_is_what_would_be_generated(path: Path) -> None:
    assert path.read_text() == _generated()[path], "run: python docs/generate.py"


def test_bash_completes_a_subcommand_and_an_option() -> None:
    script = f"""
        source {PROJECT}/completions/tapwrap.bash
        for line in "tapwrap err" "tapwrap run --resta"; do
            COMP_WORDS=($line); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
            _tapwrap_completion tapwrap
            echo "${{COMPREPLY[@]}}"
        done
    """
    said = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment.measured(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.split() == ["errors", "--restart"]
