"""Write what can be computed: the reference pages here, and the completions.

    python docs/generate.py

tests/test_generated.py compares the result with what is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from tapwrap.cli.app import tapwrap
from tapwrap.core.category import KINDS
from tapwrap.core.record import severity_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
COMPLETIONS = {"bash": "tapwrap.bash", "fish": "tapwrap.fish", "zsh": "_tapwrap"}


def files() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    completions = {
        ROOT / "completions" / name: completion(shell) for shell, name in COMPLETIONS.items()
    }
    return {
        ROOT / "docs" / "commands.md": commands(),
        ROOT / "docs" / "codes.md": codes(),
        **completions,
    }


def commands() -> str:
    """What every command says of itself."""
    pages = [
        "# Commands",
        "",
        "Generated from the commands themselves. Every option of `tapwrap run` can also be set",
        "by an environment variable: `--stop-timeout` is `TAPWRAP_STOP_TIMEOUT`.",
    ]
    for path, command in walk("tapwrap", tapwrap):
        context = click.Context(
            command,
            info_name=path,
            terminal_width=96,
            help_option_names=["-h", "--help"],
        )
        pages += ["", f"## {path}", "", "```text", command.get_help(context), "```"]
    return "\n".join(pages) + "\n"


def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and everything below it, with the words that lead there."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from walk(f"{path} {name}", below)


def codes() -> str:
    """The causes that the supervisor tells apart, and how each is filed."""
    lines = [
        "# Causes and codes",
        "",
        "Why a command ended, as the supervisor sees it. Codes are stable: scripts and alerts may",
        "be written against them.",
        "",
        "| cause | code | category | severity | meaning |",
        "|---|---|---|---|---|",
    ]
    for cause, kind in KINDS.items():
        severity = severity_name(kind.severity)
        row = (f"`{cause}`", f"`{kind.code}`", kind.category, severity, kind.meaning)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def completion(shell: str) -> str:
    """The script that makes a shell ask tapwrap what could come next."""
    kind = get_completion_class(shell)
    if kind is None:
        raise LookupError(f"click knows no completion for {shell}")
    template = kind(tapwrap, {}, "tapwrap", "_TAPWRAP_COMPLETE")
    # `source` of the bash class would look for a bash on this machine.
    return template.source_template % template.source_vars()


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
