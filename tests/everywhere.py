"""Run the tests on every CPython of this machine that the package supports.

    python3 tests/everywhere.py [--only 3.12] [PYTEST ARGUMENTS …]

It needs nothing but Python and pip: each interpreter gets a virtual environment under
`.venvs/`, with the package installed there as a user would install it. Coverage is measured
on the first one, including the processes that the tests start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLASSIFIER = "Programming Language :: Python :: 3."
WHO = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3])"


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--only", default="", metavar="VERSION", help="such as 3.12 or 3.12.1")
    options, pytest_arguments = parser.parse_known_args()
    found = {
        version: python
        for version, python in interpreters(supported()).items()
        if f"{version}.".startswith(options.only and f"{options.only}.")
    }
    if not found:
        print("cannot find a CPython that the package supports", file=sys.stderr)
        return 1

    outcomes = {}
    for version, python in found.items():
        started = time.monotonic()
        print(f"\n── CPython {version}: {python}", flush=True)
        passed = test(python, version, pytest_arguments, measured=version == next(iter(found)))
        outcomes[version] = passed
        verdict = "passed" if passed else "FAILED"
        print(f"── CPython {version}: {verdict} in {time.monotonic() - started:.0f} s", flush=True)

    failed = [version for version, passed in outcomes.items() if not passed]
    print(f"\nCPython {', '.join(found)}" + (f"; FAILED on {', '.join(failed)}" if failed else ""))
    print(f"interpreters: {len(found) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def supported() -> list[str]:
    """The versions that the package says it supports, such as 3.11 and 3.12."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    minors = [line.removeprefix(CLASSIFIER) for line in project["classifiers"]]
    return [f"3.{minor}" for minor in minors if minor.isdecimal()]


def interpreters(versions: list[str]) -> dict[str, str]:
    """Every CPython of these versions on this machine, by its full version, oldest first.

    Looked for on PATH and where pyenv, uv and asdf keep theirs. Each is asked who it is,
    because a shim on PATH may stand for a version that it then refuses to run.
    """
    home = Path.home()
    folders = [
        Path(sys.base_prefix, "bin"),
        *Path(os.environ.get("PYENV_ROOT", home / ".pyenv")).glob("versions/*/bin"),
        *(home / ".local/share/uv/python").glob("cpython-*/bin"),
        *(home / ".asdf/installs/python").glob("*/bin"),
        *Path("/opt/python").glob("*/bin"),
        *map(Path, os.get_exec_path()),
    ]
    found: dict[str, str] = {}
    for python in (folder / f"python{version}" for folder in folders for version in versions):
        if python.is_file():
            answer = subprocess.run(
                [python, "-I", "-c", WHO], capture_output=True, text=True, check=False
            )
            name, _, version = answer.stdout.strip().partition(" ")
            if answer.returncode == 0 and name == "cpython":
                found.setdefault(version, str(python))
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def test(python: str, version: str, pytest_arguments: list[str], *, measured: bool) -> bool:
    """Whether the tests pass with this interpreter."""
    bin_ = ROOT / ".venvs" / version / "bin"
    coverage = [str(bin_ / "coverage")]
    pytest = [str(bin_ / "pytest"), *pytest_arguments]
    if not install(python, bin_):
        return False
    if not measured:
        return run(pytest)
    run([*coverage, "erase"])
    passed = run([*coverage, "run", *pytest])
    return run([*coverage, "combine", "--quiet"]) and run([*coverage, "report"]) and passed


def install(python: str, bin_: Path) -> bool:
    """Whether the package and what its tests need are now in the virtual environment."""
    # Debian keeps ensurepip in a package of its own; its pip can install from outside.
    bundled = run([python, "-c", "import ensurepip"], stderr=subprocess.DEVNULL)
    if not run([str(bin_ / "python"), "-c", "import tapwrap"], stderr=subprocess.DEVNULL):
        create = [python, "-m", "venv", "--clear", *([] if bundled else ["--without-pip"])]
        if not run([*create, str(bin_.parent)]):
            return False
    inside = str(bin_ / "python")
    pip = [inside, "-m", "pip"] if bundled else [python, "-m", "pip", "--python", inside]
    return run([*pip, "install", "--quiet", "--disable-pip-version-check", f"{ROOT}[dev]"])


def run(command: list[str], stderr: int | None = None) -> bool:
    """Whether the command succeeds. It never waits for someone at the terminal."""
    try:
        return not subprocess.call(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=stderr)
    except FileNotFoundError:
        return False  # Its virtual environment is still to be made.


if __name__ == "__main__":
    sys.exit(main())
