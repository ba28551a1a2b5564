"""From how a command ended to the record that is kept of it: scrubbed, grouped, placed."""

from __future__ import annotations

import os

from tapwrap.core import container, ending
from tapwrap.core.category import KINDS
from tapwrap.core.fingerprint import fingerprint
from tapwrap.core.scrub import scrub, scrub_argv, scrub_value
from tapwrap.core.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapwrap.core.ending import Ending
    from tapwrap.core.record import ErrorRecord


def record_of(end: Ending, environ: Mapping[str, str]) -> ErrorRecord:
    """The record of an ending, with nothing secret in it."""
    clean = replace(
        end,
        command=tuple(scrub_argv(list(end.command))),
        stderr_tail=scrub(end.stderr_tail),
        stdout_tail=scrub(end.stdout_tail),
        why=scrub(end.why) if end.why else None,
    )
    return ending.record(
        clean,
        {name: scrub_value(item) for name, item in surroundings(environ).items()},
        fingerprint(
            cause=clean.cause or KINDS["exit"].code,
            program=clean.program,
            type=ending.type_of(clean),
            message=ending.message(clean),
        ),
    )


def surroundings(environ: Mapping[str, str]) -> dict[str, object]:
    """What is known of the container and the host we run in."""
    return container.attributes(
        dict(environ),
        host=os.uname().nodename,
        cgroup=_read("/proc/self/cgroup"),
        mountinfo=_read("/proc/self/mountinfo"),
    )


def boot_id() -> str:
    """What changes when the host is booted anew."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""  # No /proc here: then we know less.
