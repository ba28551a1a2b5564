"""What can be stored: records and runs from files and from programs are not always what they say.

Asked before a transaction begins: one that cannot be stored must not take others with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.core.record import ErrorRecord
    from tapwrap.store.entry import RunNote

_NEEDED = frozenset(
    {"id", "time", "severity", "category", "code", "type", "message", "fingerprint", "service"}
)
_INTEGERS = frozenset(
    {"time", "severity", "exit_code", "signal", "started", "ended", "pid", "attempts"}
)

#: SQLite has 64 bits for a number.
_LARGEST = 2**62


def wrong_with(item: ErrorRecord | RunNote) -> str | None:
    """What is wrong with a record or a run, or None when it can be stored."""
    needed = {"id", "started"} if hasattr(item, "started") else _NEEDED
    for name, field in vars(item).items():
        if field is None:
            if name in needed:
                return f"{name} is missing"
        elif not _fits(name, field):
            return f"{name} is not what it should be: {field!r}"[:200]
    return None


def _fits(name: str, field: object) -> bool:
    if name in _INTEGERS:
        # Not isinstance(): True is an int, but not a severity.
        return type(field) is int and abs(field) <= _LARGEST
    if name == "monotonic":
        return type(field) in {int, float}
    if name == "handled":
        return isinstance(field, bool)
    if name == "attributes":
        return isinstance(field, dict)
    if name == "argv":
        return isinstance(field, tuple) and all(isinstance(each, str) for each in field)
    return isinstance(field, str)
