"""From our process to the command's: fork, hand over, execute."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import errno
import os

from tapwrap.core import exits, signals
from tapwrap.core.exits import NotStarted
from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapwrap.system.terminal import Terminal

SHELL = "/bin/sh"
DEFAULT_PATH = "/bin:/usr/bin"  # What execvp(3) of glibc searches without PATH.
#: Python ignores these for itself; the command shall find them as any program does.
PYTHONS_OWN = (signals.NUMBERS["PIPE"], signals.NUMBERS["XFSZ"])
#: Not this folder's file, but perhaps the next one's (execvp(3), glibc).
LOOK_ON = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT)


@value
class Surroundings:
    """How the command shall find the world: what we found when we were started.

    `mask` and `ignored` are signals; `cwd` is None for the first attempt, which inherits it.
    `streams` maps the command's descriptors to ours.
    """

    environ: Mapping[str, str]
    mask: frozenset[int]
    ignored: frozenset[int]
    cwd: str | None = None
    streams: Mapping[int, int] = {}


@value
class Child:
    """A fork of ours that is becoming the command.

    `verdict` is a descriptor: it ends without a word when the program was executed, else it
    says why not.
    """

    pid: int
    verdict: int


def spawn(command: list[str], surroundings: Surroundings, terminal: Terminal) -> Child:
    """Fork. All signals must be blocked: one sent before the execution then waits for it.

    Raises OSError when the kernel has no room for another process.
    """
    verdict, word = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError:
        os.close(verdict)
        os.close(word)
        raise
    if pid == 0:
        _become(command, surroundings, terminal, word)
    os.close(word)
    os.set_blocking(verdict, False)
    try:
        os.setpgid(pid, pid)  # Both sides do it, because neither can wait for the other.
    except OSError:
        pass  # It was quicker and has executed its program already, or is gone.
    terminal.hand_over(pid)
    return Child(pid, verdict)


def reason(word: bytes) -> NotStarted | None:
    """What the fork said instead of executing; None when it said nothing."""
    if not word:
        return None
    status, _, why = word.decode("utf-8", "replace").partition(" ")
    return NotStarted(int(status), why)


def no_room(name: str, error: OSError) -> NotStarted:
    """Why there was no fork at all."""
    why = (error.strerror or "refused").lower()
    return NotStarted(exits.WRAPPER_FAILED, f"{name!r}: the kernel refused a new process ({why})")


def _become(command: list[str], surroundings: Surroundings, terminal: Terminal, word: int) -> None:
    """The life of the fork: it ends in the program, or in a word to the parent."""
    failure = NotStarted(exits.WRAPPER_FAILED, "it failed before it was executed")
    try:
        _arrange(surroundings, terminal)
        failure = _execute(command, surroundings.environ)
    except OSError as error:
        failure = NotStarted(exits.WRAPPER_FAILED, str(error))
    finally:
        # Whatever was raised, a second supervisor must not come of it.
        os.write(word, f"{failure.status} {failure.why}".encode("utf-8", "replace")[:PIPE_BUF])
        os._exit(failure.status)


PIPE_BUF = 4096


def _arrange(surroundings: Surroundings, terminal: Terminal) -> None:
    os.setpgid(0, 0)
    terminal.hand_over(os.getpid())
    for theirs, ours in surroundings.streams.items():
        os.dup2(ours, theirs)
    if surroundings.cwd is not None:
        os.chdir(surroundings.cwd)
    for number in PYTHONS_OWN:
        _signal.signal(number, _signal.SIG_DFL)
    for number in surroundings.ignored:
        _signal.signal(number, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, surroundings.mask)


def _execute(command: list[str], environ: Mapping[str, str]) -> NotStarted:
    """Execute as execvp(3) does, a script without a first line for the kernel included."""
    if environ.get("LISTEN_PID") == str(os.getppid()):
        # Sockets that were passed to us are for the command (sd_listen_fds(3)).
        environ = {**environ, "LISTEN_PID": str(os.getpid())}
    name = command[0]
    folders = [""] if "/" in name else environ.get("PATH", DEFAULT_PATH).split(":")
    worst: OSError | None = None
    for folder in folders:
        path = f"{folder}/{name}" if folder else name
        if not name:
            break
        try:
            os.execve(path, command, environ)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                return _through_shell(path, command, environ)
            if error.errno not in LOOK_ON:
                return _refused(name, path, error)
            if error.errno == errno.ENOENT and os.path.lexists(path):
                worst = worst or OSError(errno.ENOEXEC, "the interpreter it names is missing", path)
            elif error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                worst = worst or error
    if worst is not None:
        return _refused(name, worst.filename or name, worst)
    where = "no such file" if "/" in name else "there is no such command in PATH"
    return NotStarted(exits.NOT_FOUND, f"{name!r}: {where}")


def _through_shell(path: str, command: list[str], environ: Mapping[str, str]) -> NotStarted:
    try:
        os.execve(SHELL, [SHELL, path, *command[1:]], environ)
    except OSError as error:
        return _refused(command[0], SHELL, error)


def _refused(name: str, path: str, error: OSError) -> NotStarted:
    busy = error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
    status = exits.WRAPPER_FAILED if busy else exits.NOT_EXECUTABLE
    why = "it is a directory" if os.path.isdir(path) else (error.strerror or "refused").lower()
    return NotStarted(status, f"{name!r}: {why}" + ("" if path == name else f" ({path})"))
