"""What the supervisor does, whole: the states a run can be in, what can happen, what follows.

`step(state, event, policy)` gives the next state and the actions to take. Nothing here
knows a clock, a process or a file: times and luck come with the events.
"""

from __future__ import annotations

from tapwrap.core import backoff as curve
from tapwrap.core import exits, signals
from tapwrap.core.backoff import Backoff
from tapwrap.core.exits import Exit, NotStarted, Sender, Successes, Told, Verdict
from tapwrap.core.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    What = Literal["started", "restarting", "gave_up", "crash_loop", "held"]

TERM = signals.NUMBERS["TERM"]
CONT = signals.NUMBERS["CONT"]

#: What a killed process may still need to disappear, and how often KILL is repeated meanwhile.
KILL_PATIENCE = 1.0
KILL_AGAIN = 0.05


@value
class Policy:
    """Everything the user decided. Times in seconds; None is no limit."""

    restart: str = "no"
    max_restarts: int | None = None
    backoff: Backoff = Backoff()
    crash_limit: int = 5
    crash_window: float = 60.0
    hold: bool = False
    never_retry: frozenset[int] = frozenset({exits.NOT_EXECUTABLE, exits.NOT_FOUND, exits.CONFIG})
    successes: Successes = Successes()
    timeout: float | None = None
    stop_timeout: float = 8.0
    sweep: bool = True
    stop_signals: frozenset[int] = frozenset({TERM})
    rewrites: Mapping[int, int] = {}


@value
class History:
    """What earlier attempts left: their number, failures in a row, when the recent ones were."""

    attempt: int = 1
    streak: int = 0
    crashes: tuple[float, ...] = ()


@value
class Stop:
    """Why the command is being ended: someone asked, or its time ran out.

    `overdue`: it was still there when its grace was over.
    """

    asked: bool = False
    timed_out: bool = False
    overdue: bool = False


# What is known.


@value
class Starting:
    """Forked, but not yet seen to run its own program."""

    history: History
    since: float
    told: tuple[Told, ...] = ()


@value
class Running:
    """The command runs."""

    history: History
    since: float
    told: tuple[Told, ...] = ()


@value
class Stopping:
    """The command was told to end; what it leaves behind will be told when it is gone."""

    history: History
    since: float
    told: tuple[Told, ...]
    stop: Stop


@value
class Sweeping:
    """The command is gone; its leftovers were told to end and use the rest of the grace."""

    history: History
    since: float
    told: tuple[Told, ...]
    stop: Stop
    ended: Exited


@value
class Killing:
    """Everything was sent KILL. Only the kernel can keep us waiting now, and not for long."""

    history: History
    since: float
    told: tuple[Told, ...]
    stop: Stop
    ended: Exited | None = None


@value
class BackingOff:
    """Between two attempts."""

    history: History
    status: int


@value
class Held:
    """Given up after a crash loop, but staying, so that someone can look inside."""

    history: History
    status: int


@value
class Done:
    """Nothing is left to do but to exit with this status."""

    status: int


State = Starting | Running | Stopping | Sweeping | Killing | BackingOff | Held | Done


# What can happen.


@value
class Started:
    """The program was executed."""


@value
class Exited:
    """The command is gone. `oom_kills`: how far the cgroup's OOM counter moved meanwhile.

    `at_terminal`: it was in the foreground of a terminal, whose keys are signals.
    """

    exit: Exit | NotStarted
    at: float
    luck: float = 0.0
    oom_kills: int = 0
    at_terminal: bool = False


@value
class AllGone:
    """No process of the attempt is left."""


@value
class TimerFired:
    """A timer that was set has run out: timeout, grace, kill, again or backoff."""

    name: str
    at: float
    luck: float = 0.0


@value
class SignalArrived:
    """Somebody sent us a signal."""

    signal: int
    sender: Sender | None = None


@value
class Paused:
    """The command was stopped by job control: TSTP, TTIN or TTOU."""


Event = Started | Exited | AllGone | TimerFired | SignalArrived | Paused


# What is done about it.


@value
class Spawn:
    """Start the command."""

    attempt: int


