"""The terminal, when there is one: whose turn it is, and how it was found."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Terminal:
    """The controlling terminal on one of our standard descriptors, if we have a say in it.

    Nothing here is fatal: a terminal that refuses is a terminal that we leave alone. Signals
    must be blocked, so that TTOU does not stop us when it is no longer our turn (tty_ioctl(4)).
    """

    def __init__(self) -> None:
        """Remember who owns the terminal and its modes."""
        self._fd = next((fd for fd in (0, 2, 1) if os.isatty(fd)), None)
        self._modes: list[Any] | None = None
        self._ours = self._given = os.getpgrp()
        if self._is_our_turn() and self._fd is not None:
            import termios

            try:
                self._modes = termios.tcgetattr(self._fd)
            except termios.error:
                self._modes = None  # Hung up already.

    @property
    def is_given_away(self) -> bool:
        """Whether the keys of the terminal are somebody else's and not ours to see."""
        return self._given != self._ours and self._is_our_turn()

    def hand_over(self, group: int) -> None:
        """Make a process group the foreground one, but only when it is our turn to give away.

        Called on both sides of the fork, because neither side can wait for the other.
        """
        if self._is_our_turn(group):
            self._give(group)
            self._given = group

    def take_back(self) -> None:
        """Own the terminal again and restore its modes, for whoever uses it after us."""
        if self._fd is None or self._modes is None or not self._is_our_turn():
            return
        import termios

        self._give(self._ours)
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)
        except termios.error:
            pass  # Hung up: nobody is left to see it.

    def _is_our_turn(self, *others: int) -> bool:
        ours = (self._ours, self._given, *others)
        try:
            return self._fd is not None and os.tcgetpgrp(self._fd) in ours
        except OSError:
            return False  # A terminal, but not our controlling one.

    def _give(self, group: int) -> None:
        try:
            os.tcsetpgrp(self._fd or 0, group)
        except OSError:
            pass  # Refused (EPERM, EIO, ENOTTY): the command then runs in the background of it.
