"""What tests are given: programs in containers and namespaces, volumes, and the rule on skips."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import hypothesis
import pytest

from support import containers, namespaces, volumes
from support.containers import Containers
from support.namespaces import Namespaces
from support.volumes import NetworkVolume, SmallVolume
from tapwrap.core.record import ErrorRecord, uuid7

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

#: 2026-01-31T08:00:00Z, in the middle of nothing special.
NOON = 1_769_846_400_000_000

Make = Callable[..., ErrorRecord]

hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile(
    "ci",
    deadline=None,  # A busy machine is slow, and that is no fault of ours.
    derandomize=True,  # A push is judged by what it changes, not by luck.
    print_blob=True,
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture
def container(_containers: Containers) -> Containers:
    """Starts real containers: `container.run("tapwrap", "run", "--", "false").status`."""
    _need(containers.why_not())
    return _containers


@pytest.fixture
def namespace(_namespaces: Namespaces, _no_namespaces: str | None) -> Namespaces:
    """Starts programs as PID 1 without a container, which is much quicker."""
    _need(_no_namespaces)
    return _namespaces


@pytest.fixture
def make() -> Make:
    """Make records that differ only in their ids, unless told otherwise."""
    numbers = itertools.count()

    def one(**changes: object) -> ErrorRecord:
        next(numbers)
        fields: dict[str, object] = {
            "id": uuid7(NOON // 1000, os.urandom(10)),
            "time": NOON,
            "severity": 17,
            "category": "process",
            "code": "EXITED",
            "type": "exit",
            "message": "api exited with status 3",
            "fingerprint": "1:" + "a" * 32,
            "service": "api",
            "cause": "exit",
        }
        return ErrorRecord(**fields | changes)  # type: ignore[arg-type]

    return one


@pytest.fixture
def db(tmp_path: Path) -> str:
    """Where a store may be made."""
    return str(tmp_path / "volume" / "errors.db")


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in a process of its own; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def _containers(tmp_path: Path) -> Iterator[Containers]:
    starter = Containers(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def _namespaces(tmp_path: Path) -> Iterator[Namespaces]:
    starter = Namespaces(tmp_path)
    yield starter
    starter.end()


@pytest.fixture(scope="session")
def _no_namespaces() -> str | None:
    return namespaces.why_not()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An ordinary volume that everyone may write to."""
    path = tmp_path / "volume"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[SmallVolume]:
    """A volume of one megabyte: `small_volume.fill()`, `.free()`, `.make_read_only()`."""
    _need(volumes.why_not())
    made = SmallVolume(tmp_path / "small")
    yield made
    made.remove()


@pytest.fixture
def network_volume(
    tmp_path: Path, _containers: Containers, _namespaces: Namespaces
) -> Iterator[NetworkVolume]:
    """A volume on a server that may hang: `network_volume.hang()`, `.recover()`.

    It asks for what starts programs so that it is removed before they are: a program that waits
    for a hung volume may not be ended before the volume is.
    """
    _need(volumes.why_not("bindfs"))
    made = NetworkVolume(tmp_path / "network")
    yield made
    made.remove()


def _need(missing: str | None) -> None:
    if missing:
        pytest.skip(missing)


# ── In CI nothing may be skipped ────────────────────────────────────────────────────


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _no_skip((yield))


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _no_skip(report: Report) -> Report:
    """In CI a skipped test is a failed one; elsewhere it is a skipped one, with its reason."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"In CI no test may be skipped, and this one was: {report.longrepr}"
    return report
