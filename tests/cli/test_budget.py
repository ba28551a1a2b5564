"""What is imported before the command runs. Each name here costs every container a little."""

from __future__ import annotations

import subprocess
import sys

#: Only C modules, and nothing that brings others with it. `_ctypes` is not needed by PID 1.
STANDARD_LIBRARY = {"__future__", "_ctypes", "errno", "fcntl", "time"}

OURS = {
    "tapwrap",
    "tapwrap.__main__",
    "tapwrap.cli",
    "tapwrap.cli.options",
    "tapwrap.cli.run",
    "tapwrap.core",
    "tapwrap.core.durations",
    "tapwrap.core.exits",
    "tapwrap.core.record",
    "tapwrap.core.signals",
    "tapwrap.core.value",
    "tapwrap.system",
    "tapwrap.system.cgroup",
    "tapwrap.system.inheritance",
    "tapwrap.system.launching",
    "tapwrap.system.libc",
    "tapwrap.system.rundir",
    "tapwrap.system.spawning",
    "tapwrap.system.terminal",
}

#: And no more for as long as nothing goes wrong: an idle PID 1 stays small.
LATER = {
    "tapwrap.cli.watch",
    "tapwrap.core.backoff",
    "tapwrap.core.category",
    "tapwrap.core.ending",
    "tapwrap.core.jsonline",
    "tapwrap.core.lines",
    "tapwrap.core.run",
    "tapwrap.core.supervision",
    "tapwrap.core.tail",
    "tapwrap.reporting",
    "tapwrap.reporting.recorder",
    "tapwrap.reporting.voice",
    "tapwrap.supervisor",
    "tapwrap.supervisor.account",
    "tapwrap.supervisor.attempt",
    "tapwrap.supervisor.host",
    "tapwrap.supervisor.leftovers",
    "tapwrap.supervisor.loop",
    "tapwrap.system.outlet",
    "tapwrap.system.processes",
    "tapwrap.system.relay",
    "tapwrap.system.waiting",
}
LATER_STANDARD_LIBRARY = {"_json", "select"}

#: Run a command, and say what was not in a bare interpreter: at the fork, and at the end.
SCRIPT = """
import os, sys
bare = set(sys.modules)
fork = os.fork
def noting():
    print(*sorted(set(sys.modules) - bare), flush=True)
    return fork()
def end(status):
    print(*sorted(set(sys.modules) - bare), flush=True)
    leave(status)
leave = os._exit
os.fork, os._exit = noting, end
sys.argv = ["tapwrap", "run", "--capture", "stderr", "--", "true"]
from tapwrap.__main__ import main
main()
"""


def test_what_is_not_needed_is_not_imported() -> None:
    found = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    before, after = (set(line.split()) for line in found.stdout.splitlines())

    assert ours(before) == OURS
    assert before - ours(before) <= STANDARD_LIBRARY
    assert ours(after) == OURS | LATER
    # os.wait4 brings `resource`, once something has ended.
    assert after - ours(after) <= STANDARD_LIBRARY | LATER_STANDARD_LIBRARY | {"resource"}


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "tapwrap"}
