"""How much may be kept: sizes and ages in, decisions out."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024

#: What a store holds back for the day the disk is full, bytes.
BALLAST = 4 * MEBIBYTE


def ballast_size(free: int) -> int:
    """Bytes to hold back on a volume with `free` bytes left; 0 when it can spare none.

    An eighth at most: a tiny volume needs a reserve more than a large one does, but it must
    not be filled by the reserve. Less than a mebibyte would not be enough to delete with.
    """
    size = min(BALLAST, free // 8)
    return size if size >= MEBIBYTE else 0


def log_size(ballast: int) -> int:
    """Bytes the write-ahead log may have before it is written back into the file.

    Half of the ballast: on a full disk, what the ballast leaves must hold the log once more.
    """
    return min(max(ballast // 2, MEBIBYTE // 4), 4 * MEBIBYTE)


def growth(free: int) -> int:
    """Bytes the file may still grow on a volume that has no ballast.

    Half of what is left, less a mebibyte for the log: records can only be deleted to make
    room while there is room to write down that they are.
    """
    return max((free - MEBIBYTE) // 2, 0)


def stored_in_full(kept_this_minute: int, per_minute: int | None) -> bool:
    """Whether a record gets a row of its own, or is counted on the last one like it."""
    return per_minute is None or kept_this_minute < max(per_minute, 1)


def cutoff(now: int, older_than: float | None) -> int | None:
    """The time (microseconds) before which records are too old, or None for never."""
    return None if older_than is None else now - round(older_than * 1_000_000)


def pages_over(pages: int, free: int, page_size: int, max_bytes: int | None) -> int:
    """How many pages in use are more than `max_bytes` allow."""
    if max_bytes is None:
        return 0
    return max(pages - free - max_bytes // page_size, 0)
