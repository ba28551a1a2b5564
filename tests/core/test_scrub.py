"""No secret survives, by its name or by its shape; ordinary text does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.core.scrub import SCRUBBED, is_secret, scrub, scrub_argv, scrub_value

#: What a person would call a password: no spaces, no punctuation that ends a value.
SECRET = st.text(st.sampled_from("abcXYZ0189!$%*-_.~"), min_size=6, max_size=30).map("q7".__add__)
NAME = st.sampled_from(
    [
        "password",
        "PASSWORD",
        "db_password",
        "Api-Key",
        "api_key",
        "apikey",
        "X-Auth-Token",
        "client.secret",
        "aws_secret_access_key",
        "private_key",
        "credentials",
        "dbpwd",
    ]
)

SHAPED = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "xoxb-123456789012-abcdefABCDEF",
    "glpat-" + "a1B2" * 5,
    "sk_live_" + "a1B2" * 6,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA",
]


@given(NAME, SECRET, st.sampled_from(["{}={}", "{}: {}", '"{}": "{}"', "'{}': '{}'", "--{} {}"]))
def test_a_value_with_a_secret_name_goes(name: str, secret: str, form: str) -> None:
    shown = scrub("before " + form.format(name, secret) + " after")

    assert secret not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@given(
    SECRET, st.sampled_from(["Authorization: Bearer {}", "Cookie: a={}; b={}", "set-cookie: {}"])
)
def test_a_header_with_a_secret_goes(secret: str, form: str) -> None:
    assert secret not in scrub("GET /\n" + form.format(secret, secret) + "\nHost: x")


@given(SECRET)
def test_the_password_of_a_url_goes_and_its_host_stays(secret: str) -> None:
    shown = scrub(f"cannot connect to postgres://app:{secret}@db:5432/main")

    assert shown == f"cannot connect to postgres://app:{SCRUBBED}@db:5432/main"


@pytest.mark.parametrize("secret", SHAPED)
def test_a_secret_is_known_by_its_shape(secret: str) -> None:
    shown = scrub(f"it was {secret}")

    assert shown == f"it was {SCRUBBED}"


@pytest.mark.parametrize(
    "text",
    [
        "api exited with status 3",
        "PWD=/srv OLDPWD=/",
        "basic authentication failed",
        "max_tokens=100",
        "see https://example.org/a?b=c",
        "12:34:56 user=anna id: 7",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert scrub(text) == text


@given(st.text(st.characters()))
def test_nothing_makes_it_fail_and_twice_is_once(text: str) -> None:
    once = scrub(text)

    assert scrub(once) == once or SCRUBBED in once


@given(
    st.lists(
        st.sampled_from(["=", ":", '"', "'", "\\", "token", "password", " ", "\n", "x"])
        | st.sampled_from(
            ["://", "@", "Bearer ", "--", "-----BEGIN ", "-----END ", "eyJ", SCRUBBED]
        )
    )
)
def test_pieces_of_secrets_in_any_order_do_not_make_it_fail(pieces: list[str]) -> None:
    assert isinstance(scrub("".join(pieces)), str)


def test_arguments() -> None:
    argv = ["psql", "--password", "hunter2", "-H", "Authorization: Basic dXNlcjpwYXNz"]
    argv += ["--token=abc", "DB_PASSWORD=1", "--verbose", "x", "--secret", "--quiet", ""]

    assert scrub_argv(argv) == [
        *("psql", "--password", SCRUBBED, "-H", f"Authorization: {SCRUBBED}"),
        *(f"--token={SCRUBBED}", f"DB_PASSWORD={SCRUBBED}", "--verbose", "x"),
        *("--secret", "--quiet", ""),
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    SECRET,
)
def test_a_secret_key_hides_whatever_is_under_it(inner: object, secret: str) -> None:
    shown = scrub_value({"a": [{"x-API_Key": [inner, secret]}, inner], "b": f"token={secret}"})

    assert secret not in json.dumps(shown)


def test_what_is_nested_without_end_ends() -> None:
    loop: list[object] = []
    loop.append(loop)

    assert "too deep" in json.dumps(scrub_value(loop))


@pytest.mark.parametrize("name", ["pwd", "oldpwd", "max_tokens", "key", "user", "passenger"])
def test_names_that_only_look_secret(name: str) -> None:
    assert not is_secret(name)
