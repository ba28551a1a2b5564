"""Stopping: the command first, then what it leaves, all within the grace and not longer."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.containers import podman
from support.environment import PYTHON, stand_in
from support.namespaces import children
from support.processes import name, state
from support.records import causes, events, only, records
from support.running import Running, start
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces

#: Long enough that nobody waits for it by accident, and short enough to see who does.
GRACE = 8.0
SERVANT = " ".join(stand_in("servant"))
DAEMON = " ".join(stand_in("daemon"))


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("echo ready; exec sleep 60", 143),
        (f"exec {SERVANT} polite 0", 0),
        (f"exec {SERVANT} polite 143", 143),
    ],
)
def test_a_stop_that_ends_as_asked_is_no_error(
    namespace: Namespaces, store: Path, command: str, status: int
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", command)
    wrapper.until(b"ready")

    wrapper.signal("TERM")

    result = wrapper.wait()
    assert (result.status, records(store)) == (status, [])
    assert result.seconds < GRACE


def test_a_stop_that_the_command_answers_with_a_failure_is_recorded(
    namespace: Namespaces, store: Path
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("servant", "bad", 3))
    wrapper.until(b"ready")

    wrapper.signal("TERM")

    assert wrapper.wait().status == 3
    assert (only(store)["cause"], only(store)["exit_code"]) == ("exit", 3)


def test_everyone_below_the_command_gets_time_to_end(namespace: Namespaces) -> None:
    family = f"""
        {SERVANT} neighbour &
        setsid {SERVANT} stranger &
        {DAEMON} 0
        echo family ready
        exec sleep 60
    """
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", family)
    for each in (b"neighbour", b"stranger", b"daemon", b"family"):
        wrapper.until(each + b" ready")

    wrapper.signal("TERM")

    result = wrapper.wait()
    goodbyes = {line.split()[0] for line in result.stdout.splitlines() if b"said goodbye" in line}
    assert (result.status, goodbyes) == (143, {b"neighbour", b"stranger", b"daemon"})
    assert result.seconds < GRACE


def test_what_a_command_leaves_behind_ends_before_its_status_is_returned(
    namespace: Namespaces, store: Path
) -> None:
    result = namespace.run("tapwrap", "run", "--", *stand_in("daemon", 5))

    assert (result.status, b"daemon said goodbye" in result.stdout) == (5, True)
    assert result.seconds < GRACE
    (swept,) = only(store)["attributes"]["tapwrap.swept"]
    assert (swept["comm"], swept["how"]) == (PYTHON, "TERM")


def test_the_children_of_the_command_hear_of_a_stop_only_when_it_is_gone(
    namespace: Namespaces,
) -> None:
    # As a pre-forking server does, which would take its workers' deaths for crashes.
    server = f"{SERVANT} worker & exec {SERVANT} server"
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", server)
    wrapper.until(b"worker ready.*server ready|server ready.*worker ready")

    wrapper.signal("TERM")

    assert [line for line in wrapper.wait().stdout.splitlines() if b"ready" not in line] == [
        b"server told",
        b"server said goodbye",
        b"worker told",
        b"worker said goodbye",
    ]


def test_a_command_that_ignores_the_stop_is_killed_after_its_grace(
    namespace: Namespaces, store: Path
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--stop-timeout", "500ms", "--", *stand_in("deaf"))
    wrapper.until(b"ready")

    wrapper.signal("TERM")

    assert wrapper.wait().status == 137
    record = only(store)
    assert (record["cause"], record["signal"]) == ("stop_timeout", 9)
    assert record["attributes"]["tapwrap.stop_timeout"] == pytest.approx(0.5)
    assert "did not end within 500ms of being told to" in record["message"]
    assert "a process outside the container had asked" in record["message"]


def test_a_second_request_to_stop_does_not_wait(namespace: Namespaces, store: Path) -> None:
    options = ["--stop-timeout", "1h"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", *stand_in("signals"))
    wrapper.until(b"ready")

    wrapper.signal("TERM")
    wrapper.until(b"signal 15")
    wrapper.signal("TERM")

    assert (wrapper.wait().status, causes(store)) == (137, [])


def test_leftovers_that_ignore_the_stop_are_killed_and_the_status_stays(
    namespace: Namespaces, store: Path
) -> None:
    leaves = f"setsid {' '.join(stand_in('deaf'))} & exec {SERVANT} main 5"
    options = ["--stop-timeout", "500ms"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "sh", "-c", leaves)
    wrapper.until(b"main ready.*\nready|^ready.*main ready")

    wrapper.signal("TERM")

    assert wrapper.wait().status == 5
    assert "KILL" in [each["how"] for each in only(store)["attributes"]["tapwrap.swept"]]


@pytest.mark.parametrize("status", ["", "5"])
def test_someone_who_forks_as_fast_as_possible_does_not_get_away(
    namespace: Namespaces, status: str
) -> None:
    command = [*stand_in("runaway"), *status.split()]
    wrapper = namespace.start("tapwrap", "run", "--stop-timeout", "300ms", "--", *command)
    wrapper.until(b"ready")

    wrapper.signal("TERM")

    assert wrapper.wait().status == int(status or 137)


def test_a_stopped_command_is_woken_to_be_ended(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", "echo ready; exec sleep 60")
    wrapper.until(b"ready")
    main = eventually(lambda: children(wrapper.pid))[0]

    wrapper.signal("TSTP")
    eventually(lambda: state(main) == "T")
    wrapper.signal("TERM")

    result = wrapper.wait()
    assert result.status == 143
    assert result.seconds < GRACE


def test_a_stopped_leftover_is_woken_to_be_ended(namespace: Namespaces) -> None:
    leaves = f"{SERVANT} leftover & exec {SERVANT} main 5"
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", leaves)
    wrapper.until(b"main ready.*leftover ready|leftover ready.*main ready")
    main = children(wrapper.pid)[0]
    (leftover,) = children(main)

    os.kill(leftover, signal.SIGSTOP)
    eventually(lambda: state(leftover) == "T")
    wrapper.signal("TERM")

    result = wrapper.wait()
    assert (result.status, b"leftover said goodbye" in result.stdout) == (5, True)
    assert result.seconds < GRACE


def test_a_process_that_cannot_be_killed_is_given_up_and_named(
    namespace: Namespaces, store: Path
) -> None:
    options = ["--stop-timeout", "100ms", "--restart", "on-failure"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", *stand_in("deaf"))
    wrapper.until(b"ready")
    main = eventually(lambda: children(wrapper.pid))[0]

    with Running(start(stand_in("tracer", main))) as tracer:
        tracer.until(b"ready")
        wrapper.signal("TERM")
        wrapper.until_error(b'"stored"')

    record = only(store)
    assert wrapper.wait().status == 137
    assert record["cause"] == "stop_timeout"
    (stuck,) = record["attributes"]["tapwrap.stuck"]
    assert (stuck["comm"], stuck["state"]) == (PYTHON, "t")


def test_no_sweep_leaves_descendants_alone(namespace: Namespaces) -> None:
    leaves = f"tapwrap run --no-sweep -- {DAEMON} 5; echo status $?; exec sleep 60"
    shell = namespace.start("sh", "-c", leaves)

    shell.until(b"status 5")

    assert b"daemon was told" not in shell.stdout
    assert PYTHON in [name(each) for each in children(shell.pid)]


def test_a_container_is_stopped_by_its_orchestrator(container: Containers, volume: Path) -> None:
    command = f"{DAEMON} 0; exec sleep 60"
    db = ["--db", "/data/errors.db"]
    box = container.start("tapwrap", "run", *db, "--", "sh", "-c", command, volume=volume)
    box.until(b"daemon ready")

    podman("kill", "--signal", "WINCH", box.name)
    result = box.stop()

    assert (result.status, b"daemon said goodbye" in result.stdout) == (143, True)
    assert records(volume / "errors.db") == []
    assert events(result.stderr) == ["started", "exited"]


def test_an_orchestrator_that_asks_twice_does_not_wait(container: Containers, volume: Path) -> None:
    options = ["--db", "/data/errors.db", "--stop-timeout", "1h"]
    box = container.start("tapwrap", "run", *options, "--", *stand_in("signals"), volume=volume)
    box.until(b"ready")

    podman("kill", "--signal", "TERM", box.name)
    box.until(b"signal 15")
    podman("kill", "--signal", "TERM", box.name)

    assert box.wait().status == 137
