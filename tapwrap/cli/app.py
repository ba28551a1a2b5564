"""The command `tapwrap`: names of commands, and what every one of them does with failure."""

from __future__ import annotations

import importlib
import os
import sys

import click

from tapwrap import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Name -> where it is. Imported when it is called, so that none pays for another.
COMMANDS = {
    "errors": "tapwrap.cli.errors:errors",
    "run": "tapwrap.cli.run_command:run",
    "why": "tapwrap.cli.why:why",
}

USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


class Lazy(click.Group):
    """A group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The names, in the order of the alphabet."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, or None."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a broken pipe and Ctrl-C end it without a word."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read us has gone. What Python flushes when it ends must go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            # Caught before click can say "Aborted!": whoever pressed Ctrl-C knows.
            raise click.exceptions.Exit(INTERRUPTED) from None
        return result


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="tapwrap", message="%(prog)s %(version)s")
def tapwrap() -> None:
    """The container entrypoint that knows why your process died."""


def main(mask: frozenset[int], arguments: Sequence[str] | None = None) -> int:
    """Run a command line (by default the process's own). Returns the exit status.

    `mask` are the signals that were blocked when we were started, for `tapwrap run`.
    """
    from tapwrap.cli import render

    try:
        status = tapwrap.main(
            None if arguments is None else list(arguments),
            "tapwrap",
            standalone_mode=False,
            obj=mask,
        )
    except click.exceptions.NoArgsIsHelpError as error:
        render.usage(error.format_message())
        return USAGE
    except click.UsageError as error:
        hint = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        render.complain(error.format_message().rstrip(".") + hint)
        return USAGE
    except click.ClickException as error:
        render.complain(error.format_message())
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    return status if isinstance(status, int) else 0
