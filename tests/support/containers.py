"""Real containers in half a second: podman and runc on a root file system that borrows /usr."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import environment, running
from support.terminal import Terminal
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from support.running import Result

PODMAN = ["podman", "--log-level", "error", "--runtime", "runc"]
FOLDERS = ("proc", "sys", "dev", "tmp", "run", "var/lib", "etc", "data", "root")
LINKS = ("bin", "sbin", "lib", "lib64")
LIMITS = ("nofile=1024:4096", "nproc=2048:2048")  # Raising them may be forbidden to us.


class CannotStartError(AssertionError):
    """Podman could not start the container: nothing of ours ran in it."""


class Container(running.Running):
    """A container; `pid` is its PID 1 as this machine counts processes."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        terminal: Terminal | None,
        name: str,
        pid_file: Path,
    ) -> None:
        super().__init__(process, terminal)
        self.name = name
        self._pid_file = pid_file

    def _find_pid(self) -> int:
        def known() -> int:
            if self.ended:
                raise CannotStartError(self.wait().stderr.decode())
            return int(self._pid_file.read_text() or 0) if self._pid_file.exists() else 0

        return eventually(known)

    def exec(self, *argv: str, options: Sequence[str] = (), within: float = 30.0) -> Result:
        """Run another program in the container, as a person does who wants to look inside."""
        process = running.start([*PODMAN, "exec", *options, self.name, *argv])
        with running.Running(process) as program:
            return program.wait(within=within)

    def stop(self, grace: int = 10) -> Result:
        """Stop it as an orchestrator does: TERM, and KILL after the grace (in seconds)."""
        podman("stop", "--time", str(grace), self.name)
        return self.wait()

    def wait(self, *, within: float = 60.0) -> Result:
        result = super().wait(within=within)
        if not self._pid_file.exists():
            raise CannotStartError(result.stderr.decode())
        return result

    def end(self) -> None:
        try:
            super().end()
        except CannotStartError:
            super().end()  # The test has been told, or did not care.

    def _kill(self) -> None:
        podman("rm", "--force", "--time", "0", self.name)


class Containers:
    """Starts containers and removes them all."""

    _numbers = itertools.count(1)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Container] = []

    def start(
        self,
        *argv: str,
        options: Sequence[str] = (),
        volume: Path | None = None,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
        **streams: Any,
    ) -> Container:
        """Start a container with this entrypoint, on a root file system of its own.

        `options` are podman's (`-m 64m`, `--read-only`), `volume` becomes its /data, and
        `streams` are those of `running.start`: stdin, stdout, stderr.
        """
        name = f"tapwrap-test-{os.getpid()}-{next(self._numbers)}"
        rootfs = new_rootfs(self._folder / name / "rootfs")
        pid_file = self._folder / name / "pid"
        command = [*PODMAN, "run", "--rm", "--name", name, "--network", "none"]
        command += ["--log-driver", "none", "--pidfile", str(pid_file)]
        for limit in LIMITS:
            command += ["--ulimit", limit]
        for shared in borrowed():
            command += ["--volume", f"{shared}:{shared}:ro"]
        if volume is not None:
            command += ["--volume", f"{volume}:/data"]
        for key, value in (environment.CLEAN if env is None else env).items():
            command += ["--env", f"{key}={value}"]
        if terminal:
            command += ["--interactive", "--tty"]
        elif streams.get("stdin") is not None:
            command += ["--interactive"]
        command += [*options, "--rootfs", str(rootfs), *argv]
        screen = Terminal() if terminal else None
        # Podman's monitor leaves a file named `oom` where it was started.
        home = rootfs.parent
        process = running.start(command, terminal=screen, cwd=home, **streams)
        container = Container(process, screen, name, pid_file)
        self._started.append(container)
        return container

    def run(self, *argv: str, within: float = 60.0, **options: Any) -> Result:
        """Start a container and wait until it has ended."""
        with self.start(*argv, **options) as container:
            return container.wait(within=within)

    def rootfs(self, container: Container) -> Path:
        """The root file system of a container, to see what it has left there."""
        return self._folder / container.name / "rootfs"

    def end(self) -> None:
        for container in self._started:
            container.end()
            shutil.rmtree(self._folder / container.name)


def new_rootfs(folder: Path) -> Path:
    """Empty folders and links into the /usr that will be mounted: nothing is built or pulled."""
    for each in FOLDERS:
        (folder / each).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    for link in LINKS:
        (folder / link).symlink_to(f"usr/{link}")
    return folder


def borrowed() -> list[Path]:
    """The folders of this machine that a container sees: programs, Python, the project."""
    wanted = {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), environment.PROJECT}
    return sorted(path for path in wanted if not wanted & set(path.parents))


def podman(*arguments: str) -> None:
    """Tell podman to do something to a container; that it is gone already is fine."""
    command = [*PODMAN, *arguments]
    subprocess.run(command, capture_output=True, timeout=60, check=False)


def why_not() -> str | None:
    """The reason why this machine cannot run containers, if it cannot."""
    if os.geteuid() != 0:
        return "containers need root here"
    missing = [program for program in ("podman", "runc") if not shutil.which(program)]
    return f"containers need {' and '.join(missing)}" if missing else None
