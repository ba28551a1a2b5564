"""Signals by name and number, and the rewriting of one into another."""

from __future__ import annotations

# Constants only; the signal module would bring enum to PID 1. It has no type stubs.
import _signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

RTMIN: int = int(_signal.SIGRTMIN)
RTMAX: int = int(_signal.SIGRTMAX)
_ALIASES = ("SIGCLD", "SIGPOLL", "SIGRTMIN", "SIGRTMAX")

NUMBERS: dict[str, int] = {
    name[3:]: int(number)
    for name, number in vars(_signal).items()
    if name.startswith("SIG") and name[3:4].isalpha() and isinstance(number, int)
}
NAMES: dict[int, str] = {
    number: name for name, number in NUMBERS.items() if f"SIG{name}" not in _ALIASES
}

#: What nobody can catch, and what is the kernel's own word to a parent.
UNCATCHABLE = frozenset({NUMBERS["KILL"], NUMBERS["STOP"], NUMBERS["CHLD"]})


def name(number: int) -> str:
    """`TERM` for 15, `RTMIN+3` for 37, the number itself for one without a name."""
    if RTMIN <= number <= RTMAX:
        return "RTMIN" if number == RTMIN else f"RTMIN+{number - RTMIN}"
    return NAMES.get(number, str(number))


def parse(text: str) -> int:
    """The number of a signal: `TERM`, `SIGTERM`, `15`, `RTMIN+3`, `RTMAX-1`. Raises ValueError."""
    word = text.strip().upper().removeprefix("SIG")
    base, sign, offset = word.partition("+" if "+" in word else "-")
    if word.isascii() and word.isdigit():
        number = int(word)
    elif sign and base in ("RTMIN", "RTMAX") and offset.isascii() and offset.isdigit():
        number = NUMBERS[base] + (int(offset) if sign == "+" else -int(offset))
    else:
        number = NUMBERS.get(word, 0)
    if number in NAMES or RTMIN <= number <= RTMAX:
        return number
    raise ValueError(f"{text!r} is not a signal: write a name like TERM or a number like 15")


def parse_rewrite(text: str) -> tuple[int, int]:
    """`TERM=QUIT` as (15, 3); `WINCH=0` as (28, 0), which drops it. Raises ValueError."""
    source, equals, target = text.partition("=")
    if not equals:
        raise ValueError(
            f"{text!r} is not a rewriting: write it like TERM=QUIT, or WINCH=0 to drop"
        )
    before = parse(source)
    if before in UNCATCHABLE:
        raise ValueError(f"{source!r} cannot be rewritten: it never arrives as a signal to forward")
    return before, 0 if target.strip() == "0" else parse(target)


def parse_several(text: str) -> frozenset[int]:
    """`TERM,INT` as a set of numbers. Raises ValueError."""
    return frozenset(parse(word) for word in text.split(","))


def rewritten(number: int, rewrites: Mapping[int, int]) -> int:
    """What to send for a signal that arrived; 0 sends nothing. Once only, so that swaps work."""
    return rewrites.get(number, number)
