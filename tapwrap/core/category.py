"""The fixed words for what the supervisor sees: category, code and severity of each cause."""

from __future__ import annotations

from tapwrap.core.record import SEVERITIES
from tapwrap.core.value import value


@value
class Kind:
    """How a cause is filed. Codes are stable: scripts and alerts are written against them."""

    code: str
    category: str
    severity: int
    meaning: str


_ERROR, _CRITICAL = SEVERITIES["error"], SEVERITIES["critical"]

KINDS: dict[str, Kind] = {
    "exit": Kind(
        "EXIT_STATUS",
        "application",
        _ERROR,
        "The command ended by itself with a status that is not a success.",
    ),
    "signal": Kind(
        "KILLED_BY_SIGNAL",
        "process",
        _ERROR,
        "The command died of a signal, its own fault or sent by somebody.",
    ),
    "oom": Kind(
        "OUT_OF_MEMORY",
        "resource",
        _CRITICAL,
        "The kernel killed a process of the container for lack of memory.",
    ),
    "timeout": Kind(
        "RUN_TIMEOUT",
        "timeout",
        _ERROR,
        "The command ran longer than `--timeout` allows and was ended.",
    ),
    "stop_timeout": Kind(
        "STOP_TIMEOUT",
        "timeout",
        _ERROR,
        "The command was told to stop, outlived `--stop-timeout` and was killed.",
    ),
    "not_found": Kind("COMMAND_NOT_FOUND", "environment", _ERROR, "There is no such command."),
    "not_executable": Kind(
        "COMMAND_NOT_EXECUTABLE",
        "environment",
        _ERROR,
        "The command is there, but cannot be executed.",
    ),
    "spawn_failed": Kind(
        "SPAWN_FAILED", "resource", _ERROR, "The kernel refused to start another process."
    ),
    "crash_loop": Kind(
        "CRASH_LOOP",
        "process",
        _CRITICAL,
        "The command failed too often within `--crash-window`; it was given up.",
    ),
    "wrapper_killed": Kind(
        "WRAPPER_KILLED",
        "process",
        _CRITICAL,
        "tapwrap itself was killed: nobody was left to say how the command ended.",
    ),
}
