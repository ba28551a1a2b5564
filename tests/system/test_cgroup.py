"""What control groups say, over recorded files of both versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapwrap.system.cgroup import Counters, Group

if TYPE_CHECKING:
    from pathlib import Path

V1_MEMBERSHIP = """\
12:pids:/docker/4f5e
11:cpu,cpuacct:/docker/4f5e
4:memory:/docker/4f5e
1:name=systemd:/docker/4f5e
0::/docker/4f5e
"""


def lay(root: Path, files: dict[str, str]) -> Path:
    """Write recorded files below a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(root: Path, membership: str) -> Group:
    (root / "membership").write_text(membership)
    return Group(str(root), str(root / "membership"))


def test_version_2_in_a_container(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "memory.events": "low 0\nhigh 0\nmax 41\noom 3\noom_kill 2\noom_group_kill 0\n",
            "memory.peak": "66834432\n",
            "memory.max": "67108864\n",
            "pids.current": "4\n",
            "pids.max": "50\n",
        },
    )
    found = group(tmp_path, "0::/\n")

    assert found.oom_kills() == 2
    assert found.counters() == Counters(2, 66834432, 67108864, 4, 50)


def test_version_2_seen_from_the_host(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "cgroup.procs": "",
            "system.slice/web/memory.events": "oom_kill 7\n",
            "system.slice/web/memory.max": "max\n",
            "system.slice/web/pids.max": "max\n",
            "system.slice/web/pids.current": "3\n",
        },
    )
    found = group(tmp_path, "0::/system.slice/web\n")

    assert found.counters() == Counters(oom_kills=7, pids=3)


def test_version_1_in_a_container(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
            "memory/memory.max_usage_in_bytes": "67108864\n",
            "memory/memory.limit_in_bytes": "67108864\n",
            "pids/pids.current": "2\n",
            "pids/pids.max": "50\n",
        },
    )
    found = group(tmp_path, V1_MEMBERSHIP)

    assert found.counters() == Counters(1, 67108864, 67108864, 2, 50)


def test_version_1_without_a_limit(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "memory/docker/4f5e/memory.oom_control": "oom_kill 0\n",
            "memory/docker/4f5e/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )

    assert group(tmp_path, V1_MEMBERSHIP).counters() == Counters(oom_kills=0)


def test_nothing_to_see_is_nothing_known(tmp_path: Path) -> None:
    found = Group(str(tmp_path), str(tmp_path / "missing"))

    assert found.oom_kills() is None
    assert found.counters() == Counters()
