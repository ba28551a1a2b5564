"""The error record: one shape for everything that goes wrong, whoever saw it."""

from __future__ import annotations

from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: OpenTelemetry severity numbers (logs data model, "SeverityNumber") and our names for them.
SEVERITIES = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}

CATEGORIES = (
    "resource",
    "network",
    "dependency",
    "timeout",
    "health",
    "volume",
    "environment",
    "process",
    "application",
)


@value
class ErrorRecord:
    """What went wrong, once: enough to understand it without the container it happened in.

    `time` is microseconds since the epoch, UTC; `monotonic` is seconds of the machine's
    monotonic clock, which orders records when the wall clock jumps. `severity` is an
    OpenTelemetry number. `attributes` holds everything that has no column of its own, under
    OpenTelemetry's names (`process.pid`, `container.id`, `host.name`) or ours
    (`tapwrap.attempt`); its values are what JSON can say.
    """

    id: str
    time: int
    severity: int
    category: str
    code: str
    type: str
    message: str
    fingerprint: str
    service: str
    monotonic: float | None = None
    run_id: str | None = None
    cause: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    handled: bool = False
    request_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    stack: str | None = None
    stderr_tail: str | None = None
    attributes: Mapping[str, object] = {}


def as_dict(record: ErrorRecord) -> dict[str, object]:
    """The record as JSON can say it: RFC 3339 time, severity by name, absent fields left out."""
    fields = ((name, getattr(record, name)) for name in record.__match_args__)
    shown: dict[str, object] = {name: item for name, item in fields if item not in (None, {})}
    shown["time"] = timestamp(record.time)
    shown["severity"] = severity_name(record.severity)
    if "attributes" in shown:
        shown["attributes"] = dict(record.attributes)
    return shown


def from_dict(shown: Mapping[str, object]) -> ErrorRecord:
    """The record that `as_dict` showed. Raises ValueError when a field is missing or wrong."""
    known = ErrorRecord.__match_args__
    fields = {name: shown[name] for name in known if name in shown}
    try:
        fields["time"] = microseconds(str(fields["time"]))
        fields["severity"] = SEVERITIES[str(fields["severity"])]
        return ErrorRecord(**fields)  # type: ignore[arg-type]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an error record: {error}") from error


def severity_name(number: int) -> str:
    """The name of an OpenTelemetry severity number; each range of four has one name."""
    names = [name for name, least in SEVERITIES.items() if number >= least]
    return names[-1] if names else "debug"


def timestamp(micros: int) -> str:
    """RFC 3339 in UTC with microseconds: `2026-01-31T08:09:10.000123Z`."""
    seconds, fraction = divmod(micros, 1_000_000)
    days, second = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{fraction:06d}Z"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of a day number since 1970 (Hinnant, "chrono-compatible algorithms").

    By hand, because datetime and time are I/O or heavy, and PID 1 stamps its lines with it.
    """
    era, day_of_era = divmod(days + 719_468, 146_097)
    leaps = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - leaps) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    return year_of_era + era * 400 + (month <= 2), month, day


def microseconds(stamp: str) -> int:
    """The microseconds since the epoch that an RFC 3339 time names. Raises ValueError."""
    from datetime import UTC, datetime, timedelta

    moment = datetime.fromisoformat(stamp)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def uuid7(milliseconds: int, luck: bytes) -> str:
    """A time-ordered id (RFC 9562, version 7) from Unix milliseconds and ten random bytes."""
    number = milliseconds << 80 | int.from_bytes(luck[:10], "big")
    number = number & ~(0xF << 76) | 7 << 76
    return _dashed(number & ~(0b11 << 62) | 0b10 << 62)


def _dashed(number: int) -> str:
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def next_uuid7(previous: str | None, milliseconds: int, luck: bytes) -> str:
    """An id that sorts after the previous one, also within a millisecond or a clock set back."""
    made = uuid7(milliseconds, luck)
    if previous is None or made > previous:
        return made
    # One more in the 62 random bits: they do not overflow in the life of a process.
    return _dashed(int(previous.replace("-", ""), 16) + 1)
