"""What is exported can be imported, once or twice; what is damaged is salvaged."""

from __future__ import annotations

import csv
import json
import random
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapwrap.store import archive, transfer
from tapwrap.store.filters import Filters
from tapwrap.store.journal import Journal
from tapwrap.store.reading import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from support.stores import Agree, Make
    from tapwrap.core.record import ErrorRecord

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=30)
WORD = TEXT.filter(bool)
ITEMS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        message=TEXT,
        type=TEXT,
        stack=st.none() | WORD,
        stderr_tail=st.none() | WORD,
        monotonic=st.none() | st.floats(0, 1e9),
        exit_code=st.none() | st.integers(0, 255),
        handled=st.booleans(),
        attributes=st.dictionaries(
            TEXT, st.none() | st.booleans() | TEXT | st.lists(st.integers())
        ),
    ),
    max_size=8,
)


def everything(db: str) -> list[tuple[ErrorRecord, int]]:
    with Reader(db) as reader:
        found = archive.every(reader.connection, Filters())
        return sorted(((each.record, each.repeat) for each in found), key=lambda each: each[0].id)


def written(db: str, path: Path) -> Path:
    with Reader(db) as reader, path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        if path.suffix == ".csv":
            sheet.writerow(transfer.COLUMNS)
        for found in archive.every(reader.connection, Filters()):
            if path.suffix == ".csv":
                sheet.writerow(transfer.to_row(found))
            else:
                file.write(json.dumps(transfer.as_fields(found)) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(items=ITEMS)
def test_a_store_comes_back_from_its_export_equal(
    tmp_path_factory: pytest.TempPathFactory, make: Make, suffix: str, items: list[dict[str, Any]]
) -> None:
    place = tmp_path_factory.mktemp("transfer")
    with Journal(str(place / "one.db"), per_minute=2) as journal:
        journal.append([make(**item) for item in items])
    file = written(str(place / "one.db"), place / f"export{suffix}")

    with Journal(str(place / "two.db"), per_minute=None) as journal:
        first = transfer.load(journal, str(file))
        again = transfer.load(journal, str(file))

    assert first.known == 0
    assert (again.records, again.known) == (0, first.records)
    assert everything(str(place / "two.db")) == everything(str(place / "one.db"))


def test_counts_come_back_too(db: str, make: Make, agree: Agree, tmp_path: Path) -> None:
    with Journal(db, per_minute=5) as journal:
        journal.append([make() for _ in range(100)])
    other = str(tmp_path / "other.db")

    with Journal(other, per_minute=None) as journal:
        assert transfer.load(journal, str(written(db, tmp_path / "e.jsonl"))).records == 5

    assert agree(db) == agree(other) == 100


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("e.jsonl", '{"id": "x"}\n', "line 1"),
        ("e.jsonl", "{not json\n", "line 1"),
        ("e.jsonl", "[1]\n", "neither JSON lines nor CSV"),
        ("e.csv", "id,time,message\nx,y,z\n", "record 1"),
    ],
)
def test_what_is_no_export_is_refused_with_the_place(
    db: str, tmp_path: Path, name: str, content: str, where: str
) -> None:
    (tmp_path / name).write_text(content)

    with Journal(db) as journal, pytest.raises(transfer.NotReadable, match=where):
        transfer.load(journal, str(tmp_path / name))


def test_what_comes_before_a_bad_line_is_stored(
    db: str, make: Make, tmp_path: Path, agree: Agree
) -> None:
    with Journal(db) as journal:
        journal.append([make(), make()])
    file = written(db, tmp_path / "e.jsonl")
    with file.open("a") as more:
        more.write("{broken\n")
    other = str(tmp_path / "other.db")

    with Journal(other) as journal, pytest.raises(transfer.NotReadable, match="line 3"):
        transfer.load(journal, str(file))

    assert agree(other) == 2


def test_a_damaged_store_gives_back_nearly_all_of_its_records(db: str, make: Make) -> None:
    with Journal(db, per_minute=None) as journal:
        for start in range(0, 3000, 100):
            journal.append(
                [make(stderr_tail="x" * 3000, message=f"m{start + n}") for n in range(100)]
            )
        aside = None
    # Five leaves of the largest tree: what a volume that loses pages most likely loses.
    luck = random.Random(7)  # noqa: S311 (not a secret, but the same each time)
    connection = sqlite3.connect(db)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    with open(db, "r+b") as file:
        broken = 0
        while broken < 5:
            page = luck.randrange(pages // 4, pages)
            file.seek(page * 4096)
            if file.read(1) != b"\x0d":
                continue
            file.seek(page * 4096)
            file.write(bytes(luck.randrange(256) for _ in range(4096)))
            broken += 1

    with Journal(db, check=True, per_minute=None) as journal:
        aside = journal.append([make()]).set_aside
        assert aside is not None
        salvaged = transfer.load(journal, aside)

    assert salvaged.records >= 2970
    assert salvaged.records + salvaged.unreadable <= 3000


def test_the_database_of_another_program_is_not_imported(db: str, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE error(seq)")
    other.commit()
    other.close()

    with Journal(db) as journal, pytest.raises(transfer.NotReadable, match="not a tapwrap store"):
        transfer.load(journal, str(tmp_path / "other.db"))
