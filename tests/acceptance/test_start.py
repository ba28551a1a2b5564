"""Starting: the command finds the world as it would without us, however poor that world is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.environment import CLEAN, measured, stand_in
from support.namespaces import children
from support.processes import descriptors
from support.records import causes, events, printed, records
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.containers import Containers
    from support.namespaces import Namespaces

OURS = {b"TAPWRAP_RUN_ID", b"TAPWRAP_SERVICE", b"TAPWRAP_RUN_DIR"}
ODD = ["", " ", "a b", "\n", "--", "-x", "100%s", "$HOME", "`id`", "\udcff\udcfe", "ä", "'\"\\"]


def test_arguments_arrive_byte_for_byte(namespace: Namespaces) -> None:
    command = ["sh", "-c", "cat /proc/$$/cmdline", *ODD]

    result = namespace.run("tapwrap", "run", "--", *command)

    assert result.stdout == b"".join(os.fsencode(word) + b"\0" for word in command)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"A": "", "B": "100%s $A\n", "C": "\udcff", "ä": "=", "PATH": "/bin", "LC_ALL": "C"},
        {"LC_CTYPE": "C.UTF-8"},
        {"LC_CTYPE": "POSIX", "PYTHONPATH": "/nowhere", "PYTHONUTF8": "0"},
    ],
)
def test_the_environment_arrives_byte_for_byte(
    namespace: Namespaces, given: Mapping[str, str]
) -> None:
    result = namespace.run("tapwrap", "run", "--", "cat", "/proc/self/environ", env=given)

    arrived = result.stdout.split(b"\0")[:-1]
    ours = [each for each in arrived if each.partition(b"=")[0] in OURS]
    theirs = [each for each in arrived if each not in ours]
    assert theirs == [os.fsencode(f"{name}={value}") for name, value in given.items()]
    assert {each.partition(b"=")[0] for each in ours} == OURS


def test_the_command_is_told_of_a_database_only_if_somebody_named_it(
    namespace: Namespaces, tmp_path: Path
) -> None:
    db = tmp_path / "errors.db"
    show = ["sh", "-c", "echo $TAPWRAP_DB"]

    named = namespace.run("tapwrap", "run", "--db", "errors.db", "--", *show, cwd=tmp_path)
    unnamed = namespace.run("tapwrap", "run", "--", *show)

    assert (named.stdout, unnamed.stdout) == (f"{db}\n".encode(), b"\n")


def test_the_service_is_named_after_the_command_or_as_told(namespace: Namespaces) -> None:
    def service(*options: str, env: Mapping[str, str] | None = None) -> bytes:
        show = ["/bin/sh", "-c", "echo $TAPWRAP_SERVICE"]
        return namespace.run("tapwrap", "run", *options, "--", *show, env=env).stdout.strip()

    assert service() == b"sh"
    assert service(env={**measured(), "OTEL_SERVICE_NAME": "shop"}) == b"shop"
    assert service("--service", "till", env={**measured(), "OTEL_SERVICE_NAME": "shop"}) == b"till"


def test_the_run_folder_is_there_while_the_command_runs(namespace: Namespaces) -> None:
    look = 'stat -c "%a %F" "$TAPWRAP_RUN_DIR"; echo "$TAPWRAP_RUN_DIR $TAPWRAP_RUN_ID"'

    result = namespace.run("tapwrap", "run", "--", "sh", "-c", look)

    mode, place = result.stdout.decode().splitlines()
    path, identity = place.split()
    assert (mode, path) == ("700 directory", f"/run/tapwrap/{identity}")
    assert not list((namespace.run_folder / "tapwrap").iterdir())


def test_the_folder_is_the_commands_and_not_ours(namespace: Namespaces, tmp_path: Path) -> None:
    command = ["sh", "-c", "pwd; exec sleep 60"]
    wrapper = namespace.start("tapwrap", "run", "--", *command, cwd=tmp_path)

    wrapper.until(f"^{tmp_path}\n".encode())

    assert eventually(lambda: os.readlink(f"/proc/{wrapper.pid}/cwd") == "/")
    main = children(wrapper.pid)[0]
    assert os.readlink(f"/proc/{main}/cwd") == str(tmp_path)


def test_a_later_attempt_starts_in_the_same_folder(namespace: Namespaces, tmp_path: Path) -> None:
    options = ["--restart", "on-failure:1", "--backoff", "1ms"]

    result = namespace.run(
        "tapwrap", "run", *options, "--", "sh", "-c", "pwd; exit 1", cwd=tmp_path
    )

    assert result.stdout.decode() == f"{tmp_path}\n" * 2


def test_open_files_are_the_commands_and_not_ours(namespace: Namespaces, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    command = "exec tapwrap run -- sh -c 'echo kept >&7; echo ready; exec sleep 60'"
    wrapper = namespace.start("sh", "-c", f"exec 7>{path}; {command}")

    wrapper.until(b"ready")

    assert path.read_text() == "kept\n"
    eventually(lambda: str(path) not in descriptors(wrapper.pid).values())


def test_every_attempt_has_the_same_open_files(namespace: Namespaces) -> None:
    # The pauses leave time for everything that we open ourselves.
    options = ["--restart", "on-failure:2", "--backoff", "400ms", "--crash-limit", "0"]
    show = ["sh", "-c", "echo /proc/$$/fd/*; exit 1"]

    result = namespace.run("sh", "-c", 'exec 7</dev/null; exec tapwrap run "$@"', "sh",
                           *options, "--", *show)  # fmt: skip

    attempts = result.stdout.decode().splitlines()
    names = [[word.rpartition("/")[2] for word in line.split()] for line in attempts]
    assert [sorted(set(each) - {"3"}) for each in names] == [["0", "1", "2", "7"]] * 3


def test_sockets_for_us_are_sockets_for_the_command(namespace: Namespaces) -> None:
    activated = "LISTEN_FDS=1 LISTEN_PID=$$ exec tapwrap run -- sh -c 'echo $LISTEN_PID $$'"
    foreign = "LISTEN_FDS=1 LISTEN_PID=4711 exec tapwrap run -- sh -c 'echo $LISTEN_PID'"

    told, own = namespace.run("sh", "-c", activated).stdout.split()

    assert told == own
    assert namespace.run("sh", "-c", foreign).stdout == b"4711\n"


# Below the /proc of the namespace is the one of this machine, with other processes' numbers.
@pytest.mark.parametrize("hidden", ["umount -l /proc", "umount -l /proc; umount -l /proc"])
def test_without_a_proc_of_ours_the_status_is_right_and_leftovers_end(
    namespace: Namespaces, store: Path, hidden: str
) -> None:
    leaves = f"{' '.join(stand_in('servant', 'leftover'))} & exec sleep 60"
    without = f'{hidden}; exec tapwrap run -- sh -c "$0"'
    wrapper = namespace.start("sh", "-c", without, leaves)
    wrapper.until(b"leftover ready")

    wrapper.signal("HUP")

    result = wrapper.wait()
    assert (result.status, b"leftover said goodbye" in result.stdout) == (129, True)
    assert result.seconds < 8
    assert causes(store) == ["signal"]


@pytest.mark.parametrize("env", [{}, {"PATH": ""}, {"HOME": "/nowhere", "PATH": "/bin"}])
def test_a_poor_environment_is_enough(
    namespace: Namespaces, store: Path, env: Mapping[str, str]
) -> None:
    result = namespace.run("tapwrap", "run", "--", "/bin/sh", "-c", "exit 6", env=env)

    assert (result.status, causes(store)) == (6, ["exit"])


POOR = [
    *("--user", "65534:65534", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--read-only", "--read-only-tmpfs=false"),
]


def test_a_container_without_any_rights_is_enough(container: Containers, volume: Path) -> None:
    result = container.run("tapwrap", "run", "--db", "/data/errors.db", "--", "sh", "-c", "exit 6",
                           options=POOR, volume=volume)  # fmt: skip

    assert (result.status, causes(volume / "errors.db")) == (6, ["exit"])
    assert b"Traceback" not in result.stderr


def test_a_container_without_any_place_to_write_prints_its_records(container: Containers) -> None:
    # No /dev/shm either: nothing at all can be written.
    nowhere = [*POOR, "--volume", "/proc/self:/dev/shm:ro"]

    result = container.run("tapwrap", "run", "--", "sh", "-c", "exit 6", options=nowhere)

    assert result.status == 6
    assert [each["exit_code"] for each in printed(result.stderr)] == [6]
    assert b"Traceback" not in result.stderr


def test_a_database_in_the_container_is_warned_of(container: Containers) -> None:
    options = [*POOR, "--tmpfs", "/tmp"]
    command = ["sh", "-c", "sleep 0.5; exit 6"]

    result = container.run("tapwrap", "run", "--", *command, options=options)

    assert result.status == 6
    assert b"will not outlive the container" in result.stderr
    assert events(result.stderr).count("degraded") == 1
    assert events(result.stderr)[-1] == "stored"


def test_the_command_starts_even_where_no_folder_is_ours(
    namespace: Namespaces, tmp_path: Path
) -> None:
    wrapper = namespace.run("tapwrap", "run", "--db", str(tmp_path / "errors.db"), "--",
                            "sh", "-c", "exit 6", cwd=tmp_path, env=CLEAN)  # fmt: skip

    assert wrapper.status == 6
    assert [each["exit_code"] for each in records(tmp_path / "errors.db")] == [6]


@pytest.mark.parametrize("most", [5, 6, 7, 8, 10])
def test_too_few_descriptors_are_said_and_never_a_traceback(
    namespace: Namespaces, most: int
) -> None:
    script = f'ulimit -n {most}; exec tapwrap run -- sh -c "exit 3"'

    result = namespace.run("sh", "-c", script, env=CLEAN)

    assert b"Traceback" not in result.stderr
    ran = b'"status": 3' in result.stderr
    assert result.status == (3 if ran else 125)
