"""The whole supervisor in one loop: something happens, the rules decide, the host acts."""

from __future__ import annotations

from tapwrap.core.supervision import Done, begin, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from tapwrap.core.supervision import Action, Event, Policy

    class Host(Protocol):
        """Whoever carries out the actions and tells what happened."""

        def now(self) -> float:
            """Seconds of the monotonic clock."""

        def do(self, action: Action) -> None:
            """Carry out one action."""

        def next_event(self) -> Event:
            """Wait for the next thing to happen."""


def run(host: Host, policy: Policy) -> int:
    """Supervise the command to its end; the status to exit with."""
    state, actions = begin(policy, host.now())
    while True:
        for action in actions:
            host.do(action)
        if isinstance(state, Done):
            return state.status
        state, actions = step(state, host.next_event(), policy)
