"""The rules of supervision: every transition without a clock, and what holds for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core.backoff import Backoff
from tapwrap.core.exits import Exit, NotStarted, Sender, Successes, Told
from tapwrap.core.supervision import (
    Action,
    AllGone,
    Announce,
    BackingOff,
    Done,
    Event,
    Exited,
    Held,
    History,
    Kill,
    Killing,
    Paused,
    Policy,
    Report,
    Running,
    Send,
    SetTimer,
    SignalArrived,
    Spawn,
    Started,
    Starting,
    State,
    Stopping,
    StopTimers,
    Suspend,
    Sweep,
    Sweeping,
    Tell,
    TimerFired,
    begin,
    step,
)
from tapwrap.core.value import replace

TERM, INT, USR1, CONT, KILL, HUP = 15, 2, 10, 18, 9, 1
OUTSIDE = Sender(0, 0)


def play(policy: Policy, *events: Any) -> tuple[State, list[Action]]:
    """The state after some events, and what was done on the way.

    Any, because a type checker takes a list of several kinds of events for a list of objects.
    """
    state, done = begin(policy, 0.0)
    for event in events:
        state, actions = step(state, event, policy)
        done += actions
    return state, done


def crash(at: float, code: int = 1) -> list[Event]:
    """A command that starts and fails, leaving nothing behind."""
    return [Started(), Exited(Exit(code), at), AllGone()]


def statuses(actions: list[Action]) -> list[str | None]:
    """The causes that were reported."""
    return [each.verdict.cause for each in actions if isinstance(each, Report)]


def pauses(actions: list[Action]) -> list[float]:
    """The pauses before restarts."""
    return [each.seconds for each in actions if each == SetTimer("backoff", _seconds(each))]


def _seconds(action: Action) -> float:
    return action.seconds if isinstance(action, SetTimer) else -1.0


def test_an_end_without_restarts_ends_everything_with_the_commands_code() -> None:
    state, done = play(Policy(), *crash(1.0, code=7))

    assert state == Done(7)
    assert statuses(done) == ["exit"]


def test_leftovers_are_told_before_the_end_is_reported() -> None:
    state, done = play(Policy(), Started(), Exited(Exit(5), 1.0))

    assert isinstance(state, Sweeping)
    assert done[-2:] == [SetTimer("grace", 8.0), Sweep()]


def test_without_sweeping_the_end_of_main_is_the_end() -> None:
    state, _ = play(Policy(sweep=False), Started(), Exited(Exit(5), 1.0))

    assert state == Done(5)


def test_leftovers_that_ignore_term_are_killed_when_the_grace_is_over() -> None:
    state, done = play(Policy(), Started(), Exited(Exit(5), 1.0), TimerFired("grace", 9.0))

    assert isinstance(state, Killing)
    assert Kill(rest=True, last=True) in done


def test_a_stop_asks_main_first_and_wakes_it() -> None:
    state, done = play(Policy(), Started(), SignalArrived(TERM, OUTSIDE))

    assert isinstance(state, Stopping)
    assert done[-4:] == [StopTimers(), Send(TERM), Tell(CONT), SetTimer("grace", 8.0)]


def test_a_stop_that_ends_as_asked_is_no_error() -> None:
    asked = [Started(), SignalArrived(TERM, OUTSIDE)]
    for end, status in ((Exit(0), 0), (Exit(signal=TERM), 143), (Exit(143), 143)):
        state, done = play(Policy(), *asked, Exited(end, 1.0), AllGone())
        assert (state, statuses(done)) == (Done(status), [None])


def test_a_program_that_fails_while_it_stops_has_failed() -> None:
    stop = [Started(), SignalArrived(TERM, OUTSIDE), Exited(Exit(3), 1.0), AllGone()]
    state, done = play(Policy(restart="always"), *stop)

    assert (state, statuses(done)) == (Done(3), ["exit"])


def test_a_command_that_ignores_term_is_killed_at_its_deadline() -> None:
    stop = [Started(), SignalArrived(TERM, OUTSIDE), TimerFired("grace", 8.0)]
    state, done = play(Policy(), *stop, Exited(Exit(signal=KILL), 8.0), AllGone())

    assert (state, statuses(done)) == (Done(137), ["stop_timeout"])


def test_a_second_term_goes_straight_to_kill() -> None:
    state, done = play(Policy(), Started(), *[SignalArrived(TERM, OUTSIDE)] * 2)

    assert isinstance(state, Killing)
    assert Kill(rest=True, last=True) in done


def test_what_not_even_kill_ends_is_given_up() -> None:
    stop = [Started(), SignalArrived(TERM), TimerFired("grace", 8.0), TimerFired("again", 8.1)]
    state, done = play(Policy(restart="always"), *stop, TimerFired("kill", 9.0))

    assert (state, statuses(done)) == (Done(137), ["stop_timeout"])


def test_interrupted_through_us_is_neither_an_error_nor_a_reason_to_restart() -> None:
    events = [Started(), SignalArrived(INT, OUTSIDE), Exited(Exit(signal=INT), 1.0), AllGone()]
    state, done = play(Policy(restart="always"), *events)

    assert (state, statuses(done)) == (Done(130), [None])


def test_int_starts_no_clock_and_term_still_works_after_it() -> None:
    state, done = play(Policy(), Started(), SignalArrived(INT), SignalArrived(TERM))

    assert isinstance(state, Stopping)
    assert not any(isinstance(each, Kill) for each in done)


def test_death_by_a_forwarded_signal_names_its_sender() -> None:
    sender = Sender(42, 1000)
    events = [Started(), SignalArrived(USR1, sender), Exited(Exit(signal=USR1), 1.0), AllGone()]
    _, done = play(Policy(), *events)

    (report,) = [each for each in done if isinstance(each, Report)]
    assert (report.verdict.cause, report.verdict.told) == ("signal", Told(USR1, sender))


def test_every_other_signal_is_passed_on_while_starting_running_and_stopping() -> None:
    for before in ([], [Started()], [Started(), SignalArrived(TERM)]):
        _, done = play(Policy(), *before, SignalArrived(HUP))
        assert done[-1] == Send(HUP)


def test_signals_are_rewritten_once_and_zero_drops() -> None:
    policy = Policy(rewrites={HUP: USR1, USR1: HUP, 28: 0})
    _, done = play(policy, Started(), SignalArrived(HUP), SignalArrived(USR1), SignalArrived(28))

    assert [each for each in done if isinstance(each, Send)] == [Send(USR1), Send(HUP)]


def test_a_rewritten_term_still_stops() -> None:
    state, done = play(Policy(rewrites={TERM: 3}), Started(), SignalArrived(TERM))

    assert isinstance(state, Stopping)
    assert Send(3) in done


def test_the_time_limit_ends_main_with_124() -> None:
    policy = Policy(timeout=5.0)
    assert begin(policy, 0.0)[1] == [Spawn(1), SetTimer("timeout", 5.0)]
    over = [Started(), TimerFired("timeout", 5.0)]
    state, done = play(policy, *over, Exited(Exit(signal=TERM), 5.1), AllGone())

    assert (state, statuses(done)) == (Done(124), ["timeout"])
    assert Tell(TERM) in done


def test_an_instant_failure_is_retried_along_the_curve_and_then_given_up() -> None:
    policy = Policy(restart="on-failure")
    events: list[Event] = []
    for _ in range(5):
        events += [*crash(1.0), TimerFired("backoff", 2.0)]
    state, done = play(policy, *events)

    assert pauses(done) == [0.5, 1.0, 2.0, 4.0]
    assert state == Done(1)
    assert Announce("crash_loop", 5) in done


def test_crashes_outside_the_window_do_not_count() -> None:
    policy = Policy(restart="on-failure", crash_limit=2, crash_window=10.0)
    state, _ = play(policy, *crash(1.0), TimerFired("backoff", 2.0), *crash(20.0))

    assert isinstance(state, BackingOff)


def test_a_healthy_stretch_starts_the_curve_anew() -> None:
    policy = Policy(restart="on-failure", crash_limit=0)
    events = [*crash(1.0), TimerFired("backoff", 2.0), *crash(3.0), TimerFired("backoff", 5.0)]
    _, done = play(policy, *events, *crash(36.0))

    assert pauses(done) == [0.5, 1.0, 0.5]


def test_a_clean_end_is_restarted_by_always_after_the_shortest_pause_and_never_counts() -> None:
    policy = Policy(restart="always", crash_limit=2)
    events: list[Event] = []
    for at in range(10):
        events += [*crash(float(at), code=0), TimerFired("backoff", at + 0.5)]
    state, done = play(policy, *events)

    assert isinstance(state, Starting)
    assert pauses(done) == [0.5] * 10
    assert statuses(done) == [None] * 10


def test_on_failure_does_not_restart_a_success() -> None:
    assert play(Policy(restart="on-failure"), *crash(1.0, code=0))[0] == Done(0)


def test_success_codes_map_to_zero_and_are_not_failures() -> None:
    policy = Policy(restart="on-failure", successes=Successes(frozenset({75}), frozenset({TERM})))
    for end in (Exit(75), Exit(signal=TERM)):
        state, done = play(policy, Started(), Exited(end, 1.0), AllGone())
        assert (state, statuses(done)) == (Done(0), [None])


def test_the_number_of_restarts_can_be_limited() -> None:
    policy = Policy(restart="on-failure", max_restarts=2)
    events: list[Event] = []
    for _ in range(3):
        events += [*crash(1.0), TimerFired("backoff", 2.0)]
    state, done = play(policy, *events)

    assert state == Done(1)
    assert sum(isinstance(each, Spawn) for each in done) == 3


@pytest.mark.parametrize("status", [126, 127])
def test_a_command_that_cannot_be_started_is_not_retried(status: int) -> None:
    state, _ = play(Policy(restart="always"), Exited(NotStarted(status, "no"), 0.1))

    assert state == Done(status)


def test_a_configuration_error_is_not_retried() -> None:
    assert play(Policy(restart="on-failure"), *crash(1.0, code=78))[0] == Done(78)


def test_a_refused_fork_backs_off() -> None:
    refused = Exited(NotStarted(125, "the kernel refused"), 0.1)
    state, done = play(Policy(restart="on-failure"), refused)

    assert isinstance(state, BackingOff)
    assert statuses(done) == ["spawn_failed"]


def test_a_stop_while_backing_off_ends_at_once_with_the_last_code() -> None:
    state, _ = play(Policy(restart="always"), *crash(1.0, code=9), SignalArrived(TERM))

    assert state == Done(9)


def test_a_held_container_stays_until_it_is_told() -> None:
    policy = Policy(restart="on-failure", crash_limit=1, hold=True)
    held, done = play(policy, *crash(1.0, code=9))

    assert isinstance(held, Held)
    assert done[-1] == Announce("held")
    assert step(held, SignalArrived(TERM), policy)[0] == Done(9)


def test_memory_is_blamed_by_the_counter_and_by_nothing_else() -> None:
    grandchild = Exited(Exit(5), 1.0, oom_kills=1)
    murdered = Exited(Exit(signal=KILL), 1.0)

    assert statuses(play(Policy(), Started(), grandchild, AllGone())[1]) == ["oom"]
    assert statuses(play(Policy(), Started(), murdered, AllGone())[1]) == ["signal"]


def test_a_paused_command_pauses_us() -> None:
    assert play(Policy(), Started(), Paused())[1][-1] == Suspend()


def test_leftovers_that_had_to_be_killed_do_not_change_what_main_died_of() -> None:
    murdered = [Started(), Exited(Exit(signal=KILL), 1.0), TimerFired("grace", 9.0), AllGone()]

    assert statuses(play(Policy(), *murdered)[1]) == ["signal"]


POLICIES = st.builds(
    Policy,
    restart=st.sampled_from(["no", "on-failure", "always"]),
    max_restarts=st.none() | st.integers(1, 3),
    crash_limit=st.integers(0, 4),
    hold=st.booleans(),
    timeout=st.none() | st.just(5.0),
    sweep=st.booleans(),
    backoff=st.builds(Backoff, initial=st.sampled_from([0.0, 0.5])),
    successes=st.just(Successes(frozenset({75}))),
)


class World:
    """A machine in which only what can happen happens: the honest stand-in for the real host."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.alive = False
        self.starting = False
        self.sweeping = False
        self.timers: set[str] = set()
        self.now = 0.0
        self.state, actions = begin(policy, 0.0)
        self.obey(actions)

    def obey(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Spawn():
                    assert not self.alive, "two commands at once"
                    self.alive = self.starting = True
                    self.sweeping = False
                case SetTimer(name, seconds):
                    assert seconds >= 0
                    self.timers.add(name)
                case StopTimers():
                    self.timers.clear()
                case Sweep():
                    assert not self.alive
                    self.sweeping = True
                case Kill(rest, _):
                    self.sweeping = self.sweeping or rest
                case Send() | Tell() | Report() | Announce() | Suspend():
                    pass  # They change nothing that the rules could see.

    def happens(self, event: Event) -> None:
        self.now += 0.25
        if isinstance(event, Started):
            self.starting = False
        if isinstance(event, Exited):
            self.alive = self.starting = False
        if isinstance(event, AllGone):
            self.sweeping = False
        if isinstance(event, TimerFired):
            self.timers.discard(event.name)
        self.state, actions = step(self.state, event, self.policy)
        self.obey(actions)

    def possible(self) -> list[Event]:
        events: list[Event] = [SignalArrived(TERM), SignalArrived(USR1), SignalArrived(INT)]
        events += [TimerFired(name, self.now, 0.5) for name in sorted(self.timers)]
        if self.starting:
            events += [Started(), Exited(NotStarted(125, "no room"), self.now, 0.5)]
        if self.alive:
            ends = (Exit(0), Exit(1), Exit(75), Exit(signal=KILL), Exit(signal=TERM))
            events += [Exited(end, self.now, 0.5) for end in ends]
            events.append(Paused())
        elif self.sweeping:
            events.append(AllGone())
        return events


@given(POLICIES, st.data())
def test_whatever_came_before_term_ends_it(policy: Policy, data: st.DataObject) -> None:
    world = World(policy)
    for _ in range(data.draw(st.integers(0, 25))):
        if isinstance(world.state, Done):
            return
        world.happens(data.draw(st.sampled_from(world.possible())))
        if not isinstance(world.state, Starting | Running | Held | Done):
            assert world.timers, "a state that waits without a deadline"

    # The most stubborn of commands: it ends by nothing, and only time goes on.
    if not isinstance(world.state, Done):
        world.happens(SignalArrived(TERM, OUTSIDE))
    for _ in range(10):
        if isinstance(world.state, Done):
            break
        assert world.timers, "a stop that waits for ever"
        last = max(world.timers, key=["again", "timeout", "backoff", "grace", "kill"].index)
        world.happens(TimerFired(last, world.now))
    assert isinstance(world.state, Done)
    assert 0 <= world.state.status <= 255


@given(POLICIES, st.data())
def test_events_that_mean_nothing_change_nothing(policy: Policy, data: st.DataObject) -> None:
    world = World(policy)
    for _ in range(data.draw(st.integers(0, 10))):
        world.happens(data.draw(st.sampled_from(world.possible())))
    assert step(world.state, TimerFired("no such timer", 0.0), policy) == (world.state, [])


def test_values_are_compared_by_their_fields_and_cannot_be_changed() -> None:
    state = BackingOff(History(), 1)
    held: State = Held(History(), 1)

    assert state == replace(state, status=1) != replace(state, status=2)
    assert state != held
    with pytest.raises(AttributeError, match="is a value"):
        state.status = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        replace(state, nonsense=1)
    with pytest.raises(TypeError, match="is made of"):
        BackingOff()  # type: ignore[call-arg]
