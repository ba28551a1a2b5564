"""What tapwrap itself says: one event, as a JSON line or as a sentence."""

from __future__ import annotations

from tapwrap.core.jsonline import dumps
from tapwrap.core.record import timestamp
from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = ("debug", "info", "warning", "error")


@value
class Line:
    """One thing said. `time` is microseconds since the epoch; `fields` are what JSON can say."""

    time: int
    level: str
    event: str
    message: str
    fields: Mapping[str, object] = {}


def as_json(line: Line) -> str:
    """The same members in the same order as tapwrap's JSON formatter writes them."""
    return dumps(
        {
            "timestamp": timestamp(line.time),
            "level": line.level,
            "logger": "tapwrap",
            "message": line.message,
            "event": line.event,
            **line.fields,
        }
    )


def as_text(line: Line) -> str:
    """`tapwrap: sh exited with status 3 (record 01980d2e-…)`, on one line."""
    record_id = line.fields.get("error_id")
    said = f"tapwrap: {line.message}" + (f" (record {record_id})" if record_id else "")
    return " ".join(said.split())
