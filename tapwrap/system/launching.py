"""One attempt on its way: the pipes are laid, the counters read, the command is started."""

from __future__ import annotations

import os
import time

from tapwrap.core.value import replace, value
from tapwrap.system import spawning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tapwrap.core.exits import NotStarted
    from tapwrap.system.cgroup import Group
    from tapwrap.system.spawning import Child, Surroundings
    from tapwrap.system.terminal import Terminal


@value
class Launch:
    """What came of it. `at` is seconds of the monotonic clock, `oom_kills` the counter before.

    Either there is a child, with the descriptors that its captured streams are read from, or
    there is none, and `failure` says why.
    """

    at: float
    oom_kills: int | None
    child: Child | None = None
    failure: NotStarted | None = None
    sources: Mapping[int, int] = {}


def launch(
    command: list[str],
    surroundings: Surroundings,
    terminal: Terminal,
    *,
    capture: Collection[int],
    group: Group,
) -> Launch:
    """Start the command, its descriptors in `capture` on pipes. All signals must be blocked."""
    at, oom_kills = time.monotonic(), group.oom_kills()
    pipes: dict[int, tuple[int, int]] = {}
    try:
        for fd in capture:
            pipes[fd] = os.pipe2(os.O_CLOEXEC)
        streams = {fd: sink for fd, (_, sink) in pipes.items()}
        child = spawning.spawn(command, replace(surroundings, streams=streams), terminal)
    except OSError as error:
        for source, sink in pipes.values():
            os.close(source)
            os.close(sink)
        return Launch(at, oom_kills, failure=spawning.no_room(command[0], error))
    for _, sink in pipes.values():
        os.close(sink)  # Else the pipe would never end.
    return Launch(at, oom_kills, child, sources={fd: source for fd, (source, _) in pipes.items()})
