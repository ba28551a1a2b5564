"""Restarting: when, how soon, how often, and when not to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.processes import descriptors, memory
from support.records import causes, events, printed, records, said
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces

QUICK = ["--backoff", "1ms", "--backoff-max", "1ms"]


def starts(stdout: bytes) -> int:
    """How often the command said that it was started."""
    return stdout.count(b"start\n")


def pauses(stderr: bytes) -> list[int]:
    """The pauses before restarts that were announced, in milliseconds."""
    said_ = [each["message"] for each in said(stderr) if each["event"] == "restarting"]
    return [round(float(n) * {"ms": 1, "s": 1000}[unit])
            for n, unit in re.findall(r" in ([\d.]+)(ms|s)\b", "\n".join(said_))]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "end", "expected"),
    [
        ("no", 0, 1),
        ("no", 7, 1),
        ("on-failure", 0, 1),
        ("on-failure:1", 7, 2),
        ("on-failure:2", 7, 3),
        ("on-failure:3", 0, 1),
    ],
)
def test_the_policy_says_how_often_the_command_is_started(
    namespace: Namespaces, store: Path, policy: str, end: int, expected: int
) -> None:
    command = ["sh", "-c", f"echo start; exit {end}"]

    result = namespace.run("tapwrap", "run", "--restart", policy, *QUICK, "--", *command)

    assert (result.status, starts(result.stdout)) == (end, expected)
    assert causes(store) == ["exit"] * (expected if end else 0)
    assert [each["attributes"]["tapwrap.attempt"] for each in records(store)] == list(
        range(1, expected + 1) if end else []
    )


def test_always_means_after_a_success_too_and_a_success_is_no_crash(
    namespace: Namespaces, store: Path
) -> None:
    options = ["--restart", "always", "--crash-limit", "1", "--backoff", "20ms"]
    # Whether the stop comes during a pause or during an `echo`, it ends well.
    options += ["--success-codes", "0,TERM"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "echo", "start")

    wrapper.until(b"(start\n){10}")
    wrapper.signal("TERM")

    result = wrapper.wait()
    assert (result.status, causes(store)) == (0, [])
    assert all(20 <= each <= 22 for each in pauses(result.stderr))


def test_the_pause_doubles_up_to_its_limit(namespace: Namespaces) -> None:
    options = ["--restart", "on-failure:5", "--crash-limit", "0"]
    curve = ["--backoff", "50ms", "--backoff-max", "300ms"]

    result = namespace.run("tapwrap", "run", *options, *curve, "--", "false")

    least = [50, 100, 200, 300, 300]
    assert all(
        least_ <= pause <= least_ * 1.1
        for least_, pause in zip(least, pauses(result.stderr), strict=True)
    )


def test_a_healthy_stretch_begins_the_pauses_anew(namespace: Namespaces) -> None:
    options = ["--restart", "on-failure:3", "--backoff", "50ms", "--backoff-reset", "200ms"]

    result = namespace.run("tapwrap", "run", *options, "--", "sh", "-c", "sleep 0.3; exit 1")

    assert all(50 <= each <= 55 for each in pauses(result.stderr))


def test_a_crash_loop_is_given_up_and_recorded(namespace: Namespaces, store: Path) -> None:
    options = ["--restart", "on-failure", "--crash-limit", "4", *QUICK]
    command = ["sh", "-c", "echo start; exit 3"]

    result = namespace.run("tapwrap", "run", *options, "--", *command)

    assert (result.status, starts(result.stdout)) == (3, 4)
    *crashes, loop = records(store)
    assert [each["cause"] for each in crashes] == ["exit"] * 4
    assert (loop["cause"], loop["exit_code"]) == ("crash_loop", 3)
    assert loop["attributes"]["tapwrap.failures"] == 4
    assert loop["message"] == "sh failed 4 times within 1m and was given up"
    assert "gave_up" in events(result.stderr)


@pytest.mark.parametrize("policy", ["on-failure", "always"])
def test_five_failures_are_a_crash_loop_by_default(namespace: Namespaces, policy: str) -> None:
    command = ["sh", "-c", "echo start; kill -SEGV $$"]

    result = namespace.run("tapwrap", "run", "--restart", policy, *QUICK, "--", *command)

    assert (result.status, starts(result.stdout)) == (139, 5)


def test_without_a_crash_limit_nothing_is_given_up(namespace: Namespaces) -> None:
    options = ["--restart", "on-failure", "--crash-limit", "0", *QUICK]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "sh", "-c", "echo start; exit 3")

    wrapper.until(b"(start\n){12}")
    wrapper.signal("TERM")

    assert wrapper.wait().status in {3, 143}


def test_after_a_crash_loop_the_container_can_be_held_for_a_look_inside(
    namespace: Namespaces,
) -> None:
    options = ["--restart", "always", "--crash-limit", "2", "--on-crash-loop", "hold", *QUICK]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "sh", "-c", "echo start; exit 3")

    wrapper.until_error(b'"held"')
    wrapper.until_error(b'"stored".*"stored"')
    wrapper.signal("USR1", "HUP", "TERM")

    result = wrapper.wait()
    assert (result.status, starts(result.stdout)) == (3, 2)


@pytest.mark.parametrize("policy", ["on-failure", "always", "on-failure:3"])
@pytest.mark.parametrize(
    ("command", "status"),
    [("no-such-command", 127), ("/", 126), ("exit 126", 126), ("exit 127", 127), ("exit 78", 78)],
)
def test_what_cannot_get_better_is_not_tried_again(
    namespace: Namespaces, policy: str, command: str, status: int
) -> None:
    words = ["sh", "-c", f"echo start; {command}"] if command.startswith("exit") else [command]

    result = namespace.run("tapwrap", "run", "--restart", policy, *QUICK, "--", *words)

    assert (result.status, events(result.stderr).count("exited")) == (status, 1)


def test_a_stop_between_two_attempts_ends_with_the_last_status(namespace: Namespaces) -> None:
    options = ["--restart", "on-failure", "--backoff", "1h", "--backoff-max", "1h"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "sh", "-c", "exit 9")

    wrapper.until_error(b'"restarting"')
    wrapper.signal("USR1", "HUP", "WINCH", "TERM")

    assert wrapper.wait().status == 9


def test_a_stop_is_not_undone_by_a_restart(namespace: Namespaces) -> None:
    options = ["--restart", "always", *QUICK]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "sh", "-c", "echo start; sleep 60")
    wrapper.until(b"start")

    wrapper.signal("TERM")

    result = wrapper.wait()
    assert (result.status, starts(result.stdout)) == (143, 1)


def test_a_time_limit_is_for_each_attempt(namespace: Namespaces, store: Path) -> None:
    options = ["--restart", "on-failure:1", "--timeout", "200ms", *QUICK]

    result = namespace.run("tapwrap", "run", *options, "--", "sleep", "60")

    assert (result.status, causes(store)) == (124, ["timeout", "timeout"])


def test_leftovers_of_an_attempt_end_before_the_next(namespace: Namespaces) -> None:
    command = "ps -eo comm= | grep -c ^sleep; setsid sleep 60 & exit 3"

    result = namespace.run(
        "tapwrap", "run", "--restart", "on-failure:2", *QUICK, "--", "sh", "-c", command
    )

    assert (result.status, result.stdout) == (3, b"0\n0\n0\n")


def test_many_restarts_leave_nothing_behind(namespace: Namespaces) -> None:
    options = ["--restart", "always", *QUICK, "--log-level", "error"]
    wrapper = namespace.start("tapwrap", "run", *options, "--", "echo", "start")
    wrapper.until(b"(start\n){20}")
    files, bytes_ = len(descriptors(wrapper.pid)), memory(wrapper.pid)

    wrapper.until(b"(start\n){300}", within=60)

    assert memory(wrapper.pid) - bytes_ < 2 * 1024**2
    eventually(lambda: len(descriptors(wrapper.pid)) <= files)


def test_a_refused_fork_is_said_and_the_status_is_125(container: Containers) -> None:
    result = container.run("tapwrap", "run", "--", "true", options=["--pids-limit", "1"])

    assert result.status == 125
    (record,) = printed(result.stderr)
    assert record["cause"] == "spawn_failed"
    assert record["attributes"]["tapwrap.pids.limit"] == 1
    assert "the kernel refused a new process" in record["message"]


def test_a_refused_fork_is_tried_again_after_a_pause(container: Containers) -> None:
    options = ["--restart", "on-failure", "--crash-limit", "3", "--backoff", "100ms"]

    result = container.run("tapwrap", "run", *options, "--", "true", options=["--pids-limit", "1"])

    assert result.status == 125
    assert [each["cause"] for each in printed(result.stderr)] == [
        *["spawn_failed"] * 3,
        "crash_loop",
    ]
    first, second = pauses(result.stderr)
    assert 100 <= first <= 110
    assert 200 <= second <= 220
