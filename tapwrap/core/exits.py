"""How a command ended, and what to make of it."""

from __future__ import annotations

from tapwrap.core import signals
from tapwrap.core.value import value

TIMED_OUT = 124
WRAPPER_FAILED = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127
CONFIG = 78  # EX_CONFIG of sysexits.h

KILL = signals.NUMBERS["KILL"]
INT = signals.NUMBERS["INT"]


@value
class Exit:
    """A process that ran and ended: by its own code, or by a signal."""

    code: int | None = None
    signal: int | None = None
    core: bool = False

    @property
    def status(self) -> int:
        """The status a shell would report: 128 + n for a death by signal n (POSIX XCU 2.8.2)."""
        return 128 + self.signal if self.signal else self.code or 0


@value
class NotStarted:
    """A command that never ran: the status that says so (125, 126, 127) and why, in words."""

    status: int
    why: str


def from_wait(status: int) -> Exit:
    """The exit in a wait status (wait(2), the layout of Linux: low 7 bits signal, bit 7 core)."""
    signal = status & 0x7F
    if signal:
        return Exit(signal=signal, core=bool(status & 0x80))
    return Exit(code=status >> 8 & 0xFF)


@value
class Successes:
    """Which ends count as success besides 0: codes, and deaths by signals."""

    codes: frozenset[int] = frozenset()
    signals: frozenset[int] = frozenset()

    def holds(self, exit: Exit) -> bool:
        """Whether this end is one of them; code 143 also means a death by signal 15."""
        return exit.status == 0 or exit.status in self.codes or exit.signal in self.signals


def parse_successes(text: str) -> Successes:
    """`0,143,SIGTERM`: codes from 0 to 255, and names of signals. Raises ValueError."""
    codes, names = set(), set()
    for word in text.split(","):
        if word.strip().isascii() and word.strip().isdigit():
            codes.add(int(word))
        else:
            names.add(signals.parse(word))
    if any(code > 255 for code in codes):
        raise ValueError(f"{text!r} has an exit code above 255")
    return Successes(frozenset(codes), frozenset(names))


@value
class Sender:
    """Who sent a signal: pid 0 is a process outside the container (sigaction(2), si_pid)."""

    pid: int
    uid: int


@value
class Told:
    """A signal that the command was sent, and who had sent it to us.

    None: nobody had; it was our own doing, or the kernel's.
    """

    signal: int
    sender: Sender | None = None


@value
class Verdict:
    """What to make of an end: its cause (None: nothing went wrong) and the status to exit with.

    `failed`: whether it counts as a failure. `told`: the signal of ours that ended it.
    `planned`: somebody wanted it to end, so it is not to be started again.
    """

    cause: str | None
    status: int
    failed: bool
    told: Told | None = None
    planned: bool = False


def judge(
    exit: Exit | NotStarted,
    *,
    successes: Successes,
    asked: bool = False,
    timed_out: bool = False,
    overdue: bool = False,
    told: tuple[Told, ...] = (),
    oom_kills: int = 0,
    at_terminal: bool = False,
) -> Verdict:
    """Decide from evidence why a command ended.

    `asked`: someone asked us to stop. `timed_out`: our time limit ran out. `overdue`: it had
    to be killed when its grace was over. `told`: the signals it was sent through us, oldest
    first. `oom_kills`: how far the cgroup's own counter moved while it ran; 137 alone proves
    nothing. `at_terminal`: it could be interrupted by a key, of which we are not told.
    """
    if isinstance(exit, NotStarted):
        causes = {NOT_FOUND: "not_found", NOT_EXECUTABLE: "not_executable"}
        return Verdict(causes.get(exit.status, "spawn_failed"), exit.status, failed=True)
    status = 0 if successes.holds(exit) else exit.status
    sent = next((each for each in reversed(told) if _died_of(exit, each.signal)), None)
    # INT is somebody's ^C, even if it does not start our own clock.
    interrupted = _died_of(exit, INT) and (at_terminal or sent is not None)
    if timed_out:
        return Verdict("timeout", TIMED_OUT, True, sent, asked)
    if oom_kills:
        return Verdict("oom", status, status != 0, sent, asked)
    if overdue and exit.signal == KILL:
        asker = next((each for each in reversed(told) if each.sender), sent)
        return Verdict("stop_timeout", status, status != 0, asker, asked)
    if status == 0 or interrupted or (asked and (sent or exit.signal == KILL)):
        return Verdict(None, status, False, sent, asked or interrupted)
    return Verdict("signal" if exit.signal else "exit", status, True, sent, asked)


def _died_of(exit: Exit, signal: int) -> bool:
    """Killed by it, or caught it and said so with 128 + n, as shells and the JVM do."""
    return exit.signal == signal or (exit.signal is None and exit.status == 128 + signal)
