"""What happened, in words: a sentence for each cause, and what to look at."""

from __future__ import annotations

import signal

from tapwrap.core import durations
from tapwrap.core.record import ErrorRecord, timestamp
from tapwrap.store.schema import SHORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapwrap.store.archive import Group
    from tapwrap.store.entry import RunNote

ADVICE = {
    "exit": "Look at its last lines, and at what the program documents for this status.",
    "signal": "Find out who sends this signal; the program itself did not choose to end.",
    "oom": "Give the container more memory, or find what grows: compare the peak with the limit "
    "over several runs.",
    "timeout": "Find what it was waiting for, or raise --timeout.",
    "stop_timeout": "See that it handles SIGTERM and ends its work in time, or raise "
    "--stop-timeout (and the orchestrator's grace period with it).",
    "not_found": "Check the spelling, PATH, and that the file is in the image; a missing "
    "interpreter or loader (#! line, musl and glibc) reads the same.",
    "not_executable": "Check chmod +x, the #! line, a noexec mount, and the CPU architecture of "
    "the image.",
    "spawn_failed": "Check the limits on processes and memory of this container.",
    "crash_loop": "Look at the failures before this one: tapwrap errors list --cause exit.",
    "wrapper_killed": "Check for an OOM kill of the whole container, a node that restarted, or a "
    "docker kill.",
}

_SIGNALS = {
    signal.SIGSEGV: "It touched memory it does not own: look for a crash report in the last "
    "lines, native extensions, and a mismatch of library versions.",
    signal.SIGBUS: "A memory-mapped file shrank or its disk is full: look at /dev/shm and volumes.",
    signal.SIGILL: "It uses instructions this CPU lacks: check the image's architecture.",
    signal.SIGABRT: "It gave up by itself (an assertion, a panic, malloc): the last lines say why.",
    signal.SIGFPE: "It divided by zero: the stack or the last lines say where.",
    signal.SIGKILL: "No memory limit was hit: somebody or something sent it (a docker kill, a "
    "failed liveness probe, an operator).",
    signal.SIGPIPE: "Whoever read its output went away first.",
}

_CODES = {
    2: "Status 2 is usually a mistake in the command line.",
    78: "Status 78 is a mistake in its configuration (EX_CONFIG).",
    126: "Status 126 is a shell's way to say: found, but cannot be executed.",
    127: "Status 127 is a shell's way to say: command not found.",
    137: "Status 137 is how a shell reports a child ended by SIGKILL.",
    139: "Status 139 is how a shell reports a child ended by SIGSEGV.",
    143: "Status 143 is how a shell reports a child ended by SIGTERM.",
}


def cause(record: ErrorRecord) -> str:
    """What happened, in a sentence."""
    who = program(record)
    uptime = _seconds(record, "tapwrap.uptime")
    after = f" after {durations.show(uptime)}" if uptime is not None else ""
    reason = record.attributes.get("tapwrap.reason")
    match record.cause:
        case "exit":
            status = "" if record.exit_code is None else f" with status {record.exit_code}"
            return f"{who} exited{status}{after}."
        case "signal":
            core = ", and left a core dump" if record.attributes.get("tapwrap.core_dumped") else ""
            return f"{who} was ended by {signal_name(record.signal)}{after}{sender(record)}{core}."
        case "oom":
            return f"{who} ran out of memory{after}: {_memory(record)}."
        case "timeout":
            limit = _seconds(record, "tapwrap.timeout")
            allowed = f" of {durations.show(limit)}" if limit is not None else ""
            return f"{who} ran longer than its time limit{allowed} and was stopped."
        case "stop_timeout":
            limit = _seconds(record, "tapwrap.stop_timeout")
            given = f" within {durations.show(limit)}" if limit is not None else " in time"
            return f"{who} was asked to stop, did not{given}, and was killed."
        case "not_found":
            return f"{who} could not be started: {reason or 'there is no such command'}."
        case "not_executable":
            return f"{who} could not be started: {reason or 'it cannot be executed'}."
        case "spawn_failed":
            because = f": {reason}" if reason else ""
            return f"{who} could not be started{because}{_pids(record)}."
        case "crash_loop":
            return f"{who} failed too often in a short time and was given up{_status(record)}."
        case "wrapper_killed":
            return f"The tapwrap that ran {who} was itself killed, before it could say why."
        case _:
            said = first_line(record.message)
            return f"{record.type}: {said}" if record.type else said


def advice(record: ErrorRecord) -> str:
    """What to look at; empty when there is nothing to say beyond the record itself."""
    if record.cause == "signal" and record.signal in _SIGNALS:
        return _SIGNALS[signal.Signals(record.signal)]
    if record.cause == "exit" and record.exit_code in _CODES:
        return _CODES[record.exit_code] + " " + ADVICE["exit"]
    return ADVICE.get(record.cause or "", "")


