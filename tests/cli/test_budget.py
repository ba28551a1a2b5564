"""What is imported before the command runs. Each name here costs every container a little."""

from __future__ import annotations

import subprocess
import sys

#: Only C modules, and nothing that brings others with it.
STANDARD_LIBRARY = {"__future__", "_ctypes", "_json", "errno", "fcntl", "select", "time"}

OURS = {
    "tapwrap",
    "tapwrap.__main__",
    "tapwrap.cli",
    "tapwrap.cli.options",
    "tapwrap.cli.run",
    "tapwrap.core",
    "tapwrap.core.backoff",
    "tapwrap.core.category",
    "tapwrap.core.durations",
    "tapwrap.core.ending",
    "tapwrap.core.exits",
    "tapwrap.core.jsonline",
    "tapwrap.core.lines",
    "tapwrap.core.record",
    "tapwrap.core.run",
    "tapwrap.core.signals",
    "tapwrap.core.supervision",
    "tapwrap.core.tail",
    "tapwrap.core.value",
    "tapwrap.reporting",
    "tapwrap.reporting.recorder",
    "tapwrap.reporting.voice",
    "tapwrap.supervisor",
    "tapwrap.supervisor.host",
    "tapwrap.supervisor.leftovers",
    "tapwrap.supervisor.loop",
    "tapwrap.system",
    "tapwrap.system.cgroup",
    "tapwrap.system.inheritance",
    "tapwrap.system.libc",
    "tapwrap.system.outlet",
    "tapwrap.system.processes",
    "tapwrap.system.relay",
    "tapwrap.system.rundir",
    "tapwrap.system.spawning",
    "tapwrap.system.terminal",
    "tapwrap.system.waiting",
}

#: Run to the very fork, and print there what is loaded and was not in a bare interpreter.
SCRIPT = """
import sys
bare = set(sys.modules)
sys.argv = ["tapwrap", "run", "--capture", "stderr", "--", "true"]
import os
def fork():
    print(*sorted(set(sys.modules) - bare), flush=True)
    os._exit(0)
os.fork = fork
from tapwrap.__main__ import main
main()
"""


def test_the_way_to_a_running_command_imports_nothing_else() -> None:
    found = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    loaded = set(found.stdout.split())

    assert {name for name in loaded if name.startswith("tapwrap")} == OURS
    assert {name for name in loaded if not name.startswith("tapwrap")} <= STANDARD_LIBRARY
