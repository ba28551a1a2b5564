"""Out of memory is what the kernel says it is, not what 137 looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.environment import stand_in
from support.records import causes, only

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Containers

TAPWRAP = ["tapwrap", "run", "--db", "/data/errors.db", "--"]


@pytest.mark.parametrize(
    ("arguments", "status", "ended"),
    [((), 137, (None, 9)), ((5,), 5, (5, None)), ((0,), 0, (0, None))],
)
def test_a_container_that_takes_too_much_is_out_of_memory(
    container: Containers,
    volume: Path,
    arguments: tuple[int, ...],
    status: int,
    ended: tuple[int | None, int | None],
) -> None:
    command = [*TAPWRAP, *stand_in("hog", *arguments)]

    result = container.run(*command, options=["--memory", "64m"], volume=volume)

    record = only(volume / "errors.db")
    assert result.status == status
    assert record["cause"] == "oom"
    assert (record["exit_code"], record["signal"]) == ended
    assert record["attributes"]["tapwrap.oom_kills"] == 1
    assert record["attributes"]["tapwrap.memory.limit"] == 64 * 1024**2
    assert "for lack of memory (limit 64 MiB)" in record["message"]


def test_a_kill_is_no_lack_of_memory(container: Containers, volume: Path) -> None:
    command = [*TAPWRAP, "sh", "-c", "kill -9 $$"]

    result = container.run(*command, options=["--memory", "64m"], volume=volume)

    assert (result.status, only(volume / "errors.db")["cause"]) == (137, "signal")


def test_a_new_attempt_is_judged_by_itself(container: Containers, volume: Path) -> None:
    again = ["--restart", "on-failure:1", "--backoff", "1ms"]
    hog = " ".join(stand_in("hog", 5))
    command = [
        *TAPWRAP[:-1],
        *again,
        "--",
        "sh",
        "-c",
        f"test -e /tmp/once && exit 6; >/tmp/once; {hog}",
    ]

    result = container.run(*command, options=["--memory", "64m"], volume=volume)

    assert (result.status, causes(volume / "errors.db")) == (6, ["oom", "exit"])
