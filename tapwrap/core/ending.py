"""How one attempt ended, with all evidence, in a sentence and as a record."""

from __future__ import annotations

from tapwrap.core import durations, signals
from tapwrap.core.category import KINDS
from tapwrap.core.record import ErrorRecord, microseconds, timestamp
from tapwrap.core.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HEADLINE = 200


@value
class Ending:
    """What PID 1 knows when an attempt is over. Times in seconds or, for `time`, microseconds UTC.

    `sender` is the process that sent the signal the command died of, as `(pid, uid, name)`;
    pid 0 is outside the container. `swept` are the processes that had to be ended too, as
    `(pid, name, how)`, `stuck` those that even KILL did not end, as `(pid, name, state, where)`.
    `since` is when the run had begun, where that is all that is known of it.
    """

    id: str
    time: int
    monotonic: float
    run_id: str
    service: str
    command: tuple[str, ...]
    cause: str | None
    status: int
    attempt: int
    uptime: float
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    core: bool = False
    why: str | None = None
    sender: tuple[int, int, str] | None = None
    oom_kills: int = 0
    memory_peak: int | None = None
    memory_limit: int | None = None
    pids: int | None = None
    pids_limit: int | None = None
    limit: float | None = None
    failures: int = 0
    swept: tuple[tuple[int, str, str], ...] = ()
    swept_total: int = 0
    stuck: tuple[tuple[int, str, str, str], ...] = ()
    stderr_tail: str = ""
    stdout_tail: str = ""
    dropped: int = 0
    since: int | None = None

    @property
    def program(self) -> str:
        """The name of the command as people call it."""
        return self.command[0].rpartition("/")[2] or self.command[0]


def sentence(ending: Ending) -> str:
    """What happened, to whom, and by whom, in one sentence without a full stop."""
    program = ending.program
    match ending.cause:
        case None:
            return f"{program} {_how(ending)}"
        case "oom" if ending.signal == signals.NUMBERS["KILL"]:
            return f"{program} was killed by the kernel for lack of memory{_limit(ending)}"
        case "oom":
            return (
                f"a process of {program} was killed by the kernel for lack of memory"
                f"{_limit(ending)}; {program} itself {_how(ending)}"
            )
        case "timeout":
            return f"{program} ran longer than {durations.show(ending.limit or 0)} and was ended"
        case "stop_timeout":
            grace = durations.show(ending.limit or 0)
            asker = f", as {_who(ending.sender)} had asked" if ending.sender else ""
            return f"{program} did not end within {grace} of being told to{asker}, and was killed"
        case "not_found" | "not_executable" | "spawn_failed":
            full = ending.pids is not None and ending.pids == ending.pids_limit
            limit = f"; all {ending.pids_limit} processes that it may have exist" if full else ""
            return f"cannot start {ending.why or program}{limit}"
        case "crash_loop":
            window = durations.show(ending.limit or 0)
            return f"{program} failed {ending.failures} times within {window} and was given up"
        case "wrapper_killed":
            since = f", some time after {timestamp(ending.since)}" if ending.since else ""
            return f"tapwrap itself was killed while {program} was running{since}"
        case _:
            return f"{program} {_how(ending)}"