def program(record: ErrorRecord) -> str:
    """The name of what ran: its service, and the program where that says more."""
    name = str(record.attributes.get("process.executable.name") or "")
    if not name or name == record.service:
        return record.service
    return f"{record.service} ({name})"


def signal_name(number: int | None) -> str:
    """`SIGSEGV (11)`, and `SIGRTMIN+3 (37)` for those without a name of their own."""
    if number is None:
        return "a signal"
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return f"SIGRTMIN+{number - 34} ({number})" if 34 < number < 64 else f"signal {number}"


def sender(record: ErrorRecord) -> str:
    """Who sent the signal, as far as it is known: `, sent by sh (pid 12, user 0)`."""
    pid = record.attributes.get("tapwrap.sender.pid")
    if pid is None:
        return ""
    if pid == 0:
        return ", sent from outside the container"
    name = record.attributes.get("tapwrap.sender.comm")
    user = record.attributes.get("tapwrap.sender.uid")
    details = f"pid {pid}" + (f", user {user}" if user is not None else "")
    return f", sent by {name} ({details})" if name else f", sent by {details}"


def last_lines(record: ErrorRecord, count: int = 3) -> list[str]:
    """The last lines that say anything, of stderr or else of stdout."""
    tail = record.stderr_tail or str(record.attributes.get("tapwrap.stdout_tail") or "")
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return [line if len(line) <= 200 else line[:199] + "…" for line in lines[-count:]]


def paragraph(record: ErrorRecord, group: Group | None, run: RunNote | None, now: int) -> str:
    """What, who, since when, how often, what the last lines say, and what to look at."""
    said = [cause(record)]
    ago = durations.show(max((now - record.time) / 1_000_000, 0))
    when = f"This was at {moment(record.time)}, {ago} ago"
    attempt = record.attributes.get("tapwrap.attempt")
    if isinstance(attempt, int) and attempt > 1:
        when += f", in attempt {attempt}"
    if run is not None and run.container_id:
        when += f", in container {run.container_id[:12]}"
    said.append(when + ".")
    if group is not None:
        said.append(
            "It is the first time."
            if group.n == 1
            else f"It has happened {group.n} times since {moment(group.first_seen)}."
        )
    swept = record.attributes.get("tapwrap.swept")
    if isinstance(swept, list) and swept:
        said.append(f"{len(swept)} of its processes had to be ended after it.")
    lines = last_lines(record)
    if lines:
        said.append("Its last lines: " + " / ".join(lines) + ("" if _ends(lines[-1]) else "."))
    if record.stack and not lines:
        said.append(f"The stack ends with: {record.stack.strip().splitlines()[-1].strip()}.")
    said += [advice(record), f"More: tapwrap errors show {short(record.id)}"]
    return " ".join(part for part in said if part)


def moment(micros: int) -> str:
    """A time as people read it, in UTC: `2026-01-31 08:09:10Z`."""
    return timestamp(micros)[:19].replace("T", " ") + "Z"


def short(identity: str) -> str:
    """The end of an id. Ids made together begin alike, and `show` takes either end."""
    return identity[-SHORT:]


def first_line(text: str) -> str:
    """The first line that says anything."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def size(count: object) -> str:
    """Bytes as people read them: `64 MiB`."""
    if not isinstance(count, (int, float)):
        return "unknown"
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f}".removesuffix(".0") + f" {unit}"


def _memory(record: ErrorRecord) -> str:
    kills = record.attributes.get("tapwrap.oom_kills")
    limit = record.attributes.get("tapwrap.memory.limit")
    peak = record.attributes.get("tapwrap.memory.peak")
    killed = "the kernel killed " + (
        f"{kills} processes" if isinstance(kills, int) and kills > 1 else "a process"
    )
    if limit is not None:
        killed += f" at the limit of {size(limit)}"
    if peak is not None:
        killed += f" (peak {size(peak)})"
    return killed + _status(record)


def _status(record: ErrorRecord) -> str:
    if record.signal is not None:
        return f"; it ended by {signal_name(record.signal)}"
    return f"; it ended with status {record.exit_code}" if record.exit_code is not None else ""


def _pids(record: ErrorRecord) -> str:
    limit = record.attributes.get("tapwrap.pids.limit")
    current = record.attributes.get("tapwrap.pids.current")
    return f" ({current} of {limit} allowed processes exist)" if limit is not None else ""


def _seconds(record: ErrorRecord, name: str) -> float | None:
    found = record.attributes.get(name)
    return float(found) if isinstance(found, (int, float)) else None


def _ends(text: str) -> bool:
    return text.endswith((".", "!", "?", ":"))
