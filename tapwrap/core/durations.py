"""One grammar for durations everywhere: `500ms`, `8s`, `2m`, `1h30m`, `1d`, or plain seconds."""

from __future__ import annotations

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST = 10 * 365 * 86_400.0


def parse(text: str) -> float:
    """Seconds. Units go from large to small, each at most once; a bare number is seconds.

    Raises ValueError with one sentence that says what is wrong and how to write it.
    """
    wrong = ValueError(f"{text!r} is not a duration: write it like 500ms, 8s, 2m or 1h30m")
    rest, total, least = text.strip(), 0.0, float("inf")
    if not rest:
        raise wrong
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        letters = rest[: len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyz"))]
        rest = rest[len(letters) :]
        if not digits.isascii() or digits.count(".") > 1 or not digits.strip("."):
            raise wrong
        if not letters and (rest or least != float("inf")):
            raise wrong
        unit = SECONDS.get(letters or "s")
        if unit is None or unit >= least:
            raise wrong
        least = unit
        total += float(digits) * unit
    if total > LONGEST:
        raise ValueError(f"{text!r} is longer than ten years")
    return total


def show(seconds: float) -> str:
    """The shortest spelling a person reads at a glance: `250ms`, `1.5s`, `2m5s`, `3h`, `2d4h`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, whole = divmod(whole, round(SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
