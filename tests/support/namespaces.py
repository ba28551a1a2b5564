"""PID 1 without a container: a few milliseconds instead of half a second."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import environment, running
from support.terminal import Terminal
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.running import Result

UNSHARE = ["--pid", "--fork", "--mount-proc", "--kill-child"]


class InNamespace(running.Running):
    """A program in a PID namespace of its own, which ends with it."""

    generation = 1

    def _find_pid(self) -> int:
        # The unshare program stays outside and waits; a signal that it got would end there.
        def known() -> int:
            pid = self._process.pid
            for _ in range(self.generation):
                pid = next(iter(children(pid)), 0)
            return pid

        return eventually(known)

    def _kill(self) -> None:
        # The unshare program then ends by itself, when the whole namespace is gone.
        for first in children(self._process.pid) or [self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)


class Namespaces:
    """Starts programs in new PID namespaces and ends them all."""

    def __init__(self) -> None:
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
        command = [environment.find("unshare"), *UNSHARE]
        if os.geteuid() != 0:
            command += ["--user", "--map-root-user"]
        if terminal:
            command += [environment.find("setsid"), "--ctty"]
        if not first:
            command += ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
        command += [environment.find(argv[0]), *argv[1:]]
        env = environment.measured() if env is None else env
        process = running.start(command, env=env, terminal=screen, **streams)
        started = InNamespace(process, screen)
        started.generation = 1 if first else 2
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


def why_not() -> str | None:
    """The reason why this machine cannot make PID namespaces, if it cannot."""
    try:
        result = Namespaces().run("true")
    except FileNotFoundError as error:
        return str(error)
    return result.stderr.decode() if result.status else None
