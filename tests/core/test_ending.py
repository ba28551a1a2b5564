"""How an end is told: the sentence, the headline, the record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core import ending as endings
from tapwrap.core.category import KINDS
from tapwrap.core.container import attributes, container_id
from tapwrap.core.ending import Ending
from tapwrap.core.record import as_dict, from_dict
from tapwrap.core.value import replace

BASE = Ending(
    id="01980000-0000-7000-8000-000000000000",
    time=1_769_846_400_000_000,
    monotonic=12.5,
    run_id="01980000-0000-7000-8000-000000000001",
    service="api",
    command=("/app/server", "--port", "80"),
    cause="exit",
    status=3,
    attempt=1,
    uptime=2.0,
    exit_code=3,
)
KILLED = replace(BASE, cause="signal", exit_code=None, signal=9, status=137)
ID = "4f5e" * 16


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (BASE, "server exited with status 3"),
        (KILLED, "server was killed by signal 9 (KILL)"),
        (
            replace(KILLED, signal=11, core=True),
            "server was killed by signal 11 (SEGV), leaving a core",
        ),
        (
            replace(KILLED, sender=(0, 0, "")),
            "server was killed by signal 9 (KILL), sent by a process outside the container",
        ),
        (
            replace(KILLED, sender=(7, 0, "sh")),
            "server was killed by signal 9 (KILL), sent by process 7 (sh)",
        ),
        (
            replace(KILLED, cause="oom", memory_limit=64 * 1024**2),
            "server was killed by the kernel for lack of memory (limit 64 MiB)",
        ),
        (
            replace(BASE, cause="oom"),
            (
                "a process of server was killed by the kernel for lack of memory; "
                "server itself exited with status 3"
            ),
        ),
        (replace(KILLED, cause="timeout", limit=90), "server ran longer than 1m30s and was ended"),
        (
            replace(KILLED, cause="stop_timeout", limit=8, sender=(0, 0, "")),
            (
                "server did not end within 8s of being told to, "
                "as a process outside the container had asked, and was killed"
            ),
        ),
        (
            replace(BASE, cause="not_found", why="'/app/server': no such file"),
            "cannot start '/app/server': no such file",
        ),
        (
            replace(BASE, cause="spawn_failed", why="'server': refused", pids=50, pids_limit=50),
            "cannot start 'server': refused; all 50 processes that it may have exist",
        ),
        (
            replace(BASE, cause="crash_loop", failures=5, limit=60),
            "server failed 5 times within 1m and was given up",
        ),
        (
            replace(BASE, cause="wrapper_killed", since=1_769_846_400_000_000),
            (
                "tapwrap itself was killed while server was running, "
                "some time after 2026-01-31T08:00:00.000000Z"
            ),
        ),
    ],
)
def test_every_cause_has_a_sentence(ending: Ending, sentence: str) -> None:
    assert endings.sentence(ending) == sentence


def test_the_programs_own_last_line_is_part_of_the_message() -> None:
    said = replace(BASE, stderr_tail="Traceback:\n  …\n\x1b[31mValueError: boom\x1b[0m\n\n")

    assert endings.message(said) == "server exited with status 3: ValueError: boom"
    assert endings.message(replace(said, cause="timeout", limit=1)).endswith("was ended")


@given(st.text())
def test_a_headline_is_short_and_can_be_shown(text: str) -> None:
    line = endings.headline(text)

    assert len(line) <= endings.HEADLINE
    assert not line or line.isprintable()


@pytest.mark.parametrize("cause", KINDS)
def test_every_cause_becomes_a_record_that_survives_json(cause: str) -> None:
    ending = replace(BASE, cause=cause, why="no", sender=(1, 0, "sh"), swept=((9, "sh", "KILL"),))
    record = endings.record(ending, {"host.name": "web-1"}, "1:abc")

    assert (record.cause, record.code) == (cause, KINDS[cause].code)
    assert record.attributes["tapwrap.swept"] == [{"pid": 9, "comm": "sh", "how": "KILL"}]
    assert record.attributes["host.name"] == "web-1"
    assert from_dict(as_dict(record)) == record


@pytest.mark.parametrize(
    ("cgroup", "mountinfo"),
    [
        (f"4:memory:/docker/{ID}\n", ""),
        (f"4:memory:/kubepods/burstable/pod12/{ID}\n", ""),
        (f"1:name=systemd:/system.slice/docker-{ID}.scope\n", ""),
        (f"1:name=systemd:/machine.slice/libpod-{ID}.scope/container\n", ""),
        (
            "0::/\n",
            f"600 590 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4",
        ),
        (
            "0::/\n",
            f"600 590 0:5 /overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs",
        ),
    ],
)
def test_the_container_is_known_by_its_runtime(cgroup: str, mountinfo: str) -> None:
    assert container_id(cgroup, mountinfo) == ID


def test_outside_a_container_there_is_no_id() -> None:
    assert (
        container_id("0::/user.slice/session-1.scope\n", "1 1 8:1 / / rw - ext4 /dev/sda rw")
        is None
    )


def test_attributes_are_what_is_known_and_nothing_else() -> None:
    known = attributes({"POD_NAME": "web-1"}, host="h", cgroup="", mountinfo="")

    assert known == {"host.name": "h", "k8s.pod.name": "web-1"}
