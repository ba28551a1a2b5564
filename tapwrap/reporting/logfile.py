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


def write(path: str, size: int, lines: Sequence[Line]) -> None:
    """Append lines to a file of at most `size` bytes; three older ones are kept.

    Raises OSError. Meant for a process that may hang: a log file is on a volume too.
    """
    directory = os.path.dirname(path)
    os.makedirs(directory, 0o700, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=size, backupCount=KEPT, encoding="utf-8", errors="backslashreplace"
    )
    handler.setFormatter(Formatter())
    try:
        for line in lines:
            _emit(handler, to_log_record(line))
    finally:
        handler.close()


def _emit(handler: RotatingFileHandler, record: logging.LogRecord) -> None:
    """Without the handler's own `emit`, which prints its errors instead of raising them."""
    if handler.shouldRollover(record):
        handler.doRollover()
    if handler.stream is None:
        handler.stream = handler._open()
    handler.stream.write(handler.format(record) + "\n")
    handler.flush()
