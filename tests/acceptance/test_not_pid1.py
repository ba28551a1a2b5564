"""Not PID 1: below another init, in a shell or next to strangers, everything is the same."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.environment import PYTHON, stand_in
from support.namespaces import children
from support.processes import name
from support.records import causes, records, said

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces

DAEMON = " ".join(stand_in("daemon"))
SIGNALS = " ".join(stand_in("signals"))


@pytest.mark.parametrize(
    ("command", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -1 $$", 129)]
)
def test_the_status_is_the_commands(namespace: Namespaces, command: str, status: int) -> None:
    result = namespace.run("tapwrap", "run", "--", "sh", "-c", command, first=False)

    assert result.status == status


def test_daemons_are_adopted_and_ended(namespace: Namespaces, store: Path) -> None:
    result = namespace.run("tapwrap", "run", "--", *stand_in("daemon", 5), first=False)

    assert (result.status, b"daemon said goodbye" in result.stdout) == (5, True)
    assert result.seconds < 8
    assert causes(store) == ["exit"]


def test_signals_are_passed_on(namespace: Namespaces) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", *stand_in("signals", 12), first=False)
    wrapper.until(b"ready")

    wrapper.signal("USR1")
    wrapper.until(b"signal 10")
    wrapper.signal("USR2")

    assert wrapper.wait().status == 0


def test_strangers_are_left_alone(namespace: Namespaces) -> None:
    strangers = f"{SIGNALS} & tapwrap run --stop-timeout 300ms -- {' '.join(stand_in('runaway'))}"
    shell = namespace.start("sh", "-c", f"{strangers}; echo status $?; exec sleep 60")
    shell.until(b"ready.*ready")
    (wrapper,) = (each for each in children(shell.pid) if name(each) == "tapwrap")

    os.kill(wrapper, signal.SIGTERM)
    shell.until(b"status 137")

    assert b"signal" not in shell.stdout
    assert [name(each) for each in children(shell.pid)] == [PYTHON]


def test_the_init_of_the_container_may_be_another(container: Containers, volume: Path) -> None:
    db = ["--db", "/data/errors.db"]
    command = ["sh", "-c", f"{DAEMON} 0; exec sleep 60"]
    box = container.start("tapwrap", "run", *db, "--", *command, options=["--init"], volume=volume)
    box.until(b"daemon ready")

    result = box.stop()

    assert (result.status, b"daemon said goodbye" in result.stdout) == (143, True)
    assert causes(volume / "errors.db") == []


def test_a_kernel_that_refuses_to_let_us_adopt_is_mentioned_once(
    container: Containers, tmp_path: Path
) -> None:
    refusal = {"names": ["prctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    subreaper = {"index": 0, "value": 36, "op": "SCMP_CMP_EQ"}
    profile = tmp_path / "seccomp.json"
    profile.write_text(
        json.dumps(
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**refusal, "args": [subreaper]}]}
        )
    )
    options = ["--init", "--security-opt", f"seccomp={profile}"]

    result = container.run("tapwrap", "run", "--", "sh", "-c", "sleep 0.3; exit 7", options=options)

    assert result.status == 7
    warnings = [each["message"] for each in said(result.stderr) if each["level"] == "warning"]
    assert [each for each in warnings if "adopt" in each] == [
        "cannot adopt orphans: the kernel refused a subreaper"
    ]


def test_a_second_wrapper_in_the_container_disturbs_nobody(
    container: Containers, volume: Path
) -> None:
    db = ["--db", "/data/errors.db"]
    box = container.start("tapwrap", "run", *db, "--", *stand_in("signals", 12), volume=volume)
    box.until(b"ready")

    inside = box.exec("tapwrap", "run", *db, "--", "sh", "-c", f"{DAEMON} 3")
    box.signal("USR2")

    assert (inside.status, b"daemon said goodbye" in inside.stdout) == (3, True)
    assert box.wait().status == 0
    assert causes(volume / "errors.db") == ["exit"]


def test_a_wrapper_in_a_wrapper_is_told_apart(namespace: Namespaces, store: Path) -> None:
    inner = ["tapwrap", "run", "--service", "inner", "--", "sh", "-c", "exit 3"]

    result = namespace.run("tapwrap", "run", "--service", "outer", "--", *inner)

    assert result.status == 3
    assert [each["service"] for each in records(store)] == ["inner", "outer"]
    assert len({each["run_id"] for each in records(store)}) == 2
