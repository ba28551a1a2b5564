"""One life of `tapwrap run`, from its start to its end."""

from __future__ import annotations

from tapwrap.core.value import value


@value
class Run:
    """What is known of a run. Times in microseconds UTC; `ended` is None while it lives."""

    id: str
    service: str
    command: tuple[str, ...]
    pid: int
    started: int
    ended: int | None = None
    status: int | None = None
    cause: str | None = None
    attempts: int = 0
