"""Volumes that misbehave: full, read-only or hung, and well again when the test says so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


class SmallVolume:
    """A small file system in memory, which can be filled and made read-only."""

    def __init__(self, path: Path, size: str = "1m") -> None:
        self.path = path
        path.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", path)

    def fill(self) -> None:
        """Leave not one free byte."""
        with (self.path / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass  # It is full, as was asked.

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.path / "filler").unlink()

    def resize(self, size: str) -> None:
        """Give it more room, or less."""
        _run("mount", "-o", f"remount,size={size}", self.path)

    def make_read_only(self) -> None:
        """Refuse writes from now on; needs that no file is open for writing."""
        _run("mount", "-o", "remount,ro", self.path)

    def make_writable(self) -> None:
        _run("mount", "-o", "remount,rw", self.path)

    def remove(self) -> None:
        _run("umount", "--lazy", self.path)


class NetworkVolume:
    """A file system in another process, as a network volume is one on another machine.

    When that process is stopped, whoever touches the volume waits, in the kernel, for as long
    as it takes; only KILL gets a process out of that wait. When it ends, the waiters get errors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.server_side = path.with_name(f"{path.name}-server")
        self.server_side.mkdir()
        command = ["bindfs", "-f", "-o", "allow_other", str(self.server_side), str(path)]
        self._server = subprocess.Popen(command)
        eventually(lambda: os.path.ismount(path))

    def hang(self) -> None:
        self._server.send_signal(signal.SIGSTOP)

    def recover(self) -> None:
        self._server.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        # The end of the server frees its waiters; to unmount first would make us one of them.
        self._server.kill()
        self._server.wait()
        _run("umount", "--lazy", self.path)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=30)


def why_not(*programs: str) -> str | None:
    """The reason why this machine cannot mount such volumes, if it cannot."""
    if os.geteuid() != 0:
        return "mounting needs root"
    missing = [program for program in programs if not shutil.which(program)]
    return f"this volume needs {' and '.join(missing)}" if missing else None
