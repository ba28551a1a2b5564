"""The tools agree, and what must agree is compared."""

from __future__ import annotations

import re
import subprocess

import pytest

from support.environment import PATH, PROJECT, find


@pytest.mark.parametrize(
    "tool",
    ["ruff check", "ruff format --check", "mypy", "lint-imports"],
)
def test_the_tool_has_no_complaint(tool: str) -> None:
    program, *arguments = tool.split()

    verdict = subprocess.run(
        [find(program), *arguments],
        cwd=PROJECT,
        env={"PATH": PATH, "NO_COLOR": "1", "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert verdict.returncode == 0, verdict.stdout


def test_ci_passes_the_tests_as_the_readme_says() -> None:
    readme = (PROJECT / "README.md").read_text()
    marked = re.findall(r"<!-- tests -->\n```sh\n(.+?)\n```", readme, re.DOTALL)

    assert marked == [(PROJECT / ".ci" / "run").read_text().splitlines()[-1]]
