"""Which records are the same error: a fingerprint of what does not change between occurrences.

Written by hand and without regular expressions: one pass over bounded text, so that no
message, however hostile, takes longer than any other of its length.
"""

from __future__ import annotations

from _blake2 import blake2b
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Part of every fingerprint: a later algorithm must not be mistaken for this one.
ALGORITHM = 1

#: What is looked at, characters. What makes an error the error it is stands at its start.
LONGEST = 1024

_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_JOINTS = frozenset(".:-/_@+%~,")
_BETWEEN_NUMBERS = frozenset(".:-/,")
_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/var/folders/")
_UUID = [8, 4, 4, 4, 12]


def fingerprint(*, cause: str | None, program: str, type: str, message: str) -> str:
    """`1:` and 32 hex digits, equal for records that differ only in what varies by chance."""
    parts = (cause or "", program, type, normalise(message))
    # Each part with its length: ("ab", "c") and ("a", "bc") are different errors.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16)
    return f"{ALGORITHM}:{digest.hexdigest()}"


def normalise(text: str) -> str:
    """The text with numbers, ids, addresses, times and temporary paths as placeholders.

    A code such as E1042 stays: it says which error it is.
    """
    words = (_word(word) for word in text[:LONGEST].split())
    return " ".join(words)


def _word(word: str) -> str:
    """A word without spaces: runs of letters, digits and joints, and what stands between."""
    return "".join(_run(run) if known else run for known, run in _runs(word))


def _runs(word: str) -> Iterator[tuple[bool, str]]:
    start, inside = 0, False
    for place, letter in enumerate(word):
        known = letter.isalnum() or letter in _JOINTS
        if known != inside:
            if place > start:
                yield inside, word[start:place]
            start, inside = place, known
    if len(word) > start:
        yield inside, word[start:]


def _run(run: str) -> str:
    core = run.rstrip(".,:-/%~+@_")
    tail = run[len(core) :]
    if core.startswith(_TEMPORARY):
        return "<path>" + tail
    if _is_uuid(core):
        return "<id>" + tail
    if _is_ipv6(core):
        return "<ip>" + tail
    if core and tail.startswith("::") and _is_ipv6(core + "::"):
        return "<ip>" + tail[2:]
    return _pieces(core) + tail


def _pieces(run: str) -> str:
    """Each piece between joints for itself; numbers joined to numbers are one number."""
    shown: list[str] = []
    start = 0
    for place in range(len(run) + 1):
        if place < len(run) and run[place] not in _JOINTS:
            continue
        piece = _piece(run[start:place])
        joint = shown[-1] if shown else ""
        if piece.startswith("<n>") and joint in _BETWEEN_NUMBERS and shown[-2:-1] == ["<n>"]:
            shown[-2:] = [piece]
        else:
            shown.append(piece)
        if place < len(run):
            shown.append(run[place])
        start = place + 1
    return "".join(shown)


def _piece(piece: str) -> str:
    if not piece or not piece.isascii():
        return piece
    digits = sum(letter in _DIGITS for letter in piece)
    if not digits:
        return "<hex>" if len(piece) >= 16 and _HEX.issuperset(piece) else piece
    if digits == len(piece) or _is_clock(piece):
        return "<n>"
    if piece[:2] in ("0x", "0X") or (len(piece) >= 8 and _HEX.issuperset(piece)):
        return "<hex>"
    letters = piece.lstrip("0123456789")
    if len(letters) <= 3 and len(letters) + digits == len(piece) and letters.isalpha():
        return "<n>" + letters
    # Letters and digits in turn, as in 4fTz1k9q: an id that a machine made up.
    changes = sum((one in _DIGITS) != (two in _DIGITS) for one, two in pairwise(piece))
    return "<id>" if len(piece) >= 8 and changes >= 2 else piece


def _is_clock(piece: str) -> bool:
    """The 31T08 and 10Z of an ISO time."""
    return piece.removesuffix("Z").replace("T", "0", 1).isdigit() and piece[0] in _DIGITS


def _is_uuid(run: str) -> bool:
    parts = run.split("-") if len(run) == 36 else []
    return [len(part) for part in parts] == _UUID and all(map(_HEX.issuperset, parts))


def _is_ipv6(run: str) -> bool:
    if run.count(":") < 2 or len(run) > 45:
        return False
    parts = run.partition("%")[0].split(":")
    if "::" not in run and (len(parts) != 8 or not any(parts)):
        return False
    return all(len(part) <= 4 and _HEX.issuperset(part) for part in parts)
