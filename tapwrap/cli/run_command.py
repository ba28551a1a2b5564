"""`tapwrap run` for click: help, completion and clear words for mistakes, from the same table."""

from __future__ import annotations

import click

from tapwrap.cli.options import OPTIONS, Option, Settings, value_of
from tapwrap.cli.run import supervise

HELP = """Run CMD as a container's main process, and record why it ends.

As PID 1 or anywhere else: forwards signals, reaps orphans, restarts on request, ends what
CMD leaves behind, and exits with the status of CMD. Every failure is stored; see
`tapwrap errors list` and `tapwrap why`.
"""
EXIT_STATUS = """
Exit status: that of CMD; 128+n when signal n killed it; 124 after --timeout; 125 when
tapwrap itself failed; 126 and 127 when CMD cannot be executed or found; 2 for bad usage.
"""


class Reading(click.ParamType[object]):
    """A click type that reads what the table says."""

    def __init__(self, option: Option) -> None:
        """For one option of the table."""
        self.name = option.metavar or option.name
        self._option = option

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """The value, or click's own complaint with our sentence."""
        if not isinstance(value, str):
            return value
        try:
            return value_of(self._option, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _parameter(option: Option) -> click.Option:
    default = f"  [default: {option.shown}]" if option.shown else ""
    if option.flag:
        return click.Option(
            [f"--{option.name}/--no-{option.name}"],
            default=option.default,
            help=option.help + default,
            envvar=option.variable,
        )
    return click.Option(
        [f"--{option.name}"],
        type=click.Choice(option.choices) if option.choices else Reading(option),
        default=option.default,
        multiple=option.many,
        metavar=option.metavar or None,
        help=option.help + default,
        envvar=option.variable,
    )


def _run(command: tuple[str, ...], **values: object) -> None:
    context = click.get_current_context()
    settings = Settings(**values)  # type: ignore[arg-type]  # Read by the table's own readers.
    context.exit(supervise(settings, list(command), context.obj))


run = click.Command(
    "run",
    params=[
        *map(_parameter, OPTIONS),
        click.Argument(
            ["command"], nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD..."
        ),
    ],
    callback=_run,
    help=HELP,
    epilog=EXIT_STATUS,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
)
