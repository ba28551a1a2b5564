"""Which store a person means who names none: that of the tapwrap running here, if any."""

from __future__ import annotations

import json
import os

from tapwrap.store.place import DEFAULT
from tapwrap.store.trouble import CannotStore
from tapwrap.system import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def locate(named: str | None, environment: Mapping[str, str]) -> str:
    """The path of the store: as named, as TAPWRAP_DB says, of the latest run, or the default.

    Raises CannotStore ("missing") that names every place looked at.
    """
    named = named or environment.get("TAPWRAP_DB")
    if named:
        return os.path.abspath(named)
    looked: list[str] = []
    for base in rundir.bases(environment):
        for path in _of_runs(base):
            if _is_there(path):
                return path
            looked.append(path)
    for path in (DEFAULT, *(os.path.join(base, "errors.db") for base in rundir.bases(environment))):
        if _is_there(path):
            return path
        looked.append(path)
    places = ", ".join(dict.fromkeys(looked))
    raise CannotStore(
        "missing",
        f"cannot find a store: there is none at {places}; name it with --db or TAPWRAP_DB",
    )


def _of_runs(base: str) -> Iterator[str]:
    """What the runs in a base say their store is, the latest first."""
    try:
        if os.stat(base).st_uid not in (os.getuid(), 0):
            return  # Anybody can make a directory in /tmp and name a file in it.
        runs = [os.path.join(base, name, "run.json") for name in os.listdir(base)]
        runs = [path for path in runs if os.path.isfile(path)]
        runs.sort(key=os.path.getmtime, reverse=True)
    except OSError:
        return  # No run here, or it ended while we looked.
    for path in runs:
        try:
            with open(path, encoding="utf-8") as file:
                db = json.load(file)["db"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # It ended meanwhile, or has not yet written what it will.
        if db is not None:  # Else it uses the default, like us.
            yield str(db)


def _is_there(path: str) -> bool:
    return os.path.exists(path) or os.path.isdir(path + ".spool")
