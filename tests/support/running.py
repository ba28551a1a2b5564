"""A started program: what it says, what can be done to it, how it ends."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from support.waiting import NotYetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from support.terminal import Terminal


@dataclass(frozen=True)
class Result:
    """How a program ended. `status` is what a shell would report: 128 + n for signal n."""

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float


class Running:
    """A program on this machine, and the process in it that the test is about.

    Use it as a context manager, or leave it to the fixture: both end what is still running.
    """

    def __init__(self, process: subprocess.Popen[bytes], terminal: Terminal | None = None) -> None:
        self._process = process
        self._terminal = terminal
        self._pid: int | None = None
        self._started = time.monotonic()
        self._result: Result | None = None
        outlets = {"stdout": process.stdout, "stderr": process.stderr, "terminal": terminal}
        self._listeners = {
            name: Listener(outlet.fileno()) for name, outlet in outlets.items() if outlet
        }

    @property
    def pid(self) -> int:
        """The process that the test is about, as this machine counts processes."""
        if self._pid is None:
            self._pid = self._find_pid()
        return self._pid

    def _find_pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> bytes:
        return self._heard("stdout")

    @property
    def stderr(self) -> bytes:
        return self._heard("stderr")

    @property
    def screen(self) -> bytes:
        """Everything that the terminal was told to show."""
        return self._heard("terminal")

    def _heard(self, name: str) -> bytes:
        return self._listeners[name].heard if name in self._listeners else b""

    @property
    def terminal(self) -> Terminal:
        """The keyboard and the screen, when it was started with `terminal=True`."""
        assert self._terminal, "it was started without a terminal"
        return self._terminal

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def until(self, pattern: bytes, *, within: float = 10.0) -> re.Match[bytes]:
        """Wait for a regular expression on standard output, or on the terminal if it has one."""
        return self._listeners["terminal" if self._terminal else "stdout"].until(pattern, within)

    def until_error(self, pattern: bytes, *, within: float = 10.0) -> re.Match[bytes]:
        """Wait for a regular expression on standard error."""
        return self._listeners["stderr"].until(pattern, within)

    def signal(self, *names: str | int) -> None:
        """Send signals, in this order: `HUP`, `RTMIN+3` or a number.

        A PID 1 sees them come from outside its namespace, as it sees those of an orchestrator.
        One that is sent before the program is ready for it is lost, as it is in a container:
        the kernel drops what PID 1 has no handler for. So wait `until` it says that it is.
        """
        for name in names:
            os.kill(self.pid, signal_number(name))

    def wait(self, *, within: float = 30.0) -> Result:
        """How it ended, once it has."""
        if self._result is None:
            if not self._ends(within):
                heard = [f"{name}: {it.heard!r}" for name, it in self._listeners.items()]
                message = f"still running after {within} s: {self._process.args!r}"
                raise NotYetError("\n".join([message, *heard]))
            returned = self._process.wait()
            seconds = time.monotonic() - self._started
            for listener in self._listeners.values():
                listener.finish(1.0)
            status = 128 - returned if returned < 0 else returned
            self._result = Result(status, self.stdout, self.stderr, seconds)
        return self._result

    def _ends(self, within: float) -> bool:
        """Whether it ends in time. Unlike Popen.wait this does not poll, so that it is exact."""
        if self.ended:
            return True
        end = os.pidfd_open(self._process.pid)
        try:
            return bool(select.select([end], [], [], within)[0])
        finally:
            os.close(end)

    def hang_up(self) -> None:
        """Close the terminal, as when the window or the connection goes."""
        self._listeners["terminal"].stop()
        self.terminal.close()

    def end(self) -> None:
        """End it if it has not ended, and let go of what the test held of it."""
        if not self.ended:
            self._kill()
            self._process.wait(10)
        for listener in self._listeners.values():
            listener.stop()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        if self._terminal:
            self._terminal.close()

    def _kill(self) -> None:
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()


class Listener:
    """Everything that arrives on a file descriptor, read at once so that nobody waits for us."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._heard = bytearray()
        self._ended = False
        self._changed = threading.Condition()
        self._enough, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # A terminal whose last user is gone says EIO.
            while self._enough not in select.select([self._fd, self._enough], [], [])[0]:
                if not (chunk := os.read(self._fd, 65536)):
                    break
                with self._changed:
                    self._heard += chunk
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def heard(self) -> bytes:
        with self._changed:
            return bytes(self._heard)

    def until(self, pattern: bytes, within: float) -> re.Match[bytes]:
        """The first match of a regular expression in what was heard."""
        regex = re.compile(pattern, re.DOTALL)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or regex.search(self._heard), within)
        if match := regex.search(self.heard):
            return match
        why = "it said no more" if self._ended else f"not within {within} s"
        raise NotYetError(f"{pattern!r} was not heard ({why}): {self.heard!r}")

    def finish(self, within: float) -> None:
        """Hear the rest; a leftover may hold the other side open for longer, so not for ever."""
        self._thread.join(within)

    def stop(self) -> None:
        """Listen no more, so that the file descriptor can be closed."""
        if self._stop >= 0:
            os.close(self._stop)
            self._thread.join()
            os.close(self._enough)
            self._stop = -1


def signal_number(name: str | int) -> int:
    """The number of `HUP`, `SIGHUP`, `RTMIN+3` or 42."""
    if isinstance(name, int):
        return name
    base, _, offset = name.removeprefix("SIG").partition("+")
    return signal.Signals[f"SIG{base}"] + int(offset or 0)


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    cwd: Path | None = None,
    terminal: Terminal | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program whose output we hear, unless a terminal or a file descriptor takes it.

    Without anything to read it reads the end of file at once, as in a container without `-i`.
    """
    silent = terminal.other_side if terminal else subprocess.DEVNULL
    heard = terminal.other_side if terminal else subprocess.PIPE
    process = subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        stdin=subprocess.PIPE if isinstance(stdin, bytes) else silent if stdin is None else stdin,
        stdout=heard if stdout is None else stdout,
        stderr=heard if stderr is None else stderr,
    )
    if terminal:
        terminal.hand_over()
    if isinstance(stdin, bytes) and process.stdin:
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
    return process


def _feed(stream: IO[bytes], given: bytes) -> None:
    with contextlib.suppress(OSError):  # It may end without having read everything.
        stream.write(given)
        stream.close()
