"""Reaping: whoever dies is waited for, and nobody's status is taken for the command's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.environment import stand_in
from support.namespaces import children
from support.processes import descriptors, memory, state, status
from support.waiting import eventually

if TYPE_CHECKING:
    from support.namespaces import Namespaces

TOGETHER = f"""
for attempt in $(seq 40); do
    unshare --pid --fork --mount-proc tapwrap run --log-level error --success-codes 7 -- \
        {" ".join(stand_in("orphans", 50, -1, 7))} >/dev/null
    echo $?
done
"""


def test_orphans_are_reaped_while_the_command_runs(namespace: Namespaces) -> None:
    orphans = " ".join(stand_in("orphans", 200))
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", f"{orphans}; exec sleep 60")
    wrapper.until(b"ready")

    assert eventually(lambda: [state(each) for each in children(wrapper.pid)] == ["S"])


def test_twenty_thousand_orphans_leave_no_trace(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("swarm", 20_000))
    wrapper.until(b"100 were here", within=30)
    eventually(lambda: any(".runs/" in each for each in descriptors(wrapper.pid).values()))
    eventually(lambda: len(children(wrapper.pid)) == 1)
    before, open_before = memory(wrapper.pid), descriptors(wrapper.pid)

    wrapper.until(b"20000 were here", within=120)
    eventually(lambda: len(children(wrapper.pid)) == 1)

    assert memory(wrapper.pid) - before < 1024 * 1024
    assert descriptors(wrapper.pid).keys() == open_before.keys()


def test_a_status_is_not_lost_among_orphans_that_die_in_the_same_moment(
    namespace: Namespaces,
) -> None:
    result = namespace.run("sh", "-c", TOGETHER, within=120)

    assert result.stdout.split() == [b"0"] * 40


@pytest.mark.parametrize("own", [0, 7])
def test_orphans_that_outlive_the_command_do_not_change_its_status(
    namespace: Namespaces, own: int
) -> None:
    result = namespace.run("tapwrap", "run", "--", *stand_in("orphans", 100, 60, own))

    assert result.status == own
    assert result.seconds < 8


def test_the_death_of_an_orphan_is_not_the_death_of_the_command(namespace: Namespaces) -> None:
    orphans = " ".join(stand_in("orphans", 20))
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", f"{orphans}; read x; exit 3")

    assert wrapper.wait().status == 3


def test_idle_means_no_wake_up(namespace: Namespaces) -> None:
    command = "sleep 1; echo one; sleep 2; echo two; exec sleep 60"
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", command)

    # The shell's own sleeps are not ours to reap, so nothing is to be done in between.
    wrapper.until(b"one")
    before = switches(wrapper.pid)
    wrapper.until(b"two")

    assert switches(wrapper.pid) == before


def switches(pid: int) -> list[str]:
    """How often a process was put to sleep so far, by itself and by others."""
    found = status(pid)
    return [found["voluntary_ctxt_switches"], found["nonvoluntary_ctxt_switches"]]
