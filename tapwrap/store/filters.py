"""Which records are meant: the filters that every question and `reset` share."""

from __future__ import annotations

from tapwrap.core import durations
from tapwrap.core.record import SEVERITIES, microseconds, severity_name
from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

#: The five words of a label, which the counters know.
WORDS = ("service", "category", "severity", "code", "cause")

#: OpenTelemetry gives each name four numbers.
_WIDTH = 4


@value
class Filters:
    """Fields combine with AND, the values of one field with OR; empty means any.

    Times are microseconds since the epoch, from `since` on and before `until`. A severity
    is a name, or a name and `+` for that and worse. `run` and `fingerprint` may be prefixes.
    """

    since: int | None = None
    until: int | None = None
    severity: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    request_id: tuple[str, ...] = ()
    fingerprint: tuple[str, ...] = ()
    search: tuple[str, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether the counters can answer, or the rows themselves must be looked at."""
        return not (self.run or self.request_id or self.search)

    @property
    def worded(self) -> bool:
        """Whether a label says more than nothing about the records meant."""
        return any(getattr(self, word) for word in WORDS)

    def __str__(self) -> str:
        """As a person would type it: `--since 2026-01-31T08:00:00Z --severity error`."""
        from tapwrap.core.record import timestamp

        shown = [
            f"--{name} {timestamp(moment)}"
            for name, moment in (("since", self.since), ("until", self.until))
            if moment is not None
        ]
        for name in (*WORDS, "run", "request_id", "fingerprint", "search"):
            shown += [f"--{name.replace('_', '-')} {each}" for each in getattr(self, name)]
        return " ".join(shown) or "everything"


@value
class Condition:
    """A piece of SQL about `error`, and what goes into its places."""

    sql: str
    parameters: tuple[object, ...] = ()


def moment(text: str, now: int) -> int:
    """A time (microseconds): a duration ago (`1h`, `2d`) or an ISO date or time, UTC if unsaid.

    Raises ValueError with a sentence.
    """
    try:
        return microseconds(text.strip())
    except ValueError:
        pass  # Not a date: then it is a duration, or the duration's message says how.
    try:
        return now - round(durations.parse(text) * 1_000_000)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write a duration like 90s, 1h or 2d, "
            "or a date like 2026-01-31T08:00:00Z"
        ) from None


def severity_range(text: str) -> tuple[int, int]:
    """From and to (not included) the numbers that `error` or `warning+` means.

    Raises ValueError with a sentence.
    """
    name = text.removesuffix("+").lower()
    if name not in SEVERITIES:
        raise ValueError(f"{text!r} is not a severity: use {', '.join(SEVERITIES)}, or warning+")
    least = SEVERITIES[name]
    return least, 1000 if text.endswith("+") else least + _WIDTH


def labels(connection: sqlite3.Connection, filters: Filters) -> dict[int, dict[str, str]]:
    """The labels that the filters let through: id -> their five words."""
    conditions = ["1"]
    parameters: list[object] = []
    for word in WORDS:
        wanted = getattr(filters, word)
        if not wanted:
            continue
        if word == "severity":
            ranges = [severity_range(each) for each in wanted]
            conditions.append(
                "(" + " OR ".join(["severity >= ? AND severity < ?"] * len(ranges)) + ")"
            )
            parameters += [bound for pair in ranges for bound in pair]
        else:
            conditions.append(f"{word} COLLATE NOCASE IN ({_marks(wanted)})")
            parameters += wanted
    rows = connection.execute(
        "SELECT id, service, category, severity, code, cause FROM label WHERE "
        + " AND ".join(conditions),
        parameters,
    )
    return {
        number: {
            "service": service,
            "category": category,
            "severity": severity_name(severity),
            "code": code,
            "cause": cause,
        }
        for number, service, category, severity, code, cause in rows.fetchall()
    }


def issues(connection: sqlite3.Connection, filters: Filters) -> list[int]:
    """The issues whose fingerprint is, or begins like, one that the filters name."""
    found: list[int] = []
    for wanted in filters.fingerprint:
        # People copy the hex digits without the "1:" in front.
        for prefix in (wanted, "1:" + wanted):
            rows = connection.execute(
                "SELECT id FROM issue WHERE fingerprint >= ? AND fingerprint < ? || char(1114111)",
                (prefix, prefix),
            )
            found += [number for (number,) in rows.fetchall()]
    return found


def runs(connection: sqlite3.Connection, filters: Filters) -> tuple[str, ...]:
    """The runs with records whose ids are, or begin like, those that the filters name.

    Found one by one through the index: then their records can be read in order of time.
    """
    found: list[str] = []
    for wanted in filters.run:
        last, least = wanted, ">="
        while row := connection.execute(
            f"SELECT run_id FROM error WHERE run_id {least} ? AND run_id < ? || char(1114111) "
            "ORDER BY run_id LIMIT 1",
            (last, wanted),
        ).fetchone():
            found.append(row[0])
            last, least = row[0], ">"
    return tuple(found)


def condition(connection: sqlite3.Connection, filters: Filters) -> Condition:
    """What a row of `error` must satisfy."""
    parts: list[str] = ["1"]
    parameters: list[object] = []
    if filters.since is not None:
        parts.append("error.time >= ?")
        parameters.append(filters.since)
    if filters.until is not None:
        parts.append("error.time < ?")
        parameters.append(filters.until)
    if filters.worded:
        wanted = list(labels(connection, filters))
        # The plus keeps SQLite from sorting what several labels have: `find` merges them.
        parts.append(f"+error.label_id IN ({_numbers(wanted)})")
    if filters.fingerprint:
        parts.append(f"error.issue_id IN ({_numbers(issues(connection, filters))})")
    if filters.request_id:
        parts.append(f"error.request_id IN ({_marks(filters.request_id)})")
        parameters += filters.request_id
    if filters.run:
        wanted_runs = runs(connection, filters)
        parts.append(f"error.run_id IN ({_marks(wanted_runs)})")
        parameters += wanted_runs
    if filters.search:
        one = (
            "(error.message LIKE ? ESCAPE '\\' OR error.stderr_tail LIKE ? ESCAPE '\\' "
            "OR error.stack_hash IN (SELECT hash FROM text_blob WHERE body LIKE ? ESCAPE '\\'))"
        )
        parts.append("(" + " OR ".join([one] * len(filters.search)) + ")")
        parameters += [pattern(text) for text in filters.search for _ in range(3)]
    return Condition(" AND ".join(parts), tuple(parameters))


def pattern(text: str) -> str:
    r"""The LIKE pattern that finds a text as it is, anywhere; `\` is its escape."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _marks(wanted: tuple[object, ...]) -> str:
    return ", ".join("?" * len(wanted))


def _numbers(wanted: list[int]) -> str:
    return ", ".join(map(str, wanted))
