"""The recorder's own side: a fork of PID 1 that touches the volume, tells what it managed, ends.

Everything here may hang, and then the fork is killed; whatever it did not say it has done is
done again. Each word to PID 1 is a line: `stored ID PLACE`, `spooled ID WHY`, `lost ID WHY`,
`say LEVEL EVENT TEXT`, `print JSON`.
"""

from __future__ import annotations

import _socket
import os
import time

from tapwrap.core.ending import Ending
from tapwrap.core.lines import Line
from tapwrap.core.run import Run
from tapwrap.core.value import replace
from tapwrap.reporting import exits, unstored
from tapwrap.store import living, place, spool
from tapwrap.store.journal import Journal
from tapwrap.store.trouble import CannotStore
from tapwrap.system import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapwrap.core.record import ErrorRecord
    from tapwrap.reporting.recorder import Destination, Item
    from tapwrap.store.entry import RunNote


class Keeper:
    """One fork's work: some items, one store, one channel to PID 1."""

    def __init__(self, run: Run, destination: Destination, channel: int, *, tidy: bool) -> None:
        """`run` is ours, so that others can be told from it; `tidy` deletes what is too old."""
        self._run, self._destination = run, destination
        self._channel, self._tidy = channel, tidy
        mine, environ = destination.run_dir, destination.environ
        base = os.path.dirname(mine) if mine else rundir.bases(environ)[-1]
        self._chosen = place.choose(destination.db, environ, base)
        self._path = self._chosen.path

    def keep(self, items: Sequence[Item]) -> None:
        """Store what can be stored, spool what cannot, and say which is which."""
        os.umask(0o077)
        lines = [item for item in items if isinstance(item, Line)]
        if lines and self._destination.log_file:
            self._write_log(lines, self._destination.log_file)
        endings = [item for item in items if isinstance(item, Ending)]
        runs = [item for item in items if isinstance(item, Run)]
        if not endings and runs and all(run.ended and not run.cause for run in runs):
            # The end of a run that went well is worth a line, but nobody's waiting.
            self._spool_runs(runs)
            return
        if endings or runs:
            records = [exits.record_of(ending, self._destination.environ) for ending in endings]
            self._store(records, runs)
        elif not lines:
            self._catch_up()

    def _catch_up(self) -> None:
        """Nothing new: try again what could not be stored, and be quiet if it still cannot."""
        try:
            with Journal(self._path, max_bytes=self._destination.db_size) as journal:
                stored = self._drain(journal, opening=False)
        except (CannotStore, OSError):
            self._tell("spooled - -")
        else:
            self._say_late(stored)

    def _say_late(self, stored: int) -> None:
        """What was said not to be stored is stored now."""
        if stored:
            self._say("info", "stored", f"{stored} kept back until now, in {self._path}")

    def _store(self, records: list[ErrorRecord], runs: list[Run]) -> None:
        opening = any(run.ended is None for run in runs)
        if self._chosen.warning:
            self._say("warning", "degraded", self._chosen.warning)
        if opening:
            # Before anybody can read of this run, so that nobody takes it for a dead one.
            self._mark()
        journal = Journal(self._path, check=opening, max_bytes=self._destination.db_size)
        try:
            kept = journal.append(records, [self._note(run) for run in runs])
        except (CannotStore, ValueError) as refusal:
            self._could_not(refusal, records, runs)
            return
        for stored in [each.id for each in records] + [each.id for each in runs]:
            self._tell(f"stored {stored} {self._path}")
        if kept.set_aside:
            damaged = f"{self._path} was damaged; it was set aside as {kept.set_aside}"
            self._say("warning", "degraded", damaged)
        try:
            # First what waits in the spool: the ends of runs are there that went well.
            self._say_late(self._drain(journal, opening=opening))
            if opening:
                self._bury(journal)
            for run in runs:
                if run.ended:
                    living.forget(self._path, run.id)
            if self._tidy and self._destination.db_keep is not None:
                from tapwrap.store import clearing

                clearing.prune(journal, older_than=self._destination.db_keep)
            journal.close()
        except (CannotStore, OSError) as error:
            self._say("warning", "degraded", str(error))

    def _drain(self, journal: Journal, *, opening: bool) -> int:
        """Store what earlier recorders could not, of this run and of runs that were killed."""
        stored = spool.drain(journal).records
        mine = self._destination.run_dir
        if mine is None:
            return stored
        stored += spool.drain(journal, unstored.directory(mine)).records
        for path in rundir.abandoned(os.path.dirname(mine)) if opening else ():
            if unstored.store_of(path) == self._destination.db:
                stored += spool.drain(journal, unstored.directory(path)).records
                rundir.remove(path)
        return stored

    def _could_not(
        self, refusal: CannotStore | ValueError, records: list[ErrorRecord], runs: list[Run]
    ) -> None:
        """Beside the store, else in our own folder; and in any case on stderr."""
        name = spool.writer(os.uname().nodename, self._run.pid, self._run.id)
        word, why = "spooled", f"{refusal}; kept beside it until then"
        notes = [self._note(run) for run in runs]
        try:
            spool.keep(spool.directory(self._path), name, records, notes)
        except (CannotStore, ValueError) as second:
            if unstored.spool_locally(records, notes, self._destination.run_dir):
                why = f"{refusal}; kept in {self._destination.run_dir} until then"
            else:
                word, why = "lost", f"{second}; it is on stderr only"
        for record in records:
            self._tell(f"{word} {record.id} {why}")
            self._tell("print " + unstored.line(record, str(refusal)))
        for run in runs:
            self._tell(f"{word} {run.id} {why}")
        if not records:
            self._say("warning", "degraded", str(refusal))

    def _spool_runs(self, runs: list[Run]) -> None:
        name = spool.writer(os.uname().nodename, self._run.pid, self._run.id)
        notes = [self._note(run) for run in runs]
        try:
            spool.keep(spool.directory(self._path), name, [], notes)
            for run in runs:
                living.forget(self._path, run.id)
        except (CannotStore, OSError) as error:
            unstored.spool_locally([], notes, self._destination.run_dir)
            self._say("warning", "degraded", str(error))
        for run in runs:
            self._tell(f"stored {run.id} {self._path}")

    def _bury(self, journal: Journal) -> None:
        """Runs that never ended and whose wrapper is dead: record that it was killed."""
        dead = [run for run in journal.unfinished_runs() if self._is_dead(run)]
        now = time.time_ns() // 1000
        for note in dead:
            ending = self._obituary(note, now)
            record = exits.record_of(ending, self._destination.environ)
            ended = replace(note, ended=now, cause="wrapper_killed")
            journal.append([record], [ended])
            living.forget(self._path, note.id)
            self._say("error", "found", f"{record.message} (record {record.id})")
        for run_id in living.known(self._path):
            # Killed before its run was written down, or ended while the volume did not work.
            if living.is_alive(self._path, run_id) is False:
                living.forget(self._path, run_id)

    def _is_dead(self, note: RunNote) -> bool:
        if note.id == self._run.id:
            return False
        alive = living.is_alive(self._path, note.id)
        if alive is not None:
            return not alive
        # No lock to ask: only what ran in our own place can be known to be gone, because
        # there is one PID 1 in a container, and that is us.
        same = (note.host, note.boot_id) == (os.uname().nodename, exits.boot_id())
        return same and note.pid == self._run.pid

    def _obituary(self, note: RunNote, now: int) -> Ending:
        from tapwrap.core.record import uuid7

        return Ending(
            id=uuid7(now // 1000, os.urandom(10)),
            time=now,
            monotonic=round(time.monotonic(), 6),
            run_id=note.id,
            service=note.service or self._run.service,
            command=note.argv or ("?",),
            cause="wrapper_killed",
            status=137,
            attempt=note.attempts or 1,
            uptime=0.0,
            pid=note.pid,
            since=note.started,
        )

    def _mark(self) -> None:
        """Give PID 1 a lock to hold for as long as it lives."""
        try:
            fd = living.mark(self._path, self._run.id)
        except OSError as error:
            self._say("warning", "degraded", f"cannot mark this run as alive: {error}")
            return
        if fd is not None:
            socket = _socket.socket(fileno=os.dup(self._channel))
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, "little"))
            socket.sendmsg([b"\n"], [rights])

    def _note(self, run: Run) -> RunNote:
        return unstored.note_of(run, self._destination)

    def _write_log(self, lines: list[Line], path: str) -> None:
        from tapwrap.reporting import logfile

        word, why = "stored", path
        try:
            logfile.write(path, self._destination.log_size, lines)
        except OSError as error:
            word, why = "lost", f"cannot write to {path}: {(error.strerror or '').lower()}"
        for line in lines:
            self._tell(f"{word} line-{line.time} {why}")

    def _say(self, level: str, event: str, text: str) -> None:
        self._tell(f"say {level} {event} {text}")

    def _tell(self, line: str) -> None:
        rest = line.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n"
        while rest:
            rest = rest[os.write(self._channel, rest) :]


def keep(
    items: Sequence[Item], run: Run, destination: Destination, channel: int, *, tidy: bool
) -> None:
    """Do one fork's work."""
    Keeper(run, destination, channel, tidy=tidy).keep(items)