@value
class Send:
    """Send a signal to the command, to whatever the user chose as its scope."""

    signal: int


@value
class Tell:
    """Send a signal to the command's main process alone, and wake it, so that it can end."""

    signal: int


@value
class Sweep:
    """Tell what the command left behind to end."""


@value
class Kill:
    """Send KILL. `rest`: not to main alone; `last`: nothing in the container is needed now."""

    rest: bool
    last: bool


@value
class SetTimer:
    """Ask for TimerFired(name) after so many seconds, in place of an earlier one."""

    name: str
    seconds: float


@value
class StopTimers:
    """Forget all timers."""


@value
class Report:
    """Say how the attempt ended and, when something went wrong, keep a record of it."""

    verdict: Verdict
    ended: Exited | None


@value
class Announce:
    """Say one thing to whoever reads our log; `number` is the pause, or how many."""

    what: What
    number: float = 0


@value
class Suspend:
    """Stop ourselves too, as the shell that started us expects (job control)."""


Action = Spawn | Send | Tell | Sweep | Kill | SetTimer | StopTimers | Report | Announce | Suspend
Step = tuple[State, list[Action]]


def begin(policy: Policy, at: float) -> Step:
    """The first attempt."""
    return _spawn(History(), policy, at)


def step(state: State, event: Event, policy: Policy) -> Step:
    """What follows from an event. Events that mean nothing in a state change nothing."""
    match state, event:
        case Starting(), Started():
            return Running(state.history, state.since, state.told), [Announce("started")]
        case Starting() | Running(), SignalArrived():
            return _signalled(state, event, policy)
        case Starting() | Running(), TimerFired("timeout"):
            told = Told(signals.rewritten(TERM, policy.rewrites) or TERM)
            return _stop(state, Stop(timed_out=True), policy, told)
        case Running(), Paused():
            return state, [Suspend()]
        case Starting() | Running() | Stopping(), Exited():
            return _main_gone(state, event, policy)
        case Stopping() | Sweeping() | Killing(), SignalArrived(signal, sender):
            return _hurried(state, signal, sender, policy)
        case Stopping(), TimerFired("grace"):
            return _kill(state, replace(state.stop, overdue=True), policy)
        case Sweeping(), TimerFired("grace"):
            return _kill(state, state.stop, policy)
        case Killing(), Exited():
            known = replace(state, ended=event)
            return (known, []) if policy.sweep else _finish(known, policy, event.luck)
        case Killing(), TimerFired("again"):
            return state, [_kill_order(state.stop, policy), SetTimer("again", KILL_AGAIN)]
        case Sweeping() | Killing(), AllGone() if state.ended is not None:
            return _finish(state, policy, state.ended.luck)
        case Killing(), TimerFired("kill"):
            return _finish(state, policy, event.luck)
        case BackingOff(), TimerFired("backoff"):
            history = replace(state.history, attempt=state.history.attempt + 1)
            return _spawn(history, policy, event.at)
        case BackingOff() | Held(), SignalArrived(signal) if signal in policy.stop_signals:
            return Done(state.status), [StopTimers()]
        case _:
            return state, []


def _spawn(history: History, policy: Policy, at: float) -> Step:
    limit: list[Action] = [] if policy.timeout is None else [SetTimer("timeout", policy.timeout)]
    return Starting(history, at), [Spawn(history.attempt), *limit]


def _signalled(state: Starting | Running, event: SignalArrived, policy: Policy) -> Step:
    signal = signals.rewritten(event.signal, policy.rewrites)
    if not signal:
        return state, []
    told = Told(signal, event.sender)
    if event.signal in policy.stop_signals:
        return _stop(state, Stop(asked=True), policy, told)
    # The last few are enough to say who sent what the command died of.
    return replace(state, told=(*state.told[-3:], told)), [Send(signal)]


def _stop(state: Starting | Running, stop: Stop, policy: Policy, told: Told) -> Step:
    next_state = Stopping(state.history, state.since, (*state.told[-3:], told), stop)
    order: Action = Send(told.signal) if stop.asked else Tell(told.signal)
    return next_state, [StopTimers(), order, Tell(CONT), SetTimer("grace", policy.stop_timeout)]


