"""Records: what is kept of a failure, and that nothing is kept of what went well."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.containers import podman
from support.environment import measured
from support.records import causes, only, records, said, unfinished
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces

FAIL = ["sh", "-c", "echo no luck >&2; exit 3"]


def test_a_short_success_writes_nothing_at_all(namespace: Namespaces) -> None:
    result = namespace.run("tapwrap", "run", "--", "true")

    assert result.status == 0
    assert list(namespace.lib_folder.iterdir()) == []


def test_a_long_success_is_no_error_now_or_later(namespace: Namespaces, store: Path) -> None:
    for _ in range(3):
        assert namespace.run("tapwrap", "run", "--", "sleep", "0.3").status == 0

    assert store.exists()
    assert records(store) == []


def test_a_failure_is_described(namespace: Namespaces, store: Path) -> None:
    result = namespace.run("tapwrap", "run", "--service", "shop", "--", *FAIL)

    (started, exited, stored) = said(result.stderr)
    record = only(store)
    assert record["id"] == exited["error_id"] == stored["error_id"]
    assert record["run_id"] == started["run_id"]
    expected = {
        "severity": "error",
        "category": "application",
        "code": "EXIT_STATUS",
        "cause": "exit",
        "service": "shop",
        "type": "exit 3",
        "message": "sh exited with status 3: no luck",
        "repeat": 1,
        "exit_code": 3,
        "signal": None,
        "handled": 0,
        "stderr_tail": "no luck\n",
    }
    assert {name: record[name] for name in expected} == expected
    attributes = record["attributes"]
    assert attributes["process.pid"] == started["pid"]
    assert attributes["process.command_args"] == FAIL
    assert attributes["process.exit.code"] == 3
    assert attributes["tapwrap.attempt"] == 1
    assert 0 <= attributes["tapwrap.uptime"] < 10
    assert attributes["tapwrap.memory.peak"] > 100_000
    assert attributes["host.name"] == os.uname().nodename


def test_the_record_belongs_to_the_run_that_the_command_knows(
    namespace: Namespaces, store: Path
) -> None:
    result = namespace.run("tapwrap", "run", "--", "sh", "-c", "echo $TAPWRAP_RUN_ID; exit 3")

    assert only(store)["run_id"] == result.stdout.decode().strip()


def test_the_same_failure_is_one_issue(namespace: Namespaces, store: Path) -> None:
    for port in (4711, 4712):
        fail = f"echo cannot connect to 10.0.0.1:{port} >&2; exit 3"
        namespace.run("tapwrap", "run", "--", "sh", "-c", fail)
    namespace.run("tapwrap", "run", "--", "sh", "-c", "echo another reason >&2; exit 3")

    first, second, third = (each["fingerprint"] for each in records(store))
    assert first == second != third


@pytest.mark.parametrize(
    "arguments",
    [
        ["--password=hunter2-a"],
        ["--password", "hunter2-a"],
        ["https://user:hunter2-a@example.org/"],
    ],
)
def test_secrets_are_not_kept(namespace: Namespaces, store: Path, arguments: list[str]) -> None:
    leak = "echo token=hunter2-b >&2; exit 3"

    result = namespace.run("tapwrap", "run", "--", "sh", "-c", leak, "sh", *arguments)

    assert result.status == 3
    folder = [each for each in store.parent.rglob("*") if each.is_file()]
    assert store in folder
    assert not [each for each in folder if b"hunter2" in each.read_bytes()]


def test_the_sender_of_a_fatal_signal_is_named(namespace: Namespaces, store: Path) -> None:
    culprit = "kill -USR1 1; sleep 60; true"
    command = f"bash -c '{culprit}' & exec sleep 60"

    result = namespace.run("tapwrap", "run", "--", "sh", "-c", command)

    record = only(store)
    assert (result.status, record["cause"], record["signal"]) == (138, "signal", 10)
    assert record["attributes"]["tapwrap.sender.comm"] == "bash"
    assert record["attributes"]["tapwrap.sender.uid"] == 0
    assert "sent by process" in record["message"]


def test_a_fatal_signal_from_outside_is_said_to_be_from_outside(
    namespace: Namespaces, store: Path
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", "echo ready; exec sleep 60")
    wrapper.until(b"ready")

    wrapper.signal("USR1")

    assert wrapper.wait().status == 138
    assert only(store)["attributes"]["tapwrap.sender.pid"] == 0
    assert "sent by a process outside the container" in only(store)["message"]


def test_a_killed_wrapper_is_recorded_at_the_next_start(namespace: Namespaces, store: Path) -> None:
    wrapper = namespace.start("tapwrap", "run", "--service", "shop", "--", "sleep", "60")
    eventually(lambda: unfinished(store) == 1)
    os.kill(wrapper.pid, signal.SIGKILL)
    wrapper.wait()

    for _ in range(2):
        result = namespace.run("tapwrap", "run", "--", "sleep", "0.3")
        assert result.status == 0

    record = only(store)
    assert (record["cause"], record["service"]) == ("wrapper_killed", "shop")
    assert record["attributes"]["process.command_args"] == ["sleep", "60"]
    assert "tapwrap itself was killed while sleep was running" in record["message"]
    assert not [each for each in (namespace.run_folder / "tapwrap").iterdir() if each.is_dir()]


def test_a_killed_wrapper_is_recorded_after_a_failure_too(
    namespace: Namespaces, store: Path
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sleep", "60")
    eventually(lambda: unfinished(store) == 1)
    os.kill(wrapper.pid, signal.SIGKILL)
    wrapper.wait()

    namespace.run("tapwrap", "run", "--", "sh", "-c", "sleep 0.3; exit 3")

    assert causes(store) == ["wrapper_killed", "exit"]


def test_a_killed_container_is_recorded_by_the_next_on_the_same_volume(
    container: Containers, volume: Path
) -> None:
    db = ["--db", "/data/errors.db"]
    box = container.start("tapwrap", "run", *db, "--", "sleep", "60", volume=volume)
    eventually(lambda: any((volume / "errors.db.runs").glob("*")))
    podman("kill", "--signal", "KILL", box.name)
    assert box.wait().status == 137

    container.run("tapwrap", "run", *db, "--", "sleep", "0.5", volume=volume)

    assert causes(volume / "errors.db") == ["wrapper_killed"]


def test_a_run_elsewhere_that_is_alive_is_not_taken_for_dead(
    namespace: Namespaces, store: Path
) -> None:
    first = namespace.start("tapwrap", "run", "--", "sh", "-c", "echo ready; exec sleep 60")
    eventually(lambda: unfinished(store) == 1)

    assert namespace.run("tapwrap", "run", "--", "sleep", "0.3").status == 0

    assert causes(store) == []
    first.signal("TERM")
    assert (first.wait().status, causes(store)) == (143, [])


def test_many_failures_at_once_are_all_stored(namespace: Namespaces, store: Path) -> None:
    fail = 'for n in $(seq 20); do tapwrap run -- sh -c "echo $n >&2; exit 3" & done; wait'

    namespace.run("sh", "-c", fail, within=60)
    # Who had to wait too long for the others has left it to whoever comes next.
    namespace.run("tapwrap", "run", "--", "sleep", "0.5")

    said_ = sorted(int(each["stderr_tail"]) for each in records(store))
    assert said_ == list(range(1, 21))


@pytest.mark.parametrize("options", [["--db", "here.db"], []])
def test_the_place_of_the_database_can_be_named(
    namespace: Namespaces, tmp_path: Path, options: list[str]
) -> None:
    env = {**measured(), "TAPWRAP_DB": str(tmp_path / ("there.db" if options else "here.db"))}

    namespace.run("tapwrap", "run", *options, "--", "false", cwd=tmp_path, env=env)

    assert causes(tmp_path / "here.db") == ["exit"]
    assert not (tmp_path / "there.db").exists()


def test_files_of_ours_are_for_us_alone(namespace: Namespaces, store: Path) -> None:
    namespace.run("tapwrap", "run", "--", "sh", "-c", "sleep 0.3; exit 3")

    for each in store.parent.rglob("*"):
        assert each.stat().st_mode & 0o077 == 0, each
