"""PID 1 without a container: a few milliseconds instead of half a second."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import environment, running
from support.terminal import Terminal
from support.waiting import NotYetError, eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.running import Result

UNSHARE = ["--pid", "--fork", "--mount-proc", "--kill-child"]

#: Give it a /run and a /var/lib of its own, and then everything else that it asked for. The
#: environment comes last, because a shell adds to the one that it is given.
FURNISH = 'mount --bind "$1" /run && mount --bind "$2" /var/lib && shift 2 && exec "$@"'


class InNamespace(running.Running):
    """A program in a PID namespace of its own, which ends with it."""

    first = True

    def _find_pid(self) -> int:
        # The unshare program stays outside and waits; a signal that it got would end there.
        def known() -> int:
            if self.ended:
                raise NotYetError(f"it ended before the test asked for its pid: {self.wait()}")
            pid = next(iter(children(self._process.pid)), 0)
            if not pid or not _is_furnished(pid):
                return 0
            return pid if self.first else next(iter(children(pid)), 0)

        return eventually(known)

    def _kill(self) -> None:
        # The unshare program then ends by itself, when the whole namespace is gone.
        for first in children(self._process.pid) or [self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)


class Namespaces:
    """Starts programs in new PID namespaces and ends them all.

    They share a /run and a /var/lib, which are not this machine's.
    """

    def __init__(self, folder: Path) -> None:
        self.run_folder, self.lib_folder = folder / "run", folder / "lib"
        self._started: list[InNamespace] = []

    def start(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
        first: bool = True,
        **streams: Any,
    ) -> InNamespace:
        """Start a program as PID 1, or as a child of a shell that is (`first=False`).

        With a terminal it leads the session whose terminal it is, as in a container.
        `streams` are those of `running.start`: stdin, stdout, stderr, cwd.
        """
        screen = Terminal() if terminal else None
        for shared in (self.run_folder, self.lib_folder):
            shared.mkdir(exist_ok=True)
        env = environment.measured() if env is None else env
        command = [environment.find("unshare"), *UNSHARE]
        if os.geteuid() != 0:
            command += ["--user", "--map-root-user"]
        command += ["/bin/sh", "-c", FURNISH, "sh", str(self.run_folder), str(self.lib_folder)]
        if terminal:
            command += [environment.find("setsid"), "--ctty"]
        if not first:
            command += ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
        command += [environment.find("env"), "--ignore-environment"]
        command += [f"{name}={value}" for name, value in env.items()]
        command += [environment.find(argv[0]), *argv[1:]]
        process = running.start(command, env=environment.CLEAN, terminal=screen, **streams)
        started = InNamespace(process, screen)
        started.first = first
        self._started.append(started)
        return started

    def run(self, *argv: str, within: float = 30.0, **options: Any) -> Result:
        """Start a program and wait until it has ended."""
        with self.start(*argv, **options) as program:
            return program.wait(within=within)

    def shell(self) -> InNamespace:
        """An interactive shell with job control on a terminal, to type commands into."""
        env = environment.measured() | {"PS1": "$ ", "TERM": "dumb", "INPUTRC": "/dev/null"}
        shell = self.start("bash", "--norc", "--noprofile", "-i", env=env, terminal=True)
        shell.until(rb"\$ ")
        return shell

    def end(self) -> None:
        for program in self._started:
            program.end()


def children(pid: int) -> list[int]:
    """The children of a process, oldest first; none when it is gone."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in listed.split()]


def _is_furnished(pid: int) -> bool:
    try:
        return FURNISH.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def why_not() -> str | None:
    """The reason why this machine cannot make PID namespaces, if it cannot."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = Namespaces(Path(folder)).run("true")
    except FileNotFoundError as error:
        return str(error)
    return result.stderr.decode() if result.status else None
