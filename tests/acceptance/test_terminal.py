"""On a terminal: whose turn it is, what keys do, and how it is left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.environment import stand_in
from support.namespaces import children
from support.processes import state
from support.records import causes
from support.terminal import Terminal
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces

SERVANT = " ".join(stand_in("servant", "good"))


def test_a_shell_has_job_control(namespace: Namespaces) -> None:
    shell = namespace.start("tapwrap", "run", "--", "bash", "--norc", "-i", terminal=True)
    shell.until(rb"[$#] ")

    shell.terminal.type("sleep 60\n")
    eventually(lambda: sleeps_in_front(shell.terminal))
    shell.terminal.press("^Z")
    shell.until(b"Stopped +sleep 60")
    shell.terminal.type("kill %1; exit 9\n")
    shell.until(b"exit\r\n")
    shell.terminal.type("exit 9\n")

    assert shell.wait().status == 9
    assert b"no job control" not in shell.screen


def sleeps_in_front(terminal: Terminal) -> bool:
    """Whether the foreground process group is led by `sleep`."""
    try:
        with open(f"/proc/{terminal.foreground}/comm", "rb") as file:
            return file.read() == b"sleep\n"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_interrupt_key_ends_the_command_as_it_would_without_us(
    namespace: Namespaces, store: Path
) -> None:
    command = ["sh", "-c", f"{SERVANT}; echo after''wards"]
    wrapper = namespace.start("tapwrap", "run", "--", *command, terminal=True)
    wrapper.until(b"ready")

    wrapper.terminal.press("^C")

    result = wrapper.wait()
    assert (result.status, b"afterwards" in wrapper.screen) == (130, False)
    assert causes(store) == []


def test_the_interrupt_key_is_no_reason_to_start_again(namespace: Namespaces, store: Path) -> None:
    options = ["--restart", "on-failure", "--backoff", "1ms"]
    command = stand_in("servant", "good")
    wrapper = namespace.start("tapwrap", "run", *options, "--", *command, terminal=True)
    wrapper.until(b"ready")

    wrapper.terminal.press("^C")

    assert (wrapper.wait().status, causes(store)) == (130, [])


@pytest.mark.parametrize(("key", "number"), [("^C", 2), ("^\\", 3)])
def test_a_key_is_one_signal(namespace: Namespaces, key: str, number: int) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals", 34), terminal=True)
    wrapper.until(b"ready")

    wrapper.terminal.press(key)
    wrapper.until(b"signal %d from 0" % number)
    wrapper.signal("RTMIN")

    assert wrapper.wait().status == 0
    assert wrapper.screen.count(b"signal ") == 2


def test_a_new_size_is_one_signal(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals", 34), terminal=True)
    wrapper.until(b"ready")

    wrapper.terminal.resize(50, 132)
    wrapper.until(b"signal 28 from 0")
    wrapper.signal("RTMIN")

    assert wrapper.wait().status == 0
    assert wrapper.screen.count(b"signal ") == 2


def test_a_suspended_command_still_ends(namespace: Namespaces) -> None:
    command = ["sh", "-c", "echo ready; exec sleep 60"]
    wrapper = namespace.start("tapwrap", "run", "--", *command, terminal=True)
    wrapper.until(b"ready")
    main = children(wrapper.pid)[0]

    wrapper.terminal.press("^Z")
    eventually(lambda: state(main) == "T")
    eventually(lambda: state(wrapper.pid) == "S")
    wrapper.signal("TERM")

    result = wrapper.wait()
    assert result.status == 143
    assert result.seconds < 8


@pytest.mark.parametrize("attempt", range(8))
def test_the_command_is_told_nothing_while_it_gets_the_terminal(
    namespace: Namespaces, attempt: int
) -> None:
    quiet = f'trap "echo HUP" HUP; trap "echo CONT" CONT; sleep 0.2; exit {attempt}'

    wrapper = namespace.start("tapwrap", "run", "--log-level", "error", "--success-codes",
                              str(attempt), "--", "sh", "-c", quiet, terminal=True)  # fmt: skip

    assert (wrapper.wait().status, wrapper.screen) == (0, b"")


def test_nothing_is_piped(namespace: Namespaces) -> None:
    command = ["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && exit 9"]
    wrapper = namespace.start("tapwrap", "run", "--capture", "both", "--", *command, terminal=True)

    assert wrapper.wait().status == 9


def test_a_terminal_that_hangs_up_ends_the_command(namespace: Namespaces, store: Path) -> None:
    command = ["sh", "-c", "echo ready; exec sleep 60"]
    wrapper = namespace.start("tapwrap", "run", "--", *command, terminal=True)
    wrapper.until(b"ready")

    wrapper.hang_up()

    assert wrapper.wait().status == 129
    assert causes(store) == ["signal"]


def test_the_modes_of_the_terminal_are_restored(namespace: Namespaces) -> None:
    crash = "tapwrap run -- sh -c 'stty raw -echo; kill -9 $$' 2>/dev/null"
    shell = namespace.start("sh", "-c", f"stty -g; {crash}; echo $?; stty -g", terminal=True)

    assert shell.wait().status == 0
    before, status, after = shell.screen.split()
    assert (status, after) == (b"137", before)


def test_a_shell_can_suspend_and_resume_us_with_the_command(namespace: Namespaces) -> None:
    shell = namespace.shell()
    shell.terminal.type("tapwrap run --log-level error -- sh -c 'echo run''ning; exec sleep 60'\n")
    shell.until(b"running")

    shell.terminal.press("^Z")
    shell.until(b"Stopped")
    shell.terminal.type("fg; echo status $?\n")
    eventually(lambda: sleeps_in_front(shell.terminal))
    shell.terminal.press("^C")
    shell.until(b"status 130")
    shell.terminal.type("echo still here | cat\n")

    shell.until(b"\nstill here")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_are_fine(namespace: Namespaces, store: Path, closed: str) -> None:
    result = namespace.run("sh", "-c", f"exec tapwrap run -- sh -c 'exit 4' {closed}")

    assert (result.status, causes(store)) == (4, ["exit"])


@pytest.mark.parametrize("closed", ["0<&-", "1>&-"])
def test_the_command_finds_its_streams_closed_too(namespace: Namespaces, closed: str) -> None:
    look = f"test ! -e /proc/self/fd/{closed[0]}"

    assert namespace.run("sh", "-c", f"exec tapwrap run -- sh -c '{look}' {closed}").status == 0


def test_a_terminal_that_is_not_ours_to_give_is_left_alone(namespace: Namespaces) -> None:
    terminal = Terminal()

    result = namespace.run(
        "tapwrap", "run", "--", "sh", "-c", "test -t 0 && exit 4", stdin=terminal.other_side
    )
    os.close(terminal.other_side)
    terminal.close()

    assert result.status == 4


def test_all_of_a_long_input_reaches_the_command(namespace: Namespaces) -> None:
    given = bytes(range(256)) * 40_000

    result = namespace.run("tapwrap", "run", "--", "wc", "-c", stdin=given)

    assert result.stdout.strip() == b"10240000"


def test_a_container_has_a_terminal_too(container: Containers) -> None:
    box = container.start("tapwrap", "run", "--", "bash", "--norc", "-i", terminal=True)
    box.until(rb"[$#] ")

    box.terminal.type(f"{SERVANT}\n")
    box.until(b"good ready")
    box.terminal.press("^C")
    box.until(rb"\^C.*[$#] ")
    box.terminal.type("exit 9\n")

    assert box.wait().status == 9
    assert b"no job control" not in box.screen
