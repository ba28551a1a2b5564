"""tapwrap's own lines in a file to tail, rotated by size; the home of python-json-logger."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from pythonjsonlogger.json import JsonFormatter

from tapwrap.core.record import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapwrap.core.lines import Line

KEPT = 3


class Formatter(JsonFormatter):
    """The members of every JSON line of tapwrap, in their order."""

    def __init__(self) -> None:
        """As `core.lines.as_json` writes them."""
        super().__init__("{timestamp}{level}{logger}{message}", style="{", json_ensure_ascii=True)


def to_log_record(line: Line) -> logging.LogRecord:
    """A line as the logging package knows it; its fields become extra attributes."""
    return logging.makeLogRecord(
        {
            "msg": line.message,
            "timestamp": timestamp(line.time),
            "level": line.level,
            "logger": "tapwrap",
            "event": line.event,
            **line.fields,
        }
    )


class File(RotatingFileHandler):
    """A log file whose errors come out, so that PID 1 can be told of them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, in a fresh file if the old one is full. Raises OSError."""
        if self.shouldRollover(record):
            self.doRollover()
        logging.StreamHandler.emit(self, record)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Raise what `emit` has caught."""
        raise  # noqa: PLE0704  # It is called while the error is being handled.


def write(path: str, size: int, lines: Sequence[Line]) -> None:
    """Append lines to a file of at most `size` bytes; three older ones are kept.

    Raises OSError. Meant for a process that may hang: a log file is on a volume too.
    """
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    file = File(path, maxBytes=size, backupCount=KEPT, encoding="utf-8", errors="backslashreplace")
    file.setFormatter(Formatter())
    try:
        for line in lines:
            file.emit(to_log_record(line))
    finally:
        file.close()
