"""What the kernel's control groups say about memory and pids, in version 1 and 2."""

from __future__ import annotations

from tapwrap.core.value import value

ROOT = "/sys/fs/cgroup"
UNLIMITED = 1 << 60  # Version 1 says "no limit" with a number near 2**63.


@value
class Counters:
    """What a group says of itself; None where it says nothing. Memory in bytes."""

    oom_kills: int | None = None
    memory_peak: int | None = None
    memory_limit: int | None = None
    pids: int | None = None
    pids_limit: int | None = None


class Group:
    """The control group of this process. Looking never fails; it only finds less."""

    def __init__(self, root: str = ROOT, membership: str = "/proc/self/cgroup") -> None:
        """Find the folders to read. Inside a container they are usually mounted at `root`."""
        paths = _memberships(_read(membership) or "")
        self._unified = _first_with("memory.events", _folders(root, "", paths.get("", "/")))
        self._memory = _first_with(
            "memory.oom_control", _folders(root, "memory", paths.get("memory", "/"))
        )
        unified_pids = _first_with("pids.max", _folders(root, "", paths.get("", "/")))
        self._pids = unified_pids or _first_with(
            "pids.max", _folders(root, "pids", paths.get("pids", "/"))
        )

    def oom_kills(self) -> int | None:
        """How many processes of the group the kernel has killed for lack of memory so far."""
        if self._unified:
            return _field(f"{self._unified}/memory.events", "oom_kill")
        if self._memory:
            return _field(f"{self._memory}/memory.oom_control", "oom_kill")
        return None

    def counters(self) -> Counters:
        """Everything, for the record."""
        if self._unified:
            peak, limit = f"{self._unified}/memory.peak", f"{self._unified}/memory.max"
        else:
            peak = f"{self._memory}/memory.max_usage_in_bytes"
            limit = f"{self._memory}/memory.limit_in_bytes"
        return Counters(
            self.oom_kills(),
            _number(peak),
            _number(limit),
            _number(f"{self._pids}/pids.current"),
            _number(f"{self._pids}/pids.max"),
        )


def _memberships(text: str) -> dict[str, str]:
    """Controller to path, from /proc/self/cgroup (cgroups(7)); version 2 has no controller name."""
    paths = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _folders(root: str, controller: str, path: str) -> list[str]:
    """Where a group may be: under its full path (host view), or at the mount itself (container)."""
    mounts = [f"{root}/{controller}"] if controller else [root, f"{root}/unified"]
    return [each for mount in mounts for each in ((mount + path).rstrip("/"), mount)]


def _first_with(file: str, folders: list[str]) -> str | None:
    return next((folder for folder in folders if _read(f"{folder}/{file}") is not None), None)


def _field(path: str, key: str) -> int | None:
    for line in (_read(path) or "").splitlines():
        name, _, number = line.partition(" ")
        if name == key and number.isdecimal():
            return int(number)
    return None


def _number(path: str) -> int | None:
    text = (_read(path) or "").strip()
    return int(text) if text.isdecimal() and int(text) < UNLIMITED else None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65_536)
    except OSError:
        return None  # Not mounted, not this version, or hidden from us: then we know less.
