"""`tapwrap run` exits with the status of its command, and says why when there was none."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.environment import stand_in
from support.namespaces import children
from support.records import causes, only, records, said

if TYPE_CHECKING:
    from pathlib import Path

    from support.namespaces import Namespaces

EVERY_STATUS = """
try() {
    tapwrap run --log-level error -- sh -c "exit $1"
    echo "$1 $?"
}
for status in $(seq 0 2 254); do try $status; done &
for status in $(seq 1 2 255); do try $status; done
wait
"""


def test_every_exit_status_is_the_commands_own(namespace: Namespaces, store: Path) -> None:
    result = namespace.run("sh", "-c", EVERY_STATUS, within=120)

    assert sorted(result.stdout.split(b"\n")) == sorted(
        [b"", *(b"%d %d" % (each, each) for each in range(256))]
    )
    assert sorted(each["exit_code"] for each in records(store)) == list(range(1, 256))
    assert set(causes(store)) == {"exit"}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "HUP"),
        (2, "INT"),
        (3, "QUIT"),
        (6, "ABRT"),
        (9, "KILL"),
        (11, "SEGV"),
        (15, "TERM"),
        (34, "RTMIN"),
        (64, "RTMIN+30"),
    ],
)
def test_a_death_by_a_signal_of_its_own_is_128_and_its_number(
    namespace: Namespaces, store: Path, number: int, name: str
) -> None:
    result = namespace.run("tapwrap", "run", "--", "sh", "-c", f"kill -{number} $$")

    record = only(store)
    assert result.status == 128 + number
    assert (record["cause"], record["signal"], record["exit_code"]) == ("signal", number, None)
    assert record["type"] == f"SIG{name}"
    assert f"killed by signal {number} ({name})" in record["message"]


def test_a_core_dump_is_mentioned(namespace: Namespaces, store: Path, tmp_path: Path) -> None:
    crash = "ulimit -S -c unlimited; kill -SEGV $$"

    result = namespace.run("tapwrap", "run", "--", "sh", "-c", crash, cwd=tmp_path)

    assert result.status == 139
    assert only(store)["attributes"]["tapwrap.core_dumped"] is True


def test_a_kill_from_outside_is_not_taken_for_one_of_ours(
    namespace: Namespaces, store: Path
) -> None:
    wrapper = namespace.start("tapwrap", "run", "--", "sh", "-c", "echo ready; exec sleep 60")
    wrapper.until(b"ready")
    main = children(wrapper.pid)[0]
    os.kill(main, signal.SIGKILL)

    result = wrapper.wait()

    record = only(store)
    assert result.status == 137
    assert record["cause"] == "signal"
    assert not [name for name in record["attributes"] if name.startswith("tapwrap.sender")]


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("no-such-command", (127, "not_found")),
        ("./no-such-file", (127, "not_found")),
        ("", (127, "not_found")),
        ("./folder", (126, "not_executable")),
        ("./plain", (126, "not_executable")),
        ("./orphan", (126, "not_executable")),
    ],
)
def test_a_command_that_cannot_be_executed_is_named_with_the_reason(
    namespace: Namespaces, store: Path, tmp_path: Path, command: str, end: tuple[int, str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("exit 0\n")
    (tmp_path / "orphan").write_text("#!/no/such/interpreter\n")
    (tmp_path / "orphan").chmod(0o755)

    result = namespace.run("tapwrap", "run", "--", command, cwd=tmp_path)

    record = only(store)
    assert (result.status, record["cause"]) == end
    assert result.stdout == b""
    assert record["attributes"]["tapwrap.status"] == result.status
    assert record["message"].startswith(f"cannot start {command!r}: ")
    assert record["message"] in [each["message"] for each in said(result.stderr)]


@pytest.mark.parametrize("path", ["./script", "script"])
def test_a_script_without_a_first_line_runs_in_the_shell(
    namespace: Namespaces, tmp_path: Path, path: str
) -> None:
    script = tmp_path / "script"
    script.write_text('echo "$0 $1"; exit 7\n')
    script.chmod(0o755)

    result = namespace.run(
        "tapwrap", "run", "--", path, "a b", cwd=tmp_path, env={"PATH": f"{tmp_path}:/bin"}
    )

    assert result.status == 7
    assert result.stdout.decode() == f"{script if path == 'script' else path} a b\n"


@pytest.mark.parametrize(
    ("codes", "end"),
    [
        ("3", "exit 3"),
        ("0,3,4", "exit 4"),
        ("SIGUSR1", "kill -USR1 $$"),
        ("143", "kill -TERM $$"),
        ("TERM", "kill -TERM $$"),
    ],
)
def test_success_codes_make_an_end_a_success(
    namespace: Namespaces, store: Path, codes: str, end: str
) -> None:
    command = ["sh", "-c", end]

    by_option = namespace.run("tapwrap", "run", "--success-codes", codes, "--", *command)
    by_variable = namespace.run(
        "tapwrap", "run", "--", *command, env={"TAPWRAP_SUCCESS_CODES": codes, "PATH": "/bin"}
    )

    assert (by_option.status, by_variable.status) == (0, 0)
    assert records(store) == []


def test_another_status_than_the_success_codes_stays_a_failure(
    namespace: Namespaces, store: Path
) -> None:
    result = namespace.run(
        "tapwrap", "run", "--success-codes", "3,TERM", "--", "sh", "-c", "exit 4"
    )

    assert result.status == 4
    assert causes(store) == ["exit"]


def test_a_second_double_dash_is_the_command(namespace: Namespaces) -> None:
    assert namespace.run("tapwrap", "run", "--", "--", "true").status == 127


def test_options_after_the_command_are_the_commands_own(namespace: Namespaces) -> None:
    result = namespace.run("tapwrap", "run", "echo", "--restart", "always", "--", "-x")

    assert (result.status, result.stdout) == (0, b"--restart always -- -x\n")


def test_the_time_limit_ends_the_command_with_124(namespace: Namespaces, store: Path) -> None:
    result = namespace.run("tapwrap", "run", "--timeout", "300ms", "--", "sleep", "60")

    record = only(store)
    assert result.status == 124
    assert (record["cause"], record["signal"]) == ("timeout", 15)
    assert record["attributes"]["tapwrap.timeout"] == pytest.approx(0.3)
    assert record["message"] == "sleep ran longer than 300ms and was ended"


def test_the_time_limit_is_the_cause_even_if_the_command_then_exits_well(
    namespace: Namespaces, store: Path
) -> None:
    polite = stand_in("servant", "polite")

    result = namespace.run("tapwrap", "run", "--timeout", "500ms", "--", *polite)

    assert result.status == 124
    assert (only(store)["cause"], only(store)["exit_code"]) == ("timeout", 0)
