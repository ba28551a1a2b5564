"""The options of `tapwrap run`: one table, from which everything else is made.

click's command, its help and completion, and the small reader that spares PID 1 the import
of click, all come from `OPTIONS`.
"""

from __future__ import annotations

from tapwrap.core import durations, exits, signals
from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


@value
class Option:
    """One option. `read` turns its text into a value or raises ValueError with a sentence.

    `choices`: the words it takes. `flag`: a pair of `--name/--no-name` without a value.
    `many`: may be given several times. `variable`: the environment variable that sets it.
    """

    name: str
    default: object
    help: str
    metavar: str = ""
    read: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    flag: bool = False
    many: bool = False
    shown: str = ""

    @property
    def key(self) -> str:
        """Its name as a Python name."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "TAPWRAP_" + self.key.upper()


def _restart(text: str) -> tuple[str, int | None]:
    word, colon, count = text.partition(":")
    if word in ("no", "on-failure", "always") and not colon:
        return word, None
    if word == "on-failure" and count.isascii() and count.isdigit() and int(count) > 0:
        return word, int(count)
    raise ValueError(
        f"{text!r} is not a restart policy: write no, on-failure, on-failure:N or always"
    )


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 1_000_000:
        return int(text)
    raise ValueError(f"{text!r} is not a count: write a whole number")


def _size(text: str) -> int:
    units = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
    digits = text.upper().rstrip("KMG")
    unit = units.get(text.upper()[len(digits) :])
    if digits.isascii() and digits.isdigit() and unit is not None:
        return int(digits) * unit
    raise ValueError(f"{text!r} is not a size: write it like 512K, 10M or 1G")


def _limit(text: str) -> float | None:
    return durations.parse(text) or None


OPTIONS: tuple[Option, ...] = (
    Option(
        "db",
        None,
        "The database of errors, on a mounted volume.",
        "PATH",
        shown="/var/lib/tapwrap/errors.db",
    ),
    Option(
        "db-size",
        256 * 1024**2,
        "The size at which the oldest errors make room for new ones.",
        "SIZE",
        _size,
        shown="256M",
    ),
    Option(
        "db-keep",
        90 * 86_400.0,
        "How long errors are kept; 0 is for ever.",
        "TIME",
        _limit,
        shown="90d",
    ),
    Option(
        "service", None, "The name of this service in records.", "NAME", shown="the command's name"
    ),
    Option(
        "restart",
        ("no", None),
        "When to start the command again: no, on-failure, on-failure:N, always.",
        "POLICY",
        _restart,
        shown="no",
    ),
    Option(
        "backoff",
        0.5,
        "The pause before the first restart; it doubles each time.",
        "TIME",
        durations.parse,
        shown="500ms",
    ),
    Option(
        "backoff-max",
        30.0,
        "The longest pause between restarts.",
        "TIME",
        durations.parse,
        shown="30s",
    ),
    Option(
        "backoff-reset",
        30.0,
        "Running this long makes the pauses start anew.",
        "TIME",
        durations.parse,
        shown="30s",
    ),
    Option(
        "crash-limit",
        5,
        "Give up after so many failures within --crash-window; 0 never does.",
        "N",
        _count,
        shown="5",
    ),
    Option(
        "crash-window",
        60.0,
        "The time in which failures are counted.",
        "TIME",
        durations.parse,
        shown="1m",
    ),
    Option(
        "on-crash-loop",
        "exit",
        "After giving up: exit, or hold the container for a look inside.",
        "",
        choices=("exit", "hold"),
        shown="exit",
    ),
    Option(
        "success-codes",
        exits.parse_successes("0"),
        "Codes and signals that count as success, such as 0,143,SIGTERM.",
        "LIST",
        exits.parse_successes,
        shown="0",
    ),
    Option(
        "timeout",
        None,
        "End the command after this time, with status 124.",
        "TIME",
        _limit,
        shown="never",
    ),
    Option(
        "stop-timeout",
        8.0,
        "How long the command may take to stop before it is killed.",
        "TIME",
        durations.parse,
        shown="8s",
    ),
    Option(
        "stop-signals",
        frozenset({15}),
        "Signals that ask us to stop, such as QUIT for nginx.",
        "LIST",
        signals.parse_several,
        shown="TERM",
    ),
    Option(
        "rewrite",
        (),
        "Send another signal than the one that came; TO=0 sends none.",
        "FROM=TO",
        signals.parse_rewrite,
        many=True,
    ),
    Option(
        "signal-scope",
        "main",
        "Who gets forwarded signals.",
        "",
        choices=("main", "group", "session"),
        shown="main",
    ),
    Option(
        "sweep",
        True,
        "Whether to end the processes that the command leaves behind.",
        flag=True,
        shown="sweep",
    ),
    Option(
        "capture",
        "stderr",
        "Which streams to keep the last words of, while passing them on.",
        "",
        choices=("none", "stderr", "both"),
        shown="stderr",
    ),
    Option(
        "log-format",
        "json",
        "How tapwrap says on stderr what it does.",
        "",
        choices=("json", "text"),
        shown="json",
    ),
    Option(
        "log-level",
        "info",
        "The least important thing worth saying.",
        "",
        choices=("debug", "info", "warning", "error"),
        shown="info",
    ),
    Option("log-file", None, "A file to write the same lines to, as JSON.", "PATH"),
    Option(
        "log-size",
        10 * 1024**2,
        "The size at which the log file is rotated.",
        "SIZE",
        _size,
        shown="10M",
    ),
    Option(
        "run-base",
        None,
        "Where each run has a folder of its own, on a local file system.",
        "PATH",
        shown="/run/tapwrap",
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}
NEGATIONS = {f"no-{option.name}": option for option in OPTIONS if option.flag}
FLAG_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@value
class Settings:
    """The options of a run, as values; the names are those of the table. Times in seconds."""

    db: str | None
    db_size: int
    db_keep: float | None
    service: str | None
    restart: tuple[str, int | None]
    backoff: float
    backoff_max: float
    backoff_reset: float
    crash_limit: int
    crash_window: float
    on_crash_loop: str
    success_codes: exits.Successes
    timeout: float | None
    stop_timeout: float
    stop_signals: frozenset[int]
    rewrite: tuple[tuple[int, int], ...]
    signal_scope: str
    sweep: bool
    capture: str
    log_format: str
    log_level: str
    log_file: str | None
    log_size: int
    run_base: str | None


def value_of(option: Option, text: str) -> object:
    """What a text means for an option. Raises ValueError with one sentence."""
    if option.flag:
        if text.lower() in FLAG_WORDS:
            return FLAG_WORDS[text.lower()]
        raise ValueError(f"{text!r} is neither yes nor no")
    if option.choices and text not in option.choices:
        raise ValueError(f"{text!r} is not one of {', '.join(option.choices)}")
    return option.read(text)


def read(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, list[str]] | None:
    """The values of all options and the command, for the plain case that containers use.

    None for anything else: help, abbreviations, mistakes. click reads that again and says
    what is to be said.
    """
    given: dict[str, Any] = {}
    rest = list(arguments)
    try:
        while rest and rest[0].startswith("-"):
            word = rest.pop(0)
            if word == "--":
                break
            if not _take(word, rest, given):
                return None
        if not rest:
            return None
        return Settings(**_filled(given, environ)), rest
    except ValueError:
        return None


def _take(word: str, rest: list[str], given: dict[str, Any]) -> bool:
    """Take one option, and its value, from the front of what is left."""
    name, equals, text = word.removeprefix("--").partition("=")
    option = BY_NAME.get(name) or NEGATIONS.get(name)
    if option is None or not word.startswith("--"):
        return False
    if option.flag:
        given[option.key] = name == option.name
        return not equals
    if not equals:
        if not rest:
            return False
        text = rest.pop(0)
    found = value_of(option, text)
    if option.many:
        found = (*given.get(option.key, ()), found)
    given[option.key] = found
    return True


def _filled(given: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The command line over the environment over the defaults."""
    filled: dict[str, Any] = {}
    for option in OPTIONS:
        text = environ.get(option.variable, "")
        if option.key in given:
            filled[option.key] = given[option.key]
        elif text and option.many:
            filled[option.key] = tuple(value_of(option, word) for word in text.split())
        elif text:
            filled[option.key] = value_of(option, text)
        else:
            filled[option.key] = option.default
    return filled
