"""PID 1's side of the recorder: short-lived forks that touch the volume, so that we never do.

A fork of PID 1, not a fresh interpreter: that saves ten milliseconds of an exit.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import time

from tapwrap.core.ending import Ending
from tapwrap.core.lines import Line
from tapwrap.core.run import Run
from tapwrap.core.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tapwrap.system.waiting import Waiter

    Item = Ending | Run | Line

DEADLINE = "recorder"
RETRY = "recorder again"
OPENING = "recorder opens the run"
#: How long a recorder may take while the command runs.
PATIENCE = 5.0
#: When the run is written down: a command that ends well before that costs no recorder at all.
ANNOUNCE_AFTER = 0.1
#: Pauses between attempts to store what was spooled: every second for a minute, then slower.
SOON, SOON_TIMES, LATER = 1.0, 60, 30.0
#: What is kept in memory for a recorder that is not done yet.
PENDING = 64
#: How often a recorder also deletes what is too old. It needs no timer: no errors, no need.
A_DAY = 86_400.0
#: How often a recorder may die without a word before what it was given is given up.
MISHAPS = 3


@value
class Destination:
    """Where records go: the database as it was named (None: the default) and our own folder.

    Sizes in bytes; `db_keep` is how many seconds records are kept (None: for ever).
    """

    db: str | None
    db_size: int
    db_keep: float | None
    run_dir: str | None
    log_file: str | None
    log_size: int
    environ: Mapping[str, str]


class Recorder:
    """Hands what is to be stored to a fork, and makes sure that nothing is lost silently."""

    def __init__(
        self,
        destination: Destination,
        run: Run,
        waiter: Waiter,
        *,
        say: Callable[..., None],
        print_line: Callable[[str], None],
    ) -> None:
        """`say` announces, `print_line` writes a line to stderr; neither may block."""
        self._destination, self._run, self._waiter = destination, run, waiter
        self._say, self._print = say, print_line
        self._pending: list[Item] = []
        self._handed: list[Item] = []
        self._child: int | None = None
        self._stuck: set[int] = set()
        self._channel = -1
        self._heard = b""
        self._lock = -1
        self._opened = False
        self._retries = self._mishaps = 0
        self._spooled = False
        self._warned: set[str] = set()
        self._log_failed = False
        self._tidied = -A_DAY

    @property
    def helpers(self) -> frozenset[int]:
        """The forks that are not dead yet, those given up included."""
        return frozenset(self._stuck | ({self._child} if self._child is not None else set()))

    def timer_fired(self, name: str) -> None:
        """One of our timers has run out."""
        if name == DEADLINE:
            self._overdue()
        elif name == RETRY:
            self._start()
        elif name == OPENING:
            self._open_run()

    def begin(self) -> None:
        """The command was started: write that down if it is still there in a moment."""
        self._waiter.set_timer(OPENING, ANNOUNCE_AFTER)

    def keep(self, item: Item) -> None:
        """Store an ending, or a line for the log file, as soon as possible."""
        if len(self._pending) >= PENDING:
            self._give_up([self._pending.pop(0)], "too many records are waiting to be stored")
        self._pending.append(item)
        self._start()

    def reaped(self, pid: int) -> None:
        """A child has died; when it was a recorder, what it managed is known now."""
        if pid in self._stuck:
            # The volume answers again, if only to let it die.
            self._stuck.discard(pid)
            self._try_later(SOON)
        if pid == self._child:
            self._child = None
            self._listen()
            self._close_channel()
            self._settle()

    def end(
        self, turn: Callable[[], None], last: Ending | None, attempts: int, deadline: float
    ) -> None:
        """Close the run, and wait for what is not stored yet, but not after `deadline`.

        That is seconds of the monotonic clock; `turn` waits for whatever happens next.
        """
        self._waiter.stop_timer(OPENING)
        if self._opened or self._pending or self._handed:
            ended = replace(self._run, ended=time.time_ns() // 1000, attempts=attempts)
            if last is not None:
                ended = replace(ended, status=last.status, cause=last.cause)
            self._pending.append(ended)
            self._start()
        self._waiter.set_timer("recorder last", deadline - time.monotonic())
        while (self._child is not None or self._pending) and time.monotonic() < deadline:
            turn()
            self._start()
        if self._child is not None:
            self._overdue()
        self._give_up(self._handed + self._pending, "the volume did not answer in time")

    def _open_run(self) -> None:
        if not self._opened:
            self._opened = True
            self._pending.append(self._run)
            self._start()

    def _start(self) -> None:
        """Fork a recorder for everything that is waiting, unless one is at work."""
        if self._child is not None or not (self._pending or self._spooled):
            return
        if self._stuck:
            waiting, self._pending = self._pending, []
            self._give_up(waiting, "an earlier recorder still hangs on the volume")
            self._try_later(LATER)
            return
        try:
            import _socket

            ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
            pid = os.fork()
        except (OSError, ImportError) as error:  # No process, or no descriptor, to be had.
            waiting, self._pending = self._pending, []
            self._give_up(waiting, f"no recorder could be started: {error}")
            return
        tidy = self._opened and time.monotonic() > self._tidied + A_DAY
        if pid == 0:
            ours.close()
            self._record(theirs.fileno(), tidy=tidy)
        theirs.close()
        if tidy:
            self._tidied = time.monotonic()
        self._child, self._channel = pid, ours.detach()
        self._handed, self._pending, self._spooled = self._pending, [], False
        os.set_blocking(self._channel, False)
        self._waiter.watch(self._channel, self._listen)
        self._waiter.set_timer(DEADLINE, PATIENCE)

    def _record(self, channel: int, *, tidy: bool) -> None:
        """The life of the fork. Signals stay blocked: it has a deadline, which is KILL."""
        try:
            from tapwrap.reporting import keeping

            keeping.keep(self._pending, self._run, self._destination, channel, tidy=tidy)
        except Exception as error:  # noqa: BLE001  # The fork's edge: PID 1 is told, and goes on.
            os.write(channel, f"say error failed the recorder failed: {error!r}\n".encode())
        finally:
            # Whatever was raised, it must not go on as a second supervisor.
            os._exit(0)

    def _listen(self) -> None:
        """Hear what the fork has managed so far."""
        if self._channel < 0:
            return
        import _socket

        socket = _socket.socket(fileno=self._channel)
        try:
            while True:
                words, extras, _, _ = socket.recvmsg(65_536, 64, _socket.MSG_CMSG_CLOEXEC)
                for _, kind, payload in extras:
                    if kind == _socket.SCM_RIGHTS:
                        self._lock = int.from_bytes(payload[:4], "little")
                if not words:
                    self._waiter.forget(self._channel)
                    break
                self._heard += words
        except BlockingIOError:
            pass  # That was all for now.
        except ConnectionError:
            self._waiter.forget(self._channel)
        finally:
            socket.detach()
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            self._hear(line.decode("utf-8", "replace"))

    def _hear(self, line: str) -> None:
        """One word of the fork about one item: stored, spooled or lost; or something to say."""
        word, _, rest = line.partition(" ")
        subject, _, why = rest.partition(" ")
        if word == "print":
            self._print(rest)
            return
        if word == "say":
            event, _, text = why.partition(" ")
            if event != "degraded" or text not in self._warned:
                self._say(subject, event, text)
            self._warned.add(text)
            return
        known = [item for item in self._handed if _id(item) == subject]
        self._handed = [item for item in self._handed if _id(item) != subject]
        is_error = any(isinstance(item, Ending) for item in known)
        if any(isinstance(item, Line) for item in known):
            self._hear_of_log(word, why)
        if word == "stored" and is_error:
            self._retries = self._mishaps = 0
            self._say("info", "stored", f"stored in {why}", error_id=subject)
        elif word == "spooled":
            self._spooled = True
            if is_error:
                self._say("warning", "not_stored", why, error_id=subject)
        elif word == "lost" and is_error:
            self._say("error", "not_stored", why, error_id=subject)

    def _hear_of_log(self, word: str, why: str) -> None:
        """Say once that the log file cannot be written: saying it is a line for it, too."""
        failed, self._log_failed = self._log_failed, word == "lost"
        if self._log_failed and not failed:
            self._say("warning", "degraded", why)

    def _settle(self) -> None:
        """After a recorder has ended: go on, try again later, or be done."""
        self._waiter.stop_timer(DEADLINE)
        unsaid, self._handed = self._handed, []
        if unsaid:
            # It was killed with everything else, or failed in a way it could not tell.
            self._pending = unsaid + self._pending
            self._mishaps += 1
            if self._mishaps > MISHAPS:
                self._give_up(self._pending, "the recorder failed again and again")
                self._pending = []
            # Not at once: what killed it may still be at work.
            self._waiter.set_timer(RETRY, ANNOUNCE_AFTER)
        elif self._pending:
            self._start()
        elif self._spooled:
            self._retries += 1
            self._try_later(SOON if self._retries < SOON_TIMES else LATER)

    def _try_later(self, pause: float) -> None:
        if self._spooled:
            self._waiter.set_timer(RETRY, pause)

    def _overdue(self) -> None:
        """A recorder hangs: the volume does not answer. It may not even die now."""
        if self._child is None:
            return
        try:
            os.kill(self._child, _signal.SIGKILL)
        except ProcessLookupError:
            pass  # It ended this very moment; its status is still to be taken.
        self._stuck.add(self._child)
        self._child = None
        self._close_channel()
        unsaid, self._handed = self._handed, []
        self._give_up(unsaid, "the volume did not answer in time")

    def _give_up(self, items: list[Item], why: str) -> None:
        """Not stored: keep a copy in our own folder, and say it all on stderr."""
        endings = [item for item in items if isinstance(item, Ending)]
        runs = [item for item in items if isinstance(item, Run)]
        if not endings and not runs:
            return
        try:
            from tapwrap.reporting import unstored
        except (OSError, ImportError) as error:
            # Not even a descriptor to read our own code with.
            for ending in endings:
                self._say("error", "not_stored", f"{why}; {error}", error_id=ending.id)
            return
        records = unstored.records_of(endings, self._destination)
        # A run whose end is not known would be taken for a killed one.
        notes = [unstored.note_of(run, self._destination) for run in runs]
        if unstored.spool_locally(records, notes, self._destination.run_dir):
            self._spooled = True
            self._try_later(LATER)
        for record in records:
            self._say("error", "not_stored", f"cannot store a record: {why}", error_id=record.id)
            self._print(unstored.line(record, why))

    def _close_channel(self) -> None:
        if self._channel >= 0:
            self._waiter.forget(self._channel)
            os.close(self._channel)
            self._channel = -1
            self._heard = b""


def _id(item: Item) -> str:
    return item.id if isinstance(item, (Ending, Run)) else f"line-{item.time}"
