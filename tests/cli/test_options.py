"""The small reader and click understand the same command lines in the same way."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.cli import options, run_command
from tapwrap.cli.options import BY_NAME, NEGATIONS, OPTIONS, Settings

VALUES = {
    "restart": ["no", "on-failure", "on-failure:3", "always"],
    "success-codes": ["0", "75,SIGTERM"],
    "stop-signals": ["TERM", "TERM,QUIT"],
    "rewrite": ["TERM=QUIT", "28=0"],
    "crash-limit": ["0", "7"],
    "log-size": ["512K", "10M"],
    "timeout": ["0", "1h30m"],
}
NAMES = sorted(BY_NAME | NEGATIONS)


def texts(name: str) -> st.SearchStrategy[str]:
    """Right and wrong values for an option."""
    option = BY_NAME[name]
    good = list(option.choices) or VALUES.get(name)
    if good is None:
        good = ["8s", "500ms"] if option.metavar == "TIME" else ["a", "/data/x y", "", "é\udcff"]
    return st.sampled_from([*good, "nonsense", "-1"])


@st.composite
def given_option(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from(NAMES))
    if name in NEGATIONS or BY_NAME[name].flag:
        return [f"--{name}"]
    text = draw(texts(name))
    return draw(st.sampled_from([[f"--{name}", text], [f"--{name}={text}"]]))


WORDS = st.sampled_from(["sh", "-c", "exit 3", "--", "--db", "--restart", "x", "", "é\udcff", "\n"])
LINES = st.tuples(
    st.lists(given_option(), max_size=4),
    st.sampled_from([["--"], []]),
    st.lists(WORDS, max_size=4),
)


def click_reads(arguments: list[str]) -> tuple[Settings, list[str]] | None:
    """What click makes of a command line; None when it complains."""
    try:
        context = run_command.run.make_context("run", list(arguments))
    except click.ClickException:
        return None
    values = dict(context.params)
    command = list(values.pop("command"))
    return Settings(**values), command


@given(LINES)
def test_both_understand_the_same(line: tuple[list[list[str]], list[str], list[str]]) -> None:
    given_options, dashes, command = line
    arguments = [word for option in given_options for word in option] + dashes + command

    plain = options.read(arguments, {})

    # The small reader may always say "ask click", but never something else than click.
    if plain is not None:
        assert plain == click_reads(arguments)
    elif dashes and command and command[0] != "--" and len(given_options) < 2:
        # Of an option that is given twice click looks at the last value only.
        assert click_reads(arguments) is None


@given(st.data())
def test_the_environment_sets_what_the_command_line_does_not(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(BY_NAME)))
    option = BY_NAME[name]
    text = data.draw(st.sampled_from(["true", "no"]) if option.flag else texts(name))

    plain = options.read(["--", "sh"], {option.variable: text})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(option.variable, text)
        assert plain == click_reads(["--", "sh"])


def test_the_table_and_the_settings_have_the_same_names() -> None:
    assert [option.key for option in OPTIONS] == list(Settings.__match_args__)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_explained(option: options.Option) -> None:
    assert option.help.endswith(".")
    assert option.flag or option.choices or option.metavar
    assert option.shown or option.default in (None, ())


def test_shown_defaults_are_the_defaults() -> None:
    for option in OPTIONS:
        if option.shown and option.default is not None and not option.flag:
            assert options.value_of(option, option.shown) == option.default, option.name


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--"],
        ["--restart"],
        ["--restart=sometimes", "sh"],
        ["-x", "sh"],
        ["--re=no", "sh"],
    ],
)
def test_what_is_unusual_is_left_to_click(arguments: list[str]) -> None:
    assert options.read(arguments, {}) is None
