"""What PID 1 says about itself: on stderr, and to the log file by way of the recorder."""

from __future__ import annotations

import time

from tapwrap.core.lines import LEVELS, Line, as_json, as_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tapwrap.core.run import Run
    from tapwrap.system.outlet import Outlet


class Voice:
    """Says things in the order they happened, and never waits for a listener."""

    def __init__(self, outlet: Outlet, run: Run, form: str, level: str) -> None:
        """`form` is json or text, `level` the least important level worth saying."""
        self._outlet, self._run = outlet, run
        self._show = as_json if form == "json" else as_text
        self._least = LEVELS.index(level)
        self.on_line: Callable[[Line], None] | None = None

    def say(self, level: str, event: str, message: str, **fields: object) -> None:
        """Say one thing, with the run it belongs to."""
        if LEVELS.index(level) < self._least:
            return
        known = {"service": self._run.service, "run_id": self._run.id, **fields}
        line = Line(time.time_ns() // 1000, level, event, message, known)
        self.print(self._show(line))
        if self.on_line is not None:
            self.on_line(line)

    def print(self, text: str) -> None:
        """Write one line to stderr."""
        self._outlet.send_line(text.encode("utf-8", "backslashreplace") + b"\n")
