"""What tapwrap costs to start and to leave: `python benchmarks/start.py [ROUNDS]` (default 40).

All contenders take turns. `bare` is no wrapper, `floor` the leanest PID 1 that this Python can
be (fork, wait, nothing else), `tini` is there when it is installed. Prints medians and ratios.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FLOOR = """
import os, sys, _signal
every = _signal.valid_signals()
mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, every)
child = os.fork()
if child == 0:
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    signal = _signal.sigwait(every)
    if signal == _signal.SIGCHLD:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status))
    else:
        os.kill(child, signal)
"""

#: A command that tells when it ran.
NOW = ["date", "+%s%N"]


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 40
    with tempfile.TemporaryDirectory() as folder:
        floor = os.path.join(folder, "floor.py")
        with open(floor, "w", encoding="utf-8") as file:
            file.write(FLOOR)
        tapwrap = os.path.join(os.path.dirname(sys.executable), "tapwrap")
        contenders = {
            "bare": [],
            "floor": [sys.executable, floor],
            "tapwrap": [tapwrap, "run", "--db", os.path.join(folder, "errors.db"), "--"],
        }
        if tini := shutil.which("tini"):
            contenders["tini"] = [tini, "-s", "--"]
        show(measure(contenders, rounds))


def measure(contenders: dict[str, list[str]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds to the command's beginning, to the end of `true`, to the end of `false`."""
    times: dict[str, dict[str, list[float]]] = {
        name: {"start": [], "true": [], "false": []} for name in contenders
    }
    for _ in range(rounds):
        for name, wrapper in contenders.items():
            began = time.time_ns()
            said = subprocess.run([*wrapper, *NOW], capture_output=True, check=True).stdout
            times[name]["start"].append((int(said) - began) / 1e6)
            for command in ("true", "false"):
                began = time.monotonic_ns()
                subprocess.run([*wrapper, command], capture_output=True, check=False)
                times[name][command].append((time.monotonic_ns() - began) / 1e6)
    return times


def show(times: dict[str, dict[str, list[float]]]) -> None:
    print(f"{'':9}{'start':>9}{'x floor':>9}{'true':>9}{'false':>9}   (ms, medians)")
    floor = statistics.median(times["floor"]["start"])
    for name, found in times.items():
        start, true, false = (statistics.median(found[key]) for key in ("start", "true", "false"))
        print(f"{name:9}{start:9.1f}{start / floor:9.2f}{true:9.1f}{false:9.1f}")


if __name__ == "__main__":
    main()
