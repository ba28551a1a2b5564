"""How long to wait before the next attempt."""

from __future__ import annotations

from tapwrap.core.value import value


@value
class Backoff:
    """An exponential curve: seconds before the first restart, growth, ceiling, and luck on top.

    Jitter is only ever added, so that no restart comes earlier than the curve says. After
    `healthy` seconds of running the curve begins anew.
    """

    initial: float = 0.5
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.1
    healthy: float = 30.0


def delay(backoff: Backoff, failures: int, luck: float) -> float:
    """Seconds to wait after this many failures in a row; luck is between 0 and 1."""
    steps = max(failures - 1, 0)
    # 64 doublings pass any cap; without the bound a long crash loop would overflow a float.
    curve = min(backoff.initial * backoff.factor ** min(steps, 64), backoff.cap)
    return curve * (1 + backoff.jitter * luck)
