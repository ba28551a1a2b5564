"""Real volumes in trouble: full, read-only, taken away. Each in a mount namespace of its own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.stores import Agree, Start

#: Who is not root may mount in a user namespace.
UNSHARE = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")

RECORD = """
import os, sys, time, json
from tapwrap.core.record import ErrorRecord, uuid7
from tapwrap.store import archive, counts
from tapwrap.store.filters import Filters
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader
from tapwrap.store.trouble import CannotStore

def make(severity=13, size=2000, **changes):
    now = time.time_ns()
    fields = dict(
        id=uuid7(now // 1_000_000, os.urandom(10)), time=now // 1000, severity=severity,
        category="process", code="EXITED", type="exit", message="m", fingerprint="1:a",
        service="api", stderr_tail="x" * size,
    )
    return ErrorRecord(**fields | changes)
path = sys.argv[1]
"""


def inside(start: Start, mount: str, code: str, volume: str) -> dict[str, Any]:
    """Run code where `mount` (a shell command) was done first; what it printed as JSON."""
    process = start(
        RECORD + code,
        f"{volume}/errors.db",
        before=(*UNSHARE, "sh", "-ec", f'{mount}; exec "$0" "$@"'),
    )
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_a_full_volume_gives_up_its_ballast_and_old_warnings_for_the_newest_error(
    start: Start, tmp_path: Path
) -> None:
    found = inside(
        start,
        f"mount -t tmpfs -o size=24m tmpfs {tmp_path}",
        """
with Journal(path, patience=5, per_minute=None) as journal:
    first = make(severity=21)
    journal.append([first])
    ballast = os.path.getsize(path + ".ballast")
    dropped = n = 0
    while n < 60_000 and dropped < 300:
        newest = make(severity=17 if n % 400 == 0 else 13)
        dropped += journal.append([newest] + [make() for _ in range(19)]).dropped
        n += 20
    left = os.path.exists(path + ".ballast")
with Reader(path) as reader:
    ids = [each.record.id for each in archive.every(reader.connection, Filters())]
    print(json.dumps({
        "ballast": ballast, "left": left, "dropped": dropped, "n": n,
        "first": first.id in ids, "newest": newest.id in ids, "rows": len(ids),
        "total": counts.total(reader.connection, Filters()),
        "losses": counts.losses(reader.connection),
        "sound": reader.connection.execute("PRAGMA integrity_check").fetchone()[0],
    }))
""",
        str(tmp_path),
    )

    assert 1_000_000 < found["ballast"] < 5_000_000
    assert not found["left"]
    assert found["first"]
    assert found["newest"]
    assert found["dropped"] >= 300
    assert found["losses"] == {"full": found["dropped"]}
    assert found["rows"] == found["n"] + 1 - found["dropped"]
    assert found["total"] == found["n"] + 1
    assert found["sound"] == "ok"


def test_a_volume_that_others_filled_is_full_in_words_and_works_again_afterwards(
    start: Start, tmp_path: Path
) -> None:
    found = inside(
        start,
        f"mount -t tmpfs -o size=8m tmpfs {tmp_path}",
        """
filler = os.path.join(os.path.dirname(path), "filler")
refused = None
with Journal(path, patience=1, per_minute=None) as journal:
    journal.append([make(severity=21)])
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    for _ in range(3000):
        try:
            journal.append([make(severity=21, size=20000)])
        except CannotStore as error:
            refused = error
            break
        with open(filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
    os.unlink(filler)
    after = journal.append([make()])
print(json.dumps({"reason": refused.reason, "text": str(refused), "stored": after.stored}))
""",
        str(tmp_path),
    )

    assert found["reason"] == "full"
    assert "errors.db: the disk is full" in found["text"]
    assert found["stored"] == 1


WRITE_THEN_READ_ONLY = """
import subprocess
child = os.fork()
if child == 0:
    journal = Journal(path)
    journal.append([make() for _ in range(5)])
    if {closed}:
        journal.close()
    os._exit(0)
os.waitpid(child, 0)
subprocess.run(["mount", "-o", "remount,bind,ro", os.path.dirname(path)], check=True)
try:
    Journal(path).append([make()])
    reason = "stored"
except CannotStore as error:
    reason = error.reason
with Reader(path) as reader:
    rows = len(list(archive.every(reader.connection, Filters())))
    warning = reader.warning
print(json.dumps({{"rows": rows, "reason": reason, "warning": warning,
    "log": os.path.exists(path + "-wal") and os.path.getsize(path + "-wal") > 0}}))
"""


@pytest.mark.parametrize("closed", [True, False])
def test_a_read_only_volume_shows_all_rows_even_those_only_in_the_log(
    start: Start, tmp_path: Path, closed: bool
) -> None:
    found = inside(
        start,
        f"mount --bind {tmp_path} {tmp_path}",
        WRITE_THEN_READ_ONLY.format(closed=closed),
        str(tmp_path),
    )

    assert found == {"rows": 5, "reason": "read_only", "warning": None, "log": not closed}


def test_a_volume_not_known_to_share_memory_gets_no_write_ahead_log(
    start: Start, tmp_path: Path
) -> None:
    found = inside(
        start,
        f"mount -t ramfs ramfs {tmp_path}",
        """
with Journal(path, per_minute=None) as journal:
    journal.append([make() for _ in range(50)])
    mode = journal.change(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0])
    level = journal.change(lambda c: c.execute("PRAGMA synchronous").fetchone()[0])
with Reader(path) as reader:
    rows = len(list(archive.every(reader.connection, Filters())))
print(json.dumps({"mode": mode, "level": level, "rows": rows}))
""",
        str(tmp_path),
    )

    assert found == {"mode": "truncate", "level": 3, "rows": 50}


def test_a_log_from_another_machine_is_read_before_the_mode_changes(
    start: Start, tmp_path: Path
) -> None:
    found = inside(
        start,
        f"mkdir {tmp_path}/a {tmp_path}/b; mount -t ramfs ramfs {tmp_path}/b",
        """
import shutil
here, there = (os.path.join(os.path.dirname(path), name) for name in "ab")
child = os.fork()
if child == 0:
    journal = Journal(here + "/e.db")
    journal.append([make() for _ in range(5)])
    os._exit(0)
os.waitpid(child, 0)
for part in ("", "-wal"):
    shutil.copy(here + "/e.db" + part, there + "/e.db" + part)
with Journal(there + "/e.db") as journal:
    journal.append([make()])
    rows = journal.change(lambda c: c.execute("SELECT count(*) FROM error").fetchone()[0])
    mode = journal.change(lambda c: c.execute("PRAGMA journal_mode").fetchone()[0])
print(json.dumps({"mode": mode, "rows": rows}))
""",
        str(tmp_path),
    )

    assert found == {"mode": "truncate", "rows": 6}


def test_two_containers_with_the_same_pids_share_a_volume(
    start: Start, tmp_path: Path, writer: str, agree: Agree
) -> None:
    apart = (*UNSHARE, "--pid", "--fork", "--kill-child", "--mount-proc")
    db = str(tmp_path / "errors.db")
    writers = [start(writer, db, "1500", "1", f"w{n}", before=apart) for n in range(2)]
    said = [process.communicate(timeout=120) for process in writers]

    assert [process.returncode for process in writers] == [0, 0], said
    assert agree(db) == 3000


NOBODY = """
# Opened while we may, so that nothing has to be found when we may not.
with Journal(path) as journal:
    journal.append([make()])
    where = os.path.dirname(path)
    {before}
    os.chmod(where, 0o555)
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    said = {{}}
    try:
        Journal(where + "/other.db").append([make()])
    except CannotStore as error:
        said["write"] = error.reason
    try:
        with Reader(path) as reader:
            said["rows"] = len(archive.find(reader.connection, Filters()))
    except CannotStore as error:
        said["read"] = str(error)
    print(json.dumps(said), flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("before", "read"),
    [
        ("[os.chmod(path + part, 0o444) for part in ('', '-wal')]", {"rows": 1}),
        (
            "[os.chmod(path + part, 0o000) for part in ('', '-wal')]",
            {"read": "permission is denied"},
        ),
    ],
)
def test_who_may_only_read_can_read_and_who_may_not_is_told(
    start: Start, before: str, read: dict[str, object]
) -> None:
    found = inside(
        start,
        # Not below a folder of the test: only its owner may look into that.
        "mount -t tmpfs -o mode=755 tmpfs /mnt; mkdir /mnt/volume",
        NOBODY.format(before=before),
        "/mnt/volume",
    )

    assert found.pop("write") == "permission"
    assert found.keys() == read.keys()
    assert str(*read.values()) in str(*found.values())


def test_a_folder_that_may_not_be_looked_into_is_told(start: Start) -> None:
    found = inside(
        start,
        "mount -t tmpfs -o mode=755 tmpfs /mnt; mkdir /mnt/volume",
        NOBODY.format(before="os.chmod('/mnt', 0o700)"),
        "/mnt/volume",
    )

    assert found["write"] == "permission"
    assert "permission is denied" in found["read"]