def headline(text: str) -> str:
    """The last line that says something: where most programs put the reason."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((_plain(line)[:HEADLINE] for line in lines if line), "")


def record(ending: Ending, facts: Mapping[str, object], fingerprint: str) -> ErrorRecord:
    """The record of an ending. `facts` are attributes of the container, host and service."""
    kind = KINDS[ending.cause or "exit"]
    return ErrorRecord(
        id=ending.id,
        time=ending.time,
        severity=kind.severity,
        category=kind.category,
        code=kind.code,
        type=type_of(ending),
        message=message(ending),
        fingerprint=fingerprint,
        service=ending.service,
        monotonic=ending.monotonic,
        run_id=ending.run_id,
        cause=ending.cause,
        exit_code=ending.exit_code,
        signal=ending.signal,
        stderr_tail=ending.stderr_tail or None,
        attributes={**facts, **_attributes(ending)},
    )


def from_record(record: ErrorRecord) -> Ending | None:
    """The ending that a record was made of, as far as its sentence needs it.

    None for a record of something else than an ending.
    """
    if record.cause not in KINDS:
        return None
    known = record.attributes
    command = known.get("process.command_args") or [known.get("process.executable.name")]
    words = [str(word) for word in command if word] if isinstance(command, list) else []
    pid = _number(known, "tapwrap.sender.pid")
    user = _number(known, "tapwrap.sender.uid") or 0
    started = known.get("tapwrap.run.started")
    return Ending(
        id=record.id,
        time=record.time,
        monotonic=record.monotonic or 0.0,
        run_id=record.run_id or "",
        service=record.service,
        command=tuple(words) or (record.service,),
        cause=record.cause,
        status=_number(known, "tapwrap.status") or 0,
        attempt=_number(known, "tapwrap.attempt") or 1,
        uptime=_amount(known, "tapwrap.uptime") or 0.0,
        exit_code=record.exit_code,
        signal=record.signal,
        core=known.get("tapwrap.core_dumped") is True,
        why=str(known["tapwrap.reason"]) if "tapwrap.reason" in known else None,
        sender=None if pid is None else (pid, user, str(known.get("tapwrap.sender.comm") or "")),
        oom_kills=_number(known, "tapwrap.oom_kills") or 0,
        memory_peak=_number(known, "tapwrap.memory.peak"),
        memory_limit=_number(known, "tapwrap.memory.limit"),
        pids=_number(known, "tapwrap.pids.current"),
        pids_limit=_number(known, "tapwrap.pids.limit"),
        limit=_amount(known, f"tapwrap.{record.cause}"),
        failures=_number(known, "tapwrap.failures") or 0,
        since=microseconds(started) if isinstance(started, str) else None,
    )


def _amount(known: Mapping[str, object], name: str) -> float | None:
    found = known.get(name)
    return float(found) if isinstance(found, (int, float)) else None


def _number(known: Mapping[str, object], name: str) -> int | None:
    found = known.get(name)
    return found if isinstance(found, int) else None


def message(ending: Ending) -> str:
    """The sentence and, where the program was the one to blame, its own last line."""
    if ending.cause in ("exit", "signal") and (last := headline(ending.stderr_tail)):
        return f"{sentence(ending)}: {last}"
    return sentence(ending)


def type_of(ending: Ending) -> str:
    """What kind of end it was, as narrow as stays the same from one time to the next."""
    if ending.signal:
        return f"SIG{signals.name(ending.signal)}"
    if ending.exit_code is not None:
        return f"exit {ending.exit_code}"
    return ending.cause or "exit"


def _how(ending: Ending) -> str:
    if ending.signal is None:
        return f"exited with status {ending.exit_code or 0}"
    told = f"was killed by signal {ending.signal} ({signals.name(ending.signal)})"
    core = ", leaving a core" if ending.core else ""
    if ending.sender is None:
        return told + core
    return f"{told}{core}, sent by {_who(ending.sender)}"


def _who(sender: tuple[int, int, str]) -> str:
    pid, _, name = sender
    if pid == 0:
        return "a process outside the container"
    return f"process {pid}" + (f" ({name})" if name else "")


def _limit(ending: Ending) -> str:
    if ending.memory_limit is None:
        return ""
    return f" (limit {ending.memory_limit / 1024**2:.0f} MiB)"


def _plain(line: str) -> str:
    """Without what terminals would act on: ANSI sequences (ECMA-48) and control characters."""
    kept: list[str] = []
    escaped = False
    for character in line[: 8 * HEADLINE]:
        if character == "\x1b":
            escaped = True
        elif escaped:
            escaped = not character.isalpha()
        elif character.isprintable():
            kept.append(character)
    return "".join(kept)


def _attributes(ending: Ending) -> dict[str, object]:
    """Everything that has no field of its own, under OpenTelemetry's names where it has some."""
    known: dict[str, object] = {
        "process.pid": ending.pid,
        "process.command_args": list(ending.command),
        "process.executable.name": ending.program,
        "process.exit.code": ending.exit_code,
        "tapwrap.status": ending.status,
        "tapwrap.attempt": ending.attempt,
        "tapwrap.uptime": round(ending.uptime, 3),
        "tapwrap.core_dumped": ending.core or None,
        "tapwrap.reason": ending.why,
        "tapwrap.oom_kills": ending.oom_kills or None,
        "tapwrap.memory.peak": ending.memory_peak,
        "tapwrap.memory.limit": ending.memory_limit,
        "tapwrap.pids.current": ending.pids,
        "tapwrap.pids.limit": ending.pids_limit,
        "tapwrap.swept": [
            dict(zip(("pid", "comm", "how"), each, strict=True)) for each in ending.swept
        ],
        "tapwrap.swept.total": ending.swept_total or None,
        "tapwrap.stuck": [
            dict(zip(("pid", "comm", "state", "wchan"), each, strict=True)) for each in ending.stuck
        ],
        "tapwrap.stdout_tail": ending.stdout_tail or None,
        "tapwrap.stderr_dropped": ending.dropped or None,
    }
    if ending.sender is not None:
        pid, uid, name = ending.sender
        known |= {"tapwrap.sender.pid": pid, "tapwrap.sender.uid": uid, "tapwrap.sender.comm": name}
    if ending.cause in ("timeout", "stop_timeout", "crash_loop"):
        known[f"tapwrap.{ending.cause}"] = ending.limit
    if ending.since is not None:
        known["tapwrap.run.started"] = timestamp(ending.since)
    if ending.cause == "crash_loop":
        known["tapwrap.failures"] = ending.failures
    return {name: item for name, item in known.items() if item is not None and item != []}
