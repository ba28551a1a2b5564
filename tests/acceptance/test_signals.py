"""Signals: every one is passed on once, in order, and none is lost."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support import processes
from support.environment import find, stand_in
from support.namespaces import children
from support.records import causes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.namespaces import InNamespace, Namespaces

CHLD, TERM, CONT = signal.SIGCHLD, signal.SIGTERM, signal.SIGCONT
CATCHABLE = [
    int(each) for each in [*range(1, 32), *range(34, 65)] if each not in {9, CHLD, signal.SIGSTOP}
]
LAUNCHER = """
import os, sys
from signal import *
{0}
os.execvp("tapwrap", ["tapwrap", "run", *sys.argv[1:]])
"""


def launched(doing: str, *argv: str) -> list[str]:
    """The command that does something to itself and then becomes `tapwrap run`."""
    return [find("python3"), "-I", "-S", "-c", LAUNCHER.format(doing), *argv]


def heard(stdout: bytes) -> list[int]:
    """The numbers of the signals that `signals.py` said it had received."""
    return [int(line.split()[1]) for line in stdout.splitlines() if line.startswith(b"signal ")]


def test_every_signal_from_outside_arrives_once_and_in_order(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals"))
    wrapper.until(b"ready")

    for number in CATCHABLE:
        if number != TERM:
            wrapper.signal(number)
            wrapper.until(b"signal %d from 1\n" % number)
    wrapper.signal(TERM)
    wrapper.until(b"signal 15 from 1\nsignal 18 from 1\n")
    wrapper.signal("TERM")

    # TERM begins a stop, and a stopped process could not hear it: hence CONT.
    expected = [*(each for each in CATCHABLE if each != TERM), TERM, CONT]
    assert heard(wrapper.wait().stdout) == expected


def test_every_signal_from_inside_arrives_once_and_in_order(
    namespace: Namespaces, store: Path
) -> None:
    result = namespace.run("tapwrap", "run", "--", *stand_in("ping"))

    expected = [b"sent %d, received %d" % (each, each) for each in CATCHABLE if each != TERM]
    assert (result.status, result.stdout.splitlines()) == (0, expected)
    assert causes(store) == []


def test_a_hundred_realtime_signals_at_once_are_a_hundred(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals", 35))
    wrapper.until(b"ready")

    wrapper.signal(*["RTMIN"] * 100, "RTMIN+1")

    assert heard(wrapper.wait().stdout) == [34] * 100 + [35]


def test_a_signal_without_a_handler_ends_the_command_as_it_would_without_us(
    namespace: Namespaces, store: Path
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", "echo ready; exec sleep 60")
    wrapper.until(b"ready")

    wrapper.signal("HUP")

    assert wrapper.wait().status == 129
    assert causes(store) == ["signal"]


def test_interrupting_is_planned_but_starts_no_clock(namespace: Namespaces, store: Path) -> None:
    catches = 'trap "trap - INT; echo caught" INT; echo ready; while :; do sleep 60 & wait $!; done'
    wrapper = namespace.start("tapwrap", "run", "--stop-timeout", "0s", "--", "sh", "-c", catches)
    wrapper.until(b"ready")

    wrapper.signal("INT")
    wrapper.until(b"caught")
    wrapper.signal("INT")

    assert wrapper.wait().status == 130
    assert causes(store) == []


def test_a_forged_death_of_a_child_does_nothing(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals", 10))
    wrapper.until(b"ready")

    wrapper.signal(*["CHLD"] * 20, "USR1")

    result = wrapper.wait()
    assert (result.status, heard(result.stdout)) == (0, [10])


@pytest.mark.parametrize(
    ("rewrites", "sent", "expected"),
    [
        (["USR1=USR2"], ["USR1", "RTMIN"], [12, 34]),
        (["USR1=USR2", "SIGUSR2=SIGUSR1"], ["USR1", "USR2", "RTMIN"], [12, 10, 34]),
        (["WINCH=0"], ["WINCH", "RTMIN"], [34]),
        (["1=RTMIN"], ["HUP"], [34]),
        (["RTMIN+5=34"], ["RTMIN+5"], [34]),
    ],
)
def test_rewritten_signals_arrive_as_others_or_not_at_all(
    namespace: Namespaces, rewrites: list[str], sent: list[str], expected: list[int]
) -> None:
    options = [word for each in rewrites for word in ("--rewrite", each)]
    wrapper = namespace.start("tapwrap", "run", *options, "--", *stand_in("signals", 34))
    wrapper.until(b"ready")

    for number, name in enumerate(sent, 1):
        wrapper.signal(name)
        if number <= len(expected) and len(sent) == len(expected):
            wrapper.until(b"signal %d from" % expected[number - 1])

    assert heard(wrapper.wait().stdout) == expected


def test_rewrites_can_come_from_the_environment(namespace: Namespaces) -> None:
    env = {"TAPWRAP_REWRITE": "USR1=RTMIN WINCH=0"}
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals", 34), env=env)
    wrapper.until(b"ready")

    wrapper.signal("WINCH", "USR1")

    assert heard(wrapper.wait().stdout) == [34]


@pytest.mark.parametrize(("rewrite", "told"), [("TERM=QUIT", 3), ("TERM=RTMIN+3", 37)])
def test_a_rewritten_term_still_starts_the_clock(
    namespace: Namespaces, store: Path, rewrite: str, told: int
) -> None:
    options = ["--rewrite", rewrite, "--stop-timeout", "300ms"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", *stand_in("signals"))
    wrapper.until(b"ready")

    wrapper.signal("TERM")

    result = wrapper.wait()
    assert (result.status, sorted(heard(result.stdout))) == (137, sorted([told, CONT]))
    assert causes(store) == ["stop_timeout"]


def test_other_signals_than_term_can_ask_to_stop(namespace: Namespaces, store: Path) -> None:
    options = ["--stop-signals", "QUIT,USR1", "--stop-timeout", "300ms"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", *stand_in("signals"))
    wrapper.until(b"ready")

    wrapper.signal("TERM")
    wrapper.until(b"signal 15")
    wrapper.signal("QUIT")

    result = wrapper.wait()
    assert (result.status, sorted(heard(result.stdout))) == (137, sorted([TERM, 3, CONT]))
    assert causes(store) == ["stop_timeout"]


@pytest.mark.parametrize(("scope", "receivers"), [("main", 1), ("group", 2), ("session", 3)])
def test_the_scope_says_who_gets_signals(namespace: Namespaces, scope: str, receivers: int) -> None:
    listen = " ".join(stand_in("signals", 15))
    others = f"{listen} & set -m; {listen} & set +m; exec {listen}"
    wrapper = namespace.start("tapwrap", "run", "--signal-scope", scope, "--", "bash", "-c", others)
    wrapper.until(b"(ready.*){3}")

    wrapper.signal("USR1")
    wrapper.until(b"signal 10")
    wrapper.signal("TERM")

    assert heard(wrapper.wait().stdout).count(10) == receivers


@pytest.mark.parametrize("attempt", range(15))
@pytest.mark.parametrize("moment", ["blocked", "forked"])
def test_a_stop_in_the_first_moments_is_not_lost(
    namespace: Namespaces, store: Path, moment: str, attempt: int
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sleep", str(60 + attempt))

    until_at_once(lambda: blocked(wrapper, TERM))
    if moment == "forked":
        until_at_once(lambda: bool(children(wrapper.pid)))
    wrapper.signal("TERM")

    assert wrapper.wait().status == 143
    assert causes(store) == []


def test_a_signal_that_was_sent_before_we_were_executed_is_delivered(
    namespace: Namespaces,
) -> None:
    early = (
        "pthread_sigmask(SIG_BLOCK, {SIGUSR1});"
        "os.fork() or os._exit(os.kill(os.getppid(), SIGUSR1) or 0); os.wait()"
    )

    result = namespace.run(*launched(early, "--", *stand_in("signals", 10)))

    assert (result.status, heard(result.stdout)) == (0, [10])


def test_the_command_starts_with_a_clean_slate(namespace: Namespaces) -> None:
    result = namespace.run(
        "tapwrap", "run", "--", "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"
    )

    _, blocked_, _, ignored = result.stdout.split()
    assert processes.signals(blocked_) == processes.signals(ignored) == set()


def test_the_command_inherits_what_is_ignored_and_what_is_blocked(namespace: Namespaces) -> None:
    # SIGPIPE and SIGXFSZ cannot be told: Python ignores them for itself.
    dispositions = (
        "[signal(each, SIG_IGN) for each in (SIGINT, SIGUSR1, SIGCHLD, 40)];"
        "pthread_sigmask(SIG_BLOCK, {SIGTERM, SIGHUP, 41})"
    )

    result = namespace.run(
        *launched(dispositions, "--", "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status")
    )

    _, blocked_, _, ignored = result.stdout.split()
    assert processes.signals(blocked_) == {1, 15, 41}
    assert processes.signals(ignored) == {2, 10, 17, 40}


def test_children_that_were_to_be_ignored_are_waited_for(namespace: Namespaces) -> None:
    result = namespace.run(*launched("signal(SIGCHLD, SIG_IGN)", "--", "sh", "-c", "exit 3"))

    assert result.status == 3


def test_a_signal_while_leftovers_end_goes_to_nobody(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("daemon", 5))
    wrapper.until(b"daemon was told")

    wrapper.signal("USR1", "HUP", "WINCH")

    result = wrapper.wait()
    assert (result.status, b"said goodbye" in result.stdout) == (5, True)


def blocked(wrapper: InNamespace, number: int) -> bool:
    """Whether the wrapper has come as far as its first statement."""
    status = processes.status(wrapper.pid)
    return status.get("Name") == "tapwrap" and number in processes.signals(status["SigBlk"])


def until_at_once(condition: Callable[[], bool]) -> None:
    """Like `eventually`, but without the naps in which the moment would pass."""
    while not condition():
        pass
