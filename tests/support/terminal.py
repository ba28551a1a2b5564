"""A terminal: keys to press, a screen to read, and who owns it."""

from __future__ import annotations

import os
import pty
import termios


class Terminal:
    """Our side of a pseudo-terminal; the program has the other side as its own terminal."""

    def __init__(self, rows: int = 24, columns: int = 80) -> None:
        self._fd, self.other_side = pty.openpty()
        self.resize(rows, columns)

    def hand_over(self) -> None:
        """The program has its side now; ours must be the last that holds it open."""
        os.close(self.other_side)
        self.other_side = -1

    def fileno(self) -> int:
        return self._fd

    def type(self, text: str) -> None:
        """Type a text; end it with a line break to press Return."""
        os.write(self._fd, text.encode())

    def press(self, key: str) -> None:
        r"""Press a control key: `^C`, `^Z`, `^D`, `^\`."""
        os.write(self._fd, bytes([ord(key.removeprefix("^")) ^ 0x40]))

    @property
    def foreground(self) -> int:
        """The process group that reads the keyboard, as this machine counts processes."""
        return os.tcgetpgrp(self._fd)

    @property
    def modes(self) -> list[object]:
        """The terminal's modes as tcgetattr(3) tells them: echo, line editing, special keys."""
        return list(termios.tcgetattr(self._fd))

    def resize(self, rows: int, columns: int) -> None:
        """Change the size, of which the foreground group learns by SIGWINCH."""
        termios.tcsetwinsize(self._fd, (rows, columns))

    def close(self) -> None:
        """Hang up, as when the window is closed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