def _hurried(
    state: Stopping | Sweeping | Killing, signal: int, sender: Sender | None, policy: Policy
) -> Step:
    """A signal during the stop: the second request to stop goes straight to KILL."""
    if signal in policy.stop_signals and not isinstance(state, Killing):
        if state.stop.asked:
            return _kill(state, state.stop, policy)
        return replace(state, stop=replace(state.stop, asked=True)), []
    if isinstance(state, Stopping) and signal not in policy.stop_signals:
        sent = signals.rewritten(signal, policy.rewrites)
        told = (*state.told[-3:], Told(sent, sender))
        return (replace(state, told=told), [Send(sent)]) if sent else (state, [])
    if isinstance(state, Killing) and signal in policy.stop_signals:
        return replace(state, stop=replace(state.stop, asked=True)), []
    return state, []


def _main_gone(state: Starting | Running | Stopping, event: Exited, policy: Policy) -> Step:
    stop = state.stop if isinstance(state, Stopping) else Stop()
    swept = Sweeping(state.history, state.since, state.told, stop, event)
    if isinstance(event.exit, NotStarted) or not policy.sweep:
        return _finish(swept, policy, event.luck)
    if isinstance(state, Stopping):
        return swept, [Sweep()]  # Its timer goes on: the grace is one, for all of them.
    return swept, [StopTimers(), SetTimer("grace", policy.stop_timeout), Sweep()]


def _kill(state: Stopping | Sweeping, stop: Stop, policy: Policy) -> Step:
    ended = state.ended if isinstance(state, Sweeping) else None
    killing = Killing(state.history, state.since, state.told, stop, ended)
    patience, again = SetTimer("kill", KILL_PATIENCE), SetTimer("again", KILL_AGAIN)
    return killing, [StopTimers(), _kill_order(stop, policy), patience, again]


def _kill_order(stop: Stop, policy: Policy) -> Kill:
    return Kill(rest=policy.sweep, last=stop.asked or policy.restart == "no")


def _finish(state: Sweeping | Killing, policy: Policy, luck: float) -> Step:
    """The attempt is over: say so, then end, wait for the next one, or give up."""
    ended, stop = state.ended, state.stop
    verdict = exits.judge(
        Exit(signal=exits.KILL) if ended is None else ended.exit,
        successes=policy.successes,
        asked=stop.asked,
        timed_out=stop.timed_out,
        # What outlives even KILL was certainly not ended as asked.
        overdue=stop.overdue or ended is None,
        told=state.told,
        oom_kills=0 if ended is None else ended.oom_kills,
        at_terminal=ended is not None and ended.at_terminal,
    )
    report = Report(verdict, ended)
    status = verdict.status
    wanted = policy.restart == "always" or (policy.restart == "on-failure" and verdict.failed)
    if ended is None or verdict.planned or not wanted or status in policy.never_retry:
        return Done(status), [StopTimers(), report]
    if policy.max_restarts is not None and state.history.attempt > policy.max_restarts:
        return Done(status), [StopTimers(), report, Announce("gave_up", policy.max_restarts)]
    history = _remember(state.history, verdict.failed, ended.at - state.since, ended.at, policy)
    if verdict.failed and 0 < policy.crash_limit <= len(history.crashes):
        loop: list[Action] = [StopTimers(), report, Announce("crash_loop", len(history.crashes))]
        if policy.hold:
            return Held(history, status), [*loop, Announce("held")]
        return Done(status), loop
    pause = curve.delay(policy.backoff, history.streak, luck)
    wait: list[Action] = [Announce("restarting", pause), SetTimer("backoff", pause)]
    return BackingOff(history, status), [StopTimers(), report, *wait]


def _remember(history: History, failed: bool, uptime: float, at: float, policy: Policy) -> History:
    """A clean end is not a crash, and a healthy stretch of running forgives the earlier ones."""
    if not failed:
        return replace(history, streak=0)
    streak = 1 if uptime >= policy.backoff.healthy else history.streak + 1
    recent = tuple(each for each in history.crashes if at - each < policy.crash_window)
    return replace(history, streak=streak, crashes=(*recent, at))
