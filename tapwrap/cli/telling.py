"""What happened, in words: a sentence for each cause, and what to look at."""

from __future__ import annotations

import signal

from tapwrap.core import durations
from tapwrap.core import ending as endings
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

SILENT = "It left no last words; look at what the program documents for this status."

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
    """What happened: the sentence that tapwrap said when it did, and after how long."""
    ending = endings.from_record(record)
    if ending is None:
        return f"{record.type}: {first_line(record.message)}"
    said = endings.sentence(ending)
    if ending.cause == "oom" and ending.memory_peak is not None:
        said += f", with a peak of {size(ending.memory_peak)}"
    if ending.uptime:
        said += f", after {durations.show(ending.uptime)}"
    return (said if ending.program == record.service else f"{record.service}: {said}") + "."


def advice(record: ErrorRecord) -> str:
    """What to look at; empty when there is nothing to say beyond the record itself."""
    if record.cause == "signal" and record.signal in _SIGNALS:
        return _SIGNALS[signal.Signals(record.signal)]
    if record.cause == "exit":
        known = [_CODES[record.exit_code]] if record.exit_code in _CODES else []
        return " ".join([*known, ADVICE["exit"] if last_lines(record) else SILENT])
    return ADVICE.get(record.cause or "", "")


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


def _ends(text: str) -> bool:
    return text.endswith((".", "!", "?", ":"))
